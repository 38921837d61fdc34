"""The segment being written: a plain DBN file that only grows, so that what was written survives a kill.

Its header is a small file beside it. A call that fails leaves the segment as it was before.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from depthcast.dbn import forms
from depthcast.errors import JournalError
from depthcast.journal.index import Before, OpenHeader, Times, encode
from depthcast.journal.names import OPEN, OPEN_HEADER
from depthcast.journal.objects import explain, make_folder, read_exactly, sync_folder

__all__ = ["OpenSegment"]

_COPY_BYTES: Final = 1 << 20


class OpenSegment:
    """An open segment being appended to, by one thread. Made by `create`.

    Attributes:
        header: what it begins with.
        path: its file.
        size: bytes written: other threads may read so far.
        records: of the feed.
        times: of these records.
    """

    def __init__(self, file: int, path: Path, header: OpenHeader) -> None:
        self.header = header
        self.path = path
        self.size = header.records_offset
        self.records = 0
        self.times = Times()
        self._file = file
        self._synced_size = 0
        self._named = False
        self._distrust = False

    @classmethod
    def create(cls, folder: Path, header: OpenHeader, metadata: bytes, head: bytes) -> "OpenSegment":
        """Begin a segment in this folder.

        Raises:
            JournalError: it cannot be written; nothing is left of it.
        """
        path = folder / f"{header.name}{OPEN}"
        beside = header_path(path)
        file = -1
        try:
            make_folder(folder)
            beside.write_bytes(encode(header))
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            _write(file, metadata, 0)
            _write(file, head, len(metadata))
        except OSError as error:
            if file >= 0:
                os.close(file)
            for left in (path, beside):
                with contextlib.suppress(OSError):
                    left.unlink(missing_ok=True)
            raise JournalError(explain(error), path=str(path)) from error
        return cls(file, path, header)

    @property
    def position(self) -> int:
        """The position after its last record."""
        return self.header.position + self.records

    @property
    def after(self) -> Before:
        """The latest times of the journal up to here."""
        return self.header.before.then(self.times)

    def append(self, data: bytes, records: int) -> None:
        """Append whole records, all or none.

        Raises:
            JournalError: they were not written; the same call may be tried again.
            RecordError: they are not whole records.
            ValueError: there are not so many.
        """
        span = forms.span(data)
        if span.count != records:
            raise ValueError(f"{span.count} records were given, said to be {records}")
        times = self.times | Times.of(span)
        try:
            _write(self._file, data, self.size)
        except OSError as error:
            with contextlib.suppress(OSError):  # written over at the next try, cut off by a recovery
                os.ftruncate(self._file, self.size)
            raise JournalError(explain(error), path=str(self.path)) from error
        self.times = times
        self.records += records
        self.size += len(data)

    def sync(self) -> None:
        """Bring everything written to the disk.

        Raises:
            JournalError: that failed. It may be tried again: what was written since the last sync is written
                once more then, since the system forgets after one failure what it could not store.
        """
        try:
            if self._distrust:
                self._write_again()
            self._distrust = True
            os.fdatasync(self._file)
            if not self._named:
                with header_path(self.path).open("rb") as header:
                    os.fsync(header.fileno())
                sync_folder(self.path.parent)
                self._named = True
        except OSError as error:
            raise JournalError(explain(error), path=str(self.path)) from error
        self._distrust = False
        self._synced_size = self.size

    def close(self) -> None:
        """Close the file; it stays where it is."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """Close it and remove it and its header."""
        self.close()
        remove_open(self.path)

    def _write_again(self) -> None:
        at = self._synced_size
        while at < self.size:
            piece = read_exactly(self._file, at, min(_COPY_BYTES, self.size - at))
            if not piece:
                raise OSError(5, "written bytes are gone")
            _write(self._file, piece, at)
            at += len(piece)


def header_path(path: Path) -> Path:
    """Where the header of an open segment's file is."""
    return path.with_name(path.name.removesuffix(OPEN) + OPEN_HEADER)


def remove_open(path: Path) -> None:
    """Remove an open segment's file, then its header."""
    try:
        path.unlink(missing_ok=True)
        header_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise JournalError(explain(error), path=str(path)) from error


def _write(file: int, data: bytes, offset: int) -> None:
    written = os.pwrite(file, data, offset)
    if written < len(data):  # a full disk, a limit: the next write says which
        view = memoryview(data)
        while written < len(data):
            written += os.pwrite(file, view[written:], offset + written)
