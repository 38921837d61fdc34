"""``depthcast reconstruct`` on small files: what it writes, and what each option does."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import databento_dbn
import pytest

from depthcast.book.types import COUNTERS
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from tests.support.command import command, keys, prices
from tests.support.records import add
from tests.support.small_days import BOOKS, DAY, PX

WriteFile = Callable[..., Path]


def test_one_book_is_one_object(write: WriteFile) -> None:
    path = write(DAY, dataset="XNAS.ITCH", schema=databento_dbn.Schema.MBO)
    result = command("reconstruct", path, "--orders")
    assert result.code == 0
    book = result.json
    counters = book.pop("counters")
    assert book.pop("checksum") > 0
    first = {"order_id": "18446744073709551615", "size": 5, "ts_event": "20", "sequence": 2}
    assert book == {
        "metadata": {
            "dataset": "XNAS.ITCH",
            "symbol": "AAPL",
            "instrument_id": 7,
            "publisher_id": 1,
            "ts_event": "1758742200000000001",
            "ts_event_iso": "2025-09-24T19:30:00.000000001Z",
            "ts_recv": "61",
            "ts_recv_iso": "1970-01-01T00:00:00.000000061Z",
            "sequence": 6,
            "records": 6,
            "events": 3,
            "sources": [{"file": "day.mbo.dbn", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}],
        },
        "status": {
            "in_event": True,
            "complete": True,
            "suspect": False,
            "top": "normal",
            "phase": "trading",
            "version": {"ts_event": "50", "sequence": 5},
        },
        "bids": [
            {
                "price": "64.79",
                "size": 8,
                "count": 2,
                "orders": [first, {"order_id": "2", "size": 3, "ts_event": "30", "sequence": 3}],
            },
            {
                "price": "-3.25",
                "size": 7,
                "count": 1,
                "orders": [{"order_id": "4", "size": 7, "ts_event": "50", "sequence": 5}],
            },
        ],
        "asks": [
            {
                "price": "5560",
                "size": 1,
                "count": 1,
                "orders": [{"order_id": "3", "size": 1, "ts_event": "40", "sequence": 4}],
            },
            {
                "price": "5560.000000001",
                "size": 2,
                "count": 1,
                "orders": [{"order_id": "5", "size": 2, "ts_event": "1758742200000000001", "sequence": 6}],
            },
        ],
    }
    assert tuple(counters) == COUNTERS
    assert (counters["records"], counters["status_records"], counters["skipped_records"]) == (6, 1, 1)


def test_depth_lists_the_best_levels_and_the_checksum_follows(write: WriteFile) -> None:
    path = write(DAY)
    book = command("reconstruct", path, "--depth", 1).json
    assert (prices(book["bids"]), prices(book["asks"])) == ([("64.79", 8, 2)], [("5560", 1, 1)])
    full = command("reconstruct", path).json
    assert len(full["bids"]) == 2
    assert book["checksum"] != full["checksum"]
    assert full["checksum"] == command("reconstruct", path, "--orders").json["checksum"]


def test_several_books_are_listed_by_publisher_and_instrument(write: WriteFile) -> None:
    result = command("reconstruct", write(BOOKS)).json
    assert keys(result["books"]) == [(1, 7), (1, 8), (2, 7)]
    assert [book["metadata"]["symbol"] for book in result["books"]] == ["AAPL", None, "AAPL"]
    assert result["counters"]["records"] == 6


@pytest.mark.parametrize(("instrument", "expected"), [("8", [(1, 8)]), ("7", [(1, 7), (2, 7)])])
def test_one_instrument_by_id(write: WriteFile, instrument: str, expected: list[tuple[int, int]]) -> None:
    result = command("reconstruct", write(BOOKS), "--instrument", instrument).json
    assert keys(result.get("books", [result])) == expected
    assert result["counters"]["records"] == 6


def test_one_instrument_by_symbol(write: WriteFile) -> None:
    assert keys(command("reconstruct", write(BOOKS), "--instrument", "AAPL").json["books"]) == [
        (1, 7),
        (2, 7),
    ]


@pytest.mark.parametrize("instrument", ["MSFT", "9"])
def test_an_instrument_that_is_not_there_is_an_error_that_names_some(
    write: WriteFile, instrument: str
) -> None:
    for options in ([], ["--every", "event", "--format", "json"]):
        result = command("reconstruct", write(BOOKS), "--instrument", instrument, *options)
        assert (result.code, result.out) == (2, "")
        assert "AAPL (7)" in result.err


def test_ndjson_is_a_line_a_book(write: WriteFile) -> None:
    result = command("reconstruct", write(BOOKS), "--format", "ndjson")
    assert keys(result.lines) == [(1, 7), (1, 8), (2, 7)]


def test_every_event_writes_the_book_that_completed_one(write: WriteFile) -> None:
    lines = command("reconstruct", write(BOOKS), "--every", "event").lines
    assert keys(lines) == [(1, 8), (1, 7), (2, 7), (1, 8)]
    assert [line["metadata"]["ts_recv"] for line in lines] == ["20", "30", "40", "60"]
    assert not any(line["status"]["in_event"] for line in lines)
    assert [len(line["asks"]) for line in lines] == [0, 1, 0, 1]


def test_every_n_events_counts_each_books_own(write: WriteFile) -> None:
    lines = command("reconstruct", write(BOOKS), "--every", "2").lines
    assert keys(lines) == [(1, 8)]
    assert lines[0]["metadata"]["events"] == 2


def test_every_event_as_an_array(write: WriteFile) -> None:
    result = command("reconstruct", write(BOOKS), "--every", "event", "--format", "json", "--instrument", "8")
    assert keys(result.json) == [(1, 8), (1, 8)]
    assert command("reconstruct", write([]), "--every", "event", "--format", "json").json == []


def test_every_interval_writes_the_books_that_exist_at_each_point(write: WriteFile) -> None:
    lines = command("reconstruct", write(BOOKS), "--every", "25ns").lines
    assert [(line["at"], *keys([line])[0]) for line in lines] == [
        ("25", 1, 7),
        ("25", 1, 8),
        ("50", 1, 7),
        ("50", 1, 8),
        ("50", 2, 7),
    ]
    assert lines[0]["at_iso"] == "1970-01-01T00:00:00.000000025Z"
    assert [len(line["asks"]) for line in lines] == [0, 0, 2, 0, 0]


def test_at_cuts_the_whole_file_before_the_first_later_record(write: WriteFile) -> None:
    late = [*BOOKS[:3], add(9, "B", 10 * PX, 9, instrument_id=8, ts_recv=90), *BOOKS[3:]]
    result = command("reconstruct", write(late), "--at", "60").json
    assert keys(result["books"]) == [(1, 7), (1, 8)]
    assert result["counters"]["records"] == 3


@pytest.mark.parametrize(("at", "records"), [("9", 0), ("10", 1), ("29", 2), ("30", 3), ("1000", 6)])
def test_at_includes_the_records_of_that_time(write: WriteFile, at: str, records: int) -> None:
    result = command("reconstruct", write(BOOKS), "--at", at)
    assert result.code == 0
    assert result.json["counters"]["records"] == records


def test_at_passes_over_undefined_times(write: WriteFile) -> None:
    path = write([add(1, "B", PX, 1, ts_recv=UNDEF_TIMESTAMP), *BOOKS])
    book = command("reconstruct", path, "--at", "5").json
    assert book["metadata"]["records"] == 1
    assert book["metadata"]["ts_recv_iso"] is None


def test_at_ends_the_grid(write: WriteFile) -> None:
    lines = command("reconstruct", write(BOOKS), "--every", "10ns", "--at", "39", "--instrument", "8").lines
    assert [line["at"] for line in lines] == ["20", "30"]
    beyond = command("reconstruct", write(BOOKS), "--every", "10ns", "--at", "59", "--instrument", "8").lines
    assert [line["at"] for line in beyond] == ["20", "30", "40", "50"]


def test_the_hash_is_of_the_whole_file_wherever_reading_stops(write: WriteFile) -> None:
    path = write(BOOKS * 5_000)
    whole = hashlib.sha256(path.read_bytes()).hexdigest()
    document = command("reconstruct", path, "--at", "25", "--set", "reader.chunk_bytes=4096").json
    assert document["books"][0]["metadata"]["sources"] == [{"file": path.name, "sha256": whole}]


@pytest.mark.parametrize("chunk_bytes", [4096, 4097, 1 << 20])
@pytest.mark.parametrize("options", [[], ["--every", "event"], ["--every", "7ns"], ["--at", "40"]])
def test_chunking_and_engine_change_no_byte(write: WriteFile, options: list[str], chunk_bytes: int) -> None:
    path = write([*DAY, *BOOKS] * 20)
    native = command("reconstruct", path, "--orders", *options)
    plain = command(
        "reconstruct",
        path,
        "--orders",
        *options,
        "--engine",
        "reference",
        "--set",
        f"reader.chunk_bytes={chunk_bytes}",
    )
    assert native.code == plain.code == 0
    assert native.out == plain.out


def test_where_the_file_lies_changes_no_byte(write: WriteFile, tmp_path: Path) -> None:
    path = write(DAY)
    (tmp_path / "other").mkdir()
    copy = tmp_path / "other" / path.name
    copy.write_bytes(path.read_bytes())
    assert command("reconstruct", path).out == command("reconstruct", copy).out


def test_the_output_goes_to_a_file(write: WriteFile, tmp_path: Path) -> None:
    path = write(DAY)
    result = command("reconstruct", path, "-o", tmp_path / "book.json")
    assert (result.code, result.out) == (0, "")
    assert (tmp_path / "book.json").read_text() == command("reconstruct", path).out


def test_an_error_leaves_the_old_output(write: WriteFile, tmp_path: Path) -> None:
    out = tmp_path / "book.json"
    out.write_text("old")
    path = write([*DAY, b"\0"])
    for options in ([], ["--every", "event"]):
        assert command("reconstruct", path, "-o", out, *options).code == 3
    assert out.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_the_engines_limits_are_settings(write: WriteFile) -> None:
    path = write([add(n, "B", PX, 1, 0, ts_recv=n) for n in range(1, 6)])
    assert command("reconstruct", path).json["status"]["suspect"] is False
    for key in ("max_event_records", "max_event_ns"):
        for engine in ("native", "reference"):
            options = ["--set", f"engine.{key}=3", "--engine", engine]
            assert command("reconstruct", path, *options).json["status"]["suspect"] is True


def test_the_summary_is_on_standard_error_and_quiet_leaves_it_out(write: WriteFile) -> None:
    path = write(DAY)
    loud, quiet = command("reconstruct", path), command("reconstruct", path, "-q")
    assert loud.out == quiet.out
    assert quiet.err == ""
    rows = {line[:13].strip(): line[13:].strip() for line in loud.err.splitlines()}
    assert rows["records"] == "6 MBO, 1 status, 1 skipped"
    assert rows["events"] == "3"
    assert "M records/s" in rows["engine"]
    assert rows["apply latency"].endswith("ns a record (all in one call, so no percentiles)")
    assert "MiB" in rows["peak memory"]


def test_the_summary_of_a_small_file_has_percentiles(write: WriteFile) -> None:
    err = command("reconstruct", write(BOOKS * 100)).err
    (line,) = [line for line in err.splitlines() if line.startswith("apply latency")]
    assert re.search(
        r"means of 3 calls, a chunk each: p50 [\d,]+, p90 [\d,]+, p99 [\d,]+, max [\d,]+\)$", line
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--depth", "none"], "--depth: expected full"),
        (["--every", "1x"], "--every: expected event"),
        (["--at", "noon"], "--at: expected ns"),
        (["--format", "yaml"], "yaml"),
        (["--engine", "fast"], "fast"),
        (["--picture", "--every", "event"], "--picture draws the last book"),
        (["--bogus"], "unknown option --bogus"),
        (["-o", "--quiet"], "unknown option --quiet"),
        (["-", "-"], "standard input (-) can be read only once"),
        (["--set", "engine.kind=slow"], "engine.kind: expected one of native, reference, got 'slow'"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_read(
    write: WriteFile, options: list[str], says: str
) -> None:
    result = command("reconstruct", write([b"\0" * 16]), *options)
    assert (result.code, result.out) == (2, "")
    assert says in result.err
    assert result.err.count("\n") == 1


def test_no_file_is_wrong_usage() -> None:
    assert command("reconstruct").code == 2
