"""bbo and ohlcv: what an interval gathers, when it is closed, and what its record says."""

from typing import Any

import pytest

from depthcast.dbn.layout import UNDEF_ORDER_SIZE, UNDEF_PRICE, UNDEF_TIMESTAMP
from tests.support.derived import DERIVERS, EMPTY, AnyDeriver, of, records, shown
from tests.support.records import LAST, SNAPSHOT, add, cancel, clear, trade

Kind = type[AnyDeriver]
S = 1_000_000_000
MINUTE = 60 * S
HOUR = 60 * MINUTE
DAY = 24 * HOUR
T0 = 20_355 * DAY
"""A midnight UTC."""


@pytest.fixture(params=DERIVERS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Kind:
    deriver: Kind = request.param
    return deriver


def bar(record: Any) -> tuple[int, int, int, int, int, int]:
    """ts_event since T0, open, high, low, close, volume."""
    prices = (int(record[name]) for name in ("open", "high", "low", "close"))
    open_, high, low, close = prices
    return int(record["ts_event"]) - T0, open_, high, low, close, int(record["volume"])


def sale(record: Any) -> tuple[int, int, str]:
    """price, size, side of the last trade."""
    return int(record["price"]), int(record["size"]), record["side"].decode()


# -- ohlcv


def test_a_bar_has_the_first_highest_lowest_and_last_price_and_all_the_volume(kind: Kind) -> None:
    feed = [
        trade("B", 100, 1, LAST, ts_recv=T0 + 1),
        trade("A", 103, 2, LAST, ts_recv=T0 + 2),
        trade("N", 98, 4, LAST, ts_recv=T0 + 3),
        trade("B", 101, 8, LAST, ts_recv=T0 + S - 1),
    ]
    assert [bar(one) for one in of(kind, "ohlcv-1s", feed)] == [(0, 100, 103, 98, 101, 15)]


def test_a_trade_at_the_boundary_begins_the_next_bar_and_empty_intervals_have_none(kind: Kind) -> None:
    feed = [
        trade("B", 100, 1, LAST, ts_recv=T0),
        trade("B", 101, 1, LAST, ts_recv=T0 + S),
        trade("B", 102, 1, LAST, ts_recv=T0 + 3_600 * S),
    ]
    assert [bar(one)[:2] for one in of(kind, "ohlcv-1s", feed)] == [(0, 100), (S, 101), (HOUR, 102)]


@pytest.mark.parametrize(
    ("schema", "step"), [("ohlcv-1s", S), ("ohlcv-1m", MINUTE), ("ohlcv-1h", HOUR), ("ohlcv-1d", DAY)]
)
def test_bars_begin_on_the_grid_of_their_length(kind: Kind, schema: str, step: int) -> None:
    feed = [trade("B", 100, 1, LAST, ts_recv=T0 + n * step // 3 + 7) for n in range(7)]
    assert [(bar(one)[0], bar(one)[5]) for one in of(kind, schema, feed)] == [
        (0, 3),
        (step, 3),
        (2 * step, 1),
    ]


def test_time_is_ts_recv_not_ts_event(kind: Kind) -> None:
    feed = [trade("B", 100, 1, LAST, ts_event=T0 + 5 * S, ts_recv=T0 + 1)]
    assert [bar(one)[0] for one in of(kind, "ohlcv-1s", feed)] == [0]


def test_a_trade_without_a_price_is_volume_only_and_one_without_a_size_price_only(kind: Kind) -> None:
    feed = [
        trade("B", UNDEF_PRICE, 5, LAST, ts_recv=T0),
        trade("B", 100, UNDEF_ORDER_SIZE, LAST, ts_recv=T0),
        trade("B", UNDEF_PRICE, 7, LAST, ts_recv=T0 + S),
    ]
    undefined = (UNDEF_PRICE,) * 4
    assert [bar(one) for one in of(kind, "ohlcv-1s", feed)] == [
        (0, 100, 100, 100, 100, 5),
        (S, *undefined, 7),
    ]


def test_negative_prices_and_volumes_above_32_bits(kind: Kind) -> None:
    most = 2**32 - 2
    feed = [trade("B", price, most, LAST, ts_recv=T0) for price in (-37, -40, -12)]
    assert [bar(one) for one in of(kind, "ohlcv-1d", feed)] == [(0, -37, -12, -40, -12, 3 * most)]


# -- bbo


def test_a_bbo_has_the_last_top_of_its_interval_and_the_last_sale(kind: Kind) -> None:
    feed = [
        clear(ts_recv=T0 + 1),
        add(1, "B", 100, 5, ts_recv=T0 + 2),
        add(2, "A", 102, 1, ts_recv=T0 + 3),
        trade("A", 100, 2, 0, ts_recv=T0 + 4, ts_event=T0 + 3, sequence=8),
        cancel(1, "B", 100, 2, ts_recv=T0 + 4, ts_event=T0 + 3, sequence=9),
        add(3, "A", 101, 1, ts_recv=T0 + S + 1, sequence=10),
    ]
    first, second = of(kind, "bbo-1s", feed)
    assert (first["ts_recv"], first["ts_event"], first["sequence"]) == (T0 + S, T0 + 3, 9)
    assert (sale(first), first["flags"]) == ((100, 2, "A"), LAST)
    assert (shown(first, "bid", 1), shown(first, "ask", 1)) == ([(100, 3, 1)], [(102, 1, 1)])
    assert (second["ts_recv"], second["ts_event"], second["sequence"]) == (T0 + 2 * S, T0 + 3, 10)
    assert sale(second) == (100, 2, "A")
    assert (shown(second, "bid", 1), shown(second, "ask", 1)) == ([(100, 3, 1)], [(101, 1, 1)])


def test_a_bbo_without_any_trade_has_no_sale(kind: Kind) -> None:
    (found,) = of(kind, "bbo-1m", [clear(ts_recv=T0 + 1)])
    assert (found["ts_recv"], found["ts_event"]) == (T0 + MINUTE, UNDEF_TIMESTAMP)
    assert sale(found) == (UNDEF_PRICE, 0, "N")
    assert shown(found, "bid", 1) == shown(found, "ask", 1) == [EMPTY]


def test_a_record_at_the_very_end_of_an_interval_belongs_to_it(kind: Kind) -> None:
    feed = [clear(ts_recv=T0), add(1, "B", 100, 5, ts_recv=T0 + S), add(2, "B", 101, 5, ts_recv=T0 + S + 1)]
    found = of(kind, "bbo-1s", feed)
    assert found["ts_recv"].tolist() == [T0, T0 + S, T0 + 2 * S]
    assert [shown(one, "bid", 1)[0][0] for one in found] == [None, 100, 101]


def test_nothing_is_printed_for_an_interval_without_a_change_of_the_top_or_a_trade(kind: Kind) -> None:
    feed = [
        clear(ts_recv=T0 + 1),
        add(1, "B", 100, 5, ts_recv=T0 + 1),
        add(2, "B", 99, 5, ts_recv=T0 + S + 1),
        cancel(99, "B", 99, 5, ts_recv=T0 + 2 * S + 1),
        trade("N", 100, 1, LAST, ts_recv=T0 + 4 * S + 1),
    ]
    assert of(kind, "bbo-1s", feed)["ts_recv"].tolist() == [T0 + S, T0 + 5 * S]


def test_an_event_that_is_open_at_the_end_of_an_interval_shows_the_book_of_its_last_trade(kind: Kind) -> None:
    feed = [
        clear(ts_recv=T0 + 1),
        add(1, "B", 100, 5, ts_recv=T0 + 1),
        trade("A", 100, 5, 0, ts_recv=T0 + S),
        cancel(1, "B", 100, 5, ts_recv=T0 + S + 1),
    ]
    found = of(kind, "bbo-1s", feed)
    assert [shown(one, "bid", 1) for one in found] == [[(100, 5, 1)], [EMPTY]]


# -- When intervals are closed


def test_intervals_of_all_books_are_closed_by_the_first_record_past_them(kind: Kind) -> None:
    deriver = kind(["ohlcv-1s"])
    feed = [
        trade("B", 1, 1, LAST, ts_recv=T0 + 1, instrument_id=9),
        trade("B", 2, 1, LAST, ts_recv=T0 + 2, instrument_id=3),
        trade("B", 3, 1, LAST, ts_recv=T0 + 3, instrument_id=9),
    ]
    assert deriver.apply(b"".join(feed))["ohlcv-1s"] == b""
    closed = records(
        "ohlcv-1s", deriver.apply(add(1, "B", 1, 1, 0, ts_recv=T0 + S, instrument_id=5))["ohlcv-1s"]
    )
    assert [(int(one["instrument_id"]), bar(one)) for one in closed] == [
        (9, (0, 1, 3, 1, 3, 2)),
        (3, (0, 2, 2, 2, 2, 1)),
    ]
    assert deriver.flush()["ohlcv-1s"] == b""


def test_a_late_record_counts_in_the_interval_that_is_open(kind: Kind) -> None:
    feed = [
        trade("B", 100, 1, LAST, ts_recv=T0 + 5 * S),
        trade("B", 101, 1, LAST, ts_recv=T0 + 1),
        trade("B", 102, 1, LAST, ts_recv=UNDEF_TIMESTAMP),
        trade("B", 103, 1, LAST, ts_recv=T0 + 6 * S),
    ]
    assert [bar(one)[:2] + bar(one)[5:] for one in of(kind, "ohlcv-1s", feed)] == [
        (5 * S, 100, 3),
        (6 * S, 103, 1),
    ]


def test_snapshot_records_move_no_time(kind: Kind) -> None:
    feed = [
        trade("B", 100, 1, LAST, ts_recv=T0),
        clear(SNAPSHOT | LAST, ts_recv=T0 + DAY),
        trade("B", 101, 1, LAST, ts_recv=T0 + 1),
    ]
    assert [bar(one)[5] for one in of(kind, "ohlcv-1s", feed)] == [2]


def test_time_that_passes_without_records_closes_intervals(kind: Kind) -> None:
    deriver = kind(["ohlcv-1s", "bbo-1s"])
    deriver.apply(trade("B", 100, 1, LAST, ts_recv=T0 + 1))
    assert deriver.advance(T0 + S - 1) == {"ohlcv-1s": b"", "bbo-1s": b""}
    closed = deriver.advance(T0 + S)
    assert bar(records("ohlcv-1s", closed["ohlcv-1s"])[0]) == (0, 100, 100, 100, 100, 1)
    assert closed["bbo-1s"] == b"", "a record at the end of the interval may still come"
    assert records("bbo-1s", deriver.advance(T0 + S + 1)["bbo-1s"])["ts_recv"].tolist() == [T0 + S]
    late = deriver.apply(trade("B", 101, 1, LAST, ts_recv=T0 + 2))
    assert late["ohlcv-1s"] == b""
    assert bar(records("ohlcv-1s", deriver.flush()["ohlcv-1s"])[0]) == (S, 101, 101, 101, 101, 1)


def test_the_last_intervals_before_the_end_of_time(kind: Kind) -> None:
    last = 2**64 - 2
    for schema, field, stamp in (
        ("ohlcv-1s", "ts_event", last // S * S),
        ("ohlcv-1d", "ts_event", last // DAY * DAY),
        ("bbo-1s", "ts_recv", 2**64 - 1),
    ):
        feed = [trade("B", 100, 1, LAST, ts_recv=last)] * 2
        assert of(kind, schema, feed)[field].tolist() == [stamp], schema
