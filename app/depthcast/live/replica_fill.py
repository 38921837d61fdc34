"""A fresh engine being filled from a session's snapshots, and when it is complete."""

from typing import Final

from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.dbn import forms
from depthcast.dbn.framing import TS_OUT_SIZE
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.live.replica_intake import HELD_S, Intake

__all__ = ["Fill", "complete_books"]

QUIET_S: Final = 1.0
"""A gateway that does not say when its snapshots end has sent them all after so long without one."""
SHORT_QUIET_S: Final = 0.25
"""Likewise, where every book that was complete is complete again."""
COMPARE_S: Final = 0.1
NO_SNAPSHOT_S: Final = 10.0
"""It has none to send if none came in this time."""
MISSING_S: Final = 5.0
"""So long after the beginning a feed is given to have all the books it had: it may be starting anew."""
TRADES_BYTES: Final = 1 << 20


class Fill:
    """The books of a new session, until they can take the place of those before.

    Args:
        before: the books that were complete, and are served meanwhile.
        statuses: the latest status record of each book known; not every gateway tells them again.
        now: the time, s.

    Attributes:
        told: whether the gateway has said that the snapshots are complete.
        trades: the trades that came meanwhile, as `depthcast.dbn.forms.actions` gives them.
        last_ts_recv, last_ts_out: of the last record applied, ns; 0 before.
    """

    def __init__(self, before: frozenset[BookKey], statuses: bytes, now: float) -> None:
        self.engine = Engine()
        self.engine.apply(statuses)
        self.told = False
        self.trades = b""
        self.last_ts_recv = self.last_ts_out = 0
        self._before = before
        self._begun = now
        self._latest: float | None = None
        self._ending: float | None = None
        self._compare_at = now
        self._held = b""

    def take(self, records: memoryview, now: float) -> None:
        """Apply records that came; once no more snapshots will, only up to where no event is open."""
        if not self.told and forms.span(records).max_snapshot_ts_recv:
            self._latest = now
        self._look(now)
        end = len(records)
        if self._ending is not None:
            end = self.engine.boundary(records) or end
        with records[:end] as applied:
            self.engine.apply(applied)
            self.last_ts_out = int.from_bytes(applied[-TS_OUT_SIZE:], "little")
            ts_recv = forms.last_ts_recv(applied)
            if ts_recv != UNDEF_TIMESTAMP:
                self.last_ts_recv = ts_recv
            self.trades = (self.trades + forms.actions(applied, b"T", ts_out=True))[-TRADES_BYTES:]
        self._held = bytes(records[end:])

    def finished(self, now: float) -> Intake | None:
        """The books and what follows, once they are as good as they get. To be asked after every `take`."""
        self._look(now)
        if self._ending is None or (self.engine.open_events and now - self._ending < HELD_S):
            return None
        return Intake(self.engine, self._held)

    def _look(self, now: float) -> None:
        if self._ending is None and self._has_come(now) and self._is_enough(now):
            self._ending = now

    def _has_come(self, now: float) -> bool:
        """Whether no more snapshots will come."""
        if self.told:
            return True
        if self._latest is None:
            return now - self._begun >= NO_SNAPSHOT_S
        quiet_s = now - self._latest
        if quiet_s >= QUIET_S:
            return True
        if not self._before or quiet_s < SHORT_QUIET_S or not self._is_due(now):
            return False
        return self._before <= complete_books(self.engine)

    def _is_due(self, now: float) -> bool:
        """Whether to compare books again: of thousands that takes ms."""
        due = now >= self._compare_at
        if due:
            self._compare_at = now + COMPARE_S
        return due

    def _is_enough(self, now: float) -> bool:
        """Whether there is what there was before; else a moment is given to it."""
        if not self._before or now - self._begun >= MISSING_S:
            return True
        return (not self.told or self._is_due(now)) and self._before.issubset(self.engine.books())


def complete_books(engine: Engine) -> frozenset[BookKey]:
    """The books of which everything is known."""
    return frozenset(
        key for key in engine.books() if engine.status(key.instrument_id, key.publisher_id).complete
    )
