"""A journal whose disk fails, and one with two writers: what is refused, what is kept."""

import errno
import os
import resource
import signal
import threading
import time
from pathlib import Path

import pytest

from depthcast.errors import FencedError, JournalError, RecordError
from depthcast.journal.segments import ClosedSegment
from depthcast.journal.writer import JournalWriter
from tests.support.journals import (
    DATASET,
    METADATA,
    SHARD,
    Recording,
    contents,
    eventually,
    pieces,
    reader_of,
    simulated_feed,
)


@pytest.fixture
def feed() -> bytes:
    return simulated_feed()


def closed(folder: Path) -> list[ClosedSegment]:
    return [each for each in reader_of(folder).segments() if isinstance(each, ClosedSegment)]


# -- What fails


def test_a_full_disk_refuses_a_batch_whole_and_takes_it_again_later(tmp_path: Path, feed: bytes) -> None:
    recording = Recording(tmp_path)
    first, second = pieces(feed, [3_000])
    recording.put(first)
    with file_size_limit(len(METADATA.encode()) + len(first) + 100):
        for _ in range(2):
            with pytest.raises(JournalError, match="too large") as caught:
                recording.put(second)
            assert caught.value.path is not None
            assert recording.writer.position == 3_000
            assert contents(recording.writer.reader()) == first
            assert contents(reader_of(tmp_path)) == first
    recording.put(second)
    recording.writer.close()
    assert contents(reader_of(tmp_path)) == feed


def test_a_rotation_that_fails_leaves_the_segment_as_it_was(tmp_path: Path, feed: bytes) -> None:
    recording = Recording(tmp_path)
    first, second, third = pieces(feed, [2_000, 2_000])
    recording.put(first)
    with file_size_limit(100), pytest.raises(JournalError):
        recording.rotate()
    assert len(list(tmp_path.glob("journal/*/*/open/*.dbn"))) == 1
    recording.put(second)
    recording.rotate()
    recording.put(third)
    recording.writer.close()
    assert contents(reader_of(tmp_path)) == feed
    assert [each.position for each in closed(tmp_path)] == [0, 4_000]


def test_a_segment_that_cannot_be_closed_waits_and_is_closed_later(tmp_path: Path, feed: bytes) -> None:
    recording = Recording(tmp_path)
    day = (
        tmp_path
        / "journal"
        / f"dataset={DATASET}"
        / f"shard={SHARD}"
        / time.strftime("date=%Y-%m-%d", time.gmtime())
    )
    day.write_text("in the way")
    recording.record(feed, rotate_every=3_000)
    eventually(lambda: recording.writer.error)
    assert contents(recording.writer.reader()) == feed
    assert recording.writer.stats.waiting_to_close == 1
    day.unlink()
    eventually(lambda: recording.writer.stats.closed_segments == 1)
    assert recording.writer.error is None
    recording.writer.close()
    assert contents(reader_of(tmp_path)) == feed


def test_a_failed_sync_is_repeated_with_all_that_it_was_for(
    tmp_path: Path, feed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(tmp_path)
    recording.put(feed)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(JournalError, match="give the journal another folder"):
            recording.writer.sync()
    assert recording.writer.synced == 0
    written: list[int] = []
    real = os.pwrite

    def count(file: int, data: bytes, offset: int) -> int:
        written.append(len(data))
        return real(file, data, offset)

    monkeypatch.setattr(os, "pwrite", count)
    recording.writer.sync()
    assert sum(written) >= len(feed)
    assert recording.writer.synced == 6_000
    recording.writer.close()
    assert contents(reader_of(tmp_path)) == feed


def fail(_: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(JournalError, match=str(tmp_path)):
        Recording(tmp_path)


def test_wrong_calls_are_told(tmp_path: Path, feed: bytes) -> None:
    with pytest.raises(ValueError, match="dataset"):
        JournalWriter.open(tmp_path, "", "../x", SHARD)
    writer = JournalWriter.open(tmp_path, "", DATASET, SHARD)
    with pytest.raises(ValueError, match="not begun"):
        writer.append(feed, 6_000)
    with pytest.raises(ValueError, match="at 0, not at 5"):
        writer.begin(5, METADATA, b"", b"")
    writer.begin(0, METADATA, b"", b"")
    with pytest.raises(ValueError, match="has begun"):
        writer.begin(0, METADATA, b"", b"")
    with pytest.raises(ValueError, match="6000 records were given, said to be 5999"):
        writer.append(feed, 5_999)
    with pytest.raises(RecordError):
        writer.append(feed[:-1], 6_000)
    assert writer.position == 0
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.append(feed, 6_000)


class file_size_limit:  # noqa: N801 - used as a statement
    """Files of this process cannot grow beyond so many bytes: the nearest to a full disk."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __enter__(self) -> None:
        self._handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
        signal.signal(signal.SIGXFSZ, self._handler)


# -- Two writers


def test_a_newer_writer_shuts_the_older_one_out(tmp_path: Path, feed: bytes) -> None:
    old = Recording(tmp_path)
    first, second = pieces(feed, [3_000])
    old.put(first)
    refused: list[FencedError] = []

    def follow() -> None:
        while not refused:
            time.sleep(0.01)
            try:
                old.writer.sync_if_due(time.monotonic())
            except FencedError as error:
                refused.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    new = Recording(tmp_path)
    thread.join()
    assert "epoch 2" in str(refused[0])
    with pytest.raises(FencedError):
        old.writer.append(second, 3_000)
    old.writer.close()
    assert new.recovered.position == 3_000
    new.put(second)
    new.writer.close()
    assert contents(reader_of(tmp_path)) == feed


def test_a_start_does_not_wait_for_ever_for_a_writer_that_hangs(tmp_path: Path) -> None:
    old = Recording(tmp_path)
    with pytest.raises(JournalError, match=f"process {os.getpid()}"):
        Recording(tmp_path, takeover_s=0.2)
    with pytest.raises(FencedError):
        old.writer.sync()
