"""docs/book.md § Validation: a record that is wrong in itself is counted, once, and ignored."""

import pytest

from tests.support.engines import AnyEngine
from tests.support.records import LAST, MAYBE_BAD, MBP, TOB, UNDEF_PRICE, add, cancel, mbo, modify
from tests.support.views import counted, health, levels, queue

P = 100


@pytest.mark.parametrize("action", ["X", "a", 0, 255, " "])
def test_an_unknown_action_is_ignored(engine: AnyEngine, action: str | int) -> None:
    engine.apply(add(1, "B", P, 5) + mbo(action, "B", P, 5, 1))
    assert queue(engine, "B", P) == [(1, 5)]
    assert counted(engine) == {"adds": 1, "unknown_actions": 1}
    assert engine.counters["records"] == engine.counters["events"] == 2


@pytest.mark.parametrize("action", ["A", "M"])
@pytest.mark.parametrize("side", ["N", "b", 0, "S"])
@pytest.mark.parametrize("flags", [LAST, LAST | TOB])
def test_an_add_or_modify_needs_a_side(engine: AnyEngine, action: str, side: str | int, flags: int) -> None:
    engine.apply(add(1, "B", P, 5) + mbo(action, side, P, 3, 1, flags) + mbo(action, side, P, 3, 2, flags))
    assert queue(engine, "B", P) == [(1, 5)]
    assert counted(engine) == {"adds": 1, "bad_side": 2}


@pytest.mark.parametrize("action", ["A", "M"])
@pytest.mark.parametrize("size", [0, 3])
def test_an_add_or_modify_needs_a_price(engine: AnyEngine, action: str, size: int) -> None:
    engine.apply(add(1, "B", P, 5) + mbo(action, "B", UNDEF_PRICE, size, 1))
    engine.apply(mbo(action, "B", UNDEF_PRICE, size, 2))
    assert queue(engine, "B", P) == [(1, 5)]
    assert counted(engine) == {"adds": 1, "bad_price": 2}


def test_an_add_needs_a_size(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(1, "B", P, 0) + add(2, "B", P, 0))
    assert queue(engine, "B", P) == [(1, 5)]
    assert counted(engine) == {"adds": 1, "zero_size_adds": 2}


def test_of_several_faults_the_first_is_counted(engine: AnyEngine) -> None:
    engine.apply(mbo("X", "N", UNDEF_PRICE, 0, 1) + mbo("A", "N", UNDEF_PRICE, 0, 1))
    engine.apply(mbo("A", "B", UNDEF_PRICE, 0, 1))
    assert counted(engine) == {"unknown_actions": 1, "bad_side": 1, "bad_price": 1}


def test_a_faulty_record_is_not_an_aggregated_one_too(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 0, LAST | MBP) + mbo("X", "B", P, 1, 1, LAST | MBP))
    assert counted(engine) == {"zero_size_adds": 1, "unknown_actions": 1}
    assert health(engine) == (False, False)


def test_an_ignored_record_still_says_that_the_book_may_be_bad(engine: AnyEngine) -> None:
    engine.apply(mbo("X", "B", P, 1, 1, LAST | MAYBE_BAD))
    assert counted(engine) == {"unknown_actions": 1, "maybe_bad_book": 1}
    assert health(engine) == (False, True)


def test_an_ignored_modify_does_not_forget_fills(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", P, 5))
    engine.apply(mbo("F", "B", P, 5, 1, 0) + modify(1, "N", P, 5, 0) + modify(1, "B", P, 5))
    assert queue(engine, "B", P) == [(2, 5), (1, 5)]
    assert counted(engine) == {"adds": 2, "fills": 1, "bad_side": 1, "modifies": 1, "refills": 1}


def test_a_book_whose_only_record_is_faulty_exists_and_is_empty(engine: AnyEngine) -> None:
    engine.apply(mbo("X", "B", P, 1, 1))
    assert engine.books() == [(1, 7)]
    assert levels(engine) == ([], [])


@pytest.mark.parametrize("side", ["N", "x", 0])
def test_cancels_fills_trades_and_clears_need_no_side(engine: AnyEngine, side: str | int) -> None:
    engine.apply(add(1, "B", P, 5))
    engine.apply(mbo("T", side, P, 1) + mbo("F", side, P, 1, 1) + mbo("C", side, P, 5, 1) + mbo("R", side))
    counters = counted(engine)
    assert counters == {
        "adds": 1,
        "trades": 1,
        "fills": 1,
        "cancels": 1,
        "cancel_mismatches": 1,
        "clears": 1,
    }


def test_a_cancel_without_a_price_is_valid(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + cancel(1, "B", UNDEF_PRICE, 5))
    assert levels(engine) == ([], [])
