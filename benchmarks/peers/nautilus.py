"""nautilus_trader's L3 order book (Rust), in each of its two ways to take changes.

Its own objects are made beforehand and not timed. Trades, fills and no-ops never reach its book, as in its
own Databento adapter; the time is still divided by all records, which is to its advantage.
"""

from collections.abc import Callable
from typing import Any, Final

from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, BookType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity

from benchmarks.peers import Book, Levels, Peer
from benchmarks.workloads import Records, Workload

INSTRUMENT: Final = InstrumentId.from_str("BENCH.XXXX")
BATCH: Final = 1_170
"""Changes in a batch: as many as records in a chunk of 65,520 bytes."""
PRECISION: Final = 2
UNITS: Final = 10 ** (9 - PRECISION)


def deltas_of(*parts: Records) -> list[list[Any]]:
    """Each part as nautilus_trader's changes; a partial cancel becomes an update to what is left."""
    sizes: dict[int, int] = {}
    return [[delta for delta in (delta_of(row, sizes) for row in part.tolist()) if delta] for part in parts]


def delta_of(row: tuple[Any, ...], sizes: dict[int, int]) -> Any:
    """One record as a change, or None for one that never changes a book."""
    _, _, _, _, ts_event, order_id, price, size, flags, _, code, side_code, ts_recv, _, sequence = row
    left = sizes.get(order_id, 0) - size
    if code == b"R":
        action = BookAction.CLEAR
        sizes.clear()
    elif code == b"A":
        action = BookAction.ADD
        sizes[order_id] = size
    elif code == b"M":
        action = BookAction.UPDATE
        sizes[order_id] = size
    elif code == b"C" and left > 0:
        action = BookAction.UPDATE
        sizes[order_id] = size = left
    elif code == b"C":
        action = BookAction.DELETE
        sizes.pop(order_id, None)
    else:
        return None
    side = OrderSide.BUY if side_code == b"B" else OrderSide.SELL
    order = BookOrder(side, Price(price / 1e9, PRECISION), Quantity(size, 0), order_id)
    return OrderBookDelta(INSTRUMENT, action, order, flags, sequence, ts_event, ts_recv)


class NautilusBook:
    """A book and what to call with what."""

    def __init__(self, setup: list[Any], batched: bool, timed: list[Any]) -> None:
        self.book = OrderBook(INSTRUMENT, BookType.L3_MBO)
        if setup:
            self.book.apply_deltas(OrderBookDeltas(INSTRUMENT, setup))
        self.apply = self.book.apply_deltas if batched else self.book.apply_delta
        self.timed = timed

    def run(self) -> None:
        apply = self.apply
        for change in self.timed:
            apply(change)

    def levels(self) -> tuple[Levels, Levels]:
        return levels_of(self.book.bids()), levels_of(self.book.asks())


def levels_of(levels: list[Any]) -> Levels:
    """nautilus_trader's levels in plain numbers."""
    return [
        (round(float(level.price) * 10**PRECISION) * UNITS, int(level.size()), len(level.orders()))
        for level in levels
    ]


class Nautilus:
    """One way to feed nautilus_trader's book."""

    max_records = 400_000
    max_setup = 1_000_000

    def __init__(self, name: str, about: str, batched: bool) -> None:
        self.name = name
        self.about = about
        self.batched = batched

    def load(self, workload: Workload) -> Callable[[], Book]:
        setup, timed = deltas_of(workload.setup, workload.timed)
        if self.batched:
            timed = [
                OrderBookDeltas(INSTRUMENT, timed[at : at + BATCH]) for at in range(0, len(timed), BATCH)
            ]
        return lambda: NautilusBook(setup, self.batched, timed)


PEERS: list[Peer] = [
    Nautilus("nautilus_trader, batches", "apply_deltas, batches made beforehand", batched=True),
    Nautilus("nautilus_trader, one by one", "apply_delta, objects made beforehand", batched=False),
]
