"""What a replica costs at a steady rate, by how often it reads: ``python -m benchmarks.replica FILE``.

A feed plays the file again and again; the replica follows it in a process of its own, with one listener.
CPU is that process's, latency from the gateway's send time (ts_out) to when the record was applied.
"""

import argparse
import asyncio
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog
import uvloop

from depthcast.book.types import BookKey
from depthcast.live.replica import Replica
from depthcast.live.replica_types import FeedState, ResetReason

KEY: Final = "db-BenchmarkOfTheReplica0000000000"[:32]
SETTLE_S: Final = 2.0
SHARES: Final = (0.5, 0.99, 0.999)


class Figures(NamedTuple):
    """One run."""

    gather_ms: float
    rate: float
    """Records a second that came."""
    chunks: float
    """Times a second that somebody was told of changed books."""
    cpu: float
    """Of one core."""
    late_us: tuple[float, ...]
    """Percentiles, by `SHARES`."""


class _Listener:
    """One that asks for nothing."""

    wants_records = False

    def __init__(self) -> None:
        self.chunks = 0

    def on_changed(self, keys: list[BookKey]) -> None:
        self.chunks += len(keys) > 0

    def on_records(self, records: memoryview) -> None:
        """Not asked for."""

    def on_trades(self, records: bytes) -> None:
        """Of no interest."""

    def on_reset(self, reason: ResetReason) -> None:
        """Of no interest."""

    def on_state(self, state: FeedState) -> None:
        """Of no interest."""


async def measure(port: int, dataset: str, gather_ms: float, seconds: float) -> Figures:
    """Follow the feed for so long, once it runs."""
    replica = Replica("127.0.0.1", port, key=KEY, dataset=dataset, gather_ms=gather_ms)
    listener = _Listener()
    replica.add_listener(listener)
    following = asyncio.create_task(replica.run())
    while replica.state is not FeedState.LIVE:
        await asyncio.sleep(0.01)
    await asyncio.sleep(SETTLE_S)
    begun, cpu, records, chunks = time.monotonic(), time.process_time(), replica.records, listener.chunks
    before = replica.hops["gateway_to_applied"].copy()
    await asyncio.sleep(seconds)
    took = time.monotonic() - begun
    late = replica.hops["gateway_to_applied"].since(before)
    found = Figures(
        gather_ms,
        (replica.records - records) / took,
        (listener.chunks - chunks) / took,
        (time.process_time() - cpu) / took,
        tuple(late.percentile(share) / 1e3 for share in SHARES),
    )
    replica.close()
    await following
    return found


def measured(file: str, rate: int, gather_ms: float, seconds: float) -> Figures:
    """One run against a feed of its own."""
    program = [sys.executable, "-c", "import sys; from depthcast.cli import main; sys.exit(main())"]
    options = ["--loop", "--rate", str(rate), "--key", KEY, "--journal", "none", "--admin", "none"]
    command = [*program, "feed", file, *options, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as feed:
        try:
            assert feed.stderr is not None
            port = int(json.loads(feed.stderr.readline())["addresses"][0].rpartition(":")[2])
            follow = [sys.executable, "-m", "benchmarks.replica", file, "--follow", str(port)]
            follow += ["--gather", str(gather_ms), "--seconds", str(seconds)]
            found = json.loads(subprocess.run(follow, capture_output=True, check=True).stdout)
        finally:
            feed.send_signal(signal.SIGKILL)
    return Figures(**{**found, "late_us": tuple(found["late_us"])})


def table(runs: Sequence[Sequence[Figures]]) -> str:
    """The middle run of each kind by CPU, and the least and the most CPU."""
    lines = [
        "| gather_ms | records/s | chunks/s | CPU of one core | p50, p99, p99.9 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for each in runs:
        by_cpu = sorted(each, key=lambda run: run.cpu)
        middle = by_cpu[len(by_cpu) // 2]
        late = ", ".join(f"{value / 1e3:.2f} ms" for value in middle.late_us)
        spread = f"{middle.cpu:.1%} ({by_cpu[0].cpu:.1%} to {by_cpu[-1].cpu:.1%})"
        lines.append(
            f"| {middle.gather_ms:g} | {middle.rate:,.0f} | {middle.chunks:,.0f} | {spread} | {late} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", help="an MBO file, such as CLX5_mbo.dbn")
    parser.add_argument("--dataset", default="GLBX.MDP3")
    parser.add_argument("--rate", type=int, default=500_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--gather", type=float, nargs="+", default=[0, 1, 2, 5])
    parser.add_argument("--follow", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.follow:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        found = uvloop.run(measure(given.follow, given.dataset, given.gather[0], given.seconds))
        print(json.dumps(found._asdict()))
        return
    runs = [
        [measured(given.file, given.rate, gather_ms, given.seconds) for _ in range(given.runs)]
        for gather_ms in given.gather
    ]
    print(table(runs))


if __name__ == "__main__":
    main()
