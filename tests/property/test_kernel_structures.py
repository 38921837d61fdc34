"""Large books, checked from within: id tables that grow, ladders planned anew, levels far off them."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from depthcast.dbn.layout import MBO, MBO_SIZE, RType
from tests.support.records import LAST

RECORDS = 30_000
CHUNK = 1_000 * MBO_SIZE
Prices = Callable[[np.random.Generator, int], NDArray[np.int64]]
MOST = 2**63 - 2

LAYOUTS: dict[str, Prices] = {
    "one tick, close by": lambda random, n: 5_000_000 + 10 * random.integers(0, 500, n),
    "a tick of one": lambda random, n: random.integers(-300, 300, n),
    "a wide, thin book": lambda random, n: 10**12 + 10**7 * random.integers(0, 250_000, n),
    "no tick at all": lambda random, n: random.integers(-(2**63), MOST, n),
    "a touch that wanders off": lambda random, n: (
        10**12 + 2_500_000 * (np.arange(n) // 4 + random.integers(0, 400, n))
    ),
    "a dense touch and stubs at both ends": lambda random, n: np.where(
        random.random(n) < 0.02,
        random.choice(np.array([-(2**63), 1, 10**9 + 1, MOST]), n),
        10**10 + 10**7 * random.integers(0, 2_000, n),
    ),
    "a tenth of the prices off the tick": lambda random, n: (
        10**10
        + 10**7 * random.integers(0, 1_000, n)
        + np.where(random.random(n) < 0.1, random.integers(1, 10**7, n), 0)
    ),
}


def large_book(seed: int, prices: Prices) -> NDArray[np.void]:
    """Mostly adds at first, then more cancels and modifies; a clear now and then late in the feed."""
    random = np.random.default_rng(seed)
    records = np.zeros(RECORDS, MBO)
    records["length"] = MBO_SIZE // 4
    records["rtype"] = RType.MBO
    records["publisher_id"] = 1
    records["instrument_id"] = 7
    records["flags"] = LAST
    at = np.arange(RECORDS)
    grows = random.random(RECORDS) < np.where(at < RECORDS // 2, 0.8, 0.35)
    records["action"] = np.where(grows, b"A", random.choice(np.array([b"C", b"M"]), RECORDS))
    records["action"][(random.random(RECORDS) < 0.0002) & (at > 0.8 * RECORDS)] = b"R"
    records["order_id"] = np.where(grows, at, random.integers(0, at + 1)) * random.choice(
        [1, 2**20, 2**33 + 1]
    )
    records["price"] = prices(random, RECORDS)
    records["side"] = random.choice(np.array([b"A", b"B"]), RECORDS)
    records["size"] = random.integers(1, 10, RECORDS)
    records["ts_event"] = records["ts_recv"] = 1_000 + at
    records["sequence"] = at
    return records


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_large_books_stay_sound_and_equal_the_reference(layout: str, seed: int) -> None:
    data = memoryview(large_book(seed, LAYOUTS[layout]).tobytes())
    engine, reference = Engine(), ReferenceEngine()
    for start in range(0, len(data), CHUNK):
        engine.apply(data[start : start + CHUNK])
        assert engine.verify() == []
    reference.apply(data)
    assert engine.checksum(7) == reference.checksum(7)
    assert engine.status(7) == reference.status(7)
    assert engine.counters == reference.counters
    assert engine.snapshot() == reference.snapshot()
    copy = Engine()
    copy.apply(engine.snapshot())
    assert copy.verify() == []
    assert copy.checksum(7) == engine.checksum(7)


def test_every_record_of_a_growing_table_leaves_it_sound() -> None:
    records = large_book(3, LAYOUTS["one tick, close by"])[:20_000]
    data = memoryview(records.tobytes())
    engine = Engine()
    for at in range(0, len(data), 97 * MBO_SIZE):  # a move takes some thousand records
        engine.apply(data[at : at + 97 * MBO_SIZE])
        assert engine.verify() == []
    assert engine.live_orders > 8192
