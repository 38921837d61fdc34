"""Files of history: exact at the edges of their types, harmless in a spreadsheet."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from depthcast.store.history.encoders import FileFormat, make_encoder
from depthcast.store.history.fields import Form, Kind
from depthcast.store.history.ledger import Named
from depthcast.store.history.query import Query

START = datetime(2025, 9, 24, 19, 30, tzinfo=UTC)
VALUES: dict[Form, list[Any]] = {
    Form.TIME: [0, 2**63 - 1, None],
    Form.LABEL: [START, START + timedelta(microseconds=1), START],
    Form.PRICE: [-(2**63) + 1, 2**63 - 2, None],
    Form.PRICES: [[], [-1], [1, 0, -(10**18)]],
    Form.UINT8: [0, 255, 7],
    Form.UINT16: [0, 65_535, 7],
    Form.UINT32: [0, 2**32 - 1, None],
    Form.UINT32S: [[], [2**32 - 1], [0, 1, 2]],
    Form.UINT64: [0, 2**63 - 1, 7],
    Form.INT32: [-(2**31), 2**31 - 1, 0],
    Form.ORDER_ID: ["0", str(2**64 - 1), "7"],
    Form.LETTER: ["A", "B", "N"],
}
KINDS = [(Kind.TRADES, 0), (Kind.BBO, 0), (Kind.BBO, 60), (Kind.DEPTH, 1), (Kind.OHLCV, 60)]


def a_query(kind: Kind, step_s: int) -> Query:
    return Query(
        kind=kind, dataset="GLBX.MDP3", instrument_id=7, publisher_id=None, start_ns=0, end_ns=1,
        step_ms=step_s * 1_000,
    )  # fmt: skip


def encoded(
    form: FileFormat, query: Query, *, symbol: str = "CLX5", times: int = 1
) -> tuple[bytes, list[Any]]:
    rows = [tuple(VALUES[field.form][n] for field in query.fields) for n in range(3)]
    encoder = make_encoder(form, query, Named("GLBX.MDP3", 7, symbol))
    parts = [encoder.begin(), *(encoder.rows(rows) for _ in range(times)), encoder.rows([]), encoder.end()]
    return b"".join(parts), rows


@pytest.mark.parametrize(("kind", "step_s"), KINDS)
@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_tables_hold_every_value_exactly(form: FileFormat, kind: Kind, step_s: int) -> None:
    query = a_query(kind, step_s)
    data, rows = encoded(form, query, times=7_000 if form == "parquet" else 2)
    table = pq.read_table(io.BytesIO(data)) if form == "parquet" else pa.ipc.open_stream(data).read_all()
    assert table.num_rows == len(rows) * (7_000 if form == "parquet" else 2)
    found = table.slice(table.num_rows - 3)
    for place, field in enumerate(query.fields):
        column = found[field.name]
        wanted = [row[place] for row in rows]
        if field.form in (Form.TIME, Form.LABEL):
            assert str(column.type) == "timestamp[ns, tz=UTC]"
            column = column.cast(pa.int64())
            if field.form is Form.LABEL:
                wanted = [int(value.timestamp()) * 10**9 + value.microsecond * 1_000 for value in wanted]
        elif field.form is Form.PRICE:
            wanted = [None if value is None else Decimal(value).scaleb(-9) for value in wanted]
        elif field.form is Form.PRICES:
            wanted = [[Decimal(each).scaleb(-9) for each in value] for value in wanted]
        elif field.form is Form.ORDER_ID:
            wanted = [int(value) for value in wanted]
        assert column.to_pylist() == wanted, field.name


@pytest.mark.parametrize(("kind", "step_s"), KINDS)
def test_csv_holds_every_value_exactly(kind: Kind, step_s: int) -> None:
    query = a_query(kind, step_s)
    data, _ = encoded("csv", query)
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert len(rows) == 3
    if kind is Kind.TRADES:
        assert [row["price"] for row in rows] == ["-9223372036.854775807", "9223372036.854775806", ""]
        assert [row["order_id"] for row in rows] == ["0", str(2**64 - 1), "7"]
    if kind is Kind.DEPTH:
        assert [row["ask_px_00"] for row in rows] == ["", "-0.000000001", "0.000000001"]
        assert [row["bid_px_02"] for row in rows] == ["", "", "-1000000000"]


@pytest.mark.parametrize("symbol", ["=1+1", "+A", "-A", "@A", "\tA", "\rA"])
def test_no_symbol_is_a_formula(symbol: str) -> None:
    data, _ = encoded("csv", a_query(Kind.OHLCV, 60), symbol=symbol)
    row = next(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert row["symbol"] == "'" + symbol.replace("\t", "\ufffd").replace("\r", "\ufffd")
    assert row["low"].startswith("-")  # a number stays one


def test_a_symbol_may_have_commas_and_quotes() -> None:
    data, _ = encoded("csv", a_query(Kind.OHLCV, 60), symbol='A,"B"')
    assert next(csv.DictReader(io.StringIO(data.decode())))["symbol"] == 'A,"B"'
