"""The last minutes of every instrument: for sparklines, rates, changes, price lines.

A sample a second of each, as long as they are a thousand. Of more, each is sampled less often: memory and
work stay the same, and so do the minutes.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from math import ceil
from struct import Struct
from typing import Final, NamedTuple

from depthcast.api.market import Listing, Market
from depthcast.api.pages.depths import Depths
from depthcast.api.pages.numbers import points
from depthcast.api.trades import Tape
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.errors import BookError

__all__ = ["SPARK_HEIGHT", "SPARK_WIDTH", "Board", "Figures", "Sample"]

HISTORY_S: Final = 600
SAMPLE_S: Final = 1.0
SLICES: Final = 4
"""A quarter of the instruments each quarter of a second: none of them takes the loop for long."""
EACH_SECOND: Final = 1_000
"""Samples that are taken in a second."""
LONGEST_S: Final = 30
"""Between two samples of an instrument; of more than 30,000 instruments the first are sampled."""
RATE_S: Final = 5
SPARK_WIDTH: Final = 96
SPARK_HEIGHT: Final = 22
_NONE: Final = UNDEF_PRICE
_PACKED: Final = Struct("<6q")
"""A sample as it is kept: in a third of the memory."""


class Sample(NamedTuple):
    """An instrument at a moment. Prices in 1e-9, None where there was none; ``records`` is a count.

    ``ts_event`` is of its last event, ``ts_ns`` of the sample: the clocks of venue and server may differ.
    """

    ts_event: int
    ts_ns: int
    bid: int | None
    ask: int | None
    last: int | None
    records: int

    @property
    def middle(self) -> int | None:
        """Between bid and ask, rounded down to 1e-9; the last trade where a side is empty."""
        if self.bid is None or self.ask is None:
            return self.last
        return (self.bid + self.ask) // 2


class Figures(NamedTuple):
    """What the samples say of an instrument; None where they are too few.

    ``change`` is of the last trade's price (1e-9) since ``first``, the oldest one known.
    """

    records_per_s: float | None
    change: int | None
    first: int | None


class _Track:
    """An instrument's samples, and the line that was drawn of them last."""

    __slots__ = ("line", "samples")

    def __init__(self, length: int) -> None:
        self.samples: deque[bytes] = deque(maxlen=length)
        self.line: str | None = None

    def add(self, sample: Sample, length: int) -> None:
        if self.samples.maxlen != length:
            self.samples = deque(self.samples, maxlen=length)
        self.samples.append(_PACKED.pack(*(_NONE if each is None else each for each in sample)))
        self.line = None

    def __getitem__(self, index: int) -> Sample:
        return _unpacked(self.samples[index])


def _unpacked(packed: bytes) -> Sample:
    ts_event, ts_ns, *prices, records = _PACKED.unpack(packed)
    bid, ask, last = (None if each == _NONE else each for each in prices)
    return Sample(ts_event, ts_ns, bid, ask, last, records)


class Board:
    """Samples a market, from `start` to `stop`.

    Args:
        market, tape: what is sampled.
        clock: ns since the epoch.
    """

    def __init__(self, market: Market, tape: Tape, clock: Callable[[], int] = time.time_ns) -> None:
        self._market = market
        self._tape = tape
        self._clock = clock
        self.depths = Depths()
        self._kept: dict[tuple[str, int], _Track] = {}
        self._apart_s = 1  # between two samples of an instrument
        self._slice = 0
        self._listings: list[Listing] = []
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._again()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def history(self, listing: Listing) -> list[Sample]:
        """An instrument's samples, the oldest first."""
        track = self._kept.get((listing.replica.dataset, listing.instrument_id))
        return [] if track is None else [_unpacked(each) for each in track.samples]

    def spark(self, listing: Listing) -> str:
        """An instrument's prices as the points of a line, drawn once a sample for all who look."""
        track = self._kept.get((listing.replica.dataset, listing.instrument_id))
        if track is None:
            return ""
        if track.line is None:
            samples = list(track.samples)
            step = max(1, ceil(len(samples) / SPARK_WIDTH))
            shown = samples[::-1][::step][::-1]
            track.line = points([_unpacked(each).middle for each in shown], SPARK_WIDTH, SPARK_HEIGHT)
        return track.line

    def figures(self, listing: Listing) -> Figures:
        """How fast an instrument is, and how far its price has come."""
        track = self._kept.get((listing.replica.dataset, listing.instrument_id))
        if track is None or not track.samples:
            return Figures(None, None, None)
        newest, before = track[-1], track[max(0, len(track.samples) - 1 - RATE_S)]
        seconds = (newest.ts_ns - before.ts_ns) / 1e9
        rate = max(0, newest.records - before.records) / seconds if seconds > 0 else None
        first = next((last for each in track.samples if (last := _unpacked(each).last) is not None), None)
        change = newest.last - first if newest.last is not None and first is not None else None
        return Figures(rate, change, first)

    def sample(self, listing: Listing) -> None:
        """Take an instrument's sample now, unless it has no book or its book is inside an event."""
        publishers = listing.publishers()
        engine, number = listing.replica.engine, listing.instrument_id
        try:
            statuses = [engine.status(number, each) for each in publishers]
            if not statuses or any(each.in_event for each in statuses):
                return
            one = publishers[0] if len(publishers) == 1 else None
            bid, ask = engine.bbo(number, one)
            ts_event = max(each.version[0] for each in statuses)
            self.depths.sample(listing, ts_event, one)
        except BookError:
            return  # it went as we looked
        trades = self._tape.last(listing, 1)
        last = trades[0].price if trades and trades[0].price != UNDEF_PRICE else None
        length = HISTORY_S // self._apart_s
        track = self._kept.setdefault((listing.replica.dataset, number), _Track(length))
        track.add(
            Sample(
                ts_event,
                self._clock(),
                None if bid is None else bid.price,
                None if ask is None else ask.price,
                last,
                sum(each.records for each in statuses),
            ),
            length,
        )

    def _again(self) -> None:
        if self._slice == 0:
            self._listings = self._market.listings()[: EACH_SECOND * LONGEST_S]
            self._apart_s = max(1, ceil(len(self._listings) / EACH_SECOND))
        slices = SLICES * self._apart_s
        for listing in islice(self._listings, self._slice, None, slices):
            self.sample(listing)
        self._slice = (self._slice + 1) % slices
        self._timer = asyncio.get_running_loop().call_later(SAMPLE_S / SLICES, self._again)
