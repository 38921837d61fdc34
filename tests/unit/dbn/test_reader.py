"""Opening and reading: versions, compression, streams, errors with file and offset, the hash."""

import contextlib
import gc
import hashlib
import io
import os
import subprocess
import sys
import tracemalloc
import weakref
from pathlib import Path
from typing import Any

import databento_dbn
import pytest
import zstandard

from depthcast.dbn import DBNReader, open_dbn
from depthcast.dbn.framing import MAX_RECORD_SIZE
from depthcast.errors import DBNError
from tests.support.dbn_files import ShortReads, compress, head, metadata, mixed_records, skippable
from tests.support.records import add

RECORDS = b"".join(mixed_records())
FILE = head() + RECORDS


def drain(reader: DBNReader) -> bytes:
    return b"".join(bytes(chunk) for chunk in reader.chunks())


def read(source: Any) -> bytes:
    with open_dbn(source) as reader:
        return drain(reader)


def failure(source: Any) -> DBNError:
    with pytest.raises(DBNError) as caught:
        read(source)
    return caught.value


@pytest.mark.parametrize("version", [1, 2, 3])
def test_each_version_as_it_is(version: int, tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(head(version) + RECORDS)
    with open_dbn(path) as reader:
        assert (reader.version, reader.metadata.version) == (version, version)
        assert reader.metadata.mappings == metadata().mappings
        assert reader.path == str(path)
        assert reader.size == path.stat().st_size
        assert not reader.compressed
        assert reader.offset == len(head(version))
        assert drain(reader) == RECORDS
        assert reader.offset == reader.consumed == reader.size


@pytest.mark.parametrize("version", [1, 2, 3])
def test_files_transcoded_by_databento(version: int, tmp_path: Path) -> None:
    policy: Any = databento_dbn.VersionUpgradePolicy
    compression: Any = databento_dbn.Compression
    encoding: Any = databento_dbn.Encoding
    records = b"".join(add(n, "B", n, 1) for n in range(1, 50))
    for kind in (compression.NONE, compression.ZSTD):
        path = tmp_path / "transcoded"
        with path.open("wb") as file:
            transcoder = databento_dbn.Transcoder(file, encoding.DBN, kind, upgrade_policy=policy.AS_IS)
            transcoder.write(head(version) + records)
            transcoder.flush()
            del transcoder
        with open_dbn(path) as reader:
            assert reader.version == version
            assert reader.compressed == (kind == compression.ZSTD)
            assert drain(reader) == records


@pytest.mark.parametrize(
    "name", ["CLX5_mbo.dbn", "esm4-20240508.mbo.dbn.zst", "esm4-20240508.v1.mbo.dbn.zst"]
)
def test_real_files_as_databento_decodes_them(name: str, data_dir: Path) -> None:
    path = data_dir / name
    data = path.read_bytes()
    with open_dbn(path, sha256=True) as reader:
        records = drain(reader)
        assert reader.sha256 == hashlib.sha256(data).hexdigest()
        assert reader.version == (1 if ".v1." in name else 3)
    if name.endswith(".zst"):
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True).read()
    as_is: Any = databento_dbn.VersionUpgradePolicy.AS_IS
    decoder = databento_dbn.DBNDecoder(upgrade_policy=as_is)
    decoder.write(data)
    theirs = [bytes(record) for record in decoder.decode() if not isinstance(record, databento_dbn.Metadata)]
    assert records == b"".join(theirs)


def test_compression_is_told_by_the_bytes(tmp_path: Path) -> None:
    misnamed = tmp_path / "plain.dbn"
    misnamed.write_bytes(compress([FILE]))
    assert read(misnamed) == RECORDS
    misnamed.write_bytes(FILE)
    assert read(misnamed.rename(tmp_path / "packed.dbn.zst")) == RECORDS


@pytest.mark.parametrize("checksum", [True, False])
def test_many_frames_with_skippable_ones_between(checksum: bool) -> None:
    frames = [compress([FILE[n : n + 100]], checksum=checksum) for n in range(0, len(FILE), 100)]
    packed = skippable(b"index") + skippable(b"").join(frames) + skippable(bytes(5000))
    with open_dbn(io.BytesIO(packed)) as reader:
        assert reader.compressed
        assert reader.size is None
        assert drain(reader) == RECORDS
        assert reader.consumed == len(packed)


def test_a_stream_of_short_reads_and_a_stream_that_only_reads() -> None:
    assert read(ShortReads(FILE, [1, 2, 3, 50])) == RECORDS

    class OnlyRead:
        def __init__(self) -> None:
            self.read = io.BytesIO(FILE).read

    assert read(OnlyRead()) == RECORDS


def test_a_stream_is_handed_on_as_it_comes() -> None:
    reading, writing = os.pipe()
    record = add(1, "B", 1, 1)
    with io.FileIO(reading) as stream, io.FileIO(writing, "w") as peer:
        peer.write(head())
        with open_dbn(stream) as reader:
            chunks = reader.chunks()
            peer.write(record + record[:10])
            assert bytes(next(chunks)) == record
            peer.write(record[10:])
            assert bytes(next(chunks)) == record
            peer.close()
            assert next(chunks, None) is None
        assert not stream.closed


def test_a_stream_that_does_not_wait_is_refused() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with (
        io.FileIO(reading) as stream,
        io.FileIO(writing, "w"),
        pytest.raises(BlockingIOError, match="blocking mode"),
    ):
        open_dbn(stream)


def test_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "file.dbn"
    path.write_bytes(FILE)
    code = (
        "from depthcast.dbn import open_dbn\n"
        "with open_dbn('-', sha256=True) as r: print(sum(map(len, r.chunks())), r.path, r.size, r.sha256)\n"
    )
    digest = hashlib.sha256(FILE).hexdigest()
    with path.open("rb") as file:
        done = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, check=True)
    assert done.stdout.decode().split() == [str(len(RECORDS)), "-", str(len(FILE)), digest]
    done = subprocess.run([sys.executable, "-c", code], input=FILE, capture_output=True, check=True)
    assert done.stdout.decode().split() == [str(len(RECORDS)), "-", "None", digest]


def test_chunks_of_any_size_hold_whole_records() -> None:
    for size in (MAX_RECORD_SIZE, 1024, 1500, 1 << 20):
        with open_dbn(io.BytesIO(FILE)) as reader:
            sizes = [len(chunk) for chunk in reader.chunks(size)]
        assert sum(sizes) == len(RECORDS)
        assert max(sizes) <= size


def test_a_chunk_that_cannot_hold_every_record_is_refused() -> None:
    with open_dbn(io.BytesIO(FILE)) as reader, pytest.raises(ValueError, match="1020 bytes, not 1019"):
        next(reader.chunks(MAX_RECORD_SIZE - 1))


def test_chunks_are_read_only() -> None:
    with open_dbn(io.BytesIO(FILE)) as reader:
        assert next(reader.chunks()).readonly


def test_reading_goes_on_where_another_loop_left_off() -> None:
    with open_dbn(io.BytesIO(FILE)) as reader:
        first = bytes(next(reader.chunks(1020)))
        assert reader.offset == len(head()) + len(first)
        assert first + b"".join(bytes(chunk) for chunk in reader.chunks(4096)) == RECORDS


def test_a_broken_record_is_named_after_the_good_ones(tmp_path: Path) -> None:
    path = tmp_path / "broken.dbn"
    path.write_bytes(FILE + bytes([2, 0xA0]) + FILE)
    with open_dbn(path) as reader:
        found: list[bytes] = []
        with pytest.raises(DBNError) as caught:
            found.extend(bytes(chunk) for chunk in reader.chunks())
        assert b"".join(found) == RECORDS
        assert reader.offset == caught.value.offset == len(FILE)
        with pytest.raises(DBNError):  # it does not go away
            next(reader.chunks())
    assert str(caught.value) == (
        f"{path}: byte {len(FILE)}: broken record: a record of 8 bytes, less than its 16-byte header"
    )


def test_a_file_cut_inside_a_record(tmp_path: Path) -> None:
    path = tmp_path / "cut.dbn"
    path.write_bytes(FILE[:-1])
    error = failure(path)
    assert error.offset == len(FILE) - 56
    assert error.path == str(path)
    assert "ends 55 bytes into a record of 56" in str(error)


def test_a_file_cut_inside_its_metadata() -> None:
    error = failure(io.BytesIO(FILE[:60]))
    assert (error.path, error.offset) == ("<stream>", 60)
    assert "ends in its metadata" in str(error)


@pytest.mark.parametrize(
    ("data", "offset", "words"),
    [
        (b"", 0, "the file is empty"),
        (b"PK\x03\x04 and so on", 0, r"not DBN: it begins with b'PK\x03\x04'"),
        (b"D", 1, "cut short"),
        (b"\x1f\x8b\x08\x00gzip", 0, "a gzip file"),
        (compress([b"CSV,not,DBN"]), 0, "zstd data that is not DBN: it begins with b'CSV,'"),
        (compress([b""]), 0, "the file is empty"),
        (b"DBN\x00" + bytes(200), 3, "DBN version 0; this reads 1 to 3"),
        (b"DBN\x04" + bytes(200), 3, "DBN version 4"),
        (b"DBN\x03\x66\x00\x00\x00" + bytes(200), 4, "said to have 102 bytes; it has at least 120"),
        (head()[:8] + b"\xff" * (len(head()) - 8), 8, "broken metadata"),
    ],
)
def test_what_is_not_dbn(data: bytes, offset: int, words: str) -> None:
    error = failure(io.BytesIO(data))
    assert words in str(error)
    assert error.offset == offset


def test_an_absurd_metadata_length_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "absurd.dbn"
    path.write_bytes(b"DBN\x03" + b"\xff\xff\xff\x7f" + bytes(100))
    error = failure(path)
    assert "2147483647 bytes, the file has 100 more" in str(error)
    assert error.offset == 4
    assert "2147483647 bytes" in str(failure(io.BytesIO(path.read_bytes())))


def test_a_zstd_file_cut_inside_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "cut.dbn.zst"
    packed = compress([FILE[:400], FILE[400:]])
    path.write_bytes(packed[:-20])
    error = failure(path)
    assert error.offset == 400
    assert f"cut short, at byte {len(packed) - 20} of the compressed file" in str(error)


def test_what_is_there_of_a_raw_block_is_given() -> None:
    """A block that did not compress holds the bytes as they are: those before a cut are good."""
    records = add(1, "B", 1, 1) * 20
    raw_and_last = len(records) << 3 | 1
    frame = b"\x28\xb5\x2f\xfd\x00\x58" + raw_and_last.to_bytes(3, "little") + records
    packed = compress([head()]) + frame
    assert read(io.BytesIO(packed)) == records
    for cut in range(1, len(records)):
        with open_dbn(io.BytesIO(packed[:-cut])) as reader:
            found: list[bytes] = []
            with pytest.raises(DBNError, match="cut short"):
                found.extend(bytes(chunk) for chunk in reader.chunks())
        assert b"".join(found) == records[: (len(records) - cut) // 56 * 56]


def test_a_zstd_frame_of_another_size_than_it_says_is_noticed() -> None:
    """Its last block is empty, which the decompressor lets pass."""
    frame = bytes.fromhex("28b52ffd24cb01000099e9d851")
    error = failure(io.BytesIO(compress([FILE]) + frame))
    assert error.offset == len(FILE)
    assert "another size than it says" in str(error)


def test_no_more_of_a_zstd_frame_is_handed_out_than_it_says_it_has() -> None:
    records = [add(n, "B", 1, 1) for n in range(3)]
    raw = (len(records[0]) << 3).to_bytes(3, "little")
    frame = b"\x28\xb5\x2f\xfd\x20" + bytes([2 * len(records[0])]) + b"".join(raw + each for each in records)
    found: list[bytes] = []
    reader = open_dbn(io.BytesIO(compress([head()]) + frame))
    with reader, pytest.raises(DBNError, match="another size than it says") as error:
        found.extend(bytes(chunk) for chunk in reader.chunks())
    assert b"".join(found) == b"".join(records[:2])
    assert error.value.offset == len(head()) + 2 * len(records[0])


def test_a_wrong_zstd_checksum_is_noticed() -> None:
    packed = bytearray(compress([FILE]))
    packed[-1] ^= 1
    with open_dbn(io.BytesIO(packed)) as reader:
        found: list[bytes] = []
        with pytest.raises(DBNError, match="checksum"):
            found.extend(bytes(chunk) for chunk in reader.chunks())
    assert b"".join(found) == RECORDS


def test_other_bytes_after_a_zstd_frame_are_noticed() -> None:
    packed = compress([FILE])
    error = failure(io.BytesIO(packed + b"more"))
    assert f"are not another one, at byte {len(packed)} of the compressed file" in str(error)
    assert error.offset == len(FILE)


def test_metadata_without_end_is_refused() -> None:
    absurd = compress([b"DBN\x03\xff\xff\xff\x7f" + bytes(1 << 20)])
    assert failure(io.BytesIO(absurd)).offset == 4


def test_a_small_file_cannot_fill_the_memory() -> None:
    """12 KB that decompress to 117 MB of good records pass through a few hundred KB."""
    records = add(1, "B", 1, 1) * (1 << 21)
    packed = compress([head(), records])
    assert len(packed) < 15_000
    with open_dbn(io.BytesIO(packed)) as reader:
        tracemalloc.start()
        try:
            assert sum(len(chunk) for chunk in reader.chunks()) == len(records)
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()


def test_the_hash_covers_the_file_whatever_was_read(tmp_path: Path) -> None:
    path = tmp_path / "hashed.dbn"
    for data in (FILE, FILE + bytes(1_000_000), compress([FILE]) + b"garbage" * 100_000, FILE * 3000):
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        with open_dbn(path, sha256=True) as reader:
            next(reader.chunks())
            assert reader.sha256 == digest
            assert reader.sha256 == digest
            with pytest.raises((ValueError, DBNError), match=r"gone|broken"):
                next(reader.chunks())
        with open_dbn(path, sha256=True) as reader:
            try:
                drain(reader)
            except DBNError:
                assert data != FILE
            assert reader.sha256 == digest


def test_a_hash_nobody_asked_for() -> None:
    with open_dbn(io.BytesIO(FILE)) as reader, pytest.raises(ValueError, match="sha256=True"):
        _ = reader.sha256


def test_the_reader_closes_what_it_opened_and_only_that(tmp_path: Path) -> None:
    path = tmp_path / "file.dbn"
    path.write_bytes(FILE)
    with path.open("rb") as stream:
        read(stream)
        assert not stream.closed
    with open_dbn(path) as reader:
        pass
    with pytest.raises(ValueError, match="closed"):
        drain(reader)
    path.write_bytes(b"not DBN")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        failure(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("data", [FILE, FILE + bytes(56), FILE[:-1], compress([head(), FILE])[:-9]])
def test_a_reader_is_freed_at_once(data: bytes) -> None:
    """Nothing that it raised or handed out keeps it, and its buffer, until the garbage collector comes."""
    gc.collect()
    gc.disable()
    try:
        reader = open_dbn(io.BytesIO(data))
        with contextlib.suppress(DBNError):
            drain(reader)
        gone = weakref.ref(reader)
        del reader
        assert gone() is None
    finally:
        gc.enable()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_dbn(tmp_path / "absent.dbn")
    with pytest.raises(IsADirectoryError):
        open_dbn(tmp_path)
