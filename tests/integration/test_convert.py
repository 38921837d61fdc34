"""``depthcast convert``: every schema and format, read back by Databento's own decoder and by pyarrow."""

import csv
import datetime as dt
import gc
import io
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import databento_dbn
import numpy as np
import pytest
import zstandard

from depthcast.book.derive import SCHEMAS, Deriver
from depthcast.cli import main
from depthcast.dbn import SymbolInterval, make_metadata, read_dbn, write_dbn
from depthcast.dbn.layout import UNDEF_PRICE, UNDEF_TIMESTAMP
from tests.support.dbn_files import metadata
from tests.support.records import add, cancel, clear, mbo, trade

T0 = 1_758_742_200_000_000_000
"""2025-09-24 19:30 UTC."""
S = 1_000_000_000
MINUTE = 60 * S
FEED = b"".join(
    [
        clear(ts_event=T0, ts_recv=T0 + 1, sequence=1),
        add(1, "B", 64_790_000_000, 5, ts_event=T0 + 1, ts_recv=T0 + 2, sequence=2),
        add(2, "A", 64_800_000_000, 3, ts_event=T0 + 2, ts_recv=T0 + 3, sequence=3),
        add(1, "A", -500_000_000, 1, instrument_id=8, ts_event=T0 + 3, ts_recv=T0 + 4, sequence=4),
        trade("B", 64_800_000_000, 1, ts_event=T0 + 4, ts_recv=T0 + 5, sequence=5),
        cancel(2, "A", 64_800_000_000, 1, ts_event=T0 + 4, ts_recv=T0 + 5, sequence=6),
        trade("A", 64_790_000_000, 2, 0x80, ts_event=T0 + 70 * S, ts_recv=T0 + 70 * S, sequence=7),
    ]
)

THREE_INSTRUMENTS = [
    record
    for second in range(0, 150, 10)
    for number in (7, 8, 9)
    for when in [T0 + second * S + number]
    for record in (
        add(second + 1, "B", number * S, 5, instrument_id=number, ts_event=when, ts_recv=when),
        trade("A", number * S, 1, 0x80, instrument_id=number, ts_event=when, ts_recv=when),
    )
]
"""Adds and trades of three instruments by turns, for two and a half minutes."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "feed.mbo.dbn.zst"
    head = make_metadata("GLBX.MDP3", "mbo", T0, end=T0 + 3_600 * S, mappings={"CLX5": 7, "CLX5-CLZ5": 8})
    write_dbn(path, head, [FEED])
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["convert", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def derived(schema: str, feed: bytes = FEED) -> bytes:
    deriver = Deriver(schema)
    return deriver.apply(feed) + deriver.flush()


def decoded(path: Path) -> list[Any]:
    """Metadata and records, as Databento's decoder reads them."""
    raw = path.read_bytes()
    if path.suffix == ".zst":
        raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True).read()
    decoder = databento_dbn.DBNDecoder()
    decoder.write(raw)
    return list(decoder.decode())


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("ending", ["dbn", "dbn.zst"])
def test_dbn_is_read_back_by_databentos_decoder(
    schema: str, ending: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"out.{ending}"
    assert run(capsys, file, "--schema", schema, "-o", path, "-q") == (0, "", "")
    head, *records = decoded(path)
    assert (head.version, head.dataset, str(head.schema)) == (3, "GLBX.MDP3", schema)
    assert (head.start, head.end, str(head.stype_in), str(head.stype_out)) == (
        T0,
        T0 + 3_600 * S,
        "raw_symbol",
        "instrument_id",
    )
    assert head.symbols == ["CLX5", "CLX5-CLZ5"]
    assert [each["symbol"] for each in head.mappings["CLX5-CLZ5"]] == ["8"]
    expected = np.frombuffer(derived(schema), SCHEMAS[schema].dtype)
    assert b"".join(bytes(record) for record in records) == expected.tobytes()
    assert read_dbn(path).records(schema).tobytes() == expected.tobytes()


def test_what_the_decoder_reads_is_what_was_meant(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.dbn"
    run(capsys, file, "--schema", "mbp-10", "-o", path, "-q")
    _, *records = decoded(path)
    assert [record.action for record in records] == ["R", "A", "A", "A", "T", "C", "T"]
    trade_record, cancel_record = records[4:6]
    assert (trade_record.pretty_price, trade_record.size, trade_record.side, trade_record.depth) == (
        64.8,
        1,
        "B",
        0,
    )
    assert [record.levels[0].ask_sz for record in (trade_record, cancel_record)] == [3, 2]
    assert cancel_record.levels[9].bid_px == UNDEF_PRICE
    path = tmp_path / "bbo.dbn"
    run(capsys, file, "--schema", "bbo-1m", "-o", path, "-q")
    _, *minutes = decoded(path)
    assert [(one.instrument_id, one.ts_recv - T0, one.price, one.size) for one in minutes] == [
        (7, MINUTE, 64_800_000_000, 1),
        (8, MINUTE, UNDEF_PRICE, 0),
        (7, 2 * MINUTE, 64_790_000_000, 2),
    ]
    assert minutes[1].ts_event == UNDEF_TIMESTAMP


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_databentos_client_opens_the_file(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import databento

    for schema in ("mbp-10", "bbo-1s", "ohlcv-1m", "trades"):
        path = tmp_path / f"{schema}.dbn.zst"
        run(capsys, file, "--schema", schema, "-o", path, "-q")
        store = databento.DBNStore.from_file(path)
        assert str(store.schema) == schema
        table = store.to_df()
        assert len(table) == len(derived(schema)) // SCHEMAS[schema].dtype.itemsize
        assert set(table["symbol"]) <= {"CLX5", "CLX5-CLZ5"}
        assert "CLX5" in set(table["symbol"])
        del store
        gc.collect()  # it leaves its file open, which would be held against the next test


COLUMNS = {
    "trades": "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags"
    ",ts_in_delta,sequence",
    "bbo-1s": "ts_recv,ts_event,rtype,publisher_id,instrument_id,side,price,size,flags,sequence"
    ",bid_px_00,ask_px_00,bid_sz_00,ask_sz_00,bid_ct_00,ask_ct_00",
    "ohlcv-1s": "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume",
}
COLUMNS["tbbo"] = COLUMNS["mbp-1"] = (
    COLUMNS["trades"] + ",bid_px_00,ask_px_00,bid_sz_00,ask_sz_00,bid_ct_00,ask_ct_00"
)


@pytest.mark.parametrize("schema", COLUMNS)
def test_csv_has_databentos_columns(schema: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, file, "--schema", schema, "-o", "-", "--format", "csv", "-q")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == COLUMNS[schema]
    assert len(out.splitlines()) - 1 == len(derived(schema)) // SCHEMAS[schema].dtype.itemsize


def test_csv_has_integers_or_pretty_values(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, pretty = tmp_path / "plain.csv", tmp_path / "pretty.csv.zst"
    run(capsys, file, "--schema", "mbp-1", "-o", plain, "-q")
    run(capsys, file, "--schema", "mbp-1", "-o", pretty, "--pretty", "-q")
    rows = list(csv.DictReader(plain.read_text().splitlines()))
    assert rows[1] | {} == {
        "ts_recv": str(T0 + 2),
        "ts_event": str(T0 + 1),
        "rtype": "1",
        "publisher_id": "1",
        "instrument_id": "7",
        "action": "A",
        "side": "B",
        "depth": "0",
        "price": "64790000000",
        "size": "5",
        "flags": "128",
        "ts_in_delta": "0",
        "sequence": "2",
        "bid_px_00": "64790000000",
        "ask_px_00": str(UNDEF_PRICE),
        "bid_sz_00": "5",
        "ask_sz_00": "0",
        "bid_ct_00": "1",
        "ask_ct_00": "0",
    }
    text = zstandard.ZstdDecompressor().stream_reader(pretty.read_bytes()).read().decode()
    row = list(csv.DictReader(text.splitlines()))[1]
    assert (row["ts_recv"], row["bid_px_00"], row["ask_px_00"]) == (
        "2025-09-24T19:30:00.000000002Z",
        "64.790000000",
        "",
    )


@pytest.mark.parametrize("schema", SCHEMAS)
def test_parquet_holds_the_records_exactly(
    schema: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "out.parquet"
    assert run(capsys, file, "--schema", schema, "-o", path, "-q")[0] == 0
    table = parquet.read_table(path)
    table.validate(full=True)
    _, out, _ = run(capsys, file, "--schema", schema, "-o", "-", "--format", "csv", "-q")
    rows = list(csv.DictReader(out.splitlines()))
    assert [{name: str(value) for name, value in row.items()} for row in table.to_pylist()] == rows


def test_pretty_parquet_has_decimals_timestamps_and_nulls(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "out.parquet"
    run(capsys, file, "--schema", "bbo-1s", "-o", path, "--pretty", "-q")
    table = parquet.read_table(path)
    table.validate(full=True)
    assert table["price"].to_pylist() == [Decimal("64.8"), None, Decimal("64.79")]
    assert table["ask_px_00"].to_pylist()[1] == Decimal("-0.5")
    assert [one and one.isoformat()[:19] for one in table["ts_event"].to_pylist()] == [
        "2025-09-24T19:30:00",
        None,
        "2025-09-24T19:31:10",
    ]


def test_parquet_comes_in_row_groups(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("depthcast.cli._record_output.ROW_GROUP", 3)
    path = tmp_path / "out.parquet"
    run(capsys, file, "--schema", "mbp-10", "-o", path, "-q")
    found = parquet.ParquetFile(path).metadata
    assert [found.row_group(i).num_rows for i in range(found.num_row_groups)] == [3, 3, 1]


def test_only_one_instrument_by_symbol_or_id(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wanted in ("CLX5-CLZ5", "8"):
        _, out, _ = run(
            capsys, file, "--schema", "mbp-1", "--instrument", wanted, "-o", "-", "--format", "csv", "-q"
        )
        assert [row["instrument_id"] for row in csv.DictReader(out.splitlines())] == ["8"]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_symbol_of_several_instruments_is_all_of_them_and_no_other(
    schema: str, engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = (dt.date(2025, 9, day) for day in (24, 25, 26))
    front = [SymbolInterval(first, second, "7"), SymbolInterval(second, third, "9")]
    head = make_metadata(
        "GLBX.MDP3", "mbo", T0, stype_in="continuous", mappings={"CL.n.0": front, "CL.n.1": 8}
    )
    path = tmp_path / "days.mbo.dbn"
    write_dbn(path, head, [b"".join(THREE_INSTRUMENTS)])

    def records(*options: str) -> list[bytes]:
        out = tmp_path / "out.dbn"
        arguments = (path, "--schema", schema, "-o", out, "-q", "--engine", engine, *options)
        assert run(capsys, *arguments) == (0, "", "")
        return [record.tobytes() for record in read_dbn(out).records(schema)]

    found = records("--instrument", "CL.n.0")
    apart = [records("--instrument", number) for number in ("7", "8", "9")]
    assert all(apart), "each instrument has records to tell apart"
    assert sorted(found) == sorted(apart[0] + apart[2])
    assert found == [record for record in records() if record not in apart[1]]


def test_the_reference_writes_the_same(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = (file, "--schema", "mbp-10", "-o", "-", "--format", "csv", "-q")
    assert run(capsys, *options, "--engine", "reference") == run(capsys, *options)


def test_a_broken_file_writes_nothing_or_with_partial_what_came_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "cut.dbn", tmp_path / "out.csv"
    path.write_bytes(metadata(schema=databento_dbn.Schema.MBO).encode() + FEED[:-10])
    code, _, err = run(capsys, path, "--schema", "mbp-1", "-o", output)
    assert code == 3
    assert "cut short" in err
    assert list(tmp_path.iterdir()) == [path]
    code, _, err = run(capsys, path, "--schema", "mbp-1", "-o", output, "--partial")
    assert code == 0
    assert "what was derived is of what comes before" in err
    assert len(output.read_text().splitlines()) == 1 + len(derived("mbp-1", FEED[:-56])) // 80


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-o", "out.json"], "--format"),
        (["-o", "-"], "--format"),
        (["-o", "-", "--format", "parquet"], "standard output"),
        (["-o", "out.dbn", "--pretty"], "integers only"),
        (["-o", "out.csv", "--instrument", "ESM4"], "no symbol 'ESM4'"),
        (["-o", "out.csv", "--instrument", str(2**32)], "32 bits"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    arguments: list[str],
    says: str,
    file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(file.parent)
    code, out, err = run(capsys, file, "--schema", "mbp-1", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert list(file.parent.iterdir()) == [file]


def test_the_output_may_not_be_the_input(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = file.read_bytes()
    code, _, err = run(capsys, file, "--schema", "mbp-1", "-o", file)
    assert code == 2
    assert "both read and written" in err
    assert file.read_bytes() == before


def test_data_of_another_schema_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trades.dbn"
    write_dbn(path, make_metadata("GLBX.MDP3", "trades", T0), [derived("trades")])
    code, _, err = run(capsys, path, "--schema", "mbp-1", "-o", tmp_path / "out.csv")
    assert code == 3
    assert "no MBO records: the data is of schema trades" in err


def test_a_file_without_records_gives_a_file_without_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "empty.dbn"
    write_dbn(path, make_metadata("GLBX.MDP3", "mbo", T0), [])
    for ending in ("dbn", "csv", "parquet"):
        code, _, err = run(capsys, path, "--schema", "mbp-10", "-o", tmp_path / f"out.{ending}")
        assert code == 0
        assert "nothing was derived" in err
    assert len(decoded(tmp_path / "out.dbn")) == 1
    assert (tmp_path / "out.csv").read_text().count("\n") == 1


def test_parquet_without_pyarrow_names_the_extra(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    code, _, err = run(capsys, file, "--schema", "mbp-1", "-o", tmp_path / "out.parquet")
    assert code == 2
    assert "depthcast[tables]" in err
    assert list(tmp_path.iterdir()) == [file]


def test_a_mixed_file_is_converted_and_other_records_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "mixed.dbn", tmp_path / "out.dbn"
    write_dbn(path, make_metadata("GLBX.MDP3", None, T0), [derived("mbp-1") + FEED + mbo("N")])
    assert run(capsys, path, "--schema", "trades", "-o", output, "-q")[0] == 0
    assert read_dbn(output).data == derived("trades")


def test_a_summary_says_what_was_done(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, err = run(capsys, file, "--schema", "trades", "-o", tmp_path / "out.csv")
    assert out == ""
    assert "2 trades records" in err
