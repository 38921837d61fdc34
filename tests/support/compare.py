"""Two engines held to each other: every answer of the one against the same answer of the other."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from depthcast.book.types import BookKey, Depth, Level
from depthcast.dbn.layout import MBO, Flags
from tests.support.engines import AnyEngine

Side = Literal["B", "A"]

RECORD_OUTCOMES: Final = (
    *("adds", "cancels", "modifies", "clears", "trades", "fills", "nones"),
    *("unknown_actions", "bad_side", "bad_price", "zero_size_adds", "tob_modifies", "mbp_records"),
)
"""The counters of which each MBO record is in exactly one (docs/counters.md)."""


def both_sides(depth: Depth) -> list[tuple[Side, list[Level]]]:
    """A depth's levels with the side that they are on."""
    return [("B", depth.bids), ("A", depth.asks)]


def assert_same_answers(one: AnyEngine, two: AnyEngine) -> None:
    """Every question that can be asked gets the same answer from both."""
    assert one.counters == two.counters
    keys = two.books()
    assert one.books() == keys
    for key in keys:
        assert_same_book(one, two, key)
    for instrument_id in {key.instrument_id for key in keys}:
        for levels in (0, 1, 3):
            assert one.depth(instrument_id, levels) == two.depth(instrument_id, levels)
        assert one.bbo(instrument_id) == two.bbo(instrument_id)
    assert one.snapshot() == two.snapshot()


def assert_same_book(one: AnyEngine, two: AnyEngine, key: BookKey) -> None:
    """Status, levels, queues, positions, checksums and snapshot of one book."""
    publisher_id, instrument_id = key
    assert one.status(instrument_id, publisher_id) == two.status(instrument_id, publisher_id)
    depth = two.depth(instrument_id, 0, publisher_id)
    assert one.depth(instrument_id, 0, publisher_id) == depth
    assert one.bbo(instrument_id, publisher_id) == two.bbo(instrument_id, publisher_id)
    for side, side_levels in both_sides(depth):
        for price, _, _ in side_levels:
            queue = two.orders(instrument_id, side, price, publisher_id)
            assert one.orders(instrument_id, side, price, publisher_id) == queue
            for order in queue:
                place = two.queue_position(order.order_id, instrument_id, publisher_id)
                assert one.queue_position(order.order_id, instrument_id, publisher_id) == place
    for levels in (0, 1, 3):
        checksum = two.checksum(instrument_id, levels, publisher_id)
        assert one.checksum(instrument_id, levels, publisher_id) == checksum
    assert one.snapshot(instrument_id, publisher_id) == two.snapshot(instrument_id, publisher_id)


def assert_sound(engine: AnyEngine) -> None:
    """The invariants hold (docs/book.md § Invariants), by the engine's own check and seen from outside."""
    if isinstance(engine, ReferenceEngine):
        engine.check_invariants()
    elif isinstance(engine, Engine):
        assert engine.verify() == []
    resting = {"B": 0, "A": 0}
    for publisher_id, instrument_id in engine.books():
        depth = engine.depth(instrument_id, 0, publisher_id)
        bids, asks = [level.price for level in depth.bids], [level.price for level in depth.asks]
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        for side, side_levels in both_sides(depth):
            for level in side_levels:
                queue = engine.orders(instrument_id, side, level.price, publisher_id)
                assert level.count == len(queue)
                assert all(order.size > 0 for order in queue)
                if queue:
                    assert level.size == sum(order.size for order in queue)
                    resting[side] += level.size
                else:
                    assert len(side_levels) == 1, "a level without orders is a quote, and stands alone"
    counters = engine.counters
    assert counters["records"] == sum(counters[name] for name in RECORD_OUTCOMES)
    assert counters["volume_added_bid"] == resting["B"] + counters["volume_removed_bid"]
    assert counters["volume_added_ask"] == resting["A"] + counters["volume_removed_ask"]


@dataclass(frozen=True, slots=True)
class BookContent:
    """What comes through a snapshot; equal books have equal contents (§ Snapshots that are written)."""

    good: bool
    in_event: bool
    orders: tuple[tuple[bytes, int, int, int, int, int], ...]
    """(side, price, size, order id, ts_event, sequence), best level first, in priority order."""
    quotes: tuple[tuple[bytes, int, int], ...]
    """(side, price, size)."""
    fills: tuple[tuple[int, int], ...]
    """(order id, size): the fills of the open event that may yet decide a refill."""


def content(engine: AnyEngine, key: BookKey) -> BookContent:
    """A book's content, as its snapshot tells it."""
    snapshot = engine.snapshot(key.instrument_id, key.publisher_id)
    records: list[Any] = np.frombuffer(snapshot, MBO).tolist()
    orders, quotes, fills = [], [], []
    for _, _, _, _, ts_event, order_id, price, size, flags, _, action, side, _, _, sequence in records[1:]:
        if action == b"F":
            fills.append((order_id, size))
        elif flags & Flags.TOB:
            quotes.append((side, price, size))
        else:
            orders.append((side, price, size, order_id, ts_event, sequence))
    return BookContent(
        good=not records[0][8] & Flags.MAYBE_BAD_BOOK,
        in_event=not records[-1][8] & Flags.LAST,
        orders=tuple(orders),
        quotes=tuple(quotes),
        fills=tuple(fills),
    )
