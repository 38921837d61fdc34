"""Reading DBN, in whole records, from files and streams, plain and zstd."""

import io
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Final, Self

import databento_dbn
import numpy as np

from depthcast.dbn.framing import MAX_RECORD_SIZE, frame
from depthcast.dbn.layout import LENGTH_WORD
from depthcast.dbn.metadata import AS_IS, DBN_VERSION
from depthcast.dbn.source import ByteSource, RawSource, ZstdSource, is_zstd
from depthcast.errors import DBNError

STDIN: Final = "-"
CHUNK_SIZE: Final = 256 * 1024
"""Bytes of a chunk unless asked otherwise: small enough to stay in a core's cache until it is applied."""

METADATA_MIN: Final = 120
"""Bytes of metadata after those that tell its length, in any version, when all its lists are empty."""

METADATA_LIMIT: Final = 512 * 1024 * 1024
"""The longest metadata that is read. A file of all of a large venue's symbols has some 250 MB of mappings."""

_MAGIC: Final = b"DBN"
_PREFIX_SIZE: Final = 8
_GZIP_MAGIC: Final = b"\x1f\x8b"


def open_dbn(source: str | os.PathLike[str] | BinaryIO, *, sha256: bool = False) -> "DBNReader":
    """Open DBN for reading: a path, ``"-"`` for standard input, or a binary stream (the caller's to close).

    Compression is told by the first bytes, not by the name. The metadata is read at once.

    Args:
        source: where the bytes are.
        sha256: whether to hash the stored bytes (compressed if they are) while they are read.

    Raises:
        DBNError: the bytes are not DBN of version 1 to 3, or their metadata is broken.
        OSError: the file cannot be opened or read.
    """
    if not isinstance(source, str | os.PathLike):
        name = getattr(source, "name", None)
        return DBNReader(source, name if isinstance(name, str) else "<stream>", sha256=sha256)
    path = os.fspath(source)
    stream = io.FileIO(0, closefd=False) if path == STDIN else io.FileIO(path)
    try:
        return DBNReader(stream, path, size=_size_on_disk(stream.fileno()), sha256=sha256, owned=True)
    except BaseException:
        stream.close()
        raise


class DBNReader:
    """DBN being read. Made by `open_dbn`; close it, or use it as a context manager.

    Attributes:
        path: the file, ``"-"`` for standard input, or a stream's name.
        metadata: the file's own, not upgraded to a newer version.
        version: 1, 2 or 3.
        size: bytes of the file on disk, None where that is not known.
        compressed: whether it is zstd.
    """

    def __init__(
        self,
        stream: BinaryIO | io.FileIO,
        path: str,
        *,
        size: int | None = None,
        sha256: bool = False,
        owned: bool = False,
    ) -> None:
        self.path = path
        self.size = size
        self._stream = stream
        self._owned = owned
        self._raw = RawSource(stream, sha256=sha256)
        self._carry = b""
        self._ended = False
        self._failure: tuple[str, int | None] | None = None
        """What is wrong and where. Not the error: with its traceback it would keep this reader alive."""
        self._sha256: str | None = None
        try:
            magic = self._raw.peek(4)
            self.compressed = is_zstd(magic)
            self._source: ByteSource = ZstdSource(self._raw, path) if self.compressed else self._raw
            head = self._read_metadata()
        except BaseException:
            self._raw.close()
            raise
        self.version = head[len(_MAGIC)]
        self._offset = len(head)
        try:
            self.metadata = databento_dbn.Metadata.decode(head, upgrade_policy=AS_IS)
        except databento_dbn.DBNError as error:
            self._raw.close()
            raise DBNError(f"broken metadata ({error})", path=path, offset=_PREFIX_SIZE) from None

    @property
    def consumed(self) -> int:
        """Bytes read so far, as they are stored: `size` at the end."""
        return self._raw.consumed

    @property
    def offset(self) -> int:
        """Where the first record not yet handed out begins, in the decompressed stream.

        The chunk handed out last began at ``offset - len(chunk)``.
        """
        return self._offset

    @property
    def sha256(self) -> str:
        """The hash of all the stored bytes, in hex.

        What is left of the file is read for it: ask when done with the records, however far that is.

        Raises:
            ValueError: it was not asked for in `open_dbn`.
        """
        if self._raw.hasher is None:
            raise ValueError("the hash was not asked for: open_dbn(..., sha256=True)")
        if self._sha256 is None:
            self._raw.drain()
            self._sha256 = self._raw.hasher.hexdigest()
        return self._sha256

    def chunks(self, size: int = CHUNK_SIZE) -> Iterator[memoryview]:
        """The records that follow, in order, as buffers of whole records of at most ``size`` bytes.

        A buffer is valid until the next is asked for. A stream's bytes are handed on as they come.

        Raises:
            DBNError: after all good records were handed out: a record is broken, or the file ends inside one.
                ``offset`` is where it begins in the decompressed stream.
            ValueError: ``size`` is less than the longest record may be (1,020 bytes), or the rest of the file
                was read for its `sha256`.
        """
        if size < MAX_RECORD_SIZE:
            raise ValueError(f"a chunk must have room for a record of {MAX_RECORD_SIZE} bytes, not {size}")
        view = memoryview(bytearray(size))
        data = np.frombuffer(view, dtype=np.uint8)
        readable = view.toreadonly()
        while self._failure is None and not self._ended:
            if self._sha256 is not None:
                raise ValueError("the rest of the file was read for its hash: its records are gone")
            held = len(self._carry)
            view[:held] = self._carry
            try:
                got = self._source.readinto(view[held:])
            except DBNError as error:
                self._failure = error.reason, error.offset
                break
            if got == 0:
                self._ended = True
                if held:
                    self._failure = self._cut_short(), self._offset
                break
            whole, broken = frame(data, 0, held + got)
            self._carry = bytes(view[whole : held + got])
            self._offset += whole
            if broken is not None:
                self._carry = b""
                self._failure = f"broken record: {broken}", self._offset
            if whole:
                yield readable[:whole]
        if self._failure is not None:
            reason, offset = self._failure
            raise DBNError(reason, path=self.path, offset=offset)

    def close(self) -> None:
        """Close the file, if `open_dbn` opened it."""
        self._raw.close()
        if self._owned:
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _cut_short(self) -> str:
        has, needs = len(self._carry), self._carry[0] * LENGTH_WORD
        return f"the file is cut short: it ends {has} bytes into a record of {needs}"

    def _read_metadata(self) -> bytes:
        """The metadata's bytes, prefix included, checked as far as its length."""
        prefix = self._read_exactly(_PREFIX_SIZE, b"")
        version, length = prefix[len(_MAGIC)], int.from_bytes(prefix[4:], "little")
        if not 1 <= version <= DBN_VERSION:
            message = f"DBN version {version}; this reads 1 to {DBN_VERSION}"
            raise DBNError(message, path=self.path, offset=len(_MAGIC))
        left = METADATA_LIMIT if self.compressed or self.size is None else self.size - _PREFIX_SIZE
        if length < METADATA_MIN:  # databento_dbn panics on some of these
            message = f"the metadata is said to have {length} bytes; it has at least {METADATA_MIN}"
            raise DBNError(message, path=self.path, offset=4)
        if length > min(left, METADATA_LIMIT):
            message = f"the metadata is said to have {length} bytes, the file has {left} more"
            raise DBNError(message, path=self.path, offset=4)
        return self._read_exactly(_PREFIX_SIZE + length, prefix)

    def _read_exactly(self, count: int, begun: bytes) -> bytes:
        """``begun`` and what follows, ``count`` bytes in all. The magic is checked as soon as it is there."""
        found = bytearray(begun)
        while len(found) < count:
            target = memoryview(bytearray(min(count - len(found), CHUNK_SIZE)))
            got = self._source.readinto(target)
            found += target[:got]
            if not found:
                raise DBNError("the file is empty", path=self.path, offset=0)
            if found[: len(_MAGIC)] != _MAGIC[: len(found)]:
                raise DBNError(_not_dbn(bytes(found[:4]), self.compressed), path=self.path, offset=0)
            if got == 0:
                message = "the file is cut short: it ends in its metadata"
                raise DBNError(message, path=self.path, offset=len(found))
        return bytes(found)


def _not_dbn(begins: bytes, compressed: bool) -> str:
    if compressed:
        return f"zstd data that is not DBN: it begins with {begins!r}, not {_MAGIC!r}"
    if begins[: len(_GZIP_MAGIC)] == _GZIP_MAGIC:
        return "a gzip file, not DBN: DBN is plain or zstd"
    return f"not DBN: it begins with {begins!r}, not {_MAGIC!r} (nor with a zstd frame)"


def _size_on_disk(file: int) -> int | None:
    """The size of an open file, None for pipes and the like."""
    status = os.fstat(file)
    return status.st_size if stat.S_ISREG(status.st_mode) else None
