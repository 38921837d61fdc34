"""mbp-1, mbp-10, tbbo and trades: which record an event gives, and what it says."""

import pytest

from depthcast.dbn.layout import UNDEF_PRICE
from tests.support.derived import DERIVERS, EMPTY, AnyDeriver, derived, happened, of, records, shown
from tests.support.records import (
    BAD_TS_RECV,
    LAST,
    MAYBE_BAD,
    MBP,
    SNAPSHOT,
    TOB,
    add,
    cancel,
    clear,
    fill,
    mbo,
    modify,
    trade,
)

Kind = type[AnyDeriver]
OPENING = [clear(), add(1, "B", 100, 5), add(7, "A", 101, 2), add(8, "A", 101, 3), add(9, "A", 102, 4)]
BOOK = [*OPENING, add(10, "A", 103, 1)]
"""Bids 100 x 5; asks 101 x 2 + 3, 102 x 4, 103 x 1: the book of the decision page's example."""
SWEEP = [
    trade("B", 101, 5, sequence=1),
    fill(7, "A", 101, 2, sequence=2),
    fill(8, "A", 101, 3, sequence=3),
    trade("B", 102, 2, sequence=4),
    fill(9, "A", 102, 2, sequence=5),
    cancel(7, "A", 101, 2, 0, sequence=6),
    cancel(8, "A", 101, 3, 0, sequence=7),
    modify(9, "A", 102, 2, LAST, sequence=8),
]
"""A buyer of 7 takes two levels, trades first, as CME tells it."""


@pytest.fixture(params=DERIVERS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Kind:
    deriver: Kind = request.param
    return deriver


def test_a_sweep_shows_its_trades_before_their_effect_and_then_the_book_once(kind: Kind) -> None:
    found = of(kind, "mbp-10", [*BOOK, *SWEEP])[len(BOOK) :]
    assert happened(found) == [("T", "B", 101, 5, 0), ("T", "B", 102, 2, 1), ("M", "A", 102, 2, 0)]
    assert found["sequence"].tolist() == [1, 4, 8]
    for record in found[:2]:
        assert shown(record, "ask", 4) == [(101, 5, 2), (102, 4, 1), (103, 1, 1), EMPTY]
    assert shown(found[2], "ask", 3) == [(102, 2, 1), (103, 1, 1), EMPTY]
    assert shown(found[2], "bid", 2) == [(100, 5, 1), EMPTY]


def test_a_trade_after_the_cancel_of_the_one_before_finds_the_next_level_best(kind: Kind) -> None:
    nasdaq = [
        trade("B", 101, 5),
        cancel(7, "A", 101, 2, 0),
        cancel(8, "A", 101, 3, 0),
        trade("B", 102, 2),
        cancel(9, "A", 102, 2, LAST),
    ]
    found = of(kind, "mbp-10", [*BOOK, *nasdaq])[len(BOOK) :]
    assert happened(found) == [("T", "B", 101, 5, 0), ("T", "B", 102, 2, 0), ("C", "A", 102, 2, 0)]
    assert shown(found[1], "ask", 1) == [(102, 4, 1)]
    assert shown(found[2], "ask", 1) == [(102, 2, 1)]


def test_trades_and_tbbo_have_each_trade_and_nothing_else(kind: Kind) -> None:
    feed = [*BOOK, *SWEEP, trade("N", 101, 9, LAST)]
    expected = [("T", "B", 101, 5, 0), ("T", "B", 102, 2, 1), ("T", "N", 101, 9, 0)]
    assert happened(of(kind, "trades", feed)) == expected
    tbbo = of(kind, "tbbo", feed)
    assert happened(tbbo) == expected
    assert shown(tbbo[0], "ask", 1) == shown(tbbo[1], "ask", 1) == [(101, 5, 2)]
    assert shown(tbbo[2], "ask", 1) == [(102, 2, 1)]
    in_mbp_1 = [one.tobytes() for one in of(kind, "mbp-1", feed) if one["action"] == b"T"]
    assert [one.tobytes() for one in tbbo] == in_mbp_1


def test_a_trade_that_closes_its_event_shows_what_the_event_did_and_nothing_follows(kind: Kind) -> None:
    event = [
        trade("B", 101, 5),
        cancel(7, "A", 101, 2, 0),
        cancel(8, "A", 101, 3, 0),
        trade("N", 101, 40, LAST),
    ]
    found = of(kind, "mbp-1", [*BOOK, *event])
    assert happened(found)[-2:] == [("T", "B", 101, 5, 0), ("T", "N", 101, 40, 0)]
    assert shown(found[-1], "ask", 1) == [(102, 4, 1)]


def test_depth_counts_the_strictly_better_levels_of_the_side(kind: Kind) -> None:
    feed = [*BOOK, add(11, "A", 102, 1), add(12, "B", 98, 1), add(13, "B", 99, 1), cancel(12, "B", 98, 1)]
    found = of(kind, "mbp-10", feed)[len(BOOK) :]
    assert [depth for *_, depth in happened(found)] == [1, 1, 1, 2]


def test_an_order_moved_away_from_the_best_price_has_the_depth_of_its_new_price_in_mbp_1_too(
    kind: Kind,
) -> None:
    feed = [*BOOK, modify(7, "A", 103, 2)]
    for schema in ("mbp-1", "mbp-10"):
        assert happened(of(kind, schema, feed))[-1] == ("M", "A", 103, 2, 2)


def test_depth_stops_at_255(kind: Kind) -> None:
    bids = [add(i, "B", 1000 - i, 1) for i in range(1, 301)]
    found = of(kind, "trades", [clear(), *bids, trade("A", 700, 1, LAST), trade("A", 990, 1, LAST)])
    assert found["depth"].tolist() == [255, 9]


def test_a_trade_without_a_side_or_a_price_has_depth_0(kind: Kind) -> None:
    feed = [*BOOK, trade("N", 103, 1), trade("B", UNDEF_PRICE, 1, LAST)]
    assert happened(of(kind, "trades", feed)) == [("T", "N", 103, 1, 0), ("T", "B", UNDEF_PRICE, 1, 0)]


def test_a_side_that_is_none_is_n(kind: Kind) -> None:
    assert happened(of(kind, "trades", [mbo("T", 0xFF, 101, 1)])) == [("T", "N", 101, 1, 0)]


def test_the_side_is_that_of_the_best_level_that_changed(kind: Kind) -> None:
    both_best = [add(11, "A", 101, 1, 0), add(12, "B", 100, 1, LAST)]
    bid_first = [add(13, "B", 100, 1, 0), add(14, "A", 103, 1, LAST)]
    found = of(kind, "mbp-10", [*BOOK, *both_best, *bid_first])[len(BOOK) :]
    assert happened(found) == [("A", "N", 100, 1, 0), ("A", "B", 103, 1, 0)]
    top = of(kind, "mbp-1", [*BOOK, *both_best, *bid_first])
    assert happened(top)[-2:] == happened(found)


def test_a_change_below_the_tenth_level_is_not_shown_nor_one_below_the_first_in_mbp_1(kind: Kind) -> None:
    bids = [add(i, "B", 1000 - i, 1) for i in range(1, 11)]
    eleventh = [add(11, "B", 900, 1), modify(11, "B", 899, 1), cancel(11, "B", 899, 1)]
    assert len(of(kind, "mbp-10", [clear(), *bids, *eleventh])) == 11
    assert len(of(kind, "mbp-1", [clear(), *bids, *eleventh])) == 2


def test_what_comes_up_from_below_is_shown(kind: Kind) -> None:
    bids = [add(i, "B", 1000 - i, i) for i in range(1, 12)]
    found = of(kind, "mbp-10", [clear(), *bids, cancel(5, "B", 995, 5)])
    assert shown(found[-1], "bid", 10)[-1] == (989, 11, 1)


def test_an_event_that_leaves_the_levels_as_they_were_shows_nothing(kind: Kind) -> None:
    replaced = [cancel(7, "A", 101, 2, 0), add(20, "A", 101, 2, LAST)]
    assert len(of(kind, "mbp-10", [*BOOK, *replaced])) == len(BOOK)


def test_an_ignored_record_shows_nothing_but_closes_its_event(kind: Kind) -> None:
    for closing in (
        cancel(99, "B", 1, 1, LAST),
        add(5, "B", 1, 0),
        mbo("N"),
        fill(7, "A", 101, 1, LAST),
        mbo("X"),
    ):
        assert len(of(kind, "mbp-10", [*BOOK, closing])) == len(BOOK)
        found = of(kind, "mbp-10", [*BOOK, add(30, "B", 100, 2, 0, sequence=5), closing])
        assert len(found) == len(BOOK) + 1
        assert found[-1]["action"] in {b"A", b"C"}
        assert shown(found[-1], "bid", 1) == [(100, 7, 2)]


def test_when_is_of_the_closing_record_and_what_of_the_last_change(kind: Kind) -> None:
    event = [
        add(30, "B", 100, 2, 0, ts_event=50, ts_recv=60, sequence=5),
        mbo("N", flags=LAST | 2, ts_event=51, ts_recv=61, sequence=6),
    ]
    record = of(kind, "mbp-1", [*BOOK, *event])[-1]
    assert (record["ts_event"], record["ts_recv"], record["sequence"], record["flags"]) == (
        51,
        61,
        6,
        LAST | 2,
    )
    assert happened([record]) == [("A", "B", 100, 2, 0)]


def test_nothing_is_shown_of_an_event_before_its_last_record(kind: Kind) -> None:
    deriver = kind(["mbp-10"])
    deriver.apply(b"".join(BOOK))
    assert deriver.apply(add(30, "B", 100, 2, 0))["mbp-10"] == b""
    assert len(records("mbp-10", deriver.apply(add(31, "B", 100, 2))["mbp-10"])) == 1


def test_a_clear_is_shown_at_once_even_of_an_empty_book(kind: Kind) -> None:
    found = of(kind, "mbp-1", [clear(0), *BOOK[1:], cancel(7, "A", 101, 2, 0), clear(0), add(40, "B", 7, 7)])
    assert [action for action, *_ in happened(found)][-2:] == ["R", "A"]
    assert happened(found)[0] == ("R", "N", UNDEF_PRICE, 0, 0)
    assert shown(found[-2], "bid", 1) == shown(found[-2], "ask", 1) == [EMPTY]
    assert shown(found[-1], "bid", 1) == [(7, 7, 1)]


def test_snapshot_records_give_nothing_and_leave_what_counts_as_shown(kind: Kind) -> None:
    flags = SNAPSHOT | BAD_TS_RECV
    snapshot = [
        clear(flags),
        add(1, "B", 100, 5, flags),
        add(7, "A", 101, 2, flags),
        trade("B", 101, 1, flags | LAST),
    ]
    for name, out in derived(
        kind(["trades", "tbbo", "mbp-1", "mbp-10", "bbo-1s", "ohlcv-1s"]), b"".join(snapshot)
    ).items():
        assert out == b"", name
    assert len(of(kind, "mbp-10", [*snapshot, cancel(99, "B", 1, 1)])) == 0
    found = of(kind, "mbp-10", [*snapshot, add(2, "B", 99, 1)])
    assert happened(found) == [("A", "B", 99, 1, 1)]
    assert shown(found[0], "bid", 2) == [(100, 5, 1), (99, 1, 1)]


def test_a_snapshot_of_another_book_than_the_one_shown_waits_for_the_next_change(kind: Kind) -> None:
    flags = SNAPSHOT | BAD_TS_RECV
    feed = [
        *BOOK,
        clear(flags),
        add(50, "B", 90, 1, flags | LAST),
        cancel(99, "B", 1, 1),
        add(51, "B", 90, 1),
    ]
    found = of(kind, "mbp-10", feed)[len(BOOK) :]
    assert happened(found) == [("A", "B", 90, 1, 0)]
    assert shown(found[0], "bid", 1) == [(90, 2, 2)]
    assert shown(found[0], "ask", 1) == [EMPTY]


def test_a_doubtful_book_says_so_on_every_record_that_shows_it(kind: Kind) -> None:
    incomplete = [add(1, "B", 100, 5), trade("A", 100, 1, 0)]
    for schema, expected in {
        "mbp-10": [LAST | MAYBE_BAD, MAYBE_BAD],
        "tbbo": [MAYBE_BAD],
        "trades": [0],
        "bbo-1s": [MAYBE_BAD],
    }.items():
        assert of(kind, schema, incomplete)["flags"].tolist() == expected, schema
    whole = [
        clear(),
        add(1, "B", 100, 5),
        add(2, "B", 100, 5, LAST | MAYBE_BAD),
        add(3, "B", 100, 5),
        clear(),
    ]
    assert of(kind, "mbp-1", whole)["flags"].tolist() == [
        LAST,
        LAST,
        LAST | MAYBE_BAD,
        LAST | MAYBE_BAD,
        LAST,
    ]


def test_an_aggregated_trade_is_not_taken(kind: Kind) -> None:
    assert len(of(kind, "trades", [*BOOK, trade("B", 101, 1, LAST | MBP)])) == 0


def test_a_top_of_book_quote_is_a_level_of_no_orders(kind: Kind) -> None:
    quotes = [clear(), add(0, "B", 100, 300, LAST | TOB), add(0, "A", 101, 200, LAST | TOB)]
    found = of(kind, "mbp-1", [*quotes, add(0, "B", UNDEF_PRICE, 0, LAST | TOB)])
    assert shown(found[2], "bid", 1) == [(100, 300, 0)]
    assert shown(found[3], "bid", 1) == [EMPTY]
    assert shown(found[3], "ask", 1) == [(101, 200, 0)]


def test_a_level_larger_than_the_field_saturates(kind: Kind) -> None:
    most = 2**32 - 1
    found = of(kind, "mbp-1", [clear(), add(1, "B", 100, most), add(2, "B", 100, 1)])
    assert shown(found[-1], "bid", 1) == [(100, most, 2)]


def test_books_of_several_instruments_and_publishers_do_not_mix(kind: Kind) -> None:
    feed = [
        clear(),
        clear(instrument_id=8),
        clear(publisher_id=2),
        add(1, "B", 100, 1, 0),
        add(1, "B", 200, 2, 0, instrument_id=8),
        add(1, "B", 300, 3, LAST, publisher_id=2),
        add(2, "B", 99, 1, LAST),
        add(2, "B", 199, 2, LAST, instrument_id=8),
    ]
    found = of(kind, "mbp-10", feed)[3:]
    assert [
        (int(one["publisher_id"]), int(one["instrument_id"]), *shown(one, "bid", 2)) for one in found
    ] == [
        (2, 7, (300, 3, 1), EMPTY),
        (1, 7, (100, 1, 1), (99, 1, 1)),
        (1, 8, (200, 2, 1), (199, 2, 1)),
    ]
    only = of(kind, "mbp-10", feed, instrument_id=8)
    assert only["instrument_id"].tolist() == [8, 8]
    assert of(kind, "mbp-10", feed, publisher_id=2)["publisher_id"].tolist() == [2, 2]
    assert len(of(kind, "mbp-10", feed, publisher_id=2, instrument_id=8)) == 0


def test_a_send_time_is_left_out(kind: Kind) -> None:
    found = of(kind, "mbp-1", [clear(), mbo("A", "B", 100, 1, 1, ts_out=77)])
    assert happened(found)[-1] == ("A", "B", 100, 1, 0)
