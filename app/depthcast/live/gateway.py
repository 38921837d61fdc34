"""The gateway: serves a feed over TCP in the Databento Live protocol.

`Gateway` accepts connections, knows the keys and the limits, and gives every session its turns.
"""

import asyncio
import contextlib
import dataclasses
import math
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog

from depthcast.errors import AuthenticationError, SessionError
from depthcast.live.connection import RESET_ON_CLOSE, make_connection
from depthcast.live.control import ErrorCode
from depthcast.live.cram import CHALLENGE_BYTES, new_challenge
from depthcast.live.feed_view import FeedView
from depthcast.live.flow import Flow
from depthcast.live.joins import SnapshotDesk
from depthcast.live.keys import Key, KeyRing
from depthcast.live.limits import AddressLimiter, Clock, GatewayLimits
from depthcast.live.mappings import MappingDesk
from depthcast.live.requests import Authentication
from depthcast.live.session import LAST_WORDS_S, Phase, Session
from depthcast.live.stream import FormTable

__all__ = ["Gateway", "GatewayLimits", "GatewayStats"]

TICK_S: Final = 0.1
"""How often timeouts, heartbeats and blocked sessions are looked at."""
BACKLOG: Final = 1024
ACCEPTS_A_TURN: Final = 64
SETTLE_S: Final = 1.0
"""An unauthenticated connection may be dropped for another one after this time."""
_COMPRESSORS: Final = 2
_LONG_PASS_S: Final = 0.0005
"""Going through all sessions longer than this is worth gathering batches for."""
_ACCEPT_PAUSE_S: Final = 0.5

_log = structlog.get_logger()


@dataclass(slots=True)
class Counters:
    """What has happened since the start."""

    accepted: int = 0
    dropped: int = 0
    """Connections reset at once: too many of one address, or in all."""
    refused: int = 0
    """Not authenticated."""
    errors: int = 0
    """Sessions ended with an error."""
    failures: int = 0
    """Of them, for a fault of the gateway's own."""
    slow_warnings: int = 0
    skips: int = 0
    cut_off: int = 0
    sent_bytes: int = 0
    """Of sessions that are over."""


@dataclass(frozen=True, slots=True)
class GatewayStats:
    """The gateway at a moment. Counters since the start; see `Counters`."""

    connections: int
    sessions: int
    started: int
    compressed: int
    blocked: int
    max_lag_batches: int
    forms_bytes: int
    accepted: int
    dropped: int
    refused: int
    errors: int
    failures: int
    slow_warnings: int
    skips: int
    cut_off: int
    sent_bytes: int


class Gateway:
    """A server of one feed. Everything of it happens on the loop that `start` ran on.

    Args:
        view: the feed.
        keys: gives the keys as they are now. Asked every tick: what it gives should be at hand. A session
            whose key is not good any more is ended.
        limits: what is allowed.
        clock: the time, for timeouts and stamps.
        ssl_context: TLS for all connections; None for none.
        random: gives so many unpredictable bytes.
    """

    def __init__(
        self,
        view: FeedView,
        keys: Callable[[], KeyRing],
        limits: GatewayLimits | None = None,
        clock: Clock = time,
        *,
        ssl_context: ssl.SSLContext | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.view = view
        self.limits = GatewayLimits() if limits is None else limits
        self.clock = clock
        self.counters = Counters()
        self.forms = FormTable(self.limits.forms_bytes, clock.time_ns)
        self.mappings = MappingDesk(view.symbology)
        self.snapshots = SnapshotDesk(view)
        self.compressors = ThreadPoolExecutor(_COMPRESSORS, thread_name_prefix="zstd")
        self.replays = asyncio.Semaphore(self.limits.replays)
        self.loop: asyncio.AbstractEventLoop
        self._keys = keys
        self._ring = keys()
        self._context = ssl_context
        self._random = random
        self._addresses = AddressLimiter(self.limits.accepts_per_s)
        self._listeners: list[socket.socket] = []
        self._sessions: dict[int, Session] = {}
        self._unauthenticated: dict[int, Session] = {}
        self._ready: dict[int, Session] = {}
        self._numbers = 0
        self._pass_due: asyncio.Handle | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._ended_at: float | None = None
        self._empty = asyncio.Event()
        self._closed = False

    # -- accepting

    async def start(self, host: str | None, port: int) -> list[tuple[str, int]]:
        """Listen on every address of ``host`` (None: of the machine); with port 0 on a free one.

        Returns:
            The (address, port) pairs it listens on.

        Raises:
            OSError: it cannot listen there.
        """
        self.loop = asyncio.get_running_loop()
        found = await self.loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE, family=socket.AF_UNSPEC
        )
        try:
            for family, address in dict.fromkeys((each[0], each[4]) for each in found):
                self._listeners.append(_listen(family, address))
        except OSError:
            self._stop_listening()
            raise
        for listener in self._listeners:
            self.loop.add_reader(listener.fileno(), self._accept, listener)
        self._ticking = self.loop.call_later(TICK_S, self._tick)
        return [listener.getsockname()[:2] for listener in self._listeners]

    def _accept(self, listener: socket.socket) -> None:
        """Accept what waits, some of it: sessions have their turn too."""
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # out of descriptors: those who wait are served when there are some
                _log.error("gateway.accept", reason=str(error))
                self.loop.remove_reader(listener.fileno())
                self.loop.call_later(_ACCEPT_PAUSE_S, self._accept_again, listener)
                return
            self.counters.accepted += 1
            try:
                self._greet(sock, str(address[0]) if address else "")
            except OSError:
                sock.close()  # reset before it was greeted

    def _accept_again(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self.loop.add_reader(listener.fileno(), self._accept, listener)

    def _greet(self, sock: socket.socket, address: str) -> None:
        now = self.clock.monotonic()
        if not self._addresses.allow(address, now) or not self._make_room(now):
            self.counters.dropped += 1
            sock.close()  # the listener's SO_LINGER makes it a reset
            return
        self._numbers += 1
        session = Session(self, self._numbers, address)
        session.connection = make_connection(self.loop, sock, session, self._context)
        self._sessions[session.number] = self._unauthenticated[session.number] = session
        session.connection.start()

    def _make_room(self, now: float) -> bool:
        """Whether one more unauthenticated connection fits, if need be in place of the oldest one."""
        if len(self._unauthenticated) < self.limits.max_unauthenticated:
            return True
        oldest = next(iter(self._unauthenticated.values()))
        if now - oldest.since < SETTLE_S:
            return False
        self.counters.dropped += 1
        oldest.connection.abort("others wait to authenticate")
        return True

    def new_challenge(self) -> str:
        """A challenge nobody could foresee."""
        return new_challenge(self._random(CHALLENGE_BYTES))

    def admit(self, session: Session, challenge: str, asked: Authentication) -> Key:
        """Let a session in.

        Raises:
            ProtocolError, AuthenticationError: why not.
        """
        key = self._ring.authenticate(
            challenge, asked.auth, dataset=asked.dataset, now_ns=self.clock.time_ns()
        )
        if asked.dataset != self.view.dataset:
            raise AuthenticationError(f"The dataset here is {self.view.dataset}.", code=ErrorCode.AUTH_FAILED)
        admitted = [each for each in self._sessions.values() if each.key is not None]
        limit = ErrorCode.CONNECTION_LIMIT_EXCEEDED
        if sum(each.key.id == key.id for each in admitted if each.key) >= key.max_sessions:
            raise AuthenticationError(f"The key has {key.max_sessions} sessions already.", code=limit)
        if len(admitted) >= self.limits.max_sessions:
            raise AuthenticationError("The gateway is full.", code=limit)
        compressed = sum(each.compressed for each in admitted)
        if asked.compression == "zstd" and compressed >= self.limits.zstd_sessions:
            raise AuthenticationError("No more compressed sessions: ask for compression=none.", code=limit)
        self._unauthenticated.pop(session.number, None)
        _log.info("gateway.session", session=session.number, key=key.id, address=session.address)
        return key

    # -- turns

    def wake(self) -> None:
        """There is something new: a batch, progress of the books, or the end. Called on the loop."""
        if self._ready and self._gathering is None and self._pass_due is None:
            self._pass()

    def again(self) -> None:
        """Some session has more to send: give turns again, after whatever else the loop has to do."""
        if self._pass_due is None and self._gathering is None and not self._closed:
            self._pass_due = self.loop.call_soon(self._due)

    def _due(self) -> None:
        self._pass_due = None
        self._pass()

    def _gathered(self) -> None:
        self._gathering = None
        self._pass()

    def _pass(self) -> None:
        """A turn for every session that is not blocked.

        If that took long, the next one waits a little, so that there is time for something else, and more to
        send in one go.
        """
        ready = self._ready
        if len(ready) == 1:
            session = next(iter(ready.values()))
            try:
                session.pump()
            except Exception as error:
                session.on_failure(error)
            return
        begun = time.perf_counter()
        for session in tuple(ready.values()):
            try:
                session.pump()
            except Exception as error:
                session.on_failure(error)
        took = time.perf_counter() - begun
        if took > _LONG_PASS_S and self._pass_due is None and not self._closed:
            wait = min(self.limits.coalesce_ms / 1000, took)
            self._gathering = self.loop.call_later(wait, self._gathered)

    def stream(self, session: Session) -> None:
        """A session has started."""
        self._ready[session.number] = session

    def block(self, session: Session) -> None:
        """A session waits for its connection, or for its compressed block."""
        self._ready.pop(session.number, None)

    def unblock(self, session: Session) -> None:
        """It does not any more."""
        if session.phase is Phase.STREAMING:
            self._ready[session.number] = session

    def forget(self, session: Session) -> None:
        """A session is over."""
        self.counters.sent_bytes += session.connection.sent_bytes
        self._ready.pop(session.number, None)
        self._unauthenticated.pop(session.number, None)
        self._sessions.pop(session.number, None)
        if not self._sessions:
            self._empty.set()

    def is_far_behind(self, flow: Flow) -> bool:
        """Whether a session's next batch is nearer to being let go than to being new."""
        tail, head = self.view.tail, self.view.head
        part = self.limits.warn_lag
        return part > 0 and tail > 0 and head - flow.cursor > (head - tail) * part

    # -- time

    def _tick(self) -> None:
        """Timeouts, heartbeats, sessions that are blocked, keys, the end of the feed."""
        self._ticking = self.loop.call_later(TICK_S, self._tick)
        now = self.clock.monotonic()
        try:
            self._ring = self._keys()
        except Exception as error:  # go on with those there were
            _log.error("gateway.keys", reason=str(error))
        for session in tuple(self._sessions.values()):
            try:
                self._look_at(session, now)
            except Exception as error:
                session.on_failure(error)
        self.forms.forget(self.view.tail)
        self._look_for_end(now)

    def _look_at(self, session: Session, now: float) -> None:
        limits = self.limits
        match session.phase:
            case Phase.GREETED if now - session.since > limits.auth_timeout_s:
                session.connection.abort("not authenticated in time")
            case Phase.AUTHENTICATED if now - session.since > limits.start_timeout_s:
                session.leave()
            case Phase.STREAMING:
                session.beat(now, 2 * TICK_S)
                session.check_lag()
                if session.stalled_s(now) > limits.stall_timeout_s:
                    session.connection.abort("the peer took nothing for too long")
        if session.key is not None and session.phase in (Phase.AUTHENTICATED, Phase.STREAMING):
            try:
                self._ring.check(session.key, dataset=self.view.dataset, now_ns=self.clock.time_ns())
            except AuthenticationError as error:
                session.revoke(error)

    def _look_for_end(self, now: float) -> None:
        """Once the feed has ended, sessions are told so as soon as they have everything."""
        reason = self.view.end_reason
        if reason is None:
            self._ended_at = None
            return
        if self._ended_at is None:
            self._ended_at = now
        if now - self._ended_at < self.limits.linger_s:
            return
        for session in tuple(self._sessions.values()):
            if session.done:
                session.say_goodbye(reason)

    # -- ending

    async def drain(self) -> None:
        """End every session in order, so that clients come back, to this gateway's successor.

        Connections are still accepted for ``drain_accept_s``; then sessions are ended, one by one over
        ``drain_spread_s``, with error 6: on that, and not on a silent end, official clients reconnect.
        """
        await asyncio.sleep(self.limits.drain_accept_s)
        self._stop_listening()
        sessions = list(self._sessions.values())
        pause = self.limits.drain_spread_s / max(1, len(sessions))
        reason = SessionError("The gateway is going down: connect again.", code=ErrorCode.INTERNAL_ERROR)
        begun = self.clock.monotonic()
        for n, session in enumerate(sessions, 1):
            if session.phase is Phase.STREAMING:
                session.refuse(reason)
            else:
                session.leave()
            wait = begun + n * pause - self.clock.monotonic()
            if wait > 0 and self._sessions:
                await asyncio.sleep(wait)
        await self.wait_empty(LAST_WORDS_S)

    async def wait_empty(self, timeout_s: float) -> bool:
        """Wait until no session is left; whether that was in time."""
        deadline = self.clock.monotonic() + timeout_s
        while self._sessions:
            left = deadline - self.clock.monotonic()
            if left <= 0:
                return False
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), left)
        return True

    async def close(self) -> None:
        """Stop at once: listeners are closed, sessions reset."""
        self._closed = True
        self._stop_listening()
        for handle in (self._ticking, self._gathering, self._pass_due):
            if handle is not None:
                handle.cancel()
        self._ticking = self._gathering = self._pass_due = None
        for session in tuple(self._sessions.values()):
            session.connection.abort("the gateway closed")
        self.compressors.shutdown(wait=False, cancel_futures=True)
        await asyncio.sleep(0)  # tasks that were cancelled end

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            with contextlib.suppress(AttributeError):  # never started
                self.loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners.clear()

    # -- asked about

    @property
    def started(self) -> int:
        """Sessions that have started, and are sent whatever is published from now on."""
        return sum(each.settled and each.phase is Phase.STREAMING for each in self._sessions.values())

    def slowest(self, patience_s: float = math.inf) -> int | None:
        """The lowest index that a started session has not been given yet; None if none of them moves.

        Sessions that have taken nothing for ``patience_s`` do not count.
        """
        now = self.clock.monotonic()
        return min(
            (
                each.flow.cursor
                for each in self._sessions.values()
                if each.flow is not None
                and each.phase is Phase.STREAMING
                and each.flow.moves
                and each.stalled_s(now) <= patience_s
            ),
            default=None,
        )

    def stats(self) -> GatewayStats:
        """The gateway now."""
        sessions = self._sessions.values()
        started = [each for each in sessions if each.phase is Phase.STREAMING]
        counted = dataclasses.asdict(self.counters)
        counted["sent_bytes"] += sum(each.connection.sent_bytes for each in sessions)
        return GatewayStats(
            connections=len(sessions),
            sessions=sum(each.key is not None for each in sessions),
            started=len(started),
            compressed=sum(each.compressed for each in sessions),
            blocked=len(started) - len(self._ready),
            max_lag_batches=max((each.flow.behind for each in started if each.flow is not None), default=0),
            forms_bytes=self.forms.held_bytes,
            **counted,
        )


def _listen(family: int, address: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)  # accepted ones inherit it
        listener.settimeout(0)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
