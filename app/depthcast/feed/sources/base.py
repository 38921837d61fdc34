"""What a source of records is to the feed, and the small parts that sources share."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from depthcast.dbn import forms
from depthcast.dbn.layout import MBO_SIZE
from depthcast.errors import SourceError
from depthcast.feed.cuts import whole_prefix
from depthcast.live.symbology import Symbology

__all__ = ["Chunk", "Marks", "Run", "Source", "SourceKind", "decode_state", "whole_events"]

SourceKind = Literal["file", "simulated", "gateway"]

S = TypeVar("S", bound=msgspec.Struct)

TAIL_BYTES: Final = 64 * MBO_SIZE
"""The last event end of many records is most probably among so many."""
MARK_BYTES: Final = 32 << 20
"""States that are remembered, at most: the oldest are thinned out first."""


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """A run of whole records, cut at event ends where the source allows.

    ``data`` has DBN version 3 layouts, without ts_out and without control records. ``position`` is that of
    the first of its ``count`` records. ``due_ns`` (CLOCK_MONOTONIC) is when it came, where the source sets
    the pace; else 0. ``mbo_only``: they are known to be MBO records, all of them.
    """

    data: bytes
    count: int
    position: int
    due_ns: int = 0
    mbo_only: bool = False


class Source(Protocol):
    """A source, as the feed's loop sees it. Made by `open_source`; all is called on the loop but `state`.

    Attributes:
        name: the source as it was asked for, without secrets.
        kind: what it is: it says what can be lost in a crash.
        live: it sets the pace itself: its chunks are due when they come, and time goes on between them.
        finite: it ends by itself.
    """

    name: str
    kind: SourceKind
    live: bool
    finite: bool

    @property
    def dataset(self) -> str:
        """Of all its records."""

    @property
    def symbology(self) -> Symbology:
        """What it says of its instruments; it may learn more while it goes on."""

    def open(
        self,
        loop: asyncio.AbstractEventLoop,
        wake: Callable[[], None],
        state: bytes | None = None,
        position: int = 0,
    ) -> None:
        """Begin to produce.

        Args:
            loop: the loop on which all else happens.
            wake: called on the loop when `take` has something again after it had nothing: a chunk, the end
                or an error.
            state: what `state` gave at this position or an earlier one; None to begin at the beginning.
            position: of the first record wanted. With a state it is the one right after what the feed has.

        Raises:
            SourceError: a state of another source, or of a position after the one wanted; a source that
                has changed since.
        """

    def recovered(self, data: bytes, position: int) -> None:
        """Whole records, the first at ``position``, that the feed has beyond its state.

        To be called right after `open`, in order, before the loop goes on. Only a gateway needs them.
        """

    def take(self) -> Chunk | None:
        """The next chunk; None if there is none now: `ended`, or `wake` will be called.

        Raises:
            SourceError: the source cannot go on; all good records before were given. It is `ended` then.
        """

    @property
    def ended(self) -> bool:
        """All was taken."""

    @property
    def advance_ns(self) -> int:
        """Up to which ts_recv (ns) a silent live source promises nothing more; 0 if it does not say."""

    def state(self, position: int) -> bytes:
        """What `open` needs to go on from this position or a later one. Any thread.

        Of two calls the later must not ask for an earlier position, and for none before that opened at.
        """

    def close(self) -> None:
        """Stop and give up everything; at any time, more than once. Chunks not taken are dropped."""


class Marks:
    """States by position: the newest at or before a position is found again. Any thread.

    Those before the newest that was asked for are forgotten. Past `MARK_BYTES` every other one is: resuming
    is then slower, never wrong.
    """

    def __init__(self, max_bytes: int = MARK_BYTES) -> None:
        self._lock = threading.Lock()
        self._marks: list[tuple[int, bytes]] = []
        self._bytes = 0
        self._max_bytes = max_bytes

    def add(self, position: int, state: bytes) -> None:
        """Remember the state at a position after all others."""
        with self._lock:
            self._marks.append((position, state))
            self._bytes += len(state)
            if self._bytes > self._max_bytes and len(self._marks) > 2:
                newest = self._marks.pop()
                self._marks = [*self._marks[::2], newest]
                self._bytes = sum(len(kept) for _, kept in self._marks)

    def at(self, position: int) -> bytes:
        """The newest state at or before this position, of those that are left.

        Raises:
            ValueError: there is none.
        """
        with self._lock:
            found = sum(known <= position for known, _ in self._marks) - 1
            if found < 0:
                raise ValueError(f"no state is known at or before position {position}")
            for _, forgotten in self._marks[:found]:
                self._bytes -= len(forgotten)
            del self._marks[:found]
            return self._marks[0][1]


def decode_state(kind: type[S], state: bytes, name: str) -> S:
    """A source's own state.

    Raises:
        SourceError: it is another kind of source's.
    """
    try:
        return msgspec.msgpack.decode(state, type=kind)
    except (msgspec.MsgspecError, ValueError):
        raise SourceError(
            f"{name}: the journal was written from another kind of source, so the feed cannot go on from it: "
            "give the source it was written from, or another journal"
        ) from None


class Run(NamedTuple):
    """Whole records, in a buffer that may be used again once the next run is asked for."""

    data: memoryview | bytes
    mbo_only: bool
    """They are all MBO records without ts_out."""


def whole_events(runs: Iterator[Run], position: int, skip: int, size: int) -> Iterator[Chunk]:
    """The records of ``runs`` as chunks of at most ``size`` bytes, cut at event ends.

    An event longer than that is cut wherever it must be, and so is the last if the records end inside it.
    Little that is left of a run waits for the next one.

    Args:
        runs: the records.
        position: of the first record of the first chunk.
        skip: records left out before it.
        size: at least the longest record's.
    """
    carry = Run(b"", mbo_only=True)
    while True:
        try:
            run = next(runs, None)
        except Exception:  # all good records come before what is wrong
            yield from _rest(carry, position)
            raise
        if run is None:
            break
        view = memoryview(run.data)
        if skip:
            skipped = forms.prefix(view, skip)
            skip -= skip if skipped < len(view) else forms.count(view)
            view = view[skipped:]
        while view:
            window = _window(view, size - len(carry.data), mbo_only=run.mbo_only)
            little = window == len(view) and len(carry.data) + window < size // 2
            end = 0 if little else _event_end(view[:window], mbo_only=run.mbo_only)
            if little or (not end and window == len(view) and not _has_events(carry)):
                break
            if end or not _has_events(carry):
                cut = end or window
                whole = Run(b"".join((carry.data, view[:cut])), carry.mbo_only and run.mbo_only)
                carry, view = Run(b"", mbo_only=True), view[cut:]
            else:  # the long event begins in what was carried
                whole, carry = _cut(carry)
            yield (chunk := _chunk(whole, position))
            position += chunk.count
        if view:
            carry = Run(b"".join((carry.data, view)), carry.mbo_only and run.mbo_only)
    yield from _rest(carry, position)


def _rest(carry: Run, position: int) -> Iterator[Chunk]:
    """What is left at the end: whole events, and what may be left of one."""
    for part in _cut(carry):
        if part.data:
            yield (chunk := _chunk(part, position))
            position += chunk.count


def _cut(run: Run) -> tuple[Run, Run]:
    """Its whole events, and what begins after them."""
    end = _event_end(run.data, mbo_only=run.mbo_only)
    return run._replace(data=run.data[:end]), run._replace(data=run.data[end:])


def _chunk(run: Run, position: int) -> Chunk:
    data = bytes(run.data)
    count = len(data) // MBO_SIZE if run.mbo_only else forms.count(data)
    return Chunk(data, count, position, mbo_only=run.mbo_only)


def _has_events(run: Run) -> bool:
    return _event_end(run.data, mbo_only=run.mbo_only) > 0


def _event_end(data: memoryview | bytes, *, mbo_only: bool) -> int:
    """Bytes up to and with the last record that ends an event; 0 if there is none."""
    if not mbo_only:
        return forms.event_prefix(data)
    begin = max(len(data) - TAIL_BYTES, 0)
    end = forms.event_prefix(data[begin:])
    if end or not begin:
        return begin + end
    return forms.event_prefix(data)


def _window(view: memoryview, room: int, *, mbo_only: bool) -> int:
    """Bytes of the whole records at the front for which there is room; 0 if there is none for the first."""
    if len(view) <= room:
        return len(view)
    if mbo_only:
        return room - room % MBO_SIZE
    window = whole_prefix(view, room)
    return window if window <= room else 0
