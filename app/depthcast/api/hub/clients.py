"""What a connected reader is to the hub: a write callable, its streams, and whether it keeps up."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from depthcast.api.hub.encoded import EVENTS, Encoded, Form, http_chunk
from depthcast.api.hub.ports import Sink
from depthcast.api.hub.stream import Stream, TooFarBehindError

if TYPE_CHECKING:
    from depthcast.api.hub.hub import Hub

__all__ = ["LIVE", "Client", "CloseCode", "KeyEnded", "good"]

LIVE: Final = -1
"""Of a stream: the client gets every message. Else the number it holds, or None for nothing yet."""

KeyEnded = Callable[[], str | None]


class CloseCode:
    """Why a connection was closed (docs/stream.md lists them)."""

    GOING: Final = 1012
    """The service restarts: come back."""
    TOO_SLOW: Final = 4008
    KEY_ENDED: Final = 4003
    LIMIT: Final = 4029


def good() -> None:
    """Of a client without a key: nothing can end."""


class Client:
    """A connected reader.

    Its connection takes bytes and says when it is full. While it is, the client is in no stream; when it has
    drained, each stream brings it up to date. Nothing is queued for it here.

    Args:
        hub: the hub.
        sink: its connection.
        form: what its connection takes.
        address: where it is from.
        key: which key it has shown.
        key_ended: why that key is not accepted any more, None while it is.
    """

    __slots__ = (
        "_allowance",
        "_counted_at",
        "_drained",
        "address",
        "closed",
        "counted",
        "form",
        "hub",
        "key",
        "key_ended",
        "may_replay",
        "paused_at",
        "sink",
        "slot",
        "streams",
        "write",
    )

    def __init__(
        self, hub: "Hub", sink: Sink, form: Form, address: str, key: str, key_ended: KeyEnded = good
    ) -> None:
        self.hub = hub
        self.sink = sink
        self.form = form
        self.address = address
        self.key = key
        self.key_ended = key_ended
        self.may_replay = False
        """Whether its key allows the past."""
        self.streams: dict[Stream, int | None] = {}
        self.paused_at: float | None = None
        self.closed = False
        self.counted = True
        """Its connection takes a place: until it is no more, which may be later than `closed`."""
        self.slot = 0
        self._allowance = 0.0
        self._counted_at = 0.0
        self._drained: asyncio.Future[None] | None = None
        self.write = sink.attach(self, hub.options.client_buffer_bytes)

    # -- writing

    def send(self, message: Encoded) -> None:
        """Send a message to this client alone."""
        if not self.closed:
            self.write(message.form(self.form))
            self.hub.counters.control += 1

    def send_text(self, text: bytes) -> None:
        """Send a reader of events what is no message: a mark, a comment."""
        self.write(http_chunk(text) if self.form is Form.CHUNK else text)

    def send_aside(self, message: Encoded) -> None:
        """Send a message of a stream that others have had before."""
        self.write(message.aside(self.form))
        self.hub.counters.sends += 1

    def _takes_more(self) -> bool:
        return self.paused_at is None and not self.closed

    # -- streams

    @property
    def is_live(self) -> bool:
        """Nothing is outstanding: no stream that is behind, or waits for its first snapshot."""
        return all(held == LIVE for held in self.streams.values())

    @property
    def live_streams(self) -> list[Stream]:
        return [stream for stream, held in self.streams.items() if held == LIVE]

    def join(self, stream: Stream, held: int | None) -> None:
        """Subscribe, holding number ``held`` of the stream; None is nothing."""
        self.streams[stream] = held
        stream.users += 1
        stream.idle_since = None

    def leave(self, stream: Stream) -> None:
        """Unsubscribe."""
        del self.streams[stream]
        stream.drop(self)
        stream.waiting.pop(self, None)
        stream.users -= 1

    def catch_up(self) -> None:
        """Bring every stream up to date that is not, as far as the connection takes it."""
        for stream, held in list(self.streams.items()):
            if held == LIVE:
                continue
            if not self._takes_more():
                return
            try:
                brought = stream.bring(self, held)
            except TooFarBehindError:
                self.hub.close_slow(self)
                return
            if not brought or stream not in self.streams:
                continue
            if self._takes_more():
                self.streams[stream] = LIVE
                stream.add(self)
            else:
                self.streams[stream] = stream.seq
        self._mark()

    def _mark(self) -> None:
        """Tell a reader of events that it has everything up to now: it may resume from here."""
        if self.form in EVENTS and self._takes_more() and self.is_live:
            numbering = self.hub.numbering
            self.send_text(b"id: %b:%d\n\n" % (numbering.epoch.encode(), numbering.last))

    # -- the connection

    def on_pause(self) -> None:
        if self.paused_at is not None or self.closed:
            return
        self.hub.paused(self)
        for stream, held in self.streams.items():
            if held == LIVE:
                self.streams[stream] = stream.seq
                stream.drop(self)

    def on_drain(self) -> None:
        if self.paused_at is None or self.closed:
            return
        self.hub.drained(self)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self.catch_up()

    def on_gone(self) -> None:
        self.hub.leave(self)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def on_lost(self) -> None:
        self.hub.lost(self)

    async def until_drained(self) -> None:
        """Wait until the connection takes more; at once if it does, or has gone."""
        while self.paused_at is not None and not self.closed:
            if self._drained is None or self._drained.done():
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)  # others may wait for the same

    def may_ask(self, now: float) -> bool:
        """Whether another request is within the rate that is allowed; it is counted."""
        rate = self.hub.options.messages_per_s
        if self._counted_at:
            self._allowance = min(rate * 2, self._allowance + (now - self._counted_at) * rate)
        else:
            self._allowance = rate * 2
        self._counted_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True
