"""What a class shows of a book, and how that changes: read from the engine, compared, made into messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from depthcast.api.hub.messages import BboMessage, BookSnapshot, BookUpdate, LevelTuple
from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookStatus, Depth, Level
from depthcast.book.views import price_str
from depthcast.errors import UnknownBookError

__all__ = [
    "Face",
    "Place",
    "bbo_message",
    "changes",
    "decimal",
    "read",
    "snapshot_message",
    "standing",
    "standing_of",
    "statuses_of",
    "update_message",
]

decimal = lru_cache(maxsize=1 << 16)(price_str)
"""`price_str`, remembered: the same prices come again and again."""

_EMPTY_CHECKSUM: Final = 0


@dataclass(frozen=True, slots=True)
class Face:
    """The first levels of a book at the end of an event, and whether it can be trusted."""

    bids: Sequence[Level]
    asks: Sequence[Level]
    checksum: int | None
    ts_event: int
    top: str
    phase: str | None
    complete: bool
    suspect: bool
    stale: bool

    @property
    def flags(self) -> tuple[str, str | None, bool, bool, bool]:
        return (self.top, self.phase, self.complete, self.suspect, self.stale)

    def shows_the_same(self, other: "Face") -> bool:
        """All but the time is the same."""
        return self.flags == other.flags and self.bids == other.bids and self.asks == other.asks

    def as_stale(self, stale: bool) -> "Face":
        return self if self.stale == stale else replace(self, stale=stale)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands in its class, and its times in ns."""

    name: str
    epoch: str
    prev_seq: int
    seq: int
    ts_applied: int
    ts_send: int


def read(
    engine: BookEngine,
    instrument_id: int,
    publisher_id: int | None,
    publishers: Iterable[int],
    depth: int,
    *,
    stale: bool,
) -> Face | None:
    """What the engine's book shows now; None while an event of it is open (its state is not to be shown).

    Args:
        engine: where the book is.
        instrument_id: the instrument.
        publisher_id: one publisher, or None for all.
        publishers: those of the instrument, where ``publisher_id`` is None.
        depth: levels of each side.
        stale: what the face says of the feed.
    """
    if publisher_id is None:
        return _read_all(engine, instrument_id, publishers, depth, stale=stale)
    try:
        status = engine.status(instrument_id, publisher_id)
    except UnknownBookError:
        return _nothing(stale=stale, checksum=_EMPTY_CHECKSUM)
    if status.in_event:
        return None
    shown = engine.depth(instrument_id, depth, publisher_id)
    checksum = engine.checksum(instrument_id, depth, publisher_id)
    return _face(shown, checksum, [status], top=status.top, stale=stale)


def standing(
    engine: BookEngine, instrument_id: int, publishers: Iterable[int]
) -> tuple[str | None, bool, bool] | None:
    """Phase, complete, suspect: what may change without an event. None while one is open."""
    statuses = statuses_of(engine, instrument_id, publishers)
    if any(status.in_event for status in statuses):
        return None
    return standing_of(statuses)


def statuses_of(engine: BookEngine, instrument_id: int, publishers: Iterable[int]) -> list[BookStatus]:
    """Of those publishers' books that there are."""
    statuses = []
    for publisher_id in publishers:
        try:
            statuses.append(engine.status(instrument_id, publisher_id))
        except UnknownBookError:
            continue
    return statuses


def standing_of(statuses: Sequence[BookStatus]) -> tuple[str | None, bool, bool]:
    """Phase, complete, suspect of these books together."""
    if not statuses:
        return (None, False, False)
    phases = {status.phase for status in statuses}
    return (
        phases.pop() if len(phases) == 1 else None,
        all(status.complete for status in statuses),
        any(status.suspect for status in statuses),
    )


def _read_all(
    engine: BookEngine, instrument_id: int, publishers: Iterable[int], depth: int, *, stale: bool
) -> Face | None:
    statuses = statuses_of(engine, instrument_id, publishers)
    if not statuses:
        return _nothing(stale=stale, checksum=None)
    if any(status.in_event for status in statuses):
        return None
    shown = engine.depth(instrument_id, depth)
    return _face(shown, None, statuses, top=_top(shown), stale=stale)


def _face(shown: Depth, checksum: int | None, statuses: list[BookStatus], *, top: str, stale: bool) -> Face:
    phase, complete, suspect = standing_of(statuses)
    return Face(
        bids=shown.bids,
        asks=shown.asks,
        checksum=checksum,
        ts_event=max(status.version[0] for status in statuses),
        top=top,
        phase=phase,
        complete=complete,
        suspect=suspect,
        stale=stale,
    )


def _nothing(*, stale: bool, checksum: int | None) -> Face:
    return Face([], [], checksum, 0, "empty", None, complete=False, suspect=False, stale=stale)


def _top(shown: Depth) -> str:
    if not shown.bids or not shown.asks:
        return "empty"
    bid, ask = shown.bids[0].price, shown.asks[0].price
    if bid == ask:
        return "locked"
    return "crossed" if bid > ask else "normal"


def _tuples(levels: Iterable[Level]) -> list[LevelTuple]:
    return [(decimal(price), size, count) for price, size, count in levels]


def changes(
    before: Sequence[Level], after: Sequence[Level], depth: int, *, descending: bool
) -> list[LevelTuple]:
    """What makes one side (bids descend) of what it was: levels as they are now, then the gone with size 0.

    Levels that are only pushed out below the last one are not named: the reader cuts to ``depth``.
    """
    known = {level.price: level for level in before}
    changed = [level for level in after if known.pop(level.price, None) != level]
    gone: Iterable[int] = known
    if known and len(after) == depth:
        last = after[-1].price
        gone = [price for price in known if (price > last) == descending]
    result = _tuples(changed)
    result += [(decimal(price), 0, 0) for price in gone]
    return result


def snapshot_message(face: Face, at: Place) -> BookSnapshot:
    """All that the class shows."""
    return BookSnapshot(
        stream=at.name,
        epoch=at.epoch,
        seq=at.seq,
        ts_event=str(face.ts_event),
        ts_applied=str(at.ts_applied),
        ts_send=str(at.ts_send),
        top=face.top,
        phase=face.phase,
        complete=face.complete,
        suspect=face.suspect,
        stale=face.stale,
        bids=_tuples(face.bids),
        asks=_tuples(face.asks),
        checksum=face.checksum,
    )


def update_message(before: Face, face: Face, at: Place, depth: int) -> BookUpdate:
    """What makes ``face`` of ``before``."""
    return BookUpdate(
        stream=at.name,
        prev_seq=at.prev_seq,
        seq=at.seq,
        ts_event=str(face.ts_event),
        ts_applied=str(at.ts_applied),
        ts_send=str(at.ts_send),
        top=face.top,
        phase=face.phase,
        complete=face.complete,
        suspect=face.suspect,
        stale=face.stale,
        bids=changes(before.bids, face.bids, depth, descending=True),
        asks=changes(before.asks, face.asks, depth, descending=False),
        checksum=face.checksum,
    )


def bbo_message(face: Face, at: Place) -> BboMessage:
    """The best levels."""
    bids, asks = _tuples(face.bids[:1]), _tuples(face.asks[:1])
    return BboMessage(
        stream=at.name,
        epoch=at.epoch,
        prev_seq=at.prev_seq,
        seq=at.seq,
        ts_event=str(face.ts_event),
        ts_applied=str(at.ts_applied),
        ts_send=str(at.ts_send),
        top=face.top,
        phase=face.phase,
        complete=face.complete,
        suspect=face.suspect,
        stale=face.stale,
        bid=bids[0] if bids else None,
        ask=asks[0] if asks else None,
        checksum=face.checksum,
    )
