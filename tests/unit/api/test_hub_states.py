"""What readers are told of lost feeds, bad books, several publishers and datasets; orders one by one."""

import json
from typing import Any

import pytest

from depthcast.api.hub.options import HubOptions
from tests.support.definitions import definition
from tests.support.hub_world import Connection, World
from tests.support.records import LAST, SNAPSHOT, TOB, add, cancel, clear, fill, modify, status

NS = 10**9


def world(options: HubOptions | None = None, **more: Any) -> World:
    made = World(options, **more)
    made.fill(clear(), add(1, "B", 9 * NS, 1), add(2, "A", 10 * NS, 2))
    return made


def subscribe(connection: Connection, channel: str, instrument: str = "7", **fields: Any) -> None:
    request = {"op": "subscribe", "channel": channel, "instruments": [instrument], **fields}
    connection.ask(json.dumps(request))


def reader(of: World, *channels: str, **fields: Any) -> Connection:
    made = of.connect()
    for channel in channels:
        subscribe(made, channel, **fields)
    assert made.reader.errors == []
    return made


def last(connection: Connection, channel: str) -> dict[str, Any]:
    return next(book.message for book in connection.reader.books.values() if book.channel == channel)


def test_a_lost_feed_is_told_at_once_on_every_channel() -> None:
    of = world()
    early = reader(of, "book", "bbo", "orders", "trades", "status")
    of.wait(0.001)
    of.lose()
    for channel in ("book", "bbo", "orders"):
        assert last(early, channel)["stale"] is True
    assert {name.split(":")[0]: told["feed"] for name, told in early.reader.statuses.items()} == {
        "trades": "stale",
        "status": "stale",
    }
    late = reader(of, "book", "orders")
    assert last(late, "book")["stale"]
    assert last(late, "orders")["stale"]
    of.wait(600)
    of.connections[0].ask('{"op":"status","instruments":["7"]}')
    assert early.reader.statuses[""]["age_ms"] >= 600_000


def test_a_silent_feed_is_stale_until_it_speaks_again_and_nothing_is_void() -> None:
    of = world()
    early = reader(of, "book", "orders")
    of.silence()
    assert last(early, "book")["stale"]
    of.speak()
    assert not last(early, "book")["stale"]
    assert not last(early, "orders")["stale"]
    assert early.reader.resyncs == []


def test_a_feed_that_is_back_begins_anew_for_all() -> None:
    of = world()
    early = reader(of, "book", "bbo", "orders", "trades")
    of.lose()
    of.fill(clear(), add(5, "B", 8 * NS, 3))
    of.wait(0.01)
    assert sorted(each["reason"] for each in early.reader.resyncs) == ["feed_reconnected"] * 4
    for channel in ("book", "bbo", "orders"):
        assert not last(early, channel)["stale"]
    engine = of.feed.replica.engine
    assert all(book.checksum() == engine.checksum(7, book.depth) for book in early.reader.books.values())


def test_a_book_that_is_gone_after_a_reconnect_is_shown_empty() -> None:
    of = world()
    early = reader(of, "book", "orders")
    of.lose()
    of.fill(clear(instrument_id=8))
    of.wait(10)
    for channel in ("book", "orders"):
        message = last(early, channel)
        assert (message["type"], message["bids"], message["asks"]) == ("snapshot", [], [])
        assert (message["top"], message["complete"], message["stale"]) == ("empty", False, False)


def test_a_suspect_book_is_said_to_be_one_within_a_second() -> None:
    of = world()
    early = reader(of, "book", "orders", "status")
    of.feed.replica.engine.mark_suspect()
    of.wait(1.1)
    assert last(early, "book")["suspect"]
    assert last(early, "orders")["suspect"]
    assert early.reader.statuses["status:7:1:0:20"]["suspect"]
    of.apply(clear())
    assert not last(early, "book")["suspect"]


def test_a_phase_is_told_within_a_second_though_no_book_changes() -> None:
    of = world()
    early = reader(of, "book", "status")
    of.apply(status(7))
    of.wait(1.1)
    assert last(early, "book")["phase"] == "trading"
    assert early.reader.statuses["status:7:1:0:20"]["phase"] == "trading"


def test_a_book_whose_beginning_is_unknown_is_said_to_be_incomplete() -> None:
    of = World()
    of.fill(add(1, "B", 9 * NS, 1))
    assert last(reader(of, "book"), "book")["complete"] is False


def test_before_the_first_books_there_is_nothing_to_subscribe_to() -> None:
    of = World()
    early = of.connect()
    subscribe(early, "book")
    assert [error["code"] for error in early.reader.errors] == ["starting"]
    of.fill(clear())
    subscribe(early, "book")
    assert len(early.reader.books) == 1


def test_while_books_are_filling_nobody_gets_a_class_of_half_of_them() -> None:
    of = World()
    of.feed.connect()
    of.feed.records(definition(7, "CLX5"))
    early = of.connect()
    for channel in ("book", "bbo", "orders", "trades"):
        subscribe(early, channel, "CLX5")
    assert [error["code"] for error in early.reader.errors] == ["starting"] * 4
    of.feed.records(clear(), add(1, "B", 9 * NS, 5))
    of.feed.completed()
    subscribe(early, "book", "CLX5")
    assert list(early.reader.books) == ["book:7:1:10:20"]


def test_an_instrument_without_a_book_has_no_class_of_one() -> None:
    of = world()
    of.apply(definition(9, "NEW"))
    early = of.connect()
    for channel in ("book", "bbo", "orders", "trades", "status"):
        subscribe(early, channel, "NEW")
    assert [error["code"] for error in early.reader.errors] == ["no_book_yet"] * 3
    assert sorted(early.reader.subscribed) == ["status:9:all:0:20", "trades:9:all:0:20"]
    of.apply(clear(instrument_id=9))
    subscribe(early, "book", "NEW")
    assert "book:9:1:10:20" in early.reader.books


def test_instruments_of_a_late_feed_are_not_unknown_but_starting() -> None:
    of = World(feeds=2)
    of.fill(clear())
    early = of.connect()
    subscribe(early, "book", "8")
    assert [error["code"] for error in early.reader.errors] == ["starting"]
    of.fill(clear(instrument_id=8), feed=1)
    subscribe(early, "book", "8")
    assert list(early.reader.books) == ["book:8:1:10:20"]


def test_of_several_publishers_one_is_named_or_all_are_meant() -> None:
    of = World()
    of.fill(clear(), clear(publisher_id=2), add(1, "B", 9 * NS, 1), add(1, "B", 9 * NS, 4, publisher_id=2))
    all_of_them, one, none = of.connect(), of.connect(), of.connect()
    subscribe(all_of_them, "book")
    subscribe(one, "book", publisher=2)
    subscribe(none, "orders")
    assert last(all_of_them, "book")["bids"] == [["9", 5, 2]]
    assert last(all_of_them, "book")["checksum"] is None
    assert last(one, "book")["bids"] == [["9", 4, 1]]
    assert [error["code"] for error in none.reader.errors] == ["publisher_required"]
    of.apply(add(2, "B", 9 * NS, 1))
    of.wait(1)
    assert all_of_them.reader.books["book:7:all:10:20"].bids == {"9": [6, 3]}


def test_with_several_datasets_classes_and_instruments_say_which() -> None:
    of = World(feeds=2)
    of.told[1].replica.dataset = "OTHER.SIM"
    of.market.datasets = ("TEST.SIM", "OTHER.SIM")
    of.fill(clear(), feed=0)
    of.fill(clear(), add(1, "B", 9 * NS, 1), feed=1)
    either = of.connect()
    subscribe(either, "book")
    assert [error["code"] for error in either.reader.errors] == ["ambiguous_instrument"]
    subscribe(either, "book", "OTHER.SIM:7")
    assert list(either.reader.books) == ["OTHER.SIM/book:7:1:10:20"]
    of.apply(add(2, "B", 9 * NS, 1), feed=1)
    of.wait(1)
    assert either.reader.books["OTHER.SIM/book:7:1:10:20"].bids == {"9": [2, 2]}


def test_who_comes_inside_an_event_while_the_feed_is_lost_is_told_that_at_once() -> None:
    of = world()
    of.apply(add(3, "B", 9 * NS, 1, 0))
    for _ in range(3):
        of.wait(0.3)
    assert of.feed.replica.engine.status(7).in_event
    early = reader(of, "book", "bbo", "orders")
    assert early.reader.statuses == {}
    of.lose()
    late = reader(of, "book", "bbo", "orders")
    for each in (early, late):
        assert sorted(each.reader.statuses) == ["bbo:7:1:1:20", "book:7:1:10:20", "orders:7:1:0:20"]
        assert {told["feed"] for told in each.reader.statuses.values()} == {"stale"}
        assert all(not book.message for book in each.reader.books.values())
    heard = late.reader.messages
    of.wait(0.9)
    assert late.reader.messages - heard <= 1  # a heartbeat
    of.fill(clear(), add(5, "B", 8 * NS, 3))
    of.wait(1)
    for channel in ("book", "bbo", "orders"):
        assert not last(late, channel)["stale"]


@pytest.mark.parametrize("channel", ["book", "bbo"])
def test_a_change_that_is_not_shown_does_not_move_the_time_of_the_newest_change(channel: str) -> None:
    of = world()
    early = reader(of, channel, **({"depth": 1} if channel == "book" else {}))
    of.wait(2)
    of.apply(add(3, "B", 9 * NS, 1))
    of.wait(1)
    shown = last(early, channel)["ts_applied"]
    of.apply(add(4, "B", 5 * NS, 1))
    of.wait(1)
    late = reader(of, channel, **({"depth": 1} if channel == "book" else {}))
    assert last(late, channel)["ts_applied"] == shown
    of.apply(cancel(3, "B", 9 * NS, 1))
    of.wait(1)
    assert int(last(early, channel)["ts_applied"]) == int(shown) + 2 * NS


@pytest.mark.parametrize("channel", ["book", "orders"])
def test_who_joins_before_the_next_tick_gets_no_newer_time_than_what_is_shown(channel: str) -> None:
    of = world()
    early = reader(of, channel)
    of.wait(2)
    of.apply(add(3, "B", 9 * NS, 1))
    of.wait(0.001)
    first = last(early, channel)
    of.apply(add(4, "B", 9 * NS, 1))
    late = reader(of, channel)
    book = late.reader.books[first["class"]]
    if channel == "book":
        assert (last(late, channel)["ts_applied"], book.bids) == (first["ts_applied"], {"9": [2, 2]})
    else:
        assert int(last(late, channel)["ts_applied"]) > int(first["ts_applied"])


# -- orders


def changes(of: World, *records: bytes) -> list[dict[str, Any]]:
    """What the channel orders tells of these records."""
    early = reader(of, "orders")
    of.apply(*records)
    of.wait(0.1)
    message = last(early, "orders")
    assert message["type"] == "order"
    return [{key: each[key] for key in each if key != "ts_event"} for each in message["orders"]]


def change(action: str, order: int, side: str, price: str, size: int, position: int) -> dict[str, Any]:
    return {
        "action": action,
        "order_id": str(order),
        "side": side,
        "price": price,
        "size": size,
        "position": position,
    }


def test_orders_are_told_with_their_place() -> None:
    told = changes(
        world(),
        add(3, "B", 9 * NS, 5),
        add(4, "B", 9 * NS, 6),
        modify(1, "B", 9 * NS, 3),
        modify(3, "B", 9 * NS, 4),
        fill(3, "B", 9 * NS, 1) + cancel(3, "B", 9 * NS, 1),
        cancel(2, "A", 10 * NS, 2),
    )
    assert told == [
        change("add", 3, "B", "9", 5, 1),
        change("add", 4, "B", "9", 6, 2),
        change("modify", 1, "B", "9", 3, 2),
        change("modify", 3, "B", "9", 4, 0),
        change("fill", 3, "B", "9", 1, 0),
        change("modify", 3, "B", "9", 3, 0),
        change("cancel", 2, "A", "10", 0, 0),
    ]


def test_what_does_nothing_is_not_told() -> None:
    told = changes(
        world(),
        cancel(99, "B", 9 * NS, 1),
        add(5, "B", 9 * NS, 0),
        fill(98, "B", 9 * NS, 1),
        add(6, "B", NS, 1),
    )
    assert told == [change("add", 6, "B", "1", 1, 0)]


@pytest.mark.parametrize(
    "records",
    [
        [clear(), add(9, "B", 5 * NS, 1)],
        [add(9, "B", 5 * NS, 1, flags=SNAPSHOT | LAST)],
        [add(0, "B", 5 * NS, 7, flags=TOB | LAST)],
    ],
    ids=["cleared", "a snapshot", "top of book"],
)
def test_what_changes_more_than_one_order_begins_anew(records: list[bytes]) -> None:
    of = world()
    early = reader(of, "orders")
    of.apply(*records)
    of.wait(0.1)
    assert [each["reason"] for each in early.reader.resyncs] == ["recovered"]
    assert early.reader.books["orders:7:1:0:20"].checksum() == of.feed.replica.engine.checksum(7)


def test_more_records_than_are_told_one_by_one_are_a_snapshot() -> None:
    of = world(HubOptions(order_records_per_s=200))
    early = reader(of, "orders")
    of.wait(1)
    of.apply(*(add(100 + number, "B", 5 * NS, 1) for number in range(50)))
    of.wait(1)
    assert [each["reason"] for each in early.reader.resyncs] == ["conflated"]
    assert of.hub.counters.order_overruns == 1
    assert of.hub.counters.order_records == 10
    assert early.reader.books["orders:7:1:0:20"].checksum() == of.feed.replica.engine.checksum(7)


def test_a_book_that_grows_too_large_ends_its_class_and_only_that() -> None:
    of = world(HubOptions(order_book_orders=5))
    early = reader(of, "orders", "book")
    of.apply(*(add(100 + number, "B", 5 * NS, 1) for number in range(10)))
    of.wait(1)
    assert [error["code"] for error in early.reader.errors] == ["class_ended"]
    assert [stream.name for stream in early.client.streams] == ["book:7:1:10:20"]
    late = of.connect()
    subscribe(late, "orders")
    assert [error["code"] for error in late.reader.errors] == ["book_too_large"]


def test_so_many_books_of_orders_and_no_more() -> None:
    of = World(HubOptions(order_books=1, linger_s=1))
    of.fill(clear(), clear(instrument_id=8))
    first, second = of.connect(), of.connect()
    subscribe(first, "orders")
    subscribe(second, "orders", "8")
    assert [error["code"] for error in second.reader.errors] == ["too_many_order_books"]
    first.cut()
    of.wait(3)
    subscribe(second, "orders", "8")
    assert list(second.reader.books) == ["orders:8:1:0:20"]


def test_records_are_asked_of_the_replica_only_while_orders_are_read() -> None:
    of = world(HubOptions(linger_s=1))
    follower = of.hub.streams.follower(of.feed.replica)
    wanted = [follower.wants_records]
    early = reader(of, "orders")
    wanted.append(follower.wants_records)
    early.cut()
    of.wait(3)
    wanted.append(follower.wants_records)
    assert wanted == [False, True, False]
