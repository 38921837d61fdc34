"""The last minutes of every instrument, a sample a second: for sparklines, rates, changes, price lines."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple

from depthcast.api.market import Listing, Market
from depthcast.api.pages.depths import Depths
from depthcast.api.trades import Tape
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.errors import BookError

__all__ = ["Board", "Figures", "Sample"]

HISTORY_S: Final = 600
SAMPLE_S: Final = 1.0
SLICES: Final = 4
"""A quarter of the instruments each quarter of a second: none of them takes the loop for long."""
MOST_INSTRUMENTS: Final = 1_000
RATE_S: Final = 5


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


class Board:
    """Samples a market, from `start` to `stop`.

    Args:
        market, tape: what is sampled; of more than `MOST_INSTRUMENTS` the first.
        clock: ns since the epoch.
    """

    def __init__(self, market: Market, tape: Tape, clock: Callable[[], int] = time.time_ns) -> None:
        self._market = market
        self._tape = tape
        self._clock = clock
        self.depths = Depths()
        self._kept: dict[tuple[str, int], deque[Sample]] = {}
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
        return list(self._kept.get((listing.replica.dataset, listing.instrument_id), ()))

    def figures(self, listing: Listing) -> Figures:
        """How fast an instrument is, and how far its price has come."""
        samples = self._kept.get((listing.replica.dataset, listing.instrument_id))
        if not samples:
            return Figures(None, None, None)
        newest, before = samples[-1], samples[max(0, len(samples) - 1 - RATE_S)]
        seconds = (newest.ts_ns - before.ts_ns) / 1e9
        rate = max(0, newest.records - before.records) / seconds if seconds > 0 else None
        first = next((each.last for each in samples if each.last is not None), None)
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
        samples = self._kept.setdefault((listing.replica.dataset, number), deque(maxlen=HISTORY_S))
        samples.append(
            Sample(
                ts_event,
                self._clock(),
                None if bid is None else bid.price,
                None if ask is None else ask.price,
                last,
                sum(each.records for each in statuses),
            )
        )

    def _again(self) -> None:
        if self._slice == 0:
            self._listings = self._market.listings()[:MOST_INSTRUMENTS]
        for listing in islice(self._listings, self._slice, None, SLICES):
            self.sample(listing)
        self._slice = (self._slice + 1) % SLICES
        self._timer = asyncio.get_running_loop().call_later(SAMPLE_S / SLICES, self._again)
