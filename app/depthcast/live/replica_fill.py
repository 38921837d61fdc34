"""A fresh engine being filled from a session's snapshots, and when it is complete."""

from collections.abc import Set as AbstractSet
from typing import Final

from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.dbn import forms
from depthcast.live.replica_intake import Intake

__all__ = ["Fill", "complete_books"]

QUIET_S: Final = 1.0
"""A gateway that does not say when its snapshots end has sent them all after so long without one."""
SHORT_QUIET_S: Final = 0.25
"""Likewise, where every book that was complete is complete again."""
NO_SNAPSHOT_S: Final = 10.0
"""It has none to send if none came in this time."""
EMPTY_S: Final = 5.0
"""How long a feed that has none of the books it had is waited for: it may be starting anew."""
TRADES_BYTES: Final = 1 << 20


class Fill:
    """The books of a new session, until they can take the place of those before.

    Args:
        before: the books that were complete, and are served meanwhile.
        statuses: the latest status record of each book known; a snapshot has no phases.
        now: the time, s.
        reason: why there is a new session.

    Attributes:
        told: whether the gateway has said that the snapshots are complete.
        trades: the trades that came meanwhile, as `depthcast.dbn.forms.actions` gives them.
    """

    def __init__(self, before: AbstractSet[BookKey], statuses: bytes, now: float) -> None:
        self.intake = Intake(Engine())
        self.intake.engine.apply(statuses)
        self.told = False
        self.trades = b""
        self._before = before
        self._begun = now
        self._latest: float | None = None

    def take(self, records: memoryview, now: float) -> memoryview | None:
        """Apply what can be applied of records that came; as `Intake.take`."""
        if not self.told and forms.span(records).max_snapshot_ts_recv:
            self._latest = now
        applied = self.intake.take(records)
        if applied is not None:
            self.trades = (self.trades + forms.actions(applied, b"T", ts_out=True))[-TRADES_BYTES:]
        return applied

    def complete(self, now: float) -> bool:
        """Whether these books are as good as they get."""
        if self.told or self._latest is not None:
            return self._has_come(now) and self._is_enough(now)
        return now - self._begun >= NO_SNAPSHOT_S

    def _has_come(self, now: float) -> bool:
        """Whether no more snapshots will come."""
        if self.told or self._latest is None:
            return True
        quiet_s = now - self._latest
        if quiet_s >= QUIET_S:
            return True
        return quiet_s >= SHORT_QUIET_S and bool(self._before) and self._before <= complete_books(self.engine)

    def _is_enough(self, now: float) -> bool:
        """Whether there is anything of what there was before; else a moment is given to it."""
        if not self._before or now - self._begun >= EMPTY_S:
            return True
        return not self._before.isdisjoint(self.engine.books())

    @property
    def engine(self) -> Engine:
        return self.intake.engine


def complete_books(engine: Engine) -> frozenset[BookKey]:
    """The books of which everything is known."""
    return frozenset(
        key for key in engine.books() if engine.status(key.instrument_id, key.publisher_id).complete
    )
