"""Writing DBN: whole under its name, or not there."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import databento_dbn
import numpy as np
import pytest

from depthcast.dbn import DBNWriter, open_dbn, read_dbn, write_dbn
from depthcast.dbn.layout import MBO
from depthcast.errors import DBNError
from tests.support.dbn_files import ZSTD_MAGIC, metadata, mixed_records
from tests.support.records import add

RECORDS = mixed_records()


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["plain.dbn", "packed.dbn.zst"])
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    assert write_dbn(path, metadata(), RECORDS) == len(b"".join(RECORDS))
    assert (path.read_bytes()[:4] == ZSTD_MAGIC) == name.endswith(".zst")
    found = read_dbn(path)
    assert bytes(found.data) == b"".join(RECORDS)
    assert bytes(found.metadata.encode()) == metadata().encode()
    assert files_in(tmp_path) == {name}
    again = tmp_path / f"again-{name}"
    write_dbn(again, metadata(), RECORDS)
    assert again.read_bytes() == path.read_bytes()


def test_databento_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file.dbn"
    records = [add(n, "A", n, n) for n in range(1, 9)]
    write_dbn(path, metadata(), records)
    decoder = databento_dbn.DBNDecoder()
    decoder.write(path.read_bytes())
    assert [bytes(record) for record in decoder.decode()][1:] == records


def test_any_buffer_of_whole_records_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "file.dbn"
    records = b"".join(add(n, "A", n, n) for n in range(1, 4))
    array = np.frombuffer(records, dtype=MBO)
    with DBNWriter(path, metadata()) as writer:
        before = writer.written
        for buffer in (records, bytearray(records), memoryview(records), array, b""):
            writer.write(buffer)
        assert writer.written - before == 4 * len(records)
    assert bytes(read_dbn(path).data) == 4 * records


def test_nothing_is_under_the_name_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file.dbn"
    path.write_bytes(b"as it was")
    with DBNWriter(path, metadata()) as writer:
        writer.write(RECORDS[0])
        assert path.read_bytes() == b"as it was"
        assert files_in(tmp_path) == {"file.dbn", f".file.dbn.{os.getpid()}.part"}
    assert bytes(read_dbn(path).data) == RECORDS[0]
    assert files_in(tmp_path) == {"file.dbn"}


def test_an_error_leaves_things_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "file.dbn.zst"
    path.write_bytes(b"as it was")

    def source_that_fails() -> Iterator[bytes]:
        yield RECORDS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dbn(path, metadata(), source_that_fails())
    assert path.read_bytes() == b"as it was"
    assert files_in(tmp_path) == {"file.dbn.zst"}


def test_broken_records_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "file.dbn"
    good = add(1, "B", 1, 1)
    with pytest.raises(DBNError, match="bytes end inside it") as caught:
        write_dbn(path, metadata(), [good, good + good[:-1]])
    assert caught.value.offset == len(good)
    with pytest.raises(DBNError, match="less than its 16-byte header"):
        write_dbn(path, metadata(), [bytes(56)])
    assert files_in(tmp_path) == set()


def test_two_writers_of_one_name_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "file.dbn"
    with DBNWriter(path, metadata()) as slow:
        slow.write(RECORDS[1])
        write_dbn(path, metadata(), RECORDS[:1])
        assert bytes(read_dbn(path).data) == RECORDS[0]
    assert bytes(read_dbn(path).data) == RECORDS[1]
    assert files_in(tmp_path) == {"file.dbn"}


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.dbn"
    link.symlink_to(tmp_path / "real" / "file.dbn")
    write_dbn(link, metadata(), RECORDS)
    assert link.is_symlink()
    assert files_in(tmp_path / "real") == {"file.dbn"}


def test_a_device_is_written_to_not_replaced() -> None:
    write_dbn("/dev/null", metadata(), RECORDS)
    assert not Path("/dev/null").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here to fail on")
def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(OSError, match="No space") as caught:
        write_dbn("/dev/full", metadata(), RECORDS)
    assert caught.value.errno == errno.ENOSPC


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DBNWriter(tmp_path / "absent" / "file.dbn", metadata())
    assert files_in(tmp_path) == set()


def test_the_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write_dbn(tmp_path / "file.dbn", metadata(), RECORDS)
    (tmp_path / "other").touch()
    assert (tmp_path / "file.dbn").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_closing_twice_does_nothing(tmp_path: Path) -> None:
    with DBNWriter(tmp_path / "file.dbn.zst", metadata()) as writer:
        writer.write(RECORDS[0])
        writer.close()
    assert bytes(read_dbn(tmp_path / "file.dbn.zst").data) == RECORDS[0]


def test_standard_output(tmp_path: Path) -> None:
    code = (
        "from depthcast.dbn import make_metadata, write_dbn\n"
        f"write_dbn('-', make_metadata('X', 'mbo', 0), [bytes.fromhex('{RECORDS[0].hex()}')])\n"
    )
    path = tmp_path / "file.dbn"
    with path.open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True, cwd=os.sep)
    with open_dbn(path) as reader:
        assert [bytes(chunk) for chunk in reader.chunks()] == [RECORDS[0]]
