"""When records are due: evenly, at a multiple of their original speed, or at once. Pure: time is an argument.

All times here are CLOCK_MONOTONIC ns but a record's own ts_recv.
"""

import math
from typing import Final, NamedTuple, Protocol

from depthcast.dbn import RType, forms
from depthcast.dbn.layout import LENGTH_WORD, MBO_SIZE, UNDEF_TIMESTAMP
from depthcast.errors import UsageError
from depthcast.feed.cuts import event_cut

__all__ = ["AtOnce", "Burst", "Even", "Original", "Pace"]

NS_PER_S: Final = 1_000_000_000
PRESENT_NS: Final = 60 * NS_PER_S
_TS_RECV_AT: Final = 40
_MBO: Final = int(RType.MBO)


class Burst(NamedTuple):
    """What is due of a buffer: its first ``size`` bytes, due at ``due_ns``; or, if ``size`` is 0, when.

    ``records`` is how many that are, where it is known; else 0.
    """

    size: int
    due_ns: int
    records: int = 0


class Pace(Protocol):
    """When what is due. It begins when it is first asked."""

    ticks: bool
    """Time goes on by itself between records: `feed_time` tells it."""
    start_ns: int
    """When the first record was due; -1 before that is known, and where there is no schedule."""

    def next(self, view: memoryview, now_ns: int) -> Burst:
        """The next burst: whole records from the front of ``view``, which has one at least.

        It is asked again with the same records until `published` was called.
        """

    def published(self, count: int) -> None:
        """The burst, of so many records, was published."""

    def feed_time(self, now_ns: int) -> int:
        """The ts_recv (ns) up to which all records are due by now; 0 if there is no such time."""


class AtOnce:
    """As fast as the consumer allows: each burst is due when it is asked for."""

    ticks = False
    start_ns = -1

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def next(self, view: memoryview, now_ns: int) -> Burst:
        return Burst(len(view) if len(view) <= self._max_bytes else event_cut(view, self._max_bytes), now_ns)

    def published(self, count: int) -> None:
        """Nothing to remember."""

    def feed_time(self, now_ns: int) -> int:  # noqa: ARG002
        return 0


class Even:
    """``rate`` records a second. Record n is due n / rate after the first.

    A burst is due when its first record is; it has the records of the next ``burst_ns``, and the rest of the
    event that begins among them. After a stall the schedule stands: what is overdue is published as fast as
    it can be, in bursts of at most ``max_bytes``.
    """

    ticks = False

    def __init__(self, rate: float, burst_ns: int, max_bytes: int) -> None:
        if not 1e-3 <= rate <= 1e9:
            raise UsageError(f"--rate: expected records a second, from 0.001 to 1e9, got {rate:g}")
        self._per_ns = rate / NS_PER_S
        self._interval_ns = NS_PER_S / rate
        self._burst_ns = burst_ns
        self._max_bytes = max_bytes
        self._max_records = max(max_bytes // MBO_SIZE, 1)
        self.start_ns = -1
        self._given = 0
        self._burst_due_ns = 0
        self._until_ns = 0

    def next(self, view: memoryview, now_ns: int) -> Burst:
        if self.start_ns < 0:
            self.start_ns = now_ns
        due_ns = self.start_ns + int(self._given * self._interval_ns)
        if due_ns >= self._until_ns:  # else it is the rest of a burst: the buffer before was too short
            if due_ns > now_ns:
                return Burst(0, due_ns)
            self._burst_due_ns, self._until_ns = due_ns, now_ns + self._burst_ns
        wanted = math.ceil((self._until_ns - self.start_ns) * self._per_ns) - self._given
        wanted = min(max(wanted, 1), self._max_records)
        size, count = forms.burst_prefix(view, wanted, self._max_bytes)
        return Burst(size, min(self._burst_due_ns, now_ns), count)

    def published(self, count: int) -> None:
        self._given += count

    def feed_time(self, now_ns: int) -> int:  # noqa: ARG002
        return 0


class Original:
    """``speed`` times the speed at which the records came (their ts_recv), true to the time between them.

    Time 0 is the first MBO record's: what comes before it, definitions for example, goes at once, and so does
    a record whose time is before the one in front of it, or undefined.

    Args:
        speed: 1 is the original.
        max_bytes: what is due at once is given out in pieces of so many.
        wall_ns: how far the wall clock (ns since the epoch) is ahead of CLOCK_MONOTONIC. At speed 1 records
            of the present, within `PRESENT_NS` of it, are due at their own time; without it when they begin.
    """

    ticks = True

    def __init__(self, speed: float, max_bytes: int, wall_ns: int | None = None) -> None:
        if not 1e-6 <= speed <= 1e9:
            raise UsageError(f"--speed: expected a factor of original time, from 1e-6 to 1e9, got {speed:g}")
        self._speed = speed
        self._max_bytes = max_bytes
        self._wall_ns = wall_ns if speed == 1 else None
        self.start_ns = -1
        self._first = UNDEF_TIMESTAMP
        self._last_due_ns = 0

    def next(self, view: memoryview, now_ns: int) -> Burst:
        if self._first == UNDEF_TIMESTAMP:
            lead = self._begin(view, now_ns)
            if lead:
                return Burst(min(lead, event_cut(view[:lead], self._max_bytes)), now_ns)
        size, count = forms.due_prefix(view, self.feed_time(now_ns))
        if size == 0:
            return Burst(0, self._due_ns(view))
        due_ns = min(max(self._due_ns(view), self._last_due_ns), now_ns)
        self._last_due_ns = due_ns
        if size <= self._max_bytes:
            return Burst(size, due_ns, count)
        return Burst(event_cut(view[:size], self._max_bytes), due_ns)

    def published(self, count: int) -> None:
        """The records themselves say when the next are due."""

    def feed_time(self, now_ns: int) -> int:
        if self._first == UNDEF_TIMESTAMP:
            return 0
        return self._first + int((now_ns - self.start_ns) * self._speed)

    def _begin(self, view: memoryview, now_ns: int) -> int:
        """Find time 0. Bytes of what comes before it."""
        at = 0
        while at < len(view):
            if view[at + 1] == _MBO:
                time = int.from_bytes(view[at + _TS_RECV_AT : at + _TS_RECV_AT + 8], "little")
                if time != UNDEF_TIMESTAMP:
                    due_ns = now_ns if self._wall_ns is None else time - self._wall_ns
                    present = abs(due_ns - now_ns) <= PRESENT_NS
                    self._first, self.start_ns = time, due_ns if present else now_ns
                    break
            at += view[at] * LENGTH_WORD
        return at

    def _due_ns(self, view: memoryview) -> int:
        time = forms.first_ts_recv(view)
        if time == UNDEF_TIMESTAMP:
            return self._last_due_ns
        # Rounded up: at that time feed_time has reached the record.
        return self.start_ns - int((self._first - time) / self._speed) + 1
