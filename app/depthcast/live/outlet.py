"""The way from a session to its connection: as it is, or through one zstd stream."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, Protocol

import zstandard

from depthcast.live.connection import Buffer, Connection

__all__ = ["Outlet", "PlainOutlet", "ZstdOutlet"]

ZSTD_LEVEL: Final = 1
ZSTD_INTERVAL_S: Final = 0.010
"""Blocks are at least this far apart, unless they are large: small ones are gathered."""
ZSTD_LARGE_BYTES: Final = 256 * 1024


class Outlet(Protocol):
    """Where a session's buffers go.

    Attributes:
        ready: whether `send` may be called now. When it may again, the session is told.
    """

    ready: bool

    def send(self, buffers: list[Buffer]) -> bool:
        """Send these, in order; whether it is still ready. The list is not used any more by the caller."""

    def on_writable(self) -> None:
        """The connection has taken all it was given."""

    def finish(self, buffers: list[Buffer]) -> None:
        """Send these last ones, end the stream and close in order. Only while ``ready``."""


class PlainOutlet:
    """Straight to the connection."""

    __slots__ = ("_connection", "ready")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.ready = connection.ready

    def send(self, buffers: list[Buffer]) -> bool:
        """See `Outlet.send`."""
        self.ready = self._connection.send(buffers)
        return self.ready

    def on_writable(self) -> None:
        """See `Outlet.on_writable`."""
        self.ready = self._connection.ready

    def finish(self, buffers: list[Buffer]) -> None:
        """See `Outlet.finish`."""
        if buffers:
            self.send(buffers)
        self._connection.finish()


class ZstdOutlet:
    """Through one zstd stream, a flushed block for each `send`; compressed in a thread.

    ``on_ready`` is called when it is ready again, unless that is within `on_writable`.
    """

    def __init__(
        self,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        executor: Executor,
        on_ready: Callable[[], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.ready = True
        self._connection = connection
        self._loop = loop
        self._executor = executor
        self._on_ready = on_ready
        self._on_failure = on_failure
        self._stream = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
        self._compressing = False
        self._last = False
        self._not_before = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def send(self, buffers: list[Buffer]) -> bool:
        """See `Outlet.send`."""
        self._start(buffers, zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return False

    def finish(self, buffers: list[Buffer]) -> None:
        """See `Outlet.finish`."""
        self._last = True
        self._start(buffers, zstandard.COMPRESSOBJ_FLUSH_FINISH)

    def _start(self, buffers: list[Buffer], flush: int) -> None:
        self.ready = False
        self._compressing = True
        large = sum(map(len, buffers)) >= ZSTD_LARGE_BYTES
        self._not_before = self._loop.time() + (0.0 if large else ZSTD_INTERVAL_S)
        try:
            job = self._loop.run_in_executor(self._executor, self._compress, buffers, flush)
        except RuntimeError:  # the gateway is closing
            self._connection.abort("the gateway closed")
            return
        job.add_done_callback(self._compressed)

    def _compress(self, buffers: list[Buffer], flush: int) -> bytes:
        blocks = [self._stream.compress(buffer) for buffer in buffers]
        blocks.append(self._stream.flush(flush))
        return b"".join(blocks)

    def _compressed(self, job: "asyncio.Future[bytes]") -> None:
        self._compressing = False
        if job.cancelled() or not self._connection.open:
            return
        error = job.exception()
        if error is not None:
            self._on_failure(error if isinstance(error, Exception) else RuntimeError(repr(error)))
            return
        ready = self._connection.send([job.result()])
        if self._last:
            self._connection.finish()
        elif ready:
            self._be_ready()

    def on_writable(self) -> None:
        """See `Outlet.on_writable`."""
        self._be_ready(tell=False)

    def _be_ready(self, *, tell: bool = True) -> None:
        """Be ready now, or when it is time for the next block."""
        if self._compressing or self._last or not self._connection.ready:
            return
        wait = self._not_before - self._loop.time()
        if wait <= 0:
            self.ready = True
            if tell:
                self._on_ready()
        elif self._timer is None:
            self._timer = self._loop.call_later(wait, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._be_ready()
