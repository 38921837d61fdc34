"""The ways of storing rows that are timed, each into tables that are empty."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.book.derive import DeriverSet
from depthcast.book.derive_schemas import SCHEMAS
from depthcast.journal.segments import ClosedSegment
from depthcast.store.columns import RECORD_COLUMNS
from depthcast.store.compact import compact
from depthcast.store.connect import Connection
from depthcast.store.copying import HEADER, TRAILER
from depthcast.store.merging import MAKE_PARTITIONS
from depthcast.store.rows import Piece, segment_rows
from depthcast.store.tables import TABLES
from depthcast.store.worker import clear

__all__ = ["BY_MANY", "COMPACT", "COPY", "DERIVE", "MANY", "Run", "take_round"]

COMPACT: Final = "depthcast: segments to rows, rollups and ledger"
COPY: Final = "floor: bare COPY of the same rows, made beforehand"
MANY: Final = "asyncpg's executemany, rows made beforehand"
BY_MANY: Final = "the same segments by way of Python objects and executemany"
RECORDS: Final = "asyncpg's copy_records_to_table, rows made beforehand"
DERIVE: Final = "depthcast without a database: segments to rows"
SLOW_ROWS: Final = 40_000
"""Of those that a Python object each is made for."""


_2000: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Run(NamedTuple):
    """One way, once."""

    name: str
    rows: int
    seconds: float
    server_s: float | None
    client_s: float


class _Watch:
    """Clocks that run while rows are stored."""

    def __init__(self, name: str, server: int | None) -> None:
        self._name = name
        self._server = server
        self.rows = 0
        self._begun = self._clocks()

    def _clocks(self) -> tuple[float, float, float]:
        server = 0 if self._server is None else _cpu_ns(self._server)
        return time.perf_counter(), server / 1e9, time.process_time()

    def stop(self) -> Run:
        seconds, server, client = (b - a for a, b in zip(self._begun, self._clocks(), strict=True))
        return Run(self._name, self.rows, seconds, None if self._server is None else server, client)


async def take_round(connection: Connection, segments: list[ClosedSegment]) -> list[Run]:
    """All ways, one after another."""
    server = int(await connection.fetchval("SELECT pg_backend_pid()"))
    runs = [await _copied(connection, segments, server)]
    await clear(connection, [])
    runs.append(await _compacted(connection, segments, server))
    runs += await _by_objects(connection, server)
    await clear(connection, [])
    runs.append(await _by_executemany(connection, segments[0], server))
    return [runs[1], runs[0], *runs[2:], _derived(segments)]


async def _compacted(connection: Connection, segments: list[ClosedSegment], server: int) -> Run:
    watch = _Watch(COMPACT, server)
    for segment in segments:
        watch.rows += sum((await compact(connection, segment)).rows.values())
    return watch.stop()


async def _copied(connection: Connection, segments: list[ClosedSegment], server: int) -> Run:
    """A transaction a segment, a COPY a table, into the same tables with their indexes."""
    made = [list(segment_rows(segment, 1)) for segment in segments]
    days = {day for pieces in made for piece in pieces for rows in piece.rows.values() for day in rows.days}
    await clear(connection, [])
    await connection.execute(
        MAKE_PARTITIONS, [date(2000, 1, 1) + timedelta(days=day) for day in sorted(days)]
    )
    watch = _Watch(COPY, server)
    for pieces in made:
        async with connection.transaction():
            for table, columns in TABLES.items():
                await connection.copy_to_table(
                    table,
                    schema_name="depthcast",
                    source=_stream(pieces, table),
                    columns=[column.name for column in columns],
                    format="binary",
                )
                watch.rows += sum(piece.rows[table].number for piece in pieces if table in piece.rows)
    return watch.stop()


async def _stream(pieces: list[Piece], table: str) -> AsyncIterator[bytes]:
    yield HEADER
    for piece in pieces:
        if table in piece.rows and piece.rows[table].number:
            yield piece.rows[table].data
    yield TRAILER


async def _by_objects(connection: Connection, server: int) -> list[Run]:
    """Some rows of bbo as tuples of Python objects, into the same table."""
    names = [column.name for column in TABLES["bbo"]]
    fields = ", ".join(names)
    some = await connection.fetch(f"SELECT {fields} FROM depthcast.bbo LIMIT {SLOW_ROWS}")  # noqa: S608
    rows = [tuple(row) for row in some]
    await clear(connection, [])
    watch = _Watch(RECORDS, server)
    await connection.copy_records_to_table("bbo", schema_name="depthcast", records=rows, columns=names)
    watch.rows = len(rows)
    runs = [watch.stop()]
    await clear(connection, [])
    watch = _Watch(MANY, server)
    await connection.executemany(_insert("bbo"), rows)
    watch.rows = len(rows)
    return [*runs, watch.stop()]


def _insert(table: str) -> str:
    fields = ", ".join(column.name for column in TABLES[table])
    places = ", ".join(f"${number + 1}" for number in range(len(TABLES[table])))
    return f"INSERT INTO depthcast.{table} ({fields}) VALUES ({places})"  # noqa: S608 - our own names


async def _by_executemany(connection: Connection, segment: ClosedSegment, server: int) -> Run:
    """From records to rows without COPY: derived by the same kernel, then an object for each value."""
    deriver = DeriverSet(["trades", "mbp-1"])
    deriver.apply(segment.head())
    inserts = {table: f"{_insert(table)} ON CONFLICT DO NOTHING" for table in ("trades", "bbo")}
    watch = _Watch(BY_MANY, server)
    async with connection.transaction():
        for _, data in segment.records(segment.position):
            derived = deriver.apply(data)
            for table, schema in (("trades", "trades"), ("bbo", "mbp-1")):
                rows = _objects(table, np.frombuffer(derived[schema], SCHEMAS[schema].dtype), watch.rows)
                await connection.executemany(inserts[table], rows)
                watch.rows += len(rows)
            if watch.rows >= SLOW_ROWS:
                break
    return watch.stop()


def _objects(table: str, records: NDArray[np.void], number: int) -> list[tuple[Any, ...]]:
    """Rows as tuples of Python objects, made column by column."""
    columns, nulls = RECORD_COLUMNS[table](records)
    columns["position"] = np.arange(number, number + len(records))
    for name in ("order_id", "ts_in_delta", "epoch", "feed_id", "ordinal"):
        columns[name] = np.ones(len(records), np.int64)
    values = []
    for column in TABLES[table]:
        listed: list[Any] = np.asarray(columns[column.name]).tolist()
        if column.name == "ts":
            listed = [_2000 + timedelta(microseconds=us) for us in listed]
        if column.name in nulls and nulls[column.name].any():
            missing = nulls[column.name].tolist()
            listed = [None if null else value for value, null in zip(listed, missing, strict=True)]
        values.append(listed)
    return list(zip(*values, strict=True))


def _derived(segments: list[ClosedSegment]) -> Run:
    watch = _Watch(DERIVE, None)
    for segment in segments:
        for piece in segment_rows(segment, 1):
            watch.rows += sum(piece.rows[table].number for table in TABLES if table in piece.rows)
    return watch.stop()


def _cpu_ns(process: int) -> int:
    """What a process has had of the processor, of its first thread: the server's have one."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0])
