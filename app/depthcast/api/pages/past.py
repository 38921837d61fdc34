"""Pages of the past: the book at a time, from the journal."""

from collections.abc import Callable
from typing import Any, Final

from litestar import Request

from depthcast.api.answers import Answer
from depthcast.api.auth import require
from depthcast.api.edge import COST
from depthcast.api.pages.site import Site
from depthcast.api.past.answers import TOKENS, PastAnswer, PastBooks, select_past
from depthcast.api.past.problems import journal_problem, no_journal
from depthcast.api.problems import ApiProblem, as_problem, invalid
from depthcast.dbn.times import EXPECTED_TIME, parse_ns
from depthcast.errors import BookError, JournalError
from depthcast.journal.past import Past

__all__ = ["LATEST", "latest_page", "past_page"]

LATEST: Final = "latest"
"""In place of a time: shortly before the newest that is kept."""
BEFORE_NS: Final = 60_000_000_000


def past_page(
    request: Request[Any, Any, Any],
    site: Site,
    name: str,
    at: str,
    publisher: int | None,
    make: Callable[[PastBooks], Answer],
) -> PastAnswer:
    """A page, or a part of one, about an instrument's books at a time. What is wrong then is a page too.

    Args:
        make: on the event loop.

    Raises:
        ApiProblem: the key does not allow it, the service has no journal, or ``at`` is no time.
    """
    require(request, "replay")
    moment = parse_ns(at)
    if moment is None:
        raise invalid("at", EXPECTED_TIME)
    gate = site.services.past
    if gate is None:
        raise no_journal()
    state = request.scope["state"]
    state[COST] = TOKENS

    def question(past: Past) -> PastBooks:
        try:
            return select_past(past, name, moment, publisher)
        except JournalError as error:
            raise journal_problem(error) from error

    async def ask() -> Answer:
        try:
            return make(await gate.ask(state["limits_key"], question))
        except (ApiProblem, BookError) as error:
            return site.problem(request, as_problem(error))

    return PastAnswer(ask)


def latest_page(request: Request[Any, Any, Any], site: Site, dataset: str, address: str) -> PastAnswer:
    """The way to a minute before the newest time that a dataset's journal has, or to the first one.

    Args:
        address: of the page, up to the time.

    Raises:
        ApiProblem: the key does not allow it, or the service has no journal.
    """
    require(request, "replay")
    gate = site.services.past
    if gate is None:
        raise no_journal()

    def question(past: Past) -> int:
        try:
            kept = past.kept(dataset)
        except JournalError as error:
            raise journal_problem(error) from error
        if kept.last is None:
            raise ApiProblem("time-not-kept", "no segment of the journal is closed yet: come back soon")
        return max(kept.last - BEFORE_NS, kept.first or 0)

    async def ask() -> Answer:
        try:
            found = await gate.ask(request.scope["state"]["limits_key"], question)
        except ApiProblem as error:
            return site.problem(request, error)
        headers = {"Location": f"{address}{found}", "Cache-Control": "no-store"}
        return Answer(b"", media_type="text/plain; charset=utf-8", status_code=303, headers=headers)

    return PastAnswer(ask)
