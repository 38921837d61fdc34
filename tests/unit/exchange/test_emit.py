"""What each style of venue writes, record by record, for scenes made by hand."""

from typing import Any

import pytest

from depthcast.book.reference import ReferenceEngine
from depthcast.dbn.layout import UNDEF_PRICE, Flags
from depthcast.exchange import InstrumentParams, Phase, Style, VenueParams
from depthcast.exchange.listing import Listing, Venue
from depthcast.exchange.matching import ASK, BID, Order
from depthcast.exchange.tape import Tape
from tests.support.simulated import mbo_of

LAST = int(Flags.LAST)
TOB = int(Flags.TOB)
SNAPSHOT = int(Flags.SNAPSHOT | Flags.BAD_TS_RECV)
TICK = 10


class Scene:
    """A book in continuous trading, and what was written since it was last read."""

    def __init__(self, style: Style, phase: Phase = Phase.TRADING) -> None:
        self.tape = Tape()
        instrument = InstrumentParams(7, "SIM", TICK, 1000)
        self.listing = Listing(0, Venue(VenueParams(3, style, channel_id=9)), instrument, self.tape)
        self.listing.phase = phase
        self.listing.opened = True
        self.rebuilt = ReferenceEngine()
        self.time = 1_000
        self.tape.stamp(self.time, 100, 50)
        self.listing.open()
        self.listing.publish_quotes()
        self.read()

    def read(self) -> list[tuple[Any, ...]]:
        """(action, side, order_id, price, size, flags) of each record; checks the rebuilt book on the way."""
        data = self.tape.take()
        self.rebuilt.apply(data)
        truth = self.listing.truth()
        assert self.rebuilt.checksum(7) == truth.checksum()
        self.time += 1_000
        self.tape.stamp(self.time, 100, 50)
        fields = ["action", "side", "order_id", "price", "size", "flags"]
        return [
            (action.decode(), side.decode(), *rest) for action, side, *rest in mbo_of(data)[fields].tolist()
        ]

    def enter(self, side: int, price: int, size: int, hidden: int = 0) -> int:
        self.listing.enter(side, price, size, hidden)
        return self.listing.venue.ids.last

    def finish(self) -> None:
        """Let an incoming order trade to its end, where that is event by event."""
        while self.listing.taker is not None:
            self.listing.resume()

    def order(self, order_id: int) -> Order:
        return self.listing.engine.orders[order_id]


def test_adds_and_cancels_are_events_of_one_record() -> None:
    for style in (Style.CME, Style.NASDAQ):
        scene = Scene(style)
        number = scene.enter(BID, 1000, 5)
        assert scene.read() == [("A", "B", number, 1000, 5, LAST)]
        scene.listing.cancel(scene.order(number))
        assert scene.read() == [("C", "B", number, 1000, 5, LAST)]


def test_cme_writes_trades_and_fills_and_then_what_became_of_the_orders() -> None:
    scene = Scene(Style.CME)
    first, second, third = scene.enter(ASK, 1010, 2), scene.enter(ASK, 1010, 4), scene.enter(ASK, 1020, 9)
    scene.read()
    scene.listing.take(BID, 1020, 8, rests=True)
    taker = scene.listing.venue.ids.last
    assert scene.read() == [
        ("T", "B", taker, 1010, 6, 0),
        ("F", "A", first, 1010, 2, 0),
        ("F", "A", second, 1010, 4, 0),
        ("T", "B", taker, 1020, 2, 0),
        ("F", "A", third, 1020, 2, 0),
        ("C", "A", first, 1010, 2, 0),
        ("C", "A", second, 1010, 4, 0),
        ("M", "A", third, 1020, 7, LAST),
    ]


@pytest.mark.parametrize(("side", "own_last"), [(BID, False), (ASK, True)])
def test_cme_writes_bids_before_asks_after_a_trade(side: int, own_last: bool) -> None:
    scene = Scene(Style.CME)
    resting = scene.enter(1 - side, 1000, 2)
    scene.read()
    scene.listing.take(side, 1000, 5, rests=True)
    taker = scene.listing.venue.ids.last
    rows = scene.read()
    own, other = "BA"[side], "BA"[1 - side]
    added, removed = ("A", own, taker, 1000, 3), ("C", other, resting, 1000, 2)
    assert [row[:5] for row in rows[2:]] == ([removed, added] if own_last else [added, removed])
    assert [row[5] for row in rows] == [0, 0, 0, LAST]


def test_cme_refills_go_to_the_tail_in_the_order_of_their_last_slice() -> None:
    scene = Scene(Style.CME)
    one, plain, two = (
        scene.enter(ASK, 1010, 2, hidden=9),
        scene.enter(ASK, 1010, 3),
        scene.enter(ASK, 1010, 2, hidden=9),
    )
    scene.read()
    scene.listing.take(BID, 1010, 8, rests=False)  # one 2, plain 3, two 2, one 1
    rows = scene.read()
    assert [row[2] for row in rows if row[0] == "F"] == [one, plain, two, one]
    assert [row[:5] for row in rows if row[0] in "CM"] == [
        ("M", "A", one, 1010, 1),
        ("C", "A", plain, 1010, 3),
        ("M", "A", two, 1010, 2),
    ]
    assert scene.rebuilt.counters["refills"] == 2
    assert [order.order_id for order in scene.rebuilt.orders(7, "A", 1010)] == [one, two]


def test_cme_deletes_an_exhausted_iceberg_by_what_it_last_showed() -> None:
    scene = Scene(Style.CME)
    number = scene.enter(ASK, 1010, 5, hidden=3)
    scene.read()
    scene.listing.take(BID, 1010, 8, rests=False)
    assert scene.read()[-3:] == [
        ("F", "A", number, 1010, 5, 0),
        ("F", "A", number, 1010, 3, 0),
        ("C", "A", number, 1010, 5, LAST),
    ]


def test_cme_replaces_by_modifying() -> None:
    scene = Scene(Style.CME)
    number, other = scene.enter(BID, 1000, 5), scene.enter(BID, 1000, 5)
    scene.read()
    scene.listing.replace(scene.order(number), 1000, 3)
    assert scene.read() == [("M", "B", number, 1000, 3, LAST)]
    assert [order.order_id for order in scene.rebuilt.orders(7, "B", 1000)] == [number, other]
    scene.listing.replace(scene.order(number), 1000, 4)
    assert scene.read() == [("M", "B", number, 1000, 4, LAST)]
    assert [order.order_id for order in scene.rebuilt.orders(7, "B", 1000)] == [other, number]
    scene.listing.reduce(scene.order(other), 1)
    assert scene.read() == [("M", "B", other, 1000, 1, LAST)]


def test_cme_replaced_order_that_trades() -> None:
    scene = Scene(Style.CME)
    resting, number = scene.enter(ASK, 1010, 2), scene.enter(BID, 1000, 5)
    scene.read()
    scene.listing.replace(scene.order(number), 1010, 5)
    assert scene.read() == [
        ("T", "B", number, 1010, 2, 0),
        ("F", "A", resting, 1010, 2, 0),
        ("M", "B", number, 1010, 3, 0),
        ("C", "A", resting, 1010, 2, LAST),
    ]
    scene.enter(ASK, 1020, 9)
    scene.read()
    scene.listing.replace(scene.order(number), 1020, 3)
    assert [row[:5] for row in scene.read()][2:] == [
        ("C", "B", number, 1010, 3),
        ("M", "A", resting + 2, 1020, 6),
    ]


def test_nasdaq_writes_an_event_an_execution_and_cancels_by_size() -> None:
    scene = Scene(Style.NASDAQ)
    first, second = scene.enter(BID, 1000, 2), scene.enter(BID, 1000, 4)
    scene.read()
    scene.listing.take(ASK, 1000, 3, rests=False)
    assert scene.read() == [
        ("T", "A", 0, 1000, 2, 0),
        ("F", "B", first, 1000, 2, 0),
        ("C", "B", first, 1000, 2, LAST),
    ]
    assert scene.listing.taker is not None
    scene.listing.resume()
    assert scene.read() == [
        ("T", "A", 0, 1000, 1, 0),
        ("F", "B", second, 1000, 1, 0),
        ("C", "B", second, 1000, 1, LAST),
    ]
    assert scene.listing.taker is None


def test_nasdaq_rests_the_remainder_as_an_event_of_its_own() -> None:
    scene = Scene(Style.NASDAQ)
    scene.enter(ASK, 1010, 2)
    scene.listing.take(BID, 1010, 5, rests=True)
    taker = scene.listing.venue.ids.last
    scene.read()
    scene.listing.resume()
    assert scene.read() == [("A", "B", taker, 1010, 3, LAST)]


def test_nasdaq_adds_a_new_slice_under_a_new_id() -> None:
    scene = Scene(Style.NASDAQ)
    number = scene.enter(ASK, 1010, 5, hidden=4)
    scene.read()
    scene.listing.take(BID, 1010, 6, rests=False)
    fresh = scene.listing.venue.ids.last
    assert scene.read() == [
        ("T", "B", 0, 1010, 5, 0),
        ("F", "A", number, 1010, 5, 0),
        ("C", "A", number, 1010, 5, 0),
        ("A", "A", fresh, 1010, 4, LAST),
    ]
    scene.finish()
    assert [row[:5] for row in scene.read()][-1] == ("C", "A", fresh, 1010, 1)


def test_nasdaq_replaces_by_a_new_order() -> None:
    scene = Scene(Style.NASDAQ)
    number = scene.enter(BID, 1000, 5)
    scene.read()
    scene.listing.reduce(scene.order(number), 3)
    assert scene.read() == [("C", "B", number, 1000, 2, LAST)]
    scene.listing.replace(scene.order(number), 990, 4)
    fresh = scene.listing.venue.ids.last
    assert scene.read() == [("C", "B", number, 1000, 3, 0), ("A", "B", fresh, 990, 4, LAST)]


def test_nasdaq_replaced_order_that_trades_is_cancelled_first() -> None:
    scene = Scene(Style.NASDAQ)
    number = scene.enter(BID, 1000, 5, hidden=2)
    resting = scene.enter(ASK, 1010, 3)
    scene.read()
    scene.listing.replace(scene.order(number), 1010, 5)
    assert scene.read() == [("C", "B", number, 1000, 5, LAST)]
    scene.finish()
    fresh = scene.listing.venue.ids.last
    assert [row[:5] for row in scene.read()] == [
        ("T", "B", 0, 1010, 3),
        ("F", "A", resting, 1010, 3),
        ("C", "A", resting, 1010, 3),
        ("A", "B", fresh, 1010, 4),
    ]


def test_an_auction_has_one_trade_of_no_side() -> None:
    scene = Scene(Style.CME, Phase.PRE_OPEN)
    buyer, seller = scene.enter(BID, 1020, 5), scene.enter(ASK, 1000, 8)
    scene.read()
    scene.listing.uncross()
    assert scene.read() == [
        ("T", "N", 0, 1000, 5, 0),
        ("F", "N", buyer, 1000, 5, 0),
        ("F", "N", seller, 1000, 5, 0),
        ("C", "B", buyer, 1020, 5, 0),
        ("M", "A", seller, 1000, 3, LAST),
    ]
    scene = Scene(Style.NASDAQ, Phase.PRE_OPEN)
    buyer, seller = scene.enter(BID, 1020, 5), scene.enter(ASK, 1000, 8)
    scene.read()
    scene.listing.uncross()
    assert scene.read() == [
        ("T", "N", 0, 1000, 5, 0),
        ("F", "N", buyer, 1000, 5, 0),
        ("C", "B", buyer, 1020, 5, 0),
        ("F", "N", seller, 1000, 5, 0),
        ("C", "A", seller, 1000, 5, LAST),
    ]


def test_a_top_of_book_venue_writes_the_side_that_changed() -> None:
    scene = Scene(Style.TOP)
    scene.enter(BID, 1000, 5)
    assert scene.read() == [("A", "B", 0, 1000, 5, LAST | TOB)]
    scene.enter(BID, 990, 5)
    assert scene.read() == []
    behind = scene.listing.venue.ids.last
    scene.enter(ASK, 1010, 2)
    assert scene.read() == [("A", "A", 0, 1010, 2, LAST | TOB)]
    scene.listing.take(BID, 1010, 4, rests=True)
    assert scene.read() == [
        ("T", "B", 0, 1010, 2, 0),
        ("A", "B", 0, 1010, 2, TOB),
        ("A", "A", 0, UNDEF_PRICE, 0, LAST | TOB),
    ]
    scene.listing.cancel(scene.order(behind))
    assert scene.read() == []
    scene.listing.phase = Phase.PRE_CROSS
    scene.listing.publish_quotes()
    assert scene.read() == [("A", "B", 0, UNDEF_PRICE, 0, LAST | TOB)]


def test_a_snapshot_lists_every_order_with_its_own_time() -> None:
    scene = Scene(Style.CME)
    far, near, other = scene.enter(BID, 990, 1), scene.enter(BID, 1000, 2), scene.enter(ASK, 1010, 3)
    scene.read()
    times = [scene.order(number).ts_event for number in (far, near, other)]
    scene.listing.snapshot([0, 1, 2], clear=True)
    data = bytes(scene.tape.buffer[: scene.tape.end])
    assert mbo_of(data)["ts_event"].tolist() == [scene.time, times[1], times[0], times[2]]
    assert set(mbo_of(data)["ts_recv"].tolist()) == {scene.tape.ts_recv}
    assert scene.read() == [
        ("R", "N", 0, UNDEF_PRICE, 0, SNAPSHOT),
        ("A", "B", near, 1000, 2, SNAPSHOT),
        ("A", "B", far, 990, 1, SNAPSHOT),
        ("A", "A", other, 1010, 3, SNAPSHOT | LAST),
    ]
    scene.listing.snapshot([2, 0, 1], clear=False)
    assert [row[2] for row in scene.read()] == [other, near, far]
    assert scene.rebuilt.counters["snapshots_without_clear"] == 1


@pytest.mark.parametrize("style", list(Style))
def test_the_snapshot_of_an_empty_book_is_an_r_alone(style: Style) -> None:
    scene = Scene(style)
    scene.listing.snapshot([], clear=False)
    assert scene.read() == [("R", "N", 0, UNDEF_PRICE, 0, SNAPSHOT | LAST)]


def test_a_snapshot_of_best_prices_has_a_record_a_side() -> None:
    scene = Scene(Style.TOP)
    scene.enter(BID, 1000, 5)
    scene.read()
    scene.listing.snapshot([0], clear=True)
    assert scene.read() == [
        ("R", "N", 0, UNDEF_PRICE, 0, SNAPSHOT),
        ("A", "B", 0, 1000, 5, SNAPSHOT | TOB | LAST),
    ]


def test_messages_share_a_number_and_numbers_wrap() -> None:
    scene = Scene(Style.CME)
    scene.enter(ASK, 1010, 2)
    scene.enter(ASK, 1010, 2)
    scene.read()
    scene.listing.venue.sequence.last = 2**32 - 2
    scene.listing.take(BID, 1010, 4, rests=False)
    data = scene.tape.take()
    records = mbo_of(data)
    assert records["sequence"].tolist() == [2**32 - 1] * 3 + [1] * 2
    assert len(set(records["ts_event"].tolist())) == 1
    assert records["ts_recv"].tolist() == sorted(records["ts_recv"].tolist())
    assert set(records["channel_id"].tolist()) == {9}
