"""Instruments: the list, the search, one."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from litestar import Request, get
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from depthcast.api import examples
from depthcast.api.answers import Answer, data_headers, tagged_response
from depthcast.api.edge import COST
from depthcast.api.headers import header
from depthcast.api.market import Listing
from depthcast.api.operations import operation
from depthcast.api.payloads import InstrumentAnswer, InstrumentsAnswer
from depthcast.api.routes.parameters import Instrument
from depthcast.api.runtime import Runtime, runtime_of
from depthcast.api.selection import feed_info, find_listing, starting_problem

__all__ = ["ROUTES"]

MAX_INSTRUMENTS: Final = 1_000
DEFAULT_INSTRUMENTS: Final = 100
LOOKED_AT: Final = 5_000
"""A request that looks through instruments costs one token more for each full so many."""
_Request = Request[Any, Any, Any]

Search = Annotated[
    str | None,
    QueryParameter(
        max_length=90,
        description="Part of a symbol, an id, an asset or an exchange; those that begin with it come first.",
        examples=[Example(value="CL", summary="What begins with CL")],
    ),
]
Offset = Annotated[int, QueryParameter(ge=0, le=10_000_000, description="How many to leave out.")]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_INSTRUMENTS, description="The most that are answered.")]


@get(
    "/instruments",
    **operation(
        "Instruments", InstrumentsAnswer, examples.INSTRUMENTS, tag="Instruments",
        problems=("starting",), tagged=True,
    ),
)  # fmt: skip
def get_instruments(
    request: _Request, search: Search = None, offset: Offset = 0, limit: Limit = DEFAULT_INSTRUMENTS
) -> Answer:
    """All instruments by dataset and symbol, or those that `search` finds, the best first; page by page."""
    runtime = runtime_of(request)
    market = runtime.services.market
    if not any(replica.ready for replica in market.replicas):
        raise starting_problem(market.replicas[0])
    listings = market.listings()
    request.scope["state"][COST] = len(listings) // LOOKED_AT
    found = market.search(search, len(listings)) if search else listings
    answered = found[offset : offset + limit]
    more = offset + limit < len(found)
    rest = {**({"search": search} if search else {}), "offset": offset + limit, "limit": limit}
    payload = InstrumentsAnswer(
        instruments=[_instrument(runtime, listing) for listing in answered],
        total=len(found),
        offset=offset,
        limit=limit,
        next=f"/v1/instruments?{urlencode(rest)}" if more else None,
    )
    return tagged_response(payload, header(request.scope["headers"], b"if-none-match"))


@get(
    "/instruments/{instrument:str}",
    **operation(
        "An instrument", InstrumentAnswer, examples.INSTRUMENT, tag="Instruments",
        problems=("unknown-instrument", "ambiguous-instrument", "starting"), tagged=True, data=True,
    ),
)  # fmt: skip
def get_instrument(request: _Request, instrument: Instrument) -> Answer:
    """One instrument: its names, its definition, who has a book of it."""
    runtime = runtime_of(request)
    listing = find_listing(runtime.services, instrument)
    feed = feed_info(listing.replica, runtime.services.clock())
    engine = listing.replica.engine
    states = [engine.status(listing.instrument_id, each) for each in listing.publishers()]
    headers = data_headers(
        feed,
        complete=bool(states) and all(each.complete for each in states),
        suspect=any(each.suspect for each in states),
    )
    given = header(request.scope["headers"], b"if-none-match")
    return tagged_response(_instrument(runtime, listing), given, headers=headers)


ROUTES: Final = (get_instruments, get_instrument)


def _instrument(runtime: Runtime, listing: Listing) -> InstrumentAnswer:
    return InstrumentAnswer(
        name=listing.name,
        dataset=listing.replica.dataset,
        symbol=listing.symbol,
        instrument_id=listing.instrument_id,
        publishers=listing.publishers(),
        definition=listing.definition,
        feed=feed_info(listing.replica, runtime.services.clock()),
    )
