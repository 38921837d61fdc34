"""Workers as people run them: the command, killed in mid-transaction; S3; epochs; the database made again."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from depthcast.dbn import forms
from depthcast.errors import SegmentError
from depthcast.journal.names import Journal
from depthcast.journal.objects import FolderObjects, open_objects
from depthcast.journal.segments import ClosedSegment
from depthcast.store.compact import Outcome, compact
from depthcast.store.connect import connected
from depthcast.store.embedded import EmbeddedPostgres
from depthcast.store.migrate import migrate
from depthcast.store.worker import Done, Worker, clear
from tests.support.command import PROGRAM
from tests.support.journals import DATASET, SHARD, Recording, eventually, simulated_feed
from tests.support.kills import kill_server, until_merging
from tests.support.moto import s3_server
from tests.support.postgres import Server, run
from tests.support.stored import event_pieces, everything, recorded, segments_of

RECORDS = 6_000
JOURNAL = Journal(DATASET, SHARD)

AllRows = dict[str, list[tuple[object, ...]]]


async def all_rows(url: str) -> AllRows:
    async with connected(url) as connection:
        return await everything(connection)


async def work(url: str, place: str, done: list[Done]) -> int:
    async with connected(url) as connection:
        return await Worker(open_objects(place), JOURNAL, done.append).run_once(connection)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    recorded(folder, simulated_feed(RECORDS), records=600)
    return folder


@pytest.fixture(scope="module")
def in_order(postgres: Server, folder: Path) -> AllRows:
    url = postgres.fresh()
    assert run(work(url, str(folder), [])) == len(segments_of(folder))
    return run(all_rows(url))


def test_the_commands_share_the_work_and_rebuild_makes_it_again(
    database: str, folder: Path, in_order: AllRows
) -> None:
    variables = {**os.environ, "DEPTHCAST_DATABASE_URL": database}
    arguments = [*PROGRAM, "compact", str(folder)]
    workers = [
        subprocess.Popen(arguments, env=variables, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [worker.communicate(timeout=60)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    lines = [line for each in said for line in each.splitlines()]
    assert sum("trades" in line for line in lines) == len(segments_of(folder))
    assert run(all_rows(database)) == in_order
    again = subprocess.run(
        [*PROGRAM, "rebuild", str(folder)], env=variables, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert again.stderr.splitlines()[-1].startswith(f"{len(segments_of(folder))} segments compacted, ")
    assert run(all_rows(database)) == in_order


def test_who_watches_fills_a_database_again_that_was_emptied_by_another(
    database: str, folder: Path, in_order: AllRows, tmp_path: Path
) -> None:
    """A rebuild that was killed, a backup that was restored: maintenance sees it, and the worker does it."""
    said = tmp_path / "said"
    arguments = [*PROGRAM, "compact", str(folder), "--watch", "--quiet"]
    for setting in ("database.poll_s=0.2", "maintenance.every_s=0.5", "maintenance.grace_s=0"):
        arguments += ["--set", setting]
    variables = {**os.environ, "DEPTHCAST_DATABASE_URL": database}

    async def empty() -> None:
        async with connected(database) as connection:
            await clear(connection, [JOURNAL])

    with said.open("w") as errors:
        worker = subprocess.Popen(arguments, env=variables, stderr=errors)
    try:
        eventually(lambda: run(all_rows(database)) == in_order, 60)
        run(empty())
        eventually(lambda: run(all_rows(database)) == in_order, 60)
    finally:
        worker.terminate()
        worker.wait(30)
    assert "not compacted" in said.read_text()


def test_emptying_goes_on_where_a_reader_stands_in_its_way(database: str) -> None:
    """The reader has one table and wants another that is taken already: one of the two has to begin anew."""

    async def steps() -> None:
        async with connected(database) as reading, connected(database) as emptying:
            async with reading.transaction():
                await reading.fetch("SELECT * FROM depthcast.depth_1m")
                cleared = asyncio.create_task(clear(emptying, [JOURNAL]))
                waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::regclass"
                while not await reading.fetchval(waits, "depthcast.depth_1m"):
                    await asyncio.sleep(0.02)
                await reading.fetch("SELECT * FROM depthcast.trades")
            await cleared

    run(steps())


def test_segments_are_read_from_s3(
    database: str, folder: Path, in_order: AllRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(tmp_path / "log") as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        server.make_bucket("feeds")
        objects = open_objects("s3://feeds/prod")
        local = FolderObjects(folder)
        for listed in local.listed(JOURNAL.prefix):
            if "/date=" in listed.key:
                objects.put(listed.key, local.path(listed.key))
        done: list[Done] = []
        assert run(work(database, "s3://feeds/prod", done)) == len(segments_of(folder)) == len(done)
        assert run(work(database, "s3://feeds/prod", done)) == 0
    assert run(all_rows(database)) == in_order


def test_a_poisoned_segment_is_reported_once_and_the_others_are_done(
    database: str, folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "journal"
    shutil.copytree(folder, copy)
    segments = segments_of(copy)
    broken = Path(segments[2].path)
    broken.write_bytes(broken.read_bytes()[:-20] + bytes(20))
    index = copy / segments[4].key.replace(".dbn.zst", ".index.json")
    index.write_bytes(index.read_bytes().replace(b'"records"', b'"recordz"', 1))

    async def twice() -> tuple[int, int]:
        async with connected(database) as connection:
            worker = Worker(FolderObjects(copy), JOURNAL, done.append)
            return await worker.run_once(connection), await worker.run_once(connection)

    done: list[Done] = []
    assert run(twice()) == (len(segments) - 2, 0)
    poisoned = {each.name: each.problem for each in done if each.problem is not None}
    assert set(poisoned) == {segments[2].name, segments[4].name}
    assert all(isinstance(each, SegmentError) for each in poisoned.values())
    process = subprocess.run(
        [*PROGRAM, "compact", str(copy)],
        env={**os.environ, "DEPTHCAST_DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 3
    assert "2 segments cannot be compacted; all others are in the database" in process.stderr


@pytest.fixture(scope="module")
def two_lives(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[ClosedSegment], ...]:
    """The segments of an epoch, of a newer one that begins in their middle, and what counts of the older.

    As after the disk was lost, and the store had only the first of them.
    """
    data = simulated_feed(RECORDS)
    whole = tmp_path_factory.mktemp("older")
    older = recorded(whole, data, records=1_000)
    short = tmp_path_factory.mktemp("newer")
    pieces = list(event_pieces(data, 1_300))
    kept = Recording(short, segment_s=3600.0)
    kept.put(pieces[0])
    kept.rotate()
    kept.put(pieces[1])
    kept.writer.close()
    later = Recording(short, segment_s=3600.0)  # other records from here on: fewer
    shifted = [forms.shifted(piece, 7_000_000, 3) for piece in pieces[2:4]]
    for piece in shifted:
        later.put(piece)
        later.rotate()
    later.writer.close()
    stored = [each for each in segments_of(short) if each.name.epoch == 1]
    newer = [each for each in segments_of(short) if each.name.epoch == 2]
    begun = newer[0].position
    assert any(each.position < begun < each.end for each in older)
    assert older[-1].position > begun
    return older, newer, stored


@pytest.mark.parametrize("order", ["older first", "newer first", "mixed"])
def test_a_newer_epoch_counts_from_its_first_position_on(
    order: str,
    postgres: Server,
    database: str,
    two_lives: tuple[list[ClosedSegment], ...],
) -> None:
    older, newer, stored = two_lives
    mixed = [segment for pair in zip(older[::-1], newer * 9, strict=False) for segment in pair]
    orders = {"older first": older + newer, "newer first": newer + older, "mixed": mixed}

    async def deliver(url: str, segments: list[ClosedSegment]) -> None:
        names = {segment.name: segment for segment in older + newer}
        async with connected(url) as connection:
            for segment in segments:
                again = (await compact(connection, segment)).again
                for name in again:
                    assert (await compact(connection, names[name])).outcome is Outcome.COMPACTED

    run(deliver(database, orders[order]))
    rows = run(all_rows(database))
    expected = postgres.fresh()
    run(deliver(expected, stored + newer))
    assert rows == run(all_rows(expected))

    async def counts(url: str) -> tuple[int, int, int]:
        async with connected(url) as connection:
            begun = newer[0].position
            ask = "SELECT count(*) FROM depthcast.bbo WHERE epoch = {} AND position {} $1"
            found = [
                await connection.fetchval(ask.format(*which), begun)
                for which in ((1, "<"), (1, ">="), (2, ">="))
            ]
            return found[0], found[1], found[2]

    before, void, after = run(counts(database))
    assert (before > 0, void, after > 0) == (True, 0, True)


def test_the_embedded_server_keeps_its_data_and_asks_for_its_password(tmp_path: Path) -> None:
    """Through the command, as `make demo` has it: twice, with nothing to be done the second time."""
    place = Path(tempfile.mkdtemp(prefix="depthcast-test-"))
    place.chmod(0o755)
    try:
        journal = tmp_path / "journal"
        recorded(journal, simulated_feed(2_000), records=1_000)
        arguments = [*PROGRAM, "compact", str(journal), "--set", f"database.folder={place / 'database'}"]
        variables = {name: value for name, value in os.environ.items() if name != "DEPTHCAST_DATABASE_URL"}
        said = []
        for _ in range(2):
            done = subprocess.run(arguments, env=variables, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            said.append(done.stderr.splitlines()[-1])
        assert said[0].startswith("2 segments compacted, ")
        assert said[1] == "0 segments compacted, 0 rows"
        assert not (place / "database" / "data" / "postmaster.pid").exists()
        assert (place / "database" / "password").stat().st_mode & 0o077 == 0
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.long
def test_a_database_killed_in_mid_transaction_comes_back_and_the_work_is_finished(
    folder: Path, in_order: AllRows
) -> None:
    place = Path(tempfile.mkdtemp(prefix="depthcast-test-"))
    place.chmod(0o755)
    server = EmbeddedPostgres(place / "database")
    try:
        server.start()
        run(_migrate(server.url))
        process = subprocess.Popen(
            [*PROGRAM, "compact", str(folder), "--quiet"],
            env={**os.environ, "DEPTHCAST_DATABASE_URL": server.url},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert run(until_merging(server.url, lambda: process.poll() is None)), (
            "no transaction was seen to be under way"
        )
        kill_server(place / "database" / "data")
        said = process.communicate(timeout=60)[1]
        assert process.returncode in (3, 4), said
        assert said.startswith("depthcast: error: database 127.0.0.1:"), said
        server.stop()
        server.start()
        assert 0 < run(work(server.url, str(folder), [])) <= len(segments_of(folder))
        assert run(all_rows(server.url)) == in_order
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)


async def _migrate(url: str) -> None:
    async with connected(url) as connection:
        await migrate(connection)
