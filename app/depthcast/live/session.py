"""One client: what it may say when, what it is answered, and how its session ends.

The records themselves come from its `Flow`; how subscriptions join that is in `joins`.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final

import structlog

from depthcast.errors import AuthenticationError, DepthcastError, ProtocolError, ReplayError, SessionError
from depthcast.live import control
from depthcast.live.connection import Buffer, Connection
from depthcast.live.control import ErrorCode, SystemCode
from depthcast.live.flow import Flow, Overrun
from depthcast.live.joins import Joins, Talk
from depthcast.live.keys import Key
from depthcast.live.limits import TokenBucket
from depthcast.live.lines import parse_line
from depthcast.live.outlet import Outlet, PlainOutlet, ZstdOutlet
from depthcast.live.replies import AuthenticationReply, Challenge, Greeting
from depthcast.live.requests import Authentication, Start, SubscriptionRequest, parse_request
from depthcast.live.stream import stamped
from depthcast.live.subscriptions import Subscriptions

if TYPE_CHECKING:
    from depthcast.live.gateway import Gateway

__all__ = ["Phase", "Session"]

SKIPPABLE: Final = frozenset({"mbp-1", "mbp-10", "bbo-1s", "bbo-1m", "cmbp-1", "cbbo-1s", "cbbo-1m"})
"""The schemas of which a slow reader may miss records and still know the market afterwards."""

REFUSAL_S: Final = 1.0
"""A client with a bad subscription is told why if it starts its stream within this time."""
LAST_WORDS_S: Final = 10.0
"""How long a client has to take what is left, once its session has ended."""

SLOW_READER: Final = "Slow reader: far behind; the session ends when what comes next is not held any more."

_LINE_COST: Final = 0.25
"""A line that is not the last of its subscription counts as this part of one."""

_log = structlog.get_logger()


class Phase(Enum):
    """Where a session is in its life."""

    GREETED = "greeted"
    AUTHENTICATED = "authenticated"
    STREAMING = "streaming"
    ENDING = "ending"
    OVER = "over"


class Session:
    """One connection of the gateway.

    Attributes:
        number: its session_id.
        phase: where it is.
        key: what it authenticated with.
        settled: whether all it subscribed to before its start is on the way: what the feed publishes from
            here on reaches it.
        since: when the phase began, as the gateway's monotonic clock has it.
    """

    def __init__(self, gateway: "Gateway", number: int, address: str) -> None:
        self.number = number
        self.address = address
        self.phase = Phase.GREETED
        self.key: Key | None = None
        self.flow: Flow | None = None
        self.settled = False
        self.since = gateway.clock.monotonic()
        self.heartbeat_s = 0.0
        self.quiet_since = self.since
        self.warned = False
        self.compressed = False
        self.connection: Connection
        self._gateway = gateway
        self._view = gateway.view
        self._challenge = ""
        self._authentication: Authentication | None = None
        self._outlet: Outlet
        self._turn_bytes = gateway.limits.turn_bytes
        self._stamp: Callable[[], int] | None = None
        self._say_next: list[Buffer] = []
        self._last_words: list[Buffer] = []
        self._doom: SessionError | None = None
        self._joins: Joins | None = None
        self._subscriptions = Subscriptions(gateway.view, gateway.mappings, gateway.limits)
        self._pace = TokenBucket(
            gateway.limits.subscriptions_per_s, max(1.0, gateway.limits.subscriptions_per_s), self.since
        )
        self._delayed: SubscriptionRequest | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._seen_bytes = 0

    # -- lines

    def on_open(self) -> None:
        """Greet: in one write, for one official client reads no further."""
        challenge = Challenge(self._gateway.new_challenge())
        self._challenge = challenge.cram
        self._outlet = PlainOutlet(self.connection)
        self.connection.send([Greeting().to_line() + challenge.to_line()])

    def on_line(self, line: bytes) -> None:
        """Take a line for what it may be in this phase."""
        try:
            request = parse_request(parse_line(line))
            match self.phase:
                case Phase.GREETED:
                    self._authenticate(request)
                case Phase.AUTHENTICATED:
                    self._before_start(request)
                case Phase.STREAMING:
                    self._while_streaming(request)
        except (ProtocolError, SessionError) as error:
            self.refuse(error)

    def on_bad_input(self, reason: str) -> None:
        """What came is no line."""
        self.refuse(ProtocolError(reason))

    def _authenticate(self, request: Authentication | SubscriptionRequest | Start) -> None:
        if not isinstance(request, Authentication):
            raise AuthenticationError("Authenticate first.", code=ErrorCode.AUTH_FAILED)
        self.key = self._gateway.admit(self, self._challenge, request)
        self._authentication = request
        self.heartbeat_s = float(request.heartbeat_interval_s)
        self.compressed = request.compression == "zstd"
        if request.ts_out:
            self._stamp = self._gateway.clock.time_ns
        self._enter(Phase.AUTHENTICATED)
        self.connection.send([AuthenticationReply(session_id=str(self.number)).to_line()])

    def _before_start(self, request: Authentication | SubscriptionRequest | Start) -> None:
        if isinstance(request, Start):
            self._start()
        elif isinstance(request, Authentication):
            self.leave()
        elif self._doom is None and self._in_pace(request):
            self._subscriptions.take(request)

    def _while_streaming(self, request: Authentication | SubscriptionRequest | Start) -> None:
        if not isinstance(request, SubscriptionRequest):
            raise SessionError("The session has started: subscriptions alone may follow.", code=5)
        if self._in_pace(request):
            self._subscribe(request)

    def _in_pace(self, request: SubscriptionRequest) -> bool:
        """Whether it may be served now; else it is when its time has come, and no line before it."""
        cost = 1.0 if request.is_last else _LINE_COST
        now = self._gateway.clock.monotonic()
        if self._pace.take(now, cost):
            return True
        self._delayed = request
        self.connection.pause_lines()
        loop = self._gateway.loop
        self._timer = loop.call_later(self._pace.delay(now, cost) + 0.001, self._guarded, self._go_on)
        return False

    def _go_on(self) -> None:
        """Serve the subscription that was too early."""
        request, self._delayed = self._delayed, None
        if request is None or not self.connection.open:
            return
        try:
            if self.phase is Phase.STREAMING:
                self._while_streaming(request)
            elif self.phase is Phase.AUTHENTICATED:
                self._before_start(request)
        except SessionError as error:
            self.refuse(error)
        if self._delayed is None:
            self.connection.resume_lines()

    # -- streaming

    def _start(self) -> None:
        """Begin the binary stream."""
        asked = self._authentication
        if asked is None:
            raise AssertionError("a session starts after it was authenticated")
        now = self._gateway.clock.time_ns()
        if self.compressed:
            self._outlet = ZstdOutlet(
                self.connection, self._gateway.loop, self._gateway.compressors, self.on_ready, self.on_failure
            )
        self._say_next.append(control.session_metadata(asked.dataset, now, ts_out=asked.ts_out))
        self._enter(Phase.STREAMING)
        if self._doom is not None:
            self.refuse(self._doom)
            return
        flow = Flow(self._view, self._gateway.forms, ts_out=asked.ts_out)
        talk = Talk(self._stamp, self._system, self._kick, self._failed)
        self.flow = flow
        self._joins = Joins(self._view, flow, self._gateway.snapshots, self._gateway.replays, talk)
        parts = []
        for subscription in self._subscriptions.complete(now):
            self._say(subscription.answer)
            if not subscription.part.selection.empty:
                parts.append(subscription.part)
        self._joins.start(parts)
        self._gateway.stream(self)
        self._kick()

    def _subscribe(self, request: SubscriptionRequest) -> None:
        """Take a subscription while streaming."""
        if request.start is not None:
            text = "start: the session has started; ask for the past before that, or in another session"
            number = "" if request.id is None else f" {request.id}"
            self._say_error(ErrorCode.INVALID_SUBSCRIPTION, f"Subscription request{number} refused: {text}")
            return
        self._subscriptions.take(request)
        for subscription in self._subscriptions.complete(self._gateway.clock.time_ns()):
            self._say(subscription.answer)
            if self._joins is not None and not subscription.part.selection.empty:
                self._joins.add(subscription.part)
        self._kick()

    def pump(self) -> None:
        """Send the next turn. Cheap where there is nothing to send, or no room for it."""
        outlet = self._outlet
        if not outlet.ready:
            return
        if self.phase is not Phase.STREAMING:
            self._part()
            return
        flow = self.flow
        if flow is None:
            return
        if self._subscriptions.version != self._view.symbology.version:
            self._learn()
        try:
            buffers = flow.turn(self._turn_bytes)
        except Overrun:
            self._overrun(flow)
            return
        if self._say_next:
            buffers = self._say_next + buffers
            self._say_next = []
        if buffers:
            if not outlet.send(buffers):
                self._gateway.block(self)
            elif not flow.idle:
                self._gateway.again()
        if flow.behind > 1 and not self.warned and self._gateway.is_far_behind(flow):
            self.warned = True
            self._gateway.counters.slow_warnings += 1
            self._say_next.append(self._system(SystemCode.SLOW_READER_WARNING, SLOW_READER))

    def on_writable(self) -> None:
        """The connection has room again."""
        self._outlet.on_writable()
        if self._outlet.ready:
            self.on_ready()

    def on_ready(self) -> None:
        """There is room for the next turn."""
        self._gateway.unblock(self)
        self.pump()

    def _learn(self) -> None:
        """Say what new instruments' ids stand for; they may belong to what was subscribed to."""
        records, parts = self._subscriptions.learn(self._gateway.clock.time_ns())
        if records:
            self._say(records)
        for part in parts:
            if self._joins is not None:
                self._joins.add(part)

    def _overrun(self, flow: Flow) -> None:
        """The next batch has left the ring: go on from now where that is allowed, else end."""
        if not self._may_skip(flow):
            self._gateway.counters.cut_off += 1
            self.refuse(
                SessionError(
                    "Too slow: the records to send next are not held any more.", code=ErrorCode.INTERNAL_ERROR
                )
            )
            return
        self._gateway.counters.skips += 1
        flow.jump()
        self.warned = False
        self._say_error(
            ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING, "Records were skipped: the session read too slowly."
        )
        self._gateway.again()

    def _may_skip(self, flow: Flow) -> bool:
        """Whether records may be left out: all that is subscribed to allows it, and so does the client."""
        asked = self._authentication
        return asked is not None and asked.slow_reader_behavior != "warn" and flow.schemas <= SKIPPABLE

    def check_lag(self) -> None:
        """End a session that is blocked once its next batch has left the ring, unless it may skip it then."""
        flow = self.flow
        if flow is not None and flow.moves and flow.cursor < self._view.tail and not self._may_skip(flow):
            self._overrun(flow)

    def stalled_s(self, now: float) -> float:
        """How long the peer has taken nothing of what there is for it."""
        return 0.0 if self._outlet.ready else now - self.quiet_since

    # -- saying

    def _say(self, records: bytes) -> None:
        """Send control records of whole size before the next batch."""
        if records:
            self._say_next.append(records if self._stamp is None else stamped(records, self._stamp()))

    def _say_error(self, code: int, text: str) -> None:
        self._say(control.error(code, text, ts_event=self._gateway.clock.time_ns()))

    def _system(self, code: int, text: str) -> bytes:
        record = control.system(code, text, ts_event=self._gateway.clock.time_ns())
        return record if self._stamp is None else stamped(record, self._stamp())

    def _kick(self) -> None:
        """There is something to send."""
        if not self.settled and self._joins is not None and self._joins.settling == 0:
            self.settled = True
        self._gateway.again()

    def beat(self, now: float, early_s: float) -> None:
        """Say that the gateway lives, if nothing has gone out for the asked interval."""
        if self.connection.sent_bytes != self._seen_bytes:
            self._seen_bytes = self.connection.sent_bytes
            self.quiet_since = now
        elif now - self.quiet_since >= self.heartbeat_s - early_s and self._outlet.ready:
            self.quiet_since = now
            self._say(control.heartbeat(ts_event=self._gateway.clock.time_ns()))
            self.pump()

    # -- ending

    def refuse(self, error: Exception) -> None:
        """End the session for this reason, said as the phase has it."""
        if self.phase is Phase.GREETED:
            self._gateway.counters.refused += 1
            _log.info("gateway.refused", session=self.number, address=self.address, reason=str(error))
            if self.connection.ready:
                self.connection.send([AuthenticationReply(error=str(error)).to_line()])
            self.leave()
        elif self.phase is Phase.AUTHENTICATED:
            if self._doom is None:
                self._doom = _session_error(error)
                self._timer = self._gateway.loop.call_later(REFUSAL_S, self.leave)
        elif self.phase is Phase.STREAMING:
            why = _session_error(error)
            self._gateway.counters.errors += 1
            _log.info("gateway.session_error", session=self.number, code=why.code, reason=str(why))
            self._say_error(why.code or ErrorCode.INTERNAL_ERROR, str(why))
            self.end()

    def leave(self) -> None:
        """Close in order, before the stream has started: nothing can be said any more."""
        if self.phase in (Phase.GREETED, Phase.AUTHENTICATED):
            self._enter(Phase.ENDING)
            self.connection.finish()

    def revoke(self, error: SessionError) -> None:
        """The key is not good any more."""
        if self.phase is Phase.STREAMING:
            self.refuse(error)
        else:
            self.leave()

    def say_goodbye(self, reason: str) -> None:
        """End in order, after the last record of a feed that ended."""
        if self.phase is Phase.STREAMING:
            self._say(control.system(SystemCode.UNSET, reason, ts_event=self._gateway.clock.time_ns()))
            self.end()
        else:
            self.leave()

    def end(self) -> None:
        """Send what was said last, then close in order."""
        self._enter(Phase.ENDING)
        self._last_words, self._say_next = self._say_next, []
        self._release()
        self._timer = self._gateway.loop.call_later(
            LAST_WORDS_S, self.connection.abort, "the peer did not take the last bytes"
        )
        if self._outlet.ready:
            self._part()

    def _part(self) -> None:
        if self.phase is Phase.ENDING and self._last_words:
            words, self._last_words = self._last_words, []
            self._outlet.finish(words)

    def on_lost(self, reason: str) -> None:
        """The connection is over."""
        if self.phase is not Phase.OVER:
            self._enter(Phase.OVER)
            self._release()
            self._gateway.forget(self)
            _log.debug("gateway.closed", session=self.number, reason=reason)

    def on_failure(self, error: Exception) -> None:
        """Something of ours failed: this session ends, and no other."""
        _log.error("gateway.failure", session=self.number, exc_info=error)
        self._gateway.counters.failures += 1
        try:
            if self.phase in (Phase.STREAMING, Phase.AUTHENTICATED):
                self.refuse(SessionError("The gateway failed.", code=ErrorCode.INTERNAL_ERROR))
                return
        except Exception as again:
            _log.error("gateway.failure", session=self.number, exc_info=again)
        self.connection.abort("a failure")

    def _failed(self, error: Exception) -> None:
        """A join failed."""
        if isinstance(error, DepthcastError):
            self.refuse(error)
        else:
            self.on_failure(error)

    def _guarded(self, function: Callable[[], None]) -> None:
        try:
            function()
        except Exception as error:
            self.on_failure(error)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.since = self._gateway.clock.monotonic()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        if self._joins is not None:
            self._joins.close()
            self._joins = None
        if self.flow is not None:
            self.flow.close()

    @property
    def done(self) -> bool:
        """Whether all there is was given out and taken, and nothing is on the way to join."""
        if self.phase is not Phase.STREAMING or self.flow is None or self._joins is None:
            return True
        if not self._outlet.ready or self._joins.pending or self._say_next:
            return False
        return self.flow.idle and self.flow.behind <= 0


def _session_error(error: Exception) -> SessionError:
    """As the protocol has it."""
    if isinstance(error, SessionError):
        return error
    code = ErrorCode.INTERNAL_ERROR
    if isinstance(error, ReplayError):
        code = ErrorCode.REPLAY_DATA_AGED_OUT
    elif isinstance(error, ProtocolError):
        code = ErrorCode.INVALID_SUBSCRIPTION
    return SessionError(str(error), code=code)
