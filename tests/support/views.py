"""Short views of an engine's book, for comparing with what is written down in a test."""

from typing import Final, Literal

import numpy as np

from depthcast.dbn.layout import MBO
from tests.support.engines import AnyEngine
from tests.support.records import INSTRUMENT

UNREMARKABLE: Final = {
    "records",
    "events",
    "volume_added_bid",
    "volume_added_ask",
    "volume_removed_bid",
    "volume_removed_ask",
}


def queue(engine: AnyEngine, side: Literal["B", "A"], price: int) -> list[tuple[int, int]]:
    """(order id, size) at a price, in priority order."""
    return [(order.order_id, order.size) for order in engine.orders(INSTRUMENT, side, price)]


def levels(engine: AnyEngine) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """(price, size, count) of all bids, then of all asks."""
    depth = engine.depth(INSTRUMENT, levels=0)
    return [tuple(level) for level in depth.bids], [tuple(level) for level in depth.asks]


def counted(engine: AnyEngine) -> dict[str, int]:
    """Every counter that is not zero, but for records, events and volumes."""
    return {name: n for name, n in engine.counters.items() if n and name not in UNREMARKABLE}


def volumes(engine: AnyEngine) -> tuple[int, int, int, int]:
    """Volume added to and removed from the bids, then the asks."""
    counters = engine.counters
    return (
        counters["volume_added_bid"],
        counters["volume_removed_bid"],
        counters["volume_added_ask"],
        counters["volume_removed_ask"],
    )


def health(engine: AnyEngine) -> tuple[bool, bool]:
    """(complete, suspect)."""
    status = engine.status(INSTRUMENT)
    return status.complete, status.suspect


def rows(snapshot: bytes) -> list[tuple[str, str, int, int, int, int]]:
    """A snapshot's records as (action, side, price, size, order id, flags)."""
    return [
        (
            record["action"].decode(),
            record["side"].decode(),
            int(record["price"]),
            int(record["size"]),
            int(record["order_id"]),
            int(record["flags"]),
        )
        for record in np.frombuffer(snapshot, MBO)
    ]
