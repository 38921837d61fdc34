"""uvicorn's HTTP protocol, with bounds where it has none: the size of a head, the time for a request and for
an answer, the connections of an address.

A client that sends a head without end, or a byte a minute, or that takes nothing of its answer, would
otherwise hold memory and a connection for as long as it likes.
"""

import socket
from asyncio import TimerHandle, Transport
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from depthcast.api.connections import Connections
from depthcast.api.frames import TCP_NOTSENT_LOWAT, UNSENT_BYTES
from depthcast.api.problem_types import PROBLEMS, ProblemType
from depthcast.api.pump import ABORT, STRAIGHT, StraightPump

__all__ = ["PROBES", "Bounds", "bounded_http"]

PROBES: Final = frozenset({"/healthz", "/readyz", "/v1/healthz", "/v1/readyz"})
"""Load balancers and orchestrators ask these, often, and must have their answer."""
STALLS: Final = 15
"""Looks at a client that is slow to take an answer; at the last, all is to be there."""

_TOO_LARGE: Final = PROBLEMS["headers-too-large"]
_TOO_SLOW: Final = PROBLEMS["request-timeout"]
_MALFORMED: Final = PROBLEMS["malformed-request"]
_FULL: Final = PROBLEMS["overloaded"]


class Bounds:
    """What a connection may take.

    Args:
        head_bytes: of a request's line and headers.
        request_s: until a request is there.
        stall_s: a client that is slow to take an answer is looked at so often, and must have taken a
            fifteenth of what waited at first each time: it has all in five minutes, or is cut off.
        connections: counts them; without it there may be any number.
    """

    __slots__ = ("connections", "head_bytes", "request_s", "stall_s")

    def __init__(
        self,
        head_bytes: int,
        request_s: float,
        stall_s: float = 20.0,
        connections: Connections | None = None,
    ) -> None:
        self.head_bytes = head_bytes
        self.request_s = request_s
        self.stall_s = stall_s
        self.connections = Connections() if connections is None else connections


def bounded_http(bounds: Bounds) -> type[HttpToolsProtocol]:
    """A protocol class for uvicorn, which makes an instance a connection and passes it no bounds."""

    class BoundedHttp(_BoundedHttp):
        limits = bounds

    return BoundedHttp


class _BoundedHttp(HttpToolsProtocol):
    limits: Bounds

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._in_head = False
        self._in_message = False
        self._messages = 0
        self._timer: TimerHandle | None = None
        self._stall: TimerHandle | None = None
        self._waiting = self._share = 0
        self._room = True
        self._pump: StraightPump | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else None
        self._room = self.limits.connections.enter(self, address, len(self.connections))
        self._timer = self.loop.call_later(self.limits.request_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self.limits.connections.leave(self)
        self._stop_timer()
        self._stop_looking()
        self._let_go()
        super().connection_lost(exc)

    def take_chunks(self, pump: StraightPump, buffer_bytes: int) -> Callable[[bytes], Any]:
        """Let ready chunks of the present answer pass by, until it is complete."""
        if self.transport.is_closing():
            return _nowhere
        connection = self.transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self.transport.set_write_buffer_limits(high=buffer_bytes, low=buffer_bytes // 4)
        self._pump = pump
        return cast("Callable[[bytes], Any]", self.transport.write)

    def _let_go(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.gone()

    def make_room(self) -> None:
        """Close: nothing is being answered here, and another connection needs the place."""
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # refused: what else it sends is not read
        self._head_bytes += len(data)
        messages = self._messages
        super().data_received(data)
        if self._in_message:
            if self._in_head and self._head_bytes > self.limits.head_bytes:
                self._refuse(_TOO_LARGE, "the head of the request is too large")
            elif self._timer is None:
                self._timer = self.loop.call_later(self.limits.request_s, self._too_slow)
        elif self._messages != messages:
            self._stop_timer()
        elif self._timer is None and self._at_rest:  # blank lines are silence
            self._timer = self.loop.call_later(self.limits.request_s, self._too_slow)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort, STRAIGHT: self}  # type: ignore[dict-item]
        self._in_head = self._in_message = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.limits.head_bytes:  # it came at once
            self._refuse(_TOO_LARGE, "the head of the request is too large")
            return
        if not self._room and self.url.partition(b"?")[0].decode("latin-1") not in PROBES:
            self._refuse(_FULL, "too many connections are open, and all of them are at work; use fewer")
            return
        self._head_bytes = 0
        self.limits.connections.busy(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        self._messages += 1
        self._head_bytes = 0
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._pump is not None:
            self._let_go()
            self.transport.set_write_buffer_limits()
        super().on_response_complete()
        self._rest()

    def _rest(self) -> None:
        """Nothing is being answered from now on, if that is so."""
        if self._at_rest and not self.flow.write_paused:
            self.limits.connections.idle(self)

    @property
    def _at_rest(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._pump is not None:
            self._pump.pause()
        self.limits.connections.busy(self)
        if self._stall is None:
            self._waiting = self.transport.get_write_buffer_size()
            self._share = max(1, self._waiting // STALLS)
            self._stall = self.loop.call_later(self.limits.stall_s, self._look)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._pump is not None:
            self._pump.drain()
        self._stop_looking()
        self._rest()

    def _look(self) -> None:
        """Whether a client that is slow to take its answer takes anything."""
        waiting = self.transport.get_write_buffer_size()
        if self._waiting - waiting < self._share:
            self._stall = None
            self.transport.abort()
            return
        self._waiting = waiting
        self._stall = self.loop.call_later(self.limits.stall_s, self._look)

    def _stop_looking(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def handle_websocket_upgrade(self) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.limits.connections.leave(self)
            super().handle_websocket_upgrade()

    def _too_slow(self) -> None:
        self._timer = None
        if self._in_message:
            self._refuse(_TOO_SLOW, "the request took too long to arrive")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are not ours
        """What the parser does not understand is a problem like others."""
        self._refuse(_MALFORMED, "this is not an HTTP request")

    def _refuse(self, kind: ProblemType, why: str) -> None:
        if self.transport.is_closing():
            return
        status = HTTPStatus(kind.status)
        problem = {"type": kind.uri, "title": kind.title, "status": kind.status, "detail": why}
        body = msgspec.json.encode(problem)
        again = b"retry-after: 1\r\n" if kind is _FULL else b""
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n%b"
            b"connection: close\r\n\r\n%b" % (status, status.phrase.encode(), len(body), again, body)
        )
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nowhere(data: bytes) -> None:
    """Takes what comes too late."""
