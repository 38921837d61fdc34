# ruff: noqa: S608 - the names in these statements are our own
"""The statements that bring a segment's rows from temporary tables into the history.

They are the same with TimescaleDB and without: what differs is in the schema's functions.
"""

from typing import Final

from depthcast.store.tables import ROLLUPS, TABLES

__all__ = [
    "DEPTH_ROWS",
    "INSERT_DEPTH",
    "IS_COVERED",
    "IS_KNOWN",
    "KEEPS_ROLLUPS",
    "LEDGER",
    "LIMIT",
    "LOCK_FEED",
    "MAKE_PARTITIONS",
    "MERGE",
    "NEW_ROLLUPS",
    "NEW_TABLES",
    "REFRESH",
    "VOID",
]

_COLUMNS: Final = {table: ", ".join(column.name for column in columns) for table, columns in TABLES.items()}
_SECOND: Final = "date_trunc('second', ts)"
_SECOND_AFTER: Final = "date_trunc('second', ts + interval '999999 microseconds')"
_MINUTE: Final = "date_trunc('minute', ts)"
_BUCKETS: Final = {"trades": _SECOND, "bbo": _SECOND_AFTER, "depth": _MINUTE}
"""Which bucket of its rollups a row is in; longer bars are made of the shortest."""

NEW_TABLES: Final = "".join(
    f"CREATE TEMP TABLE IF NOT EXISTS new_{table} (LIKE depthcast.{table}) ON COMMIT DELETE ROWS;"
    f"CREATE TEMP TABLE IF NOT EXISTS touched_{table} (instrument_id bigint, publisher_id integer,"
    "  bucket timestamptz, PRIMARY KEY (instrument_id, publisher_id, bucket)) ON COMMIT DELETE ROWS;"
    for table in TABLES
)
"""Those of a connection, empty at the end of each transaction: rows to be merged, and the intervals that have
lost some, or may have."""
KEEPS_ROLLUPS: Final = "SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = 'depthcast.ohlcv_1s'::regclass"
"""Whether compaction fills the rollups; with TimescaleDB they are views, which the server keeps."""
NEW_ROLLUPS: Final = "".join(
    [
        f"CREATE TEMP TABLE IF NOT EXISTS new_{table} (LIKE depthcast.{table}) ON COMMIT DELETE ROWS;"
        for table in ROLLUPS
    ]
    + [
        f"CREATE TEMP TABLE IF NOT EXISTS {table}"
        " (LIKE touched_depth INCLUDING INDEXES) ON COMMIT DELETE ROWS;"
        for table in ("shared_trades", "shared_bbo", "touched_minutes")
    ]
)
"""Those that are needed beside them where it does: seconds of trades and of bbo, minutes of bars to be made
again."""

LOCK_FEED: Final = "SELECT pg_advisory_xact_lock(hashtextextended('depthcast.feed', $1))"
"""Rows of one feed are merged by one transaction at a time; they are derived and copied by many."""

LIMIT: Final = "SELECT min(position) FROM depthcast.segments WHERE feed_id = $1 AND epoch > $2"
"""From which position on a newer epoch counts."""

MAKE_PARTITIONS: Final = "SELECT depthcast.make_partitions($1)"

DEPTH_ROWS: Final = """
SELECT count(*) - count(there.epoch)
FROM (SELECT DISTINCT instrument_id, publisher_id, ts FROM new_depth) AS n
LEFT JOIN LATERAL (
  SELECT epoch FROM depthcast.depth d
  WHERE $1 AND d.instrument_id = n.instrument_id AND d.ts = n.ts AND d.publisher_id = n.publisher_id
    AND d.feed_id = $2 AND d.epoch = $3 AND d.position >= $4 AND d.position < $5 LIMIT 1
) AS there ON true
"""
"""How many intervals of books are in ``new_depth``; if asked, without those that are in ``depth`` as well."""

_INSERT: Final = {
    table: f"INSERT INTO depthcast.{table} ({columns}) SELECT {columns} FROM new_{table}"  # nosec B608
    for table, columns in _COLUMNS.items()
    if table != "depth"
}
_DEPTH_KEY: Final = ("instrument_id", "ts", "publisher_id", "feed_id")
INSERT_DEPTH: Final = f"""
INSERT INTO depthcast.depth AS old ({_COLUMNS["depth"]})
SELECT DISTINCT ON (instrument_id, publisher_id, ts) {_COLUMNS["depth"]} FROM new_depth
ORDER BY instrument_id, publisher_id, ts, position DESC
ON CONFLICT ({", ".join(_DEPTH_KEY)}) DO UPDATE
SET {", ".join(f"{c.name} = excluded.{c.name}" for c in TABLES["depth"] if c.name not in _DEPTH_KEY)}
WHERE excluded.position > old.position
"""  # nosec B608
"""Of one interval of a book the row of the greatest position is kept, whichever segment comes first."""
IS_KNOWN: Final = """
SELECT coalesce(bool_or(position = $3 AND records = $4 AND until = $5)
                OR $5 > $3 AND range_agg(int8range(position, until)) @> int8range($3, $5), false)
FROM depthcast.segments WHERE feed_id = $1 AND epoch = $2 AND position <= $5 AND position + records >= $3
"""
"""Whether all of these positions are in the ledger, by one segment or several."""
IS_COVERED: Final = """
SELECT EXISTS (SELECT FROM depthcast.segments
               WHERE feed_id = $1 AND epoch = $2 AND position + records > $3 AND position < $4)
"""
"""Whether some of these positions came in another segment."""
MERGE: Final = tuple(f"{each} ON CONFLICT DO NOTHING" for each in _INSERT.values())
"""Of trades and bbo, where some may be there. Copied to their tables they cost the server half as much."""

REFRESH: Final = "SELECT depthcast.refresh_rollups($1::smallint, $2, $3, $4, $5, $6)"

VOID: Final = tuple(
    f"""
WITH void AS (
  DELETE FROM depthcast.{table}
  WHERE feed_id = $1 AND epoch < $2 AND position >= $3 AND ts >= $4 AND ts <= $5
  RETURNING instrument_id, publisher_id, ts
), touched AS (
  INSERT INTO touched_{table} SELECT DISTINCT instrument_id, publisher_id, {bucket} FROM void
  ON CONFLICT DO NOTHING
)
SELECT min(ts), max(ts) FROM void
"""  # nosec B608
    for table, bucket in _BUCKETS.items()
)
"""Rows that an older epoch wrote at positions that are a newer one's; the times of those that were there."""

LEDGER: Final = """
INSERT INTO depthcast.segments (feed_id, epoch, position, records, until, first_ts, last_ts, stored_bytes,
                                sha256, key, trades, bbo, depth, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (feed_id, epoch, position, records) DO UPDATE
SET (until, first_ts, last_ts, stored_bytes, sha256, key, trades, bbo, depth, version, compacted_at) =
    (excluded.until, excluded.first_ts, excluded.last_ts, excluded.stored_bytes, excluded.sha256,
     excluded.key, excluded.trades, excluded.bbo, excluded.depth, excluded.version, now())
"""
