"""What commands say beside their result: warnings, plain tables, a little colour on a terminal."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

__all__ = ["bold", "colour", "is_terminal", "printable", "table", "warn"]


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at ``stream`` (a closed stream is no terminal)."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def colour(text: str, code: str, stream: TextIO) -> str:
    """``text`` in an SGR ``code`` on a terminal that wants colours (https://no-color.org), else as it is."""
    if not is_terminal(stream) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def bold(text: str, stream: TextIO) -> str:
    """``text`` in bold where ``stream`` is such a terminal."""
    return colour(text, "1", stream)


def printable(text: str) -> str:
    """``text`` without control characters: a name from a file must not steer the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def warn(line: str) -> None:
    """One line on standard error that begins with the command's name. ``--quiet`` does not silence it."""
    print(f"depthcast: warning: {printable(line)}", file=sys.stderr, flush=True)


def table(rows: Iterable[Sequence[str]], *, headings: Sequence[str] = ()) -> str:
    """Aligned columns, two spaces apart, each line ended."""
    lines = [*([tuple(headings)] if headings else []), *(tuple(row) for row in rows)]
    if not lines:
        return ""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )
