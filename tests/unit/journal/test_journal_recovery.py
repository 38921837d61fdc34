"""What a writer finds after one that ended badly: torn tails, half-closed segments, leftovers."""

import os
from pathlib import Path

import pytest

from depthcast.dbn import forms
from depthcast.journal.epochs import take_epoch
from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.objects import FolderObjects
from depthcast.journal.open_segment import header_path
from tests.support.journals import (
    DATASET,
    METADATA,
    SHARD,
    Recording,
    contents,
    crashed_copy,
    pieces,
    reader_of,
    simulated_feed,
)

OPEN = Path(f"journal/dataset={DATASET}/shard={SHARD}/open")


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """The folder of a writer killed after 5,000 records, of which 2,000 were in the open segment."""
    recording = Recording(tmp_path / "alive")
    first, second, _ = pieces(simulated_feed(), [3_000, 2_000])
    recording.put(first)
    recording.rotate()
    recording.put(second)
    copy = crashed_copy(recording, tmp_path / "alive", tmp_path / "crashed")
    recording.writer.abandon()
    return copy


def open_file(folder: Path) -> Path:
    (path,) = (folder / OPEN).glob("*.open.dbn")
    return path


def recover(folder: Path, position: int, *said: str) -> None:
    """Recover, and hold the journal to the feed's first records."""
    recording = Recording(folder)
    messages = recording.recovered.messages
    assert recording.recovered.position == position
    for text in said:
        assert any(text in message for message in messages), messages
    assert len(messages) == len(said), messages
    feed = simulated_feed()
    whole = feed[: forms.prefix(feed, position)]
    assert contents(recording.writer.reader()) == whole
    recording.put(feed[len(whole) :] or feed)
    recording.writer.close()
    assert [path.name for path in (folder / OPEN).iterdir()] == ["lock"]


def test_an_open_segment_is_closed(crashed: Path) -> None:
    recover(crashed, 5_000, "records 3,000 to 4,999")


def test_a_torn_record_is_cut_off_and_said(crashed: Path) -> None:
    path = open_file(crashed)
    os.truncate(path, path.stat().st_size - 10)
    recover(crashed, 4_999, "cut off 46 bytes at byte", "records 3,000 to 4,998")


def test_garbage_after_the_records_is_cut_off(crashed: Path) -> None:
    with open_file(crashed).open("ab") as file:
        file.write(b"\x01garbage" * 500)
    recover(crashed, 5_000, "cut off 4,000 bytes", "records 3,000 to 4,999")


def test_pages_that_never_reached_the_disk_are_no_records(crashed: Path) -> None:
    """After the machine went down, a file may be long and end in zeros, from a page's begin on."""
    path = open_file(crashed)
    data = path.read_bytes()
    page = len(data) - len(data) % 4096 - 4096
    path.write_bytes(data[:page] + b"\0" * (len(data) - page))
    header = len(data) - sum(map(len, list(pieces(simulated_feed(), [3_000, 2_000]))[1:2]))
    lost = forms.count(data[header:]) - forms.count(data[header : header + whole_before(data, header, page)])
    recover(crashed, 5_000 - lost, "cut off", "records 3,000 to")


def whole_before(data: bytes, begin: int, end: int) -> int:
    """Bytes of the whole records between two offsets."""
    at = begin
    while at + 4 * data[at] <= end:
        at += 4 * data[at]
    return at - begin


def test_a_head_that_is_cut_short_is_no_segment(crashed: Path) -> None:
    os.truncate(open_file(crashed), 300)
    recover(crashed, 3_000, "cut off 300 bytes at byte 0")


def test_a_segment_without_a_record_is_dropped(crashed: Path) -> None:
    path = open_file(crashed)
    recording = Recording(crashed.parent / "other")
    recording.writer.close()
    size = int.from_bytes(path.read_bytes()[4:8], "little") + 8
    data = path.read_bytes()
    at = size
    feed_size = len(list(pieces(simulated_feed(), [3_000, 2_000]))[1])
    os.truncate(path, len(data) - feed_size)
    assert at <= len(data) - feed_size
    recover(crashed, 3_000)


@pytest.mark.parametrize(
    "header", [None, b"", b"{", b'{"format": 1}'], ids=["none", "empty", "torn", "short"]
)
def test_a_segment_without_a_good_header_is_set_aside(crashed: Path, header: bytes | None) -> None:
    path = header_path(open_file(crashed))
    size = open_file(crashed).stat().st_size
    if header is None:
        path.unlink()
    else:
        path.write_bytes(header)
    recording = Recording(crashed)
    (said,) = recording.recovered.messages
    assert f"{size:,} bytes are left in" in said
    assert recording.recovered.position == 3_000
    recording.writer.close()
    (aside,) = (crashed / OPEN).glob("*.open.dbn.damaged")
    assert aside.stat().st_size == size


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize(
    ("at", "data", "said"),
    [
        (0, b"X" * 10, "broken metadata"),
        (8, b"XNAS.ITCH", "of dataset XNAS.ITCH, its header of GLBX.MDP3"),
        (len(METADATA.encode()), b"\0", "its head is not the records"),
    ],
    ids=["metadata", "dataset", "head"],
)
def test_a_segment_whose_head_is_damaged_is_set_aside(crashed: Path, at: int, data: bytes, said: str) -> None:
    path = open_file(crashed)
    overwrite(path, at, data)
    saved, header = path.read_bytes(), header_path(path).read_bytes()
    recording = Recording(crashed)
    (message,) = recording.recovered.messages
    assert said in message
    assert "bytes are left in" in message
    assert recording.recovered.position == 3_000
    feed = simulated_feed()
    recording.put(feed[forms.prefix(feed, 3_000) :])
    assert contents(recording.writer.reader()) == feed
    recording.writer.close()
    assert path.with_name(path.name + ".damaged").read_bytes() == saved
    assert header_path(path).with_name(header_path(path).name + ".damaged").read_bytes() == header


def test_a_header_alone_is_removed(crashed: Path) -> None:
    open_file(crashed).unlink()
    recover(crashed, 3_000)


def test_half_written_files_are_removed(crashed: Path) -> None:
    (day,) = (crashed / OPEN.parent).glob("date=*")
    for name in (".00000001-0000000000003000.dbn.zst.part", ".00000001-0000000000003000.index.json.part"):
        (day / name).write_bytes(b"half")
    recover(crashed, 5_000, "records 3,000 to 4,999")
    assert not list(day.glob(".*"))


def test_a_closed_segment_without_index_is_closed_again(crashed: Path) -> None:
    (day,) = (crashed / OPEN.parent).glob("date=*")
    (day / "00000001-0000000000003000.dbn.zst").write_bytes(b"of a write that was not finished")
    recover(crashed, 5_000, "records 3,000 to 4,999")


def test_a_segment_that_was_closed_and_not_removed_counts_once(crashed: Path) -> None:
    path = open_file(crashed)
    saved = path.read_bytes(), header_path(path).read_bytes()
    recording = Recording(crashed)
    recording.writer.close()
    path.write_bytes(saved[0])
    header_path(path).write_bytes(saved[1])
    assert contents(reader_of(crashed)) == simulated_feed()[: forms.prefix(simulated_feed(), 5_000)]
    recover(crashed, 5_000)


def test_two_open_segments_are_closed_in_order(tmp_path: Path) -> None:
    """Killed after a rotation, before the first was closed."""
    recording = Recording(tmp_path / "alive")
    first, second, _ = pieces(simulated_feed(), [3_000, 2_000])
    recording.put(first)
    earlier = crashed_copy(recording, tmp_path / "alive", tmp_path / "earlier")
    recording.rotate()
    recording.put(second)
    crashed = crashed_copy(recording, tmp_path / "alive", tmp_path / "crashed")
    recording.writer.abandon()
    for path in (crashed / OPEN.parent).glob("date=*/*"):
        path.unlink()
    for path in (earlier / OPEN).glob("*.open.*"):
        (crashed / OPEN / path.name).write_bytes(path.read_bytes())
    recover(crashed, 5_000, "records 0 to 2,999", "records 3,000 to 4,999")


def test_what_is_no_part_of_the_journal_is_named(crashed: Path) -> None:
    (day,) = (crashed / OPEN.parent).glob("date=*")
    (day / "00000001-0000000000009000.dbn.zst").write_bytes(b"?")
    (day / "notes.txt").write_text("left by a person")
    recover(crashed, 5_000, "it has no index", "records 3,000 to 4,999")


def test_what_is_left_of_a_removed_segment_goes(crashed: Path) -> None:
    (day,) = (crashed / OPEN.parent).glob("date=*")
    (day / f"{SegmentName(1, 0)}.index.json").unlink()
    recording = Recording(crashed)
    recording.writer.close()
    again = Recording(crashed)
    assert not (day / f"{SegmentName(1, 0)}.dbn.zst").exists()
    assert again.recovered.position == 5_000
    again.writer.close()


def test_an_epoch_is_never_taken_twice_even_if_its_file_is_lost(crashed: Path) -> None:
    journal = Journal(DATASET, SHARD)
    for path in (crashed / journal.epochs).iterdir():
        path.unlink()
    recording = Recording(crashed)
    assert recording.recovered.epoch == 2
    recording.writer.close()


def test_a_closed_segment_that_lost_bytes_with_the_machine_is_closed_again(crashed: Path) -> None:
    path = open_file(crashed)
    saved = path.read_bytes(), header_path(path).read_bytes()
    Recording(crashed).writer.close()
    (day,) = (crashed / OPEN.parent).glob("date=*")
    os.truncate(day / f"{SegmentName(1, 3_000)}.dbn.zst", 0)
    path.write_bytes(saved[0])
    header_path(path).write_bytes(saved[1])
    recover(crashed, 5_000, "records 3,000 to 4,999")


def test_old_epochs_are_forgotten(tmp_path: Path) -> None:
    journal, folder = Journal(DATASET, SHARD), FolderObjects(tmp_path)
    for _ in range(105):
        newest = take_epoch(journal, folder, None, 0)
    assert newest == 105
    assert len(list(folder.listed(journal.epochs))) == 101
