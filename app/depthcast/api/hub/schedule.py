"""When streams send: an idle one at once, a busy one at its ticks, and other work between classes."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

from depthcast.api.hub.counters import HubCounters
from depthcast.api.hub.ports import Loop, Timer
from depthcast.api.hub.stream import Stream

__all__ = ["Schedule"]

_SLACK_S: Final = 0.0005
"""A tick this near is due: the event loop's timers have a grain of 1 ms."""


class Schedule:
    """The streams that have something to send, by when they may.

    A stream whose time has come sends at once. When many do, others are left for the next turn of the event
    loop, so that reading goes on between classes; the sends of one class are never torn apart.

    Args:
        loop: for time and timers.
        counters: how many sends there were.
        turn_sends: sends in a turn after which the rest waits for the next one.
        after: called with each stream that was flushed.
    """

    def __init__(
        self, loop: Loop, counters: HubCounters, turn_sends: int, after: Callable[[Stream], None]
    ) -> None:
        self._loop = loop
        self._counters = counters
        self._turn_sends = turn_sends
        self._after = after
        self._due: list[tuple[float, int, Stream]] = []
        self._count = 0
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._turn_began_at = -1.0
        self._turn_sent = 0

    def changed(self, stream: Stream) -> None:
        """The stream, which is not scheduled, has something to send: now, or at its next tick."""
        now = self._loop.time()
        if stream.allowed > now + _SLACK_S:
            self._push(stream, stream.allowed)
        elif self._may_send(now):
            self._flush(stream, now)
        else:
            self._push(stream, now)

    def soon(self, stream: Stream) -> None:
        """The stream has something to send that does not wait for its tick, when the loop comes round."""
        now = self._loop.time()
        stream.allowed = min(stream.allowed, now)
        self._push(stream, now)

    def at_once(self, stream: Stream) -> None:
        """The stream has something to send that does not wait for its tick."""
        now = self._loop.time()
        stream.allowed = min(stream.allowed, now)
        if self._may_send(now):
            self._flush(stream, now)
        else:
            self._push(stream, now)

    def close(self) -> None:
        """Forget all; nothing is sent any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()

    def _may_send(self, now: float) -> bool:
        """Whether this turn of the loop (its time stands still meanwhile) has sent less than is its share."""
        if now != self._turn_began_at:
            self._turn_began_at = now
            self._turn_sent = self._counters.sends
        return self._counters.sends - self._turn_sent < self._turn_sends

    def _flush(self, stream: Stream, now: float) -> None:
        sent = self._counters.encodes
        stream.flush()
        if self._counters.encodes != sent:
            stream.sent_at(now)
        self._after(stream)

    def _push(self, stream: Stream, when: float) -> None:
        stream.scheduled = True
        self._count += 1
        heappush(self._due, (when, self._count, stream))
        self._arm(when)

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._run)

    def _run(self) -> None:
        self._timer = None
        now = self._loop.time()
        began = self._counters.sends
        while self._due and self._due[0][0] <= now + _SLACK_S:
            if self._counters.sends - began >= self._turn_sends:
                break
            _, _, stream = heappop(self._due)
            if not stream.scheduled:
                continue
            if stream.allowed > now + _SLACK_S:  # it has sent since, for a reason that did not wait
                self._push(stream, stream.allowed)
                continue
            stream.scheduled = False
            self._flush(stream, now)
        if self._due:
            self._arm(max(self._due[0][0], now))
