"""docs/book.md § Top of book and aggregated levels."""

import pytest

from tests.support.engines import AnyEngine
from tests.support.records import LAST, MBP, TOB, UNDEF_PRICE, add, cancel, clear, fill, mbo, modify, trade
from tests.support.views import counted, health, levels, queue, volumes

P, Q = 100, 101


def quote(side: str, price: int, size: int, flags: int = LAST) -> bytes:
    return mbo("A", side, price, size, 0, flags | TOB)


def test_a_quote_is_the_whole_side(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + quote("A", Q, 7))
    assert levels(engine) == ([(P, 5, 0)], [(Q, 7, 0)])
    assert engine.status(7).orders == 0
    assert engine.status(7).levels == 2
    assert engine.status(7).top == "normal"
    assert counted(engine) == {"adds": 2, "tob_adds": 2}
    assert volumes(engine) == (0, 0, 0, 0)


def test_a_quote_replaces_the_quote_before_it(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + quote("B", Q, 6) + quote("B", P - 9, 1))
    assert levels(engine) == ([(P - 9, 1, 0)], [])


def test_a_quote_without_a_price_empties_the_side(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + quote("A", Q, 7) + quote("B", UNDEF_PRICE, 3))
    assert levels(engine) == ([], [(Q, 7, 0)])
    assert engine.status(7).top == "empty"
    assert counted(engine) == {"adds": 3, "tob_adds": 3}


def test_a_quote_without_a_size_empties_the_side(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + quote("B", P, 0))
    assert levels(engine) == ([], [])


def test_a_quote_removes_the_orders_of_its_side_only(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", P - 1, 5) + add(3, "A", Q, 7) + quote("B", P, 9))
    assert levels(engine) == ([(P, 9, 0)], [(Q, 7, 1)])
    assert queue(engine, "B", P) == []
    engine.apply(cancel(1, "B", P, 5) + modify(2, "A", Q, 5))
    assert counted(engine)["unknown_cancels"] == 1
    assert counted(engine)["unknown_modifies"] == 1
    assert volumes(engine) == (10, 10, 12, 0)


def test_a_quote_without_a_price_removes_the_orders_of_its_side(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + quote("B", UNDEF_PRICE, 0))
    assert levels(engine) == ([], [])
    assert volumes(engine) == (5, 5, 0, 0)


def test_a_quote_with_the_id_of_an_order_of_the_other_side_leaves_that_order(engine: AnyEngine) -> None:
    engine.apply(add(1, "A", Q, 7) + mbo("A", "B", P, 5, 1, LAST | TOB))
    assert levels(engine) == ([(P, 5, 0)], [(Q, 7, 1)])
    assert "duplicate_adds" not in counted(engine)


def test_the_id_of_a_quote_is_no_order(engine: AnyEngine) -> None:
    engine.apply(mbo("A", "B", P, 5, 1, LAST | TOB) + cancel(1, "B", P, 5) + fill(1, "B", P, 5, LAST))
    assert levels(engine) == ([(P, 5, 0)], [])
    assert counted(engine)["unknown_cancels"] == counted(engine)["unknown_fills"] == 1


def test_a_plain_add_takes_the_quote_of_its_side_away(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + quote("A", Q, 7) + add(1, "B", P - 1, 2))
    assert levels(engine) == ([(P - 1, 2, 1)], [(Q, 7, 0)])


def test_a_plain_add_at_the_price_of_the_quote_takes_it_away_too(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + add(1, "B", P, 2))
    assert levels(engine) == ([(P, 2, 1)], [])
    assert queue(engine, "B", P) == [(1, 2)]


def test_a_modify_that_appends_takes_the_quote_away(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + modify(1, "B", P - 1, 2))
    assert levels(engine) == ([(P - 1, 2, 1)], [])


def test_a_modify_that_changes_side_takes_the_quote_there_away(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + quote("A", Q, 7) + modify(1, "A", Q + 1, 5))
    assert levels(engine) == ([], [(Q + 1, 5, 1)])


def test_an_ignored_add_leaves_the_quote(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + add(1, "B", P, 0) + modify(1, "B", P, 0))
    assert levels(engine) == ([(P, 5, 0)], [])


def test_a_clear_takes_quotes_away(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + quote("A", Q, 7) + clear())
    assert levels(engine) == ([], [])


def test_a_modify_of_a_quote_is_ignored(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + add(1, "A", Q, 7))
    engine.apply(mbo("M", "B", P, 6, 0, LAST | TOB) + mbo("M", "A", Q, 3, 1, LAST | TOB))
    engine.apply(mbo("M", "A", UNDEF_PRICE, 0, 1, LAST | TOB))
    assert levels(engine) == ([(P, 5, 0)], [(Q, 7, 1)])
    assert counted(engine) == {"adds": 2, "tob_adds": 1, "tob_modifies": 3}


def test_top_of_book_means_nothing_on_other_actions(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + cancel(1, "B", P, 2, LAST | TOB) + trade("A", P, 1, LAST | TOB))
    assert queue(engine, "B", P) == [(1, 3)]
    engine.apply(clear(LAST | TOB))
    assert levels(engine) == ([], [])


def test_a_locked_and_a_crossed_top_are_seen_on_quotes(engine: AnyEngine) -> None:
    engine.apply(quote("B", P, 5) + quote("A", P, 7))
    assert engine.status(7).top == "locked"
    engine.apply(quote("B", P + 1, 5))
    assert engine.status(7).top == "crossed"


@pytest.mark.parametrize("action", ["A", "M", "C", "R", "T", "F", "N"])
def test_an_aggregated_record_is_ignored_and_makes_the_book_suspect(engine: AnyEngine, action: str) -> None:
    engine.apply(clear() + add(1, "B", P, 5))
    engine.apply(mbo(action, "B", P, 3, 1, LAST | MBP))
    assert queue(engine, "B", P) == [(1, 5)]
    assert counted(engine) == {"adds": 1, "clears": 1, "mbp_records": 1}
    assert health(engine) == (True, True)


def test_an_aggregated_quote_is_aggregated_first(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + mbo("A", "B", P, 3, 0, LAST | TOB | MBP))
    assert queue(engine, "B", P) == [(1, 5)]
    assert counted(engine) == {"adds": 1, "mbp_records": 1}
