"""A pulled source in a thread of its own: a few chunks are always ready when the loop asks."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from depthcast.errors import DepthcastError, SourceError
from depthcast.feed.scheduling import give_way
from depthcast.feed.sources.base import Chunk

__all__ = ["Prefetch"]

AHEAD_BYTES: Final = 4 << 20
"""At 500,000 records a second a seventh of a second: a thread may wait so long for a busy processor."""
_CLOSE_S: Final = 2.0
"""How long closing waits for a thread that is reading: one that hangs in the network is left to itself."""


class Prefetch:
    """Runs an iterator of chunks in a thread, at most `AHEAD_BYTES` ahead of the loop.

    An error of the iterator comes out of `take` as a SourceError, after the chunks before it.

    Args:
        chunks: it is advanced, and closed, by the thread alone.
        wake: called on ``loop`` when `take` has something again after it had nothing.
    """

    def __init__(
        self,
        chunks: Iterator[Chunk],
        loop: asyncio.AbstractEventLoop,
        wake: Callable[[], None],
        *,
        name: str,
        ahead_bytes: int = AHEAD_BYTES,
    ) -> None:
        self._chunks = chunks
        self._loop = loop
        self._wake = wake
        self._name = name
        self._limit = ahead_bytes
        self._ready: deque[Chunk] = deque()
        self._held = 0
        self._changed = threading.Condition()
        self._hungry = False
        self._full = False
        self._stopped = False
        self._finished = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """All was taken, the error too if there was one."""
        return self._finished and not self._ready and self._error is None

    def take(self) -> Chunk | None:
        """The next chunk, None if there is none now.

        Raises:
            SourceError: the iterator failed.
        """
        with self._changed:
            if self._ready:
                chunk = self._ready.popleft()
                self._held -= len(chunk.data)
                if self._full and self._held <= self._limit * 3 // 4:
                    self._changed.notify()
                return chunk
            if not self._finished:
                self._hungry = True
                return None
            error, self._error = self._error, None
        if isinstance(error, SourceError):
            raise error
        if isinstance(error, DepthcastError):
            raise SourceError(str(error)) from error
        if isinstance(error, OSError) and error.strerror:
            where = self._name if error.filename is None else error.filename
            raise SourceError(f"{where}: {error.strerror[:1].lower()}{error.strerror[1:]}") from error
        if error is not None:
            raise error
        return None

    def close(self) -> None:
        """Stop the thread. What it has ready is dropped."""
        with self._changed:
            self._stopped = True
            self._ready.clear()
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        give_way()
        try:
            for chunk in self._chunks:
                if not self._put(chunk):
                    break
        except BaseException as error:  # handed over: `take` raises it on the loop
            self._error = error
        finally:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()
        with self._changed:
            self._finished = True
            self._call_if_hungry()

    def _put(self, chunk: Chunk) -> bool:
        """Hand a chunk over, when there is room; False when nobody wants it any more."""
        with self._changed:
            while self._held > self._limit and not self._stopped:
                self._full = True
                self._changed.wait()
            self._full = False
            if self._stopped:
                return False
            self._ready.append(chunk)
            self._held += len(chunk.data)
            self._call_if_hungry()
        return True

    def _call_if_hungry(self) -> None:
        if self._hungry and not self._stopped:
            self._hungry = False
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._wake)
