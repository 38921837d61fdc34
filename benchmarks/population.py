"""Live orders that can be cancelled at random: what the memory of an engine is measured with."""

import ctypes
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.workloads import MID, TICK, Records, blank
from depthcast import Engine

STEP: Final = 500_000
PRICES: Final = 2_000
PAGE_BYTES: Final = 4_096
LIBC: Final = ctypes.CDLL(None)
DRIFT_TICKS: Final = 50


def resident_bytes() -> int:
    """The memory of this process that is in RAM, once the C allocator has given back what it only keeps."""
    if hasattr(LIBC, "malloc_trim"):
        LIBC.malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


class Population:
    """An engine's live orders, on books whose prices drift."""

    def __init__(self, engine: Engine, orders: int, books: int = 1, step: int = STEP, seed: int = 11) -> None:
        self.engine = engine
        self.random = np.random.default_rng(seed)
        self.step = min(step, orders)
        self.alive = blank(orders, 0)
        self.mids = np.full(books, MID, np.int64)
        self.born = 0
        self.records = 0
        self.seconds = 0.0

    def fill(self) -> None:
        """Add orders until every place is taken."""
        for begin in range(0, len(self.alive), self.step):
            new = self.adds(min(self.step, len(self.alive) - begin))
            self.alive[begin : begin + len(new)] = new
            self.apply(new)

    def churn(self) -> None:
        """Cancel as many random orders as a step has, each followed by a new one in its place."""
        places = self.random.choice(len(self.alive), self.step, replace=False)
        old, new = self.alive[places], self.adds(self.step)
        old["action"] = b"C"
        self.alive[places] = new
        self.apply(np.stack([old, new], axis=1).reshape(-1))

    def drift(self) -> None:
        """Move every book's prices, and half a step's orders with them."""
        self.mids += self.random.integers(-DRIFT_TICKS, DRIFT_TICKS + 1, len(self.mids)) * TICK
        places = self.random.choice(len(self.alive), self.step // 2, replace=False)
        moved = self.alive[places]
        moved["action"] = b"M"
        moved["price"] = self.prices(moved)
        self.alive[places] = moved
        self.apply(moved)

    def clear(self) -> None:
        """Clear one book, and add its orders anew."""
        book = self.random.integers(len(self.mids)) + 1
        again = self.alive[self.alive["instrument_id"] == book]
        again["action"] = b"A"
        empty = blank(1, self.born)
        empty["instrument_id"], empty["action"], empty["side"], empty["price"] = book, b"R", b"N", 2**63 - 1
        self.apply(np.concatenate([empty, again]))

    def adds(self, count: int) -> Records:
        """New orders on both sides of every book, uniform over the prices."""
        new = blank(count, self.born)
        self.born += count
        new["action"] = b"A"
        new["side"] = np.where(self.random.random(count) < 0.5, b"B", b"A")
        new["instrument_id"] = self.random.integers(1, len(self.mids) + 1, count)
        new["price"] = self.prices(new)
        new["size"] = self.random.integers(1, 100, count)
        return new

    def prices(self, records: Records) -> NDArray[np.int64]:
        """A price for each, on its own side of its book's middle."""
        away: NDArray[np.int64] = self.random.integers(1, PRICES, len(records)) * TICK
        away[records["side"] == b"B"] *= -1
        away += self.mids[records["instrument_id"] - 1]
        return away

    def apply(self, records: Records) -> None:
        data = records.tobytes()
        begin = perf_counter()
        self.engine.apply(data)
        self.seconds += perf_counter() - begin
        self.records += len(records)
