"""A replica: an engine kept equal to a gateway's books, over every loss of the connection.

::

    replica = Replica("127.0.0.1", 13000, key=key, dataset="GLBX.MDP3")
    replica.add_listener(hub)
    await replica.run()                     # until close()

docs/replica.md says what is served when.
"""

import asyncio
import random as random_module
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.dbn import forms
from depthcast.dbn.ages import Ages
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.live.address import DEFAULT_PORT, Address, is_databento
from depthcast.live.control import ErrorCode, SystemCode
from depthcast.live.events import (
    Connected,
    Disconnected,
    Event,
    GatewayError,
    Live,
    Stale,
    SymbolMapped,
    SystemNotice,
)
from depthcast.live.joins import SNAPSHOT_COMPLETED
from depthcast.live.lifecycle import Policy
from depthcast.live.limits import Clock
from depthcast.live.replica_fill import Fill, complete_books
from depthcast.live.replica_intake import Intake
from depthcast.live.replica_listeners import Listeners
from depthcast.live.replica_names import Names
from depthcast.live.replica_source import RecordsMissingError, Source, Wanted
from depthcast.live.replica_types import FeedState, ReplicaListener, ResetReason
from depthcast.live.requests import ALL_SYMBOLS

__all__ = ["Replica"]

CHECK_S: Final = 0.05
GATHER_MS: Final = 2.0
MAX_BACKOFF_S: Final = 5.0
"""Somebody waits for these books: a gateway that comes back is to be found soon."""
LIVE_NS: Final = 3_600_000_000_000
"""A ts_recv farther than this from now is of recorded data, and no measure of latency."""
_FILLING: Final = "filling books from snapshots"
_SNAPSHOT_COMPLETED: Final = SNAPSHOT_COMPLETED.format(schema="mbo")

_log = structlog.get_logger()


class Replica:
    """The books of one gateway, on one event loop.

    Args:
        host, port: the gateway's.
        key: the API key.
        dataset: ``GLBX.MDP3``.
        symbols: raw symbols, or ``ALL_SYMBOLS`` alone.
        tls: for TLS; None for plain TCP.
        policy: how patient it is with connections.
        gather_ms: while records come in quick succession, they are read so far apart; 0 for at once.
        clock: the time. The module `time` is one.

    Attributes:
        name: ``HOST:PORT``.
        generation: how often an engine was put in place; 0 before the first is complete.
        names: what is known of instruments; ``symbols`` and ``definitions`` are its: of each instrument its
            symbol and its latest definition record (520 bytes).
        state, reason: whether the books are those of now, and if not, why.
        stale_since_ns: when they ceased to be (ns since the epoch); None while LIVE, or before the first.
        last_ts_recv, last_ts_out: of the last record applied to the served books, ns; 0 before. After a
            snapshot ts_recv is that of the last record the gateway's books had.
        hops: how old records were when they were applied: ``gateway_to_applied`` from ts_out, and
            ``venue_to_applied`` from ts_recv where the data is of the present.
        gaps: times that records were missing within a session.

    Raises:
        ProtocolError, SessionError: a key, dataset or symbol that the protocol cannot carry.
    """

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        *,
        key: str,
        dataset: str,
        symbols: Sequence[str] = (ALL_SYMBOLS,),
        tls: ssl.SSLContext | None = None,
        policy: Policy | None = None,
        gather_ms: float = GATHER_MS,
        clock: Clock = time,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        if policy is None:
            heartbeat_s = 5 if is_databento(host) else 1
            policy = Policy(heartbeat_s=heartbeat_s, backoff_max_s=MAX_BACKOFF_S)
        address = Address(host, port)
        self.name = str(address)
        self.dataset = dataset
        self.generation = 0
        self.names = Names()
        self.symbols = self.names.symbols
        self.definitions = self.names.definitions
        self.state = FeedState.CONNECTING
        self.reason = "not connected yet"
        self.stale_since_ns: int | None = None
        self.last_ts_recv = self.last_ts_out = 0
        self.hops = {"gateway_to_applied": Ages(), "venue_to_applied": Ages()}
        self.gaps = 0
        self._clock = clock
        self._intake = Intake(Engine())
        self._fill: Fill | None = None
        self._reset_reason: ResetReason = "feed_reconnected"
        self._silent = False
        self._listeners = Listeners(self.name)
        wanted = Wanted(address, key, dataset, tuple(symbols), tls, policy)
        self._source = Source(wanted, self, gather_s=gather_ms / 1000, clock=clock, random=random)

    # -------------------------------------------------------------------------- for the user

    @property
    def engine(self) -> Engine:
        """The books: outside events, but for those whose status says ``in_event``.

        It is replaced as a whole after a reconnect, once the new one is complete, and never emptied.
        """
        return self._intake.engine

    @property
    def ready(self) -> bool:
        """Whether there are books: of now, or stale ones."""
        return self.generation > 0

    @property
    def records(self) -> int:
        """Data records received so far, in all sessions."""
        return self._source.records

    @property
    def received(self) -> int:
        """Bytes received so far, in all sessions."""
        return self._source.received

    @property
    def sessions(self) -> int:
        """Sessions with the gateway so far; more than one means that connections were lost."""
        return self._source.sessions

    @property
    def events(self) -> int:
        """Events completed in the served engine."""
        return self.engine.counters["events"]

    @property
    def held_bytes(self) -> int:
        """Bytes received that wait for the end of an event."""
        return self._intake.held_bytes

    def version(self, key: BookKey) -> tuple[int, int, str | None, bool]:
        """Another one whenever the book is: `generation`, its records and phase, whether it is suspect.

        Raises:
            UnknownBookError: there is no such book.
        """
        book = self.engine.status(key.instrument_id, key.publisher_id)
        return self.generation, book.records, book.phase, book.suspect

    def add_listener(self, listener: ReplicaListener) -> None:
        """Tell somebody from now on; those added first are told first."""
        self._listeners.add(listener)

    def remove_listener(self, listener: ReplicaListener) -> None:
        """Do not tell it any more. It may be gone already."""
        self._listeners.remove(listener)

    async def run(self) -> None:
        """Follow the gateway until `close`, whatever happens to it."""
        checking = asyncio.create_task(self._check_often())
        try:
            await self._source.run()
        finally:
            checking.cancel()

    def close(self) -> None:
        """End `run` soon."""
        self._source.close()

    # ----------------------------------------------------------------- what the source tells

    def on_records(self, records: memoryview) -> None:
        """Records came: for the served books, or for those that are being filled."""
        now = self._clock.monotonic()
        if self._fill is None:
            self._use(self._intake.take(records, now))
        else:
            self._learn(records)
            self._fill.take(records, now)
            self._look_at_fill(self._fill, now)

    def on_event(self, event: Event) -> None:
        """Something else happened."""
        match event:
            case Connected():
                self._begin_fill()
            case SymbolMapped(instrument_id, symbol):
                self.names.map(instrument_id, symbol)
            case SystemNotice(SystemCode.REPLAY_COMPLETED, message) if message == _SNAPSHOT_COMPLETED:
                if self._fill is not None:
                    self._fill.told = True
                    self._look_at_fill(self._fill, self._clock.monotonic())
            case SystemNotice(SystemCode.SLOW_READER_WARNING, message):
                _log.warning("replica.slow", feed=self.name, message=message)
            case Stale(silent_s):
                self._silent = True
                self._lose(f"silent for {silent_s:.1f} s", silent_s)
            case Live():
                self._silent = False
                self._find_state()
            case Disconnected(_, reason, _, _):
                self.on_refused(reason)
            case GatewayError(code, message):
                _log.warning("replica.gateway_error", feed=self.name, code=code, message=message)
                if code == ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING:
                    self._miss(message)

    def on_refused(self, reason: str) -> None:
        """The session is over: what would end open events, or complete a fill, will not come."""
        self._fill = None
        self._intake = Intake(self.engine)
        self._lose(reason)

    def check(self) -> None:
        """Look at the clock, some twenty times a second: events that stay open, snapshots that have ended."""
        now = self._clock.monotonic()
        if self._fill is not None:
            self._look_at_fill(self._fill, now)
        else:
            self._use(self._intake.overdue(now))

    # ------------------------------------------------------------------------------ inside

    async def _check_often(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            self.check()

    def _use(self, applied: memoryview | None) -> None:
        """Tell everybody what was applied to the served books."""
        if applied is None:
            return
        with applied:
            self._measure(applied)
            self._listeners.records(applied)
            phases = self._learn(applied)
            trades = forms.actions(applied, b"T", ts_out=True)
        keys = self.engine.changed()
        keys += [key for key in phases if key not in keys and self._has_book(key)]
        self._listeners.applied(trades, keys)

    def _learn(self, records: memoryview) -> list[BookKey]:
        """Keep the definitions and statuses among these; of which books there is another status."""
        others = forms.others(records)
        return self.names.learn(forms.plain(others, ts_out=True)) if others else []

    def _has_book(self, key: BookKey) -> bool:
        return key.publisher_id in self.engine.publishers(key.instrument_id)

    def _measure(self, applied: memoryview) -> None:
        now = self._clock.time_ns()
        self.last_ts_out = int.from_bytes(applied[-8:], "little")
        self.hops["gateway_to_applied"].add_ts_out(applied, now)
        ts_recv = forms.last_ts_recv(applied)
        if ts_recv != UNDEF_TIMESTAMP:
            self.last_ts_recv = ts_recv
            if abs(now - ts_recv) < LIVE_NS:
                self.hops["venue_to_applied"].add_ts_recv(applied, now)

    # -- fresh books

    def _begin_fill(self) -> None:
        self._silent = False
        self._fill = Fill(complete_books(self.engine), self.names.statuses(), self._clock.monotonic())
        self._find_state()

    def _look_at_fill(self, fill: Fill, now: float) -> None:
        """Put the fresh books in place of the others once they are complete."""
        intake = fill.finished(now)
        if intake is None:
            return
        self._fill, self._intake = None, intake
        self.engine.changed()  # all of them are
        self.generation += 1
        self.last_ts_recv, self.last_ts_out = fill.last_ts_recv, fill.last_ts_out
        _log.info("replica.filled", feed=self.name, books=len(self.engine.books()), told=fill.told)
        reason, self._reset_reason = self._reset_reason, "feed_reconnected"
        self._listeners.reset(reason)
        self._find_state()
        self._listeners.applied(fill.trades, [])

    def _miss(self, reason: str) -> None:
        """The session goes on without some records: end it, the next one has whole books."""
        self.gaps += 1
        self._reset_reason = "gap"
        self.engine.mark_suspect()
        raise RecordsMissingError(f"records are missing: {reason}")

    # -- state

    def _find_state(self) -> None:
        """The connection stands."""
        if self._fill is not None:
            self._set(self.state, _FILLING)
        elif self._silent:
            self._lose("silent")
        elif self.ready:
            self.stale_since_ns = None
            self._set(FeedState.LIVE, "")

    def _lose(self, reason: str, silent_s: float = 0.0) -> None:
        """The books are not those of now any more."""
        if not self.ready:
            self._set(FeedState.CONNECTING, reason)
            return
        if self.stale_since_ns is None:
            self.stale_since_ns = self._clock.time_ns() - int(silent_s * 1e9)
        self._set(FeedState.STALE, reason)

    def _set(self, state: FeedState, reason: str) -> None:
        self.reason = reason
        if state is not self.state:
            self.state = state
            _log.info("replica.state", feed=self.name, state=state.value, reason=reason)
            self._listeners.state(state)
