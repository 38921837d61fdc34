"""Depthcast's own specification in plain Python: made to be read, not to be fast."""

from collections.abc import Callable

from benchmarks.peers import Book, Levels, Peer, levels_of
from benchmarks.workloads import Workload, chunks
from depthcast import ReferenceEngine


class ReferenceBook:
    """A reference engine and the chunks to apply."""

    def __init__(self, engine: ReferenceEngine, pieces: list[memoryview]) -> None:
        self.engine = engine
        self.pieces = pieces

    def run(self) -> None:
        for piece in self.pieces:
            self.engine.apply(piece)

    def levels(self) -> tuple[Levels, Levels]:
        (key,) = self.engine.books()
        depth = self.engine.depth(key.instrument_id, 0)
        return levels_of(depth.bids), levels_of(depth.asks)


class Reference:
    """The executable specification."""

    name = "reference"
    about = "ReferenceEngine, the executable specification"
    max_records = 40_000
    max_setup = 0

    def load(self, workload: Workload) -> Callable[[], Book]:
        setup, timed = chunks(workload.setup), chunks(workload.timed)

        def fresh() -> Book:
            engine = ReferenceEngine()
            for piece in setup:
                engine.apply(piece)
            return ReferenceBook(engine, timed)

        return fresh


PEERS: list[Peer] = [Reference()]
