"""Segments as they are read: closed ones, in a folder or a store, and the open one."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import databento_dbn
import numpy as np
import zstandard

from depthcast.dbn import forms
from depthcast.dbn.framing import frame
from depthcast.dbn.metadata import AS_IS
from depthcast.errors import JournalError
from depthcast.journal.index import Before, Block, Frame, OpenHeader, SegmentIndex, decode
from depthcast.journal.names import SegmentName
from depthcast.journal.objects import ObjectMissingError, Objects, explain, read_exactly
from depthcast.journal.open_segment import header_path

__all__ = ["ClosedSegment", "DamagedSegment", "OpenView", "Segment"]

_READ_BYTES: Final = 1 << 20
_PRELUDE: Final = 8
"""Bytes of DBN before its metadata: "DBN", the version, the metadata's size."""


class Segment(Protocol):
    """A segment being read. Any thread.

    All methods raise JournalError where it is damaged or cannot be read, ObjectMissingError where it is gone:
    closed, or removed because it is in the store.
    """

    @property
    def name(self) -> SegmentName: ...

    @property
    def path(self) -> str:
        """Where it is, for people."""

    @property
    def position(self) -> int:
        """Of its first record."""

    @property
    def end(self) -> int:
        """The position after its last record; of the open one as it is now."""

    @property
    def before(self) -> Before:
        """The latest times of all records before it."""

    @property
    def source_state(self) -> bytes:
        """The newest state of the source that it knows."""

    def metadata(self) -> databento_dbn.Metadata: ...

    def head(self) -> bytes:
        """The latest definitions and statuses, and every book's snapshot, as they were at its beginning."""

    def records(self, begin: int, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        """The feed's records from this position up to, not including, ``end``: (position, whole records)."""


class ClosedSegment:
    """A closed segment (`Segment`), in a folder or a store."""

    def __init__(self, objects: Objects, key: str, index: SegmentIndex) -> None:
        self.objects = objects
        self.key = key
        self.index = index

    @property
    def name(self) -> SegmentName:
        return self.index.name

    @property
    def path(self) -> str:
        return f"{self.objects.url}/{self.key}"

    @property
    def position(self) -> int:
        return self.index.position

    @property
    def end(self) -> int:
        return self.index.end

    @property
    def before(self) -> Before:
        return self.index.before

    @property
    def source_state(self) -> bytes:
        return self.index.source_state if self.index.end_state is None else self.index.end_state

    def metadata(self) -> databento_dbn.Metadata:
        return _metadata(self._unpack(self.index.metadata), self.path)

    def head(self) -> bytes:
        return b"".join(self._unpack(block) for block in self.index.head)

    def position_since(self, start: int) -> int:
        """Of the first frame with a record that a replay from this time (ns) may want; its end if none."""
        wanted = (each.position for each in self.index.frames if each.times.latest_event >= start)
        return next(wanted, self.end)

    def records(self, begin: int, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        until = self.end if end is None else min(end, self.end)
        for each in self.index.frames:
            if each.position >= until:
                return
            if each.position + each.records <= begin:
                continue
            data = self._unpack(Block(each.offset, each.stored_bytes, each.unpacked_bytes, each.records))
            yield from _cut(data, each.position, each.records, begin, until)

    def unpacked(self, run: Sequence[Block | Frame]) -> Iterator[bytes]:
        """What some frames unpack to that follow one another in the file. They are read at once."""
        begin = run[0].offset
        stored = memoryview(self.objects.read(self.key, begin, run[-1].offset + run[-1].stored_bytes - begin))
        for each in run:
            at = each.offset - begin
            yield self._unpacked(each, stored[at : at + each.stored_bytes])

    def _unpack(self, block: Block) -> bytes:
        return self._unpacked(block, self.objects.read(self.key, block.offset, block.stored_bytes))

    def _unpacked(self, block: Block | Frame, stored: bytes | memoryview) -> bytes:
        try:
            size = zstandard.frame_content_size(stored)  # looked at first: a wrong one may ask for any memory
            if size != block.unpacked_bytes:
                raise self._damaged(block, f"it unpacks to {size} bytes, not {block.unpacked_bytes}")
            return zstandard.ZstdDecompressor().decompress(stored)
        except zstandard.ZstdError as error:
            raise self._damaged(block, str(error)) from None

    def _damaged(self, block: Block | Frame, why: str) -> JournalError:
        return JournalError(
            f"the frame at byte {block.offset} is damaged ({why}): take the segment from a copy",
            path=self.path,
        )


class OpenView:
    """An open segment as it can be read now (`Segment`).

    Args:
        file: its path.
        header: its header.
        size: how far its file may be read; None for its whole records as they are there.
    """

    def __init__(self, file: Path, header: OpenHeader, size: int | None = None) -> None:
        self.header = header
        self._file = file
        self._size = size

    @property
    def name(self) -> SegmentName:
        return self.header.name

    @property
    def path(self) -> str:
        return str(self._file)

    @property
    def position(self) -> int:
        return self.header.position

    @property
    def end(self) -> int:
        end = self.position
        for position, data in self.records(self.position):
            end = position + forms.count(data)
        return end

    @property
    def before(self) -> Before:
        return self.header.before

    @property
    def source_state(self) -> bytes:
        return self.header.source_state

    @property
    def size(self) -> int:
        """Of its file."""
        try:
            return self._file.stat().st_size if self._size is None else self._size
        except FileNotFoundError as error:
            raise ObjectMissingError("it was closed", path=self.path) from error

    def metadata(self) -> databento_dbn.Metadata:
        return _metadata(self._read(0, self.header.metadata_bytes), self.path)

    def head(self) -> bytes:
        return self._read(self.header.metadata_bytes, self.header.head_bytes)

    def check(self) -> None:
        """Hold its metadata and its head to its header.

        Raises:
            JournalError: they are not what the header says: damaged, or another file's.
        """
        data = self._read(0, self.header.metadata_bytes)
        metadata = _metadata(data, self.path)
        if len(data) != _PRELUDE + int.from_bytes(data[4:_PRELUDE], "little"):
            raise JournalError("broken metadata (its header states another size)", path=self.path)
        if metadata.dataset != self.header.dataset:
            raise JournalError(
                f"its metadata is of dataset {metadata.dataset}, its header of {self.header.dataset}",
                path=self.path,
            )
        head = self.head()
        framing = frame(np.frombuffer(head, np.uint8), 0, len(head))
        if framing.end != len(head) or forms.count(head) != self.header.head_records:
            raise JournalError("its head is not the records that its header counts", path=self.path)

    def position_since(self, start: int) -> int:  # noqa: ARG002 - it has no index
        """See `ClosedSegment.position_since`."""
        return self.position

    def records(self, begin: int, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        file = self._open()
        try:
            size = os.fstat(file).st_size if self._size is None else self._size
            at, position = self.header.records_offset, self.position
            while at < size and (end is None or position < end):
                data = read_exactly(file, at, min(_READ_BYTES, size - at))
                whole = frame(np.frombuffer(data, np.uint8), 0, len(data)).end
                if whole == 0:  # a record that is being written, or was when its writer was killed
                    return
                data = data[:whole]
                count = forms.count(data)
                yield from _cut(data, position, count, begin, end)
                at += whole
                position += count
        finally:
            os.close(file)

    def _read(self, start: int, length: int) -> bytes:
        file = self._open()
        try:
            data = read_exactly(file, start, length)
        finally:
            os.close(file)
        if len(data) < length:
            raise JournalError("it was cut short while its head was written", path=self.path)
        return data

    def _open(self) -> int:
        try:
            return os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise ObjectMissingError("it was closed", path=self.path) from error
        except OSError as error:
            raise JournalError(explain(error), path=self.path) from error


class DamagedSegment(NamedTuple):
    """A segment whose index or header cannot be read.

    Attributes:
        name: of its file.
        path: of the index or header, for people.
        problem: what is wrong with it.
    """

    name: SegmentName
    path: str
    problem: str

    @property
    def position(self) -> int:
        """Of its first record."""
        return self.name.position


def read_header(file: Path) -> OpenHeader:
    """The header of an open segment's file.

    Raises:
        ObjectMissingError: it was closed meanwhile.
        JournalError: it is damaged.
    """
    path = header_path(file)
    try:
        return decode(OpenHeader, path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise ObjectMissingError("it was closed", path=str(path)) from error
    except OSError as error:
        raise JournalError(explain(error), path=str(path)) from error


def _cut(data: bytes, position: int, count: int, begin: int, end: int | None) -> Iterator[tuple[int, bytes]]:
    """The part of some records that lies between two positions, if any."""
    start = 0
    if begin > position:
        if begin >= position + count:
            return
        start = forms.prefix(data, begin - position)
    stop = len(data)
    if end is not None and end < position + count:
        stop = forms.prefix(data, max(end - position, 0))
    if start < stop:
        yield max(begin, position), data if stop - start == len(data) else data[start:stop]


def _metadata(data: bytes, path: str) -> databento_dbn.Metadata:
    try:
        return databento_dbn.Metadata.decode(data, upgrade_policy=AS_IS)
    except databento_dbn.DBNError as error:
        raise JournalError(f"broken metadata ({error})", path=path) from None
