"""Encoded books: made once a version, for all who ask the same, within bounds."""

from functools import partial
from typing import Any

import pytest
from msgspec import Struct

from depthcast.api.answers import LARGE_BYTES, Bodies
from depthcast.api.bodies import MAX_ORDERS, book_body, level_body
from depthcast.api.market import Listing
from depthcast.api.problems import ApiProblem
from depthcast.api.selection import Books, newest_of
from depthcast.book.engine import Engine
from tests.support.records import LAST, add, clear, mbo, status


class Body(Struct):
    """Anything."""

    text: str


class Holder:
    """What `Bodies` looks at of a replica."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.generation = 1
        self.dataset = "TEST.SIM"
        self.engine.apply(clear() + add(1, "B", 10, 1))

    def books(self) -> Books:
        replica: Any = self
        return Books(Listing(replica, 7, None), [1], 1, [self.engine.status(7)])


def take(bodies: Bodies, books: Books, what: object = "book", text: str = "x") -> bytes:
    return bodies.get(books, (what,), lambda: Body(text)).head


def test_made_once_a_version() -> None:
    holder, bodies = Holder(), Bodies()
    assert take(bodies, holder.books(), text="a") == b'{"text":"a"'
    assert take(bodies, holder.books(), text="b") == b'{"text":"a"'
    assert (bodies.hits, bodies.misses) == (1, 1)
    holder.engine.apply(add(2, "B", 10, 1))
    assert take(bodies, holder.books(), text="c") == b'{"text":"c"'


def test_whatever_an_answer_shows_makes_it_anew() -> None:
    holder, bodies = Holder(), Bodies()
    take(bodies, holder.books())
    for change in (
        lambda: holder.engine.apply(status(7)),
        lambda: holder.engine.mark_suspect(7),
        lambda: setattr(holder, "generation", 2),
    ):
        change()
        before = bodies.misses
        take(bodies, holder.books())
        assert bodies.misses == before + 1


def test_more_orders_than_json_should_have_are_a_problem() -> None:
    holder = Holder()
    holder.engine.apply(b"".join(add(n, "A", 20, 1) for n in range(2, MAX_ORDERS + 3)))
    books = holder.books()
    assert len(book_body(books, 1, orders=False).asks) == 1
    for ask in (lambda: book_body(books, 0, orders=True), lambda: level_body(books, "A", 20)):
        with pytest.raises(ApiProblem, match=r"10,00[12] orders") as caught:
            ask()
        assert caught.value.type.name == "answer-too-large"
    assert level_body(books, "B", 10).count == 1


def test_what_is_asked_for_least_goes_first() -> None:
    holder, bodies = Holder(), Bodies(capacity=2)
    for what in ("a", "b", "a", "c"):
        take(bodies, holder.books(), what)
    assert len(bodies) == 2
    take(bodies, holder.books(), "a")
    assert bodies.misses == 3
    take(bodies, holder.books(), "b")
    assert bodies.misses == 4


def test_bytes_are_bounded_too() -> None:
    holder, bodies = Holder(), Bodies(max_bytes=1_000)
    for n in range(20):
        take(bodies, holder.books(), n, "x" * 300)
        assert bodies.bytes <= 1_000
    assert len(bodies) == 3
    large = Bodies()
    take(large, holder.books(), "large", "x" * LARGE_BYTES)
    assert (len(large), large.bytes) == (0, 0)
    take(large, holder.books(), "small", "x")
    take(large, holder.books(), "small", "y")
    assert large.bytes == len(b'{"text":"x"')


def test_a_book_that_was_followed_and_one_filled_from_its_snapshot_have_one_tag() -> None:
    followed, joined = Holder(), Holder()
    followed.engine.apply(mbo("T", "B", 10, 1, 0, LAST, ts_event=90, sequence=9))
    joined.engine = Engine()
    joined.engine.apply(followed.engine.snapshot())
    one, other = followed.books(), joined.books()
    newest = [newest_of(each.statuses) for each in (one, other)]
    assert len({(each.ts_event, each.sequence) for each in newest}) == len(newest)
    tags = {
        Bodies().get(each, ("book",), partial(book_body, each, 10, orders=True)).tag for each in (one, other)
    }
    assert len(tags) == 1
    joined.engine.apply(add(2, "B", 10, 1))
    changed = joined.books()
    assert Bodies().get(changed, ("book",), lambda: book_body(changed, 10, orders=True)).tag not in tags
