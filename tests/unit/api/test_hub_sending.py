"""When the hub sends, how often it encodes, and to whom: with simulated time."""

import json
from typing import Any

import pytest

from depthcast.api.hub.encoded import Form
from depthcast.api.hub.options import HubOptions
from tests.support.hub_world import Connection, World
from tests.support.records import add, cancel, clear, mbo

NS = 10**9
MANY = HubOptions(connections_per_address=10_000)


def world(options: HubOptions = MANY, *, instruments: int = 1) -> World:
    made = World(options)
    made.fill(*(clear(instrument_id=7 + number) for number in range(instruments)))
    return made


def subscribe(connection: Connection, channel: str, instrument: int = 7, **fields: Any) -> None:
    request = {"op": "subscribe", "channel": channel, "instruments": [str(instrument)], **fields}
    connection.ask(json.dumps(request))
    assert connection.reader.errors == []


def updates(connection: Connection) -> int:
    (book,) = connection.reader.books.values()
    return book.verified - 1


class Orders:
    """More orders, each an event of its own."""

    def __init__(self, of: World) -> None:
        self.world = of
        self.count = 0

    def one(self, instrument: int = 7) -> None:
        self.count += 1
        self.world.apply(add(self.count, "B", (1 + self.count % 8) * NS, 1, instrument_id=instrument))


def test_a_change_is_encoded_once_however_many_read_it() -> None:
    of = world()
    readers = [of.connect(Form.FRAME) for _ in range(1000)]
    for reader in readers:
        subscribe(reader, "book")
    counters, orders = of.hub.counters, Orders(of)
    assert (counters.snapshots, counters.encodes) == (1, 0)
    sends = counters.sends
    for _ in range(5):
        orders.one()
        of.wait(1.0)
    assert counters.encodes == 5
    assert counters.frames == 5
    assert counters.sends - sends == 5_000
    assert all(updates(reader) == 5 for reader in readers)


def test_each_kind_of_connection_has_its_own_bytes_of_one_encoding() -> None:
    of = world()
    for form in (Form.FRAME, Form.EVENT, Form.TEXT, Form.FRAME, Form.EVENT):
        subscribe(of.connect(form), "book")
    counters = of.hub.counters
    Orders(of).one()
    assert (counters.encodes, counters.frames) == (1, 3)
    assert [updates(reader) for reader in of.connections] == [1] * 5


def test_an_idle_book_is_sent_at_once_and_a_busy_one_at_its_rate() -> None:
    of = world()
    reader, orders = of.connect(), Orders(of)
    subscribe(reader, "book", rate=10)
    of.wait(1.0)
    orders.one()
    assert updates(reader) == 1
    for _ in range(1000):
        orders.one()
        of.wait(0.001)
    assert 10 <= updates(reader) <= 12
    of.wait(1.0)
    (book,) = reader.reader.books.values()
    assert book.checksum() == of.feed.replica.engine.checksum(7, 10)


@pytest.mark.parametrize("rate", [1, 4, 20, 100])
def test_no_class_sends_more_often_than_its_rate(rate: int) -> None:
    of = world()
    reader, orders = of.connect(), Orders(of)
    subscribe(reader, "book", rate=rate)
    for _ in range(4000):
        orders.one()
        of.wait(0.001)
    assert rate * 4 - 1 <= updates(reader) <= rate * 4 + 2


def test_ticks_of_classes_do_not_fall_together() -> None:
    of = world(instruments=20)
    orders = Orders(of)
    for instrument in range(7, 27):
        subscribe(of.connect(), "book", instrument, rate=10)
    for instrument in range(7, 27):
        orders.one(instrument)
    of.wait(0.5)
    busy = 0
    for _ in range(100):
        for instrument in range(7, 27):
            orders.one(instrument)
        before = of.hub.counters.encodes
        of.wait(0.001)
        busy = max(busy, of.hub.counters.encodes - before)
    assert busy <= 3


def test_what_does_not_show_is_not_sent() -> None:
    of = world()
    reader = of.connect()
    subscribe(reader, "book", depth=1)
    of.apply(add(1, "B", 9 * NS, 1))
    of.wait(1)
    of.apply(add(2, "B", 8 * NS, 1), cancel(2, "B", 8 * NS, 1), add(3, "B", 7 * NS, 1))
    of.wait(1)
    assert updates(reader) == 1


def test_a_book_inside_an_event_is_held_back_until_it_ends() -> None:
    of = world()
    reader = of.connect()
    subscribe(reader, "book")
    of.apply(add(1, "B", 9 * NS, 1, flags=0))
    of.wait(0.5)
    assert of.feed.replica.engine.status(7, 1).in_event
    assert updates(reader) == 0
    late = of.connect()
    subscribe(late, "book")
    assert [book.seq for book in late.reader.books.values()] == [reader.reader.held("book:7:1:10:20")]
    other = of.connect()
    subscribe(other, "book", depth=5)
    assert [book.seq for book in other.reader.books.values()] == [None]
    of.apply(add(2, "A", 10 * NS, 1))
    of.wait(0.1)
    for each in (reader, late, other):
        (book,) = each.reader.books.values()
        assert book.checksum() == of.feed.replica.engine.checksum(7, book.depth)


def test_one_broken_connection_does_not_keep_the_others_from_theirs() -> None:
    of = world()
    first, broken, last = (of.connect() for _ in range(3))
    for each in (first, broken, last):
        subscribe(each, "book")

    def fail(data: bytes) -> None:
        raise RuntimeError("the handler is closed")

    stream = of.stream("book:7:1:10:20")
    assert stream is not None
    stream.drop(broken.client)
    broken.client.write = fail
    stream.add(broken.client)
    stream.drop(last.client)
    stream.add(last.client)
    Orders(of).one()
    assert of.hub.counters.write_errors == 1
    assert [updates(first), updates(last)] == [1, 1]


def test_heartbeats_come_every_second_a_part_at_a_time() -> None:
    of = world()
    readers = [of.connect() for _ in range(100)]
    for reader in readers:
        subscribe(reader, "bbo")
    of.wait(0.1)
    most, before = 0, of.hub.counters.heartbeats
    for _ in range(50):
        last = of.hub.counters.heartbeats
        of.wait(0.1)
        most = max(most, of.hub.counters.heartbeats - last)
    assert of.hub.counters.heartbeats - before == 500
    assert most <= 15
    assert all(len(reader.reader.heartbeats) in (5, 6) for reader in readers)
    assert set(readers[0].reader.heartbeats[0]["seq"]) == {"bbo:7:1:1:20"}


def test_trades_do_not_wait_when_there_are_too_many() -> None:
    of = world(HubOptions(pending_trades=10))
    reader = of.connect()
    subscribe(reader, "trades", rate=1)
    of.wait(1)
    of.apply(*(mbo("T", "B", 9 * NS, 1, sequence=number) for number in range(25)))
    (trades,) = reader.reader.trades.values()
    assert len(trades) == 20
    of.wait(2)
    assert [trade["sequence"] for trade in trades] == list(range(25))


def test_a_class_outlives_its_last_reader_for_a_while() -> None:
    of = world(HubOptions(linger_s=5))
    subscribe(of.connect(), "book")
    of.wait(2)
    of.apply(add(1, "B", NS, 1))
    of.connections[0].cut()
    of.wait(4)
    assert of.hub.counters.classes == 1
    of.wait(3)
    assert of.hub.counters.classes == 0
    assert of.stream("book:7:1:10:20") is None


def many(options: HubOptions, books: int) -> World:
    of = World(options)
    of.fill(*(record for n in range(books) for record in (clear(instrument_id=n), bid(n, n))))
    return of


def bid(order: int, instrument_id: int) -> bytes:
    return add(order, "B", 10**9, 1, instrument_id=instrument_id)


def ask_for(connection: Connection, *instruments: int, channel: str = "book") -> None:
    named = [str(number) for number in instruments]
    connection.ask(json.dumps({"op": "subscribe", "channel": channel, "instruments": named}))


def test_classes_nobody_reads_make_room_for_those_somebody_wants() -> None:
    of = many(HubOptions(max_classes=4, linger_read_s=0.0), 9)
    first = of.connect()
    ask_for(first, 0, 1, 2, 3)
    of.wait(1)
    of.apply(*(bid(100 + n, n) for n in range(4)))
    first.cut()
    of.wait(1)
    assert of.hub.counters.classes == 4
    second = of.connect()
    ask_for(second, 3, 4, 5, 6)
    assert second.reader.errors == []
    assert sorted(stream.of.instrument_id for stream in of.hub.streams) == [3, 4, 5, 6]
    third = of.connect()
    ask_for(third, 3, 7)
    assert [error["code"] for error in third.reader.errors] == ["too_many_classes"]
    of.apply(bid(200, 3))
    of.wait(1)
    assert second.reader.books["book:3:1:10:20"].verified == 2


def test_what_was_read_for_a_moment_or_never_sent_anything_does_not_go_on() -> None:
    of = many(HubOptions(), 3)
    hurried, quiet, patient = of.connect(), of.connect(), of.connect()
    ask_for(quiet, 1)
    ask_for(patient, 2)
    of.wait(5)
    ask_for(hurried, 0)
    of.apply(bid(100, 0), bid(101, 2))
    for each in (hurried, quiet, patient):
        each.cut()
    of.wait(0.1)
    assert [stream.of.instrument_id for stream in of.hub.streams] == [2]
    of.wait(40)
    assert list(of.hub.streams) == []
    assert of.hub.numbering.ring_bytes.held == 0


def test_a_refused_request_leaves_no_class_behind() -> None:
    of = many(HubOptions(max_classes=2), 4)
    greedy = of.connect()
    ask_for(greedy, 0, 1, 2)
    assert [error["code"] for error in greedy.reader.errors] == ["too_many_classes"]
    of.wait(0.1)
    assert of.hub.counters.classes == 0


@pytest.mark.parametrize("writes", range(4))
@pytest.mark.parametrize("resumes", [False, True])
def test_nothing_is_left_of_a_reader_that_is_lost_while_it_subscribes(writes: int, resumes: bool) -> None:
    of = world()
    witness = of.connect()
    subscribe(witness, "book")
    Orders(of).one()
    gone = of.connect()
    left = writes

    def lose(data: bytes) -> None:
        nonlocal left
        if not left:
            gone.cut()
        left -= 1

    gone.client.write = lose
    since = {"since": {"epoch": "e1", "seq": 1}} if resumes else {}
    request = {"op": "subscribe", "channel": "book", "instruments": ["7"], **since}
    gone.ask(json.dumps(request))
    gone.cut()
    witness.cut()
    assert of.hub.counters.subscriptions == 0
    of.wait(of.hub.options.linger_s + 2)
    assert of.hub.counters.classes == 0
