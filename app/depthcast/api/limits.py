"""How much one client may ask: token buckets, of this process alone."""

import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Final, NamedTuple

__all__ = ["Allowance", "Buckets"]

CAPACITY: Final = 10_000
"""Clients that are remembered. Who was forgotten begins with a full bucket."""


class Allowance(NamedTuple):
    """What a client has left.

    ``granted`` tells whether this request is taken. ``remaining`` more would be now. ``reset_s``: seconds
    until all are there again; ``retry_s``: until the next is taken, 0 if that is now.
    """

    granted: bool
    remaining: int
    reset_s: int
    retry_s: int


class Buckets:
    """A token bucket a client, the least recently seen forgotten first.

    Args:
        rate: tokens a second that flow into each.
        burst: what one holds, and begins with.
        capacity: how many are remembered.
        monotonic: a clock in seconds.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        capacity: int = CAPACITY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate
        self.burst = burst
        self.refused = 0
        self._capacity = capacity
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.policy = f'"requests";q={burst};w={max(1, ceil(burst / rate))}'
        """The value of RateLimit-Policy: so many requests in so many seconds."""

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: str, cost: float = 1.0) -> Allowance:
        """Take ``cost`` tokens if there is one; a bucket may go below zero, and fills up from there."""
        now_s = self._monotonic()
        tokens = self._level(client, now_s)
        granted = tokens >= 1.0
        if granted:
            tokens -= cost
        else:
            self.refused += 1
        self._put(client, tokens, now_s)
        return self._allowance(tokens, granted=granted)

    def charge(self, client: str, cost: float) -> Allowance:
        """Take ``cost`` tokens for an answer that has turned out large. Never refused."""
        now_s = self._monotonic()
        tokens = self._level(client, now_s) - cost
        self._put(client, tokens, now_s)
        return self._allowance(tokens)

    def _level(self, client: str, now_s: float) -> float:
        found = self._buckets.get(client)
        if found is None:
            return float(self.burst)
        tokens, seen_s = found
        return min(float(self.burst), tokens + (now_s - seen_s) * self.rate)

    def _put(self, client: str, tokens: float, now_s: float) -> None:
        self._buckets[client] = (tokens, now_s)
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)

    def _allowance(self, tokens: float, *, granted: bool = True) -> Allowance:
        retry_s = 0 if tokens >= 1.0 else max(1, ceil((1.0 - tokens) / self.rate))
        return Allowance(granted, max(0, int(tokens)), ceil((self.burst - tokens) / self.rate), retry_s)
