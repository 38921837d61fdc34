"""Those who are told what happens in a replica."""

from collections.abc import Callable

import structlog

from depthcast.book.types import BookKey
from depthcast.live.replica_types import FeedState, ReplicaListener, ResetReason

__all__ = ["Listeners"]

_log = structlog.get_logger()


class Listeners:
    """Told in the order in which they were added. What one of them raises is logged: the books go on."""

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._all: tuple[ReplicaListener, ...] = ()

    def add(self, listener: ReplicaListener) -> None:
        """Tell it from now on."""
        self._all += (listener,)

    def remove(self, listener: ReplicaListener) -> None:
        """Do not tell it any more. It may be gone already."""
        self._all = tuple(each for each in self._all if each is not listener)

    def records(self, records: memoryview) -> None:
        """See `ReplicaListener.on_records`."""
        for each in self._all:
            if each.wants_records:
                self._tell(each.on_records, records)

    def applied(self, trades: bytes, keys: list[BookKey]) -> None:
        """The trades among what was applied, if any, and the books that changed by it, if any."""
        for each in self._all:
            if trades:
                self._tell(each.on_trades, trades)
            if keys:
                self._tell(each.on_changed, keys)

    def reset(self, reason: ResetReason) -> None:
        """See `ReplicaListener.on_reset`."""
        for each in self._all:
            self._tell(each.on_reset, reason)

    def state(self, state: FeedState) -> None:
        """See `ReplicaListener.on_state`."""
        for each in self._all:
            self._tell(each.on_state, state)

    def _tell(self, listen: Callable[..., object], *news: object) -> None:
        try:
            listen(*news)
        except Exception as error:
            _log.error("replica.listener", feed=self._feed, exc_info=error)
