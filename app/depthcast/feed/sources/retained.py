"""What a feed last received from a gateway, so that after a restart it can ask for exactly what follows.

A gateway has no positions. It replays, by schema, the records from a time on, in the order in which they
came. So a place in its stream is, for each rtype, a time that lies after everything received a little
earlier, and how many records of each instrument have come at or after it: a replay from that time begins
with exactly those.
"""

import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
import numpy as np

from depthcast.dbn import Flags, RType, forms
from depthcast.dbn.framing import record_starts
from depthcast.dbn.layout import LENGTH_WORD, UNDEF_TIMESTAMP

__all__ = ["KEEP_BYTES", "Place", "Retained", "Unseen"]

LOOKBACK_NS: Final = 1_000_000_000
_TS_EVENT_AT: Final = 8
_FLAGS_AT: Final = 36
_TS_RECV_AT: Final = 40
KEEP_BYTES: Final = 64 << 20
_MBO_ONLY: Final = forms.rtype_mask({RType.MBO})

Key = tuple[int, int]
"""rtype and instrument_id."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A place in a gateway's stream: where replays begin, and what of them was received."""

    starts: dict[int, int]
    """The time of each rtype, ns."""
    seen: list[tuple[int, int, int]]
    """rtype, instrument_id, count."""
    latest: dict[int, int] = {}
    """The latest time of each rtype that was received, ns."""


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """A run of records, and the latest time of each rtype in all records before it."""

    position: int
    count: int
    data: bytes
    before: dict[int, int]


class Retained:
    """The newest records of a gateway's stream, at most ``keep_bytes``. Any thread.

    Args:
        base: the place where it begins; None where nothing is known of what came before.
        position: of the first record that `add` will be given.
        by_ts_recv: the gateway compares a snapshot record's ts_recv with the start, not its ts_event.
        lookback_ns: how far a record's time may lie before that of records ahead of it, and still not be
            lost (as far as ``keep_bytes`` reach).
    """

    def __init__(
        self,
        base: Place | None,
        position: int,
        *,
        by_ts_recv: bool,
        keep_bytes: int = KEEP_BYTES,
        lookback_ns: int = LOOKBACK_NS,
    ) -> None:
        self._lock = threading.Lock()
        self._base = base
        self._begin = position
        self._latest = {} if base is None else base.latest
        self._by_ts_recv = by_ts_recv
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._keep_bytes = keep_bytes
        self._lookback_ns = lookback_ns

    def add(self, data: bytes, count: int, position: int) -> None:
        """Take the records that came, the first of them at ``position``."""
        latest = dict(self._latest)
        for rtype, time in latest_times(data, by_ts_recv=self._by_ts_recv).items():
            latest[rtype] = max(latest.get(rtype, -1), time)
        with self._lock:
            self._kept.append(_Kept(position, count, data, self._latest))
            self._latest = latest
            self._bytes += len(data)
            while self._bytes > self._keep_bytes and len(self._kept) > 1:
                self._bytes -= len(self._kept.popleft().data)

    def place(self, position: int) -> Place | None:
        """The place right before the record at ``position``; None if that is not known (any more)."""
        with self._lock:
            kept, at = list(self._kept), self._latest
        if position <= self._begin:
            return self._base if position == self._begin else None
        if not kept or position < kept[0].position:
            return None
        used = sum(each.position < position for each in kept)
        if used < len(kept):
            at = kept[used].before
        befores = [*(each.before for each in kept[:used]), at]
        begin = _newest_old_enough(befores, max(at.values(), default=0) - self._lookback_ns)
        seen: Counter[Key] = Counter()
        if begin is None and self._base is not None and kept[0].position == self._begin:
            begin = 0
            starts = _starts(self._base.starts, at)
            seen.update(_counts(self._base))
        else:
            if begin is None:
                begin = next((index for index, before in enumerate(befores) if before), used)
            asked = {} if self._base is None else self._base.starts
            after = {rtype: time + 1 for rtype, time in befores[begin].items()}
            starts = _starts({**asked, **after}, at)
        if not starts:
            return None
        for each in kept[begin:used]:
            data = each.data
            if each.position + each.count > position:
                data = data[: forms.prefix(data, position - each.position)]
            seen.update(_received(data, starts, by_ts_recv=self._by_ts_recv))
        return _place(starts, seen, at)


class Unseen:
    """Takes from replays what was received before: by count, and never a record later than all of that.

    A gateway that was killed may replay less than it had sent, and send the rest again as new.

    Attributes:
        pending: how many of those records have not come yet.
    """

    def __init__(self, place: Place, *, by_ts_recv: bool) -> None:
        self._starts = place.starts
        self._latest = dict(place.latest)
        self._left = _counts(place)
        self._by_ts_recv = by_ts_recv
        self.pending = self._left.total()

    def received(self, data: bytes) -> None:
        """Records that the feed has beyond the place."""
        for rtype, time in latest_times(data, by_ts_recv=self._by_ts_recv).items():
            self._latest[rtype] = max(self._latest.get(rtype, -1), time)
        self._starts = _starts(self._starts, self._latest)
        self._left.update(_received(data, self._starts, by_ts_recv=self._by_ts_recv))
        self.pending = self._left.total()

    @property
    def place(self) -> Place:
        """Where the feed is, as long as `take` was not called."""
        return _place(self._starts, self._left, self._latest)

    def take(self, data: bytes) -> bytes:
        """The records of a replay that were not received before."""
        if not self.pending:
            return data
        fresh = []
        for at, end in _records(data):
            key = data[at + 1], int.from_bytes(data[at + 4 : at + 8], "little")
            if self._left[key] > 0 and self._may_be_old(data, at):
                self._left[key] -= 1
                self.pending -= 1
            else:
                fresh.append(data[at:end])
        return b"".join(fresh)

    def _may_be_old(self, data: bytes, at: int) -> bool:
        """Whether a record is no later than the latest of its rtype that was received."""
        latest = self._latest.get(data[at + 1])
        by_ts_recv = self._by_ts_recv and data[at + 1] == RType.MBO and data[at + _FLAGS_AT] & Flags.SNAPSHOT
        time_at = at + (_TS_RECV_AT if by_ts_recv else _TS_EVENT_AT)
        time = int.from_bytes(data[time_at : time_at + 8], "little")
        return latest is None or time <= latest or time == UNDEF_TIMESTAMP


def _newest_old_enough(befores: list[dict[int, int]], time: int) -> int | None:
    """The newest place before which no record is later than ``time``; None if there is none."""
    for index in range(len(befores) - 1, -1, -1):
        before = befores[index]
        if before and max(before.values()) <= time:
            return index
    return None


def _starts(known: Mapping[int, int], rtypes: Iterable[int]) -> dict[int, int]:
    """The known starts; the others, of which nothing had come before, begin with the earliest of them."""
    if not known:
        return {}
    earliest = min(known.values())
    return {**dict.fromkeys(rtypes, earliest), **known}


def _place(starts: dict[int, int], seen: Counter[Key], latest: dict[int, int]) -> Place:
    return Place(starts, [(*key, count) for key, count in sorted(seen.items())], latest)


def _counts(place: Place) -> Counter[Key]:
    return Counter({(rtype, instrument_id): count for rtype, instrument_id, count in place.seen})


def latest_times(data: bytes, *, by_ts_recv: bool) -> dict[int, int]:
    """By rtype, the latest time that a replay goes by."""
    latest: dict[int, int] = {}
    others = forms.others(data)
    if len(others) < len(data):
        span = forms.span(data if not others else forms.form(data, rtypes=_MBO_ONLY))
        latest[RType.MBO] = max(span.max_ts_event, span.max_snapshot_ts_recv if by_ts_recv else 0)
    for at, _ in _records(others):
        time = int.from_bytes(others[at + 8 : at + 16], "little")
        known = latest.get(others[at + 1], 0)
        latest[others[at + 1]] = known if time == UNDEF_TIMESTAMP else max(known, time)
    return latest


def _received(data: bytes, starts: Mapping[int, int], *, by_ts_recv: bool) -> Counter[Key]:
    """How many records a replay from these times would have, by rtype and instrument."""
    found: Counter[Key] = Counter()
    for rtype, start in starts.items():
        records = forms.form(data, rtypes=(rtype,))
        if by_ts_recv:
            records = forms.since(records, start)
        octets = np.frombuffer(records, np.uint8)
        heads = octets[record_starts(octets, 0, len(octets))[:, None] + np.arange(4, 16)]
        if not by_ts_recv:
            heads = heads[np.ascontiguousarray(heads[:, 4:]).view("<u8")[:, 0] >= start]
        ids, counts = np.unique(np.ascontiguousarray(heads[:, :4]).view("<u4"), return_counts=True)
        found.update(
            {(rtype, number): count for number, count in zip(ids.tolist(), counts.tolist(), strict=True)}
        )
    return found


def _records(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each record begins and ends."""
    at = 0
    while at < len(data):
        end = at + data[at] * LENGTH_WORD
        yield at, end
        at = end
