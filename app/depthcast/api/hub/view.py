"""A replica as its streams see it: the engine of now, the state of the feed, who publishes what."""

from depthcast.api.hub.messages import Feed
from depthcast.api.hub.ports import Clock, HubReplica
from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey
from depthcast.live.replica_types import FeedState

__all__ = ["ReplicaView"]


class ReplicaView:
    """What streams read of a replica."""

    __slots__ = ("_clock", "_publishers", "replica")

    def __init__(self, replica: HubReplica, clock: Clock) -> None:
        self.replica = replica
        self._clock = clock
        self._publishers: dict[int, dict[int, None]] = {}

    @property
    def engine(self) -> BookEngine:
        return self.replica.engine

    @property
    def stale(self) -> bool:
        """The books are not known to be those of now."""
        return self.replica.state is not FeedState.LIVE

    @property
    def feed(self) -> Feed:
        state: Feed = self.replica.state.value
        return state

    @property
    def age_ms(self) -> int:
        """For how long the feed has been stale; 0 if it is not."""
        since = self.replica.stale_since_ns
        if since is None or not self.stale:
            return 0
        return max(0, (self._clock() - since) // 1_000_000)

    def publishers(self, instrument_id: int) -> tuple[int, ...]:
        """Those that have a book of the instrument, ascending; noted as books appear."""
        known = self._publishers.get(instrument_id)
        if known is None:
            keys = self.engine.books()
            known = {key.publisher_id: None for key in keys if key.instrument_id == instrument_id}
            self._publishers[instrument_id] = known
        return tuple(sorted(known))

    def note(self, key: BookKey) -> None:
        """A book has changed: maybe it is one of a publisher that was not there before."""
        known = self._publishers.get(key.instrument_id)
        if known is not None:
            known[key.publisher_id] = None

    def forget(self) -> None:
        """The engine is another one."""
        self._publishers.clear()
