"""Simulated exchanges for tests: small ones that go through every phase, and the comparison with truth."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn.layout import LENGTH_WORD, MBO, RType
from depthcast.exchange import (
    Exchange,
    ExchangeParams,
    FlowParams,
    InstrumentParams,
    Phase,
    PhaseSpan,
    SnapshotParams,
    Style,
    TrueBook,
    VenueParams,
)
from tests.support.compare import both_sides
from tests.support.engines import AnyEngine

MS: Final = 1_000_000
SHORT_DAY: Final = tuple(
    PhaseSpan(phase, duration_ms * MS)
    for phase, duration_ms in (
        (Phase.PRE_OPEN, 10),
        (Phase.CROSS, 1),
        (Phase.TRADING, 25),
        (Phase.HALT, 3),
        (Phase.PRE_CROSS, 5),
        (Phase.CROSS, 1),
        (Phase.TRADING, 15),
        (Phase.CLOSE, 3),
    )
)
"""Every phase in 63 ms; at 20,000 messages a second, about 1,300 of them."""

INSTRUMENTS: Final = (
    InstrumentParams(11, "FUT", 10_000_000, 64_000_000_000),
    InstrumentParams(12, "SPREAD", 50_000_000, 0, lot=5),
)
LIVELY: Final = FlowParams(live_orders=60, levels=15, max_size=40, iceberg_share=0.3, burst_share=0.002)


def small_exchange(*styles: Style, **changes: Any) -> ExchangeParams:
    """Two instruments at a venue of each style, through short sessions with many icebergs and snapshots."""
    venues = tuple(VenueParams(65_001 + at, style, at) for at, style in enumerate(styles or (Style.CME,)))
    given: dict[str, Any] = {
        "instruments": INSTRUMENTS,
        "venues": venues,
        "session": SHORT_DAY,
        "stagger_ns": 2 * MS,
        "flow": LIVELY,
        "snapshots": SnapshotParams(interval_ns=9 * MS),
    }
    return ExchangeParams(**{**given, **changes})


def records_of(data: bytes) -> list[bytes]:
    """The records in ``data``, one by one."""
    at, records = 0, []
    while at < len(data):
        end = at + data[at] * LENGTH_WORD
        records.append(data[at:end])
        at = end
    return records


def mbo_of(data: bytes) -> NDArray[np.void]:
    """The MBO records in ``data`` as an array."""
    return np.frombuffer(b"".join(one for one in records_of(data) if one[1] == RType.MBO), MBO)


def books_in(data: bytes) -> set[tuple[int, int]]:
    """(publisher_id, instrument_id) of the MBO records in ``data``."""
    return {(int(one["publisher_id"]), int(one["instrument_id"])) for one in mbo_of(data)}


def assert_checksum(engine: AnyEngine, truth: TrueBook) -> None:
    """Levels, order ids, sizes and priority order are the true ones."""
    assert engine.checksum(truth.instrument_id, publisher_id=truth.publisher_id) == truth.checksum()


def assert_true(engine: AnyEngine, truth: TrueBook) -> None:
    """So is everything else that an equal book has: the time and sequence of each order's priority."""
    publisher_id, instrument_id = truth.publisher_id, truth.instrument_id
    depth = engine.depth(instrument_id, 0, publisher_id)
    assert [tuple(level) for level in depth.bids] == truth.bids
    assert [tuple(level) for level in depth.asks] == truth.asks
    queues = zip(both_sides(depth), (truth.bid_orders, truth.ask_orders), strict=True)
    for (side, levels), true_queues in queues:
        rebuilt = [
            [tuple(order) for order in engine.orders(instrument_id, side, level.price, publisher_id)]
            for level in levels
        ]
        assert rebuilt == [[tuple(order) for order in queue] for queue in true_queues]
    assert_checksum(engine, truth)


def assert_all_true(engine: AnyEngine, exchange: Exchange) -> None:
    """Every book of the exchange that has begun is there, and as it should be."""
    assert sorted(engine.books()) == sorted(exchange.books())
    for publisher_id, instrument_id in exchange.books():
        assert_true(engine, exchange.truth(instrument_id, publisher_id))
