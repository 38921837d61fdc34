"""Whatever happens, a reader that follows snapshot and updates holds exactly what the engine does."""

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.api.hub.encoded import Form
from depthcast.api.hub.options import HubOptions
from depthcast.book.types import BookKey
from depthcast.dbn.layout import MBO, MBO_SIZE, UNDEF_PRICE, RType
from depthcast.live.replica_types import FeedState
from tests.property.strategies import record_lists, tries
from tests.support.domains import EDGES, LADDER, SMALL, TIGHT, VENUES, Domain
from tests.support.hub_world import Connection, World
from tests.support.records import LAST, MAYBE_BAD, MBP, SNAPSHOT, TOB, clear, mbo, status
from tests.support.stream_reader import units

RATES = [1, 10, 100]
DEPTHS = [1, 5, 10]
ODD_FLAGS = [TOB, MBP, SNAPSHOT, MAYBE_BAD]
WHOSE = ["publisher_id", "instrument_id"]
OPTIONS = HubOptions(
    client_buffer_bytes=1_000,
    slow_close_s=5.0,
    ring_frames=6,
    lossless_ring_frames=20,
    linger_s=3.0,
    linger_read_s=0.2,
    rings_bytes=20_000,
    messages_per_s=1e6,
    pending_trades=4,
)


def plain(record: bytes) -> bytes:
    """Without the ts_out that some of the strategies' records have."""
    if record[1] == RType.MBO and record[0] * 4 == MBO_SIZE + 8:
        return bytes([MBO_SIZE // 4]) + record[1:MBO_SIZE]
    return record


@st.composite
def requests(draw: st.DrawFn, domain: Domain) -> dict[str, Any]:
    channel = draw(st.sampled_from(["book", "book", "book", "bbo", "orders", "orders", "status", "trades"]))
    request: dict[str, Any] = {
        "op": "subscribe",
        "channel": channel,
        "instruments": [str(draw(st.sampled_from(domain.instruments[:3])))],
    }
    if channel == "book":
        request["depth"] = draw(st.sampled_from(DEPTHS))
    if channel != "orders":
        request["rate"] = draw(st.sampled_from(RATES))
    if channel == "orders" or draw(st.booleans()):
        request["publisher"] = draw(st.sampled_from(domain.publishers))
    return request


def steps(domain: Domain) -> st.SearchStrategy[list[tuple[str, Any]]]:
    records = record_lists(domain, 4).map(lambda some: [plain(record) for record in some])
    who = st.integers(0, 3)
    step = st.one_of(
        st.tuples(st.just("apply"), records),
        st.tuples(st.just("apply"), records),
        st.tuples(st.just("apply"), records),
        st.tuples(st.just("wait"), st.sampled_from([0.001, 0.01, 0.05, 0.3, 1.2])),
        st.tuples(st.just("wait"), st.sampled_from([0.001, 0.01, 0.05, 0.3, 1.2])),
        st.tuples(st.just("ask"), st.tuples(who, requests(domain))),
        st.tuples(st.just("ask"), st.tuples(who, requests(domain))),
        st.tuples(st.just("line"), st.tuples(who, st.sampled_from([0, 1, 3, 10, None]))),
        st.tuples(st.just("line"), st.tuples(who, st.sampled_from([0, 1, 3, 10, None]))),
        st.tuples(st.just("resume"), who),
        st.tuples(st.just("leave"), st.tuples(who, st.integers(0, 5))),
        st.tuples(st.just("again"), st.tuples(who, st.integers(0, 5))),
        st.tuples(st.just("lose"), st.none()),
        st.tuples(st.just("reconnect"), records),
        st.tuples(st.just("silence"), st.booleans()),
    )
    return st.lists(step, min_size=5, max_size=40)


class Tape:
    """Every trade that the replica has told, in order: instrument, publisher, price, size, sequence."""

    wants_records = False

    def __init__(self) -> None:
        self.trades: list[tuple[int, int, int, int, int]] = []

    def on_records(self, records: memoryview) -> None: ...

    def on_changed(self, keys: list[BookKey]) -> None: ...

    def on_reset(self, reason: str) -> None: ...

    def on_state(self, state: FeedState) -> None: ...

    def on_trades(self, records: bytes) -> None:
        for trade in np.frombuffer(records, MBO).tolist():
            self.trades.append((trade[3], trade[2], trade[6], trade[7], trade[14]))


class Play:
    """A scenario as it goes on."""

    def __init__(self, domain: Domain) -> None:
        self.world = World(OPTIONS)
        self.domain = domain
        self.connected = False
        self.tape = Tape()
        self.world.feed.replica.add_listener(self.tape)
        self.trades_from: dict[tuple[int, str], int] = {}
        self.forms = [Form.FRAME, Form.EVENT, Form.FRAME, Form.TEXT]
        self.clients: list[Connection] = [self.world.connect(form) for form in self.forms]
        books = [
            clear(instrument_id=instrument, publisher_id=publisher)
            for instrument in domain.instruments[:3]
            for publisher in domain.publishers
        ]
        self.world.fill(*books)
        self.connected = True

    def do(self, what: str, how: Any) -> None:
        getattr(self, what)(how)

    def apply(self, records: list[bytes]) -> None:
        if self.connected:
            self.world.apply(*records)

    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    def ask(self, how: tuple[int, dict[str, Any]]) -> None:
        number, request = how
        client = self.clients[number]
        if client.ended is None:
            before = set(client.client.streams)
            client.ask(json.dumps(request))
            for stream in set(client.client.streams) - before:
                self.trades_from[number, stream.name] = len(self.tape.trades)

    def line(self, how: tuple[int, int | None]) -> None:
        number, room = how
        self.clients[number].take(room)

    def resume(self, number: int) -> None:
        """The connection is lost, and another one goes on where it ended."""
        before = self.clients[number]
        before.cut()
        after = self.clients[number] = self.world.connect(self.forms[number])
        reader = before.reader
        after.reader = reader
        reader.statuses.clear()
        epoch, _, number_of_event = before.event_id.rpartition(":")
        for name in list(reader.subscribed):
            since: int | None = reader.held(name)
            if self.forms[number] is Form.EVENT:
                since = int(number_of_event) if epoch == "e1" and since is not None else None
            stream = self.world.stream(name)
            if since is None or stream is None or not stream.covers(since):
                self.trades_from[number, name] = len(self.tape.trades)
            self._resume_one(after, name, since)

    def _resume_one(self, after: Connection, name: str, since: int | None) -> None:
        info = after.reader.subscribed.pop(name)
        request = {"op": "subscribe", "channel": info["channel"], "instruments": [str(info["instrument_id"])]}
        if since is not None:
            request["since"] = {"epoch": "e1", "seq": since}
        if info["channel"] == "book":
            request["depth"] = info["depth"]
        if info["channel"] != "orders":
            request["rate"] = info["rate"]
        if info["publisher"] is not None:
            request["publisher"] = info["publisher"]
        after.ask(json.dumps(request))

    def leave(self, how: tuple[int, int]) -> None:
        self._of_class("unsubscribe", *how)

    def again(self, how: tuple[int, int]) -> None:
        self._of_class("resync", *how)

    def _of_class(self, op: str, number: int, which: int) -> None:
        client = self.clients[number]
        names = [stream.name for stream in client.client.streams]
        if names and client.ended is None:
            client.ask(json.dumps({"op": op, "class": names[which % len(names)]}))

    def lose(self, _: None) -> None:
        if self.connected:
            self.connected = False
            self.world.lose()

    def reconnect(self, records: list[bytes]) -> None:
        """Another session, of the books that there are and something more."""
        snapshot = self.world.feed.replica.engine.snapshot()
        self.world.fill(snapshot, *records)
        self.connected = True

    def silence(self, silent: bool) -> None:
        if self.connected:
            self.world.silence() if silent else self.world.speak()

    def settle(self) -> None:
        """Everything ends well: events end, lines are free, the feed is live; some time goes by."""
        world = self.world
        if not self.connected:
            self.reconnect([])
        world.speak()
        for key in world.feed.replica.engine.books():
            world.apply(mbo("N", flags=LAST, publisher_id=key.publisher_id, instrument_id=key.instrument_id))
        for client in self.clients:
            client.take(None)
        world.wait(3.5)
        assert world.feed.replica.state is FeedState.LIVE


def assert_equal_books(play: Play) -> None:
    engine = play.world.feed.replica.engine
    for client in play.clients:
        if client.ended is not None:
            assert client.ended[0] in (1006, 4008)
            continue
        assert set(client.reader.subscribed) == {stream.name for stream in client.client.streams}
        for name, book in client.reader.books.items():
            info = client.reader.subscribed[name]
            instrument, publisher = info["instrument_id"], info["publisher"]
            assert book.seq is not None, name
            assert not book.void
            assert book.message["stale"] is False
            if publisher is not None and BookKey(publisher, instrument) in engine.books():
                assert book.checksum() == engine.checksum(instrument, book.depth, publisher), name
                state = engine.status(instrument, publisher)
                assert (book.message["complete"], book.message["suspect"], book.message["phase"]) == (
                    state.complete,
                    state.suspect,
                    state.phase,
                )
                assert book.message["top"] == state.top
            elif publisher is None and engine.publishers(instrument):
                depth = engine.depth(instrument, book.depth)
                shown = {units: (size, count) for units, size, count in depth.bids}
                held = client_levels(book.bids)
                assert held == shown
        for name, told in client.reader.statuses.items():
            if name.startswith("status"):
                assert told["feed"] == "live"


def assert_no_trade_is_missing(play: Play) -> None:
    for number, client in enumerate(play.clients):
        if client.ended is not None:
            continue
        for name, trades in client.reader.trades.items():
            info = client.reader.subscribed[name]
            instrument, publisher = info["instrument_id"], info["publisher"]
            wanted = [
                trade[1:]
                for trade in play.tape.trades[play.trades_from[number, name] :]
                if trade[0] == instrument and publisher in (None, trade[1])
            ]
            held = [
                (
                    trade["publisher_id"],
                    UNDEF_PRICE if trade["price"] is None else units(trade["price"]),
                    trade["size"],
                    trade["sequence"],
                )
                for trade in trades
            ]
            assert held == wanted, name


def client_levels(levels: dict[str, list[int]]) -> dict[int, tuple[int, int]]:
    return {units(price): (size, count) for price, (size, count) in levels.items()}


@pytest.mark.parametrize("domain", [SMALL, TIGHT, LADDER, VENUES, EDGES], ids=lambda domain: domain.name)
def test_a_reader_holds_exactly_the_book(domain: Domain) -> None:
    @tries(60)
    @given(steps(domain))
    def play_it(steps: list[tuple[str, Any]]) -> None:
        play = Play(domain)
        for what, how in steps:
            play.do(what, how)
        play.settle()
        assert_equal_books(play)
        assert_no_trade_is_missing(play)

    play_it()


def random_records(rng: random.Random, domain: Domain) -> list[bytes]:
    """A chunk of a busy feed: mostly orders that come, change and go at home; now and then something odd."""
    records = []
    for _ in range(rng.randint(1, 12)):
        where = {
            "publisher_id": rng.choice(domain.publishers),
            "instrument_id": rng.choice(domain.instruments[:3]),
            "ts_event": rng.randint(1, 60),
            "sequence": rng.randint(0, 40),
        }
        order_id = rng.choice(domain.order_ids)
        side, price = domain.home(order_id)
        size = rng.choice(domain.sizes)
        flags = LAST if rng.random() < 0.8 else 0
        odd = rng.random()
        if odd < 0.02:
            records.append(clear(**where))
        elif odd < 0.04:
            records.append(mbo("A", side, price, size, order_id, flags | rng.choice(ODD_FLAGS), **where))
        elif odd < 0.06:
            records.append(status(rng.choice([1, 7, 8]), **{k: where[k] for k in WHOSE}))
        elif odd < 0.2:
            records.append(mbo("T", side, price, size, 0, 0, **where))
            records.append(mbo("F", side, price, size, order_id, flags, **where))
        else:
            action = rng.choice("AAAAAMMCCC")
            records.append(mbo(action, side, price, size, order_id, flags, **where))
    return records


def random_step(rng: random.Random, domain: Domain) -> tuple[str, Any]:
    """As `steps`, but busier: lines that are full are as common as lines that are free."""
    what = rng.choices(
        ["apply", "wait", "ask", "line", "resume", "leave", "again", "lose", "reconnect", "silence"],
        [45, 25, 10, 12, 2, 1, 1, 1, 2, 1],
    )[0]
    who = rng.randrange(4)
    if what in ("apply", "reconnect"):
        return what, random_records(rng, domain)
    if what == "wait":
        return what, rng.choice([0.001, 0.01, 0.05, 0.3, 1.2])
    if what == "ask":
        return what, (who, random_request(rng, domain))
    if what == "line":
        return what, (who, rng.choice([0, 0, 1, 3, 10, None, None]))
    if what == "resume":
        return what, who
    if what in ("leave", "again"):
        return what, (who, rng.randrange(6))
    return what, rng.random() < 0.5 if what == "silence" else None


def random_request(rng: random.Random, domain: Domain) -> dict[str, Any]:
    channel = rng.choice(["book", "book", "book", "bbo", "orders", "orders", "status", "trades"])
    request: dict[str, Any] = {
        "op": "subscribe",
        "channel": channel,
        "instruments": [str(rng.choice(domain.instruments[:3]))],
    }
    if channel == "book":
        request["depth"] = rng.choice(DEPTHS)
    if channel != "orders":
        request["rate"] = rng.choice(RATES)
    if channel == "orders" or rng.random() < 0.5:
        request["publisher"] = rng.choice(domain.publishers)
    return request


@pytest.mark.parametrize("domain", [SMALL, LADDER, VENUES, EDGES], ids=lambda domain: domain.name)
def test_slow_lines_and_busy_books(domain: Domain) -> None:
    @tries(50)
    @given(st.integers(0, 2**32))
    def play_it(seed: int) -> None:
        play = Play(domain)
        rng = random.Random(seed)
        for _ in range(120):
            play.do(*random_step(rng, domain))
        play.settle()
        assert_equal_books(play)
        assert_no_trade_is_missing(play)

    play_it()
