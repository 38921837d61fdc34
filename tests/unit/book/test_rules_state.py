"""docs/book.md § State of a book: complete, suspect, top, phase."""

import pytest

from depthcast.book.types import PHASES
from depthcast.errors import UnknownBookError
from tests.support.engines import AnyEngine
from tests.support.records import LAST, MAYBE_BAD, SNAPSHOT, add, clear, mbo, status
from tests.support.views import counted, health, levels

P = 100


def test_data_that_begins_mid_session_gives_an_incomplete_book(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5))
    assert health(engine) == (False, False)


def test_a_clear_makes_a_book_complete(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + clear())
    assert health(engine) == (True, False)


def test_a_clear_makes_a_suspect_book_good(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, LAST | MAYBE_BAD))
    assert health(engine) == (False, True)
    engine.apply(clear())
    assert health(engine) == (True, False)


def test_a_clear_of_a_snapshot_makes_a_suspect_book_good(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, LAST | MAYBE_BAD) + clear(SNAPSHOT))
    assert health(engine) == (True, False)


@pytest.mark.parametrize("flags", [LAST, SNAPSHOT])
def test_a_clear_that_may_be_bad_leaves_the_book_incomplete_and_suspect(
    engine: AnyEngine, flags: int
) -> None:
    engine.apply(clear() + add(1, "B", P, 5) + clear(flags | MAYBE_BAD))
    assert levels(engine) == ([], [])
    assert health(engine) == (False, True)
    assert counted(engine)["maybe_bad_book"] == 1


def test_marking_without_arguments_marks_every_book(engine: AnyEngine) -> None:
    engine.apply(clear() + clear(instrument_id=8) + clear(publisher_id=2))
    engine.mark_suspect()
    assert [engine.status(key.instrument_id, key.publisher_id).suspect for key in engine.books()] == [
        True
    ] * 3
    assert engine.status(8).complete
    engine.apply(clear())
    assert not engine.status(7, 1).suspect
    assert engine.status(7, 2).suspect


def test_marking_an_instrument_marks_its_books_at_every_publisher(engine: AnyEngine) -> None:
    engine.apply(clear() + clear(instrument_id=8) + clear(publisher_id=2))
    engine.mark_suspect(7)
    marked = {key for key in engine.books() if engine.status(key.instrument_id, key.publisher_id).suspect}
    assert marked == {(1, 7), (2, 7)}


def test_marking_one_book_marks_that_one(engine: AnyEngine) -> None:
    engine.apply(clear() + clear(publisher_id=2))
    engine.mark_suspect(7, publisher_id=2)
    assert not engine.status(7, 1).suspect
    assert engine.status(7, 2).suspect


def test_marking_a_publisher_marks_its_books(engine: AnyEngine) -> None:
    engine.apply(clear() + clear(publisher_id=2) + clear(publisher_id=2, instrument_id=8))
    engine.mark_suspect(publisher_id=2)
    engine.mark_suspect(publisher_id=3)
    marked = {key for key in engine.books() if engine.status(key.instrument_id, key.publisher_id).suspect}
    assert marked == {(2, 7), (2, 8)}


def test_marking_an_unknown_book_is_refused(engine: AnyEngine) -> None:
    engine.apply(clear())
    with pytest.raises(UnknownBookError, match="8"):
        engine.mark_suspect(8)
    with pytest.raises(UnknownBookError, match="9"):
        engine.mark_suspect(7, publisher_id=9)
    assert not engine.status(7).suspect


def test_a_book_that_comes_after_marking_is_not_marked(engine: AnyEngine) -> None:
    engine.mark_suspect()
    engine.apply(clear())
    assert health(engine) == (True, False)


@pytest.mark.parametrize(
    ("bid", "ask", "top"),
    [
        (None, None, "empty"),
        (P, None, "empty"),
        (None, P, "empty"),
        (P - 1, P, "normal"),
        (P, P, "locked"),
        (P + 1, P, "crossed"),
        (-(2**63), 2**63 - 2, "normal"),
        (2**63 - 2, -(2**63), "crossed"),
    ],
)
def test_the_top_of_the_book(engine: AnyEngine, bid: int | None, ask: int | None, top: str) -> None:
    engine.apply(mbo("N"))
    if bid is not None:
        engine.apply(add(1, "B", bid, 1))
    if ask is not None:
        engine.apply(add(2, "A", ask, 1))
    assert engine.status(7).top == top


def test_a_crossed_book_is_reported_and_goes_on(engine: AnyEngine) -> None:
    engine.apply(clear() + add(1, "B", P + 1, 1) + add(2, "A", P, 1) + add(3, "B", P + 2, 1))
    assert engine.status(7).top == "crossed"
    assert health(engine) == (True, False)
    assert levels(engine)[0] == [(P + 2, 1, 1), (P + 1, 1, 1)]


@pytest.mark.parametrize(("action", "phase"), PHASES.items())
def test_a_status_record_sets_the_phase(engine: AnyEngine, action: int, phase: str) -> None:
    engine.apply(add(1, "B", P, 5))
    assert engine.status(7).phase is None
    assert engine.apply(status(action)) == 1
    assert engine.status(7).phase == phase
    assert engine.counters["status_records"] == 1


@pytest.mark.parametrize("action", [0, 14, 16, 65_535])
def test_a_status_that_is_no_phase_leaves_the_phase(engine: AnyEngine, action: int) -> None:
    engine.apply(add(1, "B", P, 5) + status(7) + status(action))
    assert engine.status(7).phase == "trading"
    assert engine.counters["status_records"] == 2


def test_a_phase_belongs_to_one_instrument_at_one_publisher(engine: AnyEngine) -> None:
    engine.apply(clear() + clear(instrument_id=8) + clear(publisher_id=2) + status(7, publisher_id=2))
    assert engine.status(7, 2).phase == "trading"
    assert engine.status(7, 1).phase is None
    assert engine.status(8).phase is None


def test_a_status_before_the_book_makes_no_book_and_is_there_when_it_comes(engine: AnyEngine) -> None:
    assert engine.apply(status(1)) == 1
    assert engine.books() == []
    with pytest.raises(UnknownBookError):
        engine.status(7)
    engine.apply(clear())
    assert engine.status(7).phase == "pre_open"


def test_a_status_record_ends_no_event_and_moves_no_time(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, 0, ts_event=50, ts_recv=51) + status(7))
    now = engine.status(7)
    assert (now.in_event, now.ts_event, now.ts_recv, now.records) == (True, 50, 51, 1)
