"""What history there is: feeds, how far they reach, instruments; and whether a range is whole."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from depthcast.errors import AmbiguousInstrumentError, UnknownInstrumentError
from depthcast.store.connect import Connection

__all__ = ["FeedReach", "Named", "Reach", "feeds", "find_instrument", "reach"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_US: Final = timedelta(microseconds=1)
_US: Final = 1_000
"""ns."""
_MAX_ID: Final = 2**32
_DIGITS: Final = 11
"""A number of so many is greater than any id."""


class Named(NamedTuple):
    """An instrument that history has. Its symbol is empty where only its id is known."""

    dataset: str
    instrument_id: int
    symbol: str

    @property
    def name(self) -> str:
        """``DATASET:SYMBOL``."""
        return f"{self.dataset}:{self.symbol or self.instrument_id}"


class FeedReach(NamedTuple):
    """One feed: from when to when its rows are (ns), and what they were made of.

    The first time is that of the first row or up to 2 µs later: a time whose books the journal has.
    ``gaps`` are the places where segments are missing between others.
    """

    dataset: str
    shard: str
    first_ns: int | None
    last_ns: int | None
    segments: int
    records: int
    gaps: int


class Reach(NamedTuple):
    """How far a dataset's history goes, and what a range of it is made of.

    Attributes:
        first_ns, last_ns: times of its first and last rows, the first by up to 1 µs too early; None if there
            are none.
        segments: those that have rows in the range.
        gaps: places in the range where segments are missing: rows may come there later.
        version: another one whenever a segment of the range comes, goes or is cut short.
    """

    first_ns: int | None
    last_ns: int | None
    segments: int
    gaps: int
    version: str


_FEEDS: Final = """
WITH ledger AS (
  SELECT dataset, shard, position, records, until, first_ts, last_ts,
         max(until) OVER (PARTITION BY dataset, shard ORDER BY position, until
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
  FROM history.segments)
SELECT dataset, shard, min(first_ts), max(last_ts), count(*), sum(greatest(until - position, 0))::bigint,
       count(*) FILTER (WHERE position > reached)
FROM ledger GROUP BY dataset, shard ORDER BY dataset, shard
"""
_REACH: Final = """
WITH ledger AS (
  SELECT position, until, last_ts, compacted_at,
         max(until) OVER (PARTITION BY shard ORDER BY position, until
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
  FROM history.segments WHERE dataset = $1 AND (last_ts IS NULL OR (last_ts >= $2 AND first_ts <= $3)))
SELECT (SELECT min(first_ts) FROM (SELECT first_ts FROM history.segments
          WHERE dataset = $1 AND last_ts IS NOT NULL ORDER BY last_ts LIMIT 8) AS earliest),
       (SELECT last_ts FROM history.segments WHERE dataset = $1 AND last_ts IS NOT NULL
          ORDER BY last_ts DESC LIMIT 1),
       count(*) FILTER (WHERE last_ts IS NOT NULL), count(*) FILTER (WHERE position > reached),
       max(compacted_at), sum(until)::text
FROM ledger
"""
"""Of the first few segments the one that begins first counts: they are in order but for a few."""
_SYMBOLS: Final = """
SELECT DISTINCT dataset, instrument_id, raw_symbol FROM history.instruments
WHERE raw_symbol = ANY ($1::text[])
"""
_IDS: Final = """
SELECT dataset, instrument_id, max(raw_symbol) FROM history.instruments WHERE instrument_id = $1
GROUP BY dataset, instrument_id
"""
_NAMELESS: Final = """
SELECT dataset, $1::bigint, '' FROM (SELECT DISTINCT dataset FROM history.segments) AS known
WHERE EXISTS (SELECT FROM history.bbo WHERE instrument_id = $1 AND bbo.dataset = known.dataset)
   OR EXISTS (SELECT FROM history.depth WHERE instrument_id = $1 AND depth.dataset = known.dataset)
   OR EXISTS (SELECT FROM history.trades WHERE instrument_id = $1 AND trades.dataset = known.dataset)
"""
"""Instruments that no definition and no symbol came of."""


async def feeds(connection: Connection, *, timeout_s: float | None = None) -> list[FeedReach]:
    """All feeds that history has segments of."""
    rows = await connection.fetch(_FEEDS, timeout=timeout_s)
    return [
        FeedReach(dataset, shard, _after(first), _ns(last), *rest)
        for dataset, shard, first, last, *rest in rows
    ]


async def reach(
    connection: Connection, dataset: str, start_ns: int, end_ns: int, *, timeout_s: float | None = None
) -> Reach:
    """How far the dataset's history goes, and what it has of [start, end)."""
    first, last = _EPOCH + start_ns // _US * _ONE_US, _EPOCH + -(-end_ns // _US) * _ONE_US
    found = await connection.fetch(_REACH, dataset, first, last, timeout=timeout_s)
    earliest, latest, segments, gaps, newest, until = found[0]
    return Reach(_before(earliest), _ns(latest), segments, gaps, f"{segments}.{gaps}.{_ns(newest)}.{until}")


async def find_instrument(connection: Connection, text: str, *, timeout_s: float | None = None) -> Named:
    """The instrument of this symbol or id; ``DATASET:SYMBOL`` or ``DATASET:ID`` where several have it.

    A symbol made of digits is preferred to an id of the same digits.

    Raises:
        UnknownInstrumentError: history has none.
        AmbiguousInstrumentError: it has several; its ``choices`` name them.
    """
    dataset, _, name = text.partition(":")
    if "\0" in text:  # which PostgreSQL takes in no text
        raise _unknown(text)
    rows = await connection.fetch(_SYMBOLS, [text, name], timeout=timeout_s)
    known = [Named(*row) for row in rows]
    found = [each for each in known if each.symbol == text]
    found = found or [each for each in known if name and each.dataset == dataset]
    if not found:
        digits = name or text
        is_number = digits.isascii() and digits.isdigit()
        if is_number and (number := int(digits.lstrip("0")[:_DIGITS] or "0")) < _MAX_ID:
            rows = await connection.fetch(_IDS, number, timeout=timeout_s)
            rows = rows or await connection.fetch(_NAMELESS, number, timeout=timeout_s)
            found = [each for each in (Named(*row) for row in rows) if not name or each.dataset == dataset]
    if not found:
        raise _unknown(text)
    return _only(text, found)


def _unknown(text: str) -> UnknownInstrumentError:
    return UnknownInstrumentError(
        f"the history has no instrument {text!r}: give a symbol or an instrument id"
    )


def _only(text: str, found: Sequence[Named]) -> Named:
    """The one that is there: shards of a dataset know each other's instruments."""
    books = {(each.dataset, each.instrument_id): each for each in found}
    if len(books) == 1:
        return found[0]
    same = len({each.dataset for each in found}) < len(books)
    choices = tuple(sorted(f"{d}:{number if same else each.symbol}" for (d, number), each in books.items()))
    raise AmbiguousInstrumentError(
        f"the history has several instruments {text!r}: ask for one of {', '.join(choices)}", choices=choices
    )


def _before(moment: Any) -> int | None:
    """A time at or before the first row: of quotes the ledger has it rounded up to the microsecond."""
    ns = _ns(moment)
    return None if ns is None else ns - _US


def _after(moment: Any) -> int | None:
    """A time at or after the first row: of trades the ledger has it rounded down to the microsecond."""
    ns = _ns(moment)
    return None if ns is None else ns + _US


def _ns(moment: Any) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _ONE_US * _US
