"""Examples of answers about history, for the API's OpenAPI document."""

from typing import Final

from depthcast.api.history_payloads import (
    Bar,
    BboHistory,
    BboRow,
    DepthHistory,
    DepthRow,
    ExportAnswer,
    ExportRequest,
    FeedHistory,
    HistoryAnswer,
    HistoryInfo,
    OhlcvHistory,
    TradeRow,
    TradesHistory,
)

__all__ = ["BBO", "DEPTH", "EXPORT", "EXPORT_REQUEST", "FEEDS", "OHLCV", "TRADES"]

_FROM: Final = "1758742200001385000"
_UNTIL: Final = "1758751200000000000"


def _info(step: str | None) -> HistoryInfo:
    return HistoryInfo(
        dataset="GLBX.MDP3",
        symbol="CLX5",
        instrument_id=432669,
        publisher_id=None,
        start="1758742200000000000",
        end="1758742800000000000",
        step=step,
        order="asc",
        available_from=_FROM,
        available_until=_UNTIL,
        complete=True,
    )


FEEDS: Final = HistoryAnswer([FeedHistory("GLBX.MDP3", "0", _FROM, _UNTIL, 8, "38212", 0)])
TRADES: Final = TradesHistory(
    metadata=_info(None),
    rows=[
        TradeRow(
            ts_recv="1758742200400562711",
            ts_event="1758742200400398215",
            publisher_id=1,
            price="64.79",
            size=2,
            side="A",
            order_id="0",
            sequence=75203,
            flags=0,
            depth=0,
            ts_in_delta=13940,
            epoch=1,
            position="10",
            ordinal=0,
        )
    ],
    next="/v1/history/trades?instrument=CLX5&limit=1&cursor=0kRk3xvD8u2TxAgB",
)
BBO: Final = BboHistory(
    metadata=_info("1s"),
    rows=[
        BboRow(
            publisher_id=1,
            bid_px="64.79",
            bid_sz=12,
            bid_ct=3,
            ask_px="64.8",
            ask_sz=7,
            ask_ct=2,
            sequence=75203,
            flags=128,
            position="12",
            ts="1758742201000000000",
            updates="9",
        )
    ],
    next=None,
)
DEPTH: Final = DepthHistory(
    metadata=_info("1s"),
    rows=[
        DepthRow(
            ts="1758742201000000000",
            ts_recv="1758742200986011375",
            ts_event="1758742200985843001",
            publisher_id=1,
            bids=[("64.79", 12, 3), ("64.78", 21, 6)],
            asks=[("64.8", 7, 2), ("64.81", 16, 5)],
            sequence=75203,
            flags=128,
            epoch=1,
            position="12",
        )
    ],
    next=None,
)
OHLCV: Final = OhlcvHistory(
    metadata=_info("1m"),
    rows=[Bar("1758742200000000000", 1, "64.79", "64.82", "64.77", "64.8", "231", "118")],
    next=None,
)
EXPORT_REQUEST: Final = ExportRequest(
    kind="trades", instrument="CLX5", start="2025-09-24T19:30:00Z", end="2025-09-24T20:00:00Z"
)
EXPORT: Final = ExportAnswer(
    id="0b9a3f36-6a1c-4f0e-9f36-3f2b8f6a7d51",
    state="running",
    request=EXPORT_REQUEST,
    dataset="GLBX.MDP3",
    instrument_id=432669,
    symbol="CLX5",
    start="1758742200000000000",
    end="1758744000000000000",
    progress=0.42,
    rows="512",
    bytes="16384",
    file=None,
    sha256=None,
    problem=None,
    created="2025-09-24T22:00:00.000000Z",
    started="2025-09-24T22:00:00.120000Z",
    finished=None,
    expires="2025-09-25T22:00:00.000000Z",
)
