"""Books: their levels, queues, orders, best prices, trades."""

from typing import Annotated, Any, Final, Literal

from litestar import Request, get
from litestar.params import PathParameter, QueryParameter

from depthcast.api import etags, examples
from depthcast.api.answers import DBN, Answer, book_response, data_headers
from depthcast.api.headers import header
from depthcast.api.operations import operation
from depthcast.api.payloads import (
    BboAnswer,
    BboBody,
    BookAnswer,
    BookBody,
    BookState,
    LevelAnswer,
    LevelBody,
    OrderAnswer,
    OrderBody,
    OrderState,
    TradesAnswer,
    TradesBody,
    TradeView,
)
from depthcast.api.problems import ApiProblem, invalid
from depthcast.api.routes.parameters import (
    DEFAULT_DEPTH,
    MAX_LEVELS,
    MAX_ORDERS,
    Depth,
    Instrument,
    OrderId,
    Price,
    Publisher,
    parse_price,
)
from depthcast.api.runtime import runtime_of
from depthcast.api.selection import (
    Books,
    book_info,
    book_state,
    feed_info,
    iso_or_none,
    level_view,
    select,
)
from depthcast.api.trades import Trade
from depthcast.book.types import Level
from depthcast.book.views import LevelView, OrderView, price_str
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.dbn.metadata import make_metadata

__all__ = ["ROUTES"]

DEFAULT_TRADES: Final = 100
MAX_TRADES: Final = 1_000
MAX_ORDER_ID: Final = 2**64 - 1
_BOOK_PROBLEMS: Final = (
    "unknown-instrument",
    "unknown-book",
    "ambiguous-instrument",
    "starting",
    "book-busy",
)
_ONE_BOOK: Final = (*_BOOK_PROBLEMS, "ambiguous-book")
_SIDES: Final[dict[str, Literal["B", "A"]]] = {"bid": "B", "ask": "A"}
_Request = Request[Any, Any, Any]

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_TRADES, description="The most trades that are answered.")]
Orders = Annotated[bool, QueryParameter(description="List the orders of each level, in priority order.")]
Format = Annotated[
    Literal["json", "dbn"],
    QueryParameter(description="``dbn``: the whole book as a DBN file of snapshot records."),
]


@get(
    "/books/{instrument:str}",
    **operation(
        "A book", BookAnswer, examples.BOOK, tag="Books", problems=(*_ONE_BOOK, "answer-too-large"),
        tagged=True, data=True, also={"application/octet-stream": "With format=dbn: a DBN file."},
    ),
)  # fmt: skip
def get_book(
    request: _Request,
    instrument: Instrument,
    depth: Depth = None,
    orders: Orders = False,
    publisher: Publisher = None,
    format: Format = "json",  # noqa: A002 - the parameter's name
) -> Answer:
    """The first levels of a book, best first.

    Where several publishers have a book of the instrument, theirs are added up price by price, unless
    `publisher` says whose is meant; `orders` are of one book only. `format=dbn` gives the whole book, queues
    included, as records that any reader of DBN takes; of all publishers unless one is named.
    """
    runtime = runtime_of(request)
    books = select(runtime.services, instrument, publisher)
    if format == "dbn":
        if depth is not None or orders:
            raise invalid("depth" if depth is not None else "orders", "means nothing with format=dbn")
        return _as_dbn(request, books)
    levels = DEFAULT_DEPTH if depth is None else depth
    if orders:
        books.require_one()
    encoded = runtime.bodies.get(books, ("book", levels, orders), lambda: _book(books, levels, orders=orders))
    return _respond(request, books, encoded)


@get(
    "/books/{instrument:str}/bbo",
    **operation(
        "Best bid and offer",
        BboAnswer,
        examples.BBO,
        tag="Books",
        problems=_BOOK_PROBLEMS,
        tagged=True,
        data=True,
    ),
)
def get_bbo(request: _Request, instrument: Instrument, publisher: Publisher = None) -> Answer:
    """The best level of each side; of several publishers the best of all, sizes added up."""
    runtime = runtime_of(request)
    books = select(runtime.services, instrument, publisher)
    return _respond(request, books, runtime.bodies.get(books, ("bbo",), lambda: _bbo(books)))


@get(
    "/books/{instrument:str}/levels/{side:str}/{price:str}",
    **operation(
        "The queue at a price", LevelAnswer, examples.LEVEL, tag="Books",
        problems=(*_ONE_BOOK, "answer-too-large"), tagged=True, data=True,
    ),
)  # fmt: skip
def get_level(
    request: _Request,
    instrument: Instrument,
    side: Annotated[Literal["bid", "ask"], PathParameter(description="The side.")],
    price: Price,
    publisher: Publisher = None,
) -> Answer:
    """The orders at a price, in priority order. Where there is no such level, size and count are 0.

    A level that is top-of-book only has a size and no orders.
    """
    runtime = runtime_of(request)
    number = parse_price(price)
    books = select(runtime.services, instrument, publisher)
    books.require_one()
    encoded = runtime.bodies.get(books, ("level", side, number), lambda: _level(books, _SIDES[side], number))
    return _respond(request, books, encoded)


@get(
    "/books/{instrument:str}/orders/{order_id:str}",
    **operation(
        "An order and its place", OrderAnswer, examples.ORDER, tag="Books",
        problems=(*_ONE_BOOK, "unknown-order"), tagged=True, data=True,
    ),
)  # fmt: skip
def get_order(
    request: _Request, instrument: Instrument, order_id: OrderId, publisher: Publisher = None
) -> Answer:
    """An order that rests in the book, and how many orders and how much size stand before it."""
    runtime = runtime_of(request)
    number = int(order_id)
    books = select(runtime.services, instrument, publisher)
    books.require_one()
    return _respond(
        request, books, runtime.bodies.get(books, ("order", number), lambda: _order(books, number))
    )


@get(
    "/books/{instrument:str}/trades",
    **operation(
        "The last trades",
        TradesAnswer,
        examples.TRADES,
        tag="Books",
        problems=_BOOK_PROBLEMS,
        tagged=True,
        data=True,
    ),
)
def get_trades(
    request: _Request, instrument: Instrument, limit: Limit = DEFAULT_TRADES, publisher: Publisher = None
) -> Answer:
    """The last trades, the newest first; of all publishers unless one is named."""
    runtime = runtime_of(request)
    books = select(runtime.services, instrument, publisher)
    encoded = runtime.bodies.get(
        books,
        ("trades", limit),
        lambda: TradesBody(
            book_info(books),
            _state(books),
            [_trade(each) for each in runtime.services.tape.last(books.listing, limit, books.publisher_id)],
        ),
    )
    return _respond(request, books, encoded)


ROUTES: Final = (get_book, get_bbo, get_level, get_order, get_trades)


def _respond(request: _Request, books: Books, encoded: Any) -> Answer:
    now_ns = runtime_of(request).services.clock()
    return book_response(books, encoded, now_ns, header(request.scope["headers"], b"if-none-match"))


def _book(books: Books, levels: int, *, orders: bool) -> BookBody:
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


def _bbo(books: Books) -> BboBody:
    bid, ask = books.engine.bbo(books.instrument_id, books.publisher_id)
    return BboBody(
        metadata=book_info(books),
        status=book_state(books, bid, ask),
        bid=None if bid is None else level_view(bid),
        ask=None if ask is None else level_view(ask),
        spread=None if bid is None or ask is None else price_str(ask.price - bid.price),
    )


def _level(books: Books, side: Literal["B", "A"], price: int) -> LevelBody:
    depth = books.engine.depth(books.instrument_id, 0, books.publisher_id)
    found = next((each for each in (depth.bids if side == "B" else depth.asks) if each.price == price), None)
    if found is not None and found.count > MAX_ORDERS:
        raise ApiProblem(
            "answer-too-large", f"the level has {found.count:,} orders; {MAX_ORDERS:,} are the most in JSON"
        )
    return LevelBody(
        metadata=book_info(books),
        status=_state(books),
        side=side,
        price=price_str(price),
        size=0 if found is None else found.size,
        count=0 if found is None else found.count,
        orders=[] if found is None else _queue(books, side, price),
    )


def _order(books: Books, order_id: int) -> OrderBody:
    engine, instrument_id, publisher_id = books.engine, books.instrument_id, books.publisher_id
    if order_id > MAX_ORDER_ID:
        raise ApiProblem("unknown-order", f"no order has the id {order_id}: it has more than 64 bits")
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


def _queue(books: Books, side: Literal["B", "A"], price: int) -> list[OrderView]:
    orders = books.engine.orders(books.instrument_id, side, price, books.publisher_id)
    return [OrderView(str(each.order_id), each.size, str(each.ts_event), each.sequence) for each in orders]


def _state(books: Books) -> BookState:
    bid, ask = books.engine.bbo(books.instrument_id, books.publisher_id)
    return book_state(books, bid, ask)


def _best(bids: list[Level], asks: list[Level]) -> tuple[Level | None, Level | None]:
    return bids[0] if bids else None, asks[0] if asks else None


def _as_dbn(request: _Request, books: Books) -> Answer:
    """The whole books as a DBN file: metadata and snapshot records, which the engine writes."""
    runtime, replica, listing = runtime_of(request), books.replica, books.listing
    wanted = books.publishers if books.publisher_id is None else [books.publisher_id]
    now_ns = runtime.services.clock()
    feed = feed_info(replica, now_ns)
    versions = [f"{status.publisher_id:x}.{status.records:x}" for status in books.statuses]
    tag = etags.weak("dbn", runtime.epoch, replica.generation, *versions, feed.stale_since or feed.state)
    headers = data_headers(feed, complete=books.complete, suspect=books.suspect, etag=tag)
    given = header(request.scope["headers"], b"if-none-match")
    if given is not None and etags.matches(given, tag):
        return Answer(status_code=304, headers=headers)
    newest = books.newest
    symbol = listing.symbol or str(listing.instrument_id)
    metadata = make_metadata(
        replica.dataset,
        "mbo",
        newest.ts_recv,
        end=newest.ts_recv + 1,
        mappings={symbol: listing.instrument_id},
    )
    records = b"".join(books.engine.snapshot(books.instrument_id, each) for each in wanted)
    name = "".join(letter if letter.isalnum() else "-" for letter in symbol)
    headers["Content-Disposition"] = f'attachment; filename="{name}.dbn"'
    return Answer(metadata.encode() + records, media_type=DBN, headers=headers)
