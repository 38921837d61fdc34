"""Notes when each chunk of a session was used, and works nothing out meanwhile."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns, time_ns

import numpy as np
from numpy.typing import NDArray

from benchmarks.streaming.tasks import SessionResult
from depthcast.dbn.layout import MBO_SIZE

__all__ = ["Chunks", "Meter", "load_chunks", "save_chunks"]

TS_OUT_BYTES = 8


class Meter:
    """Uses the chunks of one session, which are whole MBO records, and notes when that was done.

    Args:
        records: after so many ``done`` is called.
        use: what is done with a chunk.
        ts_out: whether the records have it.
    """

    def __init__(
        self,
        records: int,
        use: Callable[[memoryview], object],
        done: Callable[[], object],
        *,
        ts_out: bool = False,
    ) -> None:
        self._use = use
        self._done = done
        self._size = MBO_SIZE + (TS_OUT_BYTES if ts_out else 0)
        self._left = records * self._size
        self._begin_ns = 0
        self._times: list[int] = []
        self._sizes: list[int] = []
        self._stamps: list[int] | None = [] if ts_out else None

    def take(self, chunk: memoryview) -> None:
        """Use a chunk."""
        if not self._begin_ns:
            self._begin_ns = monotonic_ns()
        self._use(chunk)
        self._times.append(monotonic_ns())
        self._sizes.append(len(chunk))
        if self._stamps is not None:
            self._stamps.append(time_ns() - int.from_bytes(chunk[MBO_SIZE : MBO_SIZE + 8], "little"))
        if self._left > 0:
            self._left -= len(chunk)
            if self._left <= 0:
                self._done()

    def result(self) -> SessionResult:
        return SessionResult(sum(self._sizes) // self._size, self._begin_ns, self._times[-1])

    def columns(self) -> list[NDArray[np.int64]]:
        """For each chunk the records up to its end, when it was used, and its age by ts_out (0 without)."""
        ends = np.cumsum(np.array(self._sizes, np.int64)) // self._size
        times = np.array(self._times, np.int64)
        ages = np.zeros_like(times) if self._stamps is None else np.array(self._stamps, np.int64)
        return [ends, times, ages]


class Chunks:
    """When the chunks of one session were used: columns as of `Meter.columns`."""

    def __init__(self, columns: NDArray[np.int64]) -> None:
        self.ends, self.times, self.ages = columns


def save_chunks(meters: list[Meter], path: str) -> None:
    """Write what several sessions noted."""
    np.savez(path, *(np.stack(meter.columns()) for meter in meters))


def load_chunks(path: Path) -> list[Chunks]:
    """What several sessions noted."""
    with np.load(path) as arrays:
        return [Chunks(arrays[name]) for name in arrays.files]
