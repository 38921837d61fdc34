"""Answers about books as they were: the same as those of now, and where in the past they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request
from litestar.types import Receive, Scope, Send

from depthcast.api import etags
from depthcast.api.answers import DBN, Answer, encode
from depthcast.api.auth import require
from depthcast.api.bodies import dbn_file
from depthcast.api.edge import COST
from depthcast.api.headers import header
from depthcast.api.past.problems import journal_problem, no_journal
from depthcast.api.payloads import FeedInfo, PastInfo
from depthcast.api.problems import ApiProblem, invalid
from depthcast.api.runtime import runtime_of
from depthcast.api.selection import ambiguous_book, book_header, chosen_publisher
from depthcast.book.engine import Engine
from depthcast.book.types import BookStatus
from depthcast.book.views import iso
from depthcast.dbn.times import EXPECTED_TIME, parse_ns
from depthcast.errors import JournalError
from depthcast.journal.past import Past, PastBook

__all__ = ["PAST_PROBLEMS", "TOKENS", "PastAnswer", "PastBooks", "past_answer", "past_file", "select_past"]

PAST_PROBLEMS: Final = ("no-journal", "time-not-kept", "journal-damaged", "journal-away", "overloaded")
"""What answers with ``at=`` may have beside those of now."""
TOKENS: Final = 4
"""What such an answer costs beside, of the client's allowance."""
FEED: Final = FeedInfo("replay", stale=False, stale_since=None, age_ms=0)
_CACHING: Final = "private, max-age=86400, immutable"

Make = Callable[["PastBooks"], Any]
Request_ = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class PastBooks:
    """The books that a question with ``at=`` is about (`depthcast.api.selection.ShownBooks`)."""

    found: PastBook
    at: int
    publishers: list[int]
    publisher_id: int | None
    statuses: list[BookStatus]

    @property
    def engine(self) -> Engine:
        return self.found.engine

    @property
    def dataset(self) -> str:
        return self.found.named.reader.journal.dataset

    @property
    def symbol(self) -> str | None:
        return self.found.named.symbol

    @property
    def instrument_id(self) -> int:
        return self.found.named.instrument_id

    @property
    def info(self) -> PastInfo:
        """What the answer says of the past."""
        in_event = any(status.in_event for status in self.statuses)
        return PastInfo(str(self.at), iso(self.at), in_event, self.found.position)

    def require_one(self) -> None:
        """Raises ApiProblem if several publishers' books are meant."""
        if self.publisher_id is None:
            raise ambiguous_book(self.found.named.name, self.publishers)


class PastAnswer(Answer):
    """An answer that is worked out in another thread when it is to be sent.

    Args:
        ask: waits for it.
    """

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[], Any]) -> None:
        super().__init__()
        self._ask = ask

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Answer = await self._ask()
        await answer(scope, receive, send)


def past_answer(request: Request_, instrument: str, at: str, publisher: int | None, make: Make) -> PastAnswer:
    """An instrument's books at a time.

    Args:
        make: gives a Struct without ``feed`` and ``past``, in another thread.

    Raises:
        ApiProblem: the key does not allow it, the service has no journal, or ``at`` is no time.
    """

    def encoded(books: PastBooks) -> Answer:
        head = encode(make(books))[:-1]
        tail = b',"feed":' + encode(FEED) + b',"past":' + encode(books.info) + b"}"
        return _answer(request, books, head + tail)

    return _asked(request, instrument, at, publisher, encoded)


def past_file(request: Request_, instrument: str, at: str, publisher: int | None) -> PastAnswer:
    """The same as a DBN file."""

    def encoded(books: PastBooks) -> Answer:
        symbol = books.symbol or str(books.instrument_id)
        name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in symbol)
        named = {"Content-Disposition": f'attachment; filename="{name}-{books.at}.dbn"'}
        return _answer(request, books, dbn_file(books), named, media_type=DBN)

    return _asked(request, instrument, at, publisher, encoded)


def _asked(
    request: Request_,
    instrument: str,
    at: str,
    publisher: int | None,
    encoded: Callable[[PastBooks], Answer],
) -> PastAnswer:
    require(request, "replay")
    moment = parse_ns(at)
    if moment is None:
        raise invalid("at", EXPECTED_TIME)
    gate = runtime_of(request).services.past
    if gate is None:
        raise no_journal()
    state = request.scope["state"]
    state[COST] = TOKENS

    def question(past: Past) -> Answer:
        try:
            return encoded(select_past(past, instrument, moment, publisher))
        except JournalError as error:
            raise journal_problem(error) from error

    return PastAnswer(lambda: gate.ask(state["limits_key"], question))


def select_past(past: Past, instrument: str, at: int, publisher: int | None) -> PastBooks:
    """An instrument's books at a time (ns). It may take a while: in a thread.

    Raises:
        JournalError: the journal does not have that time, is damaged, or cannot be read.
        ApiProblem: there was no book yet, or none of that publisher.
    """
    found = past.book(instrument, at)
    name, number = found.named.name, found.named.instrument_id
    publishers = found.engine.publishers(number)
    if not publishers:
        raise ApiProblem("unknown-book", f"no order of {name} had been seen by {iso(at)}: it had no book")
    publisher = chosen_publisher(name, publishers, publisher)
    wanted = publishers if publisher is None else [publisher]
    statuses = [found.engine.status(number, each) for each in wanted]
    return PastBooks(found, at, publishers, publisher, statuses)


def _answer(
    request: Request_,
    books: PastBooks,
    body: bytes,
    headers: dict[str, str] | None = None,
    *,
    media_type: str = "application/json",
) -> Answer:
    tag = etags.weak("past", etags.of_content(body))
    complete = all(status.complete for status in books.statuses)
    suspect = any(status.suspect for status in books.statuses)
    headers = {
        **(headers or {}),
        "Cache-Control": _CACHING,
        "Depthcast-Book": book_header(FEED, complete=complete, suspect=suspect),
        "ETag": tag,
    }
    given = header(request.scope["headers"], b"if-none-match")
    if given is not None and etags.matches(given, tag):
        return Answer(status_code=304, headers=headers)
    return Answer(body, media_type=media_type, headers=headers)
