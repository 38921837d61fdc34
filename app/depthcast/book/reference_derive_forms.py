"""What derived records are written from: levels, quotes, bars, intervals. Part of the reference deriver.

A comment names the section (§) of docs/decisions/0002-derived-schemas.md which each piece states.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from depthcast.book.derive_schemas import DerivedSchema
from depthcast.book.reference_records import MboRecord
from depthcast.book.types import BookKey, Depth, Level
from depthcast.dbn.layout import LENGTH_WORD, UNDEF_ORDER_SIZE, UNDEF_PRICE

UINT32_MAX: Final = 2**32 - 1
UINT64_MAX: Final = 2**64 - 1
DEPTH: Final = 10

Pair: TypeAlias = tuple[int, int, int, int, int, int]
"""bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct of one level."""

EMPTY: Final[Pair] = (UNDEF_PRICE, UNDEF_PRICE, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Quote:
    """The last mbp-1 record of a book in an interval (§ bbo)."""

    flags: int
    sequence: int
    level: Pair


@dataclass(slots=True)
class Bar:
    """The trades of a book in an interval (§ ohlcv)."""

    open: int = UNDEF_PRICE
    high: int = UNDEF_PRICE
    low: int = UNDEF_PRICE
    close: int = UNDEF_PRICE
    volume: int = 0

    def add(self, trade: MboRecord) -> None:
        if trade.size != UNDEF_ORDER_SIZE:
            self.volume += trade.size
        if trade.price == UNDEF_PRICE:
            return
        if self.open == UNDEF_PRICE:
            self.open = self.high = self.low = trade.price
        self.high = max(self.high, trade.price)
        self.low = min(self.low, trade.price)
        self.close = trade.price


class Gather:
    """The open interval of one schema, over all books (§ Intervals)."""

    def __init__(self, schema: DerivedSchema) -> None:
        self.schema = schema
        self.is_bbo = schema.name.startswith("bbo")
        self.stamp = 0
        """The time written: a bbo interval's end, a bar's start."""
        self.limit = UINT64_MAX
        """The first ts_recv that is past the interval."""
        self.quotes: dict[BookKey, Quote] = {}
        self.bars: dict[BookKey, Bar] = {}

    def enter(self, clock: int) -> None:
        """The interval of this time is the open one (an earlier one was closed before)."""
        if self.quotes or self.bars:
            return
        step = self.schema.interval_ns
        if self.is_bbo:
            end = -(-clock // step) * step
            self.stamp, limit = min(end, UINT64_MAX), end + 1
        else:
            self.stamp = clock // step * step
            limit = self.stamp + step
        self.limit = min(limit, UINT64_MAX)


def pairs(book: Depth) -> list[Pair]:
    """The first ten levels of a book, as they are written (§ Levels)."""
    return [
        (bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct)
        for (bid_px, bid_sz, bid_ct), (ask_px, ask_sz, ask_ct) in zip(
            padded(book.bids), padded(book.asks), strict=True
        )
    ]


def padded(levels: list[Level]) -> Iterator[tuple[int, int, int]]:
    """Ten levels as written: sums saturate at 2^32-1, and where there is no level the price is undefined."""
    for level in levels:
        yield level.price, min(level.size, UINT32_MAX), min(level.count, UINT32_MAX)
    for _ in range(len(levels), DEPTH):
        yield UNDEF_PRICE, 0, 0


def first_change(before: list[Pair], after: list[Pair], fields: list[int]) -> int:
    """The best level of which some of these fields differ; `DEPTH` if there is none."""
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        if any(old[i] != new[i] for i in fields):
            return number
    return DEPTH


def blank(schema: DerivedSchema, key: BookKey) -> np.void:
    """A record of that schema and book, all else zero."""
    record: np.void = np.zeros(1, schema.dtype)[0]
    record["length"] = schema.dtype.itemsize // LENGTH_WORD
    record["rtype"] = schema.rtype
    record["publisher_id"], record["instrument_id"] = key
    return record
