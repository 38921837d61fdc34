"""What a run of the stream benchmark found, as it is written to docs/results/stream.json."""

from typing import Final, Literal

import msgspec

from benchmarks.results import Figure, Machine, Spread
from benchmarks.workloads import ROOT

__all__ = [
    "PACKAGES",
    "PATH",
    "PERCENTILES",
    "Latency",
    "StreamResults",
    "Throughput",
    "Workload",
    "read",
    "write",
]

PATH: Final = ROOT / "docs" / "results" / "stream.json"
PACKAGES: Final = ("depthcast", "cython", "uvloop", "numpy", "databento", "databento-dbn", "zstandard")
PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}

Scheduling = Literal["ordinary", "real-time"]


class Throughput(msgspec.Struct, frozen=True):
    """One way from a file to a receiver's engine, as fast as it goes."""

    name: str
    sessions: int
    records: int
    """That each session receives."""
    per_second: Spread
    """Records a second, to each session."""
    of_floor: Spread | None
    """As a share of the floor's in the same round."""
    same_book: bool | None
    """Whether all receivers ended in the books that the floor's did; None for what keeps none."""


class Workload(msgspec.Struct, frozen=True):
    """One file and all who streamed it."""

    name: str
    about: str
    rounds: int
    rows: list[Throughput]

    def row(self, name: str) -> Throughput | None:
        return next((row for row in self.rows if row.name == name), None)


class Latency(msgspec.Struct, frozen=True):
    """Paced runs: microseconds until a record was used by the receiver."""

    name: str
    since: Literal["due", "ts_out"]
    rate: int
    sessions: int
    scheduling: Scheduling
    seconds: float
    """Of one run."""
    runs: int
    microseconds: dict[str, Spread]
    """By percentile of the records of a run: p50, p90, p99, p99.9, max."""
    paced: Spread
    """Records received a second, as a share of the rate."""
    feed_cpu: Spread
    """CPU of the whole feed process, as a share of a core."""
    feed_mib: float
    """The most memory the feed had."""


class StreamResults(msgspec.Struct, frozen=True):
    """One run."""

    date: str
    machine: Machine
    versions: dict[str, str]
    quick: bool
    workloads: list[Workload]
    latencies: list[Latency]
    figures: list[Figure]
    missing: dict[str, str]
    """What could not run, and why."""

    def latency(self, name: str, scheduling: Scheduling) -> Latency | None:
        return next(
            (each for each in self.latencies if each.name == name and each.scheduling == scheduling), None
        )

    def workload(self, name: str) -> Workload | None:
        return next((each for each in self.workloads if each.name == name), None)


def write(results: StreamResults) -> None:
    """Write the results to their place in docs."""
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def read() -> StreamResults | None:
    """The results that docs hold; None if there are none."""
    return msgspec.json.decode(PATH.read_bytes(), type=StreamResults) if PATH.exists() else None
