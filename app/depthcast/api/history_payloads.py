"""What the API answers about history, and what is asked of exports, as msgspec Structs.

Prices are exact decimal strings; every 64-bit value (times, order ids, positions, counts that may be as
large) is a string; times are ns since the epoch, UTC. What DBN leaves undefined is null.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from depthcast.dbn.times import TIME_PATTERN

__all__ = [
    "Bar",
    "BboHistory",
    "BboRow",
    "DepthHistory",
    "DepthRow",
    "DepthStepName",
    "ExportAnswer",
    "ExportRequest",
    "FeedHistory",
    "HistoryAnswer",
    "HistoryInfo",
    "OhlcvHistory",
    "StepName",
    "TradeRow",
    "TradesHistory",
]

DepthStepName = Literal[
    "10ms", "20ms", "50ms", "100ms", "200ms", "250ms", "500ms",
    "1s", "5s", "10s", "15s", "30s", "1m", "5m", "10m", "15m", "30m", "1h", "4h", "1d",
]  # fmt: skip
StepName = Literal["1s", "5s", "10s", "15s", "30s", "1m", "5m", "10m", "15m", "30m", "1h", "4h", "1d"]


class FeedHistory(Struct, frozen=True):
    """The history of one feed.

    ``available_from`` and ``available_until`` are the times of its first and last rows, the first by up to
    2 us late, so that a book can be asked for ``at`` it. ``gaps`` are places where segments are missing
    between others: rows may come there later.
    """

    dataset: str
    shard: str
    available_from: str | None
    available_until: str | None
    segments: int
    records: str
    gaps: int


class HistoryAnswer(Struct, frozen=True):
    """What history there is."""

    feeds: list[FeedHistory]


class HistoryInfo(Struct, frozen=True):
    """What rows these are.

    They are of [``start``, ``end``): records by ``ts_recv``, rows of steps by the time they are named after.
    ``end`` is never later than history reached when the first page was asked for. ``available_from`` and
    ``available_until`` are how far the dataset's history reaches now. ``complete``: no segment between those
    of the range is missing.
    """

    dataset: str
    symbol: str | None
    instrument_id: int
    publisher_id: int | None
    start: str
    end: str
    step: str | None
    order: Literal["asc", "desc"]
    available_from: str | None
    available_until: str | None
    complete: bool


class TradeRow(Struct, frozen=True):
    """A trade. ``side`` is the aggressor's: ``A``, ``B``, or ``N`` for neither.

    ``epoch``, ``position`` and ``ordinal`` name the record in the feed's journal.
    """

    ts_recv: str | None
    ts_event: str | None
    publisher_id: int
    price: str | None
    size: int | None
    side: str
    order_id: str
    sequence: int
    flags: int
    depth: int
    ts_in_delta: int
    epoch: int
    position: str
    ordinal: int


class BboRow(Struct, frozen=True):
    """The best bid and offer after a change or a trade, or at the end of a step.

    With ``step=`` there are ``ts`` (the end of the step) and ``updates`` (rows in it); without it what came:
    ``ts_recv``, ``ts_event``, ``action``, ``side``, ``price``, ``size``, ``depth``, ``ts_in_delta``,
    ``epoch``, ``ordinal``.
    """

    publisher_id: int
    bid_px: str | None
    bid_sz: int
    bid_ct: int
    ask_px: str | None
    ask_sz: int
    ask_ct: int
    sequence: int
    flags: int
    position: str
    ts: str | UnsetType = UNSET
    updates: str | UnsetType = UNSET
    ts_recv: str | UnsetType | None = UNSET
    ts_event: str | UnsetType | None = UNSET
    action: str | UnsetType = UNSET
    side: str | UnsetType = UNSET
    price: str | UnsetType | None = UNSET
    size: int | UnsetType | None = UNSET
    depth: int | UnsetType = UNSET
    ts_in_delta: int | UnsetType = UNSET
    epoch: int | UnsetType = UNSET
    ordinal: int | UnsetType = UNSET


class DepthRow(Struct, frozen=True):
    """Up to ten levels of each side at the end of a step, best first: price, size, orders.

    ``ts`` is the end of the step; the other times, ``sequence`` and ``position`` are of the record that made
    the levels so. There is no row for a step in which nothing changed.
    """

    ts: str
    ts_recv: str | None
    ts_event: str | None
    publisher_id: int
    bids: list[tuple[str, int, int]]
    asks: list[tuple[str, int, int]]
    sequence: int
    flags: int
    epoch: int
    position: str


class Bar(Struct, frozen=True):
    """A bar of trades. ``ts`` is the start of its step. There is none where there was no trade."""

    ts: str
    publisher_id: int
    open: str | None
    high: str | None
    low: str | None
    close: str | None
    volume: str
    trades: str


class TradesHistory(Struct, frozen=True):
    """A page of trades. ``next`` is the path of the next page, null on the last one."""

    metadata: HistoryInfo
    rows: list[TradeRow]
    next: str | None


class BboHistory(Struct, frozen=True):
    """A page of best bids and offers. ``next`` is the path of the next page, null on the last one."""

    metadata: HistoryInfo
    rows: list[BboRow]
    next: str | None


class DepthHistory(Struct, frozen=True):
    """A page of levels. ``next`` is the path of the next page, null on the last one."""

    metadata: HistoryInfo
    rows: list[DepthRow]
    next: str | None


class OhlcvHistory(Struct, frozen=True):
    """A page of bars. ``next`` is the path of the next page, null on the last one."""

    metadata: HistoryInfo
    rows: list[Bar]
    next: str | None


_Time = Annotated[str, Meta(max_length=64, pattern=TIME_PATTERN)]


class ExportRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to export: as the parameters of `/v1/history/{kind}`, of which it makes one file."""

    kind: Literal["trades", "bbo", "depth", "ohlcv"]
    instrument: Annotated[str, Meta(min_length=1, max_length=90)]
    publisher: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    start: _Time | None = None
    end: _Time | None = None
    step: DepthStepName | None = None
    format: Literal["csv", "arrow", "parquet"] = "parquet"


class ExportAnswer(Struct, frozen=True):
    """An export.

    ``state`` is ``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``. ``progress`` goes from 0 to
    1, by time in the range. Once it is done, ``file`` is where the result is and ``sha256`` its digest;
    ``problem`` says why it failed. All of it goes at ``expires``.
    """

    id: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    request: ExportRequest
    dataset: str
    instrument_id: int
    symbol: str | None
    start: str
    end: str
    progress: float
    rows: str
    bytes: str
    file: str | None
    sha256: str | None
    problem: str | None
    created: str
    started: str | None
    finished: str | None
    expires: str
