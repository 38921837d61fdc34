"""Every message of the stream, as docs/stream.md has them. Prices and 64-bit values are strings."""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from depthcast.api.hub.classes import Channel

__all__ = [
    "BboMessage",
    "BookSnapshot",
    "BookUpdate",
    "ErrorMessage",
    "Feed",
    "Heartbeat",
    "LevelTuple",
    "OrderChange",
    "OrdersSnapshot",
    "OrdersUpdate",
    "Pong",
    "QueueTuple",
    "Resync",
    "StatusMessage",
    "Subscribed",
    "Trade",
    "Trades",
    "Unsubscribed",
    "encode",
]

Feed = Literal["connecting", "live", "stale", "replay"]
LevelTuple = tuple[str, int, int]
"""Price, size, number of orders. In an update, size 0 removes the level."""
QueueTuple = tuple[str, int, list[tuple[str, int]]]
"""Price, size, and the orders (id, size) in priority order: none in a level that is top-of-book only."""

encode: Final = msgspec.json.Encoder().encode


class _OfClass(Struct, frozen=True, kw_only=True, tag_field="type", rename={"stream": "class"}):
    """What every message of a class begins with."""

    stream: str


class _BookState(_OfClass, frozen=True, kw_only=True):
    """When, and whether the book can be trusted. Times are ns since the epoch."""

    ts_event: str
    """Of the last completed event."""
    ts_applied: str
    """When the newest change in the message was applied here."""
    ts_send: str
    """When the message was encoded."""
    top: str
    phase: str | None
    complete: bool
    suspect: bool
    stale: bool


class BookSnapshot(_BookState, frozen=True, kw_only=True, tag="snapshot"):
    """The whole of what the class shows."""

    epoch: str
    seq: int
    bids: list[LevelTuple]
    asks: list[LevelTuple]
    checksum: int | None


class BookUpdate(_BookState, frozen=True, kw_only=True, tag="update"):
    """What has changed since ``prev_seq``: apply, cut to depth, verify."""

    prev_seq: int
    seq: int
    bids: list[LevelTuple]
    asks: list[LevelTuple]
    checksum: int | None


class BboMessage(_BookState, frozen=True, kw_only=True, tag="bbo"):
    """The best level of each side."""

    epoch: str
    prev_seq: int
    seq: int
    bid: LevelTuple | None
    ask: LevelTuple | None
    checksum: int | None


class OrdersSnapshot(_BookState, frozen=True, kw_only=True, tag="snapshot"):
    """All queues of a book."""

    epoch: str
    seq: int
    bids: list[QueueTuple]
    asks: list[QueueTuple]
    checksum: int


class OrderChange(Struct, frozen=True, kw_only=True):
    """What became of one order. After ``add`` and ``modify`` it stands at ``position`` (0 is the front)."""

    action: Literal["add", "modify", "cancel", "fill"]
    order_id: str
    side: str
    price: str
    size: int
    """Its size now; of a ``fill``, what was filled (the book changes with the cancel or modify after it)."""
    position: int | UnsetType = UNSET
    ts_event: str


class OrdersUpdate(_BookState, frozen=True, kw_only=True, tag="order"):
    """The changes of one or more events, in order; the checksum is over the queues after the last."""

    prev_seq: int
    seq: int
    orders: list[OrderChange]
    checksum: int


class Trade(Struct, frozen=True, kw_only=True):
    """One trade; ``side`` is the aggressor's, N where there is none."""

    ts_event: str
    ts_recv: str
    price: str | None
    size: int
    side: str
    sequence: int
    publisher_id: int


class Trades(_OfClass, frozen=True, kw_only=True, tag="trade"):
    """The trades since ``prev_seq``, oldest first."""

    prev_seq: int
    seq: int
    ts_applied: str
    ts_send: str
    stale: bool
    trades: list[Trade]


class StatusMessage(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="status", rename={"stream": "class"}
):
    """The state of an instrument's feed and book."""

    stream: str | UnsetType = UNSET
    instrument: str
    instrument_id: int
    dataset: str
    epoch: str
    prev_seq: int | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    ts_send: str
    feed: Feed
    age_ms: int
    """For how long the feed has been stale; 0 if it is not."""
    reason: str
    top: str
    phase: str | None
    complete: bool
    suspect: bool


class Resync(_OfClass, frozen=True, kw_only=True, tag="resync"):
    """What is held of the class is void; what follows begins anew."""

    reason: Literal["feed_reconnected", "conflated", "gap", "recovered", "requested", "seek"]


class Subscribed(_OfClass, frozen=True, kw_only=True, tag="subscribed"):
    """A subscription stands."""

    id: int | str | None
    channel: Channel
    instrument: str
    instrument_id: int
    dataset: str
    publisher: int | None
    depth: int
    rate: int
    epoch: str
    seq: int
    feed: Feed
    resumed: bool
    """The messages since the given ``since`` follow, instead of a snapshot."""


class Unsubscribed(_OfClass, frozen=True, kw_only=True, tag="unsubscribed"):
    """A subscription has ended."""

    id: int | str | None


class Heartbeat(Struct, frozen=True, kw_only=True, tag_field="type", tag="heartbeat"):
    """The last sequence number of each class of this connection."""

    ts_send: str
    epoch: str
    seq: dict[str, int]


class Pong(Struct, frozen=True, kw_only=True, tag_field="type", tag="pong"):
    """The answer to ``ping``."""

    id: int | str | None
    ts_send: str


class ErrorMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """A request that was not carried out; a ``fatal`` one ends the connection."""

    id: int | str | None
    code: str
    message: str
    fatal: bool
    available_from: str | UnsetType = UNSET
    available_until: str | UnsetType = UNSET
