"""Applying a feed with stops: at a time, after events, on a grid of times."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from depthcast.book.replay import event_ends
from depthcast.book.types import BookKey
from depthcast.book.views import iso
from depthcast.dbn.columns import split
from depthcast.errors import UsageError

__all__ = ["Cut", "each_event", "each_grid_point"]

Apply = Callable[[memoryview], int]
Chunks = Iterator[memoryview]

MAX_POINTS: Final = 10_000_000
"""Grid points between two records; more is a wrong time in the data, or an interval that was not meant."""


class Cut:
    """The records before the first one, of any book, with ts_recv > ``at``.

    Records without a time do not count.

    Attributes:
        made: whether there was such a record.
    """

    def __init__(self, chunks: Chunks, at: int, stop: Callable[[], None]) -> None:
        self.made = False
        self._chunks = chunks
        self._at = at
        self._stop = stop

    def __iter__(self) -> Chunks:
        for chunk in self._chunks:
            columns = split(chunk)
            later = columns.ts_recv > self._at
            if not later.any():
                yield chunk
                continue
            self.made = True
            self._stop()  # the feed ends itself, and so closes its files in order
            yield chunk[: int(columns.starts[later.argmax()])]


def each_event(
    apply: Apply, chunks: Chunks, *, count: int, wanted: Callable[[BookKey], bool]
) -> Iterator[BookKey]:
    """Apply all, and stop at each ``count``-th event of each wanted book, after the record that ends it."""
    seen: Counter[BookKey] = Counter()
    for chunk in chunks:
        applied = 0
        for end, key in event_ends(split(chunk)):
            seen[key] += 1
            if seen[key] % count == 0 and wanted(key):
                apply(chunk[applied:end])
                applied = end
                yield key
        apply(chunk[applied:])


def each_grid_point(
    apply: Apply, chunks: Chunks, *, interval_ns: int, known_until: Callable[[], int]
) -> Iterator[int]:
    """Apply all and stop at each multiple of ``interval_ns`` since the epoch, before the first record
    past it.

    The first point is at or after the first record's ts_recv, the last at or before the latest ts_recv, or
    ``known_until()``, a time up to which there are no more records.
    """
    point = None
    latest = 0
    for chunk in chunks:
        columns = split(chunk)
        ts_recv = columns.ts_recv
        latest = max(latest, int(ts_recv.max(initial=0)))
        if point is None:
            if latest == 0:
                apply(chunk)
                continue
            point = -(-int(ts_recv[(ts_recv > 0).argmax()]) // interval_ns) * interval_ns
        applied = place = 0
        while (later := ts_recv[place:] > point).any():
            place += int(later.argmax())
            end = int(columns.starts[place])
            apply(chunk[applied:end])
            applied = end
            next_ts = int(ts_recv[place])
            _check_gap(point, next_ts, interval_ns)
            while point < next_ts:
                yield point
                point += interval_ns
        apply(chunk[applied:])
    last = max(latest, known_until())
    while point is not None and point <= last:
        yield point
        point += interval_ns


def _check_gap(point: int, ts_recv: int, interval_ns: int) -> None:
    points = (ts_recv - point) // interval_ns
    if points > MAX_POINTS:
        raise UsageError(
            f"--every: {points:,} intervals lie between two records, at {iso(point)} and {iso(ts_recv)}: "
            "choose a longer one (or the data has a wrong time)"
        )
