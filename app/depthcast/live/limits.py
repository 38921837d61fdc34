"""What a gateway allows, and how it measures that."""

from dataclasses import dataclass
from typing import Final, Protocol

__all__ = ["AddressLimiter", "Clock", "GatewayLimits", "TokenBucket"]

_MAX_ADDRESSES: Final = 10_000


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """Every bound of a gateway. Where a client is over one it is told so, or closed; nobody else notices.

    Attributes:
        max_sessions: authenticated sessions at a time, of all keys.
        max_unauthenticated: connections that have not authenticated yet. When there are as many, the oldest
            one makes room for the next, if it has had a second.
        auth_timeout_s: from the connection to its authentication.
        start_timeout_s: from there to the start of the stream.
        stall_timeout_s: a client that takes no byte for so long, while there are some for it, is reset.
        accepts_per_s: connections of one address; more are reset at once.
        subscriptions_per_s: of one session; more are served later.
        subscriptions: of one session, in all.
        symbols: named in all subscriptions of a session.
        zstd_sessions: compressed sessions at a time.
        replays: under way at a time; a session has one, others wait for their turn.
        forms_bytes: what is kept of filtered and stamped records for sessions that come by later.
        send_buffer_bytes: of the system's, for one connection; 0 leaves it to the system, which lets it grow
            to some MiB.
        turn_bytes: what one session is sent before others have their turn.
        coalesce_ms: where going through all sessions takes long, batches are gathered up to so long.
        warn_lag: the part of the ring a session may be behind before it is warned; 0 for no warning.
        drain_accept_s: how long connections are still accepted once draining has begun.
        drain_spread_s: over how long sessions are then ended.
        linger_s: how long sessions stay after the last record of a feed that ended.
    """

    max_sessions: int = 1_000
    max_unauthenticated: int = 200
    auth_timeout_s: float = 30.0
    start_timeout_s: float = 600.0
    stall_timeout_s: float = 60.0
    accepts_per_s: float = 100.0
    subscriptions_per_s: float = 10.0
    subscriptions: int = 1_000
    symbols: int = 50_000
    zstd_sessions: int = 32
    replays: int = 64
    forms_bytes: int = 64 << 20
    send_buffer_bytes: int = 0
    turn_bytes: int = 1 << 20
    coalesce_ms: float = 5.0
    warn_lag: float = 0.5
    drain_accept_s: float = 5.0
    drain_spread_s: float = 20.0
    linger_s: float = 0.0


class Clock(Protocol):
    """What tells a gateway the time. The module `time` is one."""

    def time_ns(self) -> int:
        """Ns since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""


class TokenBucket:
    """So many a second, and as many at once after a pause."""

    __slots__ = ("_burst", "_rate", "_time", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._time = now

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Take ``cost`` tokens if they are there."""
        self._refill(now)
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True

    def delay(self, now: float, cost: float = 1.0) -> float:
        """Seconds until `take` will succeed."""
        self._refill(now)
        return max(0.0, (cost - self._tokens) / self._rate)

    def full(self, now: float) -> bool:
        """Whether it is as if it had never been used."""
        self._refill(now)
        return self._tokens >= self._burst

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._time) * self._rate)
        self._time = now


class AddressLimiter:
    """A token bucket for each address that has connected of late."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._burst = max(1.0, rate)
        self._buckets: dict[str, TokenBucket] = {}

    def allow(self, address: str, now: float) -> bool:
        """Whether one more connection of this address may come."""
        bucket = self._buckets.get(address)
        if bucket is None:
            if len(self._buckets) >= _MAX_ADDRESSES:
                self._forget(now)
            bucket = self._buckets[address] = TokenBucket(self._rate, self._burst, now)
        return bucket.take(now)

    def _forget(self, now: float) -> None:
        """Drop the addresses that have been quiet; all, where none has: bounded comes first."""
        self._buckets = {address: bucket for address, bucket in self._buckets.items() if not bucket.full(now)}
        if len(self._buckets) >= _MAX_ADDRESSES:
            self._buckets.clear()
