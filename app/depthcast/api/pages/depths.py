"""The last minutes of books' levels, a sample a second: what a heat map begins with."""

from array import array
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from depthcast.api.market import Listing
from depthcast.book.types import Level

__all__ = ["DepthSample", "Depths", "encoded"]

KEPT_S: Final = 300
LEVELS: Final = 40
"""Of each side."""
MOST_BOOKS: Final = 32
"""What a page was asked for lately; of few instruments, all."""

_Key = tuple[str, int]


class DepthSample(NamedTuple):
    """A book at a moment: ``ts_event`` of its last event (ns), prices (1e-9) each with its size."""

    ts_event: int
    bids: "array[int]"
    asks: "array[int]"


class Depths:
    """Samples of up to `MOST_BOOKS` books; another one takes the place of that looked at longest ago."""

    def __init__(self) -> None:
        self._kept: dict[_Key, deque[DepthSample]] = {}

    def look(self, listing: Listing) -> None:
        """Somebody looks at an instrument: its samples are kept from now on."""
        key = _key(listing)
        self._kept[key] = self._kept.pop(key, deque(maxlen=KEPT_S))
        if len(self._kept) > MOST_BOOKS:
            del self._kept[next(iter(self._kept))]

    def sample(self, listing: Listing, ts_event: int, publisher_id: int | None) -> None:
        """Take an instrument's sample, if it is one of those kept or there is room.

        Args:
            publisher_id: whose book; None for several together.

        Raises:
            BookError: it has no book.
        """
        key = _key(listing)
        samples = self._kept.get(key)
        if samples is None:
            if len(self._kept) >= MOST_BOOKS:
                return
            samples = self._kept[key] = deque(maxlen=KEPT_S)
        if samples and samples[-1].ts_event == ts_event:
            return
        bids, asks = listing.replica.engine.depth(listing.instrument_id, LEVELS, publisher_id)
        samples.append(DepthSample(ts_event, _packed(bids), _packed(asks)))

    def history(self, listing: Listing) -> list[DepthSample]:
        """An instrument's samples, the oldest first."""
        return list(self._kept.get(_key(listing), ()))


def encoded(side: "array[int]", tick: int) -> list[int] | None:
    """A side in few numbers: the best price in ticks, then the size at each tick outwards; ``-n`` stands for
    n ticks without any. None where a price is not on the tick.

    Args:
        tick: in 1e-9.
    """
    if not side:
        return []
    rows: list[int] = []
    before: int | None = None
    for price, size in zip(side[::2], side[1::2], strict=True):
        row, rest = divmod(price, tick)
        if rest:
            return None
        if before is None:
            rows.append(row)
        elif hole := abs(row - before) - 1:
            rows.append(-hole)
        rows.append(size)
        before = row
    return rows


def _packed(levels: Iterable[Level]) -> "array[int]":
    return array("q", [number for level in levels for number in (level.price, level.size)])


def _key(listing: Listing) -> _Key:
    return listing.replica.dataset, listing.instrument_id
