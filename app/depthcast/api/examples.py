"""Examples of the API's answers, for its OpenAPI document. They are of the types that are really answered."""

from typing import Final

from depthcast.api.definitions import DefinitionView
from depthcast.api.payloads import (
    BboAnswer,
    BookAnswer,
    BookInfo,
    BookState,
    FeedInfo,
    FeedStatus,
    HealthAnswer,
    HopStatus,
    InstrumentAnswer,
    InstrumentsAnswer,
    LevelAnswer,
    LimitsAnswer,
    OrderAnswer,
    OrderState,
    ProblemTypesAnswer,
    ProblemTypeView,
    ReadyAnswer,
    StatsAnswer,
    StatusAnswer,
    TradesAnswer,
    TradeView,
)
from depthcast.api.problem_types import PROBLEMS
from depthcast.book.views import LevelView, OrderView, VersionView

__all__ = [
    "BBO",
    "BOOK",
    "HEALTH",
    "INSTRUMENT",
    "INSTRUMENTS",
    "LEVEL",
    "LIMITS",
    "ORDER",
    "PROBLEM_TYPES",
    "READY",
    "STATS",
    "STATUS",
    "TRADES",
]

_FEED: Final = FeedInfo("live", False, None, 0)  # noqa: FBT003 - a struct's field
_INFO: Final = BookInfo(
    dataset="GLBX.MDP3",
    symbol="CLX5",
    instrument_id=432669,
    publisher_id=1,
    publishers=[1],
    ts_event="1758742200000123457",
    ts_event_iso="2025-09-24T19:30:00.000123457Z",
    ts_recv="1758742200000271903",
    ts_recv_iso="2025-09-24T19:30:00.000271903Z",
    sequence=75201,
)
_STATE: Final = BookState(
    complete=True,
    suspect=False,
    top="normal",
    phase="trading",
    version=VersionView("1758742200000123457", 75201),
)
_BID: Final = LevelView("64.79", 12, 3)
_ASK: Final = LevelView("64.8", 7, 2)

BOOK: Final = BookAnswer(
    metadata=_INFO,
    status=_STATE,
    bids=[_BID, LevelView("64.78", 21, 6)],
    asks=[_ASK, LevelView("64.81", 16, 5)],
    checksum=2890134456,
    feed=_FEED,
)
BBO: Final = BboAnswer(_INFO, _STATE, _BID, _ASK, "0.01", _FEED)
LEVEL: Final = LevelAnswer(
    metadata=_INFO,
    status=_STATE,
    side="B",
    price="64.79",
    size=12,
    count=2,
    orders=[
        OrderView("6413064893113", 5, "1758742199871000011", 75100),
        OrderView("6413064893177", 7, "1758742199990417233", 75188),
    ],
    feed=_FEED,
)
ORDER: Final = OrderAnswer(
    metadata=_INFO,
    status=_STATE,
    order=OrderState(
        order_id="6413064893177",
        state="resting",
        side="B",
        price="64.79",
        size=7,
        ts_event="1758742199990417233",
        sequence=75188,
        orders_ahead=1,
        size_ahead=5,
    ),
    feed=_FEED,
)
TRADES: Final = TradesAnswer(
    metadata=_INFO,
    status=_STATE,
    trades=[
        TradeView(
            publisher_id=1,
            ts_event="1758742199998120001",
            ts_event_iso="2025-09-24T19:29:59.998120001Z",
            ts_recv="1758742199998264110",
            price="64.79",
            size=2,
            side="A",
            sequence=75190,
        )
    ],
    feed=_FEED,
)
INSTRUMENT: Final = InstrumentAnswer(
    name="GLBX.MDP3:CLX5",
    dataset="GLBX.MDP3",
    symbol="CLX5",
    instrument_id=432669,
    publishers=[1],
    definition=DefinitionView(
        raw_symbol="CLX5",
        tick_size="0.01",
        display_factor="1",
        currency="USD",
        exchange="XNYM",
        asset="CL",
        security_type="FUT",
        instrument_class="F",
        match_algorithm="F",
        contract_size="1000",
        expiration="1761071400000000000",
        expiration_iso="2025-10-21T18:30:00.000000000Z",
        ts_event="1758672000000000000",
    ),
    feed=_FEED,
)
INSTRUMENTS: Final = InstrumentsAnswer([INSTRUMENT], total=1, offset=0, limit=100, next=None)
STATUS: Final = StatusAnswer(
    version="0.1.0",
    stage="running",
    uptime_s=3600.5,
    ts="1758742200000400000",
    stale=False,
    age_ms=0,
    feeds=[
        FeedStatus(
            name="127.0.0.1:13000",
            dataset="GLBX.MDP3",
            state="live",
            stale=False,
            stale_since=None,
            age_ms=0,
            reason="",
            ready=True,
            generation=1,
            sessions=1,
            gaps=0,
            instruments=4,
            books=4,
            live_orders=20481,
            records=18120044,
            bytes=1159682816,
            trades=90122,
            records_per_s=50012.4,
            bytes_per_s=3200793.6,
            last_ts_recv="1758742200000271903",
            last_ts_recv_iso="2025-09-24T19:30:00.000271903Z",
            last_ts_out="1758742200000300117",
            lag_ms=0.21,
            lag_p99_ms=0.93,
        )
    ],
    streams={"clients": 12, "subscriptions": 40},
)
_HOP: Final = HopStatus(
    feed="127.0.0.1:13000",
    hop="gateway_to_applied",
    count=18120044,
    p50_us=210.0,
    p90_us=420.0,
    p99_us=930.0,
    p999_us=2100.0,
    max_us=15400.0,
)
STATS: Final = StatsAnswer(
    ts="1758742200000400000",
    hops=[_HOP],
    requests=[HopStatus("", "/v1/books/{instrument}", 51234, 180.0, 260.0, 410.0, 1900.0, 5200.0)],
)
LIMITS: Final = LimitsAnswer(
    principal="anonymous",
    scopes=["read", "replay"],
    requests_per_s=100.0,
    burst=200,
    connections_per_address=100,
    connections_per_key=100,
    subscriptions_per_connection=100,
    replays_per_key=4,
    past_per_key=4,
    message_bytes=16384,
    messages_per_s=50.0,
    header_bytes=16384,
    body_bytes=65536,
    depths=[1, 5, 10, 25, 50, 100, 500],
    rates=[1, 4, 10, 20, 50, 100],
    levels=10000,
    orders=10000,
    trades=1000,
    instruments=1000,
)
HEALTH: Final = HealthAnswer(ok=True, version="0.1.0")
READY: Final = ReadyAnswer(ready=True, stage="running", feeds={"127.0.0.1:13000": "live"})
_KIND: Final = PROBLEMS["unknown-instrument"]
PROBLEM_TYPES: Final = ProblemTypesAnswer(
    [ProblemTypeView(_KIND.uri, _KIND.status, _KIND.title, _KIND.meaning)]
)
