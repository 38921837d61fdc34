"""Settings in layers: defaults, a file, variables, the command line; each overrides the one before.

A setting is a leaf of a Struct of sections, named by its path. ``engine.max_event_ns`` is ``max_event_ns``
under ``[engine]`` in the file, ``DEPTHCAST_ENGINE_MAX_EVENT_NS`` among the variables, and on the command line
``--set engine.max_event_ns=...``.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from depthcast.errors import SettingsError
from depthcast.settings.secret_files import with_files

__all__ = ["DEFAULT_ENVIRONMENT", "Loaded", "Origin", "Secret", "load", "variable_name"]

PREFIX: Final = "DEPTHCAST_"
DEFAULT_ENVIRONMENT: Final = "local"
SWITCHES: Final = frozenset(
    {
        "DEPTHCAST_ENVIRONMENT",
        "DEPTHCAST_CONFIG_DIR",
        "DEPTHCAST_DEBUG",
        "DEPTHCAST_DATA",
        "DEPTHCAST_KEY",
        "DEPTHCAST_KEY_FILE",
        "DEPTHCAST_API_KEY",
        "DEPTHCAST_API_KEY_FILE",
    }
)
"""Variables that are not settings: where those are read from, a key, what serves tests and debugging."""


class Secret:
    """A value that is never printed: ``repr`` and ``str`` hide it, `reveal` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))


S = TypeVar("S", bound=Struct)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: the layer, and the file, variable or option there (empty for a default)."""

    layer: Literal["default", "file", "variable", "command line"]
    where: str = ""

    def __str__(self) -> str:
        return f"variable {self.where}" if self.layer == "variable" else self.where or self.layer


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """Effective settings. ``values`` and ``origins`` are by dotted key; ``file`` is the one read, if any."""

    settings: S
    values: dict[str, Any]
    origins: dict[str, Origin]
    environment: str
    environment_origin: Origin
    file: Path | None
    unknown_variables: tuple[str, ...]
    """``DEPTHCAST_*`` variables that name nothing of ours: ignored, shown by ``depthcast config``."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    type: Any
    default: Any

    @property
    def secret(self) -> bool:
        return Secret in (self.type, *get_args(self.type))


def load(
    schema: type[S],
    *,
    environment: str | None = None,
    options: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Loaded[S]:
    """Read the effective settings.

    Args:
        schema: the Struct of settings, in practice `Settings`.
        environment: the name given on the command line; else ``DEPTHCAST_ENVIRONMENT``, else ``local``.
        options: values given on the command line, as text, by dotted key.
        variables: the environment's variables, by default ``os.environ``.
        folder: where NAME.toml is; by default ``DEPTHCAST_CONFIG_DIR``, else the checkout's ``environments``.

    Raises:
        SettingsError: naming the file, variable or option, the key, and what was expected there.
        OSError: a settings file that is there but cannot be read.
    """
    leaves = _leaves(schema)
    secrets = [variable_name(key) for key, leaf in leaves.items() if leaf.secret]
    variables = with_files(os.environ if variables is None else variables, secrets)
    name, name_origin = _environment(environment, variables)
    values: dict[str, Any] = {key: leaf.default for key, leaf in leaves.items()}
    origins = dict.fromkeys(leaves, Origin("default"))

    file = _find_file(name, name_origin, variables, folder)
    if file is not None:
        for key, value in _read_file(file, leaves).items():
            origins[key] = Origin("file", str(file))
            values[key] = _convert(key, value, leaves[key], origins[key], strict=True)
    named, unknown = _match_variables(variables, leaves)
    for key, variable in named.items():
        origins[key] = Origin("variable", variable)
        values[key] = _convert(key, variables[variable], leaves[key], origins[key], strict=False)
    for key, text in (options or {}).items():
        origin = Origin("command line", "--set")
        _check_key(key, leaves, origin)
        origins[key] = origin
        values[key] = _convert(key, text, leaves[key], origin, strict=False)
    return Loaded(_build(schema, values), values, origins, name, name_origin, file, unknown)


def variable_name(key: str) -> str:
    """The variable that sets a key: ``engine.max_event_ns`` is ``DEPTHCAST_ENGINE_MAX_EVENT_NS``."""
    return PREFIX + key.replace(".", "_").upper()


def _leaves(schema: type[Struct], prefix: str = "") -> dict[str, _Leaf]:
    leaves: dict[str, _Leaf] = {}
    for field in msgspec.structs.fields(schema):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            leaves |= _leaves(field.type, f"{prefix}{field.name}.")
        else:
            leaves[prefix + field.name] = _Leaf(field.type, field.default)
    return leaves


def _build(schema: type[S], values: Mapping[str, Any], prefix: str = "") -> S:
    arguments: dict[str, Any] = {}
    for field in msgspec.structs.fields(schema):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            arguments[field.name] = _build(field.type, values, f"{prefix}{field.name}.")
        else:
            arguments[field.name] = values[prefix + field.name]
    return schema(**arguments)


def _environment(given: str | None, variables: Mapping[str, str]) -> tuple[str, Origin]:
    name, origin = DEFAULT_ENVIRONMENT, Origin("default")
    if variables.get("DEPTHCAST_ENVIRONMENT"):
        name, origin = variables["DEPTHCAST_ENVIRONMENT"], Origin("variable", "DEPTHCAST_ENVIRONMENT")
    if given is not None:
        name, origin = given, Origin("command line", "--environment")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        expected = "a name of lower-case letters, digits, - and _"
        raise SettingsError(f"{origin}: environment: expected {expected}, got {name!r}")
    return name, origin


def _find_file(name: str, origin: Origin, variables: Mapping[str, str], folder: Path | None) -> Path | None:
    configured = variables.get("DEPTHCAST_CONFIG_DIR")
    if folder is None:
        root = Path(__file__).resolve().parents[3]
        folder = Path(configured) if configured else root / "environments"
    file = folder / f"{name}.toml"
    if file.is_file():
        return file
    if origin.layer == "default" and not configured:
        return None  # installed without a checkout: the defaults stand
    there = ", ".join(sorted(path.stem for path in folder.glob("*.toml"))) or "none"
    raise SettingsError(f"{file}: no such file for environment {name!r} (environments there: {there})")


def _read_file(file: Path, leaves: Mapping[str, _Leaf]) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_bytes().decode())
    except ValueError as error:  # bad TOML, or bytes that are not UTF-8
        raise SettingsError(f"{file}: not a TOML file: {error}") from error
    flat: dict[str, Any] = {}
    _flatten(document, "", leaves, Origin("file", str(file)), flat)
    for key in flat:
        if leaves[key].secret:
            raise SettingsError(f"{file}: {key}: a secret is not kept in a file: set {variable_name(key)}")
    return flat


def _flatten(
    table: Mapping[str, Any], prefix: str, leaves: Mapping[str, _Leaf], origin: Origin, into: dict[str, Any]
) -> None:
    for name, value in table.items():
        key = prefix + name
        is_section = any(leaf.startswith(key + ".") for leaf in leaves)
        if is_section and isinstance(value, dict):
            _flatten(value, key + ".", leaves, origin, into)
        elif is_section:
            raise SettingsError(f"{origin}: {key}: expected a section [{key}], got {value!r}")
        else:
            _check_key(key, leaves, origin)
            into[key] = value


def _check_key(key: str, leaves: Mapping[str, _Leaf], origin: Origin) -> None:
    if key not in leaves:
        raise SettingsError(f"{origin}: {key}: unknown setting{_suggestion(key, list(leaves))}")
    if leaves[key].secret and origin.layer == "command line":
        raise SettingsError(f"{origin}: {key}: a secret given here is seen by all: set {variable_name(key)}")


def _suggestion(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f" (settings: {', '.join(known)})"


def _match_variables(
    variables: Mapping[str, str], leaves: Mapping[str, _Leaf]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The keys that variables set, and the ``DEPTHCAST_*`` variables that are nothing of ours."""
    keys = {variable_name(key): key for key in leaves}
    sections = {variable_name(key.rpartition(".")[0]) + "_" for key in leaves if "." in key}
    named: dict[str, str] = {}
    unknown: list[str] = []
    for variable in sorted(variables):
        if not variable.startswith(PREFIX) or variable in SWITCHES or not variables[variable]:
            continue  # an empty variable is an unset one
        if variable in keys:
            named[keys[variable]] = variable
        elif any(variable.startswith(section) for section in sections):
            raise SettingsError(f"variable {variable}: unknown setting{_suggestion(variable, list(keys))}")
        else:
            unknown.append(variable)
    return named, tuple(unknown)


def _convert(key: str, value: Any, leaf: _Leaf, origin: Origin, *, strict: bool) -> Any:
    if get_origin(leaf.type) is tuple and not strict:  # text of a variable or an option
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(value, leaf.type, strict=strict, dec_hook=_decode)
    except msgspec.ValidationError:
        got = "a value that is not shown" if leaf.secret else repr(value)
        raise SettingsError(f"{origin}: {key}: expected {_expected(leaf.type)}, got {got}") from None


def _decode(wanted: type, value: Any) -> Any:
    if isinstance(value, str) and wanted in (Secret, Path):
        return wanted(value)
    raise TypeError(f"expected text for {wanted.__name__}")


_TYPE_NAMES: Final = {
    int: "an integer",
    float: "a number",
    str: "text",
    bool: "true or false",
    Path: "a path",
    Secret: "text",
}


def _expected(wanted: Any) -> str:
    """A type in words: ``an integer from 1 to 4294967295``, ``one of native, reference``."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple:
        return "a list of text" if arguments[0] is str else f"a list, each {_expected(arguments[0])}"
    if origin is Annotated:
        text = _expected(arguments[0])
        for meta in arguments[1:]:
            if isinstance(meta, Meta):
                text += "" if meta.ge is None else f" from {meta.ge}"
                text += "" if meta.le is None else f" to {meta.le}"
                text += "" if meta.pattern is None else f" matching {meta.pattern}"
        return text
    if origin is not None and (origin is Union or origin.__name__ == "UnionType"):
        return " or ".join(_expected(part) for part in arguments if part is not type(None))
    return _TYPE_NAMES.get(cast("type", wanted), getattr(wanted, "__name__", str(wanted)))
