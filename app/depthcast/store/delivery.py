"""A segment that was heard of becomes rows, and so do those that it calls for.

It may be gone by then (merged, or too old), or not be whole yet.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from depthcast.errors import JournalError
from depthcast.journal.listing import Place, closed_segments
from depthcast.journal.names import SegmentName
from depthcast.journal.objects import ObjectMissingError
from depthcast.store.compact import Outcome, compact
from depthcast.store.connect import Connection
from depthcast.store.grid import DEFAULT_GRID_MS
from depthcast.store.notices import SegmentNotice
from depthcast.store.worker import load

__all__ = ["Delivered", "Fate", "deliver"]


class Fate(Enum):
    """What became of a segment."""

    COMPACTED = "compacted"
    KNOWN = "known"
    """Its rows were there."""
    GONE = "gone"
    """It is not in the store any more."""


class Delivered(NamedTuple):
    """A segment, what became of it, and how many rows it gave."""

    key: str
    fate: Fate
    rows: int = 0


async def deliver(
    connection: Connection,
    notice: SegmentNotice,
    before_more: Callable[[], None] = lambda: None,
    *,
    grid_ms: int = DEFAULT_GRID_MS,
) -> list[Delivered]:
    """Compact a segment, and then those that it made void in part, where a newer epoch has come.

    If it fails among the latter, the first is done: they are found by comparing store and ledger
    (`depthcast.store.maintain`), not by delivering it again.

    Args:
        connection: as the writer. Not in a transaction.
        notice: which segment.
        before_more: called before each segment but the first; what it raises ends the work.
        grid_ms: the grid of ``depth``.

    Raises:
        SegmentError: its bytes are wrong: trying again does not help.
        StoreError: the database has another grid.
        JournalError: it cannot be read now, or its index is not there yet.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError: the database fails.
    """
    done, again = await _one(connection, notice, grid_ms)
    found = [done]
    queue = deque(again)
    places: dict[SegmentName, Place] = {}
    if queue:
        journal = notice.place.base.partition("/date=")[0] + "/"
        places = await asyncio.to_thread(closed_segments, notice.place.objects, journal)
    while queue:
        place = _place_of(queue.popleft(), places)
        if place is None:
            continue  # it is gone
        before_more()
        done, again = await _one(connection, SegmentNotice(place, is_index=True), grid_ms)
        found.append(done)
        queue.extend(again)
    return found


async def _one(
    connection: Connection, notice: SegmentNotice, grid_ms: int
) -> tuple[Delivered, tuple[SegmentName, ...]]:
    key = notice.place.segment_key
    try:
        segment = await asyncio.to_thread(load, notice.place)
    except ObjectMissingError:
        if not notice.is_index and await asyncio.to_thread(_is_there, notice.place):
            raise JournalError("its index is not there yet", path=key) from None
        return Delivered(key, Fate.GONE), ()
    try:
        compacted = await compact(connection, segment, grid_ms=grid_ms)
    except ObjectMissingError:
        return Delivered(key, Fate.GONE), ()
    fate = Fate.COMPACTED if compacted.outcome is Outcome.COMPACTED else Fate.KNOWN
    return Delivered(key, fate, sum(compacted.rows.values())), compacted.again


def _place_of(name: SegmentName, places: Mapping[SegmentName, Place]) -> Place | None:
    """Of a segment, or of a merged one that has it."""
    starts = [each for each in places if each.epoch == name.epoch and each.position <= name.position]
    place = places[max(starts)] if starts else None
    if place is None or (max(starts) != name and (place.merged_end or 0) <= name.position):
        return None
    return place


def _is_there(place: Place) -> bool:
    try:
        place.objects.read(place.segment_key, 0, 1)
    except ObjectMissingError:
        return False
    return True
