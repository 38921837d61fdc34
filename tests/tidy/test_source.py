"""The source keeps to the house rules that no linter knows: lengths, words, nothing dead."""

import ast
import re
from pathlib import Path

from tests.tidy.project import ROOT, text_files

MAX_LINE = 110
MAX_LINES = {".py": 400, ".pyi": 400, ".pyx": 600, ".pxd": 600}
MAX_FUNCTION_LINES = 90

# Each word is written so that it does not find itself.
BANNED = {
    r"\b(T[O]DO|FIX[M]E|X[X]X|HA[C]K)\b": "unfinished work belongs in a tracker",
    r"(?<![\w.~-])/(work|farm|home|root|Users)/": "a path of one machine",
    r"/t[m]p/x\b": "a path of one machine",
    r"\b(sub-?a[g]ent|hel[p]er session|the br[i]ef|iss[u]e #?\d)": "the project speaks only of itself",
    r"\bNotImplemented[E]rror\b": "nothing is half there",
}


def test_lines_are_not_too_long() -> None:
    long = [
        f"{path}:{number} ({len(line)})"
        for path, text in text_files(".py", ".pyi", ".pyx", ".pxd", ".toml", ".yaml", ".yml")
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > MAX_LINE and "http" not in line
    ]
    assert not long, "lines over 110 columns:\n" + "\n".join(long)


def test_modules_fit_on_a_few_screens() -> None:
    long = [
        f"{path}: {len(text.splitlines())} lines"
        for path, text in text_files(*MAX_LINES)
        if len(text.splitlines()) > MAX_LINES[path.suffix]
    ]
    assert not long, "modules to split:\n" + "\n".join(long)


def test_functions_are_seen_at_once() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path, text in text_files(".py")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long, "functions to split:\n" + "\n".join(long)


def test_banned_words_do_not_occur() -> None:
    found = [
        f"{path}:{number}: {why}: {line.strip()[:80]}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), 1)
        for pattern, why in BANNED.items()
        if re.search(pattern, line)
    ]
    assert not found, "\n".join(found)


def test_files_end_in_one_newline_and_have_no_trailing_blanks() -> None:
    bad = [
        str(path)
        for path, text in text_files()
        if text and (not text.endswith("\n") or text.endswith("\n\n") or re.search(r"[ \t]$", text, re.M))
    ]
    assert not bad, "\n".join(bad)


IMPORT = re.compile(r"^[ \t]*from ([\w.]+) c?import (?:\(([^)]*)\)|([^\n(]+))|^[ \t]*c?import ([\w.]+)", re.M)


def imported_names() -> set[str]:
    """Each dotted module name that a source imports, cimports or names in text, or a command runs with -m."""
    names: set[str] = set()
    for path, text in text_files():
        if path.suffix not in {".py", ".pyi", ".pyx", ".pxd"}:
            names.update(re.findall(r"-m ([\w.]+)", text))
            continue
        for module, several, some, whole in IMPORT.findall(text):
            names.update({module or whole})
            names.update(
                f"{module}.{name.split()[0]}" for name in (several or some).split(",") if name.strip()
            )
        # A command is loaded when it is called: its module is named in a string, with its function.
        names.update(re.findall(r'"((?:depthcast|benchmarks)(?:\.\w+)+)(?::\w+)?"', text))
    return names


def test_no_module_is_dead() -> None:
    names = imported_names()
    dead = []
    for path, _ in text_files(".py", ".pyx", ".pxd"):
        if path.parts[0] not in {"app", "benchmarks"} or path.name in {"__init__.py", "__main__.py"}:
            continue
        if path.parent.name == "versions":  # alembic finds migrations by their folder
            continue
        inside = path.relative_to("app") if path.parts[0] == "app" else path
        if ".".join(inside.with_suffix("").parts) not in names:
            dead.append(str(path))
    assert not dead, "nobody imports or runs:\n" + "\n".join(dead)


LAYERS = ["errors", "dbn", "book", "exchange live journal", "feed store", "api", "cli"]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}


def test_compiled_modules_keep_the_import_rule_too() -> None:
    """import-linter reads Python only; this reads the Cython sources."""
    wrong: list[str] = []
    for path, text in text_files(".pyx", ".pxd"):
        home = path.relative_to(Path("app") / "depthcast").parts[0]
        inner = re.finditer(r"^\s*(?:from|cimport|import) depthcast\.(\w+)", text, re.M)
        wrong.extend(f"{path}: {match[0].strip()}" for match in inner if RANK[match[1]] > RANK[home])
    assert not wrong, "\n".join(wrong)


def test_every_kernel_module_is_typed() -> None:
    """What Python can import of the kernel has a stub beside it, so that mypy sees it."""
    bare = [str(path) for path, _ in text_files(".pyx") if not (ROOT / path).with_suffix(".pyi").is_file()]
    assert not bare, "no .pyi for:\n" + "\n".join(bare)
