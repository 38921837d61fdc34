"""``/``: every instrument with its best prices, its last trade, and how busy it is."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from litestar import Request, get

from depthcast.api.answers import Answer
from depthcast.api.auth import PUBLIC, require
from depthcast.api.market import Listing, Market
from depthcast.api.pages.board import SPARK_HEIGHT, SPARK_WIDTH, Figures
from depthcast.api.pages.numbers import Grid, grid_of
from depthcast.api.pages.site import Site, is_fragment, market_state, site_of
from depthcast.api.problems import ApiProblem
from depthcast.api.runtime import runtime_of
from depthcast.api.trades import Trade
from depthcast.book.types import Bbo, Level
from depthcast.dbn.layout import PRICE_SCALE, UNDEF_PRICE
from depthcast.errors import BookError
from depthcast.live.replica_types import FeedState

__all__ = ["ROUTES", "Row", "listing_key", "row_of", "status_events", "tick_of"]

PAGE_ROWS: Final = 40
"""Two subscriptions each (bbo, trades), of the hundred that one connection may have."""
MOST_SORTED: Final = 2_000
"""Of more instruments than that, the first are sorted by their figures."""
_Request = Request[Any, Any, Any]


class Row(NamedTuple):
    """An instrument in the table. Prices are in 1e-9."""

    key: str
    listing: Listing
    grid: Grid
    bid: Level | None
    ask: Level | None
    last: Trade | None
    state: str
    phase: str | None
    figures: Figures
    spark: str

    @property
    def spread(self) -> int | None:
        return None if self.bid is None or self.ask is None else self.ask.price - self.bid.price

    @property
    def percent(self) -> float | None:
        """The change in percent; None of prices below zero, of which it says nothing."""
        change, first = self.figures.change, self.figures.first
        return None if change is None or first is None or first <= 0 else 100 * change / first


class Pulse(NamedTuple):
    """All feeds together. Lags are the worst feed's."""

    records_per_s: float
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    orders: int
    books: int


class Column(NamedTuple):
    """A column that can be sorted by. Where ``largest_first``, a first click shows the largest first."""

    name: str
    title: str
    value: Callable[[Row], Any]
    largest_first: bool = True
    kind: str = "number"


COLUMNS: Final = (
    Column("symbol", "Instrument", lambda row: row.listing.symbol or "", largest_first=False, kind="name"),
    Column("bid", "Bid", lambda row: row.bid and row.bid.price),
    Column("ask", "Ask", lambda row: row.ask and row.ask.price),
    Column("spread", "Spread", lambda row: row.spread, largest_first=False),
    Column("last", "Last trade", lambda row: row.last and row.last.price),
    Column("change", "Change", lambda row: row.percent),
    Column("rate", "Messages/s", lambda row: row.figures.records_per_s),
)
_BY_NAME: Final = {column.name: column for column in COLUMNS}


def listing_key(listing: Listing) -> str:
    """What stands for an instrument in identifiers of the page."""
    return f"{''.join(c if c.isalnum() else '_' for c in listing.replica.dataset)}-{listing.instrument_id}"


def tick_of(listing: Listing) -> int | None:
    """The tick its definition says, in 1e-9."""
    definition = listing.definition
    if definition is None or definition.tick_size is None:
        return None
    whole, _, fraction = definition.tick_size.partition(".")
    return int(whole) * PRICE_SCALE + int(fraction.ljust(9, "0") or "0")


def row_of(site: Site, listing: Listing) -> Row:
    """An instrument as it is now."""
    engine, number = listing.replica.engine, listing.instrument_id
    bids: Sequence[Level] = ()
    asks: Sequence[Level] = ()
    statuses = []
    try:
        publishers = listing.publishers()
        if publishers:
            one = publishers[0] if len(publishers) == 1 else None
            bids, asks = engine.depth(number, 10, one)
            statuses = [engine.status(number, each) for each in publishers]
    except BookError:
        statuses = []
    best = Bbo(bids[0] if bids else None, asks[0] if asks else None)
    trades = site.services.tape.last(listing, 1)
    phases = {status.phase for status in statuses}
    return Row(
        key=listing_key(listing),
        listing=listing,
        grid=grid_of(tick_of(listing), bids, asks),
        bid=best.bid,
        ask=best.ask,
        last=trades[0] if trades and trades[0].price != UNDEF_PRICE else None,
        state=_state(listing, best, statuses),
        phase=phases.pop() if len(phases) == 1 else None,
        figures=site.board.figures(listing),
        spark=site.board.spark(listing),
    )


def _state(listing: Listing, best: Bbo, statuses: Sequence[Any]) -> str:
    """The one word for it; the worst first."""
    if listing.replica.state is FeedState.CONNECTING:
        return "connecting"
    if listing.replica.state is FeedState.STALE:
        return "stale"
    if not statuses:
        return "no book"
    if any(status.suspect for status in statuses):
        return "suspect"
    if not all(status.complete for status in statuses):
        return "incomplete"
    if best.bid is not None and best.ask is not None and best.bid.price >= best.ask.price:
        return "crossed" if best.bid.price > best.ask.price else "locked"
    return "live"


@get("/", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_overview(request: _Request) -> Answer:
    """The table, or the part of it that a search or another order changes."""
    site = site_of(request)
    query = request.query_params
    search, sort = query.get("q", "")[:90], query.get("sort", "symbol")
    try:
        require(request, "read")
        rows, total = _found(site, search, sort, descending=query.get("dir") == "desc")
    except ApiProblem as problem:
        return site.problem(request, problem)
    return site.html(
        request,
        "market.html" if is_fragment(request) else "overview.html",
        rows=rows,
        total=total,
        search=search,
        sort=sort if sort in _BY_NAME else "symbol",
        descending=query.get("dir") == "desc",
        columns=COLUMNS,
        link=_link(search, sort, query.get("dir") == "desc"),
        events=_events(rows),
        state=market_state(site.services.market),
        replicas=site.services.market.replicas,
        datasets=site.services.market.datasets,
        spark=(SPARK_WIDTH, SPARK_HEIGHT),
        pulse=_pulse(request),
    )


@get("/market/figures", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_figures(request: _Request) -> Answer:
    """What changes slowly, of the rows asked for: changes, rates, sparklines."""
    site = site_of(request)
    text = request.query_params.get("names", "")

    def figures() -> dict[str, Any]:
        names = [name for name in text.split(",") if name]
        rows = [row_of(site, site.services.market.find(name)) for name in names[:PAGE_ROWS]]
        return {"rows": rows, "spark": (SPARK_WIDTH, SPARK_HEIGHT), "pulse": _pulse(request)}

    try:
        require(request, "read")
        return site.shared(request, "figures.html", text, figures)
    except ApiProblem as problem:
        return site.problem(request, problem)
    except BookError as error:
        return site.problem(request, ApiProblem("unknown-instrument", str(error)))


ROUTES: Final = (get_overview, get_figures)


def _found(site: Site, search: str, sort: str, *, descending: bool) -> tuple[list[Row], int]:
    """The rows of a page, and how many there are in all."""
    market = site.services.market
    found = market.search(search, MOST_SORTED) if search else market.listings()
    column = _BY_NAME.get(sort, COLUMNS[0])
    if column.name == "symbol":
        # A search's order is how well they fit: kept, unless another one is asked for.
        shown = found[::-1] if descending else found
        return [row_of(site, each) for each in shown[:PAGE_ROWS]], len(found)
    rows = [row_of(site, each) for each in found[:MOST_SORTED]]
    known = [row for row in rows if column.value(row) is not None]
    known.sort(key=column.value, reverse=descending)
    return [*known, *(row for row in rows if column.value(row) is None)][:PAGE_ROWS], len(found)


def _pulse(request: _Request) -> Pulse:
    runtime = runtime_of(request)
    replicas = runtime.services.market.replicas
    rates = [runtime.rates.of(replica) for replica in replicas]
    return Pulse(
        sum(rate.records_per_s for rate in rates),
        max((rate.lag_p50_ms for rate in rates if rate.lag_p50_ms is not None), default=None),
        max((rate.lag_p99_ms for rate in rates if rate.lag_p99_ms is not None), default=None),
        sum(replica.engine.live_orders for replica in replicas),
        sum(replica.engine.book_count for replica in replicas),
    )


def _events(rows: Sequence[Row]) -> str:
    """What the page subscribes to: best prices and trades of each row, the state of each feed."""
    names = [row.listing.name for row in rows]
    one_a_feed = {id(row.listing.replica): row.listing.name for row in rows if row.bid or row.ask}
    if not names:
        return ""
    query = {"trades": ",".join(names), "rate": "10"}
    with_book = [row.listing.name for row in rows if row.listing.publishers()]
    if with_book:  # one without would have the whole refused
        query["bbo"] = ",".join(with_book)
    if one_a_feed:
        query["status"] = ",".join(list(one_a_feed.values())[:10])
    return "/v1/events?" + urlencode(query, safe=":,")


def status_events(market: Market) -> str:
    """What a page subscribes to that shows how the feeds are, and no book; empty while no book is known."""
    names = []
    for replica in market.replicas:
        keys = replica.engine.books()
        if keys:
            number = keys[0].instrument_id
            names.append(Listing(replica, number, replica.symbols.get(number)).name)
    return "/v1/events?" + urlencode({"status": ",".join(names[:10])}, safe=":,") if names else ""


def _link(search: str, sort: str, descending: bool) -> Callable[[Column], str]:
    """Where a click on a column's title leads: to its order, or if it has that, to the reverse."""

    def link(column: Column) -> str:
        down = not descending if column.name == sort else column.largest_first
        query = {"sort": column.name, "dir": "desc" if down else "asc"}
        return "/?" + urlencode({**({"q": search} if search else {}), **query})

    return link
