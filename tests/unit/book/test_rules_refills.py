"""docs/book.md § Refills: a display filled whole within the event that comes back goes to the tail."""

from tests.support.engines import AnyEngine
from tests.support.records import LAST, MBP, SNAPSHOT, TOB, add, cancel, clear, fill, mbo, modify, trade
from tests.support.views import counted, health, queue, volumes

P, Q = 100, 101
START = add(1, "B", P, 5) + add(2, "B", P, 9)


def test_a_fill_of_the_whole_display_makes_the_modify_a_refill(engine: AnyEngine) -> None:
    engine.apply(
        START + trade("A", P, 5) + fill(1, "B", P, 5) + modify(1, "B", P, 5, ts_event=9, sequence=90)
    )
    assert engine.orders(7, "B", P) == [(2, 9, 1, 0), (1, 5, 9, 90)]
    assert counted(engine) == {"adds": 2, "trades": 1, "fills": 1, "modifies": 1, "refills": 1}
    assert volumes(engine) == (19, 5, 0, 0)


def test_a_refill_of_less_than_was_displayed_goes_to_the_tail_too(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5) + modify(1, "B", P, 2))
    assert queue(engine, "B", P) == [(2, 9), (1, 2)]


def test_fills_of_several_records_add_up(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 2) + fill(1, "B", P, 2) + fill(1, "B", P, 1) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 9), (1, 5)]


def test_fills_of_less_than_the_display_are_no_refill(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 4) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(1, 5), (2, 9)]
    assert "refills" not in counted(engine)


def test_fills_of_more_than_the_display_are_a_refill(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 60) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 9), (1, 5)]


def test_fills_of_more_than_32_bits_saturate(engine: AnyEngine) -> None:
    most = 2**32 - 1
    engine.apply(add(1, "B", P, most) + add(2, "B", P, 9))
    engine.apply(fill(1, "B", P, most) + fill(1, "B", P, most) + fill(1, "B", P, 2) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 9), (1, 5)]


def test_fills_of_an_earlier_event_are_forgotten(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5, LAST) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(1, 5), (2, 9)]
    assert "refills" not in counted(engine)


def test_fills_do_not_add_up_over_events(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 3, LAST) + fill(1, "B", P, 3) + modify(1, "B", P, 4))
    assert queue(engine, "B", P) == [(1, 4), (2, 9)]


def test_an_event_end_in_another_book_forgets_nothing_here(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5) + add(9, "B", P, 1, instrument_id=8) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 9), (1, 5)]


def test_fills_of_another_order_are_not_this_ones(engine: AnyEngine) -> None:
    engine.apply(START + fill(2, "B", P, 9) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(1, 5), (2, 9)]


def test_a_modify_in_place_forgets_the_fills_before_it(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 3) + modify(1, "B", P, 4, 0) + fill(1, "B", P, 3))
    engine.apply(modify(1, "B", P, 4))
    assert queue(engine, "B", P) == [(1, 4), (2, 9)]


def test_a_cancel_forgets_the_fills_before_it_even_of_size_zero(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5) + cancel(1, "B", P, 0, 0) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(1, 5), (2, 9)]


def test_an_add_forgets_the_fills_before_it(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5) + add(1, "B", P, 5, 0) + add(3, "B", P, 1, 0))
    engine.apply(modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 9), (1, 5), (3, 1)]
    assert "refills" not in counted(engine)


def test_fills_before_a_removal_do_not_count_for_the_id_when_it_comes_again(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5) + cancel(1, "B", P, 5, 0) + add(1, "B", P, 5, 0))
    engine.apply(add(3, "B", P, 1, 0) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 9), (1, 5), (3, 1)]


def test_a_clear_forgets_fills(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5) + clear(0) + add(1, "B", P, 5, 0) + add(2, "B", P, 9, 0))
    engine.apply(modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(1, 5), (2, 9)]


def test_the_fill_of_an_unknown_order_does_not_wait_for_it(engine: AnyEngine) -> None:
    engine.apply(fill(1, "B", P, 5) + add(1, "B", P, 5, 0) + add(2, "B", P, 9, 0) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(1, 5), (2, 9)]


def test_a_second_refill_in_one_event_needs_its_own_fills(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5) + modify(1, "B", P, 5, 0))
    engine.apply(fill(2, "B", P, 9) + modify(2, "B", P, 9, 0) + modify(1, "B", P, 5, 0))
    assert queue(engine, "B", P) == [(1, 5), (2, 9)]
    engine.apply(fill(1, "B", P, 5) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 9), (1, 5)]
    assert counted(engine)["refills"] == 3


def test_a_refill_that_grows_or_moves_is_counted_too(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5) + modify(1, "B", P, 6))
    engine.apply(fill(2, "B", P, 9) + modify(2, "B", Q, 9))
    engine.apply(fill(1, "B", P, 6) + modify(1, "A", P, 6))
    assert counted(engine)["refills"] == 3
    assert counted(engine)["side_changes"] == 1


def test_a_modify_to_size_zero_after_a_whole_fill_is_no_refill(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5) + modify(1, "B", P, 0))
    assert queue(engine, "B", P) == [(2, 9)]
    assert "refills" not in counted(engine)


def test_a_fill_of_any_side_and_price_counts_for_its_order(engine: AnyEngine) -> None:
    engine.apply(START + mbo("F", "N", Q, 5, 1, 0) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 9), (1, 5)]


def test_an_aggregated_fill_is_not_a_fill(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5, MBP) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(1, 5), (2, 9)]
    assert health(engine)[1]


def test_a_fill_flagged_top_of_book_is_a_fill(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5, TOB) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 9), (1, 5)]


def test_a_fill_flagged_snapshot_is_a_fill(engine: AnyEngine) -> None:
    engine.apply(START + fill(1, "B", P, 5, SNAPSHOT) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 9), (1, 5)]


def test_a_display_that_shrank_needs_less_to_be_refilled(engine: AnyEngine) -> None:
    engine.apply(START + modify(1, "B", P, 2) + fill(1, "B", P, 2) + modify(1, "B", P, 2))
    assert queue(engine, "B", P) == [(2, 9), (1, 2)]
