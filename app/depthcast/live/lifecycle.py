"""When to connect, when to wait, when to give up: the subscriber's policy, without I/O or clock.

Time (seconds, monotonic) and randomness are arguments, so that a simulation can drive it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from depthcast.live.events import Ending, Live, Stale

__all__ = ["Lifecycle", "Loss", "Policy", "State", "Verdict"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a subscriber is. All times are in seconds.

    Attributes:
        connect_timeout_s: for the TCP (and TLS) connection.
        auth_timeout_s: from then to the answer to the authentication.
        start_timeout_s: from then to the stream's metadata.
        heartbeat_s: how often the gateway is asked to send something. Databento's own take 5 and more.
        stale_margin_s: silence longer than ``heartbeat_s`` by this is told as `Stale`.
        idle_margin_s: silence longer by this ends the connection.
        backoff_first_s, backoff_max_s: the n-th attempt in a row waits a random time between 0 and
            ``backoff_first_s * 2**(n-1)``, at most ``backoff_max_s`` (full jitter).
        healthy_s: a stream that lasted so long makes the next wait a first one again.
        retry_first: go on trying where the very first connection never came to stream.
        max_attempts: connections in a row that did not stream after which it gives up; None for never.
        until_end: an end that the gateway explains (its source ended) ends the subscriber too.
    """

    connect_timeout_s: float = 10.0
    auth_timeout_s: float = 30.0
    start_timeout_s: float = 60.0
    heartbeat_s: int = 1
    stale_margin_s: float = 0.8
    idle_margin_s: float = 5.0
    backoff_first_s: float = 0.25
    backoff_max_s: float = 30.0
    healthy_s: float = 5.0
    retry_first: bool = True
    max_attempts: int | None = None
    until_end: bool = False

    @property
    def stale_s(self) -> float:
        """The silence that is told as `Stale`."""
        return self.heartbeat_s + self.stale_margin_s

    @property
    def idle_s(self) -> float:
        """The silence that ends the connection."""
        return self.heartbeat_s + self.idle_margin_s


class State(Enum):
    """Where a subscriber is."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    STARTING = "starting"
    STREAMING = "streaming"
    ENDED = "ended"


class Loss(NamedTuple):
    """Why a connection is over. ``final``: another one would fare no better."""

    ending: Ending
    reason: str
    error: Exception | None = None
    code: int | None = None
    final: bool = False


class Verdict(NamedTuple):
    """What follows from a loss: another attempt after so many seconds, or none (None)."""

    retry_in_s: float | None
    raises: bool
    """With no other attempt: whether the end is a failure."""


class Lifecycle:
    """One subscriber's life.

    Attributes:
        state: where it is.
        attempts: connections tried so far.
        sessions: those that came to stream.
        due: in WAITING, when to connect; in the states of a handshake, when to give it up.
        stale: whether the stream is silent.
    """

    def __init__(self, policy: Policy, random: Callable[[], float], now: float) -> None:
        self.state = State.WAITING
        self.attempts = 0
        self.sessions = 0
        self.due = now
        self.stale = False
        self._policy = policy
        self._random = random
        self._failures = 0
        self._since = now
        self._heard = now
        self._received = 0

    def connecting(self, now: float) -> None:
        """An attempt begins."""
        self.attempts += 1
        self._enter(State.CONNECTING, now, self._policy.connect_timeout_s)

    def connected(self, now: float) -> None:
        """The connection stands; the handshake begins."""
        self._enter(State.AUTHENTICATING, now, self._policy.auth_timeout_s)

    def authenticated(self, now: float) -> None:
        """The gateway accepted the key."""
        self._enter(State.STARTING, now, self._policy.start_timeout_s)

    def started(self, now: float) -> None:
        """The stream began."""
        self._enter(State.STREAMING, now, float("inf"))
        self.sessions += 1
        self.stale = False
        self._heard = now

    def check(self, now: float, received: int, *, paused: bool = False) -> Stale | Live | Loss | None:
        """Look at the clock, some twenty times a second; ``received`` is the connection's count of bytes.

        While the user paused reading, silence is nobody's fault.
        """
        policy = self._policy
        if self.state is not State.STREAMING:
            if now < self.due or self.state in (State.WAITING, State.ENDED):
                return None
            doing = {
                State.CONNECTING: f"no connection within {policy.connect_timeout_s:g} s",
                State.AUTHENTICATING: f"no answer to the authentication in {policy.auth_timeout_s:g} s",
                State.STARTING: f"no stream {policy.start_timeout_s:g} s after the start",
            }[self.state]
            ending = Ending.CONNECT if self.state is State.CONNECTING else Ending.TIMEOUT
            return Loss(ending, doing, TimeoutError(doing))
        if received != self._received or paused:
            self._received, self._heard = received, now
            if self.stale:
                self.stale = False
                return Live()
            return None
        silent_s = now - self._heard
        if silent_s >= policy.idle_s:
            reason = f"silent for {silent_s:.1f} s; a heartbeat was asked for every {policy.heartbeat_s} s"
            return Loss(Ending.TIMEOUT, reason, TimeoutError(reason))
        if silent_s >= policy.stale_s and not self.stale:
            self.stale = True
            return Stale(silent_s)
        return None

    def lost(self, now: float, loss: Loss) -> Verdict:
        """The connection is over, or did not come about."""
        streamed = self.state is State.STREAMING
        if streamed and now - self._since >= self._policy.healthy_s:
            self._failures = 0
        self._failures += 1
        if loss.ending is Ending.CLOSED or (loss.ending is Ending.END and self._policy.until_end):
            return self._end(raises=False)
        first_failed = not streamed and self.sessions == 0 and not self._policy.retry_first
        tired = self._policy.max_attempts is not None and self._failures >= self._policy.max_attempts
        if loss.final or loss.ending is Ending.CALLBACK or first_failed or (tired and not streamed):
            return self._end(raises=True)
        doubled = self._policy.backoff_first_s * 2.0 ** min(self._failures - 1, 60)
        wait_s = self._random() * min(self._policy.backoff_max_s, doubled)
        self.state, self.due, self._received = State.WAITING, now + wait_s, 0
        return Verdict(wait_s, raises=False)

    def _end(self, *, raises: bool) -> Verdict:
        self.state = State.ENDED
        return Verdict(None, raises)

    def _enter(self, state: State, now: float, patience_s: float) -> None:
        self.state, self.due, self._since = state, now + patience_s, now
