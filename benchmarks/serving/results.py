"""What a run of the API's benchmark found, as it is written to docs/results/serve.json."""

from typing import Final

import msgspec

from benchmarks.results import Figure, Machine, Spread
from benchmarks.workloads import ROOT

__all__ = ["KEPT", "PACKAGES", "PATH", "Reads", "ServeResults", "Streams", "feed_kept", "read", "write"]

PATH: Final = ROOT / "docs" / "results" / "serve.json"
PACKAGES: Final = (
    "depthcast",
    "cython",
    "litestar",
    "uvicorn",
    "uvloop",
    "httptools",
    "websockets",
    "msgspec",
)
KEPT: Final = 0.99
"""The share of its rate that a feed has to reach in every round; a case where it did not is marked."""


class Streams(msgspec.Struct, frozen=True, kw_only=True):
    """So many WebSocket clients, each of one stream class."""

    name: str
    clients: int
    classes: int
    """Different ones, all clients together; 0 for the floor."""
    rate: int
    """Messages a second to each."""
    feed_rate: int
    """Records a second asked of the feed; 0 where there is none."""
    feed_reached: Spread | None
    """Records a second that the API received while messages were counted; None where there is no feed."""
    seconds: float
    rounds: int
    milliseconds: dict[str, Spread]
    """From when the newest change in a message was applied until the message was received, by percentile."""
    per_second: Spread
    """Messages received a second, by all."""
    message_bytes: Spread
    gaps: int | None
    """Holes in sequences, in all rounds together like the next three; None where nobody looked."""
    resyncs: int
    errors: int
    closed: int
    """Connections that the server ended."""
    server_cpu: Spread
    generator_cpu: Spread

    @property
    def dropped(self) -> int | None:
        """Whatever clients missed; None where sequences were not looked into."""
        return None if self.gaps is None else self.gaps + self.resyncs + self.errors + self.closed


class Reads(msgspec.Struct, frozen=True, kw_only=True):
    """So many HTTP connections that ask, and ask again once they are answered."""

    name: str
    connections: int
    feed_rate: int
    feed_reached: Spread
    seconds: float
    rounds: int
    per_second: Spread
    milliseconds: dict[str, Spread]
    body_bytes: int
    wrong: int
    """Answers that were not 200."""
    server_cpu: Spread
    generator_cpu: Spread


def feed_kept(row: Streams | Reads) -> float | None:
    """The share of its rate that the feed reached in its worst round; None where there is no feed."""
    return None if row.feed_reached is None else row.feed_reached.least / row.feed_rate


class ServeResults(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    date: str
    machine: Machine
    versions: dict[str, str]
    quick: bool
    input: str
    """What was streamed."""
    streams: list[Streams]
    reads: list[Reads]
    figures: list[Figure]
    missing: dict[str, str]
    """What could not run, and why."""

    def stream(self, name: str) -> Streams | None:
        return next((each for each in self.streams if each.name == name), None)


def write(results: ServeResults) -> None:
    """Write the results to their place in docs."""
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def read() -> ServeResults | None:
    """The results that docs hold; None if there are none."""
    return msgspec.json.decode(PATH.read_bytes(), type=ServeResults) if PATH.exists() else None
