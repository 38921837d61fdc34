"""The command itself: ``depthcast reconstruct`` of a file of 10 M records, as a user runs it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

import numpy as np

from benchmarks.measure import Task
from benchmarks.workloads import Workload, blank
from depthcast.dbn import DBNWriter, make_metadata

RECORDS: Final = 10_000_000


def write_repeated(workload: Workload, path: Path, records: int) -> None:
    """Write a DBN file of the workload again and again: an ``R`` before each, times going on."""
    day = np.concatenate([blank(1, 0), workload.timed])
    day[0] = workload.timed[0]
    for name, value in (("action", b"R"), ("side", b"N"), ("order_id", 0), ("size", 0), ("flags", 0x80)):
        day[0][name] = value
    day["price"][0] = 2**63 - 1
    span = int(day["ts_recv"].max() - day["ts_recv"].min()) + 1
    metadata = make_metadata("BENCH.XXXX", "mbo", int(day["ts_event"].min()))
    with DBNWriter(path, metadata) as writer:
        left = records
        while left > 0:
            writer.write(day[:left].tobytes())
            left -= len(day)
            day["ts_event"] += np.uint64(span)
            day["ts_recv"] += np.uint64(span)


@contextmanager
def big_file(workload: Workload) -> Iterator[Path]:
    """A DBN file of 10 M records: the workload again and again."""
    with TemporaryDirectory(prefix="depthcast-bench-") as folder:
        path = Path(folder) / "big.dbn"
        write_repeated(workload, path, RECORDS)
        yield path


def reconstruct(path: Path) -> Task:
    """Records a second of the whole command: start, reading, books, JSON."""
    program = Path(sys.executable).with_name("depthcast")
    command = [str(program), "reconstruct", str(path), "-o", str(path.with_suffix(".json"))]

    def task() -> float:
        begin = perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return RECORDS / (perf_counter() - begin)

    return task
