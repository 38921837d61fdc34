"""Depthcast's engine, fed chunks of 65,520 bytes."""

from collections.abc import Callable

from benchmarks.peers import Book, Levels, Peer, levels_of
from benchmarks.workloads import Workload, chunks
from depthcast import Engine


class EngineBook:
    """An engine and the chunks to apply."""

    def __init__(self, engine: Engine, pieces: list[memoryview]) -> None:
        self.engine = engine
        self.pieces = pieces

    def run(self) -> None:
        apply = self.engine.apply
        for piece in self.pieces:
            apply(piece)

    def levels(self) -> tuple[Levels, Levels]:
        (key,) = self.engine.books()
        depth = self.engine.depth(key.instrument_id, 0)
        return levels_of(depth.bids), levels_of(depth.asks)


class Ours:
    """The compiled engine."""

    name = "depthcast"
    about = "Engine.apply in chunks of 65,520 bytes"
    max_records = 100_000_000
    max_setup = 1_000_000

    def load(self, workload: Workload) -> Callable[[], Book]:
        setup, timed = chunks(workload.setup), chunks(workload.timed)

        def fresh() -> Book:
            engine = Engine()
            for piece in setup:
                engine.apply(piece)
            return EngineBook(engine, timed)

        return fresh


PEERS: list[Peer] = [Ours()]
