"""DBN files as bytes for tests and fuzzers, and a plain second opinion on what a reader makes of bytes."""

import datetime as dt
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import databento_dbn
import zstandard

from depthcast.dbn import open_dbn
from depthcast.dbn.layout import HEADER_SIZE, LENGTH_WORD, RType
from depthcast.dbn.metadata import AS_IS
from depthcast.errors import DBNError
from tests.support.records import add, cancel, clear, mbo, other, status

START: Final = 1_758_742_200_000_000_000
"""2025-09-24 19:30 UTC, in ns."""
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
PREFIX_SIZE: Final = 8
SMALLEST_METADATA: Final = 128


class Interval(NamedTuple):
    """A mapping's interval, as databento_dbn takes it."""

    start_date: dt.date
    end_date: dt.date
    symbol: str


class Mapping(NamedTuple):
    """A symbol's mapping, as databento_dbn takes it."""

    raw_symbol: str
    intervals: list[Interval]


def metadata(version: int = 3, **changes: Any) -> databento_dbn.Metadata:
    """Metadata in the layout of a DBN version, made by databento_dbn itself."""
    dates = dt.date(2025, 9, 24), dt.date(2025, 9, 25)
    values: dict[str, Any] = {
        "dataset": "XNAS.ITCH",
        "start": START,
        "stype_in": databento_dbn.SType.RAW_SYMBOL,
        "stype_out": databento_dbn.SType.INSTRUMENT_ID,
        "schema": None,
        "symbols": ["AAPL"],
        "mappings": [Mapping("AAPL", [Interval(*dates, "7")])],
        "version": version,
    }
    return databento_dbn.Metadata(**(values | changes))


def head(version: int = 3) -> bytes:
    """The bytes before the first record."""
    return metadata(version).encode()


def mixed_records() -> list[bytes]:
    """A few records of several types and lengths, as a file of mixed schemas has them."""
    return [
        other(RType.INSTRUMENT_DEF, 520),
        status(7),
        clear(),
        add(1, "B", 64_790_000_000, 5),
        add(2, "A", 64_800_000_000, 3, flags=0),
        other(RType.MBP_1, 80),
        cancel(1, "B", 64_790_000_000, 2),
        mbo("T", "B", 64_800_000_000, 1, ts_out=START),
        other(0x7F, 16),
        other(0xEE, 1020),
        status(8),
        add(3, "A", 64_810_000_000, 7),
    ]


def compress(pieces: Iterable[bytes], *, checksum: bool = True, sized: bool = True) -> bytes:
    """Each piece as a zstd frame of its own, one after another."""
    compressor = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=sized)
    return b"".join(compressor.compress(piece) for piece in pieces)


def skippable(content: bytes) -> bytes:
    """A zstd frame that decompressors pass over."""
    return b"\x5a\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


class ShortReads(io.RawIOBase):
    """A stream that gives at most so many bytes at a time, by turns, as a socket or pipe does."""

    def __init__(self, data: bytes, sizes: Sequence[int] = (1 << 20,)) -> None:
        self._data = data
        self._sizes = sizes
        self._at = 0
        self._turn = 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        size = min(
            max(1, self._sizes[self._turn % len(self._sizes)]), len(target), len(self._data) - self._at
        )
        target[:size] = self._data[self._at : self._at + size]
        self._turn += 1
        self._at += size
        return size


class Verdict(NamedTuple):
    """What a reader hands out and where it then fails: ``error_offset`` is None if it does not.

    ``opened`` is False where the file fails before its first record, ``in_broken_block`` is True where the
    decompressed bytes may end inside a zstd block that is broken in itself.
    """

    records: bytes
    error_offset: int | None
    opened: bool = True
    in_broken_block: bool = False


def read(data: bytes, sizes: Sequence[int] = (1 << 20,), chunk_size: int = 4096) -> Verdict:
    """What the reader makes of these bytes, whatever they are. Any error but `DBNError` is a failure."""
    stream = ShortReads(data, sizes)
    try:
        reader = open_dbn(stream)  # type: ignore[arg-type]
    except DBNError as error:
        return Verdict(b"", error.offset, opened=False)
    found = bytearray()
    with reader:
        begin = reader.offset
        try:
            for chunk in reader.chunks(chunk_size):
                assert 0 < len(chunk) <= chunk_size
                assert whole(chunk), "a chunk ends inside a record"
                assert reader.offset == begin + len(found) + len(chunk)
                found += chunk
        except DBNError as error:
            return Verdict(bytes(found), error.offset)
        assert reader.consumed == len(data)
        return Verdict(bytes(found), None)


def check_reader(data: bytes, sizes: Sequence[int] = (1 << 20,), chunk_size: int = 1 << 18) -> Verdict:
    """The reader must make of these bytes what `judge` does; its verdict.

    Only of a zstd block that is broken in itself may it have less than `judge`, which may have a part of it.
    """
    expected = judge(data)
    found = read(data, sizes, chunk_size)
    if expected.in_broken_block and found != expected:
        assert found.error_offset is not None
        assert expected.records.startswith(found.records)
        assert expected.error_offset is None or found.error_offset <= expected.error_offset
        return found
    assert found.opened == expected.opened
    assert found.records == expected.records
    if expected.opened:
        assert found.error_offset == expected.error_offset
    else:
        assert found.error_offset is not None
        assert is_zstd(data) or found.error_offset <= len(data)
    return found


def judge(data: bytes) -> Verdict:
    """What a reader must make of these bytes, by the plainest means."""
    clean, in_broken_block = True, False
    if is_zstd(data):
        data, clean, in_broken_block = decompress(data)
    size = metadata_size(data)
    if size is None:
        return Verdict(b"", None, opened=False, in_broken_block=in_broken_block)
    at = size
    error_offset = None if clean else len(data)
    while at < len(data):
        length = data[at] * LENGTH_WORD
        is_mbo = at + 1 < len(data) and data[at + 1] == RType.MBO
        if length < HEADER_SIZE or (is_mbo and length not in (56, 64)):
            error_offset = at
            break
        if at + length > len(data):
            error_offset = at if clean else len(data)
            break
        at += length
    return Verdict(data[size:at], error_offset, in_broken_block=in_broken_block)


def whole(chunk: memoryview) -> bool:
    """Whether a chunk ends where a record ends."""
    at = 0
    while at < len(chunk):
        at += max(chunk[at], 4) * LENGTH_WORD
    return at == len(chunk)


def metadata_size(data: bytes) -> int | None:
    """Where the metadata ends; None if it is broken or cut short."""
    if len(data) < PREFIX_SIZE or data[:3] != b"DBN" or data[3] not in (1, 2, 3):
        return None
    size = PREFIX_SIZE + int.from_bytes(data[4:PREFIX_SIZE], "little")
    if size > len(data) or size < SMALLEST_METADATA:
        return None
    try:
        databento_dbn.Metadata.decode(data[:size], upgrade_policy=AS_IS)
    except databento_dbn.DBNError:
        return None
    return size


def is_zstd(data: bytes) -> bool:
    return data[:4] == ZSTD_MAGIC or is_skippable(data[:4])


def is_skippable(magic: bytes) -> bool:
    return len(magic) == 4 and 0x50 <= magic[0] <= 0x5F and magic[1:] == b"\x2a\x4d\x18"


class Decompressed(NamedTuple):
    """All that could be decompressed; whether it ended well, and if not, whether a broken block was why."""

    data: bytes
    clean: bool
    in_broken_block: bool


def decompress(data: bytes) -> Decompressed:
    """All that can be had from zstd frames."""
    found = bytearray()
    at = 0
    while at < len(data):
        if is_skippable(data[at : at + 4]):
            at += 8 + int.from_bytes(data[at + 4 : at + 8].ljust(4, b"\xff"), "little")
            if at > len(data):
                return Decompressed(bytes(found), clean=False, in_broken_block=False)
            continue
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:  # a byte first: zstd holds a frame that it is given whole to other rules than one in a stream
            piece = frame.decompress(data[at : at + 1]) + frame.decompress(data[at + 1 :])
        except zstandard.ZstdError:
            return Decompressed(bytes(found) + up_to_the_error(data[at:]), clean=False, in_broken_block=True)
        found += piece
        size = zstandard.get_frame_parameters(data[at:]).content_size if frame.eof else -1
        if size not in {len(piece), zstandard.CONTENTSIZE_UNKNOWN}:
            return Decompressed(bytes(found), clean=False, in_broken_block=False)
        at = len(data) - len(frame.unused_data)
    return Decompressed(bytes(found), clean=True, in_broken_block=False)


def up_to_the_error(frame: bytes) -> bytes:
    """What can be had from a broken zstd frame, given a byte at a time."""
    found = bytearray()
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    try:
        for at in range(len(frame)):
            found += decompressor.decompress(frame[at : at + 1])
    except zstandard.ZstdError:
        pass
    return bytes(found)
