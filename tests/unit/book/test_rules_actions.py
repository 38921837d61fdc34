"""docs/book.md § Actions: every row of the table, for known and unknown orders."""

import pytest

from depthcast.book.types import Bbo, Level
from tests.support.engines import AnyEngine
from tests.support.records import UNDEF_PRICE, add, cancel, clear, fill, mbo, modify, trade
from tests.support.views import counted, health, levels, queue, volumes

P, Q = 100, 101


def test_an_add_joins_the_tail_of_its_level(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", P, 7) + add(3, "A", Q, 1))
    assert queue(engine, "B", P) == [(1, 5), (2, 7)]
    assert levels(engine) == ([(P, 12, 2)], [(Q, 1, 1)])
    assert counted(engine) == {"adds": 3}
    assert volumes(engine) == (12, 0, 1, 0)


def test_an_add_of_a_known_order_replaces_it_at_the_tail(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", P, 7) + add(1, "B", P, 4))
    assert queue(engine, "B", P) == [(2, 7), (1, 4)]
    assert counted(engine) == {"adds": 3, "duplicate_adds": 1}
    assert volumes(engine) == (16, 5, 0, 0)


def test_an_add_of_a_known_order_may_move_it_to_the_other_side(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(1, "A", Q, 4))
    assert levels(engine) == ([], [(Q, 4, 1)])
    assert volumes(engine) == (5, 5, 4, 0)


def test_the_same_order_id_in_two_books_is_two_orders(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(1, "B", P, 6, instrument_id=8) + add(1, "B", P, 7, publisher_id=2))
    engine.apply(cancel(1, "B", P, 6, instrument_id=8))
    assert engine.depth(7, publisher_id=1).bids == [(P, 5, 1)]
    assert engine.depth(7, publisher_id=2).bids == [(P, 7, 1)]
    assert engine.depth(8).bids == []
    assert counted(engine) == {"adds": 3, "cancels": 1}


def test_a_cancel_of_the_whole_order_removes_it(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", P, 7) + cancel(1, "B", P, 5))
    assert levels(engine) == ([(P, 7, 1)], [])
    assert counted(engine) == {"adds": 2, "cancels": 1}
    assert volumes(engine) == (12, 5, 0, 0)


def test_a_cancel_of_the_last_order_removes_the_level(engine: AnyEngine) -> None:
    engine.apply(add(1, "A", P, 5) + cancel(1, "A", P, 5))
    assert levels(engine) == ([], [])
    assert volumes(engine) == (0, 0, 5, 5)


def test_a_cancel_of_a_part_keeps_the_place(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, ts_event=3, sequence=30) + add(2, "B", P, 7))
    engine.apply(cancel(1, "B", P, 2, ts_event=9, sequence=90))
    assert queue(engine, "B", P) == [(1, 3), (2, 7)]
    assert engine.orders(7, "B", P)[0] == (1, 3, 3, 30)
    assert volumes(engine) == (12, 2, 0, 0)


def test_a_cancel_of_more_than_rests_removes_the_order_and_is_counted(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + cancel(1, "B", P, 6))
    assert levels(engine) == ([], [])
    assert counted(engine) == {"adds": 1, "cancels": 1, "over_cancels": 1}
    assert volumes(engine) == (5, 5, 0, 0)


def test_a_cancel_of_size_zero_leaves_the_order(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + cancel(1, "B", P, 0))
    assert queue(engine, "B", P) == [(1, 5)]
    assert counted(engine) == {"adds": 1, "cancels": 1}


def test_a_cancel_of_an_unknown_order_is_ignored_and_counted(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + cancel(2, "B", P, 5))
    assert queue(engine, "B", P) == [(1, 5)]
    assert counted(engine) == {"adds": 1, "cancels": 1, "unknown_cancels": 1}


@pytest.mark.parametrize(
    ("side", "price"), [("A", P), ("B", Q), ("A", Q), ("N", P), ("B", UNDEF_PRICE), ("x", UNDEF_PRICE)]
)
def test_a_cancel_finds_its_order_by_id_alone_whatever_price_and_side_it_names(
    engine: AnyEngine, side: str, price: int
) -> None:
    engine.apply(add(1, "B", P, 5) + cancel(1, side, price, 2))
    assert queue(engine, "B", P) == [(1, 3)]
    assert counted(engine) == {"adds": 1, "cancels": 1, "cancel_mismatches": 1}


def test_a_cancel_of_size_zero_that_names_another_price_is_a_mismatch_too(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + cancel(1, "B", Q, 0))
    assert counted(engine) == {"adds": 1, "cancels": 1, "cancel_mismatches": 1}


def test_a_modify_to_a_smaller_size_keeps_the_place(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, ts_event=3, sequence=30) + add(2, "B", P, 7))
    engine.apply(modify(1, "B", P, 4, ts_event=9, sequence=90))
    assert engine.orders(7, "B", P)[0] == (1, 4, 3, 30)
    assert queue(engine, "B", P) == [(1, 4), (2, 7)]
    assert counted(engine) == {"adds": 2, "modifies": 1}
    assert volumes(engine) == (12, 1, 0, 0)


def test_a_modify_to_the_same_size_keeps_the_place(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, ts_event=3, sequence=30) + add(2, "B", P, 7))
    engine.apply(modify(1, "B", P, 5, ts_event=9, sequence=90))
    assert engine.orders(7, "B", P) == [(1, 5, 3, 30), (2, 7, 1, 0)]
    assert volumes(engine) == (12, 0, 0, 0)


def test_a_modify_to_a_greater_size_goes_to_the_tail(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", P, 7) + modify(1, "B", P, 6, ts_event=9, sequence=90))
    assert engine.orders(7, "B", P) == [(2, 7, 1, 0), (1, 6, 9, 90)]
    assert counted(engine) == {"adds": 2, "modifies": 1}
    assert volumes(engine) == (18, 5, 0, 0)


def test_a_lone_order_that_grows_takes_the_time_of_its_new_priority(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, ts_event=3, sequence=30) + modify(1, "B", P, 6, ts_event=9, sequence=90))
    assert engine.orders(7, "B", P) == [(1, 6, 9, 90)]
    assert volumes(engine) == (11, 5, 0, 0)


@pytest.mark.parametrize("size", [4, 5, 6])
def test_a_modify_to_another_price_goes_to_the_tail_there(engine: AnyEngine, size: int) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", Q, 7) + modify(1, "B", Q, size, ts_event=9))
    assert queue(engine, "B", Q) == [(2, 7), (1, size)]
    assert queue(engine, "B", P) == []
    assert counted(engine) == {"adds": 2, "modifies": 1}
    assert volumes(engine) == (12 + size, 5, 0, 0)


@pytest.mark.parametrize("size", [4, 5, 6])
def test_a_modify_to_the_other_side_goes_to_the_tail_there(engine: AnyEngine, size: int) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "A", P, 7) + modify(1, "A", P, size))
    assert queue(engine, "A", P) == [(2, 7), (1, size)]
    assert queue(engine, "B", P) == []
    assert counted(engine) == {"adds": 2, "modifies": 1, "side_changes": 1}
    assert volumes(engine) == (5, 5, 7 + size, 0)


def test_a_modify_of_an_unknown_order_adds_it(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + modify(2, "B", P, 3, ts_event=9, sequence=90))
    assert engine.orders(7, "B", P) == [(1, 5, 1, 0), (2, 3, 9, 90)]
    assert counted(engine) == {"adds": 1, "modifies": 1, "unknown_modifies": 1}


def test_a_modify_to_size_zero_removes_the_order(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + modify(1, "A", Q, 0))
    assert levels(engine) == ([], [])
    assert counted(engine) == {"adds": 1, "modifies": 1, "zero_size_modifies": 1}
    assert volumes(engine) == (5, 5, 0, 0)


def test_a_modify_of_an_unknown_order_to_size_zero_is_ignored(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + modify(2, "B", P, 0))
    assert queue(engine, "B", P) == [(1, 5)]
    assert counted(engine) == {"adds": 1, "modifies": 1, "zero_size_modifies": 1}


def test_a_clear_empties_both_sides_of_its_own_book_only(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "A", Q, 7) + add(3, "A", Q, 9, instrument_id=8) + clear())
    assert levels(engine) == ([], [])
    assert engine.depth(8).asks == [(Q, 9, 1)]
    assert counted(engine) == {"adds": 3, "clears": 1}
    assert volumes(engine) == (5, 5, 16, 7)


def test_orders_from_before_a_clear_are_unknown_after_it(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + clear() + cancel(1, "B", P, 5))
    assert counted(engine) == {"adds": 1, "clears": 1, "cancels": 1, "unknown_cancels": 1}


def test_a_clear_that_names_an_order_a_side_and_a_price_is_a_clear_all_the_same(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "A", Q, 5) + mbo("R", "B", P, 5, 1))
    assert levels(engine) == ([], [])
    assert health(engine) == (True, False)


def test_trades_fills_and_none_never_change_the_book(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "A", Q, 7))
    before = engine.checksum(7)
    engine.apply(trade("A", P, 5) + fill(1, "B", P, 5) + mbo("N", "B", P, 5, 1))
    assert engine.checksum(7) == before
    assert counted(engine) == {"adds": 2, "trades": 1, "fills": 1, "nones": 1}


def test_a_fill_of_an_unknown_order_is_counted(engine: AnyEngine) -> None:
    engine.apply(fill(1, "B", P, 5))
    assert levels(engine) == ([], [])
    assert counted(engine) == {"fills": 1, "unknown_fills": 1}


def test_a_partial_fill_at_cme_is_a_fill_and_a_modify_with_the_remainder(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", P, 5))
    engine.apply(trade("A", P, 2) + fill(1, "B", P, 2) + modify(1, "B", P, 3))
    assert queue(engine, "B", P) == [(1, 3), (2, 5)]
    assert "refills" not in counted(engine)


def test_a_partial_fill_at_nasdaq_is_a_cancel_by_size(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", P, 5))
    engine.apply(trade("A", P, 2) + fill(1, "B", P, 2) + cancel(1, "B", P, 2))
    assert queue(engine, "B", P) == [(1, 3), (2, 5)]


def test_a_whole_fill_is_a_fill_and_a_cancel(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", P, 5))
    engine.apply(trade("A", P, 5) + fill(1, "B", P, 5) + cancel(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 5)]


@pytest.mark.parametrize("order_id", [0, 1, 2**63, 2**64 - 1])
def test_any_order_id_is_an_order(engine: AnyEngine, order_id: int) -> None:
    engine.apply(add(order_id, "B", P, 5) + modify(order_id, "B", P, 4))
    assert queue(engine, "B", P) == [(order_id, 4)]
    engine.apply(cancel(order_id, "B", P, 4))
    assert counted(engine) == {"adds": 1, "modifies": 1, "cancels": 1}


def test_prices_from_the_least_to_the_greatest_stand_in_order(engine: AnyEngine) -> None:
    prices = [-(2**63), -(2**63) + 1, -1, 0, 1, 10**18 + 7, 2**63 - 2]
    for order_id, price in enumerate([prices[i] for i in (3, 6, 0, 5, 1, 4, 2)]):
        engine.apply(add(order_id, "B", price, 1) + add(100 + order_id, "A", price, 2))
    bids, asks = levels(engine)
    assert [price for price, _, _ in bids] == prices[::-1]
    assert [price for price, _, _ in asks] == prices
    assert engine.bbo(7) == Bbo(Level(2**63 - 2, 1, 1), Level(-(2**63), 2, 1))


def test_sizes_add_up_beyond_32_bits(engine: AnyEngine) -> None:
    most = 2**32 - 1
    engine.apply(add(1, "B", P, most) + add(2, "B", P, most) + add(3, "B", P, most))
    assert levels(engine) == ([(P, 3 * most, 3)], [])
    assert engine.queue_position(3, 7).size_ahead == 2 * most
    assert volumes(engine) == (3 * most, 0, 0, 0)
