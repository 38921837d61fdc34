"""``/books/{instrument}``: one book: its ladder, its trades, its depth, its queues."""

from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlencode

from litestar import Request, get
from litestar.params import FromPath, PathParameter

from depthcast.api.answers import Answer, response
from depthcast.api.auth import PUBLIC, require
from depthcast.api.market import Listing
from depthcast.api.pages.depths import encoded
from depthcast.api.pages.ladder import DEPTHS, GROUPS, MINUTES, Choices, Rung, grouped, ladder
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

RATE: Final = 20
TAPE_ROWS: Final = 40
CHART_TRADES: Final = 1_000
PLAIN: Final = Choices()
_Request = Request[Any, Any, Any]
Name = Annotated[str, PathParameter(min_length=1, max_length=90)]


@get("/books/{name:str}", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_book_page(request: _Request, name: Name) -> Answer:
    """The page of a book."""
    site = site_of(request)
    try:
        require(request, "read")
        listing = find_listing(site.services, name)
        choices = Choices.of(request.query_params, listing.publishers())
        site.board.depths.look(listing)
        return site.html(request, "book.html", **_book(site, listing, choices))
    except (ApiProblem, BookError) as error:
        return site.problem(request, as_problem(error))


@get("/books/{name:str}/history", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_history(request: _Request, name: Name) -> Answer:
    """The last minutes for the price picture: seconds, bids, asks; trades with their time, price and side.

    Samples are of all publishers together: where one of several is asked for, there are none.
    """
    site = site_of(request)
    require(request, "read")
    listing = find_listing(site.services, name)
    publisher = Choices.of(request.query_params, listing.publishers()).publisher
    several = publisher is not None and len(listing.publishers()) > 1
    samples = [] if several else site.board.history(listing)
    trades = [
        [trade.ts_event / 1e9, price_str(trade.price), trade.size, trade.side]
        for trade in site.services.tape.last(listing, CHART_TRADES, publisher)[::-1]
        if trade.price != UNDEF_PRICE
    ]
    payload = {
        "ts": [round(sample.ts_event / 1e9, 3) for sample in samples],
        "bid": [_text(sample.bid) for sample in samples],
        "ask": [_text(sample.ask) for sample in samples],
        "trades": trades,
    }
    return response(payload, headers={"Cache-Control": "no-store"})


@get("/books/{name:str}/levels", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_levels(request: _Request, name: Name) -> Answer:
    """The last minutes for the heat map: ms, and the sides' sizes by tick (`pages.depths.encoded`).

    Of all publishers together; samples with prices off the tick are left out.
    """
    site = site_of(request)
    require(request, "read")
    listing = find_listing(site.services, name)
    samples = site.board.depths.history(listing)
    tick = grid_of(tick_of(listing), *_levels(listing, PLAIN)).tick
    known = [
        [sample.ts_event // 1_000_000, bids, asks]
        for sample in samples
        if (bids := encoded(sample.bids, tick)) is not None
        and (asks := encoded(sample.asks, tick)) is not None
    ]
    return site.data(request, {"tick": str(tick), "samples": known})


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
        publisher = Choices.of(request.query_params, find_listing(site.services, name).publishers()).publisher
        books = select(site.services, name, publisher)
        queue = queue_of(books, side, price, followed if followed.isdigit() else "")
    except (ApiProblem, BookError) as error:
        return site.problem(request, as_problem(error))
    grid = grid_of(tick_of(books.listing), *_levels(books.listing, PLAIN))
    asked = "" if publisher is None else f"&publisher={publisher}"
    return site.html(request, "queue.html", queue=queue, grid=grid, path=_path(books.listing), asked=asked)


ROUTES: Final = (get_book_page, get_history, get_levels, get_queue)


def _book(site: Site, listing: Listing, choices: Choices) -> dict[str, Any]:
    """What the page's template is given."""
    row: Row = row_of(site, listing)
    bids, asks = _levels(listing, choices)
    grid = grid_of(tick_of(listing), bids, asks)
    last = site.services.tape.last(listing, TAPE_ROWS, choices.publisher)
    return {
        "row": row,
        "bid": bids[0] if bids else None,
        "ask": asks[0] if asks else None,
        "listing": listing,
        "definition": listing.definition,
        "grid": grid,
        "ladder": _rungs(grid, bids, asks, choices),
        "trades": [each for each in last if each.price != UNDEF_PRICE],
        "state": row.state,
        "key": listing_key(listing),
        "path": _path(listing),
        "events": _events(listing, choices),
        "publishers": listing.publishers(),
        "choices": choices,
        "plain": PLAIN,
        "groups": GROUPS,
        "depths": DEPTHS,
        "minutes": MINUTES,
        "tape_rows": TAPE_ROWS,
    }


def _rungs(grid: Grid, bids: list[Level], asks: list[Level], choices: Choices) -> list[Rung]:
    step = grid.tick * choices.group
    if choices.group > 1:
        bids, asks = grouped(bids, step, ask=False), grouped(asks, step, ask=True)
    return ladder(Grid(step, grid.decimals), bids, asks, choices.rows)


def _levels(listing: Listing, choices: Choices) -> tuple[list[Level], list[Level]]:
    publishers = listing.publishers()
    if not publishers:
        return [], []
    one = choices.publisher if choices.publisher is not None or len(publishers) > 1 else publishers[0]
    depth = listing.replica.engine.depth(listing.instrument_id, choices.carried, one)
    return depth.bids, depth.asks


def _path(listing: Listing) -> str:
    return f"/books/{quote(listing.name, safe=':')}"


def _events(listing: Listing, choices: Choices) -> str:
    """What the page subscribes to."""
    name = listing.name
    query = {"book": name, "trades": name, "status": name, "depth": choices.carried, "rate": RATE}
    if choices.publisher is not None:
        query["publisher"] = choices.publisher
    return "/v1/events?" + urlencode(query, safe=":")


def _text(price: int | None) -> str | None:
    return None if price is None else price_str(price)
