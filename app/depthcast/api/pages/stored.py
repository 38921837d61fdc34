"""``/books/{instrument}/stored``: the hour before, from the database, for the price picture."""

from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.params import PathParameter

from depthcast.api.answers import Answer
from depthcast.api.auth import PUBLIC, require
from depthcast.api.database import HistoryDatabase
from depthcast.api.history import Asked, json_page, settle
from depthcast.api.market import Listing
from depthcast.api.pages.ladder import Choices
from depthcast.api.pages.site import site_of
from depthcast.api.problems import ApiProblem
from depthcast.api.selection import find_listing
from depthcast.errors import BookError
from depthcast.store.history.fields import Kind

__all__ = ["get_stored"]

BACK_NS: Final = 3_600_000_000_000
ROWS: Final = 1_000
STEP: Final = "5s"
NOTHING: Final = {"bbo": b"{}", "trades": b"{}"}
_Request = Request[Any, Any, Any]
Name = Annotated[str, PathParameter(min_length=1, max_length=90)]


@get("/books/{name:str}/stored", include_in_schema=False, opt={"scope": PUBLIC})
async def get_stored(request: _Request, name: Name) -> Answer:
    """Best prices every five seconds and the last trades, the newest first, as `/v1/history` has them.

    None where there is no database, or it does not answer: a picture that begins later is no error. Nor has
    it several publishers added up.
    """
    site = site_of(request)
    require(request, "read")
    listing = find_listing(site.services, name)
    publishers = listing.publishers()
    choices = Choices.of(request.query_params, publishers)
    history = site.services.history
    samples = site.board.history(listing)  # the feed's time may be another one than ours
    since = (samples[-1].ts_event if samples else site.services.clock()) - BACK_NS
    found = NOTHING
    if history is not None and (choices.publisher is not None or len(publishers) == 1):
        try:
            found = {
                kind.value: await _read(history, listing, kind, choices.publisher, since)
                for kind in (Kind.BBO, Kind.TRADES)
            }
        except (ApiProblem, BookError):
            found = NOTHING
    body = b'{"bbo":' + found["bbo"] + b',"trades":' + found["trades"] + b"}"
    return site.packed(request, body)


async def _read(
    history: HistoryDatabase, listing: Listing, kind: Kind, publisher: int | None, since_ns: int
) -> bytes:
    asked = Asked(
        kind=kind,
        instrument=listing.name,
        publisher=publisher,
        start_ns=since_ns,
        step=STEP if kind is Kind.BBO else None,
        descending=True,
    )
    async with history.connection() as connection:
        page = await settle(connection, asked)
    return b"".join([piece async for piece in json_page(history, page, ROWS, "", {})])
