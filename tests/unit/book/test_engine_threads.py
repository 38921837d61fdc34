"""One thread owns an engine; calls from another while it works are refused (docs/book.md, "Threads")."""

import time
from collections.abc import Callable
from threading import Thread

import pytest

from depthcast.book.engine import Engine
from tests.support.records import add

FEED = b"".join(add(number, "B", number % 50, 1) for number in range(2_000)) * 200
ASKED: dict[str, Callable[[Engine], object]] = {
    "apply": lambda engine: engine.apply(FEED[:56]),
    "boundary": lambda engine: engine.boundary(FEED[:56]),
    "books": lambda engine: engine.books(),
    "counters": lambda engine: engine.counters,
    "depth": lambda engine: engine.depth(7),
    "mark_suspect": lambda engine: engine.mark_suspect(),
    "snapshot": lambda engine: engine.snapshot(),
    "status": lambda engine: engine.status(7),
}


def refused(engine: Engine, ask: Callable[[Engine], object]) -> bool:
    """Apply the feed in a thread; whether ``ask``, called once that has begun, was refused."""
    worker = Thread(target=engine.apply, args=[FEED])
    worker.start()
    try:
        while worker.is_alive():
            engine.books()
    except RuntimeError:
        pass
    try:
        ask(engine)
    except RuntimeError as error:
        return "in use by another thread: one thread owns an engine" in str(error)
    finally:
        worker.join()
    return False  # the feed was all applied before it was asked


@pytest.mark.parametrize("asked", ASKED)
def test_a_call_while_another_thread_applies_is_refused_and_changes_nothing(asked: str) -> None:
    until = time.monotonic() + 20
    engine = Engine()
    while not refused(engine, ASKED[asked]):
        assert time.monotonic() < until, "the threads never met"
        engine = Engine()
    alone = Engine()
    alone.apply(FEED)
    assert engine.counters == alone.counters
    assert engine.status(7) == alone.status(7)
    assert engine.checksum(7) == alone.checksum(7)
