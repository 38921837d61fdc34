"""What the compiled engine alone can be asked: how many books, whose, and how many are inside an event."""

from depthcast.book.engine import Engine
from tests.support.records import add, status

P = 1_000


def test_books_are_counted_once_they_have_a_record() -> None:
    engine = Engine()
    engine.apply(status(7))
    assert (engine.book_count, engine.publishers(7)) == (0, [])
    engine.apply(add(1, "B", P, 5) + add(1, "B", P, 5, publisher_id=2) + add(1, "B", P, 5, instrument_id=9))
    assert engine.book_count == len(engine.books()) == 3


def test_publishers_are_in_ascending_order() -> None:
    engine = Engine()
    for publisher_id in (9, 2, 5):
        engine.apply(add(1, "B", P, 5, publisher_id=publisher_id))
    assert engine.publishers(7) == [2, 5, 9]
    assert engine.publishers(8) == []


def test_open_events_are_counted_by_book() -> None:
    engine = Engine()
    engine.apply(add(1, "B", P, 5, 0) + add(2, "B", P, 5, 0) + add(1, "B", P, 5, 0, instrument_id=9))
    assert engine.open_events == 2
    engine.apply(add(3, "B", P, 5))
    assert engine.open_events == 1
    engine.apply(engine.snapshot())
    assert engine.open_events == 1
    engine.apply(add(3, "B", P, 5, instrument_id=9))
    assert engine.open_events == 0
