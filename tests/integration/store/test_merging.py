"""Small segments become one: nothing is lost, whenever it is interrupted and whoever reads meanwhile."""

import datetime as dt
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from depthcast.book.engine import Engine
from depthcast.journal.names import INDEX, SEGMENT
from depthcast.journal.objects import FolderObjects, Listed, open_objects
from depthcast.journal.reader import JournalReader
from depthcast.journal.segments import ClosedSegment
from depthcast.journal.verify import verify
from depthcast.settings.sections import MaintenanceSettings
from depthcast.store.compact import Outcome, compact
from depthcast.store.connect import connected
from depthcast.store.maintain import MaintenanceReport, maintain
from depthcast.store.worker import Worker
from tests.support.journals import Recording, contents, reader_of, simulated_feed
from tests.support.moto import s3_server
from tests.support.postgres import Server, run
from tests.support.stored import JOURNAL, days_of_segments, everything

NOW = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
RECORDS = 3_000
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
PARTS = [6, 3]

Rows = dict[str, list[tuple[object, ...]]]


class Killed(BaseException):
    """The process ends here."""


class Mortal:
    """A store whose user is killed before, or after, so many changes to it."""

    def __init__(self, objects: FolderObjects, changes: int) -> None:
        self.url = objects.url
        self._objects = objects
        self._left = changes

    def put_new(self, key: str, data: bytes | Path) -> bool:
        self._change()
        return self._objects.put_new(key, data)

    def put(self, key: str, data: bytes | Path) -> None:
        self._change()
        self._objects.put(key, data)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        return self._objects.read(key, start, length)

    def listed(self, prefix: str, after: str | None = None) -> Iterator[Listed]:
        return self._objects.listed(prefix, after)

    def folders(self, prefix: str) -> list[str]:
        return self._objects.folders(prefix)

    def delete(self, key: str) -> None:
        self._change()
        self._objects.delete(key)

    def _change(self) -> None:
        if self._left == 0:
            raise Killed
        self._left -= 1


async def one_round(url: str, objects: Any, **settings: Any) -> MaintenanceReport:
    async with connected(url) as connection:
        return await maintain(connection, objects, now=NOW, settings=MaintenanceSettings(**settings))


async def two_rounds(url: str, objects: Any) -> MaintenanceReport:
    """What the second one says: in the first, segments are merged, in the second their parts are removed."""
    await one_round(url, objects)
    return await one_round(url, objects)


async def work(url: str, objects: Any) -> int:
    async with connected(url) as connection:
        return await Worker(objects, JOURNAL, lambda _: None).run_once(connection)


async def all_rows(url: str) -> Rows:
    async with connected(url) as connection:
        return await everything(connection)


async def ledger(url: str) -> list[tuple[object, ...]]:
    async with connected(url) as connection:
        rows = await connection.fetch(
            "SELECT epoch, position, records, until, first_ts, last_ts, stored_bytes, sha256, key, trades, "
            "bbo FROM depthcast.segments ORDER BY epoch, position, records"
        )
        return [tuple(row) for row in rows]


def reader(objects: FolderObjects) -> JournalReader:
    return reader_of(None, objects.url)


def closed(objects: FolderObjects) -> list[ClosedSegment]:
    return [each for each in reader(objects).segments() if isinstance(each, ClosedSegment)]


def keys(objects: FolderObjects) -> list[str]:
    return [each.key for each in objects.listed(JOURNAL.prefix) if "/date=" in each.key]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory, where there is such a place: objects are brought to the disk again and again."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> FolderObjects:
    """A store with small segments of two days, `PARTS` of each, and one of today."""
    folder = tmp_path_factory.mktemp("small")
    objects = FolderObjects(folder / "store")
    days_of_segments(folder / "disk", objects, simulated_feed(RECORDS), NOW, records=300)
    return objects


@pytest.fixture
def store(small: FolderObjects, tmp_path: Path) -> FolderObjects:
    shutil.copytree(small.folder, tmp_path / "store")
    return FolderObjects(tmp_path / "store")


class History:
    """A database that has all of them. Merging changes only the ledger in it, which can be put back."""

    def __init__(self, url: str, store: FolderObjects) -> None:
        self.url = url
        run(work(url, store))
        self.rows = run(all_rows(url))
        self._ledger = run(self._saved())

    def put_back(self) -> None:
        run(restore(self.url, self._ledger))

    async def _saved(self) -> list[tuple[object, ...]]:
        async with connected(self.url) as connection:
            return [tuple(row) for row in await connection.fetch("SELECT * FROM depthcast.segments")]


async def restore(url: str, saved: list[tuple[object, ...]]) -> None:
    async with connected(url) as connection, connection.transaction():
        await connection.execute("DELETE FROM depthcast.segments")
        await connection.copy_records_to_table("segments", schema_name="depthcast", records=saved)


@pytest.fixture(scope="module")
def compacted(postgres: Server, small: FolderObjects) -> History:
    return History(postgres.fresh(), small)


@pytest.fixture
def history(compacted: History) -> Iterator[str]:
    """The address of a database that has all of them."""
    yield compacted.url
    compacted.put_back()


@pytest.fixture(scope="module")
def rows(compacted: History) -> Rows:
    return compacted.rows


def test_a_days_small_segments_become_one_with_the_same_records(
    history: str, store: FolderObjects, rows: Rows, postgres: Server
) -> None:
    before = closed(store)
    (journal,) = run(one_round(history, store)).journals
    assert [each.parts for each in journal.merged] == PARTS, "of the two days that are over"
    assert len(keys(store)) == 2 * (len(before) + len(PARTS)), "who has an older listing finds the parts"
    after = closed(store)
    assert contents(reader(store)) == simulated_feed(RECORDS)
    (journal,) = run(one_round(history, store)).journals
    assert (journal.merged, journal.removed, journal.findings) == ([], sum(PARTS), [])
    assert [each.key for each in closed(store)] == [each.key for each in after]
    assert [each.position for each in after] == [before[at].position for at in (0, 6, 9)]
    assert after[0].key == f"{before[0].key.removesuffix(SEGMENT)}-{before[6].position:016d}{SEGMENT}"
    assert sorted(keys(store)) == sorted(
        each.key.removesuffix(SEGMENT) + ending for each in after for ending in (INDEX, SEGMENT)
    )
    assert contents(reader(store)) == simulated_feed(RECORDS)
    assert [each.problems for each in verify(reader(store), Engine)] == [[], [], []]
    assert (after[0].head(), after[0].index.before) == (before[0].head(), before[0].index.before)
    assert after[1].index.after == before[8].index.after

    # The ledger has the merged ones, and the same rows come of them.
    assert [(row[2], row[8]) for row in run(ledger(history))] == [
        (each.index.records, each.key) for each in after
    ]
    assert run(work(history, store)) == 0
    assert run(all_rows(history)) == rows
    anew = postgres.fresh()
    assert run(work(anew, store)) == 3
    assert run(all_rows(anew)) == rows
    assert run(ledger(anew)) == run(ledger(history))

    again = run(one_round(history, store))
    assert (again.journals[0].merged, again.journals[0].removed, again.alarms) == ([], 0, [])


def test_a_merged_segment_is_known_before_the_ledger_has_it(
    compacted: History, history: str, store: FolderObjects
) -> None:
    """As where its notification comes at once; and a part that is delivered late."""
    part = closed(store)[2]

    async def outcome_of(segment: ClosedSegment) -> Outcome:
        async with connected(history) as connection:
            return (await compact(connection, segment)).outcome

    run(two_rounds(history, store))
    assert run(outcome_of(part)) is Outcome.KNOWN
    compacted.put_back()
    assert run(outcome_of(closed(store)[0])) is Outcome.KNOWN


@pytest.mark.long
def test_killed_at_any_change_the_next_round_finishes_it(
    compacted: History, history: str, small: FolderObjects, tmp_path: Path
) -> None:
    """And at each of these moments everybody reads the same: who looks now, and who looked before."""
    clean = FolderObjects(tmp_path / "clean")
    shutil.copytree(small.folder, clean.folder)
    run(two_rounds(history, clean))
    whole, in_ledger = keys(clean), run(ledger(history))
    changes = 0
    while True:
        place = FolderObjects(tmp_path / f"killed-{changes}")
        shutil.copytree(small.folder, place.folder)
        compacted.put_back()
        earlier = reader(place)
        assert earlier.segments()
        try:
            run(two_rounds(history, Mortal(place, changes)))
        except Killed:
            pass
        else:
            break
        assert contents(reader(place)) == simulated_feed(RECORDS)
        assert contents(earlier) == simulated_feed(RECORDS)
        assert run(work(history, place)) == 0, "all of it is in the database, whatever is left"
        assert run(two_rounds(history, place)).alarms == []
        assert keys(place) == whole
        assert run(ledger(history)) == in_ledger
        changes += 1
        shutil.rmtree(place.folder)
    assert changes == 2 * len(PARTS) + 2 * sum(PARTS), "merged segments are written, their parts go"
    assert run(all_rows(history)) == compacted.rows


def test_readers_go_on_while_segments_are_merged(history: str, store: FolderObjects) -> None:
    stop, found, failed = threading.Event(), [0], []

    def read(journal: JournalReader) -> None:
        try:
            while not stop.is_set():
                assert contents(journal) == simulated_feed(RECORDS)
                assert contents(journal, 1_234) == contents(reader(store), 1_234)
                found[0] += 1
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=read, args=(reader(store),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    while found[0] < 3 and not failed:
        stop.wait(0.01)
    for _ in range(2):
        run(one_round(history, store))
        done = found[0]
        while found[0] < done + 3 and not failed:
            stop.wait(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(keys(store)) == 2 * 3


def test_merged_segments_are_as_large_as_is_said_and_no_larger(history: str, store: FolderObjects) -> None:
    before = closed(store)
    limit = 2 * max(each.index.unpacked_bytes for each in before)
    report = run(one_round(history, store, merge_bytes=limit))
    assert [each.parts for each in report.journals[0].merged] == [2, 2, 2, 2]
    assert contents(reader(store)) == simulated_feed(RECORDS)
    assert max(each.index.unpacked_bytes for each in closed(store)) <= limit


def test_what_is_not_compacted_is_not_merged(postgres: Server, store: FolderObjects) -> None:
    url = postgres.fresh()
    report = run(one_round(url, store))
    assert report.journals[0].merged == []
    assert len(report.alarms) == len(closed(store)) - 1


def test_a_damaged_part_stays_and_the_others_too(history: str, store: FolderObjects) -> None:
    bad = closed(store)[1]
    path = Path(bad.path)
    stored = bytearray(path.read_bytes())
    stored[bad.index.frames[-1].offset + 40] ^= 0xFF
    path.write_bytes(stored)
    before = keys(store)
    report = run(one_round(history, store))
    assert [each.name for each in report.alarms] == [bad.name]
    assert [each.parts for each in report.journals[0].merged] == PARTS[1:], "of the other day"
    assert set(before[: 2 * PARTS[0]]) <= set(keys(store))


def test_parts_stay_where_the_merged_segment_is_damaged_since(history: str, store: FolderObjects) -> None:
    run(one_round(history, store))
    before = keys(store)
    whole = Path(closed(store)[0].path)
    whole.write_bytes(whole.read_bytes()[:-20] + bytes(20))
    report = run(one_round(history, store))
    assert [(each.name.position, each.problem) for each in report.alarms] == [
        (0, "it is not what was written")
    ]
    assert report.journals[0].removed == PARTS[1]
    assert [key for key in before if key not in keys(store)] == before[2 * (PARTS[0] + 1) + 2 : -2]


def test_a_writers_own_folder_is_left_to_the_writer(history: str, store: FolderObjects) -> None:
    (store.folder / JOURNAL.open).mkdir()
    (store.folder / JOURNAL.open / "lock").touch()
    (journal,) = run(one_round(history, store)).journals
    assert (journal.merged, journal.not_merged) == (
        [],
        "it is a writer's own folder, which has a retention of its own",
    )


def test_a_feed_that_comes_back_does_not_upload_again_what_was_merged(
    postgres: Server, tmp_path: Path
) -> None:
    """Its disk still has the small ones, and goes on from there; so does one with a new disk."""
    store = FolderObjects(tmp_path / "store")
    data = simulated_feed(RECORDS)
    days_of_segments(tmp_path / "disk", store, data, NOW, records=300)
    url = postgres.fresh()
    run(work(url, store))
    assert run(two_rounds(url, store)).journals[0].removed == sum(PARTS)
    merged = keys(store)
    for disk in (tmp_path / "disk", tmp_path / "new"):
        recording = Recording(disk, store.url, clock=lambda: int(NOW.timestamp() * 1e9))
        assert recording.recovered.position == RECORDS
        assert not [said for said in recording.recovered.messages if "damaged" in said]
        both = reader_of(disk, store.url)
        assert contents(both) == data
        recording.writer.close()
        assert keys(store) == merged


def test_segments_in_s3_are_merged(
    history: str, small: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(tmp_path / "log") as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        server.make_bucket("feeds")
        objects = open_objects("s3://feeds/prod")
        for listed in small.listed(JOURNAL.prefix):
            objects.put(listed.key, small.path(listed.key))
        report = run(one_round(history, objects))
        assert [each.parts for each in report.journals[0].merged] == PARTS
        report = run(one_round(history, objects))
        assert (report.alarms, report.journals[0].removed) == ([], sum(PARTS))
        assert contents(reader_of(None, "s3://feeds/prod")) == simulated_feed(RECORDS)
        assert run(work(history, objects)) == 0
