"""One client: what it may say when, what it is answered, and how its session ends."""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final

import structlog

from depthcast.errors import AuthenticationError, DepthcastError, ProtocolError, ReplayError, SessionError
from depthcast.live import control
from depthcast.live.connection import Connection
from depthcast.live.control import ErrorCode
from depthcast.live.keys import Key
from depthcast.live.limits import TokenBucket
from depthcast.live.lines import parse_line
from depthcast.live.replies import AuthenticationReply, Challenge, Greeting
from depthcast.live.requests import Authentication, Start, SubscriptionRequest, parse_request
from depthcast.live.sender import Sender
from depthcast.live.subscriptions import Subscriptions

if TYPE_CHECKING:
    from depthcast.live.gateway import Gateway

__all__ = ["LAST_WORDS_S", "Phase", "Session"]

REFUSAL_S: Final = 1.0
"""A client with a bad subscription is told why if it starts its stream within this time."""
LINES_AFTER_REFUSAL: Final = 100
"""It may have been sending more of them by then, but not without end."""
LAST_WORDS_S: Final = 10.0
"""How long a client has to take what is left, once its session has ended."""

_LINE_COST: Final = 0.25
"""A line that is not the last of its subscription counts as this part of one."""

_log = structlog.get_logger()

Request = Authentication | SubscriptionRequest | Start


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
        address: the client's.
        connection: to be set before `on_open` is called.
        phase: where it is; ``since`` when, as the gateway's monotonic clock has it.
        key: what it authenticated with.
        compressed: whether its stream is, or will be.
        sender: its stream, once that has started.
    """

    def __init__(self, gateway: "Gateway", number: int, address: str) -> None:
        self.number = number
        self.address = address
        self.phase = Phase.GREETED
        self.since = gateway.clock.monotonic()
        self.key: Key | None = None
        self.compressed = False
        self.sender: Sender | None = None
        self.connection: Connection
        self._gateway = gateway
        self._challenge = Challenge(gateway.new_challenge())
        self._asked: Authentication
        self._subscriptions = Subscriptions(gateway.view, gateway.mappings, gateway.limits)
        rate = gateway.limits.subscriptions_per_s
        self._pace = TokenBucket(rate, max(1.0, rate), self.since)
        self._delayed: SubscriptionRequest | None = None
        self._refusal: SessionError | None = None
        self._refused_lines = 0
        self._timer: asyncio.TimerHandle | None = None

    # -- lines

    def on_open(self) -> None:
        """Greet: in one write, for one official client reads no further."""
        self.connection.send([Greeting().to_line() + self._challenge.to_line()])

    def on_line(self, line: bytes) -> None:
        """Take a line for what it may be in this phase."""
        if self._refusal is not None:
            self._after_refusal(line)
            return
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

    def _authenticate(self, request: Request) -> None:
        if not isinstance(request, Authentication):
            raise AuthenticationError("Authenticate first.", code=ErrorCode.AUTH_FAILED)
        self.key = self._gateway.admit(self, self._challenge.cram, request)
        self._asked = request
        self.compressed = request.compression == "zstd"
        self._enter(Phase.AUTHENTICATED)
        self.connection.send([AuthenticationReply(session_id=str(self.number)).to_line()])

    def _before_start(self, request: Request) -> None:
        if isinstance(request, Start):
            self._start()
        elif isinstance(request, Authentication):
            self.leave()
        elif self._in_pace(request):
            self._subscriptions.take(request)

    def _while_streaming(self, request: Request) -> None:
        if not isinstance(request, SubscriptionRequest):
            text = "The session has started: only subscriptions may follow."
            raise SessionError(text, code=ErrorCode.INVALID_SUBSCRIPTION)
        if self.sender is None or not self._in_pace(request):
            return
        if request.start is not None:
            number = "" if request.id is None else f" {request.id}"
            text = "start: the stream has started; ask for the past before that, or in another session"
            self.sender.say_error(
                ErrorCode.INVALID_SUBSCRIPTION, f"Subscription request{number} refused: {text}"
            )
            self._gateway.again()
        else:
            self._subscriptions.take(request)
            self.sender.subscribe()

    def _in_pace(self, request: SubscriptionRequest) -> bool:
        """Whether it may be served now; else it is when its time has come, and no line before it."""
        cost = 1.0 if request.is_last else _LINE_COST
        now = self._gateway.clock.monotonic()
        if self._pace.take(now, cost):
            return True
        self._delayed = request
        self.connection.pause_lines()
        wait = self._pace.delay(now, cost) + 0.001
        self._gateway.loop.call_later(wait, self._guarded, self._go_on)
        return False

    def _go_on(self) -> None:
        """Serve the subscription that was too early."""
        request = self._take_delayed()
        if request is None or not self.connection.open:
            return
        try:
            if self.phase is Phase.STREAMING:
                self._while_streaming(request)
            elif self.phase is Phase.AUTHENTICATED:
                self._before_start(request)
        except SessionError as error:
            self.refuse(error)
        if self._delayed is None and self.phase in (Phase.AUTHENTICATED, Phase.STREAMING):
            self.connection.resume_lines()

    def _take_delayed(self) -> SubscriptionRequest | None:
        request, self._delayed = self._delayed, None
        return request

    def _start(self) -> None:
        """Begin the binary stream."""
        asked, gateway = self._asked, self._gateway
        self._enter(Phase.STREAMING)
        self.sender = Sender(gateway, self.number, self.connection, asked, self._subscriptions, self._failed)
        now = gateway.clock.time_ns()
        self.sender.start(control.session_metadata(asked.dataset, now, ts_out=asked.ts_out))
        gateway.unblock(self.sender)

    def on_writable(self) -> None:
        """The connection has room again."""
        if self.sender is not None:
            self.sender.on_writable()

    # -- ending

    def refuse(self, error: Exception) -> None:
        """End the session for this reason, said as the phase has it."""
        match self.phase:
            case Phase.GREETED:
                self._gateway.counters.refused += 1
                _log.info("gateway.refused", session=self.number, address=self.address, reason=str(error))
                if self.connection.ready:
                    self.connection.send([AuthenticationReply(error=str(error)).to_line()])
                self.leave()
            case Phase.AUTHENTICATED if self._refusal is None:
                # Between the answer to the authentication and the start nothing can be said.
                self._refusal = _session_error(error)
                self._timer = self._gateway.loop.call_later(REFUSAL_S, self.leave)
            case Phase.STREAMING if self.sender is not None:
                why = _session_error(error)
                self._gateway.counters.errors += 1
                _log.info("gateway.session_error", session=self.number, code=why.code, reason=str(why))
                self.sender.say_error(why.code or ErrorCode.INTERNAL_ERROR, str(why))
                self._end(self.sender)

    def _after_refusal(self, line: bytes) -> None:
        """Once the client starts its stream it can be told; whatever else it says does not matter."""
        self._refused_lines += 1
        if line.startswith(b"start_session") and self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            self._subscriptions = Subscriptions(
                self._gateway.view, self._gateway.mappings, self._gateway.limits
            )
            self._start()
            self.refuse(refusal)
        elif self._refused_lines > LINES_AFTER_REFUSAL:
            self.leave()

    def leave(self) -> None:
        """Close in order, where the stream has not started: nothing can be said."""
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
        """End in order, once the feed has ended and the client has all of it."""
        if self.phase is not Phase.STREAMING or self.sender is None:
            self.leave()
        elif self.sender.done:
            self.sender.say_goodbye(reason)
            self._end(self.sender)

    def _end(self, sender: Sender) -> None:
        """Send what was said last, then close in order."""
        self._enter(Phase.ENDING)
        self.connection.pause_lines()
        self._timer = self._gateway.loop.call_later(
            LAST_WORDS_S, self.connection.abort, "the peer did not take the last bytes"
        )
        sender.end()

    def on_lost(self, reason: str) -> None:
        """The connection is over."""
        if self.phase is not Phase.OVER:
            self._enter(Phase.OVER)
            if self.sender is not None:
                self.sender.close()
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
        """The stream cannot go on. Does not raise: it is called amid the turns of others."""
        if isinstance(error, DepthcastError):
            self._guarded(lambda: self.refuse(error))
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
