"""The files that are streamed: made once, in build/bench."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.streaming.tasks import DATASET
from benchmarks.whole_file import write_repeated
from benchmarks.workloads import ROOT, Workload, clx5, deep, simulated
from depthcast.dbn import DBNWriter, make_metadata

__all__ = ["FOLDER", "Input", "deep_input", "records_start", "small_input"]

FOLDER: Final = ROOT / "build" / "bench"
PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Input:
    """A DBN file of MBO records."""

    name: str
    about: str
    path: Path
    records: int


def small_input(records: int) -> Input:
    """A small book: CLX5 again and again, or a simulated instrument where that is absent."""
    real = clx5()
    name = "clx5" if real else "simulated"
    about = "a book of about 150 orders" if real else "a simulated instrument"
    path = FOLDER / f"{name}-{records}.dbn"
    if not path.exists():
        with _Making(path) as part:
            write_repeated(real or simulated(), part, records)
    return Input(name, about, path, records)


def deep_input(records: int) -> Input:
    """183,000 live orders, then random ones of them added, cancelled and modified."""
    orders = 183_000
    path = FOLDER / f"deep-{records}.dbn"
    if not path.exists():
        with _Making(path) as part:
            _write(deep(orders, records - orders), part)
    return Input("deep", f"{orders:,} live orders", path, records)


def _write(workload: Workload, path: Path) -> None:
    metadata = make_metadata(DATASET, "mbo", int(workload.setup["ts_event"][0]))
    with DBNWriter(path, metadata) as writer:
        for records in (workload.setup, workload.timed):
            for begin in range(0, len(records), PIECE):
                writer.write(records[begin : begin + PIECE].tobytes())


class _Making:
    """A file under another name until it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_suffix(".part")

    def __enter__(self) -> Path:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part.unlink(missing_ok=True)
        return self._part

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._part.rename(self._path)
        else:
            self._part.unlink(missing_ok=True)


def records_start(path: Path) -> int:
    """Where the records of an uncompressed DBN file begin."""
    with path.open("rb") as file:
        return 8 + int.from_bytes(file.read(8)[4:], "little")
