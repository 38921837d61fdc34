"""What a run of the API's benchmark found, as it is written to docs/results/serve.json."""

from typing import Final

import msgspec

from benchmarks.results import Figure, Machine, Spread
from benchmarks.workloads import ROOT

__all__ = ["PACKAGES", "PATH", "Reads", "ServeResults", "Streams", "read", "write"]

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


class Streams(msgspec.Struct, frozen=True, kw_only=True):
    """So many WebSocket clients of one stream class."""

    name: str
    clients: int
    rate: int
    """Messages a second to each."""
    feed_rate: int
    """Records a second of the feed; 0 where there is none."""
    seconds: float
    rounds: int
    milliseconds: dict[str, Spread]
    """From when the newest change in a message was applied until the message was received, by percentile."""
    per_second: Spread
    """Messages received a second, by all."""
    message_bytes: Spread
    dropped: int
    """Messages missing in a sequence, resyncs, connections lost: in all rounds together."""
    server_cpu: Spread
    generator_cpu: Spread


class Reads(msgspec.Struct, frozen=True, kw_only=True):
    """So many HTTP connections that ask, and ask again once they are answered."""

    name: str
    connections: int
    feed_rate: int
    seconds: float
    rounds: int
    per_second: Spread
    milliseconds: dict[str, Spread]
    body_bytes: int
    wrong: int
    """Answers that were not 200."""
    server_cpu: Spread
    generator_cpu: Spread


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
