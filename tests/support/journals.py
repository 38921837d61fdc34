"""Feeds that go into journals: recorded as the feed service does it, read back, compared."""

import functools
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from depthcast.book.engine import Engine
from depthcast.dbn import RType, forms, make_metadata
from depthcast.dbn.layout import LENGTH_WORD
from depthcast.exchange import Exchange, Style
from depthcast.journal.objects import ObjectMissingError, Objects
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.reader import JournalReader
from depthcast.journal.writer import JournalWriter
from tests.support.simulated import small_exchange

__all__ = [
    "Recording",
    "contents",
    "crashed_copy",
    "eventually",
    "pieces",
    "recorded_journal",
    "simulated_feed",
    "use_objects",
]

DATASET: Final = "GLBX.MDP3"
SHARD: Final = "0"
METADATA: Final = make_metadata(DATASET, None, 1_758_742_200_000_000_000, mappings={"CLX5": 432669})


@functools.cache
def simulated_feed(records: int = 6_000) -> bytes:
    """MBO, Status and Definition records of a few books."""
    data = b"".join(Exchange(small_exchange(Style.CME, Style.NASDAQ)).run(records))
    return data[: forms.prefix(data, records)]


def pieces(data: bytes, sizes: Iterable[int]) -> Iterable[bytes]:
    """The data in pieces of so many records each; the rest in one."""
    at = 0
    for size in sizes:
        end = at + forms.prefix(memoryview(data)[at:], size)
        if at < end:
            yield data[at:end]
        at = end
    if at < len(data):
        yield data[at:]


class Recording:
    """A journal being written, with the books, definitions and statuses that its heads are made of."""

    def __init__(
        self, folder: Path, store: str = "", *, clock: Callable[[], int] = time.time_ns, **policy: Any
    ) -> None:
        settings: dict[str, Any] = {"takeover_s": 5.0, "sync_s": 0.05, "drain_s": 5.0, **policy}
        policy_of_test = JournalPolicy(**settings)
        self.writer = JournalWriter.open(folder, store, DATASET, SHARD, policy_of_test, clock=clock)
        self.engine = Engine()
        self._latest: dict[bytes, bytes] = {}
        self.recovered = self.writer.recovered
        newest = self.recovered.newest
        if newest is not None:
            self._apply(newest.head())
            for _, data in newest.records(newest.position):
                self._apply(data)
        self.writer.begin(self.writer.position, METADATA, self.head, b"begun")

    @property
    def head(self) -> bytes:
        return b"".join(self._latest.values()) + self.engine.snapshot()

    def put(self, data: bytes) -> None:
        self.writer.append(data, forms.count(data))
        self._apply(data)

    def rotate(self) -> None:
        position = self.writer.position
        self.writer.rotate(position, METADATA, self.head, b"at %d" % position)

    def record(self, data: bytes, *, rotate_every: int) -> None:
        """Put all of it, in pieces of about 100 records, with a new segment every so many records."""
        for number, piece in enumerate(pieces(data, [100] * (forms.count(data) // 100))):
            if number and number % max(1, rotate_every // 100) == 0:
                self.rotate()
            self.put(piece)

    def _apply(self, data: bytes) -> None:
        self.engine.apply(data)
        others = forms.others(data)
        at = 0
        while at < len(others):
            end = at + LENGTH_WORD * others[at]
            if others[at + 1] in (RType.STATUS, RType.INSTRUMENT_DEF):
                self._latest[others[at + 1 : at + 8]] = others[at:end]
            at = end


def contents(reader: JournalReader, position: int = 0) -> bytes:
    """All records from a position on. They must follow one another."""
    parts = []
    for first, data in reader.records(position):
        assert first == position
        position += forms.count(data)
        parts.append(data)
    return b"".join(parts)


def reader_of(folder: Path | None, store: str = "") -> JournalReader:
    """A reader such as another process has."""
    return JournalReader.open(folder, store, DATASET, SHARD)


def crashed_copy(recording: Recording, folder: Path, target: Path) -> Path:
    """What the disk has now, once what was to be closed is: as if the writer were killed then."""
    eventually(lambda: recording.writer.stats.waiting_to_close == 0)
    shutil.copytree(folder, target)
    return target


def eventually(holds: Callable[[], object], timeout_s: float = 15.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def use_objects(objects: Objects) -> None:
    """Put, read, list and delete objects, which is the same in a folder and in a store."""
    assert objects.put_new("a/b/1", b"one")
    assert not objects.put_new("a/b/1", b"another")
    objects.put("a/2", b"two")
    objects.put("a/2", b"second")
    assert [objects.read("a/b/1"), objects.read("a/2", 1, 3), objects.read("a/2", 4)] == [
        b"one",
        b"eco",
        b"nd",
    ]
    assert [each.key for each in objects.listed("a/")] == ["a/2", "a/b/1"]
    assert [each.key for each in objects.listed("a/", after="a/2")] == ["a/b/1"]
    assert objects.folders("a/") == ["a/b/"]
    with pytest.raises(ObjectMissingError):
        objects.read("a/3")
    objects.delete("a/2")
    objects.delete("a/2")
    assert [each.key for each in objects.listed("a/")] == ["a/b/1"]


def recorded_journal(folder: Path) -> Path:
    """A closed journal of six segments of `simulated_feed`, in that folder."""
    recording = Recording(folder)
    recording.record(simulated_feed(), rotate_every=1_000)
    recording.writer.close()
    return folder
