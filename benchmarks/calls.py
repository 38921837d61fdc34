"""What single calls of the engine cost: one record, a depth, a snapshot, a derivation."""

from benchmarks.measure import Task, per_call
from benchmarks.workloads import Workload, chunks
from depthcast import Engine
from depthcast.book.derive import Deriver
from depthcast.dbn.layout import MBO_SIZE

DEPTH_CALLS = 10_000


def filled(workload: Workload) -> Engine:
    """An engine that has applied the whole workload."""
    engine = Engine()
    for piece in chunks(workload.setup) + chunks(workload.timed):
        engine.apply(piece)
    return engine


def one_record(workload: Workload) -> Task:
    """ns for `Engine.apply` of one record, the call from Python included."""
    data = memoryview(workload.timed.tobytes())
    records = [data[at : at + MBO_SIZE] for at in range(0, len(data), MBO_SIZE)]

    def task() -> float:
        apply = Engine().apply

        def run() -> None:
            for record in records:
                apply(record)

        return per_call(run, len(records))()

    return task


def ten_levels(workload: Workload) -> Task:
    """ns for ``engine.depth(instrument, 10)``."""
    engine = filled(workload)
    (key,) = engine.books()

    def run() -> None:
        depth = engine.depth
        for _ in range(DEPTH_CALLS):
            depth(key.instrument_id, 10)

    return per_call(run, DEPTH_CALLS)


def snapshot(workload: Workload) -> Task:
    """Orders a second that ``engine.snapshot()`` writes."""
    engine = filled(workload)
    orders = len(engine.snapshot()) // MBO_SIZE - 1
    task = per_call(engine.snapshot, orders)
    return lambda: 1e9 / task()


def mbp_10(workload: Workload) -> Task:
    """Records a second that go through the derivation of mbp-10."""
    pieces = chunks(workload.timed)

    def run() -> None:
        deriver = Deriver("mbp-10")
        for piece in pieces:
            deriver.apply(piece)
        deriver.flush()

    task = per_call(run, len(workload.timed))
    return lambda: 1e9 / task()
