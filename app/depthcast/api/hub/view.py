"""A replica as its streams see it: the engine of now, the state of the feed, who publishes what."""

from depthcast.api.hub.messages import Feed
from depthcast.api.hub.ports import Clock, HubEngine, HubReplica
from depthcast.live.replica_types import FeedState

__all__ = ["ReplicaView"]


class ReplicaView:
    """What streams read of a replica."""

    __slots__ = ("_clock", "replica")

    def __init__(self, replica: HubReplica, clock: Clock) -> None:
        self.replica = replica
        self._clock = clock

    @property
    def engine(self) -> HubEngine:
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

    def publishers(self, instrument_id: int) -> list[int]:
        """Those that have a book of the instrument, ascending."""
        return self.engine.publishers(instrument_id)
