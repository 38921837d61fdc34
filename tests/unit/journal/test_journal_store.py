"""Uploading: in order, again after the store was away, and what stays on the disk."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from depthcast.dbn import forms
from depthcast.errors import FencedError, JournalError
from depthcast.journal.epochs import take_epoch
from depthcast.journal.listing import closed_segments, newest_of
from depthcast.journal.names import Journal
from depthcast.journal.objects import FolderObjects, open_objects
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.retention import clear
from tests.support.journals import (
    DATASET,
    SHARD,
    Recording,
    contents,
    eventually,
    pieces,
    reader_of,
    simulated_feed,
    use_objects,
)

JOURNAL = Journal(DATASET, SHARD)


def uploaded(recording: Recording, segments: int) -> Callable[[], bool]:
    return lambda: recording.writer.stats.uploaded_segments == segments


def segments_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / JOURNAL.prefix).glob("date=*/*.index.json"))


def test_segments_are_uploaded_as_they_are_closed(tmp_path: Path) -> None:
    feed, store = simulated_feed(), tmp_path / "store"
    recording = Recording(tmp_path / "folder", str(store))
    for number, piece in enumerate(pieces(feed, [2_000, 2_000]), 1):
        recording.put(piece)
        recording.rotate()
        eventually(uploaded(recording, number))
        assert contents(reader_of(None, str(store))) == feed[: forms.prefix(feed, 2_000 * number)]
    recording.writer.close()
    assert contents(reader_of(None, str(store))) == feed
    assert segments_in(store) == segments_in(tmp_path / "folder")


def test_segments_wait_while_the_store_is_away_and_follow_in_order(tmp_path: Path) -> None:
    feed, store = simulated_feed(), tmp_path / "store"
    recording = Recording(tmp_path / "folder", str(store))
    store.rename(tmp_path / "away")
    store.write_text("in the way")
    recording.record(feed, rotate_every=1_000)
    eventually(lambda: recording.writer.stats.pending_uploads == 5)
    eventually(lambda: recording.writer.stats.upload_failures)
    assert str(store) in str(recording.writer.error)
    assert recording.writer.stats.oldest_pending_s > 0
    assert contents(recording.writer.reader()) == feed
    store.unlink()
    (tmp_path / "away").rename(store)
    eventually(lambda: recording.writer.stats.pending_uploads == 0)
    assert str(recording.writer.error) == "None"
    recording.writer.close()
    assert contents(reader_of(None, str(store))) == feed


def test_what_was_not_uploaded_is_uploaded_by_the_next_life(tmp_path: Path) -> None:
    feed, store = simulated_feed(), tmp_path / "store"
    recording = Recording(tmp_path / "folder", str(store), drain_s=0.0)
    store.rename(tmp_path / "away")
    store.write_text("in the way")
    recording.record(feed, rotate_every=1_500)
    recording.writer.close()
    store.unlink()
    (tmp_path / "away").rename(store)
    assert segments_in(store) == []
    Recording(tmp_path / "folder", str(store)).writer.close()
    assert contents(reader_of(None, str(store))) == feed


def test_an_upload_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    feed, store = simulated_feed(), tmp_path / "store"
    recording = Recording(tmp_path / "folder")
    recording.record(feed, rotate_every=2_000)
    recording.writer.close()
    first = min((tmp_path / "folder" / JOURNAL.prefix).glob("date=*/*.dbn.zst"))
    half = store / first.relative_to(tmp_path / "folder")
    half.parent.mkdir(parents=True)
    half.write_bytes(first.read_bytes()[:1_000])
    Recording(tmp_path / "folder", str(store)).writer.close()
    assert contents(reader_of(None, str(store))) == feed


def test_a_lost_disk_costs_what_was_not_uploaded_and_no_more(tmp_path: Path) -> None:
    feed, store = simulated_feed(), tmp_path / "store"
    recording = Recording(tmp_path / "folder", str(store))
    first, second, third = pieces(feed, [2_000, 2_000])
    recording.put(first)
    recording.rotate()
    recording.put(second)
    recording.rotate()
    eventually(lambda: recording.writer.stats.uploaded_segments == 2)
    recording.put(third)
    recording.writer.abandon()
    again = Recording(tmp_path / "new disk", str(store))
    assert (again.recovered.epoch, again.recovered.position) == (2, 4_000)
    assert again.recovered.source_state == b"at 2000"
    again.put(third)
    assert contents(again.writer.reader()) == feed
    again.writer.close()
    assert contents(reader_of(None, str(store))) == feed


def test_a_newer_writer_elsewhere_stops_uploads_and_the_next_sync(tmp_path: Path) -> None:
    feed, store = simulated_feed(), tmp_path / "store"
    old = Recording(tmp_path / "a", str(store))
    first, second, third = pieces(feed, [2_000, 2_000])
    old.put(first)
    old.rotate()
    eventually(lambda: old.writer.stats.uploaded_segments == 1)
    new = Recording(tmp_path / "b", str(store))
    assert new.recovered.position == 2_000
    old.put(second)
    refused = False
    deadline = time.monotonic() + 10
    while not refused and time.monotonic() < deadline:
        time.sleep(0.02)
        try:
            old.writer.sync()
        except FencedError:
            refused = True
    assert refused
    new.put(second)
    new.put(third)
    new.writer.close()
    assert contents(reader_of(None, str(store))) == feed


def test_epochs_are_taken_once(tmp_path: Path) -> None:
    folder, store = FolderObjects(tmp_path / "folder"), FolderObjects(tmp_path / "store")
    assert [take_epoch(JOURNAL, folder, store, 0) for _ in range(3)] == [1, 2, 3]
    assert take_epoch(JOURNAL, FolderObjects(tmp_path / "other"), store, 0) == 4
    assert take_epoch(JOURNAL, folder, None, 0) == 4
    assert take_epoch(JOURNAL, folder, store, 0) == 5


def test_a_segment_that_comes_late_to_an_older_day_is_found(tmp_path: Path) -> None:
    """A store was away over midnight: a reader has listed that day without it."""
    feed, store = simulated_feed(), tmp_path / "store"
    hours = iter(range(10, 10_000, 11))
    recording = Recording(tmp_path / "folder", str(store), clock=lambda: next(hours) * 3_600 * 10**9)
    recording.record(feed, rotate_every=300)
    recording.writer.close()
    days = sorted((store / JOURNAL.prefix).glob("date=*"))
    late = sorted(days[1].glob("*.index.json"))[-1]
    assert len(days) > 5
    late.rename(tmp_path / "late")
    reader = reader_of(None, str(store))
    with pytest.raises(JournalError, match="are missing after"):
        contents(reader)
    (tmp_path / "late").rename(late)
    assert contents(reader) == feed
    objects = FolderObjects(store)
    assert newest_of(objects, JOURNAL) == max(closed_segments(objects, JOURNAL.prefix).items())


AHEAD_NS = 4_000_000_000 * 10**9
DAY_NS = 86_400 * 10**9


@pytest.mark.parametrize("folder", ["kept", "lost"])
def test_a_clock_that_was_ahead_hides_no_later_segment(tmp_path: Path, folder: str) -> None:
    feed, store = simulated_feed(), tmp_path / "store"
    ahead = iter(range(AHEAD_NS, 2 * AHEAD_NS, DAY_NS // 2))
    for life, piece in enumerate(pieces(feed, [2_000, 1_000, 1_000])):
        place = tmp_path / ("folder" if folder == "kept" else str(life))
        recording = Recording(place, str(store), clock=time.time_ns if life else lambda: next(ahead))
        recording.record(piece, rotate_every=300 if life == 0 else 10_000)
        assert contents(recording.writer.reader()) == feed[: forms.prefix(feed, recording.writer.position)]
        recording.writer.close()
    assert contents(reader_of(None, str(store))) == feed
    days = sorted(path.name for path in (store / JOURNAL.prefix).glob("date=*"))
    assert len(days) > 2
    assert all(day >= "date=2096" for day in days)


def test_the_newest_segment_is_found_under_an_older_day(tmp_path: Path) -> None:
    hours = iter(range(10, 10_000, 11))
    recording = Recording(tmp_path, clock=lambda: next(hours) * 3_600 * 10**9)
    recording.record(simulated_feed(), rotate_every=300)
    recording.writer.close()
    days = sorted((tmp_path / JOURNAL.prefix).glob("date=*"))
    for path in days[-1].iterdir():
        path.rename(days[0] / path.name)
    objects = FolderObjects(tmp_path)
    assert newest_of(objects, JOURNAL) == max(closed_segments(objects, JOURNAL.prefix).items())
    again = Recording(tmp_path)
    assert again.recovered.position == 6_000
    again.writer.close()


@pytest.mark.parametrize("place", ["a file", "a file/below", "/proc/x"])
def test_a_folder_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").write_text("in the way")
    with pytest.raises(JournalError, match=r"(a file|/proc/x): (not a directory|no such file)") as raised:
        Recording(tmp_path / place)
    assert isinstance(raised.value.__cause__, OSError)


# -- What stays on the disk


@pytest.fixture
def many(tmp_path: Path) -> FolderObjects:
    """Six closed segments."""
    recording = Recording(tmp_path / "folder")
    recording.record(simulated_feed(), rotate_every=1_000)
    recording.writer.close()
    return FolderObjects(tmp_path / "folder")


def test_old_segments_go_by_bytes_oldest_first_but_never_the_newest(many: FolderObjects) -> None:
    names = segments_in(many.folder)
    sizes = [
        sum(path.stat().st_size for path in many.folder.glob(f"**/{name.split('.')[0]}.*")) for name in names
    ]
    keep = JournalPolicy(retain_bytes=sum(sizes[3:]), retain_s=1e9)
    assert clear(many, JOURNAL, keep, time.time_ns(), set())
    assert segments_in(many.folder) == names[3:]
    clear(many, JOURNAL, JournalPolicy(retain_bytes=0), time.time_ns(), set())
    assert segments_in(many.folder) == names[5:]


def test_old_segments_go_by_age(many: FolderObjects) -> None:
    names = segments_in(many.folder)
    paths = sorted(many.folder.glob("**/*.dbn.zst"))
    for path in paths[:2]:
        os.utime(path, (time.time() - 100, time.time() - 100))
    clear(many, JOURNAL, JournalPolicy(retain_s=50), time.time_ns(), set())
    assert segments_in(many.folder) == names[2:]


def test_what_waits_for_the_store_stays_with_all_that_is_newer(many: FolderObjects) -> None:
    names = segments_in(many.folder)
    pending = {each.name for each in reader_of(many.folder).segments()[2:3]}
    clear(many, JOURNAL, JournalPolicy(retain_bytes=0), time.time_ns(), pending)
    assert segments_in(many.folder) == names[2:]


def test_a_full_retention_keeps_the_feed_whole_in_the_store(tmp_path: Path) -> None:
    feed, store = simulated_feed(), tmp_path / "store"
    recording = Recording(tmp_path / "folder", str(store), retain_bytes=0)
    recording.record(feed, rotate_every=500)
    eventually(lambda: recording.writer.stats.pending_uploads == 0)
    eventually(lambda: len(segments_in(tmp_path / "folder")) == 1)
    assert contents(recording.writer.reader()) == feed
    recording.writer.close()


# -- Objects


def test_a_folder_of_objects(tmp_path: Path) -> None:
    use_objects(open_objects(str(tmp_path)))
    assert not list(tmp_path.glob("**/.*"))


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(JournalError, match="s3://bucket/prefix"):
        open_objects("gs://bucket/x")
    with pytest.raises(JournalError, match="s3://bucket/prefix"):
        open_objects("s3://")
