"""At a steady rate: how long after it was due a record is in the receiver's engine.

The feed's schedule has record n due n / rate after its first, and lets records go in bursts: a burst is due
when its first record is. So a record counts from when the first of its chunk was due, but at most a burst's
length before its own time. That is never later than when the feed had it due.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import spread_of
from benchmarks.streaming.inputs import FOLDER, Input
from benchmarks.streaming.meter import Chunks, load_chunks
from benchmarks.streaming.processes import FeedProcess, Receiver
from benchmarks.streaming.results import PERCENTILES, Latency, Scheduling
from benchmarks.streaming.tasks import ReceiveTask
from depthcast.settings import Settings, load

__all__ = ["WARM_UP_S", "Paced", "late_ns", "measured"]

WARM_UP_S: Final = 1.0
"""What comes before is not counted."""


class Paced(NamedTuple):
    """One kind of paced run."""

    name: str
    rate: int
    seconds: float
    runs: int
    scheduling: Scheduling = "ordinary"
    sessions: int = 1
    journal: bool = False
    ts_out: bool = False


class _Run(NamedTuple):
    """What one run gave."""

    microseconds: NDArray[np.float64]
    """At each of `PERCENTILES`."""
    paced: float
    feed_cpu: float
    feed_mib: float


def measured(paced: Paced, source: Input, say: Callable[[str], None]) -> Latency:
    """Run as often as asked for."""
    runs = []
    for number in range(paced.runs):
        say(f"{paced.name}, {paced.scheduling} scheduling: run {number + 1} of {paced.runs}")
        runs.append(_once(paced, source.path))
    columns = np.array([run.microseconds for run in runs]).T
    return Latency(
        name=paced.name,
        since="ts_out" if paced.ts_out else "due",
        rate=paced.rate,
        sessions=paced.sessions,
        scheduling=paced.scheduling,
        seconds=paced.seconds,
        runs=paced.runs,
        microseconds={
            name: spread_of(column.tolist()) for name, column in zip(PERCENTILES, columns, strict=True)
        },
        paced=spread_of([run.paced for run in runs]),
        feed_cpu=spread_of([run.feed_cpu for run in runs]),
        feed_mib=max(run.feed_mib for run in runs),
    )


def _once(paced: Paced, source: Path) -> _Run:
    """One run: the feed, its receiver, and a look at the feed's CPU while it goes."""
    real_time = paced.scheduling == "real-time"
    records = int(paced.rate * (WARM_UP_S + paced.seconds))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="paced-", dir=FOLDER)))
        journal = folder / "journal" if paced.journal else None
        pace = ["--rate", str(paced.rate)]
        feed = FeedProcess(source, pace, wait=paced.sessions, journal=journal, real_time=real_time)
        stack.enter_context(feed)
        task = ReceiveTask(
            kind="subscriber",
            port=feed.port,
            records=records,
            sessions=paced.sessions,
            apply=paced.sessions == 1,
            ts_out=paced.ts_out,
            chunks=str(folder / "chunks.npz"),
        )
        receiver = stack.enter_context(Receiver(task, real_time=real_time))
        feed.event("running")
        sleep(WARM_UP_S)
        before_s = feed.cpu_s()
        window_s = paced.seconds * 0.9
        sleep(window_s)
        cpu = (feed.cpu_s() - before_s) / window_s
        receiver.received()
        start_ns = round(feed.metric("depthcast_feed_schedule_start_seconds") * 1e9)
        chunks = load_chunks(folder / "chunks.npz")
        late = np.concatenate([late_ns(each, paced, start_ns) for each in chunks])
        percentiles = np.percentile(late, list(PERCENTILES.values())) / 1e3
        return _Run(percentiles, _pace(chunks, paced), cpu, feed.memory_mib())


def late_ns(chunks: Chunks, paced: Paced, start_ns: int) -> NDArray[np.int64]:
    """How late each record after the warm-up was used, ns; the schedule began at ``start_ns``."""
    counts = np.diff(chunks.ends, prepend=0)
    skipped = int(paced.rate * WARM_UP_S)
    if paced.ts_out:
        return np.repeat(chunks.ages, counts)[skipped:]
    burst_ns = load(Settings).settings.feed.burst_us * 1_000
    interval_ns = 1e9 / paced.rate
    first_due = np.repeat(((chunks.ends - counts) * interval_ns).astype(np.int64), counts)
    own_due = (np.arange(len(first_due)) * interval_ns).astype(np.int64)
    used = np.repeat(chunks.times, counts)
    late: NDArray[np.int64] = used - (start_ns + np.maximum(first_due, own_due - burst_ns))
    return late[skipped:]


def _pace(sessions: Sequence[Chunks], paced: Paced) -> float:
    """Records a second that the slowest session received after the warm-up, as a share of the rate."""
    shares = []
    for each in sessions:
        begin = int(np.searchsorted(each.ends, int(paced.rate * WARM_UP_S)))
        records = each.ends[-1] - each.ends[begin]
        shares.append(float(records / (each.times[-1] - each.times[begin]) * 1e9 / paced.rate))
    return min(shares)
