"""What a replica says of itself: silent, lost, with gaps; its instruments; how old records are."""

from collections.abc import Iterator

import pytest
import structlog

from depthcast.book.types import BookKey
from depthcast.dbn import forms
from depthcast.live.events import GatewayError, Live, Stale, SymbolMapped, SystemNotice
from depthcast.live.replica_source import RecordsMissingError
from depthcast.live.replica_types import FeedState
from tests.support.market import definition
from tests.support.records import LAST, add, clear, status
from tests.support.replicas import (
    NOW_NS,
    OF_SNAPSHOT,
    PRICE,
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


# -- state


def test_silence_is_stale_and_ends_with_the_next_bytes(live: Told) -> None:
    live.clock.s = 10
    live.replica.on_event(Stale(1.8))
    assert state(live) is FeedState.STALE
    assert live.replica.reason == "silent for 1.8 s"
    assert live.replica.stale_since_ns == NOW_NS + 8_200_000_000
    live.replica.on_event(Live())
    assert state(live) is FeedState.LIVE
    assert not live.replica.stale_since_ns
    assert live.listener.resets == ["feed_reconnected"]  # the first fill's


def test_books_that_are_complete_while_the_gateway_is_silent_are_stale() -> None:
    told = Told()
    told.connect()
    told.records(snapshot(1))
    told.replica.on_event(Stale(1.8))
    assert state(told) is FeedState.CONNECTING
    told.wait(1.1)
    assert told.replica.ready
    assert state(told) is FeedState.STALE
    told.replica.on_event(Live())
    assert state(told) is FeedState.LIVE


def test_a_gateway_that_finds_it_slow_is_noted(live: Told, log: list[structlog.typing.EventDict]) -> None:
    live.replica.on_event(SystemNotice(2, "Slow reader"))
    assert [each["event"] for each in log][-1] == "replica.slow"
    assert state(live) is FeedState.LIVE


def test_a_lost_connection_is_stale_until_fresh_books_are_complete(live: Told) -> None:
    before = checksums(live.replica.engine)
    live.records(add(5, "B", PRICE, 5, 0))  # an event whose end is lost
    live.clock.s = 3
    live.disconnect("connection reset by peer")
    assert (live.replica.state, live.replica.reason) == (FeedState.STALE, "connection reset by peer")
    live.wait(57)
    assert checksums(live.replica.engine) == before
    live.connect()
    assert (live.replica.state, live.replica.reason) == (FeedState.STALE, "filling books from snapshots")
    live.records(clear(OF_SNAPSHOT), add(9, "B", PRICE, 5, OF_SNAPSHOT))
    assert checksums(live.replica.engine) == before
    assert live.replica.stale_since_ns == NOW_NS + 3_000_000_000
    live.records(add(8, "B", PRICE, 5, OF_SNAPSHOT | LAST))
    live.completed()
    assert state(live) is FeedState.LIVE
    assert live.replica.engine.status(7).orders == 2
    assert live.listener.resets == ["feed_reconnected", "feed_reconnected"]


def test_a_connection_lost_while_books_are_filled_changes_nothing_served(live: Told) -> None:
    before = live.replica.engine
    for _ in range(3):
        live.disconnect()
        live.connect()
        live.records(clear(OF_SNAPSHOT), add(9, "B", PRICE, 5, OF_SNAPSHOT))
    assert live.replica.engine is before
    assert live.replica.generation == 1


def test_a_feed_that_has_nothing_yet_is_given_a_moment_before_books_go(live: Told) -> None:
    live.disconnect()
    live.connect()
    live.completed()
    live.wait(4.9)
    assert state(live) is FeedState.STALE
    assert live.replica.engine.status(7).orders == 2
    live.records(clear(), add(1, "B", PRICE, 5))
    live.wait(0.1)
    assert state(live) is FeedState.LIVE
    assert live.replica.engine.status(7).orders == 1


def test_a_book_that_comes_later_than_the_others_is_waited_for(live: Told) -> None:
    live.records(clear(instrument_id=8), add(1, "B", PRICE, 5, instrument_id=8))
    live.disconnect()
    live.connect()
    live.records(snapshot(1))
    live.completed()
    live.wait(1)
    assert live.replica.engine.status(8).orders == 1
    live.records(clear(instrument_id=8))
    live.wait(0.1)
    assert live.replica.generation == 2
    assert live.replica.engine.status(8).orders == 0


def test_books_that_the_feed_has_no_more_go_with_the_swap(live: Told) -> None:
    live.records(clear(instrument_id=8))
    live.disconnect()
    live.connect()
    live.records(snapshot(1, instrument_id=8))
    live.completed()
    assert live.replica.generation == 1
    live.wait(5)
    assert live.replica.engine.books() == [BookKey(1, 8)]


def test_skipped_records_make_books_suspect_and_end_the_session(live: Told) -> None:
    with pytest.raises(RecordsMissingError, match="records are missing: skipped"):
        live.replica.on_event(GatewayError(7, "skipped"))
    assert live.replica.engine.status(7).suspect
    live.replica.on_refused("records are missing")
    live.connect()
    live.records(snapshot(1))
    live.completed()
    assert live.listener.resets[-1] == "gap"
    assert not live.replica.engine.status(7).suspect
    assert live.replica.gaps == 1


# -- instruments


def test_phases_are_kept_over_a_reconnect_to_a_gateway_that_does_not_tell_them(live: Told) -> None:
    live.records(status(7))
    live.disconnect()
    live.connect()
    live.records(snapshot(1))
    live.completed()
    assert live.replica.engine.status(7).phase == "trading"


def test_another_phase_is_told_as_a_change_of_the_book(live: Told) -> None:
    live.listener.told.clear()
    before = live.replica.version(KEY)
    live.records(status(8), status(8, instrument_id=99))  # nobody has a book of that one
    assert live.listener.told == ["records", "changed"]
    assert list(live.listener.seen) == [KEY]
    assert live.replica.engine.status(7).phase == "halt"
    assert live.replica.version(KEY) != before


def test_symbols_come_from_mappings_and_from_definitions(live: Told) -> None:
    told = live.replica
    told.on_event(SymbolMapped(7, "CLX5"))
    told.on_event(SymbolMapped(9, "9"))  # its id in digits: not known
    live.records(definition(8, "CLZ5"), definition(8, "CLZ5", asset="CL", ts_event=5))
    assert told.symbols == {7: "CLX5", 8: "CLZ5"}
    assert forms.count(told.definitions[8]) == 1
    assert len(told.definitions[8]) == 520
    assert b"CL\0" in told.definitions[8]


def test_a_symbol_that_passes_to_another_instrument_means_that_one(live: Told) -> None:
    names = live.replica.names
    names.map(7, "CLX5")
    names.map(8, "CLX5")
    assert names.ids == {"CLX5": 8}
    names.map(7, "CLX5.OLD")
    assert names.ids == {"CLX5": 8, "CLX5.OLD": 7}


# -- how old records are


def test_after_a_snapshot_the_last_time_is_that_of_the_gateways_books(live: Told) -> None:
    live.disconnect()
    live.connect()
    live.records(
        clear(OF_SNAPSHOT, ts_recv=NOW_NS - 5), add(1, "B", PRICE, 5, OF_SNAPSHOT | LAST, ts_recv=NOW_NS - 5)
    )
    assert live.replica.last_ts_recv != NOW_NS - 5
    live.completed()
    assert (live.replica.last_ts_recv, live.replica.last_ts_out) == (NOW_NS - 5, NOW_NS)
    assert live.replica.hops["gateway_to_applied"].count == 0


def test_hops_count_from_ts_out_and_of_live_data_from_ts_recv(live: Told) -> None:
    live.clock.s = 1
    live.records(add(5, "B", PRICE, 5, ts_recv=NOW_NS + 990_000_000), ts_out=NOW_NS + 999_000_000)
    gateway, venue = live.replica.hops["gateway_to_applied"], live.replica.hops["venue_to_applied"]
    assert (gateway.count, gateway.longest) == (1, 1_000_000)
    assert (venue.count, venue.longest) == (1, 10_000_000)
    assert (live.replica.last_ts_out, live.replica.last_ts_recv) == (
        NOW_NS + 999_000_000,
        NOW_NS + 990_000_000,
    )
    live.records(add(6, "B", PRICE, 5, ts_recv=5))  # recorded data
    assert (gateway.count, venue.count) == (2, 1)
