"""A replica: an engine kept equal to a gateway's books, over every loss of the connection.

::

    replica = Replica("127.0.0.1", 13000, key=key, dataset="GLBX.MDP3")
    replica.add_listener(hub)
    await replica.run()                     # until close()

docs/replica.md says what is served when.
"""

import asyncio
import contextlib
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
from depthcast.errors import AuthenticationError
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
from depthcast.live.replica_names import Names
from depthcast.live.replica_types import FeedState, ReplicaListener, ResetReason
from depthcast.live.requests import ALL_SYMBOLS
from depthcast.live.subscriber import Subscriber

__all__ = ["Replica"]

HELD_S: Final = 0.25
"""An event that stays open so long is applied as far as it is there."""
TICK_S: Final = 0.05
MAX_BACKOFF_S: Final = 5.0
"""Somebody waits for these books: a gateway that comes back is to be found soon."""
FIRST_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 15.0
"""After a refusal: the key may be made, or mended, later."""
LIVE_NS: Final = 3_600_000_000_000
"""A ts_recv farther than this from now is of recorded data, and no measure of latency."""
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
        clock: the time. The module `time` is one.

    Attributes:
        name: ``HOST:PORT``.
        engine: the books: outside events, but for those whose status says ``in_event``. It is replaced as a
            whole after a reconnect, once the new one is complete, and never emptied.
        generation: how often an engine was put in place; 0 before the first is complete.
        symbols, definitions: of each instrument, as far as known: its symbol, its latest definition record
            (520 bytes).
        state, reason: whether the books are those of now, and if not, why.
        stale_since_ns: when they ceased to be (ns since the epoch); None while LIVE, or before the first.
        last_ts_recv, last_ts_out: of the last record applied to the served books, ns; 0 before.
        hops: how old records were when they were applied: ``gateway_to_applied`` from ts_out, and
            ``venue_to_applied`` from ts_recv where the data is of the present.
        reconnects, gaps: sessions after the first; those of them that a gap within a session made necessary.
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
        clock: Clock = time,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self.name = str(Address(host, port))
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
        self.reconnects = self.gaps = 0
        if policy is None:
            heartbeat_s = 5 if is_databento(host) else 1
            policy = Policy(heartbeat_s=heartbeat_s, backoff_max_s=MAX_BACKOFF_S)
        self._clock = clock
        self._random = random
        self._make_subscriber: Callable[[], Subscriber] = lambda: _subscriber(
            self, Address(host, port), key, symbols, tls, policy, clock, random
        )
        self._intake = Intake(Engine())
        self._fill: Fill | None = None
        self._listeners: list[ReplicaListener] = []
        self._subscriber = self._make_subscriber()
        self._records_before = self._received_before = 0
        self._sessions = 0
        self._reset_reason: ResetReason = "feed_reconnected"
        self._held_since: float | None = None
        self._silent = False
        self._closing = False
        self._wake = asyncio.Event()

    # -------------------------------------------------------------------------- for the user

    @property
    def engine(self) -> Engine:
        return self._intake.engine

    @property
    def ready(self) -> bool:
        """Whether there are books: of now, or stale ones."""
        return self.generation > 0

    @property
    def records(self) -> int:
        """Data records received so far, in all sessions."""
        return self._records_before + self._subscriber.records

    @property
    def received(self) -> int:
        """Bytes received so far, in all sessions."""
        return self._received_before + self._subscriber.received

    @property
    def events(self) -> int:
        """Events completed in the served engine."""
        return self.engine.counters["events"]

    def version(self, key: BookKey) -> tuple[int, int]:
        """Something that is another one whenever the book is: (`generation`, records of the book).

        Raises:
            UnknownBookError: there is no such book.
        """
        return self.generation, self.engine.status(key.instrument_id, key.publisher_id).records

    def add_listener(self, listener: ReplicaListener) -> None:
        """Tell somebody from now on; those added first are told first."""
        self._listeners.append(listener)

    def remove_listener(self, listener: ReplicaListener) -> None:
        """Do not tell it any more. It may be gone already."""
        with contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    async def run(self) -> None:
        """Follow the gateway until `close`, whatever happens to it."""
        ticking = asyncio.create_task(self._tick())
        retry_s = FIRST_RETRY_S
        try:
            while not self._closing:
                generation = self.generation
                try:
                    await self._subscriber.run()
                except Exception as error:
                    self._refused(error)
                if self.generation != generation:
                    retry_s = FIRST_RETRY_S
                await self._pause(retry_s * (0.5 + self._random() / 2))
                retry_s = min(2 * retry_s, MAX_RETRY_S)
                self._renew()
        finally:
            ticking.cancel()

    def close(self) -> None:
        """End `run` soon."""
        self._closing = True
        self._wake.set()
        self._subscriber.close()

    # ------------------------------------------------------------- what the subscriber tells

    def on_records(self, records: memoryview) -> None:
        """Records came: to the served books, or to those that are being filled."""
        self._learn(records)
        if self._fill is not None:
            applied = self._fill.take(records, self._clock.monotonic())
            if applied is not None:
                applied.release()
            return
        intake = self._intake
        applied = intake.take(records)
        if applied is not None:
            self._use(applied)
        if not intake.held_bytes:
            self._held_since = None
        elif applied is not None or self._held_since is None:
            self._held_since = self._clock.monotonic()

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
                    self._look_at_fill()
            case Stale(silent_s):
                self._silent = True
                self._lose(f"silent for {silent_s:.1f} s", silent_s)
            case Live():
                self._silent = False
                self._find_state()
            case Disconnected(_, reason, _, _):
                self._fill = None
                self._drop_held()
                self._lose(reason)
            case GatewayError(code, message):
                _log.warning("replica.gateway_error", feed=self.name, code=code, message=message)
                if code == ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING:
                    self._gap()

    # ------------------------------------------------------------------------------ inside

    def _learn(self, records: memoryview) -> None:
        """Keep the definitions and status records among them."""
        others = forms.others(records)
        if others:
            self.names.learn(forms.plain(others, ts_out=True))

    def _use(self, applied: memoryview) -> None:
        """Tell everybody what was applied to the served books."""
        now = self._clock.time_ns()
        self.last_ts_out = int.from_bytes(applied[-8:], "little")
        ts_recv = forms.last_ts_recv(applied)
        self.hops["gateway_to_applied"].add_ts_out(applied, now)
        if ts_recv != UNDEF_TIMESTAMP:
            self.last_ts_recv = ts_recv
            if abs(now - ts_recv) < LIVE_NS:
                self.hops["venue_to_applied"].add_ts_recv(applied, now)
        for listener in self._listeners:
            if listener.wants_records:
                self._tell(listener.on_records, applied)
        trades = forms.actions(applied, b"T", ts_out=True)
        applied.release()
        if trades:
            self._tell_all("on_trades", trades)
        keys = self.engine.changed()
        if keys:
            self._tell_all("on_changed", keys)

    def _tell_all(self, what: str, *news: object) -> None:
        for listener in tuple(self._listeners):
            self._tell(getattr(listener, what), *news)

    def _tell(self, listen: Callable[..., object], *news: object) -> None:
        """A listener's fault is its own: the books go on."""
        try:
            listen(*news)
        except Exception as error:
            _log.error("replica.listener", feed=self.name, exc_info=error)

    # -- fresh books

    def _begin_fill(self) -> None:
        self._sessions += 1
        self.reconnects = self._sessions - 1
        self._silent = False
        self._fill = Fill(complete_books(self.engine), self.names.statuses(), self._clock.monotonic())
        self._set(self.state, "filling books from snapshots")

    def _look_at_fill(self) -> None:
        """Put the fresh books in place of the others if they are complete."""
        fill = self._fill
        if fill is None or not fill.complete(self._clock.monotonic()):
            return
        self._fill = None
        self._intake = fill.intake
        self._held_since = self._clock.monotonic() if fill.intake.held_bytes else None
        self.engine.changed()
        self.generation += 1
        _log.info("replica.filled", feed=self.name, books=len(self.engine.books()))
        reason, self._reset_reason = self._reset_reason, "feed_reconnected"
        self._tell_all("on_reset", reason)
        self._find_state()
        if fill.trades:
            self._tell_all("on_trades", fill.trades)

    def _drop_held(self) -> None:
        """What follows an unfinished event will not come."""
        self._intake = Intake(self.engine)
        self._held_since = None

    # -- state

    def _find_state(self) -> None:
        if self._fill is None and self.ready and not self._silent:
            self.stale_since_ns = None
            self._set(FeedState.LIVE, "")
        elif self._fill is not None:
            self._set(self.state, "filling books from snapshots")

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
            self._tell_all("on_state", state)

    def _gap(self) -> None:
        """The session goes on without some records: the books need another one."""
        self.gaps += 1
        self._reset_reason = "gap"
        self.engine.mark_suspect()
        raise _RecordsMissingError("records are missing: the gateway has skipped some")

    def _refused(self, error: Exception) -> None:
        """A subscriber has given up, which a replica does not."""
        self._fill = None
        self._drop_held()
        if isinstance(error, AuthenticationError):
            reason = f"key refused: {error}"
        elif isinstance(error, _RecordsMissingError):
            reason = str(error)
        else:
            reason = f"{type(error).__name__}: {error}"
            _log.error("replica.failed", feed=self.name, exc_info=error)
        self._lose(reason)

    # -- time

    async def _pause(self, seconds: float) -> None:
        if not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()

    def _renew(self) -> None:
        """Another subscriber in place of one that has given up."""
        if not self._closing:
            self._records_before += self._subscriber.records
            self._received_before += self._subscriber.received
            self._subscriber = self._make_subscriber()

    async def _tick(self) -> None:
        """Look at the clock: events that stay open, snapshots that have stopped."""
        while True:
            await asyncio.sleep(TICK_S)
            self._look_at_fill()
            if self._held_since is not None and self._clock.monotonic() - self._held_since >= HELD_S:
                self._held_since = None
                applied = self._intake.force()
                if applied is not None:
                    self._use(applied)


class _RecordsMissingError(Exception):
    """The session goes on without some records: books need another one."""


def _subscriber(
    replica: Replica,
    address: Address,
    key: str,
    symbols: Sequence[str],
    tls: ssl.SSLContext | None,
    policy: Policy,
    clock: Clock,
    random: Callable[[], float],
) -> Subscriber:
    """What follows the gateway for a replica."""
    made = Subscriber(
        *address,
        key=key,
        dataset=replica.dataset,
        on_records=replica.on_records,
        on_event=replica.on_event,
        resume="snapshot",
        ts_out=True,
        ssl_context=tls,
        policy=policy,
        clock=clock.monotonic,
        random=random,
    )
    made.subscribe("definition", symbols)
    made.subscribe("status", symbols)
    made.subscribe("mbo", symbols, snapshot=True)
    return made
