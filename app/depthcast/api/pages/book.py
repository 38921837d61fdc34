"""``/books/{instrument}``: one book: its ladder, its trades, its depth, its queues."""

from typing import Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import quote, urlencode

from litestar import Request, get
from litestar.params import FromPath, PathParameter

from depthcast.api.answers import Answer, response
from depthcast.api.auth import PUBLIC, require
from depthcast.api.market import Listing
from depthcast.api.pages.numbers import Grid, grid_of
from depthcast.api.pages.overview import Row, listing_key, row_of, tick_of
from depthcast.api.pages.queue import queue_of
from depthcast.api.pages.site import Site, site_of
from depthcast.api.problems import ApiProblem, as_problem
from depthcast.api.selection import find_listing, select
from depthcast.book.types import Level
from depthcast.book.views import price_str
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.errors import BookError

__all__ = ["ROUTES"]

LADDER_ROWS: Final = 31
DEPTH: Final = 50
RATE: Final = 20
TAPE_ROWS: Final = 40
CHART_TRADES: Final = 400
_Request = Request[Any, Any, Any]
Name = Annotated[str, PathParameter(min_length=1, max_length=90)]


class Rung(NamedTuple):
    """A row of the ladder."""

    price: int
    bid: Level | None
    ask: Level | None


def ladder(grid: Grid, bids: list[Level], asks: list[Level], rows: int = LADDER_ROWS) -> list[Rung]:
    """The rows around the middle of a book, a tick apart, the highest price first.

    An empty side counts as the other one; of an empty book there are no rows.
    """
    best = [side[0].price for side in (bids, asks) if side]
    if not best:
        return []
    middle = sum(best) // len(best) // grid.tick
    by_price = ({level.price: level for level in bids}, {level.price: level for level in asks})
    prices = [(middle + rows // 2 - index) * grid.tick for index in range(rows)]
    return [Rung(price, by_price[0].get(price), by_price[1].get(price)) for price in prices]


@get("/books/{name:str}", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_book_page(request: _Request, name: Name) -> Answer:
    """The page of a book."""
    site = site_of(request)
    try:
        require(request, "read")
        listing = find_listing(site.services, name)
        return site.html(request, "book.html", **_book(site, listing))
    except (ApiProblem, BookError) as error:
        return site.problem(request, as_problem(error))


@get("/books/{name:str}/history", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_history(request: _Request, name: Name) -> Answer:
    """The last minutes for the price picture: seconds, bids, asks; trades with their time, price and side."""
    site = site_of(request)
    require(request, "read")
    listing = find_listing(site.services, name)
    samples = site.board.history(listing)
    trades = [
        [trade.ts_event / 1e9, price_str(trade.price), trade.size, trade.side]
        for trade in site.services.tape.last(listing, CHART_TRADES)[::-1]
        if trade.price != UNDEF_PRICE
    ]
    payload = {
        "ts": [round(sample.ts_event / 1e9, 3) for sample in samples],
        "bid": [_text(sample.bid) for sample in samples],
        "ask": [_text(sample.ask) for sample in samples],
        "trades": trades,
    }
    return response(payload, headers={"Cache-Control": "no-store"})


@get(
    "/books/{name:str}/queue/{side:str}/{price:str}",
    include_in_schema=False,
    opt={"scope": PUBLIC},
    sync_to_thread=False,
)
def get_queue(
    request: _Request,
    name: Name,
    side: FromPath[Literal["bid", "ask"]],
    price: Annotated[str, PathParameter(pattern=r"^-?[0-9]{1,10}(\.[0-9]{1,9})?$")],
) -> Answer:
    """The orders at a price, as a part of the book's page. ``order`` is one to be followed."""
    site = site_of(request)
    followed = request.query_params.get("order", "")
    try:
        require(request, "read")
        books = select(site.services, name, None)
        queue = queue_of(books, side, price, followed if followed.isdigit() else "")
    except (ApiProblem, BookError) as error:
        return site.problem(request, as_problem(error))
    grid = grid_of(tick_of(books.listing), *_levels(books.listing))
    return site.html(request, "queue.html", queue=queue, grid=grid, path=_path(books.listing))


ROUTES: Final = (get_book_page, get_history, get_queue)


def _book(site: Site, listing: Listing) -> dict[str, Any]:
    """What the page's template is given."""
    row: Row = row_of(site, listing)
    bids, asks = _levels(listing)
    grid = grid_of(tick_of(listing), bids, asks)
    trades = [each for each in site.services.tape.last(listing, TAPE_ROWS) if each.price != UNDEF_PRICE]
    return {
        "row": row,
        "listing": listing,
        "definition": listing.definition,
        "grid": grid,
        "ladder": ladder(grid, bids, asks),
        "trades": trades,
        "state": row.state,
        "key": listing_key(listing),
        "path": _path(listing),
        "events": _events(listing),
        "publishers": listing.publishers(),
        "depth": DEPTH,
        "tape_rows": TAPE_ROWS,
        "ladder_rows": LADDER_ROWS,
    }


def _levels(listing: Listing) -> tuple[list[Level], list[Level]]:
    publishers = listing.publishers()
    if not publishers:
        return [], []
    one = publishers[0] if len(publishers) == 1 else None
    depth = listing.replica.engine.depth(listing.instrument_id, DEPTH, one)
    return depth.bids, depth.asks


def _path(listing: Listing) -> str:
    return f"/books/{quote(listing.name, safe=':')}"


def _events(listing: Listing) -> str:
    """What the page subscribes to."""
    name = listing.name
    query = {"book": name, "trades": name, "status": name, "depth": DEPTH, "rate": RATE}
    return "/v1/events?" + urlencode(query, safe=":")


def _text(price: int | None) -> str | None:
    return None if price is None else price_str(price)
