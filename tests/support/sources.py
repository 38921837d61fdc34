"""Sources in memory, and a pacer on a clock and a timer that tests turn by hand."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

from depthcast.dbn import RType, forms
from depthcast.dbn.layout import LENGTH_WORD
from depthcast.errors import SourceError
from depthcast.feed.pacing import Pacer
from depthcast.feed.schedule import Pace
from depthcast.feed.sources.base import Chunk, Source, SourceKind
from depthcast.live.symbology import Symbology

CONTROL = (RType.ERROR, RType.SYMBOL_MAPPING, RType.SYSTEM)


class ListSource:
    """A source of chunks that a test puts in."""

    kind: SourceKind = "file"
    finite = True
    dataset = "XSIM.MBO"
    name = "list"

    def __init__(self, *chunks: bytes, live: bool = False, ended: bool = True) -> None:
        self.live = live
        self.symbology = Symbology()
        self.advance_ns = 0
        self.error: SourceError | None = None
        self.over = ended
        self._position = 0
        self._ready: deque[Chunk] = deque()
        for data in chunks:
            self.put(data)

    def put(self, data: bytes, due_ns: int = 0) -> None:
        count = forms.count(data)
        self._ready.append(Chunk(data, count, self._position, due_ns))
        self._position += count

    @property
    def ended(self) -> bool:
        return self.over and not self._ready and self.error is None

    def open(
        self,
        loop: asyncio.AbstractEventLoop,
        wake: Callable[[], None],
        state: bytes | None = None,
        position: int = 0,
    ) -> None:
        """Nothing to begin."""

    def recovered(self, data: bytes, position: int) -> None:
        """Nothing to learn."""

    def take(self) -> Chunk | None:
        if self._ready:
            return self._ready.popleft()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return None

    def state(self, position: int) -> bytes:
        return position.to_bytes(8, "little")

    def close(self) -> None:
        """Nothing to give up."""


@dataclass
class Published:
    """What was published at once, and when."""

    at_ns: int
    data: bytes
    count: int
    due_ns: int
    advance_ns: int


@dataclass
class Bench:
    """A pacer on a clock that a test turns: no loop, no thread, no time."""

    pace: Pace
    now_ns: int = 1_000_000_000
    room: int = 2**62
    """How many more publications are taken."""
    published: list[Published] = field(default_factory=list)
    ends: list[SourceError | None] = field(default_factory=list)
    alarm_ns: int | None = None
    soon: deque[Callable[[], None]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._callback: Callable[[], None] = lambda: None
        self.pacer = Pacer(
            cast("asyncio.AbstractEventLoop", self),  # it has what a pacer uses of a loop
            self._publish,
            self.pace,
            self.ends.append,
            clock=lambda: self.now_ns,
            timer=self._timer,
        )

    def start(self, source: Source) -> None:
        self.pacer.start(source)
        self._settle()

    def run_until(self, end_ns: int) -> None:
        """Let the clock go from alarm to alarm."""
        self._settle()
        while self.alarm_ns is not None and self.alarm_ns <= end_ns:
            self.now_ns, self.alarm_ns = max(self.now_ns, self.alarm_ns), None
            self._callback()
            self._settle()
        self.now_ns = max(self.now_ns, end_ns)

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def at(self, monotonic_ns: int) -> None:
        self.alarm_ns = monotonic_ns

    def cancel(self) -> None:
        self.alarm_ns = None

    def close(self) -> None:
        self.alarm_ns = None

    def _settle(self) -> None:
        while self.soon:
            self.soon.popleft()()

    def _timer(self, _loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> "Bench":
        self._callback = callback
        return self

    def _publish(
        self, data: bytes, count: int, due_ns: int, advance_ns: int = 0, *, mbo_only: bool = False
    ) -> bool:
        assert not mbo_only or not forms.others(data)
        if self.room == 0:
            return False
        self.room -= 1
        self.published.append(Published(self.now_ns, data, count, due_ns, advance_ns))
        return True

    @property
    def data(self) -> bytes:
        return b"".join(each.data for each in self.published)


def split(data: bytes) -> list[bytes]:
    """The single records of a buffer."""
    records = []
    at = 0
    while at < len(data):
        end = at + data[at] * LENGTH_WORD
        records.append(data[at:end])
        at = end
    return records


def without_control(records: Iterable[bytes]) -> list[bytes]:
    return [record for record in records if record[1] not in CONTROL]
