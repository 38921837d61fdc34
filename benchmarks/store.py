"""Compaction into PostgreSQL: ``python -m benchmarks.store [--quick]``.

A simulated day becomes the segments of a journal; they are compacted into an embedded server, as
``depthcast compact`` does it. Beside it, in the same run and into tables of the same kind: a bare COPY of the
same rows, and asyncpg's ``copy_records_to_table`` and ``executemany`` of some of them.
"""

import asyncio
import datetime as dt
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from depthcast.book.engine import Engine
from depthcast.dbn import forms, make_metadata
from depthcast.exchange import Exchange, ExchangeParams, InstrumentParams
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.reader import JournalReader
from depthcast.journal.segments import ClosedSegment
from depthcast.journal.writer import JournalWriter
from depthcast.store.compact import compact
from depthcast.store.connect import Connection, connected
from depthcast.store.copying import HEADER, TRAILER
from depthcast.store.embedded import EmbeddedPostgres
from depthcast.store.merging import MAKE_PARTITIONS
from depthcast.store.migrate import migrate
from depthcast.store.rows import segment_rows
from depthcast.store.tables import TABLES
from depthcast.store.worker import clear

FULL: Final = 2_000_000
QUICK: Final = 500_000
"""Records of the day."""
SEGMENT: Final = 400_000
ROUNDS: Final = 3
SLOW_ROWS: Final = 20_000
"""Of those that a Python object each is made for."""
DATASET: Final = "XSIM.BENCH"


class Timing(NamedTuple):
    """One way of storing rows."""

    name: str
    rows: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.rows / self.seconds


def recorded_day(folder: Path, records: int) -> list[ClosedSegment]:
    """The segments of a simulated day of eight instruments."""
    instruments = tuple(
        InstrumentParams(each, f"SIM{each}", tick=10_000_000, reference_price=64_000_000_000)
        for each in range(1, 9)
    )
    exchange = Exchange(ExchangeParams(instruments=instruments))
    metadata = make_metadata(DATASET, None, 1, mappings={f"SIM{each}": each for each in range(1, 9)})
    engine = Engine()
    writer = JournalWriter.open(folder, "", DATASET, "0", JournalPolicy(segment_s=86_400.0))
    writer.begin(0, metadata, b"", b"")
    begun = 0
    for batch in exchange.run(records=records):
        if writer.position - begun >= SEGMENT:
            begun = writer.position
            writer.rotate(begun, metadata, engine.snapshot(), b"")
        writer.append(batch, forms.count(batch))
        engine.apply(batch)
    writer.close()
    segments = JournalReader.open(folder, "", DATASET, "0").segments()
    return [segment for segment in segments if isinstance(segment, ClosedSegment)]


async def timed_compaction(connection: Connection, segments: list[ClosedSegment]) -> Timing:
    begun = time.perf_counter()
    rows = 0
    for segment in segments:
        rows += sum((await compact(connection, segment)).rows.values())
    return Timing("depthcast: segments to rows and rollups", rows, time.perf_counter() - begun)


async def timed_copy(connection: Connection, segments: list[ClosedSegment]) -> Timing:
    """The same rows, made before the clock runs, into the same tables: a transaction a segment."""
    made = [list(segment_rows(segment, 1)) for segment in segments]
    days = {day for pieces in made for piece in pieces for rows in piece.rows.values() for day in rows.days}
    await connection.execute(MAKE_PARTITIONS, [_date(day) for day in sorted(days)])
    rows = 0
    begun = time.perf_counter()
    for pieces in made:
        async with connection.transaction():
            for table in ("trades", "bbo"):
                of_table = [piece.rows[table] for piece in pieces if table in piece.rows]
                rows += sum(each.number for each in of_table)
                await connection.copy_to_table(
                    table,
                    schema_name="depthcast",
                    source=_stream([each.data for each in of_table]),
                    columns=[column.name for column in TABLES[table]],
                    format="binary",
                )
    return Timing("bare COPY of the rows", rows, time.perf_counter() - begun)


async def timed_objects(connection: Connection) -> list[Timing]:
    """Rows as Python objects, into the same table when it is empty."""
    names = [column.name for column in TABLES["bbo"]]
    fields = ", ".join(names)
    some = await connection.fetch(f"SELECT {fields} FROM depthcast.bbo LIMIT {SLOW_ROWS}")  # noqa: S608
    rows = [tuple(row) for row in some]
    found = []
    await clear(connection, [])
    begun = time.perf_counter()
    await connection.copy_records_to_table("bbo", schema_name="depthcast", records=rows, columns=names)
    found.append(Timing("asyncpg's copy_records_to_table", len(rows), time.perf_counter() - begun))
    await clear(connection, [])
    places = ", ".join(f"${number + 1}" for number in range(len(names)))
    begun = time.perf_counter()
    insert = f"INSERT INTO depthcast.bbo ({fields}) VALUES ({places})"  # noqa: S608
    await connection.executemany(insert, rows)
    found.append(Timing("asyncpg's executemany", len(rows), time.perf_counter() - begun))
    return found


def timed_deriving(segments: list[ClosedSegment]) -> Timing:
    begun = time.perf_counter()
    rows = sum(
        each.number
        for segment in segments
        for piece in segment_rows(segment, 1)
        for each in piece.rows.values()
    )
    return Timing("records to rows alone, no database", rows, time.perf_counter() - begun)


async def measure(url: str, segments: list[ClosedSegment]) -> list[list[Timing]]:
    """Interleaved rounds, so that a busy machine is busy for all."""
    rounds = []
    async with connected(url) as connection:
        await migrate(connection)
        for _ in range(ROUNDS):
            await clear(connection, [])
            copied = await timed_copy(connection, segments)
            await clear(connection, [])
            compacted = await timed_compaction(connection, segments)
            rounds.append([compacted, copied, *await timed_objects(connection), timed_deriving(segments)])
    return rounds


def report(records: int, rounds: list[list[Timing]]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=f"{records:,} records, medians of {len(rounds)} rounds")
    for heading in ("", "rows/s", "times depthcast's"):
        table.add_column(heading, justify="left" if not heading else "right")
    for number, first in enumerate(rounds[0]):
        speed = statistics.median(each[number].per_second for each in rounds)
        ratio = statistics.median(each[number].per_second / each[0].per_second for each in rounds)
        table.add_row(first.name, f"{speed:,.0f}", f"{ratio:.2f}")
    return table


def main(arguments: list[str]) -> None:
    records = QUICK if "--quick" in arguments else FULL
    folder = Path(tempfile.mkdtemp(prefix="depthcast-bench-"))
    folder.chmod(0o755)  # as root the server runs as somebody else
    try:
        segments = recorded_day(folder / "journal", records)
        with EmbeddedPostgres(folder / "database") as server:
            rounds = asyncio.run(measure(server.url, segments))
        Console().print(report(records, rounds))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of this process, the prepared rows of the bare COPY included: {peak:,.0f} MiB")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _date(day: int) -> dt.date:
    return dt.date(2000, 1, 1) + dt.timedelta(days=day)


async def _stream(data: list[bytes]) -> AsyncIterator[bytes]:
    yield HEADER
    for rows in data:
        yield rows
    yield TRAILER


if __name__ == "__main__":
    main(sys.argv[1:])
