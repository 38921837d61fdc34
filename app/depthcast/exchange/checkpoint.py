"""The state of an exchange as plain data: small, versioned, safe to read back.

The random streams are counters, so a checkpoint is those, the clock, and the orders; restoring it and going
on gives the same bytes as never having stopped.
"""

import zlib
from struct import Struct
from typing import Final

import msgspec

from depthcast.errors import UsageError
from depthcast.exchange.emit_top import Quote, TopEmitter
from depthcast.exchange.listing import Listing
from depthcast.exchange.matching import ASK, BID, Order
from depthcast.exchange.params import ExchangeParams, Phase

__all__ = ["ExchangeState", "ListingState", "decode", "encode", "listing_state", "restore_listing"]

FORMAT: Final = 1
"""Changes with anything that makes an old checkpoint give other bytes."""

CRC: Final = Struct("<I")

OrderRow = tuple[int, int, int, int, int, int, int, int]
"""order_id, side, price, size, hidden, peak, ts_event, sequence."""


class QuoteState(msgspec.Struct, frozen=True, array_like=True):
    """What a venue of best prices has published."""

    on: bool
    published: list[Quote | None]
    stamps: list[tuple[int, int]]


class ListingState(msgspec.Struct, frozen=True, array_like=True):
    """A book. ``queues`` holds each level's orders in priority order, as indices into ``orders``."""

    opened: bool
    phase: Phase
    span: int
    price: int
    taker: OrderRow | None
    taker_rests: bool
    expiring: list[int]
    orders: list[OrderRow]
    queues: list[list[int]]
    quotes: QuoteState | None


class Version(msgspec.Struct, frozen=True, array_like=True):
    """What every format begins with."""

    format: int


class ExchangeState(msgspec.Struct, frozen=True, array_like=True):
    """A whole exchange, between two events."""

    format: int
    params: ExchangeParams
    clock: tuple[int, int, int]
    """ts_event, ts_recv and ts_in_delta of the last record."""
    records: int
    flow_ns: int
    idle: int
    chance: int
    """Numbers drawn of the stream of rare choices."""
    messages: tuple[int, int, tuple[int, int, int]]
    """The block, the place in it, the burst that reaches into it."""
    todo: list[tuple[int, int]]
    calendar: list[tuple[int, int, int]]
    venues: list[tuple[int, int]]
    """The last order id and message number of each."""
    listings: list[ListingState]


def encode(state: ExchangeState) -> bytes:
    """The state as bytes, their CRC-32 in front."""
    data = msgspec.msgpack.encode(state)
    return CRC.pack(zlib.crc32(data)) + data


def decode(data: bytes) -> ExchangeState:
    """The state that `encode` made bytes of.

    Raises:
        UsageError: it is none, is damaged, or is of another version.
    """
    if len(data) < CRC.size or CRC.unpack_from(data)[0] != zlib.crc32(data[CRC.size :]):
        raise UsageError("not a checkpoint of a simulated exchange, or a damaged one")
    try:
        version = msgspec.msgpack.decode(data[CRC.size :], type=Version).format
        if version != FORMAT:
            raise UsageError(f"a checkpoint of format {version}; this version reads format {FORMAT}")
        return msgspec.msgpack.decode(data[CRC.size :], type=ExchangeState)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UsageError(f"not a checkpoint of a simulated exchange: {error}") from error


def listing_state(listing: Listing) -> ListingState:
    """The state of a book."""
    engine, emitter = listing.engine, listing.emitter
    queues = [[order.slot for order in orders] for side in (BID, ASK) for _, orders in engine.queues(side)]
    quotes = None
    if isinstance(emitter, TopEmitter):
        quotes = QuoteState(emitter.on, list(emitter.published), list(emitter.stamps))
    return ListingState(
        opened=listing.opened,
        phase=listing.phase,
        span=listing.span,
        price=listing.price,
        taker=None if listing.taker is None else _row(listing.taker),
        taker_rests=listing.taker_rests,
        expiring=list(listing.expiring),
        orders=[_row(order) for order in engine.live],
        queues=queues,
        quotes=quotes,
    )


def restore_listing(listing: Listing, state: ListingState) -> None:
    """Put ``state`` into a new listing of the same venue and instrument."""
    engine, emitter = listing.engine, listing.emitter
    orders = [_order(row) for row in state.orders]
    for queue in state.queues:
        for slot in queue:
            engine.rest(orders[slot])
    engine.live[:] = orders
    for slot, order in enumerate(orders):
        order.slot = slot
    listing.opened, listing.phase, listing.span = state.opened, state.phase, state.span
    listing.price = state.price
    listing.taker = None if state.taker is None else _order(state.taker)
    listing.taker_rests = state.taker_rests
    listing.expiring = list(state.expiring)
    if isinstance(emitter, TopEmitter) and state.quotes is not None:
        emitter.on = state.quotes.on
        emitter.published = list(state.quotes.published)
        emitter.stamps = list(state.quotes.stamps)


def _row(order: Order) -> OrderRow:
    return (
        order.order_id,
        order.side,
        order.price,
        order.size,
        order.hidden,
        order.peak,
        order.ts_event,
        order.sequence,
    )


def _order(row: OrderRow) -> Order:
    order_id, side, price, size, hidden, peak, ts_event, sequence = row
    order = Order(order_id, side, price, size, hidden)
    order.peak, order.ts_event, order.sequence = peak, ts_event, sequence
    return order
