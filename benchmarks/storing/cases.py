"""The ways of storing rows that are timed, each into tables that are empty."""

import time
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from depthcast.journal.segments import ClosedSegment
from depthcast.store.compact import compact
from depthcast.store.connect import Connection
from depthcast.store.copying import HEADER, TRAILER
from depthcast.store.merging import MAKE_PARTITIONS
from depthcast.store.rows import Piece, segment_rows
from depthcast.store.tables import TABLES
from depthcast.store.worker import clear

__all__ = ["COMPACT", "COPY", "DERIVE", "MANY", "Run", "take_round"]

COMPACT: Final = "depthcast: segments to rows, rollups and ledger"
COPY: Final = "floor: bare COPY of the same rows, made beforehand"
MANY: Final = "asyncpg's executemany, rows made beforehand"
RECORDS: Final = "asyncpg's copy_records_to_table, rows made beforehand"
DERIVE: Final = "depthcast without a database: segments to rows"
SLOW_ROWS: Final = 40_000
"""Of those that a Python object each is made for."""


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
    places = ", ".join(f"${number + 1}" for number in range(len(names)))
    watch = _Watch(MANY, server)
    await connection.executemany(f"INSERT INTO depthcast.bbo ({fields}) VALUES ({places})", rows)  # noqa: S608
    watch.rows = len(rows)
    return [*runs, watch.stop()]


def _derived(segments: list[ClosedSegment]) -> Run:
    watch = _Watch(DERIVE, None)
    for segment in segments:
        for piece in segment_rows(segment, 1):
            watch.rows += sum(piece.rows[table].number for table in TABLES if table in piece.rows)
    return watch.stop()


def _cpu_ns(process: int) -> int:
    """What a process has had of the processor, of its first thread: the server's have one."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0])
