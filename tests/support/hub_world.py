"""A hub in a world of its own: replicas that are told records by hand, simulated time and connections."""

import itertools
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from depthcast.api.hub.clients import Client
from depthcast.api.hub.encoded import Form
from depthcast.api.hub.hub import Hub
from depthcast.api.hub.options import HubOptions
from depthcast.api.hub.ports import SinkListener
from depthcast.api.hub.requests import handle
from depthcast.api.hub.stream import Stream
from depthcast.api.market import Market
from depthcast.live.events import Live, Stale
from tests.support.replicas import Told
from tests.support.stream_reader import Reader

__all__ = ["Call", "Connection", "SimLoop", "World"]


class Call:
    """A call that is due."""

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class SimLoop:
    """Time and timers of an event loop, without the loop."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Call]] = []
        self._count = itertools.count()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Call:
        call = Call(callback, args)
        heappush(self._due, (when, next(self._count), call))
        return call

    def run_until(self, when: float, tick: Callable[[], None] = lambda: None) -> None:
        """Let time go by; ``tick`` is called whenever it has."""
        while self._due and self._due[0][0] <= when:
            due, _, call = heappop(self._due)
            self.now = max(self.now, due)
            tick()
            if not call.cancelled:
                call.callback(*call.args)
        self.now = max(self.now, when)
        tick()


def ws_messages(data: bytes) -> list[bytes]:
    """The payloads of whole, unmasked text frames."""
    found = []
    while data:
        assert data[0] == 0x81
        assert not data[1] & 0x80, "a server does not mask"
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        assert len(data) >= start + size
        found.append(data[start : start + size])
        data = data[start + size :]
    return found


class Connection:
    """A client's side: its reader, and a line that takes everything, a little, or nothing.

    Attributes:
        room: how many messages the line takes yet; None for all.
        ended: code and reason, once the hub has closed it.
        event_id: the last id of a server-sent event.
    """

    def __init__(self, world: "World", form: Form = Form.FRAME, **where: str) -> None:
        self.world = world
        self.reader = Reader()
        self.room: int | None = None
        self.ended: tuple[int, str] | None = None
        self.event_id = ""
        self.form = form
        self._unsent: list[bytes] = []
        self._bytes = 0
        self._bound = 0
        self._paused = False
        self._listener: SinkListener | None = None
        self.client: Client = world.hub.connect(
            self, form, address=where.get("address", ""), key=where.get("key", "")
        )

    def attach(self, listener: SinkListener, buffer_bytes: int) -> Callable[[bytes], None]:
        self._listener = listener
        self._bound = buffer_bytes
        return self._write

    def end(self, code: int, reason: str) -> None:
        assert self.ended is None
        self.ended = (code, reason)
        self.client.on_lost()

    def ask(self, text: str | bytes) -> None:
        handle(self.client, text)

    def take(self, room: int | None) -> None:
        """The line takes so many more messages, or all from now on."""
        self.room = room
        self._deliver()

    def cut(self) -> None:
        """The connection is lost; what was on its way is too."""
        if self.ended is None:
            self.ended = (1006, "")
            self.client.on_gone()
            self.client.on_lost()

    @property
    def buffered(self) -> int:
        return self._bytes

    def _write(self, data: bytes) -> None:
        assert self.ended is None, "written to a closed connection"
        assert self._listener is not None
        self._unsent.append(data)
        self._bytes += len(data)
        self._deliver()
        if self._bytes > self._bound and not self._paused:
            self._paused = True
            self._listener.on_pause()

    def _deliver(self) -> None:
        while self._unsent and (self.room is None or self.room > 0):
            data = self._unsent.pop(0)
            self._bytes -= len(data)
            if self.room is not None:
                self.room -= 1
            self._receive(data)
        if self._paused and self._bytes <= self._bound // 4 and self.ended is None:
            self._paused = False
            assert self._listener is not None
            self._listener.on_drain()

    def _receive(self, data: bytes) -> None:
        if self.form is Form.FRAME:
            for payload in ws_messages(data):
                self.reader.text(payload)
        elif self.form is Form.TEXT:
            self.reader.text(data)
        else:
            assert data.endswith(b"\n\n")
            for block in data.decode().split("\n\n")[:-1]:
                self._event(block)

    def _event(self, block: str) -> None:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        if "id" in fields:
            self.event_id = fields["id"]
        if "data" in fields:
            message = self.reader.text(fields["data"])
            assert message["type"] == fields["event"]


class World:
    """A hub over one replica or more.

    Args:
        options: the hub's.
        feeds: replicas.
    """

    def __init__(self, options: HubOptions | None = None, *, feeds: int = 1) -> None:
        self.loop = SimLoop()
        self.told = [Told() for _ in range(feeds)]
        self.market = Market([told.replica for told in self.told])
        self.hub = Hub(
            self.market, self.told[0].clock.time_ns, self.loop, options or HubOptions(), epoch="e1"
        )
        self.connections: list[Connection] = []

    @property
    def feed(self) -> Told:
        return self.told[0]

    def fill(self, *records: bytes, feed: int = 0) -> None:
        """A session begins, and its snapshot is these records."""
        told = self.told[feed]
        told.connect()
        told.records(*records)
        told.completed()

    def apply(self, *records: bytes, feed: int = 0) -> None:
        self.told[feed].records(*records)

    def lose(self, feed: int = 0) -> None:
        self.told[feed].disconnect()

    def silence(self, feed: int = 0) -> None:
        self.told[feed].replica.on_event(Stale(2.0))

    def speak(self, feed: int = 0) -> None:
        self.told[feed].replica.on_event(Live())

    def wait(self, seconds: float) -> None:
        """Let time go by, for the replicas too."""
        self.loop.run_until(self.loop.now + seconds, self._tick)

    def _tick(self) -> None:
        for told in self.told:
            told.clock.s = self.loop.now
            told.replica.check()

    def stream(self, name: str) -> Stream | None:
        """The class of that name, if there is one now."""
        return next((each for each in self.hub.streams if each.name == name), None)

    def connect(self, form: Form = Form.FRAME, **where: str) -> Connection:
        connection = Connection(self, form, **where)
        self.connections.append(connection)
        return connection
