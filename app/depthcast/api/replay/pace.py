"""The clock of a replay: the feed's time, as it goes on at some speed while it is not paused."""

from collections.abc import Callable
from math import inf
from typing import Final

__all__ = ["Pace"]

_LATE_S: Final = 0.25
"""A replay that is later than this goes on from where it is: what it was held up by is not made up for."""


class Pace:
    """When what is due.

    Args:
        speed: feed time in a second of ours; infinite for as fast as it goes.
        monotonic: our clock, in seconds.
    """

    def __init__(self, speed: float, monotonic: Callable[[], float]) -> None:
        self.speed = speed
        self._monotonic = monotonic
        self._feed_ns = 0
        self._since_s: float | None = None

    @property
    def running(self) -> bool:
        return self._since_s is not None

    def now(self) -> int:
        """The feed's time (ns). At infinite speed: of what was told last."""
        if self._since_s is None or self.speed == inf:
            return self._feed_ns
        return self._feed_ns + int((self._monotonic() - self._since_s) * self.speed * 1e9)

    def set(self, feed_ns: int) -> None:
        """It is this time now."""
        self._feed_ns = feed_ns
        if self._since_s is not None:
            self._since_s = self._monotonic()

    def start(self) -> None:
        """Go on."""
        if self._since_s is None:
            self._since_s = self._monotonic()

    def stop(self) -> None:
        """Stand still."""
        self._feed_ns = self.now()
        self._since_s = None

    def change(self, speed: float) -> None:
        """Go on at another speed."""
        self.set(self.now())
        self.speed = speed

    def wait_s(self, feed_ns: int) -> float:
        """How long until it is that time; 0 if it is."""
        if self.speed == inf:
            self._feed_ns = max(self._feed_ns, feed_ns)
            return 0.0
        wait_s = (feed_ns - self.now()) / self.speed / 1e9
        if wait_s < -_LATE_S:
            self.set(feed_ns)
        return max(0.0, wait_s)
