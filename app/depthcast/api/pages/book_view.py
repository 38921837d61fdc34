"""What the page of a book shows, of now or of the past, as its template is given it."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from depthcast.api.definitions import DefinitionView
from depthcast.api.market import Listing
from depthcast.api.pages.ladder import DEPTHS, GROUPS, MINUTES, Choices, Rung, grouped, ladder
from depthcast.api.pages.numbers import Grid, grid_of
from depthcast.api.pages.overview import row_of, tick_of
from depthcast.api.pages.site import Site
from depthcast.api.past.answers import PastBooks
from depthcast.api.selection import find_listing
from depthcast.api.trades import Trade
from depthcast.book.types import Level
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.errors import BookError

__all__ = ["PLAIN", "levels_of", "live_view", "past_view", "path_of"]

RATE: Final = 20
TAPE_ROWS: Final = 40
PLAIN: Final = Choices()


class Subject(NamedTuple):
    """Whose page it is."""

    dataset: str
    symbol: str | None
    instrument_id: int
    definition: DefinitionView | None
    publishers: list[int]

    @property
    def title(self) -> str:
        return self.symbol or str(self.instrument_id)

    @property
    def name(self) -> str:
        """What the API knows it by."""
        return f"{self.dataset}:{self.title}"


def live_view(site: Site, listing: Listing, choices: Choices) -> dict[str, Any]:
    """A book as it is now."""
    row = row_of(site, listing)
    subject = Subject(
        listing.replica.dataset,
        listing.symbol,
        listing.instrument_id,
        listing.definition,
        listing.publishers(),
    )
    bids, asks = levels_of(listing, choices)
    grid = grid_of(tick_of(listing), bids, asks)
    last = site.services.tape.last(listing, TAPE_ROWS, choices.publisher)
    trades = [each for each in last if each.price != UNDEF_PRICE]
    return {
        **_shown(subject, grid, bids, asks, choices),
        "trades": trades,
        "state": row.state,
        "phase": row.phase,
        "events": _events(subject, choices),
        "at": "",
        "has_past": site.services.past is not None,
        "has_history": site.services.history is not None,
    }


def past_view(site: Site, books: PastBooks, choices: Choices) -> dict[str, Any]:
    """A book as it was; of several publishers the first one's, if none is chosen: a replay has them apart."""
    try:
        listing = find_listing(site.services, f"{books.dataset}:{books.symbol or books.instrument_id}")
    except BookError:
        listing = None  # it is no more; or its feed is none of ours
    definition = None if listing is None else listing.definition
    subject = Subject(books.dataset, books.symbol, books.instrument_id, definition, books.publishers)
    depth = books.engine.depth(books.instrument_id, choices.carried, books.publisher_id)
    grid = grid_of(None if listing is None else tick_of(listing), depth.bids, depth.asks)
    phases = {status.phase for status in books.statuses}
    trades: list[Trade] = []
    return {
        **_shown(subject, grid, depth.bids, depth.asks, choices),
        "trades": trades,
        "state": "past",
        "phase": phases.pop() if len(phases) == 1 else None,
        "events": "",
        "at": str(books.at),
        "has_past": True,
        "has_history": False,
    }


def levels_of(listing: Listing, choices: Choices) -> tuple[list[Level], list[Level]]:
    """A book's levels as many as the stream carries; nothing where there is no book yet."""
    publishers = listing.publishers()
    if not publishers:
        return [], []
    one = choices.publisher if choices.publisher is not None or len(publishers) > 1 else publishers[0]
    depth = listing.replica.engine.depth(listing.instrument_id, choices.carried, one)
    return depth.bids, depth.asks


def path_of(name: str) -> str:
    """The address of an instrument's page."""
    return f"/books/{quote(name, safe=':')}"


def _shown(
    subject: Subject, grid: Grid, bids: Sequence[Level], asks: Sequence[Level], choices: Choices
) -> dict[str, Any]:
    return {
        "subject": subject,
        "bid": bids[0] if bids else None,
        "ask": asks[0] if asks else None,
        "grid": grid,
        "ladder": _rungs(grid, list(bids), list(asks), choices),
        "path": path_of(subject.name),
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


def _events(subject: Subject, choices: Choices) -> str:
    """What the page subscribes to."""
    name = subject.name
    query = {"book": name, "trades": name, "status": name, "depth": choices.carried, "rate": RATE}
    if choices.publisher is not None:
        query["publisher"] = choices.publisher
    return "/v1/events?" + urlencode(query, safe=":")
