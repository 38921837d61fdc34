"""The arithmetic of the paced benchmark: from when which record was due."""

import numpy as np

from benchmarks.streaming.latency import WARM_UP_S, Paced, late_ns
from benchmarks.streaming.meter import Chunks, Meter
from depthcast.settings import Settings, load

RATE = 100_000
INTERVAL_NS = 1_000_000_000 // RATE
START_NS = 5_000_000
WARM_UP = int(RATE * WARM_UP_S)
BURST = load(Settings).settings.feed.burst_us * 1_000 // INTERVAL_NS
PACED = Paced("paced", RATE, seconds=1.0, runs=1)


def chunks(*ends_and_times: tuple[int, int]) -> Chunks:
    """The warm-up in one chunk, then these: records of the whole up to the end, ns after the start."""
    ends, times = zip((WARM_UP, 0), *ends_and_times, strict=True)
    return Chunks(np.array([ends, [START_NS + each for each in times], np.zeros(len(ends))], np.int64))


def due_ns(record: int) -> int:
    return record * INTERVAL_NS


def test_all_records_of_a_burst_count_from_when_its_first_was_due() -> None:
    used = due_ns(WARM_UP) + 70_000
    late = late_ns(chunks((WARM_UP + BURST, used)), PACED, START_NS)
    assert late.tolist() == [70_000] * BURST


def test_bursts_that_come_in_one_chunk_each_count_from_their_own_time() -> None:
    used = due_ns(WARM_UP) + 5_000_000
    late = late_ns(chunks((WARM_UP + 3 * BURST, used)), PACED, START_NS)
    assert late[: BURST + 1].tolist() == [5_000_000] * (BURST + 1)
    assert late[-1] == 5_000_000 - (2 * BURST - 1) * INTERVAL_NS  # a burst's length before its own time


def test_a_stall_makes_all_that_waited_late() -> None:
    stalled = due_ns(WARM_UP + 10 * BURST) + 100
    pieces = [(WARM_UP + (n + 1) * BURST, stalled) for n in range(10)]
    late = late_ns(chunks(*pieces), PACED, START_NS)
    assert late[0] == 10 * BURST * INTERVAL_NS + 100
    assert (np.diff(late[::BURST]) < 0).all()


def test_with_ts_out_the_age_of_the_chunk_counts() -> None:
    columns = np.array([[WARM_UP, WARM_UP + 3], [0, 0], [9, 1234]], np.int64)
    assert late_ns(Chunks(columns), PACED._replace(ts_out=True), START_NS).tolist() == [1234] * 3


def test_a_meter_tells_when_it_has_all_and_goes_on_counting() -> None:
    used: list[int] = []
    over: list[bool] = []
    meter = Meter(3, lambda chunk: used.append(len(chunk)), lambda: over.append(True))
    for records in (2, 2, 1):
        meter.take(memoryview(bytes(56 * records)))
    ends, times, _ = meter.columns()
    assert over == [True]
    assert used == [112, 112, 56]
    assert ends.tolist() == [2, 4, 5]
    assert (np.diff(times) >= 0).all()
    assert meter.result().records == 5
