"""What the answers about books hold: levels, queues, orders, trades, as the engine has them now."""

from collections.abc import Iterable
from typing import Final, Literal

from depthcast.api.payloads import (
    BboBody,
    BookBody,
    BookState,
    LevelBody,
    OrderBody,
    OrderState,
    TradesBody,
    TradeView,
)
from depthcast.api.problems import ApiProblem
from depthcast.api.selection import ShownBooks, book_info, book_state, iso_or_none, level_view, newest_of
from depthcast.api.trades import Trade
from depthcast.book.types import Level, Order
from depthcast.book.views import LevelView, OrderView, price_str
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.dbn.metadata import make_metadata
from depthcast.errors import UnknownOrderError

__all__ = [
    "MAX_LEVELS",
    "MAX_ORDERS",
    "bbo_body",
    "book_body",
    "dbn_file",
    "level_body",
    "order_body",
    "trades_body",
]

MAX_LEVELS: Final = 10_000
"""Of each side, in one JSON answer."""
MAX_ORDERS: Final = 10_000
"""In one JSON answer."""
_MAX_ORDER_ID: Final = 2**64 - 1


def book_body(books: ShownBooks, levels: int, *, orders: bool) -> BookBody:
    """The first ``levels`` of both sides, 0 for all; with ``orders`` of one book only.

    Raises:
        ApiProblem: too many levels or orders for JSON.
    """
    engine, instrument_id, publisher_id = books.engine, books.instrument_id, books.publisher_id
    if levels == 0 and any(status.levels > 2 * MAX_LEVELS for status in books.statuses):
        raise ApiProblem(
            "answer-too-large", f"the book has more than {2 * MAX_LEVELS:,} levels; ask for fewer, or for DBN"
        )
    depth = engine.depth(instrument_id, levels, publisher_id)
    if orders:
        count = sum(level.count for level in depth.bids) + sum(level.count for level in depth.asks)
        if count > MAX_ORDERS:
            raise ApiProblem(
                "answer-too-large",
                f"these levels have {count:,} orders; {MAX_ORDERS:,} are the most in JSON: ask for fewer "
                "levels, or for format=dbn",
            )

    def views(side: Literal["B", "A"], found: list[Level]) -> list[LevelView]:
        if not orders:
            return [level_view(level) for level in found]
        return [
            LevelView(price_str(level.price), level.size, level.count, _queue(books, side, level.price))
            for level in found
        ]

    return BookBody(
        metadata=book_info(books),
        status=book_state(books, *_best(depth.bids, depth.asks)),
        bids=views("B", depth.bids),
        asks=views("A", depth.asks),
        checksum=None if publisher_id is None else engine.checksum(instrument_id, levels, publisher_id),
    )


def bbo_body(books: ShownBooks) -> BboBody:
    """The best level of each side."""
    bid, ask = books.engine.bbo(books.instrument_id, books.publisher_id)
    return BboBody(
        metadata=book_info(books),
        status=book_state(books, bid, ask),
        bid=None if bid is None else level_view(bid),
        ask=None if ask is None else level_view(ask),
        spread=None if bid is None or ask is None else price_str(ask.price - bid.price),
    )


def level_body(books: ShownBooks, side: Literal["B", "A"], price: int) -> LevelBody:
    """The queue at a price of one book.

    Raises:
        ApiProblem: too many orders for JSON.
    """
    orders = books.engine.orders(books.instrument_id, side, price, books.publisher_id)
    if len(orders) > MAX_ORDERS:
        raise ApiProblem(
            "answer-too-large", f"the level has {len(orders):,} orders; {MAX_ORDERS:,} are the most in JSON"
        )
    size = sum(order.size for order in orders)
    if not orders:  # there may be a level that is top-of-book only: the best one of its side
        bid, ask = books.engine.bbo(books.instrument_id, books.publisher_id)
        best = bid if side == "B" else ask
        size = best.size if best is not None and best.price == price else 0
    return LevelBody(
        metadata=book_info(books),
        status=_state(books),
        side=side,
        price=price_str(price),
        size=size,
        count=len(orders),
        orders=_views(orders),
    )


def order_body(books: ShownBooks, order_id: int) -> OrderBody:
    """An order of one book and its place.

    Raises:
        UnknownOrderError: it does not rest there.
    """
    engine, instrument_id, publisher_id = books.engine, books.instrument_id, books.publisher_id
    if order_id > _MAX_ORDER_ID:
        raise UnknownOrderError(f"no order has the id {order_id}: it has more than 64 bits")
    place = engine.queue_position(order_id, instrument_id, publisher_id)
    side: Literal["B", "A"] = "B" if place.side == "B" else "A"
    order = engine.orders(instrument_id, side, place.price, publisher_id)[place.orders_ahead]
    return OrderBody(
        metadata=book_info(books),
        status=_state(books),
        order=OrderState(
            order_id=str(order_id),
            state="resting",
            side=side,
            price=price_str(place.price),
            size=place.size,
            ts_event=str(order.ts_event),
            sequence=order.sequence,
            orders_ahead=place.orders_ahead,
            size_ahead=place.size_ahead,
        ),
    )


def trades_body(books: ShownBooks, trades: Iterable[Trade]) -> TradesBody:
    """Trades of these books."""
    return TradesBody(book_info(books), _state(books), [_trade(each) for each in trades])


def dbn_file(books: ShownBooks) -> bytes:
    """The whole books as a DBN file: metadata and snapshot records, which the engine writes."""
    newest = newest_of(books.statuses)
    symbol = books.symbol or str(books.instrument_id)
    metadata = make_metadata(
        books.dataset,
        "mbo",
        newest.ts_recv,
        end=newest.ts_recv + 1,
        mappings={symbol: books.instrument_id},
    )
    wanted = books.publishers if books.publisher_id is None else [books.publisher_id]
    records = [books.engine.snapshot(books.instrument_id, each) for each in wanted]
    return b"".join([metadata.encode(), *records])


def _trade(trade: Trade) -> TradeView:
    return TradeView(
        publisher_id=trade.publisher_id,
        ts_event=str(trade.ts_event),
        ts_event_iso=iso_or_none(trade.ts_event),
        ts_recv=str(trade.ts_recv),
        price=None if trade.price == UNDEF_PRICE else price_str(trade.price),
        size=trade.size,
        side=trade.side,
        sequence=trade.sequence,
    )


def _queue(books: ShownBooks, side: Literal["B", "A"], price: int) -> list[OrderView]:
    return _views(books.engine.orders(books.instrument_id, side, price, books.publisher_id))


def _views(orders: list[Order]) -> list[OrderView]:
    return [OrderView(str(each.order_id), each.size, str(each.ts_event), each.sequence) for each in orders]


def _state(books: ShownBooks) -> BookState:
    bid, ask = books.engine.bbo(books.instrument_id, books.publisher_id)
    return book_state(books, bid, ask)


def _best(bids: list[Level], asks: list[Level]) -> tuple[Level | None, Level | None]:
    return bids[0] if bids else None, asks[0] if asks else None
