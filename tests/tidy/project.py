"""The project's own files, for the tests that keep it tidy."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "app" / "depthcast"

TEXT: Final = frozenset(
    {".cfg", ".ini", ".json", ".md", ".pxd", ".py", ".pyi", ".pyx", ".sh", ".toml", ".yaml", ".yml", ""}
)


def tracked() -> list[Path]:
    """Every file under version control that is there, or every file outside hidden and built folders."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        paths = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in ROOT.rglob("*") if not hidden_or_built(path)]
    return sorted(path for path in paths if path.is_file())


def hidden_or_built(path: Path) -> bool:
    """Whether a path is in a hidden folder, or one that a build makes."""
    parts = path.relative_to(ROOT).parts
    built = {"build", "dist", "out", "__pycache__"}
    return any(part.startswith(".") or part in built or part.endswith(".egg-info") for part in parts[:-1])


def text_files(*suffixes: str) -> Iterator[tuple[Path, str]]:
    """Each tracked text file (with one of ``suffixes``, if given) as its path from the root and its text."""
    for path in tracked():
        if path.suffix in (suffixes or TEXT) and path.name != "uv.lock":
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
