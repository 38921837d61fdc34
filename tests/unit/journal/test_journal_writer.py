"""Writing a journal and reading it back: segments, heads, positions, what fails and how."""

import gc
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import databento
import numpy as np
import pytest

from depthcast.book.engine import Engine
from depthcast.dbn import forms, read_dbn
from depthcast.dbn.framing import frame
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.segments import ClosedSegment
from depthcast.journal.writer import JournalWriter
from tests.support.journals import (
    DATASET,
    METADATA,
    SHARD,
    Recording,
    contents,
    pieces,
    reader_of,
    simulated_feed,
)


@pytest.fixture
def feed() -> bytes:
    return simulated_feed()


def read_by_databento(path: str) -> int:
    """How many records Databento's own reader finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its file open
        store = databento.DBNStore.from_file(path)
        assert store.schema is None
        records = sum(1 for _ in store)
        del store
        gc.collect()
    return records


def closed(folder: Path) -> list[ClosedSegment]:
    return [each for each in reader_of(folder).segments() if isinstance(each, ClosedSegment)]


# -- What is written is what is read


def test_segments_concatenated_are_the_feed_and_each_is_a_dbn_file(tmp_path: Path, feed: bytes) -> None:
    recording = Recording(tmp_path)
    recording.record(feed, rotate_every=1_000)
    recording.writer.close(b"end")
    segments = closed(tmp_path)
    assert len(segments) == 6
    assert contents(reader_of(tmp_path)) == feed
    joined = b""
    for segment in segments:
        assert read_by_databento(segment.path) == segment.index.head_records + segment.index.records
        ours = read_dbn(segment.path)
        assert len(ours) == segment.index.head_records + segment.index.records
        assert bytes(ours.data[: len(segment.head())]) == segment.head()
        joined += bytes(ours.data[len(segment.head()) :])
    assert joined == feed


def test_real_data_goes_through_the_journal_unchanged(tmp_path: Path, data_dir: Path) -> None:
    source = bytes(read_dbn(data_dir / "CLX5_mbo.dbn").data)
    recording = Recording(tmp_path)
    recording.record(source, rotate_every=7_000)
    assert contents(recording.writer.reader()) == source
    recording.writer.close()
    assert contents(reader_of(tmp_path)) == source
    stored = [bytes(read_dbn(each.path).data)[len(each.head()) :] for each in closed(tmp_path)]
    assert b"".join(stored) == source


def test_a_head_gives_the_books_at_its_place(tmp_path: Path, feed: bytes) -> None:
    recording = Recording(tmp_path)
    recording.record(feed, rotate_every=1_500)
    recording.writer.close()
    whole = Engine()
    for segment in closed(tmp_path):
        restored = Engine()
        restored.apply(segment.head())
        assert restored.books() == whole.books()
        for key in whole.books():
            assert restored.checksum(key.instrument_id, 0, key.publisher_id) == whole.checksum(
                key.instrument_id, 0, key.publisher_id
            )
        for _, data in segment.records(segment.position):
            whole.apply(data)


def test_frames_are_whole_records_of_at_most_a_mebibyte_with_their_times(tmp_path: Path, feed: bytes) -> None:
    recording = Recording(tmp_path, segment_bytes=1 << 30)
    for _ in range(8):
        recording.put(feed)
    recording.writer.close()
    (segment,) = closed(tmp_path)
    assert len(segment.index.frames) > 2
    position = 0
    for each, (first, data) in zip(segment.index.frames, segment.records(0), strict=True):
        assert each.unpacked_bytes <= 1 << 20
        assert frame(np.frombuffer(data, np.uint8), 0, len(data)).end == len(data)
        assert (each.position, each.position, each.records) == (first, position, forms.count(data))
        span = forms.span(data)
        assert (each.times.min_ts_recv, each.times.max_ts_event) == (span.min_ts_recv, span.max_ts_event)
        position += each.records
    assert segment.metadata().encode() == METADATA.encode()


@pytest.mark.parametrize("begin", [0, 1, 999, 1_000, 1_001, 3_333, 5_999, 6_000])
def test_reading_begins_at_any_position(tmp_path: Path, feed: bytes, begin: int) -> None:
    recording = Recording(tmp_path)
    recording.record(feed, rotate_every=1_000)
    rest = feed[forms.prefix(feed, begin) :]
    assert contents(recording.writer.reader(), begin) == rest
    assert contents(reader_of(tmp_path), begin) == rest
    recording.writer.close()
    assert contents(reader_of(tmp_path), begin) == rest


def test_a_second_life_goes_on_where_the_first_ended(tmp_path: Path, feed: bytes) -> None:
    half = forms.prefix(feed, 2_500)
    first = Recording(tmp_path)
    assert (first.recovered.epoch, first.recovered.position, first.recovered.newest) == (1, 0, None)
    first.record(feed[:half], rotate_every=1_000)
    first.writer.close(b"the end")
    second = Recording(tmp_path)
    assert (second.recovered.epoch, second.recovered.position) == (2, 2_500)
    assert second.recovered.source_state == b"the end"
    assert second.recovered.messages == ()
    second.record(feed[half:], rotate_every=1_000)
    assert contents(second.writer.reader()) == feed
    second.writer.close()
    assert contents(reader_of(tmp_path)) == feed


def test_a_life_without_a_record_leaves_no_segment(tmp_path: Path, feed: bytes) -> None:
    first = Recording(tmp_path)
    first.put(feed)
    first.writer.close(b"the end")
    Recording(tmp_path).writer.close(b"nothing came")
    third = Recording(tmp_path)
    assert third.recovered.epoch == 3
    assert third.recovered.source_state == b"the end"
    assert len(closed(tmp_path)) == 1
    third.writer.close()


# -- When a segment ends


def test_a_segment_ends_when_it_is_large(tmp_path: Path, feed: bytes) -> None:
    recording = Recording(tmp_path, segment_bytes=1 << 16)
    now = time.monotonic()
    written = 0
    for piece in pieces(feed, [50] * 100):
        assert recording.writer.rotation_due(now) == (written >= 1 << 16)
        if recording.writer.rotation_due(now):
            break
        recording.put(piece)
        written += len(piece)
    recording.writer.close()


def test_a_large_head_asks_for_four_times_its_bytes_and_for_no_haste(tmp_path: Path, feed: bytes) -> None:
    policy = JournalPolicy(segment_bytes=1 << 16, segment_s=0.0, small_head_bytes=len(feed))
    writer = JournalWriter.open(tmp_path, "", DATASET, SHARD, policy)
    writer.begin(0, METADATA, feed, b"")
    now = time.monotonic() + 10
    for _ in range(4):
        assert not writer.rotation_due(now)
        writer.append(feed, 6_000)
    assert writer.rotation_due(now)
    writer.close()


def test_a_small_segment_ends_after_its_time_if_it_has_records(tmp_path: Path, feed: bytes) -> None:
    recording = Recording(tmp_path, segment_s=60.0)
    now = time.monotonic()
    assert not recording.writer.rotation_due(now + 61)
    recording.put(feed)
    assert not recording.writer.rotation_due(now + 59)
    assert recording.writer.rotation_due(now + 61)
    recording.writer.close()


# -- Read while it is written


def test_readers_see_a_growing_feed_while_segments_are_closed_and_removed(
    tmp_path: Path, feed: bytes
) -> None:
    recording = Recording(tmp_path, str(tmp_path / "store"), retain_bytes=0)
    reader = recording.writer.reader()
    failures: list[BaseException] = []
    done = threading.Event()

    def follow() -> None:
        position, seen = 0, b""
        try:
            while True:
                last = done.is_set()
                for first, data in reader.records(position):
                    assert first == position
                    position += forms.count(data)
                    seen += data
                if last:
                    break
                time.sleep(0.001)
            assert seen == feed
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=follow) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number, piece in enumerate(pieces(feed, [60] * 100)):
        if number and number % 5 == 0:
            recording.rotate()
        recording.put(piece)
        time.sleep(0.002)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    recording.writer.close()
    assert contents(reader_of(tmp_path, str(tmp_path / "store"))) == feed


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The folder of a writer that was killed while it wrote."""
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tests.support.journals import Recording, simulated_feed, pieces\n"
        "recording = Recording(Path(sys.argv[1]))\n"
        "for number, piece in enumerate(pieces(simulated_feed(), [100] * 1000)):\n"
        "    if number % 9 == 8: recording.rotate()\n"
        "    recording.put(piece)\n"
        "    print(recording.writer.position, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 4_700:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    return tmp_path


def test_kill_9_loses_nothing_that_was_written(killed: Path, feed: bytes) -> None:
    before = contents(reader_of(killed))
    recording = Recording(killed)
    assert recording.recovered.position >= 4_700
    assert contents(recording.writer.reader()) == before == feed[: len(before)]
    recording.put(feed[len(before) :] or feed)
    recording.writer.close()
