"""The database is what the records say: every row, every column, every table, whatever was on the way."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from depthcast.dbn import forms, open_dbn
from depthcast.errors import StoreError
from depthcast.journal.reader import JournalReader
from depthcast.journal.segments import ClosedSegment
from depthcast.store.compact import Outcome, compact
from depthcast.store.connect import connected
from depthcast.store.embedded import EmbeddedPostgres
from tests.support.command import PROGRAM
from tests.support.feed_process import FeedProcess
from tests.support.journals import contents, eventually, simulated_feed
from tests.support.kills import kill_server, until_merging
from tests.support.postgres import run
from tests.support.stored import expected_contents, recorded
from tests.support.whole_rows import TABLES, Row, expected_rows, stored_rows

RECORDS = 6_000

Rows = dict[str, list[Row]]


async def rows_of(url: str) -> Rows:
    async with connected(url) as connection:
        return await stored_rows(connection)


async def deliver(url: str, segments: list[ClosedSegment]) -> list[Outcome]:
    async with connected(url) as connection:
        return [(await compact(connection, segment)).outcome for segment in segments]


def is_what(url: str, expected: Rows) -> None:
    """Hold every table of a database to the rows it must have."""
    found = run(rows_of(url))
    for table in TABLES:
        assert len(found[table]) == len(expected[table]), table
        for ours, theirs in zip(found[table], expected[table], strict=True):
            assert ours == theirs, table


class Day:
    """A day's records, the journal that has them, and the rows they must become."""

    def __init__(self, folder: Path, data: bytes, records: int) -> None:
        self.folder = folder
        self.segments = recorded(folder, data, records=records)
        self.expected = expected_rows(expected_contents(data))


@pytest.fixture(scope="module")
def clx5(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Day:
    with open_dbn(data_dir / "CLX5_mbo.dbn") as reader:
        data = b"".join(bytes(chunk) for chunk in reader.chunks())
    return Day(tmp_path_factory.mktemp("clx5"), data, 5_000)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Several books at two venues through short days."""
    return Day(tmp_path_factory.mktemp("simulated"), simulated_feed(RECORDS), 700)


@pytest.fixture(params=["clx5", "simulated"])
def day(request: pytest.FixtureRequest) -> Day:
    found: Day = request.getfixturevalue(request.param)
    assert all(found.expected[table] for table in TABLES)
    assert len(found.segments) > 7
    return found


def test_every_column_of_every_table(day: Day, database: str) -> None:
    assert set(run(deliver(database, day.segments))) == {Outcome.COMPACTED}
    is_what(database, day.expected)


def test_by_eight_workers_at_once_each_segment_twice_in_any_order(day: Day, database: str) -> None:
    async def together() -> list[list[Outcome]]:
        orders = [random.Random(seed).sample(day.segments * 2, len(day.segments) * 2) for seed in range(8)]
        return list(await asyncio.gather(*(deliver(database, order) for order in orders)))

    outcomes = [each for worker in run(together()) for each in worker]
    assert outcomes.count(Outcome.COMPACTED) == len(day.segments)
    is_what(database, day.expected)


async def ledger(url: str) -> list[tuple[object, ...]]:
    """All of it but when each was compacted."""
    async with connected(url) as connection:
        rows = await connection.fetch(
            "SELECT to_jsonb(s) - 'compacted_at' FROM depthcast.segments s ORDER BY epoch, position"
        )
        return [tuple(row) for row in rows]


def start(*arguments: str, url: str | None = None) -> "subprocess.Popen[str]":
    """The command as a process, with the database of this address or one of its own."""
    variables = {name: value for name, value in os.environ.items() if name != "DEPTHCAST_DATABASE_URL"}
    if url is not None:
        variables["DEPTHCAST_DATABASE_URL"] = url
    return subprocess.Popen([*PROGRAM, *arguments], env=variables, stderr=subprocess.PIPE, text=True)


@pytest.mark.long
def test_workers_killed_in_mid_transaction_and_a_rebuild(day: Day, database: str) -> None:
    arguments = ("compact", str(day.folder), "--quiet")
    workers = [start(*arguments, url=database) for _ in range(2)]
    assert run(until_merging(database, lambda: any(worker.poll() is None for worker in workers)))
    for worker in workers:
        worker.kill()
        worker.communicate()
    last = start(*arguments, url=database)
    assert last.communicate(timeout=60)[1] == ""
    is_what(database, day.expected)
    before = run(ledger(database))
    again = start("rebuild", str(day.folder), "--quiet", url=database)
    assert again.communicate(timeout=60)[1] == ""
    is_what(database, day.expected)
    assert run(ledger(database)) == before


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user of the machine can enter: as root a database runs as somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="depthcast-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
def test_a_worker_follows_a_feed_and_both_it_and_its_database_are_killed(place: Path) -> None:
    """Each in the middle of a transaction. Who remains goes on; in the end all that the feed had is there."""
    journal, database = place / "journal", place / "database"
    follow: tuple[str, ...] = ("compact", str(journal), "--watch", "--quiet")
    follow += ("--set", "database.poll_s=0.2", "--set", f"database.folder={database}")
    server = EmbeddedPostgres(database)
    with FeedProcess(
        *("sim://cme?instruments=2&orders=200&rate=4000", "--journal", journal),
        *("--set", "journal.segment_s=0.4", "--set", "journal.sync_s=0.1"),
    ) as feed:
        worker = start(*follow)
        try:
            eventually(lambda: _segments(server) > 1, 60)
            assert run(until_merging(server.url, lambda: worker.poll() is None))
            worker.kill()
            worker.communicate()
            worker = start(*follow)  # the database was left running, and is found
            before = _segments(server)
            eventually(lambda: _segments(server) > before)
            assert run(until_merging(server.url, lambda: worker.poll() is None))
            kill_server(database / "data")
            eventually(lambda: _segments(server) > before + 2, 60)
            feed.stop()
            records = contents(JournalReader.open(journal, "", "XSIM.MBO", "0"))
            eventually(lambda: _end(server) == forms.count(records), 60)
            worker.send_signal(signal.SIGTERM)
            said = worker.communicate(timeout=60)[1]
        finally:
            worker.kill()
    assert worker.returncode == 0, said
    assert said.count("it is tried again") == 1, said
    assert not (database / "data" / "postmaster.pid").exists(), "it took its database with it"
    with server:
        is_what(server.url, expected_rows(expected_contents(records)))


def _segments(server: EmbeddedPostgres) -> int:
    return _asked(server, "SELECT count(*) FROM depthcast.segments")


def _end(server: EmbeddedPostgres) -> int:
    return _asked(server, "SELECT coalesce(max(until), 0) FROM depthcast.segments")


def _asked(server: EmbeddedPostgres, question: str) -> int:
    async def ask() -> int:
        async with connected(server.url) as connection:
            return int(await connection.fetchval(question))

    try:
        return run(ask())
    except (StoreError, OSError, IndexError):  # it is not there yet, or not again
        return 0
