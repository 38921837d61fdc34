"""Whatever happens, a reader that follows snapshot and updates holds exactly what the engine does."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.api.hub.encoded import Form
from depthcast.api.hub.options import HubOptions
from depthcast.book.types import BookKey
from depthcast.dbn.layout import MBO_SIZE, RType
from depthcast.live.replica_types import FeedState
from tests.property.strategies import record_lists, tries
from tests.support.domains import EDGES, LADDER, SMALL, TIGHT, VENUES, Domain
from tests.support.hub_world import Connection, World
from tests.support.records import LAST, clear, mbo

RATES = [1, 10, 100]
DEPTHS = [1, 5, 10]
OPTIONS = HubOptions(
    client_buffer_bytes=2_000,
    slow_close_s=5.0,
    ring_frames=6,
    lossless_ring_frames=20,
    linger_s=3.0,
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


class Play:
    """A scenario as it goes on."""

    def __init__(self, domain: Domain) -> None:
        self.world = World(OPTIONS)
        self.domain = domain
        self.connected = False
        self.engines_fed = 0
        self.forms = [Form.FRAME, Form.EVENT, Form.FRAME, Form.TEXT]
        self.clients: list[Connection] = [self.world.connect(form) for form in self.forms]
        self.asked: list[list[dict[str, Any]]] = [[] for _ in self.forms]
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
        if self.clients[number].ended is None:
            self.asked[number].append(request)
            self.clients[number].ask(json.dumps(request))

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
        since = {"epoch": reader.epoch, "seq": reader.last_seq}
        if self.forms[number] is Form.EVENT and before.event_id:
            epoch, _, seq = before.event_id.rpartition(":")
            since = {"epoch": epoch, "seq": int(seq)}
        elif self.forms[number] is Form.EVENT:
            since = {"epoch": "", "seq": 0}
        reader.statuses.clear()
        for name in list(reader.subscribed):
            self._resume_one(after, name, since)

    def _resume_one(self, after: Connection, name: str, since: dict[str, Any]) -> None:
        reader = after.reader
        info = reader.subscribed.pop(name)
        request = {
            "op": "subscribe",
            "channel": info["channel"],
            "instruments": [str(info["instrument_id"])],
            "since": since,
        }
        if info["channel"] == "book":
            request["depth"] = info["depth"]
        if info["channel"] != "orders":
            request["rate"] = info["rate"]
        if info["publisher"] is not None:
            request["publisher"] = info["publisher"]
        # A page that lacks a class's snapshot does not resume that class.
        book = reader.books.get(name)
        if book is not None and (book.seq is None or book.void):
            del request["since"]
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
        for name, status in client.reader.statuses.items():
            if name.startswith("status"):
                assert status["feed"] == "live"


def client_levels(levels: dict[str, list[int]]) -> dict[int, tuple[int, int]]:
    from tests.support.stream_reader import units

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

    play_it()
