"""From a source to the ring at the pace that was asked for, without a thread and without sleeping."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from depthcast.dbn import forms
from depthcast.errors import SourceError
from depthcast.feed.schedule import Pace
from depthcast.feed.sources.base import Chunk, Source
from depthcast.feed.timerfd import Timer

__all__ = ["Pacer", "Publish"]

TURN_BYTES: Final = 1 << 20
"""What is published at most before the loop does something else."""
SILENCE_NS: Final = 1_000_000_000
"""So long without a record from a source that goes by the clock, and the time itself is published."""
_NEVER: Final = 2**63 - 1
_NOTHING: Final = Chunk(b"", 0, 0)


class Publish(Protocol):
    """Where the records go."""

    def __call__(
        self, data: bytes, count: int, due_ns: int, advance_ns: int = 0, *, mbo_only: bool = False
    ) -> bool:
        """Take ``count`` whole records, due at ``due_ns``. With none, only the time has passed.

        ``mbo_only`` says that they are mbo records, all of them.

        Returns:
            False if there is no room now: nothing was taken, and `Pacer.resume` will be called.
        """


class Alarm(Protocol):
    """A timer, as `Timer` is one."""

    def at(self, monotonic_ns: int) -> None: ...

    def cancel(self) -> None: ...

    def close(self) -> None: ...


class Pacer:
    """Takes chunks from an open source and publishes them when they are due.

    Due times never move: after a stall the records are published as fast as there is room, with the times at
    which they were due, until the schedule is reached again.

    Args:
        loop: all happens on it.
        publish: see `Publish`.
        pace: when what is due. For a live source `AtOnce`: its chunks say when they came.
        on_end: called once, when all was published: with the error if the source failed, else None.
        clock: CLOCK_MONOTONIC ns.
        timer: makes the timer; it calls back on the loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        publish: Publish,
        pace: Pace,
        on_end: Callable[[SourceError | None], None],
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        timer: Callable[[asyncio.AbstractEventLoop, Callable[[], None]], Alarm] = Timer,
    ) -> None:
        self._loop = loop
        self._publish = publish
        self._pace = pace
        self._on_end = on_end
        self._clock = clock
        self._timer = timer(loop, self._pump)
        self._source: Source | None = None
        self._view = memoryview(b"")
        self._chunk = _NOTHING
        self._at = 0
        self._blocked = False
        self._done = False
        self._again = False
        self._spoke_ns = 0
        self.late_ns = 0
        """How late the last burst was published."""

    def start(self, source: Source) -> None:
        """Begin with an open source, whose ``wake`` is this pacer's `wake`."""
        self._source = source
        self._spoke_ns = self._clock()
        self._pump()

    def wake(self) -> None:
        """The source has something again."""
        if not self._blocked:
            self._pump()

    def resume(self) -> None:
        """There may be room again."""
        if self._blocked:
            self._blocked = False
            self._pump()

    def close(self) -> None:
        """Publish nothing more. The source is its owner's to close."""
        self._done = True
        self._timer.close()

    def _pump(self) -> None:
        """Publish what is due, then see to it that this is called again."""
        if self._done or self._blocked or self._source is None:
            return
        left = TURN_BYTES
        while left > 0:
            now_ns = self._clock()
            if self._at == len(self._view) and not self._next_chunk(self._source):
                self._wait(self._source, now_ns, _NEVER)
                return
            size, due_ns, count = self._pace.next(self._view[self._at :], now_ns)
            if size == 0:
                self._wait(self._source, now_ns, due_ns)
                return
            if not self._give(size, count, due_ns, now_ns):
                self._blocked = True
                return
            left -= size
        if not self._again:
            self._again = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._again = False
        self._pump()

    def _next_chunk(self, source: Source) -> bool:
        """Take the next chunk; False if there is none now."""
        error: SourceError | None = None
        try:
            chunk = source.take()
        except SourceError as failed:
            chunk, error = None, failed
        except Exception as failed:  # a fault of ours must not leave a feed that stands still
            chunk, error = None, SourceError(f"{source.name}: {type(failed).__name__}: {failed}")
            error.__cause__ = failed
        if chunk is not None:
            self._chunk, self._view, self._at = chunk, memoryview(chunk.data), 0
            return True
        self._chunk, self._view, self._at = _NOTHING, memoryview(b""), 0
        if error is not None or source.ended:
            self._done = True
            self._timer.cancel()
            self._on_end(error)
        return False

    def _give(self, size: int, count: int, due_ns: int, now_ns: int) -> bool:
        """Publish the next ``size`` bytes; False if there is no room."""
        chunk, at = self._chunk, self._at
        if size == len(chunk.data):
            data, count = chunk.data, chunk.count
        else:
            data = chunk.data[at : at + size]
            count = count or forms.count(data)
        due_ns = chunk.due_ns or due_ns
        if not self._publish(data, count, due_ns, mbo_only=chunk.mbo_only):
            return False
        self._pace.published(count)
        self._at = at + size
        self._spoke_ns = now_ns
        self.late_ns = now_ns - due_ns
        return True

    def _wait(self, source: Source, now_ns: int, due_ns: int) -> None:
        """Nothing is due before ``due_ns``: set the timer, and say what time it is if it is quiet."""
        if self._done:
            return
        if source.live or self._pace.ticks:
            if now_ns - self._spoke_ns >= SILENCE_NS:
                self._spoke_ns = now_ns
                if source.live:
                    advance_ns = source.advance_ns
                else:  # a source with nothing ready may be late: what comes next may be of any time
                    advance_ns = self._pace.feed_time(now_ns) if self._at < len(self._view) else 0
                if advance_ns:
                    self._publish(b"", 0, now_ns, advance_ns)
            due_ns = min(due_ns, self._spoke_ns + SILENCE_NS)
        if due_ns < _NEVER:
            self._timer.at(due_ns)
