"""Received records on their way into an engine: whole events of all books, unless that takes too long."""

from typing import Final

from depthcast.book.engine import Engine

__all__ = ["HELD_BYTES", "Intake"]

HELD_BYTES: Final = 4 << 20
"""So much is held back at most until every open event has ended."""
_LOOK_AGAIN: Final = 64 << 10
"""From so much on it is not looked through for every chunk, but when it has grown by an eighth."""


class Intake:
    """An engine, and what is held back from it because some book is inside an event.

    Books whose event was applied unfinished (`force`) keep nobody waiting; they are ``in_event`` meanwhile.

    Attributes:
        engine: after every `take` outside events, but for those books.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = Engine() if engine is None else engine
        self._held = bytearray()
        self._look_at = 0

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def take(self, records: memoryview) -> memoryview | None:
        """Apply what can be; a view of that, to be released by the caller. None if it is nothing.

        ``records`` need not stay.

        Raises:
            RecordError: broken framing.
        """
        if self._held:
            return self._take_more(records)
        end = self.engine.boundary(records, new_only=True)
        if end < len(records):
            self._held += records[end:]
            self._look_at = 0
            if not end:
                return None
        applied = records[:end]
        self.engine.apply(applied)
        return applied

    def _take_more(self, records: memoryview) -> memoryview | None:
        self._held += records
        held = self._held
        if len(held) < self._look_at:
            return None
        end = self.engine.boundary(held, new_only=True)
        if end:
            return self._apply_held(end)
        if len(held) >= HELD_BYTES:
            return self.force()
        self._look_at = len(held) + len(held) // 8 if len(held) >= _LOOK_AGAIN else 0
        return None

    def force(self) -> memoryview | None:
        """Apply all that is held back, whatever is open; as `take`."""
        return self._apply_held(len(self._held)) if self._held else None

    def _apply_held(self, end: int) -> memoryview:
        held = self._held
        self._held, self._look_at = held[end:], 0
        applied = memoryview(held)[:end]
        self.engine.apply(applied)
        return applied
