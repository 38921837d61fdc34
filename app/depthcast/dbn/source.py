"""Bytes from a file or stream: read in blocks, decompressed if they are zstd, counted and hashed."""

import hashlib
import io
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Final, Protocol

import zstandard

from depthcast.errors import DBNError

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGIC: Final = b"\x2a\x4d\x18"
"""Bytes 1 to 3 of a skippable zstd frame; byte 0 is 0x50 to 0x5f (RFC 8878, 3.1.2)."""
_BLOCK_LIMIT: Final = 128 * 1024
_BLOCK_RAW: Final = 0
_BLOCK_RLE: Final = 1
_BLOCK_RESERVED: Final = 3
_READ_SIZE: Final = 256 * 1024
_HASH_SIZE: Final = 256 * 1024
_HASH_AHEAD: Final = 8


def is_zstd(magic: bytes) -> bool:
    """Whether a file that begins with these bytes (at least 4) is zstd: a frame, or a skippable one first."""
    return magic[:4] == ZSTD_MAGIC or _is_skippable(magic[:4])


def _is_skippable(magic: bytes) -> bool:
    return magic[1:] == _SKIPPABLE_MAGIC and magic[0] >> 4 == 5


class ByteSource(Protocol):
    """Where a reader's decompressed bytes come from."""

    def readinto(self, target: memoryview) -> int:
        """Fill the front of ``target``; how many bytes, 0 at the end.

        Raises:
            DBNError: the bytes are broken here; all before them were delivered.
        """
        ...


class Hasher:
    """SHA-256 computed in a thread beside the reading (hashlib releases the GIL)."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sha256")
        self._queued: deque[Future[None]] = deque()
        self._small = bytearray()

    def update(self, piece: memoryview) -> None:
        """Take the next bytes. They are copied, so the caller may reuse its buffer."""
        self._small += piece
        if len(self._small) >= _HASH_SIZE:
            self._flush()

    def _flush(self) -> None:
        while len(self._queued) >= _HASH_AHEAD:
            self._queued.popleft().result()
        self._queued.append(self._pool.submit(self._sha256.update, self._small))
        self._small = bytearray()

    def hexdigest(self) -> str:
        """The hash of everything taken so far."""
        self._flush()
        while self._queued:
            self._queued.popleft().result()
        return self._sha256.hexdigest()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


class RawSource:
    """The bytes as they are stored. ``consumed`` counts those read; the first can be looked at beforehand."""

    def __init__(self, stream: BinaryIO | io.FileIO, *, sha256: bool) -> None:
        self.consumed = 0
        self.hasher = Hasher() if sha256 else None
        self._stream = stream
        self._readinto = getattr(stream, "readinto", None)
        self._ahead = b""

    def peek(self, count: int) -> bytes:
        """The first ``count`` bytes, fewer if there are no more; they are still to be read."""
        while len(self._ahead) < count:
            target = bytearray(count - len(self._ahead))
            got = self._read(memoryview(target))
            if got == 0:
                break
            self._ahead += bytes(target[:got])
        return self._ahead

    def readinto(self, target: memoryview) -> int:
        if self._ahead:
            got = min(len(target), len(self._ahead))
            target[:got] = self._ahead[:got]
            self._ahead = self._ahead[got:]
            return got
        return self._read(target)

    def _read(self, target: memoryview) -> int:
        if self._readinto is not None:
            got = self._readinto(target)
        else:
            piece = self._stream.read(len(target))
            got = None if piece is None else len(piece)
            target[:got] = piece or b""
        if got is None:
            raise BlockingIOError("the stream does not wait for its bytes; open it in blocking mode")
        self.consumed += got
        if self.hasher is not None and got:
            self.hasher.update(target[:got])
        return int(got)

    def drain(self) -> None:
        """Read what is left, for the hash's sake."""
        target = memoryview(bytearray(_READ_SIZE))
        while self.readinto(target):
            pass

    def close(self) -> None:
        """Stop hashing. The stream is its owner's to close."""
        if self.hasher is not None:
            self.hasher.close()


class _Buffered(io.RawIOBase):
    """A `RawSource` as the io classes want it."""

    def __init__(self, raw: RawSource) -> None:
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        return self._raw.readinto(target)


class ZstdSource:
    """The decompressed bytes of one or more zstd frames (RFC 8878), skippable frames among them.

    Blocks are handed to the decompressor one at a time. So memory stays bounded whatever the bytes say (a
    block holds at most 128 KiB), a stream that ends inside a frame is noticed, and all before a broken
    block is delivered.
    """

    def __init__(self, raw: RawSource, path: str) -> None:
        self._compressed = io.BufferedReader(_Buffered(raw), _READ_SIZE)
        self._path = path
        self._decompressor = zstandard.ZstdDecompressor()
        self._frame = self._decompressor.decompressobj()
        self._in_frame = False
        self._has_checksum = False
        self._has_size = False
        self._frame_left = 0
        self._at_checksum = False
        self._ready = memoryview(b"")
        self._delivered = 0
        self._taken = 0

    def readinto(self, target: memoryview) -> int:
        while not self._ready:
            piece = self._next_piece()
            if piece is None:
                return 0
            self._ready = memoryview(piece)
        got = min(len(target), len(self._ready))
        target[:got] = self._ready[:got]
        self._ready = self._ready[got:]
        self._delivered += got
        return got

    def _next_piece(self) -> bytes | None:
        """A block's bytes; empty for what lies between blocks; None at the end of the stream."""
        if not self._in_frame:
            return b"" if self._open_frame() else None
        if self._at_checksum:
            return self._close_frame()
        head = self._take(3)
        word = int.from_bytes(head, "little")
        kind, size = word >> 1 & 3, word >> 3
        if kind == _BLOCK_RESERVED or size > _BLOCK_LIMIT:
            raise self._error("a broken zstd block header")
        stored = 1 if kind == _BLOCK_RLE else size
        # What is there of a raw block that is cut short is good; taking the next block will fail.
        body = self._take_up_to(stored) if kind == _BLOCK_RAW else self._take(stored)
        piece = self._decompress(head + body)
        self._frame_left -= len(piece)
        if self._has_size and self._frame_left < 0:
            raise self._error("a zstd frame of another size than it says")
        self._at_checksum = bool(word & 1) and len(body) == stored
        return piece

    def _open_frame(self) -> bool:
        """Begin the next frame; False if there is none."""
        magic = self._take_up_to(4)
        if not magic:
            return False
        if _is_skippable(magic):
            left = int.from_bytes(self._take(4), "little")
            while left:
                left -= len(self._take(min(left, _READ_SIZE)))
            return True
        if magic != ZSTD_MAGIC:
            self._taken -= len(magic)
            raise self._error("the bytes after a zstd frame are not another one")
        head = magic + self._take(2)
        try:
            head += self._take(zstandard.frame_header_size(head) - len(head))
            parameters = zstandard.get_frame_parameters(head)
        except zstandard.ZstdError as error:
            raise self._error(f"a broken zstd frame header ({error})") from None
        self._has_checksum = parameters.has_checksum
        self._has_size = parameters.content_size != zstandard.CONTENTSIZE_UNKNOWN
        self._frame_left = parameters.content_size
        self._at_checksum = False
        self._in_frame = True
        self._frame = self._decompressor.decompressobj()
        self._decompress(head)
        return True

    def _close_frame(self) -> bytes:
        piece = self._decompress(self._take(4)) if self._has_checksum else b""
        if self._has_size and self._frame_left != 0:  # the decompressor does not always see to it
            raise self._error("a zstd frame of another size than it says")
        self._in_frame = False
        return piece

    def _take(self, count: int) -> bytes:
        piece = self._take_up_to(count)
        if len(piece) < count:
            raise self._error("the zstd stream is cut short")
        return piece

    def _take_up_to(self, count: int) -> bytes:
        piece = self._compressed.read(count)
        self._taken += len(piece)
        return piece

    def _decompress(self, piece: bytes) -> bytes:
        try:
            return self._frame.decompress(piece)
        except zstandard.ZstdError as error:
            raise self._error(f"broken zstd data ({error})") from None

    def _error(self, what: str) -> DBNError:
        message = f"{what}, at byte {self._taken} of the compressed file"
        return DBNError(message, path=self._path, offset=self._delivered)
