"""Received records on their way into an engine: whole events of all books, unless that takes too long."""

from typing import Final

from depthcast.book.engine import Engine

__all__ = ["HELD_BYTES", "HELD_S", "Intake"]

HELD_BYTES: Final = 4 << 20
"""So much is held back at most until every open event has ended."""
HELD_S: Final = 0.25
"""So long likewise."""
_LOOK_AGAIN: Final = 64 << 10
"""From so much on it is not looked through for every chunk, but when it has grown by an eighth."""


class Intake:
    """An engine, and what is held back from it because some book is inside an event.

    A book whose event was applied unfinished keeps nobody waiting; it is ``in_event`` until it ends.

    Args:
        engine: its books may be inside events.
        held: records that follow, to be held back at first.

    Attributes:
        engine: after every call outside events, but for those books.
    """

    def __init__(self, engine: Engine, held: bytes | bytearray = b"") -> None:
        self.engine = engine
        self._held = bytearray(held)
        self._since: float | None = None
        self._look_at = 0

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def take(self, records: memoryview, now: float) -> memoryview | None:
        """Apply what can be; a view of that, which the caller releases. None if it is nothing.

        Args:
            records: whole records; they need not stay.
            now: the time, s.

        Raises:
            RecordError: broken framing.
        """
        if self._held:
            return self._take_more(records, now)
        end = self.engine.boundary(records, new_only=True)
        if end < len(records):
            self._held += records[end:]
            self._since = now
            if not end:
                return None
        applied = records[:end]
        self.engine.apply(applied)
        return applied

    def overdue(self, now: float) -> memoryview | None:
        """Apply all that was held back for too long, whatever is open; as `take`."""
        if self._held and self._since is None:
            self._since = now
        if self._since is None or now - self._since < HELD_S:
            return None
        return self._apply_held(len(self._held), now)

    def _take_more(self, records: memoryview, now: float) -> memoryview | None:
        self._held += records
        held = self._held
        if len(held) < self._look_at:
            return None
        end = self.engine.boundary(held, new_only=True)
        if end or len(held) >= HELD_BYTES:
            return self._apply_held(end or len(held), now)
        self._look_at = len(held) + len(held) // 8 if len(held) >= _LOOK_AGAIN else 0
        return None

    def _apply_held(self, end: int, now: float) -> memoryview:
        held = self._held
        self._held, self._look_at = held[end:], 0
        self._since = now if self._held else None
        applied = memoryview(held)[:end]
        self.engine.apply(applied)
        return applied
