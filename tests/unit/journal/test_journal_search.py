"""Finding a place in a journal: by time, by position, among segments of several lives."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from depthcast.book.engine import Engine
from depthcast.dbn import forms
from depthcast.errors import JournalError
from depthcast.journal.listing import Visible, visible
from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.objects import FolderObjects
from depthcast.journal.reader import JournalReader, journals
from tests.support.journals import (
    DATASET,
    SHARD,
    Recording,
    contents,
    crashed_copy,
    eventually,
    reader_of,
    recorded_journal,
    simulated_feed,
)
from tests.support.records import add
from tests.support.simulated import mbo_of


def named(*names: tuple[int, int]) -> list[SegmentName]:
    return [SegmentName(*name) for name in names]


def test_segments_of_one_life_follow_one_another() -> None:
    assert visible(named((1, 200), (1, 0), (1, 100))) == [
        Visible(SegmentName(1, 0), 100),
        Visible(SegmentName(1, 100), 200),
        Visible(SegmentName(1, 200), None),
    ]


def test_the_newer_life_counts_from_its_first_position_on() -> None:
    names = named((1, 0), (1, 100), (1, 200), (2, 150), (2, 300), (4, 300))
    assert visible(names) == [
        Visible(SegmentName(1, 0), 100),
        Visible(SegmentName(1, 100), 150),
        Visible(SegmentName(2, 150), 300),
        Visible(SegmentName(4, 300), None),
    ]
    assert visible(named((1, 0), (1, 100), (3, 0))) == [Visible(SegmentName(3, 0), None)]


def test_names_sort_as_numbers_do() -> None:
    names = named((1, 9), (1, 10), (2, 0), (10, 0), (1, 10**15))
    assert sorted(names) == sorted(names, key=str)
    assert [SegmentName.parse(f"a/b/{name}.dbn.zst", ".dbn.zst") for name in names] == names
    assert SegmentName.parse("a/.00000001-0000000000000001.dbn.zst.part", ".dbn.zst") is None


def test_the_day_is_that_of_the_clock() -> None:
    assert Journal("D", "3").day(1_758_758_399_999_999_999) == "journal/dataset=D/shard=3/date=2025-09-24/"
    assert Journal("D", "3").day(1_758_758_400_000_000_000).endswith("date=2025-09-25/")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded_journal(tmp_path_factory.mktemp("journal"))


@pytest.fixture
def reader(recorded: Path) -> JournalReader:
    return reader_of(recorded)


def times() -> list[int]:
    """Some times in, between, before and after the feed's."""
    every = np.unique(mbo_of(simulated_feed())["ts_recv"])
    some = every[:: len(every) // 40].tolist()
    return [
        1,
        *(each + shift for each in some for shift in (-1, 0, 1)),
        int(every[-1]),
        int(every[-1]) + 10**9,
    ]


def test_at_a_time_head_and_records_give_the_books_of_that_time(reader: JournalReader) -> None:
    feed = simulated_feed()
    for moment in times():
        whole = Engine()
        whole.apply(feed[: forms.due_prefix(feed, moment)[0]])
        segment = reader.at(moment)
        assert segment is not None
        found = Engine()
        found.apply(segment.head())
        read = 0
        for _, data in reader.records(segment.position):
            size, _ = forms.due_prefix(data, moment)
            found.apply(data[:size])
            read += size
            if size < len(data):
                break
        assert {key: found.checksum(key.instrument_id, 0, key.publisher_id) for key in found.books()} == {
            key: whole.checksum(key.instrument_id, 0, key.publisher_id) for key in whole.books()
        }
        assert read <= len(feed) // 4, "it read more than about a segment"


def test_nothing_before_position_since_is_wanted(reader: JournalReader) -> None:
    feed = simulated_feed()
    for start in times():
        position = reader.position_since(start)
        before = feed[: forms.prefix(feed, position)]
        assert forms.since(before, start) == b""
        assert forms.since(contents(reader, position), start) == forms.since(feed, start)


def test_books_before_a_time_have_seen_nothing_from_it_on(reader: JournalReader) -> None:
    feed = simulated_feed()
    for start in times():
        position, head = reader.books_before(start)
        before = feed[: forms.prefix(feed, position)]
        if position:
            span = forms.span(before)
            assert max(span.max_ts_event, span.max_ts_recv, span.max_snapshot_ts_recv) < start
        whole, found = Engine(), Engine()
        whole.apply(before)
        found.apply(head)
        assert whole.books() == found.books()


def test_a_gap_is_an_error_that_names_it(recorded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(recorded, folder)
    for path in folder.glob("journal/*/*/date=*/*-0000000000002000.*"):
        path.unlink()
    with pytest.raises(JournalError, match=r"records 2,000 to 2,999 are missing"):
        contents(reader_of(folder))
    assert len(contents(reader_of(folder), 3_000)) > 0


def test_what_is_no_longer_kept_is_an_error(recorded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(recorded, folder)
    for path in folder.glob("journal/*/*/date=*/*-0000000000000000.*"):
        path.unlink()
    reader = reader_of(folder)
    with pytest.raises(JournalError, match=r"begins at position 1,000: position 999 is no longer kept"):
        contents(reader, 999)
    assert reader.complete_after == reader.segments()[0].before.latest_event
    assert reader_of(recorded).complete_after == 0


def test_a_damaged_frame_is_an_error_that_names_it(recorded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(recorded, folder)
    (path,) = folder.glob("journal/*/*/date=*/*-0000000000002000.dbn.zst")
    data = bytearray(path.read_bytes())
    data[-200] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(JournalError, match=r"0000002000\.dbn\.zst: the frame at byte \d+ is damaged"):
        contents(reader_of(folder))


def test_an_empty_folder_has_no_journal(tmp_path: Path) -> None:
    reader = reader_of(tmp_path)
    assert reader.segments() == []
    assert contents(reader) == b""
    assert reader.at(5) is None
    assert reader.find(0) is None
    assert reader.books_before(5) == (0, b"")
    assert reader.position_since(5) == 0
    assert journals(FolderObjects(tmp_path)) == []


def test_journals_are_found_by_their_folders(recorded: Path) -> None:
    assert journals(FolderObjects(recorded)) == [Journal(DATASET, SHARD)]


def test_an_older_life_that_comes_back_does_not_count(tmp_path: Path) -> None:
    """Its disk was lost, the next life began where the store ended, and then the disk came back."""
    feed = simulated_feed()
    store, first_disk, second_disk = (tmp_path / name for name in ("store", "a", "b"))
    old = Recording(first_disk, str(store))
    old.put(feed[: forms.prefix(feed, 1_000)])
    old.rotate()
    eventually(lambda: old.writer.stats.uploaded_segments == 1)
    store.rename(tmp_path / "away")
    store.write_text("no folder")
    lost = add(1, "B", 100, 5) * 700
    old.put(lost)
    old.rotate()
    old.put(lost)
    disk = crashed_copy(old, first_disk, tmp_path / "came back")
    old.writer.abandon()
    store.unlink()
    (tmp_path / "away").rename(store)

    new = Recording(second_disk, str(store))
    assert (new.recovered.epoch, new.recovered.position) == (2, 1_000)
    new.put(feed[forms.prefix(feed, 1_000) :])
    new.writer.close()
    assert contents(reader_of(None, str(store))) == feed

    third = Recording(disk, str(store))
    assert (third.recovered.epoch, third.recovered.position) == (3, 6_000)
    assert any("are not uploaded" in said for said in third.recovered.messages)
    assert contents(third.writer.reader()) == feed
    third.writer.close()
    assert contents(reader_of(None, str(store))) == feed
