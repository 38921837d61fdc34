"""The messages that participants send, drawn in blocks: when, to which book, and dice for the rest.

What a message does is decided when it arrives (`depthcast.exchange.flow`), from these numbers and the book.
"""

from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.exchange.draws import (
    GAP_BITS,
    Stream,
    exponential_gaps,
    mix_block,
    power_law,
    threshold,
    weighted,
)
from depthcast.exchange.params import ExchangeParams

__all__ = ["BurstState", "Message", "Messages"]

BLOCK: Final = 1024
WORDS: Final = 4
"""64-bit draws a message."""
STREAM: Final = 1
INTERPOLATION_BITS: Final = 22
"""Of 32 bits, those within a cell of the table of gaps."""
BURST_BOOK_SHARE: Final = threshold(0.875)
"""Of a burst's messages, how many go to its book, and how many of those to its side."""

Numbers = NDArray[np.int64]


class Message(NamedTuple):
    """One message. ``kind``, ``draw`` and ``delay`` are 16 random bits each, ``pick`` is 62."""

    gap_ns: int
    """Time since the message before."""
    book: int
    """The index of the listing."""
    kind: int
    draw: int
    side: int
    size: int
    """Lots."""
    distance: int
    """Ticks."""
    pick: int
    delay: int


class BurstState(NamedTuple):
    """A burst that reaches into a block: its messages to come, its book and side."""

    left: int
    book: int
    side: int


NO_BURST: Final = BurstState(0, 0, 0)


class Messages:
    """The messages in order. ``block`` and ``at`` say which one is next, ``burst`` how the block begins."""

    def __init__(
        self, params: ExchangeParams, block: int = 0, at: int = 0, burst: BurstState = NO_BURST
    ) -> None:
        flow = params.flow
        self.block = block
        self.at = at
        self.burst = burst
        self._key = Stream(params.seed, STREAM).key
        self._mean_gap_ns = max(1, 10**9 // flow.orders_per_second)
        self._sizes = power_law(flow.size_exponent, flow.max_size)
        self._distances = power_law(flow.distance_exponent, flow.levels)
        activity = tuple(Decimal(str(item.activity)) for item in params.instruments)
        self._books = weighted(activity * len(params.venues))
        self._burst_end = threshold(flow.burst_share)
        self._burst_length = flow.burst_length
        self._burst_shift = flow.burst_speed.bit_length() - 1
        self._next_burst = burst
        self._drawn: list[Message] = []

    def peek(self) -> Message:
        """The next message."""
        if not self._drawn:
            self._drawn = self._draw()
        return self._drawn[self.at]

    def skip(self) -> None:
        """Go on to the one after it."""
        self.at += 1
        if self.at == BLOCK:
            self.block += 1
            self.at = 0
            self.burst = self._next_burst
            self._drawn = []

    def _draw(self) -> list[Message]:
        words = mix_block(self._key, self.block * BLOCK * WORDS, BLOCK * WORDS).reshape(WORDS, BLOCK)
        when, what, burst, pick = (words >> np.uint64(1)).astype(np.int64)
        gap = self._gaps(when & 0xFFFF_FFFF)
        book = self._books[when >> 32 & 0xFFFF]
        kind = when >> 47
        side = burst & 1
        active, burst_book, burst_side = self._bursts(burst, book, side)
        joins = active & (burst >> 31 & 0xFFFF < BURST_BOOK_SHARE)
        book = np.where(joins, burst_book, book)
        side = np.where(joins & (pick & 7 > 0), burst_side, side)
        gap = np.where(active, gap >> self._burst_shift, gap)
        kind = np.where(joins, kind * 3 >> 3, kind)
        columns = (
            gap,
            book,
            kind,
            what & 0xFFFF,
            side,
            self._sizes[what >> 16 & 0xFFFF] + 1,
            self._distances[what >> 32 & 0xFFFF],
            pick >> 1,
            what >> 47,
        )
        return list(map(Message._make, zip(*(column.tolist() for column in columns), strict=True)))

    def _gaps(self, bits: Numbers) -> Numbers:
        """Exponential waiting times from 32 random bits each."""
        table = exponential_gaps()
        cell, part = bits >> INTERPOLATION_BITS, bits & ((1 << INTERPOLATION_BITS) - 1)
        high, low = table[cell], table[cell + 1]
        gaps: Numbers = high - ((high - low) * part >> INTERPOLATION_BITS)
        return gaps * self._mean_gap_ns >> GAP_BITS

    def _bursts(
        self, bits: Numbers, book: Numbers, side: Numbers
    ) -> tuple[NDArray[np.bool_], Numbers, Numbers]:
        """Which messages are in a burst, and its book and side; notes what reaches into the next block."""
        starts = (bits >> 1 & 0xFFFF) < self._burst_end
        length = 1 + ((bits >> 17 & 0x3FFF) * 2 * self._burst_length >> 14)
        index = np.arange(BLOCK)
        ends = np.maximum.accumulate(np.where(starts, index + length, self.burst.left))
        latest = np.maximum.accumulate(np.where(starts, index, -1))
        burst_book = np.where(latest >= 0, book[latest], self.burst.book)
        burst_side = np.where(latest >= 0, side[latest], self.burst.side)
        left = max(0, int(ends[-1]) - BLOCK)
        self._next_burst = BurstState(left, int(burst_book[-1]), int(burst_side[-1]))
        return index < ends, burst_book, burst_side
