"""Writing DBN files, plain and zstd: whole under their name, or not there at all."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

import databento_dbn
import numpy as np
import zstandard
from numpy.typing import NDArray

from depthcast.dbn.framing import frame
from depthcast.errors import DBNError

STDOUT: Final = "-"
ZSTD_LEVEL: Final = 3


class _Sink(Protocol):
    def write(self, data: memoryview | bytes, /) -> object: ...


class DBNWriter:
    """A DBN file being written; a context manager.

    It is zstd if the path ends in ``.zst``; ``"-"`` is standard output, plain. A file is written beside
    its place, as ``.NAME.PID.part``, and takes its name when the block ends without an error:
    nothing half-written is ever found under the name, and what was there before stays until then. (A pipe
    or device is written directly.)

    Attributes:
        path: the path as given.
        written: bytes of DBN written so far, before compression.

    Raises:
        OSError: the file cannot be made or written.
    """

    def __init__(self, path: str | os.PathLike[str], metadata: databento_dbn.Metadata) -> None:
        self.path = os.fspath(path)
        self.written = 0
        head = metadata.encode()
        self._target = Path(self.path).resolve()  # where a link leads: that is replaced, not the link
        self._part: Path | None = None
        self._file = self._open()
        self._zstd: zstandard.ZstdCompressionWriter | None = None
        if self.path.endswith(".zst"):
            compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
            self._zstd = compressor.stream_writer(self._file, closefd=False)
        self._sink: _Sink = self._zstd or self._file
        try:
            self._put(head)
        except BaseException:
            self.abandon()
            raise

    def write(self, records: bytes | bytearray | memoryview | NDArray[np.generic]) -> None:
        """Append whole records.

        Raises:
            DBNError: they are not whole, well-framed records; none of them was written.
        """
        data = np.frombuffer(records, dtype=np.uint8)
        framing = frame(data, 0, len(data))
        if framing.end < len(data):
            why = framing.broken or "the bytes end inside it"
            raise DBNError(f"cannot write a broken record: {why}", offset=framing.end)
        self._put(data.data)

    def close(self) -> None:
        """Finish the file and give it its name. Closing again does nothing."""
        if self._file.closed:
            return
        if self._zstd is not None:
            self._zstd.flush(zstandard.FLUSH_FRAME)
        self._file.flush()
        if self._part is not None:
            os.fsync(self._file.fileno())
        self._file.close()
        if self._part is not None:
            self._part.replace(self._target)
            self._part = None

    def abandon(self) -> None:
        """Leave things as they were before: nothing under the name, no partial file."""
        with contextlib.suppress(OSError):  # what is still buffered may not fit either
            self._file.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abandon()
            return
        try:
            self.close()
        except BaseException:
            self.abandon()
            raise

    def _open(self) -> BinaryIO:
        if self.path == STDOUT:
            return open(1, "wb", closefd=False)
        if self._target.exists() and not self._target.is_file():
            return self._target.open("wb")
        mark, number = str(os.getpid()), 0
        while True:
            part = self._target.with_name(f".{self._target.name}.{mark}.part")
            try:
                file = part.open("xb")
            except FileExistsError:  # another writer's, or left by one that was killed
                number += 1
                mark = f"{os.getpid()}-{number}"
            else:
                self._part = part
                return file

    def _put(self, data: memoryview | bytes) -> None:
        self._sink.write(data)
        self.written += len(data)


def write_dbn(
    path: str | os.PathLike[str],
    metadata: databento_dbn.Metadata,
    buffers: Iterable[bytes | bytearray | memoryview | NDArray[np.generic]],
) -> int:
    """Write a DBN file of these buffers of whole records, as `DBNWriter` does; the bytes of records written.

    Raises:
        DBNError: a buffer does not hold whole records; the file is not written.
        OSError: the file cannot be made or written.
    """
    with DBNWriter(path, metadata) as writer:
        head = writer.written
        for buffer in buffers:
            writer.write(buffer)
        return writer.written - head
