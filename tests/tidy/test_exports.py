"""The public names: what ``__all__`` lists is importable, documented, and all there is."""

import ast
import importlib
import inspect
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

import depthcast


def packages() -> list[ModuleType]:
    """The package and every package inside it."""
    inner = pkgutil.walk_packages(depthcast.__path__, "depthcast.")
    return [depthcast, *(importlib.import_module(info.name) for info in inner if info.ispkg)]


def public_names(module: ModuleType) -> set[str]:
    """Names bound in a module that are its own to give: no underscore, no submodule, nothing from outside."""
    names = set()
    for name, value in vars(module).items():
        if name.startswith("_") or name == "TYPE_CHECKING" or inspect.ismodule(value):
            continue
        if getattr(value, "__module__", "depthcast").split(".")[0] == "depthcast":
            names.add(name)
    return names


def test_all_is_what_is_importable() -> None:
    wrong = []
    for module in packages():
        if not hasattr(module, "__all__"):
            if public_names(module):
                wrong.append(f"{module.__name__} has public names and no __all__")
            continue
        missing = [name for name in module.__all__ if not hasattr(module, name)]
        hidden = sorted(public_names(module) - set(module.__all__))
        if missing or hidden or len(set(module.__all__)) != len(module.__all__):
            wrong.append(f"{module.__name__}: missing {missing}, not listed {hidden}")
    assert not wrong, "\n".join(wrong)


def test_every_exported_class_and_function_says_what_it_is() -> None:
    silent = []
    for module in packages():
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            if (inspect.isclass(value) or callable(value)) and not inspect.getdoc(value):
                silent.append(f"{module.__name__}.{name}")
            if inspect.isclass(value) and not getattr(value, "_is_protocol", False):
                silent.extend(f"{module.__name__}.{name}.{method}" for method in undocumented_methods(value))
    assert not silent, "no docstring:\n" + "\n".join(silent)


def undocumented_methods(cls: type) -> list[str]:
    """Public methods of ``cls`` with a docstring neither in the module nor in the stub beside it."""
    module = sys.modules[cls.__module__]
    if not cls.__module__.startswith("depthcast"):
        return []
    stub = Path(module.__file__ or "").parent / f"{module.__name__.rpartition('.')[2]}.pyi"
    stubbed = documented_in(stub, cls.__name__) if stub.is_file() else set()
    return [
        name
        for name, member in vars(cls).items()
        if not name.startswith("_")
        and (inspect.isroutine(member) or isinstance(member, classmethod | staticmethod))
        and not inspect.getdoc(getattr(cls, name))
        and name not in stubbed
    ]


def documented_in(stub: Path, cls: str) -> set[str]:
    """The methods of a class that have a docstring in a stub."""
    return {
        method.name
        for node in ast.walk(ast.parse(stub.read_text()))
        if isinstance(node, ast.ClassDef) and node.name == cls
        for method in node.body
        if isinstance(method, ast.FunctionDef) and ast.get_docstring(method)
    }
