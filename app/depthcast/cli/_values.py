"""Values on the command line: times, intervals, depths, instruments."""

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from depthcast.errors import UsageError

__all__ = ["Every", "parse_depth", "parse_every", "parse_time", "select_instruments"]

_NS: Final = 1_000_000_000
_UNITS_NS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": _NS, "m": 60 * _NS, "h": 3_600 * _NS}
_LISTED: Final = 8
"""Instruments named in an error."""


class Every(NamedTuple):
    """How often a book is written: every ``events`` events, or every ``interval_ns``."""

    events: int | None
    interval_ns: int | None


def parse_depth(text: str) -> int:
    """``full`` is 0, all levels; else the number of levels of each side.

    Raises:
        UsageError: neither.
    """
    if text == "full":
        return 0
    if _is_number(text) and 1 <= int(text) < 2**32:
        return int(text)
    raise UsageError(f"--depth: expected full or a number of levels from 1, got {text!r}")


def parse_every(text: str) -> Every:
    """``event``, a number of events, or an interval: ``1s``, ``100ms``, ``1m``.

    Raises:
        UsageError: none of these.
    """
    if text == "event":
        return Every(1, None)
    if _is_number(text) and int(text) >= 1:
        return Every(int(text), None)
    match = re.fullmatch(r"([0-9]+)([a-z]+)", text)
    if match and match[2] in _UNITS_NS and 1 <= int(match[1]) * _UNITS_NS[match[2]] < 2**63:
        return Every(None, int(match[1]) * _UNITS_NS[match[2]])
    units = ", ".join(_UNITS_NS)
    raise UsageError(
        f"--every: expected event, a number of events, or an interval such as 1s ({units}), got {text!r}"
    )


def parse_time(text: str, option: str = "--at") -> int:
    """A time in ns since the epoch: an integer, or ISO 8601 with up to nine decimals (UTC unless it says).

    Raises:
        UsageError: neither, or not within the range of a DBN timestamp.
    """
    from depthcast.dbn.times import EXPECTED_TIME, parse_ns  # with numpy: help and wrong usage do without

    ns = parse_ns(text)
    if ns is None:
        raise UsageError(f"{option}: {EXPECTED_TIME}, got {text!r}")
    return ns


def select_instruments(text: str, instruments: Mapping[str, Collection[int]]) -> set[int]:
    """The instrument ids that ``--instrument`` means: all those of the symbol, else the id itself.

    ``instruments`` are the ids of every symbol known.

    Raises:
        UsageError: no such symbol, and not a number.
    """
    if text in instruments:
        return set(instruments[text])
    if _is_number(text):
        return {int(text)}
    known = [(number, symbol) for symbol, ids in instruments.items() for number in sorted(ids)]
    raise UsageError(f"--instrument: no symbol {text!r} in the data; {describe_instruments(known)}")


def describe_instruments(known: Collection[tuple[int, str | None]]) -> str:
    """Some instruments, by id and symbol, for an error: ``known: CLX5 (432669), CLZ5 (7)``."""
    if not known:
        return "it maps no symbols: give the instrument id"
    named = [f"{symbol} ({number})" if symbol else str(number) for number, symbol in known]
    more = f" and {len(named) - _LISTED:,} more" if len(named) > _LISTED else ""
    return f"known: {', '.join(named[:_LISTED])}{more}"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,20}", text) is not None
