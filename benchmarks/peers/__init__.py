"""Who runs beside the engine, each in its best form, on the same records in the same rounds."""

from collections.abc import Callable
from importlib import import_module
from typing import Final, Protocol

from benchmarks.workloads import Workload
from depthcast import Level

Levels = list[tuple[int, int, int]]
"""(price in 1e-9 units, size, count) of a side's levels, best first."""


def levels_of(levels: list[Level]) -> Levels:
    """Depthcast's levels in plain numbers."""
    return [(level.price, level.size, level.count) for level in levels]


class Book(Protocol):
    """A book that is ready: `run` applies the timed records, and only that is timed."""

    def run(self) -> None:
        """Apply the timed records."""

    def levels(self) -> tuple[Levels, Levels] | None:
        """Bids and asks afterwards; None for what keeps no book."""


class Peer(Protocol):
    """One way to keep a book."""

    name: str
    about: str
    max_records: int
    """More timed records than this would take too long; the first so many are timed."""
    max_setup: int
    """A workload that needs more records before the clock starts is left out."""

    def load(self, workload: Workload) -> Callable[[], Book]:
        """Bring the records into the form this peer likes best (not timed). What is returned makes books."""


MODULES: Final = (
    "benchmarks.peers.floor",
    "benchmarks.peers.ours",
    "benchmarks.peers.nautilus",
    "benchmarks.peers.numba_book",
    "benchmarks.peers.documented",
    "benchmarks.peers.reference",
)


def available() -> tuple[list[Peer], dict[str, str]]:
    """The peers that can run here, and why the others cannot, by module."""
    peers: list[Peer] = []
    missing: dict[str, str] = {}
    for name in MODULES:
        try:
            peers.extend(import_module(name).PEERS)
        except ImportError as error:
            missing[name.rpartition(".")[2]] = str(error)
    return peers, missing
