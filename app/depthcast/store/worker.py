"""A worker: it finds the segments of a journal that are not in the database yet, and compacts them.

Several may work at once: each segment is done by one of them.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final, NamedTuple

import asyncpg

from depthcast.errors import JournalError, SegmentError
from depthcast.journal.listing import Place, closed_segments, load_segment
from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.objects import ObjectMissingError, Objects
from depthcast.journal.search import is_damage
from depthcast.journal.segments import ClosedSegment
from depthcast.store.compact import Compacted, Outcome, compact, feed_of
from depthcast.store.connect import Connection
from depthcast.store.grid import DEFAULT_GRID_MS, change, settle

__all__ = ["Done", "Worker", "clear", "load"]

_TRIES: Final = 5


class Done(NamedTuple):
    """A segment that was looked at, and what became of it: its rows, or why it has none."""

    name: SegmentName
    compacted: Compacted | None
    problem: SegmentError | None = None


class Worker:
    """Compacts the closed segments of one journal. What is known to be done is not asked for again.

    Args:
        objects: the folder or store that the segments are in.
        journal: which.
        on_done: told of every segment that was compacted, and of every one that cannot be.
        grid_ms: the grid of ``depth``.
    """

    def __init__(
        self,
        objects: Objects,
        journal: Journal,
        on_done: Callable[[Done], None],
        *,
        grid_ms: int = DEFAULT_GRID_MS,
    ) -> None:
        self.journal = journal
        self._grid_ms = grid_ms
        self.poisoned: dict[SegmentName, SegmentError] = {}
        """Those that cannot be compacted. They are not tried again."""
        self._objects = objects
        self._on_done = on_done
        self._done: set[SegmentName] = set()

    async def run_once(self, connection: Connection) -> int:
        """Compact what is there and is not in the database; how many segments that were.

        Returns once each is there, by whichever worker, or cannot be compacted.

        Raises:
            StoreError: the database has another grid of ``depth``.
            JournalError: the folder or store does not answer.
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError: the database does not.
        """
        await settle(connection, self._grid_ms)
        number = 0
        wait = False
        while missing := await self._missing(connection):
            outcomes = [await self._do(connection, *place, wait=wait) for place in missing]
            number += outcomes.count(Outcome.COMPACTED)
            wait = outcomes.count(Outcome.BUSY) == len(outcomes)  # others are at all that is left
        return number

    def forget(self) -> None:
        """Ask the ledger about every segment again: somebody took some out that were known to be there."""
        self._done.clear()

    async def _missing(self, connection: Connection) -> list[tuple[SegmentName, Place]]:
        """The segments to do, newest epoch first, so that what it makes void need not be done before."""
        places = closed_segments(self._objects, self.journal.prefix)
        self._done.intersection_update(places)
        feed_id = await feed_of(connection, *self.journal)
        unsure = sorted(places.keys() - self._done - self.poisoned.keys())
        rows = await connection.fetch(
            """
            SELECT epoch, position, max(position + records) FROM depthcast.segments
            JOIN unnest($2::integer[], $3::bigint[]) AS asked (epoch, position) USING (epoch, position)
            WHERE feed_id = $1 GROUP BY epoch, position
            """,
            feed_id,
            [name.epoch for name in unsure],
            [name.position for name in unsure],
        )
        stored = {SegmentName(row[0], row[1]): int(row[2]) for row in rows}
        self._done |= _whole(stored, places)
        return [
            (name, places[name])
            for name in sorted(unsure, key=lambda name: (-name.epoch, name.position))
            if name not in self._done
        ]

    async def _do(
        self, connection: Connection, name: SegmentName, place: Place, *, wait: bool
    ) -> Outcome | None:
        """Compact one; None where it cannot be, or is gone."""
        try:
            compacted = await compact(connection, load(place), wait=wait, grid_ms=self._grid_ms)
        except ObjectMissingError:
            return None
        except SegmentError as error:
            self.poisoned[name] = error
            self._on_done(Done(name, None, error))
            return None
        if compacted.outcome is not Outcome.BUSY:
            self._done.add(name)
        if compacted.outcome is Outcome.COMPACTED:
            self._on_done(Done(name, compacted))
        self._done.difference_update(compacted.again)
        return compacted.outcome


async def clear(
    connection: Connection, journals: Iterable[Journal], *, grid_ms: int = DEFAULT_GRID_MS
) -> None:
    """Take out everything that is derived from journals, of these and all others, to make it again.

    Rows of ``depth`` will be on this grid. Segments that are being compacted are waited for, readers too.
    """
    journals = list(journals)
    for tries_left in range(_TRIES, -1, -1):
        try:
            async with connection.transaction():
                await change(connection, grid_ms)
                await connection.execute("SELECT depthcast.empty_history()")
                for journal in journals:
                    await feed_of(connection, *journal)
        except asyncpg.DeadlockDetectedError:  # somebody reads the same tables in another order
            if not tries_left:
                raise
        else:
            return


def load(place: Place) -> ClosedSegment:
    """The segment; a damaged index is as bad as damaged records."""
    try:
        return load_segment(place)
    except JournalError as error:
        if is_damage(error):
            raise SegmentError(error.reason, path=error.path or place.index_key) from error
        raise


def _whole(stored: dict[SegmentName, int], places: Iterable[SegmentName]) -> set[SegmentName]:
    """Those of the ledger that reach to where the next segment of their epoch begins.

    A segment may have been cut otherwise before, and be longer now. Of an epoch's last one that is not known
    by its name, so it is asked for its length each time.
    """
    names = sorted(places)
    following = dict(pairwise(names))
    whole = set()
    for name, end in stored.items():
        after = following.get(name)
        if after is not None and after.epoch == name.epoch and after.position <= end:
            whole.add(name)
    return whole
