"""``/books/{instrument}``: one book: its ladder, its trades, its depth, its queues."""

from dataclasses import replace
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from litestar import Request, get
from litestar.params import FromPath, PathParameter

from depthcast.api.answers import Answer, response
from depthcast.api.auth import PUBLIC, require
from depthcast.api.pages.book_view import PLAIN, levels_of, live_view, past_view, path_of
from depthcast.api.pages.depths import encoded
from depthcast.api.pages.ladder import Choices
from depthcast.api.pages.numbers import grid_of
from depthcast.api.pages.overview import tick_of
from depthcast.api.pages.past import LATEST, latest_page, past_page
from depthcast.api.pages.queue import queue_of
from depthcast.api.pages.site import Site, site_of
from depthcast.api.pages.stored import get_stored
from depthcast.api.past.answers import PastBooks
from depthcast.api.problems import ApiProblem, as_problem
from depthcast.api.selection import Books, find_listing, select
from depthcast.book.views import price_str
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.errors import BookError

__all__ = ["ROUTES"]

CHART_TRADES: Final = 1_000
_Request = Request[Any, Any, Any]
Name = Annotated[str, PathParameter(min_length=1, max_length=90)]


@get("/books/{name:str}", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_book_page(request: _Request, name: Name) -> Answer:
    """The page of a book; with ``at`` as it was then."""
    site = site_of(request)
    try:
        at = request.query_params.get("at")
        if at is not None:
            return _past_book(request, site, name, at)
        require(request, "read")
        listing = find_listing(site.services, name)
        choices = Choices.of(request.query_params, listing.publishers())
        site.board.depths.look(listing)
        return site.html(request, "book.html", **live_view(site, listing, choices))
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
    tick = grid_of(tick_of(listing), *levels_of(listing, PLAIN)).tick
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
    """The orders at a price, as a part of the book's page. ``order`` is one to be followed; with ``at`` those
    of then."""
    site = site_of(request)
    query = request.query_params
    followed = query.get("order", "")
    followed = followed if followed.isdigit() else ""
    publisher = _publisher(request)

    def answer(books: Books | PastBooks, tick: int | None) -> Answer:
        queue = queue_of(books, side, price, followed)
        depth = books.engine.depth(books.instrument_id, PLAIN.carried, books.publisher_id)
        path = path_of(f"{books.dataset}:{books.symbol or books.instrument_id}")
        asked = urlencode({each: query[each] for each in ("publisher", "at") if query.get(each)})
        grid = grid_of(tick, depth.bids, depth.asks)
        return site.html(request, "queue.html", queue=queue, grid=grid, path=path, asked=asked)

    try:
        require(request, "read")
        if query.get("at"):
            return past_page(request, site, name, query["at"], publisher, lambda past: answer(past, None))
        books = select(site.services, name, publisher)
        return answer(books, tick_of(books.listing))
    except (ApiProblem, BookError) as error:
        return site.problem(request, as_problem(error))


ROUTES: Final = (get_book_page, get_history, get_levels, get_stored, get_queue)


def _past_book(request: _Request, site: Site, name: str, at: str) -> Answer:
    if at == LATEST:
        listing = find_listing(site.services, name)
        others = {each: value for each, value in request.query_params.items() if each != "at"}
        address = f"{path_of(listing.name)}?{urlencode({**others, 'at': ''})}"
        return latest_page(request, site, listing.replica.dataset, address)

    def page(books: PastBooks) -> Answer:
        choices = Choices.of(request.query_params, books.publishers)
        if choices.publisher is None and len(books.publishers) > 1:
            choices = choices._replace(publisher=books.publishers[0])
            books = replace(books, publisher_id=books.publishers[0], statuses=books.statuses[:1])
        return site.html(request, "book.html", **past_view(site, books, choices))

    return past_page(request, site, name, at, _publisher(request), page)


def _publisher(request: _Request) -> int | None:
    """The one that is asked for; what is no number is none."""
    text = request.query_params.get("publisher", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _text(price: int | None) -> str | None:
    return None if price is None else price_str(price)
