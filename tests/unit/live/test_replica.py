"""What a replica says and serves: filling, live, silent, lost, refused, with gaps, with open events."""

from collections.abc import Iterator

import pytest
import structlog

from depthcast.book.types import BookKey
from depthcast.dbn import forms
from depthcast.live.events import GatewayError, Live, Stale, SymbolMapped, SystemNotice
from depthcast.live.replica_source import RecordsMissingError
from depthcast.live.replica_types import FeedState
from tests.support.market import definition
from tests.support.records import BAD_TS_RECV, LAST, SNAPSHOT, add, cancel, clear, status, trade
from tests.support.replicas import NOW_NS, Listener, Told, checksums

P = 100_000_000_000
KEY = BookKey(1, 7)
SNAP = SNAPSHOT | BAD_TS_RECV


@pytest.fixture(autouse=True)
def log() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as logs:
        yield logs


def snapshot(*order_ids: int, instrument_id: int = 7) -> bytes:
    """A book of one bid an order, as a snapshot."""
    out = clear(SNAP if order_ids else SNAP | LAST, instrument_id=instrument_id)
    for n, order_id in enumerate(order_ids, 1):
        flags = SNAP | (LAST if n == len(order_ids) else 0)
        out += add(order_id, "B", P - order_id, 5, flags, instrument_id=instrument_id)
    return out


def state(told: Told) -> FeedState:
    """The state as it is now (to the eyes of a type checker it never changes)."""
    return told.replica.state


@pytest.fixture
def live() -> Told:
    """A replica with one book of two bids."""
    told = Told()
    told.connect()
    told.records(snapshot(1, 2))
    told.completed()
    assert state(told) is FeedState.LIVE
    return told


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
    told.records(snapshot(1), trade("A", P, 1, LAST))
    told.completed()
    assert told.listener.told == ["reset", "state", "trades"]
    assert told.listener.trades == trade("A", P, 1, LAST)


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
    told.records(add(1, "B", P, 5))
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
    told.records(clear(SNAP), add(1, "B", P, 5, SNAP), snapshot(9, instrument_id=8))
    told.completed()
    assert state(told) is FeedState.CONNECTING
    told.records(add(2, "B", P, 5), add(3, "B", P, 5, 0))
    assert state(told) is FeedState.LIVE
    assert told.replica.engine.status(7).orders == 2
    assert not told.replica.engine.status(7).in_event
    told.records(add(4, "B", P, 5))
    assert told.replica.engine.status(7).orders == 4


def test_a_snapshot_whose_event_does_not_end_is_served_as_it_is_after_a_while() -> None:
    told = Told()
    told.connect()
    told.records(clear(SNAP), add(1, "B", P, 5, SNAP), snapshot(9, instrument_id=8))
    told.completed()
    told.wait(0.3)
    assert told.replica.engine.status(7).in_event
    assert not told.replica.engine.status(8).in_event
    told.records(add(10, "B", P, 5, instrument_id=8))
    assert told.replica.engine.status(8).orders == 2


# -- records


def test_listeners_are_told_records_then_trades_then_books(live: Told) -> None:
    live.listener.told.clear()
    event = trade("A", P, 1) + cancel(1, "B", P - 1, 1)
    live.records(event)
    assert live.listener.told == ["records", "trades", "changed"]
    assert live.listener.trades == trade("A", P, 1)
    assert checksums(live.listener.books) == checksums(live.replica.engine)


def test_who_does_not_want_records_is_not_given_them(live: Told) -> None:
    other = Listener(live.replica)
    other.wants_records = False
    live.records(add(5, "B", P, 5))
    assert other.told == ["changed"]
    live.replica.remove_listener(other)
    live.replica.remove_listener(other)
    live.records(add(6, "B", P, 5))
    assert other.told == ["changed"]


def test_a_listener_that_raises_harms_nobody_else(live: Told, log: list[structlog.typing.EventDict]) -> None:
    class Broken(Listener):
        def on_changed(self, keys: list[BookKey]) -> None:
            raise ZeroDivisionError(keys)

    live.replica.remove_listener(live.listener)
    Broken(live.replica)
    live.replica.add_listener(live.listener)
    live.records(add(5, "B", P, 5))
    assert live.listener.told[-1] == "changed"
    assert live.replica.engine.status(7).orders == 3
    assert [each for each in log if each["event"] == "replica.listener"]


def test_an_event_that_is_not_whole_is_not_served(live: Told) -> None:
    before = checksums(live.replica.engine)
    live.records(add(5, "B", P, 5, 0))
    assert checksums(live.replica.engine) == before
    assert live.replica.held_bytes == 64
    live.records(add(6, "B", P, 5))
    assert live.replica.engine.status(7).orders == 4
    assert live.replica.held_bytes == 0


def test_whole_events_do_not_wait_for_the_one_behind_them(live: Told) -> None:
    live.records(add(5, "B", P, 5), add(6, "B", P, 5, 0))
    assert live.replica.engine.status(7).orders == 3
    assert live.replica.held_bytes == 64


def test_an_event_that_stays_open_is_applied_after_a_quarter_second_and_said_to_be(live: Told) -> None:
    live.records(add(5, "B", P, 5, 0))
    live.wait(0.2)
    assert live.replica.engine.status(7).orders == 2
    live.wait(0.1)
    assert live.replica.engine.status(7).in_event
    assert live.replica.engine.status(7).orders == 3


def test_a_book_inside_an_event_keeps_no_other_waiting(live: Told) -> None:
    live.records(add(5, "B", P, 5, 0))
    live.wait(0.3)
    live.records(clear(instrument_id=8), add(6, "B", P, 5, 0), add(9, "B", P, 5, instrument_id=8))
    assert live.replica.held_bytes == 0
    assert live.replica.engine.status(8).orders == 1
    live.records(add(7, "B", P, 5))
    assert not live.replica.engine.status(7).in_event
    live.records(add(8, "B", P, 5, 0))
    assert live.replica.held_bytes == 64  # its next event is waited for again


def test_more_than_four_mib_of_open_events_are_applied_anyway(live: Told) -> None:
    many = 4096
    chunk = b"".join(add(100 + n, "B", P - n, 1, 0, instrument_id=8) for n in range(many))
    for _ in range(1 + (4 << 20) // (64 * many)):
        live.records(chunk)
    assert live.replica.engine.status(8).in_event
    assert live.replica.held_bytes < 64 * many


def test_the_version_is_another_one_after_every_change_and_every_swap(live: Told) -> None:
    versions = [live.replica.version(KEY)]
    live.records(add(5, "B", P, 5))
    versions.append(live.replica.version(KEY))
    live.disconnect()
    live.connect()
    live.records(live.replica.engine.snapshot())
    live.completed()
    versions.append(live.replica.version(KEY))
    assert len(set(versions)) == 3


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
    live.records(add(5, "B", P, 5, 0))  # an event whose end is lost
    live.clock.s = 3
    live.disconnect("connection reset by peer")
    assert (live.replica.state, live.replica.reason) == (FeedState.STALE, "connection reset by peer")
    live.wait(57)
    assert checksums(live.replica.engine) == before
    live.connect()
    assert (live.replica.state, live.replica.reason) == (FeedState.STALE, "filling books from snapshots")
    live.records(clear(SNAP), add(9, "B", P, 5, SNAP))
    assert checksums(live.replica.engine) == before
    assert live.replica.stale_since_ns == NOW_NS + 3_000_000_000
    live.records(add(8, "B", P, 5, SNAP | LAST))
    live.completed()
    assert state(live) is FeedState.LIVE
    assert live.replica.engine.status(7).orders == 2
    assert live.listener.resets == ["feed_reconnected", "feed_reconnected"]


def test_a_connection_lost_while_books_are_filled_changes_nothing_served(live: Told) -> None:
    before = live.replica.engine
    for _ in range(3):
        live.disconnect()
        live.connect()
        live.records(clear(SNAP), add(9, "B", P, 5, SNAP))
    assert live.replica.engine is before
    assert live.replica.generation == 1


def test_a_feed_that_has_nothing_yet_is_given_a_moment_before_books_go(live: Told) -> None:
    live.disconnect()
    live.connect()
    live.completed()
    live.wait(4.9)
    assert state(live) is FeedState.STALE
    assert live.replica.engine.status(7).orders == 2
    live.records(clear(), add(1, "B", P, 5))
    live.wait(0.1)
    assert state(live) is FeedState.LIVE
    assert live.replica.engine.status(7).orders == 1


def test_a_book_that_comes_later_than_the_others_is_waited_for(live: Told) -> None:
    live.records(clear(instrument_id=8), add(1, "B", P, 5, instrument_id=8))
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
    live.records(clear(SNAP, ts_recv=NOW_NS - 5), add(1, "B", P, 5, SNAP | LAST, ts_recv=NOW_NS - 5))
    assert live.replica.last_ts_recv != NOW_NS - 5
    live.completed()
    assert (live.replica.last_ts_recv, live.replica.last_ts_out) == (NOW_NS - 5, NOW_NS)
    assert live.replica.hops["gateway_to_applied"].count == 0


def test_hops_count_from_ts_out_and_of_live_data_from_ts_recv(live: Told) -> None:
    live.clock.s = 1
    live.records(add(5, "B", P, 5, ts_recv=NOW_NS + 990_000_000), ts_out=NOW_NS + 999_000_000)
    gateway, venue = live.replica.hops["gateway_to_applied"], live.replica.hops["venue_to_applied"]
    assert (gateway.count, gateway.longest) == (1, 1_000_000)
    assert (venue.count, venue.longest) == (1, 10_000_000)
    assert (live.replica.last_ts_out, live.replica.last_ts_recv) == (
        NOW_NS + 999_000_000,
        NOW_NS + 990_000_000,
    )
    live.records(add(6, "B", P, 5, ts_recv=5))  # recorded data
    assert (gateway.count, venue.count) == (2, 1)
