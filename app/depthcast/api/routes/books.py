"""Books: their levels, queues, orders, best prices, trades."""

from typing import Annotated, Any, Final, Literal

from litestar import Request, get
from litestar.params import PathParameter, QueryParameter

from depthcast.api import etags, examples
from depthcast.api.answers import DBN, Answer, book_response, data_headers
from depthcast.api.bodies import (
    bbo_body,
    book_body,
    dbn_file,
    level_body,
    order_body,
    trades_body,
)
from depthcast.api.headers import header
from depthcast.api.operations import operation
from depthcast.api.past.answers import PAST_PROBLEMS, PastBooks, past_answer, past_file
from depthcast.api.payloads import (
    BboAnswer,
    BookAnswer,
    BookBody,
    LevelAnswer,
    LevelBody,
    OrderAnswer,
    OrderBody,
    TradesAnswer,
)
from depthcast.api.problems import invalid
from depthcast.api.routes.parameters import (
    DEFAULT_DEPTH,
    At,
    Depth,
    Instrument,
    OrderId,
    Price,
    Publisher,
    parse_order_id,
    parse_price,
)
from depthcast.api.runtime import runtime_of
from depthcast.api.selection import Books, feed_info, select
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.errors import UnknownOrderError

__all__ = ["ROUTES"]

DEFAULT_TRADES: Final = 100
MAX_TRADES: Final = 1_000
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
        "A book", BookAnswer, examples.BOOK, tag="Books",
        problems=(*_ONE_BOOK, "answer-too-large", *PAST_PROBLEMS), past=True, tagged=True, data=True,
        also={"application/octet-stream": "With format=dbn: a DBN file."},
    ),
)  # fmt: skip
def get_book(
    request: _Request,
    instrument: Instrument,
    depth: Depth = None,
    orders: Orders = False,
    publisher: Publisher = None,
    at: At = None,
    format: Format = "json",  # noqa: A002 - the parameter's name
) -> Answer:
    """The first levels of a book, best first.

    Where several publishers have a book of the instrument, theirs are added up price by price, unless
    `publisher` says whose is meant; `orders` are of one book only. `format=dbn` gives the whole book, queues
    included, as records that any reader of DBN takes; of all publishers unless one is named.

    With `at` it is the book of that time, from the journal, exactly as it was, be it inside an event; such an
    answer never changes.
    """
    if format == "dbn" and (depth is not None or orders):
        raise invalid("depth" if depth is not None else "orders", "means nothing with format=dbn")
    levels = DEFAULT_DEPTH if depth is None else depth
    if at is not None:
        if format == "dbn":
            return past_file(request, instrument, at, publisher)
        return past_answer(
            request, instrument, at, publisher, lambda past: _past_body(past, levels, orders=orders)
        )
    runtime = runtime_of(request)
    books = select(runtime.services, instrument, publisher)
    if format == "dbn":
        return _as_dbn(request, books)
    if orders:
        books.require_one()
    encoded = runtime.bodies.get(
        books, ("book", levels, orders), lambda: book_body(books, levels, orders=orders)
    )
    return _respond(request, books, encoded)


@get(
    "/books/{instrument:str}/bbo",
    **operation(
        "Best bid and offer",
        BboAnswer,
        examples.BBO,
        tag="Books",
        problems=(*_BOOK_PROBLEMS, *PAST_PROBLEMS),
        past=True,
        tagged=True,
        data=True,
    ),
)
def get_bbo(request: _Request, instrument: Instrument, publisher: Publisher = None, at: At = None) -> Answer:
    """The best level of each side; of several publishers the best of all, sizes added up."""
    if at is not None:
        return past_answer(request, instrument, at, publisher, bbo_body)
    runtime = runtime_of(request)
    books = select(runtime.services, instrument, publisher)
    return _respond(request, books, runtime.bodies.get(books, ("bbo",), lambda: bbo_body(books)))


@get(
    "/books/{instrument:str}/levels/{side:str}/{price:str}",
    **operation(
        "The queue at a price", LevelAnswer, examples.LEVEL, tag="Books",
        problems=(*_ONE_BOOK, "answer-too-large", *PAST_PROBLEMS), past=True, tagged=True, data=True,
    ),
)  # fmt: skip
def get_level(
    request: _Request,
    instrument: Instrument,
    side: Annotated[Literal["bid", "ask"], PathParameter(description="The side.")],
    price: Price,
    publisher: Publisher = None,
    at: At = None,
) -> Answer:
    """The orders at a price, in priority order. Where there is no such level, size and count are 0.

    A level that is top-of-book only has a size and no orders.
    """
    number = parse_price(price)
    if number == UNDEF_PRICE:
        raise invalid("price", "is DBN's mark of no price", where="path")
    if at is not None:
        return past_answer(
            request, instrument, at, publisher, lambda past: _past_level(past, _SIDES[side], number)
        )
    runtime = runtime_of(request)
    books = select(runtime.services, instrument, publisher)
    books.require_one()
    encoded = runtime.bodies.get(
        books, ("level", side, number), lambda: level_body(books, _SIDES[side], number)
    )
    return _respond(request, books, encoded)


@get(
    "/books/{instrument:str}/orders/{order_id:str}",
    **operation(
        "An order and its place", OrderAnswer, examples.ORDER, tag="Books",
        problems=(*_ONE_BOOK, "unknown-order", *PAST_PROBLEMS), past=True, tagged=True, data=True,
    ),
)  # fmt: skip
def get_order(
    request: _Request,
    instrument: Instrument,
    order_id: OrderId,
    publisher: Publisher = None,
    at: At = None,
) -> Answer:
    """An order that rests in the book, and how many orders and how much size stand before it."""
    number = parse_order_id(order_id)
    if at is not None:
        return past_answer(request, instrument, at, publisher, lambda past: _past_order(past, number))
    runtime = runtime_of(request)
    books = select(runtime.services, instrument, publisher)
    books.require_one()
    try:
        encoded = runtime.bodies.get(books, ("order", number), lambda: order_body(books, number))
    except UnknownOrderError as error:
        raise books.not_there(error, runtime.services.clock()) from None
    return _respond(request, books, encoded)


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
    books = select(runtime.services, instrument, publisher, between_events=False)
    tape = runtime.services.tape
    encoded = runtime.bodies.get(
        books,
        ("trades", limit),
        lambda: trades_body(books, tape.last(books.listing, limit, books.publisher_id)),
    )
    return _respond(request, books, encoded)


ROUTES: Final = (get_book, get_bbo, get_level, get_order, get_trades)


def _past_body(books: PastBooks, levels: int, *, orders: bool) -> BookBody:
    if orders:
        books.require_one()
    return book_body(books, levels, orders=orders)


def _past_level(books: PastBooks, side: Literal["B", "A"], price: int) -> LevelBody:
    books.require_one()
    return level_body(books, side, price)


def _past_order(books: PastBooks, order_id: int) -> OrderBody:
    books.require_one()
    return order_body(books, order_id)


def _respond(request: _Request, books: Books, encoded: Any) -> Answer:
    now_ns = runtime_of(request).services.clock()
    return book_response(books, encoded, now_ns, header(request.scope["headers"], b"if-none-match"))


def _as_dbn(request: _Request, books: Books) -> Answer:
    """The whole books as a DBN file."""
    runtime, replica, listing = runtime_of(request), books.replica, books.listing
    now_ns = runtime.services.clock()
    feed = feed_info(replica, now_ns)
    versions = [f"{status.publisher_id:x}.{status.records:x}" for status in books.statuses]
    symbol = listing.symbol or str(listing.instrument_id)
    named = f"{listing.instrument_id:x}-{etags.of_content(symbol.encode())}"
    tag = etags.weak(
        "dbn", runtime.epoch, replica.generation, named, *versions, feed.stale_since or feed.state
    )
    headers = data_headers(feed, complete=books.complete, suspect=books.suspect, etag=tag)
    given = header(request.scope["headers"], b"if-none-match")
    if given is not None and etags.matches(given, tag):
        return Answer(status_code=304, headers=headers)
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in symbol)
    headers["Content-Disposition"] = f'attachment; filename="{name}.dbn"'
    return Answer(dbn_file(books), media_type=DBN, headers=headers)
