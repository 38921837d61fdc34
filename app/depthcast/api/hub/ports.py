"""What the hub needs of others: the books it follows, the time, and the connections it writes to."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from depthcast.book.protocol import BookEngine
from depthcast.live.replica_types import FeedState, ReplicaListener

if TYPE_CHECKING:
    from depthcast.api.hub.clients import Client
    from depthcast.api.hub.requests import ReplayRequest, Subscribe

__all__ = [
    "Clock",
    "HubEngine",
    "HubListing",
    "HubMarket",
    "HubReplica",
    "Loop",
    "Replays",
    "Sink",
    "SinkListener",
    "Timer",
]

Clock = Callable[[], int]
"""The time, in ns since the epoch."""


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None: ...


class Loop(Protocol):
    """Of an event loop, what the hub uses: `asyncio.AbstractEventLoop` has it, and so has a simulated one."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer: ...


class HubEngine(BookEngine, Protocol):
    """An engine, as the hub asks it."""

    def publishers(self, instrument_id: int) -> list[int]: ...


class HubReplica(Protocol):
    """A replica, as the hub sees it: `depthcast.live.replica.Replica`."""

    @property
    def dataset(self) -> str: ...
    @property
    def engine(self) -> HubEngine: ...
    @property
    def state(self) -> FeedState: ...
    @property
    def ready(self) -> bool: ...
    @property
    def stale_since_ns(self) -> int | None: ...
    @property
    def reason(self) -> str: ...
    def add_listener(self, listener: ReplicaListener) -> None: ...
    def remove_listener(self, listener: ReplicaListener) -> None: ...


class HubListing(Protocol):
    """An instrument of one replica: `depthcast.api.market.Listing`."""

    @property
    def replica(self) -> HubReplica: ...
    @property
    def instrument_id(self) -> int: ...
    @property
    def symbol(self) -> str | None: ...
    def publishers(self) -> Sequence[int]: ...


class HubMarket(Protocol):
    """All replicas: `depthcast.api.market.Market`."""

    @property
    def replicas(self) -> Sequence[HubReplica]: ...

    def find(self, text: str) -> HubListing:
        """The instrument of that symbol or id.

        Raises:
            DepthcastError: there is none, or several.
        """


class Replays(Protocol):
    """Who plays the past to clients: `depthcast.api.replay.desk.ReplayDesk`. All but `leave` may refuse."""

    def __len__(self) -> int:
        """How many replays there are."""

    def subscribe(self, client: "Client", request: "Subscribe") -> None:
        """Begin a replay; soon."""

    def carry_out(self, client: "Client", request: "ReplayRequest") -> None:
        """Pause one, or have it go on."""

    def has(self, client: "Client", name: str) -> bool:
        """Whether this is the name of a replay of the client's, or of a class of one."""

    def resync(self, client: "Client", name: str) -> None:
        """Tell a class of a replay anew."""

    def unsubscribe(self, client: "Client", name: str) -> None:
        """End a replay."""

    def leave(self, client: "Client") -> None:
        """End all of a client's."""


class SinkListener(Protocol):
    """Who is told how a connection does."""

    def on_pause(self) -> None:
        """More than the bound is held back: nothing more should be written but what cannot wait."""

    def on_drain(self) -> None:
        """What was held back has gone."""

    def on_gone(self) -> None:
        """The connection is closing: nothing may be written any more. Told once."""

    def on_lost(self) -> None:
        """The connection is no more, and its place is free. Told once, after `on_gone`."""


class Sink(Protocol):
    """Where a client's bytes go: a connection that never blocks, and tells its listener when it is full."""

    def attach(self, listener: SinkListener, buffer_bytes: int) -> Callable[[bytes], Any]:
        """Have the listener told; what takes one message, ready to be sent.

        The connection is full when it holds back more than ``buffer_bytes``.
        """

    def end(self, code: int, reason: str) -> None:
        """Close the connection in order; without order if the other side does not take that in time."""
