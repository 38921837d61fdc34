"""What a replica serves, and tells its listeners: while books are filled, and of records that come."""

from collections.abc import Iterator

import pytest
import structlog

from depthcast.book.types import BookKey
from depthcast.live.events import SystemNotice
from depthcast.live.replica_types import FeedState
from tests.support.records import LAST, add, cancel, clear, trade
from tests.support.replicas import (
    OF_SNAPSHOT,
    PRICE,
    Listener,
    Told,
    checksums,
    snapshot,
    state,
    told_live,
)

KEY = BookKey(1, 7)


@pytest.fixture(autouse=True)
def log() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as logs:
        yield logs


@pytest.fixture
def live() -> Told:
    return told_live()


# -- filling


def test_before_the_first_snapshot_is_complete_nothing_is_served() -> None:
    told = Told()
    assert (state(told), told.replica.reason) == (FeedState.CONNECTING, "not connected yet")
    told.connect()
    assert told.replica.reason == "filling books from snapshots"
    told.records(snapshot(1, 2))
    assert told.replica.engine.books() == []
    told.completed()
    assert told.replica.ready
    assert told.replica.generation == 1
    assert told.listener.told == ["reset", "state"]
    assert told.replica.reason == ""


def test_an_empty_feed_is_live_with_no_book() -> None:
    told = Told()
    told.connect()
    told.completed()
    assert state(told) is FeedState.LIVE
    assert told.replica.engine.books() == []


def test_what_another_schema_completes_is_not_the_snapshot_of_the_books() -> None:
    told = Told()
    told.connect()
    told.replica.on_event(SystemNotice(3, "Snapshot of definition completed"))
    told.replica.on_event(SystemNotice(3, "Replay of status completed"))
    assert not told.replica.ready


def test_trades_that_come_while_books_are_filled_are_told_after_the_reset() -> None:
    told = Told()
    told.connect()
    told.records(snapshot(1), trade("A", PRICE, 1, LAST))
    told.completed()
    assert told.listener.told == ["reset", "state", "trades"]
    assert told.listener.trades == trade("A", PRICE, 1, LAST)


def test_a_gateway_that_does_not_tell_has_sent_its_snapshots_after_a_second_without_one() -> None:
    told = Told()
    told.connect()
    told.records(snapshot(1))
    told.wait(0.9)
    assert not told.replica.ready
    told.records(snapshot(3, instrument_id=8))
    told.wait(0.9)
    assert not told.replica.ready
    told.wait(0.2)
    assert len(told.replica.engine.books()) == 2


def test_a_gateway_without_snapshots_is_followed_all_the_same() -> None:
    told = Told()
    told.connect()
    told.records(add(1, "B", PRICE, 5))
    told.wait(9)
    assert not told.replica.ready
    told.wait(1.1)
    assert not told.replica.engine.status(7).complete


def test_where_every_book_is_complete_again_a_quarter_second_is_enough(live: Told) -> None:
    live.disconnect()
    live.connect()
    live.records(snapshot(1, 2, 3))
    live.wait(0.2)
    assert live.replica.generation == 1
    live.wait(0.1)
    assert live.replica.generation == 2


def test_a_snapshot_that_ends_inside_an_event_waits_for_its_end() -> None:
    told = Told()
    told.connect()
    told.records(clear(OF_SNAPSHOT), add(1, "B", PRICE, 5, OF_SNAPSHOT), snapshot(9, instrument_id=8))
    told.completed()
    assert state(told) is FeedState.CONNECTING
    told.records(add(2, "B", PRICE, 5), add(3, "B", PRICE, 5, 0))
    assert state(told) is FeedState.LIVE
    assert told.replica.engine.status(7).orders == 2
    assert not told.replica.engine.status(7).in_event
    told.records(add(4, "B", PRICE, 5))
    assert told.replica.engine.status(7).orders == 4


def test_a_snapshot_whose_event_does_not_end_is_served_as_it_is_after_a_while() -> None:
    told = Told()
    told.connect()
    told.records(clear(OF_SNAPSHOT), add(1, "B", PRICE, 5, OF_SNAPSHOT), snapshot(9, instrument_id=8))
    told.completed()
    told.wait(0.3)
    assert told.replica.engine.status(7).in_event
    assert not told.replica.engine.status(8).in_event
    told.records(add(10, "B", PRICE, 5, instrument_id=8))
    assert told.replica.engine.status(8).orders == 2


# -- records


def test_listeners_are_told_records_then_trades_then_books(live: Told) -> None:
    live.listener.told.clear()
    event = trade("A", PRICE, 1) + cancel(1, "B", PRICE - 1, 1)
    live.records(event)
    assert live.listener.told == ["records", "trades", "changed"]
    assert live.listener.trades == trade("A", PRICE, 1)
    assert checksums(live.listener.books) == checksums(live.replica.engine)


def test_who_does_not_want_records_is_not_given_them(live: Told) -> None:
    other = Listener(live.replica)
    other.wants_records = False
    live.records(add(5, "B", PRICE, 5))
    assert other.told == ["changed"]
    live.replica.remove_listener(other)
    live.replica.remove_listener(other)
    live.records(add(6, "B", PRICE, 5))
    assert other.told == ["changed"]


def test_a_listener_that_raises_harms_nobody_else(live: Told, log: list[structlog.typing.EventDict]) -> None:
    class Broken(Listener):
        def on_changed(self, keys: list[BookKey]) -> None:
            raise ZeroDivisionError(keys)

    live.replica.remove_listener(live.listener)
    Broken(live.replica)
    live.replica.add_listener(live.listener)
    live.records(add(5, "B", PRICE, 5))
    assert live.listener.told[-1] == "changed"
    assert live.replica.engine.status(7).orders == 3
    assert [each for each in log if each["event"] == "replica.listener"]


def test_an_event_that_is_not_whole_is_not_served(live: Told) -> None:
    before = checksums(live.replica.engine)
    live.records(add(5, "B", PRICE, 5, 0))
    assert checksums(live.replica.engine) == before
    assert live.replica.held_bytes == 64
    live.records(add(6, "B", PRICE, 5))
    assert live.replica.engine.status(7).orders == 4
    assert live.replica.held_bytes == 0


def test_whole_events_do_not_wait_for_the_one_behind_them(live: Told) -> None:
    live.records(add(5, "B", PRICE, 5), add(6, "B", PRICE, 5, 0))
    assert live.replica.engine.status(7).orders == 3
    assert live.replica.held_bytes == 64


def test_an_event_that_stays_open_is_applied_after_a_quarter_second_and_said_to_be(live: Told) -> None:
    live.records(add(5, "B", PRICE, 5, 0))
    live.wait(0.2)
    assert live.replica.engine.status(7).orders == 2
    live.wait(0.1)
    assert live.replica.engine.status(7).in_event
    assert live.replica.engine.status(7).orders == 3


def test_a_book_inside_an_event_keeps_no_other_waiting(live: Told) -> None:
    live.records(add(5, "B", PRICE, 5, 0))
    live.wait(0.3)
    live.records(clear(instrument_id=8), add(6, "B", PRICE, 5, 0), add(9, "B", PRICE, 5, instrument_id=8))
    assert live.replica.held_bytes == 0
    assert live.replica.engine.status(8).orders == 1
    live.records(add(7, "B", PRICE, 5))
    assert not live.replica.engine.status(7).in_event
    live.records(add(8, "B", PRICE, 5, 0))
    assert live.replica.held_bytes == 64  # its next event is waited for again


def test_more_than_four_mib_of_open_events_are_applied_anyway(live: Told) -> None:
    many = 4096
    chunk = b"".join(add(100 + n, "B", PRICE - n, 1, 0, instrument_id=8) for n in range(many))
    for _ in range(1 + (4 << 20) // (64 * many)):
        live.records(chunk)
    assert live.replica.engine.status(8).in_event
    assert live.replica.held_bytes < 64 * many


def test_the_version_is_another_one_after_every_change_and_every_swap(live: Told) -> None:
    versions = [live.replica.version(KEY)]
    live.records(add(5, "B", PRICE, 5))
    versions.append(live.replica.version(KEY))
    live.disconnect()
    live.connect()
    live.records(live.replica.engine.snapshot())
    live.completed()
    versions.append(live.replica.version(KEY))
    assert len(set(versions)) == 3
