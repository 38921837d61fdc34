"""docs/book.md § Depth and BBO, § Checksum, and which book a question is about."""

import struct
import zlib

import pytest

from depthcast.book.types import COUNTERS, Bbo, BookKey, Depth, Level, Order, QueuePosition
from depthcast.errors import AmbiguousBookError, BookError, UnknownBookError, UnknownOrderError
from tests.support.engines import AnyEngine
from tests.support.records import LAST, TOB, add, clear, mbo, trade

P, Q = 100, 110


@pytest.fixture
def market(engine: AnyEngine) -> AnyEngine:
    """Instrument 7 at publishers 1 and 2, instrument 8 at publisher 2 only."""
    engine.apply(add(1, "B", P, 5, publisher_id=2) + add(2, "B", P - 1, 6, publisher_id=2))
    engine.apply(add(3, "A", Q, 7, publisher_id=2) + add(1, "B", P, 1) + add(2, "B", P, 2))
    engine.apply(
        add(3, "B", P - 2, 3) + add(4, "A", Q + 1, 4) + add(1, "A", Q, 9, publisher_id=2, instrument_id=8)
    )
    return engine


def test_books_are_listed_by_publisher_and_instrument(market: AnyEngine) -> None:
    assert market.books() == [BookKey(1, 7), BookKey(2, 7), BookKey(2, 8)]


def test_depth_gives_the_best_levels_first(market: AnyEngine) -> None:
    assert market.depth(7, 10, 1) == Depth([Level(P, 3, 2), Level(P - 2, 3, 1)], [Level(Q + 1, 4, 1)])
    assert market.depth(7, 1, 1).bids == [(P, 3, 2)]
    assert market.depth(7, 0, 1).bids == [(P, 3, 2), (P - 2, 3, 1)]
    assert market.depth(8) == Depth([], [Level(Q, 9, 1)])


def test_depth_gives_ten_levels_unless_told(engine: AnyEngine) -> None:
    engine.apply(b"".join(add(i, "B", i, 1) + add(100 + i, "A", 100 + i, 1) for i in range(25)))
    assert [level.price for level in engine.depth(7).bids] == list(range(24, 14, -1))
    assert [level.price for level in engine.depth(7).asks] == list(range(100, 110))
    assert (
        len(engine.depth(7, 0).bids) == len(engine.depth(7, 25).bids) == len(engine.depth(7, 99).asks) == 25
    )


def test_several_publishers_are_consolidated(market: AnyEngine) -> None:
    depth = market.depth(7)
    assert depth.bids == [(P, 8, 3), (P - 1, 6, 1), (P - 2, 3, 1)]
    assert depth.asks == [(Q, 7, 1), (Q + 1, 4, 1)]
    assert market.depth(7, 2).bids == [(P, 8, 3), (P - 1, 6, 1)]
    assert market.bbo(7) == Bbo(Level(P, 8, 3), Level(Q, 7, 1))


def test_consolidated_books_may_cross(market: AnyEngine) -> None:
    market.apply(add(9, "B", Q + 5, 1))
    assert market.bbo(7) == Bbo(Level(Q + 5, 1, 1), Level(Q, 7, 1))


def test_quotes_and_orders_consolidate_at_one_price(market: AnyEngine) -> None:
    market.apply(mbo("A", "B", P, 50, 0, TOB | LAST, publisher_id=3))
    assert market.bbo(7).bid == (P, 58, 3)


def test_the_bbo_is_none_on_an_empty_side(market: AnyEngine) -> None:
    assert market.bbo(8) == Bbo(None, Level(Q, 9, 1))
    assert market.bbo(7, 1) == Bbo(Level(P, 3, 2), Level(Q + 1, 4, 1))


def test_depth_inside_an_event_is_the_present_state(market: AnyEngine) -> None:
    market.apply(add(9, "B", P + 1, 1, 0))
    assert market.bbo(7, 1).bid == (P + 1, 1, 1)
    assert market.status(7, 1).in_event


def test_orders_are_listed_in_priority_order(market: AnyEngine) -> None:
    assert market.orders(7, "B", P, 1) == [Order(1, 1, 1, 0), Order(2, 2, 1, 0)]
    assert market.orders(7, "A", P, 1) == []
    assert market.orders(8, "A", Q) == [Order(1, 9, 1, 0)]


def test_a_quote_has_no_orders(engine: AnyEngine) -> None:
    engine.apply(mbo("A", "B", P, 5, 1, TOB | LAST))
    assert engine.orders(7, "B", P) == []
    with pytest.raises(UnknownOrderError):
        engine.queue_position(1, 7)


@pytest.mark.parametrize("side", ["N", "b", "", "BA"])
def test_orders_of_no_side_are_refused(market: AnyEngine, side: str) -> None:
    with pytest.raises(ValueError, match="side"):
        market.orders(7, side, P, 1)  # type: ignore[arg-type]


def test_a_queue_position_says_what_stands_ahead(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", P, 6) + add(3, "B", P, 7) + add(4, "B", P + 1, 8))
    assert engine.queue_position(1, 7) == QueuePosition(1, "B", P, 5, 0, 0)
    assert engine.queue_position(3, 7) == QueuePosition(3, "B", P, 7, 2, 11)
    assert engine.queue_position(4, 7) == QueuePosition(4, "B", P + 1, 8, 0, 0)


def test_questions_about_one_book_of_several_need_the_publisher(market: AnyEngine) -> None:
    for ask in (
        lambda: market.status(7),
        lambda: market.orders(7, "B", P),
        lambda: market.queue_position(1, 7),
        lambda: market.snapshot(7),
        lambda: market.checksum(7),
    ):
        with pytest.raises(AmbiguousBookError, match="publisher"):
            ask()


def test_questions_about_a_book_that_is_not_there_are_refused(market: AnyEngine) -> None:
    for ask in (
        lambda: market.status(9),
        lambda: market.status(7, 3),
        lambda: market.depth(9),
        lambda: market.depth(8, 10, 1),
        lambda: market.bbo(9),
        lambda: market.orders(9, "B", P),
        lambda: market.queue_position(1, 9),
        lambda: market.snapshot(9),
        lambda: market.checksum(8, 0, 1),
    ):
        with pytest.raises(UnknownBookError):
            ask()


def test_an_unknown_order_is_refused(market: AnyEngine) -> None:
    with pytest.raises(UnknownOrderError, match="77"):
        market.queue_position(77, 7, 1)
    assert issubclass(UnknownOrderError, BookError)
    assert issubclass(UnknownOrderError, LookupError)


def test_a_negative_number_of_levels_is_refused(market: AnyEngine) -> None:
    with pytest.raises(ValueError, match="levels"):
        market.depth(8, -1)
    with pytest.raises(ValueError, match="levels"):
        market.checksum(8, -1)


def test_the_full_checksum_covers_levels_and_queues(market: AnyEngine) -> None:
    expected = zlib.crc32(
        struct.pack("<cqQI", b"B", P, 3, 2)
        + struct.pack("<QIQI", 1, 1, 2, 2)
        + struct.pack("<cqQI", b"B", P - 2, 3, 1)
        + struct.pack("<QI", 3, 3)
        + struct.pack("<cqQI", b"A", Q + 1, 4, 1)
        + struct.pack("<QI", 4, 4)
    )
    assert market.checksum(7, publisher_id=1) == expected


def test_the_checksum_of_some_levels_leaves_queues_out(market: AnyEngine) -> None:
    expected = zlib.crc32(struct.pack("<cqQI", b"B", P, 3, 2) + struct.pack("<cqQI", b"A", Q + 1, 4, 1))
    assert market.checksum(7, 1, 1) == expected
    assert market.checksum(7, 10, 1) != market.checksum(7, 0, 1)


def test_the_checksum_of_a_quote_has_no_queue(engine: AnyEngine) -> None:
    engine.apply(mbo("A", "A", -P, 5, 9, TOB | LAST))
    assert engine.checksum(7) == engine.checksum(7, 10) == zlib.crc32(struct.pack("<cqQI", b"A", -P, 5, 0))


def test_the_checksum_of_an_empty_book_is_zero(engine: AnyEngine) -> None:
    engine.apply(clear())
    assert engine.checksum(7) == 0


def test_the_counters_come_in_their_order(engine: AnyEngine) -> None:
    assert tuple(engine.counters) == COUNTERS
    engine.apply(trade("A", P, 1))
    assert tuple(engine.counters) == COUNTERS


def test_the_counters_given_out_are_a_copy(engine: AnyEngine) -> None:
    engine.counters["records"] = 99
    assert engine.counters["records"] == 0


def test_hundreds_of_instruments_have_their_own_books(engine: AnyEngine) -> None:
    ids = [*range(300), 2**31, 2**32 - 1]
    engine.apply(b"".join(add(1, "B", P + i % 7, 1 + i % 5, instrument_id=i) for i in ids))
    engine.apply(b"".join(add(2, "A", Q, 2, instrument_id=i) for i in ids[::2]))
    assert engine.books() == [(1, i) for i in ids]
    for i in ids:
        assert engine.bbo(i).bid == (P + i % 7, 1 + i % 5, 1)
        assert (engine.bbo(i).ask is None) == (i not in ids[::2])
