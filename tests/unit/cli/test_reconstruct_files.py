"""``depthcast reconstruct``: what it reads. Several files, broken ones, pipes, and what is no MBO at all."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import databento_dbn
import pytest
import zstandard

from depthcast.dbn.layout import UNDEF_TIMESTAMP, RType
from tests.support.command import command, finish, keys, prices, spawn
from tests.support.dbn_files import Interval, Mapping, metadata
from tests.support.records import add, other, status
from tests.support.small_days import BOOKS, DAY, PX

WriteFile = Callable[..., Path]


def test_several_files_are_one_feed(write: WriteFile) -> None:
    whole = command("reconstruct", write(DAY, "whole"), "--orders").json
    parts = [write(DAY[:3], "first"), write(DAY[3:4], "second"), write(DAY[4:], "third")]
    split = command("reconstruct", *parts, "--orders").json
    assert [source["file"] for source in split["metadata"].pop("sources")] == ["first", "second", "third"]
    del whole["metadata"]["sources"]
    assert split == whole


def test_a_stop_goes_across_files(write: WriteFile) -> None:
    parts = [write(BOOKS[:2], "a"), write(BOOKS[2:4], "b"), write(BOOKS[4:], "c")]
    stopped = command("reconstruct", *parts, "--at", "35").json
    assert stopped["counters"]["records"] == 3
    assert [source["file"] for source in stopped["books"][0]["metadata"]["sources"]] == ["a", "b"]
    lines = command("reconstruct", *parts, "--every", "event").lines
    assert keys(lines) == [(1, 8), (1, 7), (2, 7), (1, 8)]


def test_a_later_files_mapping_counts(write: WriteFile) -> None:
    dates = metadata().mappings["AAPL"][0]
    renamed = [Mapping("MSFT", [Interval(dates["start_date"], dates["end_date"], "7")])]
    files = write(BOOKS[:1], "a"), write(BOOKS[2:3], "b", mappings=renamed)
    assert command("reconstruct", *files).json["metadata"]["symbol"] == "MSFT"


def test_time_that_goes_back_between_files_is_warned_of(write: WriteFile) -> None:
    early, late = write(BOOKS[:2], "early.dbn"), write(BOOKS[2:], "late.dbn")
    assert command("reconstruct", early, late, "-q").err == ""
    for options in ([], ["--every", "event"], ["--at", "1000"]):
        result = command("reconstruct", late, early, "-q", *options)
        assert result.code == 0
        assert result.err == (
            "depthcast: warning: time goes back between files: what follows late.dbn begins at "
            "1970-01-01T00:00:00.000000010Z, before 1970-01-01T00:00:00.000000060Z; "
            "files are one feed in the order given\n"
        )


def test_undefined_times_are_no_going_back(write: WriteFile) -> None:
    never = write([add(1, "B", PX, 1, ts_recv=UNDEF_TIMESTAMP)], "never.dbn")
    empty, books = write([], "empty.dbn"), write(BOOKS, "books.dbn")
    assert command("reconstruct", never, empty, books, never, "-q").err == ""


def test_files_of_two_datasets_are_refused(write: WriteFile) -> None:
    files = write(DAY, "a"), write(DAY, "b", dataset="GLBX.MDP3")
    result = command("reconstruct", *files)
    assert (result.code, result.out) == (2, "")
    assert "b is of dataset GLBX.MDP3, what comes before it of XNAS.ITCH" in result.err


def test_a_missing_later_file_is_said_at_once(write: WriteFile, tmp_path: Path) -> None:
    result = command("reconstruct", write(DAY), tmp_path / "missing", "--every", "event")
    assert (result.code, result.out) == (4, "")
    assert result.err == f"depthcast: error: {tmp_path / 'missing'}: no such file or directory\n"


HEAD = len(metadata().encode())
BROKEN = [
    ([add(2, "B", PX, 1)[:40]], HEAD + 56, "cut short"),
    ([b"\x00" * 56], HEAD + 56, "broken record"),
    ([bytes([20]) + add(2, "B", PX, 1)[1:], bytes(24)], HEAD + 56, "broken record"),
]


@pytest.mark.parametrize(("tail", "offset", "says"), BROKEN)
def test_bad_bytes_are_an_error_with_their_place(
    write: WriteFile, tail: list[bytes], offset: int, says: str
) -> None:
    path = write([add(1, "B", PX, 1), *tail])
    result = command("reconstruct", path)
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"depthcast: error: {path}: byte {offset}: ")
    assert says in result.err


@pytest.mark.parametrize(("tail", "offset", "says"), BROKEN)
def test_partial_gives_what_came_before(write: WriteFile, tail: list[bytes], offset: int, says: str) -> None:
    path = write([add(1, "B", PX, 1), *tail])
    result = command("reconstruct", path, "--partial", "--quiet")
    assert result.code == 0
    book = result.json
    assert prices(book["bids"]) == [("1", 1, 1)]
    assert book["partial"]["file"] == path.name
    assert book["partial"]["offset"] == offset
    assert says in book["partial"]["error"]
    assert result.err.startswith(f"depthcast: warning: {path.name}: byte {offset}: ")
    lines = command("reconstruct", path, "--partial", "--every", "event").lines
    assert lines[1:] == [{"partial": book["partial"]}]
    array = command("reconstruct", path, "--partial", "--every", "event", "--format", "json").json
    assert array == lines


def test_partial_changes_nothing_about_a_good_file(write: WriteFile) -> None:
    path = write(DAY)
    assert command("reconstruct", path, "--partial").out == command("reconstruct", path).out


def test_partial_reads_no_file_after_a_broken_one(write: WriteFile, tmp_path: Path) -> None:
    good, broken, last = write(DAY[:4], "a"), write([*DAY[4:5], b"\0"], "b"), write(DAY[5:], "c")
    book = command("reconstruct", good, broken, last, "--partial").json
    assert book["metadata"]["records"] == 4
    assert [source["file"] for source in book["metadata"]["sources"]] == ["a", "b"]
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"no DBN at all")
    book = command("reconstruct", good, garbage, last, "--partial").json
    assert book["metadata"]["records"] == 3
    assert book["partial"]["file"] == "garbage"


@pytest.mark.parametrize("options", [[], ["--partial"]])
@pytest.mark.parametrize("data", [b"", b"D", b"hello", b"\x1f\x8b\x08\x00", b"DBN\x09" + bytes(99)])
def test_a_file_that_is_not_dbn_is_an_error(tmp_path: Path, data: bytes, options: list[str]) -> None:
    path = tmp_path / "x.dbn"
    path.write_bytes(data)
    result = command("reconstruct", path, *options)
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"depthcast: error: {path}: byte ")
    assert result.err.count("\n") == 1


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    result = command("reconstruct", tmp_path)
    assert (result.code, result.err) == (4, f"depthcast: error: {tmp_path}: is a directory\n")


def test_a_zstd_file_of_any_name_is_read(write: WriteFile, tmp_path: Path) -> None:
    plain = write(DAY)
    packed = tmp_path / "odd.name"
    packed.write_bytes(zstandard.compress(plain.read_bytes()))
    whole, same = command("reconstruct", plain).json, command("reconstruct", packed).json
    assert (whole["bids"], whole["checksum"]) == (same["bids"], same["checksum"])


@pytest.mark.parametrize("schema", [None, databento_dbn.Schema.MBO])
def test_a_file_without_mbo_records_has_no_books(
    write: WriteFile, schema: databento_dbn.Schema | None
) -> None:
    result = command("reconstruct", write([status(7)], schema=schema), "--quiet")
    assert result.code == 0
    assert result.json["books"] == []
    assert result.err == "depthcast: warning: no MBO records, so there are no books\n"


@pytest.mark.parametrize("options", [[], ["--every", "event"]])
def test_a_time_before_the_data_has_no_books_and_says_why(write: WriteFile, options: list[str]) -> None:
    result = command("reconstruct", write(BOOKS), "--at", "9", "--quiet", *options)
    assert result.code == 0
    assert result.err == (
        "depthcast: warning: --at: no MBO record had arrived by 1970-01-01T00:00:00.000000009Z, "
        "so there are no books\n"
    )


def test_a_time_before_an_instruments_first_record_has_no_book_of_it(write: WriteFile) -> None:
    result = command("reconstruct", write(BOOKS), "--at", "10", "--instrument", "8", "--quiet")
    assert (result.code, result.json["books"], result.json["counters"]["records"]) == (0, [], 1)
    assert result.err == (
        "depthcast: warning: --at: no record of 8 had come by 1970-01-01T00:00:00.000000010Z, "
        "so it has no book\n"
    )


def test_standard_input_is_named_so(write: WriteFile) -> None:
    result = finish(spawn("reconstruct", "-"))
    assert (result.code, result.err) == (3, "depthcast: error: standard input: byte 0: the file is empty\n")
    broken = write([*BOOKS, b"\0"]).read_bytes()
    result = finish(spawn("reconstruct", "-", "--partial", "-q", stdin=subprocess.PIPE), broken)
    assert result.code == 0
    assert result.err.startswith("depthcast: warning: standard input: byte ")


@pytest.mark.parametrize("options", [[], ["--every", "event"], ["--every", "event", "--format", "json"]])
def test_a_file_of_another_schema_is_an_error(write: WriteFile, options: list[str]) -> None:
    path = write([other(RType.OHLCV_1S, 56)], schema=databento_dbn.Schema.OHLCV_1S)
    result = command("reconstruct", path, *options)
    assert (result.code, result.out) == (3, "")
    assert result.err == "depthcast: error: no MBO records: the data is of schema ohlcv-1s\n"
    assert command("reconstruct", path, *options, "-o", path.with_name("out")).code == 3
    assert not path.with_name("out").exists()


def test_a_pipe_that_can_be_read_only_once(write: WriteFile, tmp_path: Path) -> None:
    path = write(DAY)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_bytes, args=[path.read_bytes()])
    writer.start()
    through, direct = command("reconstruct", pipe, "-q").json, command("reconstruct", path).json
    writer.join()
    sources = through["metadata"].pop("sources"), direct["metadata"].pop("sources")
    assert [source["file"] for (source,) in sources] == ["pipe", path.name]
    assert sources[0][0]["sha256"] == sources[1][0]["sha256"]
    assert through == direct
