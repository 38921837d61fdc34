"""What the commands for both kinds of key say and read alike."""

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar

from depthcast.cli._console import bold, colour, printable, table
from depthcast.cli._values import parse_time
from depthcast.errors import UsageError

__all__ = ["choose", "parse_expiry", "say", "shown", "table_of"]

_NS: Final = 1_000_000_000
_SPANS_S: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_LAST_NS: Final = 253_402_300_800 * _NS
"""The year 10000, which ISO 8601 does not write."""


class AnyKey(Protocol):
    """A key of either kind."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    def ended(self, now_ns: int) -> str | None: ...


K = TypeVar("K", bound=AnyKey)


def parse_expiry(text: str, now_ns: int) -> int:
    """``30d``, ``12h``, a date or a time to come, in ns.

    Raises:
        UsageError: it is none of them.
    """
    span = re.fullmatch(r"([0-9]{1,6})([a-z])", text)
    if span and span[2] in _SPANS_S:
        expires_ns = now_ns + int(span[1]) * _SPANS_S[span[2]] * _NS
    else:
        try:
            expires_ns = parse_time(text)
        except UsageError:
            expected = "a span such as 30d or 12h, a date or a time such as 2027-01-31T18:00Z"
            raise UsageError(f"--expires: expected {expected}, got {text!r}") from None
    if not now_ns < expires_ns < _LAST_NS:
        raise UsageError(f"--expires: {text!r} is not a time to come")
    return expires_ns


def choose(found: Sequence[K], ring: Iterable[K], text: str, now_ns: int, *, id_name: str) -> K:
    """The key that is meant: of several of a name, the one that is still accepted.

    Raises:
        UsageError: there is none, or several are still accepted.
    """
    if not found:
        known = ", ".join(f"{key.id} ({key.name})" for key in ring if key.ended(now_ns) is None)
        raise UsageError(f"no key {text!r}; {f'there are {known}' if known else 'there are none'}")
    running = [key for key in found if key.ended(now_ns) is None]
    if len(running) > 1:
        ids = ", ".join(key.id for key in running)
        raise UsageError(f"{len(running)} keys are named {text!r}: say which by its {id_name}, {ids}")
    return running[0] if running else found[-1]


def table_of(rows: Sequence[tuple[str, ...]], headings: Sequence[str], *, state: int) -> str:
    """Rows as a table; those whose ``state`` column is not ``active`` are dim."""
    first, *lines = table(rows, headings=headings).splitlines()
    shades = ["" if row[state] == "active" else "2" for row in rows]
    shaded = [
        colour(line, shade, sys.stdout) if shade else line for line, shade in zip(lines, shades, strict=True)
    ]
    return "\n".join([bold(first, sys.stdout), *shaded]) + "\n"


def shown(time_utc: datetime) -> str:
    return time_utc.strftime("%Y-%m-%d %H:%MZ")


def say(line: str) -> None:
    print(printable(line), file=sys.stderr)
