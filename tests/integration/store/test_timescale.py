"""With TimescaleDB: late rows in what is closed or kept already, rollups that outlast their rows, the schema.

All other tests of the store run on such a server too: `DEPTHCAST_TEST_DATABASE_URL` names it.
"""

import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from depthcast.dbn import forms
from depthcast.journal.segments import ClosedSegment
from depthcast.store.compact import Outcome, compact
from depthcast.store.connect import connected
from depthcast.store.migrate import BASE, migrate
from depthcast.store.worker import clear
from tests.support.journals import simulated_feed
from tests.support.postgres import Server, run
from tests.support.schemas import DOCS, timescale_of
from tests.support.stored import event_pieces, everything, recorded, segments_of

RECORDS = 6_000
TABLES = ("trades", "bbo", "depth")
ROLLUPS = ("ohlcv_1s", "ohlcv_1m", "ohlcv_1h", "bbo_1s", "depth_1m")
JOBS = "SELECT job_id FROM timescaledb_information.jobs WHERE proc_schema = 'depthcast'"
AllRows = dict[str, list[tuple[object, ...]]]


@pytest.fixture(autouse=True, scope="module")
def _has_timescale(postgres: Server) -> None:
    found = run(ask(postgres.fresh(), "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"))
    if found is None:
        pytest.skip("the server has no TimescaleDB")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> list[ClosedSegment]:
    return recorded(tmp_path_factory.mktemp("simulated"), simulated_feed(RECORDS), records=400)


@pytest.fixture(scope="module")
def in_order(postgres: Server, simulated: list[ClosedSegment]) -> AllRows:
    url = postgres.fresh()
    run(deliver(url, simulated))
    return run(all_rows(url))


async def ask(url: str, question: str, *arguments: Any) -> Any:
    async with connected(url) as connection:
        return await connection.fetchval(question, *arguments)


async def all_rows(url: str) -> AllRows:
    async with connected(url) as connection:
        return await everything(connection)


async def deliver(url: str, segments: Iterable[ClosedSegment]) -> list[Outcome]:
    async with connected(url) as connection:
        return [(await compact(connection, segment)).outcome for segment in segments]


async def keep(url: str) -> None:
    """Have rollups kept of all there is, as their job does."""
    async with connected(url) as connection:
        await connection.execute(f"CALL run_job({await connection.fetchval(JOBS)})")


async def close(url: str) -> int:
    """Put every chunk of the tables in the columnstore, as its policy does with those of old days."""
    async with connected(url) as connection:
        chunks = await connection.fetch(
            "SELECT show_chunks(format('depthcast.%I', n)) FROM unnest($1::text[]) n", TABLES
        )
        for (chunk,) in chunks:
            await connection.execute(f"CALL convert_to_columnstore('{chunk}')")
        return len(chunks)


def test_late_rows_in_closed_chunks_are_as_if_they_had_come_in_time(
    database: str, simulated: list[ClosedSegment], in_order: AllRows
) -> None:
    run(deliver(database, simulated[::2]))
    assert run(close(database)) >= len(TABLES)
    assert set(run(deliver(database, simulated[1::2]))) == {Outcome.COMPACTED}
    assert run(all_rows(database)) == in_order
    run(close(database))
    assert run(all_rows(database)) == in_order


def test_rows_that_are_in_closed_chunks_are_not_there_twice(
    database: str, simulated: list[ClosedSegment], in_order: AllRows, tmp_path: Path
) -> None:
    run(deliver(database, simulated))
    run(close(database))
    others = recorded(tmp_path, simulated_feed(RECORDS), records=1_100)
    run(ask(database, "DELETE FROM depthcast.segments"))
    assert set(run(deliver(database, others))) == {Outcome.COMPACTED}
    assert run(all_rows(database)) == in_order


def test_rows_of_an_older_epoch_go_from_closed_chunks(
    postgres: Server, database: str, tmp_path: Path
) -> None:
    pieces = list(event_pieces(simulated_feed(RECORDS), 1_000))
    older = recorded(tmp_path / "older", b"".join(pieces), records=1_000)
    recorded(tmp_path / "both", b"".join(pieces[:2]), records=1_000)
    recorded(tmp_path / "both", forms.shifted(pieces[2], 7_000_000, 3), records=1_000)
    both = segments_of(tmp_path / "both")
    assert [each.name.epoch for each in both] == [1, 1, 2]

    async def steps() -> None:
        names = {each.name: each for each in older}
        async with connected(database) as connection:
            for name in (await compact(connection, both[2])).again:
                await compact(connection, names[name])

    run(deliver(database, older))
    run(close(database))
    run(keep(database))
    run(steps())
    run(keep(database))
    expected = postgres.fresh()
    run(deliver(expected, both))
    assert run(all_rows(database)) == run(all_rows(expected))


def test_what_is_late_for_kept_rollups_is_soon_in_them(
    database: str, simulated: list[ClosedSegment], in_order: AllRows
) -> None:
    """The job is asked for by the segment; nobody waits for its schedule."""
    run(deliver(database, simulated[::2]))
    run(keep(database))
    kept = "SELECT count(*) FROM depthcast.{} WHERE ts >= depthcast.kept_until()"
    assert [run(ask(database, kept.format(rollup))) for rollup in ROLLUPS] == [0] * len(ROLLUPS)
    run(ask(database, "SELECT alter_job($1, scheduled => true)", run(ask(database, JOBS))))
    assert run(ask(database, "SELECT _timescaledb_functions.start_background_workers()"))
    run(deliver(database, simulated[1::2]))
    deadline = time.monotonic() + 60
    while (found := run(all_rows(database))) != in_order and time.monotonic() < deadline:
        time.sleep(0.25)
    assert found == in_order


def test_rollups_that_are_not_kept_yet_are_right_at_once(
    database: str, simulated: list[ClosedSegment], in_order: AllRows
) -> None:
    run(deliver(database, simulated[:5]))
    run(keep(database))
    until = run(ask(database, "SELECT depthcast.kept_until()"))  # a whole hour
    assert until > run(ask(database, "SELECT min(ts) FROM depthcast.trades"))
    run(deliver(database, simulated[5:]))
    found = run(all_rows(database))
    run(keep(database))
    assert run(all_rows(database)) == in_order
    late = {row[0] for table in in_order for row in set(found[table]) ^ set(in_order[table])}
    assert late, "segments share an interval, and it was kept"
    assert all(datetime.fromisoformat(str(row).split('"')[1] + ":00") < until for row in late)


def test_rollups_outlast_the_rows_they_are_made_of(
    database: str, simulated: list[ClosedSegment], in_order: AllRows
) -> None:
    run(deliver(database, simulated))
    run(close(database))
    run(keep(database))
    for table in TABLES:
        assert run(ask(database, "SELECT depthcast.drop_before($1, now())", table)) > 0
    run(keep(database))
    found = run(all_rows(database))
    assert {table for table in found if not found[table]} == set(TABLES)
    assert {table: found[table] for table in ROLLUPS} == {table: in_order[table] for table in ROLLUPS}
    assert run(ask(database, "SELECT depthcast.drop_before('bbo_1s', now())")) > 0
    assert run(ask(database, "SELECT depthcast.drop_before('ohlcv_1s', now())")) > 0
    run(keep(database))
    found = run(all_rows(database))
    assert (found["bbo_1s"], found["ohlcv_1s"], found["ohlcv_1m"]) == ([], [], in_order["ohlcv_1m"])


def test_everything_can_be_made_again(
    database: str, simulated: list[ClosedSegment], in_order: AllRows
) -> None:
    async def emptied() -> AllRows:
        async with connected(database) as connection:
            await connection.execute("SET ROLE depthcast_writer")
            await clear(connection, [])
            await connection.execute("RESET ROLE")
            return await everything(connection)

    run(deliver(database, simulated))
    run(close(database))
    run(keep(database))
    assert not any(run(emptied()).values())
    run(deliver(database, simulated))
    assert run(all_rows(database)) == in_order


def test_the_writer_needs_no_more_than_its_role(
    database: str, simulated: list[ClosedSegment], in_order: AllRows
) -> None:
    async def as_writer() -> None:
        async with connected(database) as connection:
            await connection.execute("SET ROLE depthcast_writer")
            for segment in simulated[1::2]:
                await compact(connection, segment)

    run(deliver(database, simulated[::2]))
    run(close(database))
    run(keep(database))
    run(as_writer())
    run(keep(database))
    assert run(all_rows(database)) == in_order


def test_a_late_segment_may_change_any_number_of_closed_rows(database: str) -> None:
    assert run(ask(database, "SHOW timescaledb.max_tuples_decompressed_per_dml_transaction")) == "0"


def test_the_schema_goes_up_down_and_up_again(postgres: Server) -> None:
    async def steps(url: str) -> list[int]:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("CREATE EXTENSION timescaledb")
            await connection.execute("SELECT _timescaledb_functions.stop_background_workers()")
            await connection.reload_schema_state()
            counts = []
            for revision in ("head", BASE, "head"):
                await migrate(connection, revision, may_go_down=True)
                jobs = "SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000"
                counts.append(await connection.fetchval(jobs))
            return counts
        finally:
            await connection.close()

    url = postgres.fresh(migrated=False)
    assert run(steps(url)) == [4, 0, 4]


def test_the_schema_is_the_one_that_is_documented(postgres: Server, database: str) -> None:
    async def versions() -> tuple[str, str]:
        extension = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
        return await ask(database, "SHOW server_version_num"), await ask(database, extension)

    server, extension = run(versions())
    if (server[:2], extension[:5]) != ("15", "2.28."):
        pytest.skip("the documented schema is that of TimescaleDB 2.28 on PostgreSQL 15")
    assert timescale_of(database) == (DOCS / "schema-timescale.sql").read_text(encoding="utf-8")
