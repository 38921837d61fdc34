"""What a class shows of a book, and how a change of it is told."""

import random

import pytest

from depthcast.api.hub.books import Face, Place, changes, read, snapshot_message, update_message
from depthcast.book.engine import Engine
from depthcast.book.types import Level
from tests.support.records import LAST, add, cancel, clear, mbo, status

NS = 10**9


def levels(*prices: int, size: int = 1) -> list[Level]:
    return [Level(price * NS, size, 1) for price in prices]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([], [], []),
        ([], [9], [("9", 1, 1)]),
        ([9], [], [("9", 0, 0)]),
        ([9, 8], [9, 7], [("7", 1, 1), ("8", 0, 0)]),
        ([9, 8, 7], [10, 9, 8], [("10", 1, 1)]),
        ([9, 8, 7], [9, 8, 6], [("6", 1, 1), ("7", 0, 0)]),
        (
            [9, 8, 7],
            [6, 5, 4],
            [("6", 1, 1), ("5", 1, 1), ("4", 1, 1), ("9", 0, 0), ("8", 0, 0), ("7", 0, 0)],
        ),
        ([9, 8, 7], [12, 11, 10], [("12", 1, 1), ("11", 1, 1), ("10", 1, 1)]),
        ([9, 8, 7], [9, 8], [("7", 0, 0)]),
    ],
)
def test_bids_that_are_only_pushed_out_are_not_named(
    before: list[int], after: list[int], told: list[tuple[str, int, int]]
) -> None:
    assert changes(levels(*before), levels(*after), 3, descending=True) == told


def test_a_level_that_stays_but_is_another_is_told() -> None:
    before, after = levels(9, 8), [Level(9 * NS, 1, 1), Level(8 * NS, 4, 2)]
    assert changes(before, after, 5, descending=True) == [("8", 4, 2)]


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("descending", [True, False])
def test_applying_and_cutting_gives_the_side_again(depth: int, descending: bool) -> None:
    rng = random.Random(depth)
    held: list[Level] = []
    for _ in range(300):
        prices = sorted(rng.sample(range(20), rng.randrange(8)), reverse=descending)[:depth]
        after = [Level(price * NS, rng.randint(1, 3), 1) for price in prices]
        side = {level.price: level for level in held}
        for price, size, count in changes(held, after, depth, descending=descending):
            side[int(price) * NS] = Level(int(price) * NS, size, count)
        left = sorted((level for level in side.values() if level.size), key=lambda level: level.price)
        held = (left[::-1] if descending else left)[:depth]
        assert held == after


def book(*records: bytes) -> Engine:
    engine = Engine()
    engine.apply(b"".join(records))
    return engine


def face(engine: Engine, publisher: int | None = 1, *, depth: int = 5, stale: bool = False) -> Face | None:
    return read(engine, 7, publisher, engine.publishers(7), depth, stale=stale)


def test_an_open_event_is_not_shown() -> None:
    engine = book(clear(), add(1, "B", 9 * NS, 1, flags=0))
    assert face(engine) is None
    engine.apply(mbo("N", flags=LAST))
    shown = face(engine)
    assert shown is not None
    assert shown.bids == levels(9)


def test_a_book_that_is_not_there_is_empty_and_not_complete() -> None:
    shown = face(Engine())
    assert shown is not None
    assert (shown.bids, shown.top, shown.complete, shown.checksum) == ([], "empty", False, 0)


def test_books_of_several_publishers_are_shown_together_without_a_checksum() -> None:
    engine = book(
        clear(publisher_id=1),
        clear(publisher_id=2),
        add(1, "B", 9 * NS, 1, publisher_id=1),
        add(1, "B", 9 * NS, 2, publisher_id=2),
        add(2, "A", 9 * NS, 2, publisher_id=2),
    )
    shown = face(engine, None)
    assert shown is not None
    assert shown.bids == [Level(9 * NS, 3, 2)]
    assert (shown.top, shown.checksum, shown.complete) == ("locked", None, True)
    engine.apply(add(3, "A", 8 * NS, 1, publisher_id=1, flags=0))
    assert face(engine, None) is None
    engine.apply(add(4, "A", 8 * NS, 1, publisher_id=1) + status(7, publisher_id=1))
    shown = face(engine, None)
    assert shown is not None
    assert (shown.top, shown.phase) == ("crossed", None)


def test_one_bad_book_makes_the_whole_suspect() -> None:
    engine = book(clear(publisher_id=1), add(1, "B", 9 * NS, 1, publisher_id=2))
    engine.mark_suspect(7, 1)
    shown = face(engine, None)
    assert shown is not None
    assert (shown.complete, shown.suspect) == (False, True)


def test_snapshot_and_update_say_the_same_of_the_state() -> None:
    engine = book(clear(), add(1, "B", 9 * NS, 1, ts_event=5), status(7))
    before = face(engine)
    engine.apply(cancel(1, "B", 9 * NS, 1, ts_event=6))
    after = face(engine, stale=True)
    assert before is not None
    assert after is not None
    place = Place("book:7:1:5:20", "e", 1, 2, 30, 40)
    update, snapshot = update_message(before, after, place, 5), snapshot_message(after, place)
    for message in (update, snapshot):
        assert (message.top, message.phase, message.complete, message.suspect, message.stale) == (
            "empty",
            "trading",
            True,
            False,
            True,
        )
        assert (message.ts_event, message.ts_applied, message.ts_send) == ("6", "30", "40")
        assert message.checksum == engine.checksum(7, 5, 1)
    assert (update.bids, snapshot.bids) == ([("9", 0, 0)], [])
