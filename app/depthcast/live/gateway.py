"""The gateway: serves a feed over TCP in the Databento Live protocol.

It knows the keys and the limits, who is connected, and what time it is for them. docs/gateway.md says what
that means for who runs it and who connects to it.
"""

import asyncio
import contextlib
import dataclasses
import math
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from depthcast.errors import AuthenticationError, SessionError
from depthcast.live.accepting import Acceptor
from depthcast.live.control import ErrorCode
from depthcast.live.counters import Counters, GatewayStats
from depthcast.live.cram import CHALLENGE_BYTES, new_challenge
from depthcast.live.feed_view import FeedView
from depthcast.live.flow import Flow
from depthcast.live.keys import Key, KeyRing
from depthcast.live.limits import AddressLimiter, Clock, GatewayLimits
from depthcast.live.mappings import MappingDesk
from depthcast.live.requests import Authentication
from depthcast.live.sender import Sender
from depthcast.live.session import LAST_WORDS_S, Phase, Session
from depthcast.live.snapshots import SnapshotDesk
from depthcast.live.stream import FormTable
from depthcast.live.tls import make_connection
from depthcast.live.turns import Turns

__all__ = ["Gateway", "GatewayLimits", "GatewayStats"]

TICK_S: Final = 0.1
"""How often timeouts, heartbeats and blocked sessions are looked at."""
SETTLE_S: Final = 1.0
"""An unauthenticated connection may be dropped for another one after this time."""
COMPRESSORS: Final = 2

_log = structlog.get_logger()


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
        self.loop: asyncio.AbstractEventLoop
        self.counters = Counters()
        self.forms = FormTable(self.limits.forms_bytes, clock.time_ns)
        self.mappings = MappingDesk(view.symbology)
        self.snapshots = SnapshotDesk(view)
        self.compressors = ThreadPoolExecutor(COMPRESSORS, thread_name_prefix="zstd")
        self.replays = asyncio.Semaphore(self.limits.replays)
        self._keys = keys
        self._ring = keys()
        self._context = ssl_context
        self._random = random
        self._acceptor = Acceptor(self._greet)
        self._addresses = AddressLimiter(self.limits.accepts_per_s)
        self._turns = Turns(view, self.limits.coalesce_ms / 1000)
        self._sessions: dict[int, Session] = {}
        self._unauthenticated: dict[int, Session] = {}
        self._numbers = 0
        self._ticking: asyncio.TimerHandle | None = None
        self._ended_at: float | None = None
        self._empty = asyncio.Event()

    async def start(
        self, host: str | None, port: int, *, listeners: Sequence[socket.socket] = ()
    ) -> list[tuple[str, int]]:
        """Listen on every address of ``host`` (None: of the machine); with port 0 on a free one.

        Where ``listeners`` are given, which listen already, it accepts from them instead.

        Returns:
            The (address, port) pairs it listens on.

        Raises:
            OSError: it cannot listen there.
        """
        self.loop = asyncio.get_running_loop()
        acceptor = self._acceptor
        addresses = acceptor.take(listeners) if listeners else await acceptor.listen(host, port)
        self._turns.start(self.loop)
        self._ticking = self.loop.call_later(TICK_S, self._tick)
        return addresses

    def wake(self) -> None:
        """There is something new: a batch, progress of the books, the end. To be called on the loop."""
        self._turns.wake()
        if self.view.end_reason is not None:
            self._look_for_end(self.clock.monotonic())

    # -- who is connected

    def _greet(self, sock: socket.socket, address: str) -> None:
        """Take a new connection. Raises OSError where it is gone already."""
        self.counters.accepted += 1
        now = self.clock.monotonic()
        if not self._addresses.allow(address, now) or not self._make_room(now):
            self.counters.dropped += 1
            sock.close()  # resets it
            return
        self._numbers += 1
        session = Session(self, self._numbers, address)
        session.connection = make_connection(self.loop, sock, session, self._context)
        self._sessions[session.number] = self._unauthenticated[session.number] = session
        try:
            session.connection.start(self.limits.send_buffer_bytes)
        except OSError:
            session.connection.abort("the peer has gone")

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
        now_ns = self.clock.time_ns()
        key = self._ring.authenticate(challenge, asked.auth, dataset=asked.dataset, now_ns=now_ns)
        if asked.dataset != self.view.dataset:
            raise AuthenticationError(f"The dataset here is {self.view.dataset}.", code=ErrorCode.AUTH_FAILED)
        admitted = [each for each in self._sessions.values() if each.key is not None]
        limit = ErrorCode.CONNECTION_LIMIT_EXCEEDED
        if sum(each.key is not None and each.key.id == key.id for each in admitted) >= key.max_sessions:
            number = "one session" if key.max_sessions == 1 else f"{key.max_sessions} sessions"
            raise AuthenticationError(f"The key has its {number} already.", code=limit)
        if len(admitted) >= self.limits.max_sessions:
            raise AuthenticationError("The gateway is full.", code=limit)
        compressed = sum(each.compressed for each in admitted)
        if asked.compression == "zstd" and compressed >= self.limits.zstd_sessions:
            text = "There are as many compressed sessions as may be: ask for compression=none."
            raise AuthenticationError(text, code=limit)
        self._unauthenticated.pop(session.number, None)
        _log.info("gateway.session", session=session.number, key=key.id, address=session.address)
        return key

    def forget(self, session: Session) -> None:
        """A session is over."""
        self.counters.sent_bytes += session.connection.sent_bytes
        self._unauthenticated.pop(session.number, None)
        self._sessions.pop(session.number, None)
        if not self._sessions:
            self._empty.set()

    # -- turns

    def again(self) -> None:
        """Some session has more to send."""
        self._turns.again()

    def block(self, sender: Sender) -> None:
        """A session waits for its connection, or for its compressed block; or it is over."""
        self._turns.ready.pop(sender.number, None)

    def unblock(self, sender: Sender) -> None:
        """It does not any more."""
        self._turns.ready[sender.number] = sender

    def is_far_behind(self, flow: Flow) -> bool:
        """Whether a session is so far behind that it should know."""
        tail, head, part = self.view.tail, self.view.head, self.limits.warn_lag
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
        if session.phase is Phase.GREETED:
            if now - session.since > limits.auth_timeout_s:
                session.connection.abort("not authenticated in time")
        elif session.phase is Phase.AUTHENTICATED:
            if now - session.since > limits.start_timeout_s:
                session.leave()
        elif session.phase is Phase.STREAMING and session.sender is not None:
            session.sender.beat(now, 2 * TICK_S)
            session.sender.check_lag()
            if session.sender.stalled_s(now) > limits.stall_timeout_s:
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
            return
        if self._ended_at is None:
            self._ended_at = now
        if now - self._ended_at >= self.limits.linger_s:
            for session in tuple(self._sessions.values()):
                session.say_goodbye(reason)

    # -- the end

    async def drain(self) -> None:
        """End every session in order, so that clients come back, to this gateway's successor.

        Connections are still accepted for ``drain_accept_s``; then sessions are ended, one by one over
        ``drain_spread_s``, with error 6: on that, and not on a silent end, official clients reconnect.
        """
        await asyncio.sleep(self.limits.drain_accept_s)
        self._acceptor.close()
        sessions = list(self._sessions.values())
        pause = self.limits.drain_spread_s / max(1, len(sessions))
        reason = SessionError("The gateway is going down: connect again.", code=ErrorCode.INTERNAL_ERROR)
        begun = self.clock.monotonic()
        for n, session in enumerate(sessions, 1):
            session.revoke(reason)
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
        """Stop at once: nobody is accepted, sessions are reset."""
        self._acceptor.close()
        self._turns.close()
        if self._ticking is not None:
            self._ticking.cancel()
        for session in tuple(self._sessions.values()):
            session.connection.abort("the gateway closed")
        self.compressors.shutdown(wait=False, cancel_futures=True)
        await asyncio.sleep(0)  # for the tasks that were cancelled to end

    # -- asked about

    @property
    def started(self) -> int:
        """Sessions that have started, and are sent whatever is published from now on."""
        return sum(each.settled for each in self._streams())

    def slowest(self, patience_s: float = math.inf) -> int | None:
        """The lowest index that a started session has not been given yet; None if none of them moves.

        Sessions that have taken nothing for ``patience_s`` do not count.
        """
        now = self.clock.monotonic()
        return min(
            (
                each.flow.cursor
                for each in self._streams()
                if each.flow.moves and each.stalled_s(now) <= patience_s
            ),
            default=None,
        )

    def _streams(self) -> list[Sender]:
        return [
            each.sender
            for each in self._sessions.values()
            if each.sender is not None and each.phase is Phase.STREAMING
        ]

    def stats(self) -> GatewayStats:
        """The gateway now."""
        sessions, streams = self._sessions.values(), self._streams()
        counted = dataclasses.asdict(self.counters)
        counted["sent_bytes"] += sum(each.connection.sent_bytes for each in sessions)
        return GatewayStats(
            connections=len(sessions),
            sessions=sum(each.key is not None for each in sessions),
            started=len(streams),
            compressed=sum(each.compressed for each in sessions),
            blocked=len(streams) - len(self._turns.ready),
            max_lag_batches=max((each.flow.behind for each in streams if each.flow.moves), default=0),
            forms_bytes=self.forms.held_bytes,
            **counted,
        )
