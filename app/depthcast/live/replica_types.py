"""What a replica says of itself, and to whom."""

from enum import Enum
from typing import Literal, Protocol

from depthcast.book.types import BookKey

__all__ = ["FeedState", "ReplicaListener", "ResetReason"]

ResetReason = Literal["feed_reconnected", "gap"]


class FeedState(Enum):
    """Whether a replica's books are those of now."""

    CONNECTING = "connecting"
    """There are none yet."""
    LIVE = "live"
    STALE = "stale"
    """The connection is lost or silent, or the gateway refuses: the books are kept as they were."""


class ReplicaListener(Protocol):
    """Who is told what happens in a replica. All are called on its event loop, and return soon.

    Attributes:
        wants_records: whether `on_records` is called.
    """

    wants_records: bool

    def on_records(self, records: memoryview) -> None:
        """The records that have just been applied, as they were received (with ts_out). Valid only now."""

    def on_trades(self, records: bytes) -> None:
        """The trades among them: MBO records of action T, 56 bytes each, without ts_out."""

    def on_changed(self, keys: list[BookKey]) -> None:
        """The books of which an event was completed by them, or another status came."""

    def on_reset(self, reason: ResetReason) -> None:
        """There is another engine: what was read from the one before is to be read anew."""

    def on_state(self, state: FeedState) -> None:
        """The replica's state is another one."""
