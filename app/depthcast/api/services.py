"""What the routes work with: one value, made at start and never changed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from depthcast.api.key_store import KnownKeys
from depthcast.settings import Settings

if TYPE_CHECKING:
    from depthcast.api.database import HistoryDatabase
    from depthcast.api.exports import Exporter
    from depthcast.api.hub.hub import Hub
    from depthcast.api.market import Market
    from depthcast.api.past.gate import PastGate
    from depthcast.api.trades import Tape

__all__ = ["Lifecycle", "Services", "Stage"]

START_GRACE_S: Final = 10.0
"""How long the first fill of one feed may hold up the others'."""


class Stage(Enum):
    """Where the service is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"


class Lifecycle:
    """The stage of the service, as its server sets it. ``monotonic`` is a clock in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.started_s = monotonic()
        self.draining = False

    def drain(self) -> None:
        """From now on no new work is wanted: the service is not ready any more."""
        self.draining = True

    @property
    def uptime_s(self) -> float:
        return self._monotonic() - self.started_s

    def stage(self, filled: list[bool]) -> Stage:
        """The stage, given which feeds have been filled once.

        A feed that is lost later changes nothing: its books are stale, and said to be, but they are served.
        A service that never had a book stays starting, so that it replaces none that has some. Of several
        feeds the late ones hold up the others only for `START_GRACE_S`.
        """
        if self.draining:
            return Stage.DRAINING
        if filled and (all(filled) or (any(filled) and self.uptime_s > START_GRACE_S)):
            return Stage.RUNNING
        return Stage.STARTING


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of one API process.

    Attributes:
        settings: all settings; ``settings.api`` is this service's section.
        market: the instruments and books of all feeds.
        hub: the fan-out behind the stream; None where there is none.
        tape: the last trades of each instrument.
        keys: the API's keys as they are now.
        past: the way to the journal; None where it is not known where that is.
        history: the way to the database; None where there is none.
        exporter: makes exports; None where none are made.
        version: Depthcast's version.
        clock: ns since the epoch, UTC.
        lifecycle: starting, running or draining.
    """

    settings: Settings
    market: "Market"
    hub: "Hub | None"
    tape: "Tape"
    keys: KnownKeys
    version: str
    past: "PastGate | None" = None
    history: "HistoryDatabase | None" = None
    exporter: "Exporter | None" = None
    clock: Callable[[], int] = time.time_ns
    lifecycle: Lifecycle = field(default_factory=Lifecycle)

    @property
    def stage(self) -> Stage:
        return self.lifecycle.stage([replica.ready for replica in self.market.replicas])
