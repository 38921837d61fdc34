"""Compaction: one segment of the journal becomes rows, in one transaction, whatever came before it.

Segments may come in any order, more than once, from several workers, cut otherwise, or of another epoch: the
tables end up the same. docs/store.md says why.
"""

import hashlib
from enum import Enum
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import asyncpg

from depthcast.errors import SegmentError
from depthcast.journal.names import SegmentName
from depthcast.journal.segments import ClosedSegment
from depthcast.store import grid, merging
from depthcast.store.connect import Connection
from depthcast.store.filling import fill
from depthcast.store.instruments import Instrument, merged
from depthcast.store.rows import segment_rows
from depthcast.store.tables import TABLES

__all__ = ["Compacted", "Outcome", "compact", "feed_of"]

_TRIES: Final = 5
_INSTRUMENT: Final = ("instrument_id", "feed_id", *Instrument._fields)


class Outcome(Enum):
    """What became of a segment."""

    COMPACTED = "compacted"
    KNOWN = "known"
    """Its rows were there."""
    BUSY = "busy"
    """Another worker is at it."""


class Compacted(NamedTuple):
    """The outcome, the rows by table, and the segments that have to be compacted again.

    There are some only where a newer epoch has made records void that an older one wrote.
    """

    outcome: Outcome
    rows: dict[str, int]
    again: tuple[SegmentName, ...] = ()


class _LimitMoved(Exception):  # noqa: N818 - no error: the work is begun anew
    """A newer epoch came meanwhile, and has some of the segment's positions."""


async def compact(
    connection: Connection, segment: ClosedSegment, *, wait: bool = True, grid_ms: int = grid.DEFAULT_GRID_MS
) -> Compacted:
    """Bring a segment's rows into the database, if they are not there.

    Args:
        connection: as the writer. Not in a transaction.
        segment: a closed one, of a folder or a store.
        wait: whether to wait for another worker that is at the same segment.
        grid_ms: the grid of ``depth``; the first segment of a database settles it.

    Raises:
        StoreError: the database has another grid.
        SegmentError: the segment's bytes are wrong: trying again does not help.
        JournalError: it cannot be read now.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError: the database fails; nothing was changed.
    """
    index = segment.index
    await grid.settle(connection, grid_ms)
    feed_id = await feed_of(connection, index.dataset, index.shard)
    rollups = bool(await connection.fetchval(merging.KEEPS_ROLLUPS))
    await connection.execute(merging.NEW_TABLES + merging.NEW_ROLLUPS if rollups else merging.NEW_TABLES)
    direct, tries = True, _TRIES
    while True:
        try:
            async with connection.transaction():
                await grid.hold(connection, grid_ms)
                how = {"wait": wait, "direct": direct, "rollups": rollups}
                return await _compact(connection, segment, feed_id, grid_ms, **how)
        except _LimitMoved:
            continue
        except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
            if tries == 0:
                raise
            direct, tries = False, tries - 1  # the same records are there, or come from another worker
        except asyncpg.DataError as error:
            raise SegmentError(f"the database cannot hold its rows ({error})", path=segment.path) from error


async def feed_of(connection: Connection, dataset: str, shard: str) -> int:
    """The number of a feed in this database; a new one, without a gap, if it has none."""
    select = "SELECT feed_id FROM depthcast.feeds WHERE dataset = $1 AND shard = $2"
    found = await connection.fetchval(select, dataset, shard)
    if found is None:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('depthcast.feeds'))")
            await connection.execute(
                "INSERT INTO depthcast.feeds (dataset, shard) SELECT $1::text, $2::text "
                "WHERE NOT EXISTS (SELECT FROM depthcast.feeds WHERE dataset = $1 AND shard = $2)",
                dataset,
                shard,
            )
        found = await connection.fetchval(select, dataset, shard)
    return int(found)


async def _compact(
    connection: Connection,
    segment: ClosedSegment,
    feed_id: int,
    grid_ms: int,
    *,
    wait: bool,
    direct: bool,
    rollups: bool,
) -> Compacted:
    """In a transaction.

    ``direct``: rows go where they belong at once, if no other segment has had them. ``rollups``: those of
    seconds too.
    """
    name = segment.name
    if not await _claim(connection, feed_id, name, wait=wait):
        return Compacted(Outcome.BUSY, {})
    until = await _until(connection, feed_id, segment)
    if await _is_known(connection, feed_id, segment, until):
        return Compacted(Outcome.KNOWN, {})
    where = (feed_id, *name)
    direct = direct and not await connection.fetchval(merging.IS_COVERED, *where, until)
    pieces = segment_rows(segment, feed_id, until, seconds=rollups, grid_ms=grid_ms)
    copied = await fill(connection, pieces, segment.path, direct=direct)
    await connection.execute(merging.LOCK_FEED, feed_id)
    if await _until(connection, feed_id, segment) != until:
        raise _LimitMoved
    again = await _make_void(connection, feed_id, name)
    numbers = dict(copied.numbers)
    others = await connection.fetchval(merging.DEPTH_ROWS, direct, *where, until)
    numbers["depth"] = others + (numbers["depth"] if direct else 0)
    for statement in () if direct else merging.MERGE:
        await connection.execute(statement)
    await connection.execute(merging.INSERT_DEPTH)
    await connection.execute(merging.REFRESH, *where, until, *copied.range)
    await _put_instruments(connection, feed_id, copied.instruments)
    index = segment.index
    await connection.execute(
        merging.LEDGER,
        feed_id,
        name.epoch,
        name.position,
        index.records,
        until,
        *copied.range,
        index.stored_bytes,
        index.sha256,
        segment.key,
        *(numbers[table] for table in TABLES),
        version("depthcast"),
    )
    return Compacted(Outcome.COMPACTED, numbers, again)


async def _claim(connection: Connection, feed_id: int, name: SegmentName, *, wait: bool) -> bool:
    """Be the only one at this segment until the transaction ends, also where its process is killed."""
    digest = hashlib.blake2b(f"segment {feed_id} {name}".encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "little", signed=True)
    if wait:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", number)
        return True
    return bool(await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", number))


async def _until(connection: Connection, feed_id: int, segment: ClosedSegment) -> int:
    """The position up to which its records count."""
    limit = await connection.fetchval(merging.LIMIT, feed_id, segment.name.epoch)
    return segment.end if limit is None else max(segment.position, min(segment.end, int(limit)))


async def _is_known(connection: Connection, feed_id: int, segment: ClosedSegment, until: int) -> bool:
    """Whether its records are there: by itself, or by others of its epoch, as where it was made of those."""
    records = segment.index.records
    return bool(await connection.fetchval(merging.IS_KNOWN, feed_id, *segment.name, records, until))


async def _make_void(connection: Connection, feed_id: int, name: SegmentName) -> tuple[SegmentName, ...]:
    """Take out what older epochs wrote from this position on; the segments that have to be done again.

    A row of ``depth`` has replaced those before it in its interval: they come again with their segments.
    """
    overlapping = await connection.fetchrow(
        """
        SELECT count(*), min(first_ts) - interval '1 second', max(last_ts) + interval '1 second'
        FROM depthcast.segments WHERE feed_id = $1 AND epoch < $2 AND until > $3
        """,
        feed_id,
        *name,
    )
    if overlapping is None or overlapping[0] == 0:
        return ()
    lost: Any = None
    for statement in merging.VOID:  # the last is that of depth
        lost = await connection.fetchrow(statement, feed_id, *name, overlapping[1], overlapping[2])
    again = await connection.fetch(
        """
        DELETE FROM depthcast.segments
        WHERE feed_id = $1 AND epoch < $2 AND (until > $3 OR (first_ts <= $5 AND last_ts >= $4))
        RETURNING epoch, position
        """,
        feed_id,
        *name,
        *lost,
    )
    return tuple(SegmentName(*row) for row in again)


async def _put_instruments(connection: Connection, feed_id: int, ours: dict[int, Instrument]) -> None:
    """Keep of each instrument what is newest, whatever the order of segments is."""
    if not ours:
        return
    known = await connection.fetch(
        "SELECT * FROM depthcast.instruments WHERE feed_id = $1 AND instrument_id = ANY ($2)",
        feed_id,
        list(ours),
    )
    theirs = {
        row["instrument_id"]: Instrument(*(row[field] for field in Instrument._fields)) for row in known
    }
    newest = merged(ours, theirs)
    changed = [(each, feed_id, *newest[each]) for each in sorted(newest) if newest[each] != theirs.get(each)]
    updates = ", ".join(f"{field} = excluded.{field}" for field in Instrument._fields)
    places = ", ".join(f"${number + 1}" for number in range(len(_INSTRUMENT)))
    fields = ", ".join(_INSTRUMENT)
    await connection.executemany(
        f"INSERT INTO depthcast.instruments ({fields}) VALUES ({places}) "  # noqa: S608 # nosec B608
        f"ON CONFLICT (feed_id, instrument_id) DO UPDATE SET {updates}",
        changed,
    )
