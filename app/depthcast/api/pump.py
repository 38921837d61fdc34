"""Connections the hub can write to: a message at a time, whose sender waits, or ready chunks straight."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, Protocol

from depthcast.api.hub.encoded import Form
from depthcast.api.hub.ports import SinkListener

__all__ = ["ABORT", "STRAIGHT", "ChunkTaker", "Pump", "StraightPump", "event_pump"]

ABORT: Final = "depthcast.abort"
"""The name in the scope's ``extensions`` under which a connection offers to be cut off at once."""
STRAIGHT: Final = "depthcast.chunks"
"""The name under which it offers itself as a `ChunkTaker`."""
FAREWELL_S: Final = 10.0
"""After the end what waits has so long to be sent."""


class Pump:
    """What the hub has written, on its way to a plain ASGI ``send``.

    It tells its listener when more than the bound waits; what is written then is kept all the same.
    """

    form: ClassVar[Form] = Form.EVENT
    """Of readers of events: what is to be written."""

    __slots__ = ("_buffer_bytes", "_bytes", "_listener", "_over", "_paused", "_waiting", "_wake", "ended")

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._buffer_bytes = 0
        self._paused = False
        self._wake = asyncio.Event()
        self._over = asyncio.Event()
        self._listener: SinkListener | None = None
        self.ended: tuple[int, str] | None = None
        """Code and reason, once the hub has ended the connection."""

    def attach(self, listener: SinkListener, buffer_bytes: int) -> Callable[[bytes], None]:
        self._listener = listener
        self._buffer_bytes = buffer_bytes
        return self._take

    def end(self, code: int, reason: str) -> None:
        self.ended = (code, reason)
        self._listener = None
        self._wake.set()
        self._over.set()

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> tuple[int, str]:
        """Send until `end`; the code and reason. What was written before it is sent first."""
        while True:
            while self._waiting:
                data = self._waiting.popleft()
                await send(data)
                self._bytes -= len(data)
                if self._paused and self._bytes <= self._buffer_bytes // 4:
                    self._paused = False
                    if self._listener is not None:
                        self._listener.on_drain()
            if self.ended is not None:
                return self.ended
            self._wake.clear()
            await self._wake.wait()

    async def overdue(self) -> None:
        """Wait until the end was so long ago that the other side will hardly take the rest."""
        await self._over.wait()
        await asyncio.sleep(FAREWELL_S)

    def _take(self, data: bytes) -> None:
        if self.ended is not None:
            return
        self._waiting.append(data)
        self._bytes += len(data)
        self._wake.set()
        if self._bytes > self._buffer_bytes and not self._paused and self._listener is not None:
            self._paused = True
            self._listener.on_pause()


class ChunkTaker(Protocol):
    """A connection whose answer has begun, and goes on in chunks."""

    def take_chunks(self, pump: "StraightPump", buffer_bytes: int) -> Callable[[bytes], Any]:
        """What takes ready chunks. The pump is told when more than the bound waits, and when it has gone."""


class StraightPump(Pump):
    """The same for a connection that takes ready chunks: they wait nowhere but in its own buffer.

    Args:
        connection: where they go.
    """

    form: ClassVar[Form] = Form.CHUNK

    __slots__ = ("_connection", "_write")

    def __init__(self, connection: ChunkTaker) -> None:
        super().__init__()
        self._connection = connection
        self._write: Callable[[bytes], Any] | None = None
        """None before the answer has begun: what is written then is kept."""

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> tuple[int, str]:  # noqa: ARG002
        """Let chunks pass until `end`; the code and reason."""
        self._write = self._connection.take_chunks(self, self._buffer_bytes)
        early = b"".join(self._waiting)
        self._waiting.clear()
        if early:
            self._write(early)
        while self.ended is None:
            await self._over.wait()
        return self.ended

    def pause(self) -> None:
        """More than the bound waits to be sent."""
        if self._listener is not None:
            self._listener.on_pause()

    def drain(self) -> None:
        """It has gone."""
        if self._listener is not None:
            self._listener.on_drain()

    def gone(self) -> None:
        """The connection is no more."""
        self._write = _nowhere
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.on_gone()

    def _take(self, data: bytes) -> None:
        if self._write is None:
            self._waiting.append(data)
        elif self.ended is None:
            self._write(data)


def event_pump(extensions: dict[str, Any] | None) -> Pump:
    """The pump for a reader of events, given what the server offers (the scope's ``extensions``)."""
    connection: ChunkTaker | None = (extensions or {}).get(STRAIGHT)
    return Pump() if connection is None else StraightPump(connection)


def _nowhere(data: bytes) -> None:
    """Takes what comes too late."""
