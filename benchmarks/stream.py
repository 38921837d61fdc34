"""The stream end to end: ``python -m benchmarks.stream [--quick] [--write]``.

The feed, as a user runs it, streams files over loopback to subscribers in processes of their own, which apply
the records to engines: as fast as it goes, and paced. Beside it the bare loopback and the official client.
With ``--write`` the results go to docs/results/stream.json, from there into README and docs. ``--quick``
takes a minute at most and writes nothing.
"""

import shutil
import subprocess
import sys
from datetime import UTC, datetime

from rich.console import Console

from benchmarks.results import Figure, this_machine, versions
from benchmarks.streaming import latency, report, throughput
from benchmarks.streaming.inputs import deep_input, small_input
from benchmarks.streaming.latency import Paced
from benchmarks.streaming.processes import REAL_TIME
from benchmarks.streaming.results import (
    PACKAGES,
    Latency,
    Scheduling,
    StreamResults,
    Workload,
    write,
)

FULL = 10_000_000
QUICK = 4_000_000
"""Records of the files."""
RATE = 500_000
JOURNALLED = f"{report.SEED}, journal on"
STAMPED = f"{report.SEED}, since ts_out"
FAST = report.SEED.replace("500,000", "1,000,000")
MANY = "100 counting sessions, 20,000 records/s"


def paced_runs(real_time: bool, *, quick: bool) -> list[Paced]:
    """What is paced, for how long, how often."""
    seconds = 1.0 if quick else 10.0
    runs = 1 if quick else 5
    few = 1 if quick else 3
    schedulings: tuple[Scheduling, ...] = ("ordinary", "real-time") if real_time else ("ordinary",)
    found = []
    for scheduling in schedulings:
        found.append(Paced(report.SEED, RATE, seconds, runs, scheduling))
        found.append(Paced(FAST, 2 * RATE, seconds / 2, few, scheduling))
    found.append(Paced(JOURNALLED, RATE, seconds, few, journal=True))
    found.append(Paced(STAMPED, RATE, seconds / 2, few, ts_out=True))
    found.append(Paced(MANY, 20_000, seconds / 2, few, sessions=100))
    return found


def throughput_figures(workloads: list[Workload]) -> list[Figure]:
    """What the tables of throughput are held to."""
    figures = []
    for workload in workloads:
        small = workload.name != "deep"
        goals = {
            "depthcast": 15e6 if small else None,
            "depthcast, journal on": 5e6 if small else None,
            "depthcast, each of 8 sessions": 1e6,
        }
        for name, goal in goals.items():
            row = workload.row(name)
            if row is None:
                continue
            figures.append(Figure(f"{workload.name}: {name}", "records/s", row.per_second, goal, "higher"))
            if name == "depthcast" and row.of_floor is not None:
                share = Figure(
                    f"{workload.name}: {name}", "times the bare loopback", row.of_floor, 0.6, "higher"
                )
                figures.append(share)
    return figures


def latency_figures(latencies: list[Latency]) -> list[Figure]:
    """What the paced runs are held to."""
    goals = {
        (report.SEED, "p50"): 100.0,
        (report.SEED, "p99"): 400.0,
        (report.SEED, "p99.9"): 5_000.0,
        (FAST, "p99"): 2_000.0,
    }
    figures = []
    for each in latencies:
        for (name, percentile), goal in goals.items():
            if name == each.name:
                what = f"{report.title(each)}: {percentile}"
                figures.append(Figure(what, "µs", each.microseconds[percentile], goal, "lower"))
        if each.name == JOURNALLED:
            cpu = each.feed_cpu.times(100)
            figures.append(Figure(f"{each.name}: CPU of the feed", "% of a core", cpu, 40.0, "lower"))
        if each.name == MANY:
            pace = each.paced.times(100)
            figures.append(Figure(f"{each.name}: the slowest's pace", "%", pace, 99.0, "higher"))
    return figures


def main() -> None:
    """Measure, print, and write if asked to."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    quick = "--quick" in sys.argv[1:]

    def say(what: str) -> None:
        console.print(f"[dim]{what}[/dim]", highlight=False)

    missing: dict[str, str] = {}
    real_time = may_have_real_time()
    if not real_time:
        missing["real-time scheduling"] = "chrt -f needs root"
    say("files to stream")
    inputs = [small_input(QUICK if quick else FULL), deep_input(QUICK if quick else FULL)]
    if inputs[0].name != "clx5":
        missing["clx5"] = "the real sample is absent (DEPTHCAST_DATA); a simulated file stands in"
    rounds = (1, 1) if quick else (5, 3)
    workloads = [
        throughput.measured(source, throughput.ways_of(source, quick=quick), times, say)
        for source, times in zip(inputs, rounds, strict=True)
    ]
    latencies = [latency.measured(paced, inputs[0], say) for paced in paced_runs(real_time, quick=quick)]
    results = StreamResults(
        date=datetime.now(UTC).date().isoformat(),
        machine=this_machine(),
        versions=versions(PACKAGES),
        quick=quick,
        workloads=workloads,
        latencies=latencies,
        figures=throughput_figures(workloads) + latency_figures(latencies),
        missing=missing,
    )
    if "--write" in sys.argv[1:] and not quick:
        write(results)
        for path in report.publish(results):
            say(f"wrote {path.name}")
    report.terminal(results, console)


def may_have_real_time() -> bool:
    """Whether processes may be started under ``chrt -f``."""
    command = [*REAL_TIME, "true"]
    return shutil.which(command[0]) is not None and subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    main()
