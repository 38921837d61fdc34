"""What the ledger has of a feed: whole ranges of positions, and single segments."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from depthcast.journal.names import SegmentName
from depthcast.journal.segments import ClosedSegment
from depthcast.store.connect import Connection
from depthcast.store.merging import LOCK_FEED

__all__ = ["Coverage", "Entry", "entries_of", "fold"]

_RANGES: Final = """
SELECT epoch, lower(part) AS begun, upper(part) AS ended
FROM (SELECT epoch, range_agg(int8range(position, until)) AS ranges FROM depthcast.segments
      WHERE feed_id = $1 AND compacted_at <= $2 GROUP BY epoch) AS of_epoch, unnest(ranges) AS part
ORDER BY epoch, begun
"""
_ENTRIES: Final = """
SELECT epoch, position, records, stored_bytes, sha256, key FROM depthcast.segments
JOIN unnest($2::integer[], $3::bigint[]) AS asked (epoch, position) USING (epoch, position)
WHERE feed_id = $1
"""
_WITHIN: Final = "WHERE feed_id = $1 AND epoch = $2 AND position >= $3 AND position + records <= $4"
_PARTS: Final = f"""
SELECT count(*) AS parts, sum(records) AS records, bool_and(until = position + records) AS whole,
       bool_or(position = $3 AND position + records = $4) AS there,
       min(first_ts) AS first_ts, max(last_ts) AS last_ts, sum(trades) AS trades, sum(bbo) AS bbo,
       sum(depth) AS depth, max(version) AS version, max(compacted_at) AS compacted_at
FROM depthcast.segments {_WITHIN}
"""  # noqa: S608 # nosec B608
_DELETE: Final = f"DELETE FROM depthcast.segments {_WITHIN}"  # noqa: S608 # nosec B608
_INSERT: Final = """
INSERT INTO depthcast.segments (feed_id, epoch, position, records, until, first_ts, last_ts, stored_bytes,
                                sha256, key, trades, bbo, depth, version, compacted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""


class Entry(NamedTuple):
    """One segment of the ledger."""

    records: int
    stored_bytes: int
    sha256: str
    key: str


class Coverage:
    """The positions of a feed that are in the tables.

    Args:
        ranges: by epoch, those that are there: disjoint, in order, [begun, ended).
    """

    def __init__(self, ranges: dict[int, list[tuple[int, int]]]) -> None:
        self._ranges = ranges

    @classmethod
    async def of(cls, connection: Connection, feed_id: int, until: dt.datetime) -> "Coverage":
        """What was compacted by a time of the database's clock."""
        ranges: dict[int, list[tuple[int, int]]] = {}
        for epoch, begun, ended in await connection.fetch(_RANGES, feed_id, until):
            ranges.setdefault(epoch, []).append((begun, ended))
        return cls(ranges)

    def has(self, epoch: int, begun: int, ended: int) -> bool:
        """Whether all of these positions are there."""
        return any(first <= begun and ended <= last for first, last in self._ranges.get(epoch, ()))

    @property
    def end(self) -> SegmentName | None:
        """The newest epoch, and the position after its last record; None of an empty ledger."""
        if not self._ranges:
            return None
        epoch = max(self._ranges)
        return SegmentName(epoch, self._ranges[epoch][-1][1])


async def entries_of(
    connection: Connection, feed_id: int, names: Sequence[SegmentName]
) -> dict[SegmentName, list[Entry]]:
    """The segments of these names in the ledger: several of one name, where it was cut otherwise once."""
    found: dict[SegmentName, list[Entry]] = {}
    rows = await connection.fetch(
        _ENTRIES, feed_id, [name.epoch for name in names], [name.position for name in names]
    )
    for epoch, position, *entry in rows:
        found.setdefault(SegmentName(epoch, position), []).append(Entry(*entry))
    return found


async def fold(connection: Connection, feed_id: int, merged: ClosedSegment) -> bool:
    """Put a merged segment in the place of those it was made of; whether it is there then.

    It is not where the ledger does not have exactly those: then they stay, and cover it.
    """
    where = (feed_id, *merged.name, merged.end)
    async with connection.transaction():
        await connection.execute(LOCK_FEED, feed_id)
        parts = await connection.fetchrow(_PARTS, *where)
        if parts is None or not parts["parts"]:
            return False
        if parts["there"]:
            await connection.execute(f"{_DELETE} AND records < $5", *where, merged.index.records)
            return True
        if parts["records"] != merged.index.records or not parts["whole"]:
            return False
        await connection.execute(_DELETE, *where)
        await connection.execute(
            _INSERT,
            *(feed_id, *merged.name, merged.index.records, merged.end, parts["first_ts"], parts["last_ts"]),
            *(merged.index.stored_bytes, merged.index.sha256, merged.key),
            *(int(parts["trades"]), int(parts["bbo"]), int(parts["depth"])),
            *(parts["version"], parts["compacted_at"]),
        )
    return True
