"""What a run of the benchmark found, as it is written to docs/results/engine.json."""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

import msgspec

from benchmarks.workloads import ROOT

PATH: Final = ROOT / "docs" / "results" / "engine.json"
PACKAGES: Final = (
    "depthcast",
    "cython",
    "numpy",
    "databento-dbn",
    "nautilus-trader",
    "numba",
    "sortedcontainers",
)


class Spread(msgspec.Struct, frozen=True):
    """The median of the rounds, and how far they went."""

    median: float
    least: float
    greatest: float

    def times(self, factor: float) -> "Spread":
        """The same in another unit."""
        return Spread(self.median * factor, self.least * factor, self.greatest * factor)


class Row(msgspec.Struct, frozen=True):
    """One way to keep a book, on one workload: ns a record."""

    name: str
    about: str
    records: int
    ns: Spread
    same_book: bool | None
    """Whether it ended in the engine's book, level by level; None for what keeps none."""


class Table(msgspec.Struct, frozen=True):
    """One workload and all who ran it."""

    name: str
    about: str
    rows: list[Row]

    def row(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)


class Figure(msgspec.Struct, frozen=True):
    """One number that the project holds itself to."""

    name: str
    unit: str
    value: Spread
    goal: float | None
    """None where none was set."""
    better: Literal["lower", "higher"]

    @property
    def reached(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value.median <= self.goal if self.better == "lower" else self.value.median >= self.goal


class Machine(msgspec.Struct, frozen=True):
    """Where it ran."""

    processor: str
    cores: int
    memory_gib: int
    system: str
    python: str
    compiler: str
    scheduling: Literal["ordinary", "real-time"]


class Results(msgspec.Struct, frozen=True):
    """One run."""

    date: str
    machine: Machine
    versions: dict[str, str]
    rounds: int
    tables: list[Table]
    figures: list[Figure]
    missing: dict[str, str]
    """What could not run, and why."""


def this_machine() -> Machine:
    """What a reader needs to know to compare."""
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    compiler = subprocess.run(
        [os.environ.get("CC", "cc"), "--version"], capture_output=True, text=True, check=False
    )
    return Machine(
        processor=processor,
        cores=os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        compiler=compiler.stdout.partition("\n")[0],
        scheduling="ordinary" if os.sched_getscheduler(0) == os.SCHED_OTHER else "real-time",
    )


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """The versions of what took part."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def number(value: float) -> str:
    """Three significant digits, thousands separated, millions as such."""
    if value >= 999_500:
        return f"{value / 1e6:.3g} M"
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def write(results: Results) -> None:
    """Write the results to their place in docs."""
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def read() -> Results:
    """The results that docs hold."""
    return msgspec.json.decode(PATH.read_bytes(), type=Results)
