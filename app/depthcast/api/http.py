"""uvicorn's HTTP protocol, with bounds where it has none: the size of a head, the time for a request.

A client that sends a head without end, or a byte a minute, would otherwise hold memory and a connection for
as long as it likes.
"""

from asyncio import TimerHandle, Transport
from http import HTTPStatus
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from depthcast.api.problem_types import PROBLEMS, ProblemType

__all__ = ["Bounds", "bounded_http"]

_TOO_LARGE: Final = PROBLEMS["headers-too-large"]
_TOO_SLOW: Final = PROBLEMS["request-timeout"]
_MALFORMED: Final = PROBLEMS["malformed-request"]


class Bounds:
    """What a request may take: bytes of its line and headers, seconds until it is there."""

    __slots__ = ("head_bytes", "request_s")

    def __init__(self, head_bytes: int, request_s: float) -> None:
        self.head_bytes = head_bytes
        self.request_s = request_s


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
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.limits.request_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # refused: what else it sends is not read
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_message:
            if self._in_head and self._head_bytes > self.limits.head_bytes:
                self._refuse(_TOO_LARGE, "the head of the request is too large")
            elif self._timer is None:
                self._timer = self.loop.call_later(self.limits.request_s, self._too_slow)
        elif self._timer is not None:
            self._stop_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.limits.head_bytes:  # it came at once
            self._refuse(_TOO_LARGE, "the head of the request is too large")
            return
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        self._head_bytes = 0
        if not self.transport.is_closing():
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
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
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%b" % (status, status.phrase.encode(), len(body), body)
        )
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
