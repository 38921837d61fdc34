"""What the API answers, as msgspec Structs.

Prices are exact decimal strings; every 64-bit value (timestamps, order ids) is a string; timestamps are ns
since the epoch, UTC. ``side`` is ``B`` (bid) or ``A`` (ask); of a trade the aggressor's, ``N`` for neither.
"""

from msgspec import UNSET, Struct, UnsetType

from depthcast.api.definitions import DefinitionView
from depthcast.book.views import LevelView, OrderView, VersionView

__all__ = [
    "BboAnswer",
    "BboBody",
    "BookAnswer",
    "BookBody",
    "BookInfo",
    "BookState",
    "FeedInfo",
    "FeedStatus",
    "HealthAnswer",
    "HopStatus",
    "InstrumentAnswer",
    "InstrumentsAnswer",
    "LevelAnswer",
    "LevelBody",
    "LimitsAnswer",
    "OrderAnswer",
    "OrderBody",
    "OrderState",
    "PastInfo",
    "ProblemTypeView",
    "ProblemTypesAnswer",
    "ReadyAnswer",
    "StatsAnswer",
    "StatusAnswer",
    "TradeView",
    "TradesAnswer",
    "TradesBody",
]


class FeedInfo(Struct, frozen=True):
    """Whether the data is of now.

    ``stale`` data is what was true at ``stale_since``, when the feed was lost, ``age_ms`` ago. Of live data
    ``stale_since`` is null and ``age_ms`` 0.
    """

    state: str
    stale: bool
    stale_since: str | None
    age_ms: int


class PastInfo(Struct, frozen=True):
    """Of an answer with ``at=``: the time that was asked for, and where in the journal it is.

    ``position`` is that of the first record that is not in the book; ``in_event`` tells that the book was
    inside an event then, its levels perhaps half-changed.
    """

    at: str
    at_iso: str
    in_event: bool
    position: int


class BookInfo(Struct, frozen=True):
    """Which book, and how far its data goes.

    ``publisher_id`` is null where several publishers' books are added up. The times and the sequence are
    those of the last record applied.
    """

    dataset: str
    symbol: str | None
    instrument_id: int
    publisher_id: int | None
    publishers: list[int]
    ts_event: str
    ts_event_iso: str | None
    ts_recv: str
    ts_recv_iso: str | None
    sequence: int


class BookState(Struct, frozen=True):
    """Whether the book can be trusted, and in what state its market is.

    ``complete``: it was followed from its beginning or from a snapshot. ``suspect``: records were lost, or
    something in it cannot be. ``top``: ``empty``, ``normal``, ``locked`` or ``crossed``. ``phase``: the
    venue's, null until it was said. ``version``: of the last completed event.
    """

    complete: bool
    suspect: bool
    top: str
    phase: str | None
    version: VersionView


class BookBody(Struct, frozen=True):
    """`BookAnswer` without the feed, which changes by itself."""

    metadata: BookInfo
    status: BookState
    bids: list[LevelView]
    asks: list[LevelView]
    checksum: int | None


class BookAnswer(BookBody, frozen=True):
    """The first levels of a book, best first.

    ``checksum`` is CRC-32 over the levels listed, and over their orders where all levels are; null for
    several publishers' books.
    """

    feed: FeedInfo
    past: PastInfo | UnsetType = UNSET


class BboBody(Struct, frozen=True):
    """`BboAnswer` without the feed, which changes by itself."""

    metadata: BookInfo
    status: BookState
    bid: LevelView | None
    ask: LevelView | None
    spread: str | None


class BboAnswer(BboBody, frozen=True):
    """The best level of each side, null where the side is empty; ``spread`` is ask less bid."""

    feed: FeedInfo
    past: PastInfo | UnsetType = UNSET


class LevelBody(Struct, frozen=True):
    """`LevelAnswer` without the feed, which changes by itself."""

    metadata: BookInfo
    status: BookState
    side: str
    price: str
    size: int
    count: int
    orders: list[OrderView]


class LevelAnswer(LevelBody, frozen=True):
    """The queue at a price, in priority order; where there is no such level it is empty."""

    feed: FeedInfo
    past: PastInfo | UnsetType = UNSET


class OrderState(Struct, frozen=True):
    """An order that rests in the book, and what stands before it at its price."""

    order_id: str
    state: str
    side: str
    price: str
    size: int
    ts_event: str
    sequence: int
    orders_ahead: int
    size_ahead: int


class OrderBody(Struct, frozen=True):
    """`OrderAnswer` without the feed, which changes by itself."""

    metadata: BookInfo
    status: BookState
    order: OrderState


class OrderAnswer(OrderBody, frozen=True):
    """One order."""

    feed: FeedInfo
    past: PastInfo | UnsetType = UNSET


class TradeView(Struct, frozen=True):
    """One trade; ``price`` is null where the venue did not say it."""

    publisher_id: int
    ts_event: str
    ts_event_iso: str | None
    ts_recv: str
    price: str | None
    size: int
    side: str
    sequence: int


class TradesBody(Struct, frozen=True):
    """`TradesAnswer` without the feed, which changes by itself."""

    metadata: BookInfo
    status: BookState
    trades: list[TradeView]


class TradesAnswer(TradesBody, frozen=True):
    """The last trades, the newest first."""

    feed: FeedInfo


class InstrumentAnswer(Struct, frozen=True):
    """An instrument; ``name`` finds it whatever else has its symbol. ``publishers`` have a book of it."""

    name: str
    dataset: str
    symbol: str | None
    instrument_id: int
    publishers: list[int]
    definition: DefinitionView | None
    feed: FeedInfo


class InstrumentsAnswer(Struct, frozen=True):
    """Some of ``total`` instruments, from ``offset`` on; ``next`` is the path of the rest, or null."""

    instruments: list[InstrumentAnswer]
    total: int
    offset: int
    limit: int
    next: str | None


class FeedStatus(Struct, frozen=True):
    """One feed.

    Rates and lags are of the last ten seconds. A lag is how old records were when they were applied, by their
    ts_out: ``lag_ms`` the median; null where no record came.
    """

    name: str
    dataset: str
    state: str
    stale: bool
    stale_since: str | None
    age_ms: int
    reason: str
    ready: bool
    generation: int
    sessions: int
    gaps: int
    instruments: int
    books: int
    live_orders: int
    records: int
    bytes: int
    trades: int
    records_per_s: float
    bytes_per_s: float
    last_ts_recv: str | None
    last_ts_recv_iso: str | None
    last_ts_out: str | None
    lag_ms: float | None
    lag_p99_ms: float | None


class StatusAnswer(Struct, frozen=True):
    """The service and its feeds. ``stale`` if any feed is; ``stage``: starting, running or draining."""

    version: str
    stage: str
    uptime_s: float
    ts: str
    stale: bool
    age_ms: int
    feeds: list[FeedStatus]
    streams: dict[str, int]


class HopStatus(Struct, frozen=True):
    """How long records took over one hop of their way, since the start; microseconds, within 3.2 %."""

    feed: str
    hop: str
    count: int
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float


class StatsAnswer(Struct, frozen=True):
    """Percentiles of each hop, and of this API's own answers by path."""

    ts: str
    hops: list[HopStatus]
    requests: list[HopStatus]


class LimitsAnswer(Struct, frozen=True):
    """What one client may ask, of one process; ``principal`` is whose limits they are."""

    principal: str
    scopes: list[str]
    requests_per_s: float
    burst: int
    connections_per_address: int
    connections_per_key: int
    subscriptions_per_connection: int
    replays_per_key: int
    past_per_key: int
    message_bytes: int
    messages_per_s: float
    header_bytes: int
    body_bytes: int
    depths: list[int]
    rates: list[int]
    levels: int
    orders: int
    trades: int
    instruments: int


class HealthAnswer(Struct, frozen=True):
    """The process works."""

    ok: bool
    version: str


class ReadyAnswer(Struct, frozen=True):
    """Whether new work is wanted; a lost feed changes nothing about that."""

    ready: bool
    stage: str
    feeds: dict[str, str]


class ProblemTypeView(Struct, frozen=True):
    """A kind of problem."""

    type: str
    status: int
    title: str
    meaning: str


class ProblemTypesAnswer(Struct, frozen=True):
    """All kinds of problem."""

    problems: list[ProblemTypeView]
