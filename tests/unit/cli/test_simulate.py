"""``depthcast simulate``: the file, the truth beside it, and how it fails."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from depthcast.book.engine import Engine
from depthcast.cli import main
from depthcast.dbn import instrument_symbols, open_dbn
from tests.support.simulated import records_of


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["simulate", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def read(path: Path) -> tuple[dict[int, str], bytes]:
    """A file's symbols and its records."""
    with open_dbn(str(path)) as reader:
        return instrument_symbols(reader.metadata), b"".join(map(bytes, reader.chunks()))


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_file_and_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sim.dbn"
    code, out, err = run(capsys, "-o", file, "--records", 3_000, "--instruments", 2)
    assert (code, out) == (0, "")
    assert "3,00" in err
    assert "records/s" in err
    symbols, data = read(file)
    assert symbols == {1001: "XES1", 1002: "XCL1"}
    assert 3_000 <= len(records_of(data)) < 3_200


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("one.dbn", "two.dbn", "other.dbn", "packed.dbn.zst", "true.dbn")]
    for file, seed in zip(files, (4, 4, 5, 4, 4), strict=True):
        extra = ["--truth", tmp_path / "truth"] if file.name == "true.dbn" else []
        assert run(capsys, "-o", file, "-q", "--seed", seed, "--records", 2_000, *extra)[0] == 0
    one, two, other, packed, true = files
    assert one.read_bytes() == two.read_bytes() == true.read_bytes()
    assert one.read_bytes() != other.read_bytes()
    assert read(packed) == read(one)
    assert packed.stat().st_size < one.stat().st_size / 2


def test_the_truth_is_what_the_file_rebuilds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, truth = tmp_path / "sim.dbn", tmp_path / "deep" / "truth"
    venues = ["--venue", "cme", "--venue", "nasdaq", "--venue", "top"]
    options = ["--records", 9_000, "--interleave", 3, "--truth", truth, "--truth-every", 100, *venues]
    assert run(capsys, "-o", file, "-q", *options) == (0, "", "")
    records = records_of(read(file)[1])
    engine, done = Engine(), 0
    sampled = lines(truth / "checksums.ndjson")
    assert len(sampled) > 10
    for sample in sampled:
        engine.apply(b"".join(records[done : sample["records"]]))
        done = sample["records"]
        for book in sample["books"]:
            keys = book["instrument_id"], book["publisher_id"]
            assert engine.checksum(keys[0], publisher_id=keys[1]) == book["checksum"]
    engine.apply(b"".join(records[done:]))
    finals = sorted(truth.glob("*.json"))
    assert len(finals) == 4 * 3
    for final in finals:
        book = json.loads(final.read_text())
        assert book["records"] == len(records)
        depth = engine.depth(book["instrument_id"], 0, book["publisher_id"])
        assert [list(level) for level in depth.bids] == book["bids"]
        assert [list(level) for level in depth.asks] == book["asks"]
        for level, orders in zip(depth.bids, book["bid_orders"], strict=True):
            queue = engine.orders(book["instrument_id"], "B", level.price, book["publisher_id"])
            assert [[str(order.order_id), order.size] for order in queue] == orders


def test_into_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sim.dbn"
    options = ["-q", "--records", "500"]
    assert run(capsys, "-o", file, *options)[0] == 0
    code = "import sys; from depthcast.cli import main; sys.exit(main())"
    piped = subprocess.run(
        [sys.executable, "-c", code, "simulate", "-o", "-", *options], capture_output=True, check=True
    )
    assert piped.stdout == file.read_bytes()
    assert piped.stderr == b""


@pytest.mark.parametrize("name", ["sim.csv", "sim", "sim.dbn.gz", "sim.zst"])
def test_a_name_that_says_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, out, err = run(capsys, "-o", tmp_path / name, "--records", 10, "--truth", tmp_path / "truth")
    assert (code, out) == (2, "")
    assert err.endswith(f"{name}: DBN is written, so give a name that ends in .dbn or .dbn.zst\n")
    assert list(tmp_path.iterdir()) == []


def test_a_device_may_have_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "-q", "-o", "/dev/null", "--records", 10) == (0, "", "")


def test_it_begins_with_full_books_if_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sim.dbn"
    options = ["--records", 1_500, "--initial-orders", 1_000, "--orders", 1_000, "--instruments", 1]
    assert run(capsys, "-o", file, "-q", *options)[0] == 0
    engine = Engine()
    engine.apply(read(file)[1])
    assert 900 < engine.status(1001).orders < 1_100


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--records", "0"], 2, "--records: expected 1 to"),
        (["--instruments", "0"], 2, "--instruments: expected 1 to"),
        (["--truth-every", "0"], 2, "--truth-every: expected"),
        (["--seed", "-1"], 2, "seed must be between 0 and"),
        (["--orders", "1"], 2, "live_orders must be"),
        (["--venue", "nyse"], 2, "nyse"),
        (["--interleave", "0"], 2, "interleave must be"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, message: str
) -> None:
    file = tmp_path / "sim.dbn"
    found, out, err = run(capsys, "-o", file, *options)
    assert (found, out) == (code, "")
    assert err.startswith("depthcast: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not file.exists()


def test_no_output_given(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--records", "10")
    assert code == 2
    assert "--output" in err


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "-o", tmp_path / "none" / "sim.dbn", "--records", "10")
    assert code == 4
    assert "no such file" in err
