"""From what a request names to the books it means, with their state."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import UNSET

from depthcast.api.market import Listing
from depthcast.api.payloads import BookInfo, BookState, FeedInfo
from depthcast.api.problems import ApiProblem
from depthcast.api.services import Services
from depthcast.book.engine import Engine
from depthcast.book.types import BookStatus, Level
from depthcast.book.views import LevelView, VersionView, iso, price_str
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.errors import UnknownInstrumentError, UnknownOrderError
from depthcast.live.replica import Replica
from depthcast.live.replica_types import FeedState

__all__ = [
    "Books",
    "ShownBooks",
    "ambiguous_book",
    "book_header",
    "book_info",
    "book_state",
    "chosen_publisher",
    "feed_info",
    "find_listing",
    "level_view",
    "newest_of",
    "select",
    "starting_problem",
]

START_RETRY_S = 2
BUSY_RETRY_S = 1


class ShownBooks(Protocol):
    """Books that an answer is about, of now or of the past."""

    @property
    def engine(self) -> Engine: ...
    @property
    def dataset(self) -> str: ...
    @property
    def symbol(self) -> str | None: ...
    @property
    def instrument_id(self) -> int: ...
    @property
    def publishers(self) -> list[int]: ...
    @property
    def publisher_id(self) -> int | None:
        """None for several publishers together."""

    @property
    def statuses(self) -> list[BookStatus]:
        """Of the books meant."""


class Books(NamedTuple):
    """The books that a request is about: one, or all of an instrument's publishers together.

    ``publisher_id`` is None for several together; ``statuses`` are theirs, in the order of ``publishers``.
    """

    listing: Listing
    publishers: list[int]
    publisher_id: int | None
    statuses: list[BookStatus]

    @property
    def replica(self) -> Replica:
        return self.listing.replica

    @property
    def engine(self) -> Engine:
        return self.listing.replica.engine

    @property
    def instrument_id(self) -> int:
        return self.listing.instrument_id

    @property
    def dataset(self) -> str:
        return self.listing.replica.dataset

    @property
    def symbol(self) -> str | None:
        return self.listing.symbol

    @property
    def complete(self) -> bool:
        return all(status.complete for status in self.statuses)

    @property
    def suspect(self) -> bool:
        return any(status.suspect for status in self.statuses)

    @property
    def stale(self) -> bool:
        return self.replica.state is not FeedState.LIVE

    def require_one(self) -> int:
        """The publisher of the only book meant.

        Raises:
            ApiProblem: there are several.
        """
        if self.publisher_id is None:
            raise ambiguous_book(self.listing.name, self.publishers)
        return self.publisher_id

    def require_between_events(self, now_ns: int) -> None:
        """Raises ApiProblem while one of the books is inside an event, as its levels may be half-changed."""
        if not any(status.in_event for status in self.statuses):
            return
        feed = feed_info(self.replica, now_ns)
        why = "ask again"
        if feed.stale:
            why = f"the feed is lost since {feed.age_ms / 1000:.1f} s, and the event ends when it is back"
        raise ApiProblem(
            "book-busy",
            f"the book of {self.listing.name} is inside an event that has not ended yet; {why}",
            headers={
                "Retry-After": str(BUSY_RETRY_S),
                "Depthcast-Book": book_header(feed, complete=self.complete, suspect=self.suspect),
            },
            feed=feed,
        )

    def not_there(self, error: UnknownOrderError, now_ns: int) -> ApiProblem:
        """That an order is not in the book; like every answer it says how far that is to be trusted."""
        feed = feed_info(self.replica, now_ns)
        why = str(error)
        if feed.stale:
            why += f"; the feed is lost since {feed.age_ms / 1000:.1f} s, and the order may be there by now"
        header = book_header(feed, complete=self.complete, suspect=self.suspect)
        return ApiProblem("unknown-order", why, headers={"Depthcast-Book": header}, feed=feed)


def find_listing(services: Services, text: str) -> Listing:
    """The instrument that a request names.

    Raises:
        UnknownInstrumentError: there is none.
        AmbiguousInstrumentError: there are several.
        ApiProblem: it may be one of a feed that has no books yet.
    """
    market = services.market
    try:
        return market.find(text)
    except UnknownInstrumentError:
        waiting = [replica for replica in market.replicas if not replica.ready]
        if waiting:
            raise starting_problem(waiting[0]) from None
        raise


def select(services: Services, text: str, publisher: int | None, *, between_events: bool = True) -> Books:
    """The books that a request means.

    Args:
        between_events: whether their levels are wanted, which may be half-changed inside an event.

    Raises:
        ApiProblem: there are none, none yet, or none of this publisher; or one is inside an event.
    """
    listing = find_listing(services, text)
    replica = listing.replica
    if not replica.ready:
        raise starting_problem(replica)
    publishers = listing.publishers()
    if not publishers:
        raise ApiProblem("unknown-book", f"no order of {listing.name} was seen yet: it has no book")
    publisher = chosen_publisher(listing.name, publishers, publisher)
    engine, wanted = replica.engine, publishers if publisher is None else [publisher]
    statuses = [engine.status(listing.instrument_id, each) for each in wanted]
    books = Books(listing, publishers, publisher, statuses)
    if between_events:
        books.require_between_events(services.clock())
    return books


def chosen_publisher(name: str, publishers: list[int], asked: int | None) -> int | None:
    """The publisher that a request means, None for all together.

    Raises:
        ApiProblem: the one that it names has no book.
    """
    if asked is None:
        return publishers[0] if len(publishers) == 1 else None
    if asked not in publishers:
        have = ", ".join(map(str, publishers))
        raise ApiProblem(
            "unknown-book",
            f"publisher {asked} has no book of {name}; there are books of {have}",
            publishers=publishers,
        )
    return asked


def ambiguous_book(name: str, publishers: list[int]) -> ApiProblem:
    """That a question is about one book, and there are several."""
    return ApiProblem(
        "ambiguous-book",
        f"{name} has books of {len(publishers)} publishers: ask with "
        f"publisher= and one of {', '.join(map(str, publishers))}",
        publishers=publishers,
    )


def newest_of(statuses: Sequence[BookStatus]) -> BookStatus:
    """Of the book whose last record is the newest."""
    return max(statuses, key=lambda status: (status.ts_recv, status.ts_event))


def feed_info(replica: Replica, now_ns: int) -> FeedInfo:
    """Whether a replica's data is of now."""
    since = replica.stale_since_ns
    if since is None:
        return FeedInfo(replica.state.value, replica.state is not FeedState.LIVE, None, 0)
    return FeedInfo(
        replica.state.value,
        replica.state is not FeedState.LIVE,
        str(since),
        max(0, now_ns - since) // 1_000_000,
    )


def book_header(feed: FeedInfo, *, complete: bool, suspect: bool) -> str:
    """Depthcast-Book, a dictionary of structured fields (RFC 9651)."""
    return f"complete=?{complete:d}, suspect=?{suspect:d}, stale=?{feed.stale:d}, age_ms={feed.age_ms}"


def book_info(books: ShownBooks) -> BookInfo:
    """Which books, and how far their data goes."""
    newest = newest_of(books.statuses)
    return BookInfo(
        dataset=books.dataset,
        symbol=books.symbol,
        instrument_id=books.instrument_id,
        publisher_id=books.publisher_id,
        publishers=books.publishers,
        ts_event=str(newest.ts_event),
        ts_event_iso=iso_or_none(newest.ts_event),
        ts_recv=str(newest.ts_recv),
        ts_recv_iso=iso_or_none(newest.ts_recv),
        sequence=newest.sequence,
    )


def book_state(books: ShownBooks, bid: Level | None, ask: Level | None) -> BookState:
    """Whether the books can be trusted. ``bid`` and ``ask`` are their best levels together."""
    statuses = books.statuses
    phases = {status.phase for status in statuses}
    ts_event, sequence = max(status.version for status in statuses)
    return BookState(
        complete=all(status.complete for status in statuses),
        suspect=any(status.suspect for status in statuses),
        top=statuses[0].top if len(statuses) == 1 else _top(bid, ask),
        phase=phases.pop() if len(phases) == 1 else None,
        version=VersionView(str(ts_event), sequence),
    )


def level_view(level: Level) -> LevelView:
    """A level without its orders."""
    return LevelView(price_str(level.price), level.size, level.count, UNSET)


def iso_or_none(ns: int) -> str | None:
    """A time as ISO 8601; None for none."""
    return None if ns in (0, UNDEF_TIMESTAMP) else iso(ns)


def _top(bid: Level | None, ask: Level | None) -> str:
    if bid is None or ask is None:
        return "empty"
    if bid.price == ask.price:
        return "locked"
    return "normal" if bid.price < ask.price else "crossed"


def starting_problem(replica: Replica) -> ApiProblem:
    """The problem of a feed that has no books yet."""
    return ApiProblem(
        "starting",
        f"the books of {replica.dataset} are not filled yet: {replica.reason}",
        headers={"Retry-After": str(START_RETRY_S)},
    )
