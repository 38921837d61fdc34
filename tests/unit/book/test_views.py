"""Books as JSON and as tables."""

import json
import sys
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import depthcast
from depthcast.book import views
from depthcast.book.views import book_view, iso, price_str
from depthcast.dbn.layout import UNDEF_PRICE, UNDEF_TIMESTAMP
from depthcast.errors import UnknownBookError, UsageError
from tests.support.command import SCHEMA
from tests.support.engines import ENGINES, AnyEngine
from tests.support.records import INSTRUMENT, LAST, TOB, add

PX = 1_000_000_000


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> AnyEngine:
    engine: AnyEngine = request.param()
    engine.apply(
        add(1, "B", 2 * PX, 5, ts_event=10, sequence=1)
        + add(2, "B", 2 * PX, 6, ts_event=UNDEF_TIMESTAMP, sequence=2)
        + add(3, "B", PX, 7, sequence=3)
        + add(4, "A", 3 * PX + 1, 8, ts_event=40, sequence=4)
    )
    return engine


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (64_790_000_000, "64.79"),
        (5560 * PX, "5560"),
        (-3_250_000_000, "-3.25"),
        (1, "0.000000001"),
        (-1, "-0.000000001"),
        (0, "0"),
        (100 * PX, "100"),
        (2**63 - 2, "9223372036.854775806"),
        (-(2**63), "-9223372036.854775808"),
    ],
)
def test_a_price_is_an_exact_decimal(price: int, text: str) -> None:
    assert price_str(price) == text


@given(st.integers(-(2**63), 2**63 - 2))
def test_any_price_survives_the_way_there_and_back(price: int) -> None:
    text = price_str(price)
    assert Decimal(text) == Decimal(price).scaleb(-9)
    assert "E" not in text
    assert not text.endswith(".")
    assert "." not in text or not text.endswith("0")


def test_the_undefined_price_has_no_form() -> None:
    with pytest.raises(ValueError, match="undefined"):
        price_str(UNDEF_PRICE)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_758_742_200_000_000_001, "2025-09-24T19:30:00.000000001Z"),
        (1_709_164_799_999_999_999, "2024-02-28T23:59:59.999999999Z"),
        (2**64 - 2, "2554-07-21T23:34:33.709551614Z"),
    ],
)
def test_a_time_has_nine_decimals(ns: int, text: str) -> None:
    assert iso(ns) == text


@pytest.mark.parametrize("ns", [UNDEF_TIMESTAMP, -1])
def test_what_is_no_time_has_no_form(ns: int) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        iso(ns)


def test_a_view_lists_levels_and_orders(engine: AnyEngine) -> None:
    (key,) = engine.books()
    view = book_view(engine, key, dataset="D", symbol=None, orders=True)
    form = json.loads(msgspec.json.encode(view))
    assert [level["price"] for level in form["bids"]] == ["2", "1"]
    assert [order["order_id"] for order in form["bids"][0]["orders"]] == ["1", "2"]
    assert form["asks"] == [
        {
            "price": "3.000000001",
            "size": 8,
            "count": 1,
            "orders": [{"order_id": "4", "size": 8, "ts_event": "40", "sequence": 4}],
        }
    ]
    assert form["checksum"] == engine.checksum(INSTRUMENT)
    first = book_view(engine, key, dataset="D", symbol=None, levels=1)
    assert (len(first.bids), first.checksum) == (1, engine.checksum(INSTRUMENT, 1))
    assert "orders" not in json.loads(msgspec.json.encode(first))["bids"][0]


def test_the_view_of_an_unknown_book_is_refused(engine: AnyEngine) -> None:
    with pytest.raises(UnknownBookError):
        book_view(engine, depthcast.BookKey(1, 99), dataset="D", symbol=None)


@pytest.mark.parametrize(
    ("struct", "name"),
    [
        (views.OrderView, "order"),
        (views.LevelView, "level"),
        (views.BookView, "book"),
    ],
)
def test_the_schema_names_every_field(struct: type[msgspec.Struct], name: str) -> None:
    assert list(SCHEMA["$defs"][name]["properties"]) == list(struct.__struct_fields__)


def test_the_schema_names_every_field_of_metadata_and_status() -> None:
    metadata = list(SCHEMA["$defs"]["metadata"]["properties"])
    assert metadata == [*views.BookMetadata.__struct_fields__, "sources"]
    assert list(SCHEMA["$defs"]["status"]["properties"]) == list(views.BookState.__struct_fields__)


def test_the_schema_knows_every_counter_and_phase() -> None:
    from depthcast.book.types import COUNTERS, PHASES

    assert tuple(SCHEMA["$defs"]["counters"]["required"]) == COUNTERS
    assert SCHEMA["$defs"]["status"]["properties"]["phase"]["enum"] == [*PHASES.values(), None]


def test_depth_as_a_pandas_table(engine: AnyEngine) -> None:
    table = depthcast.depth_table(engine, INSTRUMENT)
    assert list(table.columns) == ["side", "level", "price", "price_1e9", "size", "count"]
    assert table.to_numpy().tolist() == [
        ["B", 1, 2.0, 2 * PX, 11, 2],
        ["B", 2, 1.0, PX, 7, 1],
        ["A", 1, float(Fraction(3 * PX + 1, PX)), 3 * PX + 1, 8, 1],
    ]
    assert len(depthcast.depth_table(engine, INSTRUMENT, levels=1)) == 2


def test_orders_as_a_pandas_table(engine: AnyEngine) -> None:
    table = depthcast.orders_table(engine, INSTRUMENT)
    assert table["order_id"].tolist() == [1, 2, 3, 4]
    assert table["level"].tolist() == [1, 1, 2, 1]
    assert str(table["ts_event"].dtype) == "datetime64[ns, UTC]"
    assert table["ts_event"].isna().tolist() == [False, True, False, False]
    assert table["ts_event"][3].value == 40


def test_arrow_tables_hold_the_same(engine: AnyEngine) -> None:
    depth = depthcast.depth_table(engine, INSTRUMENT, form="arrow")
    assert depth["price_1e9"].to_pylist() == [2 * PX, PX, 3 * PX + 1]
    assert depth["side"].to_pylist() == ["B", "B", "A"]
    orders = depthcast.orders_table(engine, INSTRUMENT, form="arrow")
    assert str(orders.schema.field("ts_event").type) == "timestamp[ns, tz=UTC]"
    assert orders["ts_event"].null_count == 1
    assert orders["sequence"].to_pylist() == [1, 2, 3, 4]


def test_tables_of_a_book_without_orders(engine: AnyEngine) -> None:
    engine.apply(add(0, "B", PX, 9, LAST | TOB, instrument_id=8))
    assert depthcast.depth_table(engine, 8)["count"].tolist() == [0]
    for form in ("pandas", "arrow"):
        assert len(depthcast.orders_table(engine, 8, form=form)) == 0


@pytest.mark.parametrize(("form", "package"), [("pandas", "pandas"), ("arrow", "pyarrow")])
def test_a_missing_extra_is_named(
    engine: AnyEngine, form: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"tables need {package}: pip install 'depthcast\[tables\]'"):
        depthcast.depth_table(engine, INSTRUMENT, form=form)  # type: ignore[call-overload]


def test_an_unknown_form_is_refused(engine: AnyEngine) -> None:
    with pytest.raises(ValueError, match="'pandas' or 'arrow'"):
        depthcast.depth_table(engine, INSTRUMENT, form="polars")  # type: ignore[call-overload]
