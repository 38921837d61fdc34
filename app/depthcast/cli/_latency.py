"""How late records are: a histogram of log-linear buckets, filled by whole chunks."""

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn.framing import TS_OUT_SIZE
from depthcast.dbn.layout import LENGTH_WORD, MBO, RType

__all__ = ["Histogram", "Latency"]

_SHIFT: Final = 47
"""Of a float64's bits, what is left is its exponent and 5 bits of its mantissa: buckets of about 2 %."""
_ONE: Final = int(np.float64(1.0).view(np.int64)) >> _SHIFT
_BUCKETS: Final = 44 << 5
"""From 1 ns to 4.8 hours."""
_MOST: Final = 4096
"""Records of a chunk that are looked at; of longer chunks every n-th."""
_LIVE_NS: Final = 3_600_000_000_000
"""A ts_recv farther than this from now is of recorded data, and no measure of latency."""
_TS_RECV: Final = int(MBO.fields["ts_recv"][1]) if MBO.fields else 0


class Histogram:
    """Counts of durations in ns."""

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0
        self._buckets = np.zeros(_BUCKETS, dtype=np.int64)

    def add(self, durations: NDArray[np.int64], weight: int = 1) -> None:
        """Count durations, each ``weight`` times; less than 1 ns counts as that."""
        if not len(durations):
            return
        as_floats = np.maximum(durations, 1).astype(np.float64)
        places = np.minimum((as_floats.view(np.int64) >> _SHIFT) - _ONE, _BUCKETS - 1)
        self._buckets += np.bincount(places, minlength=_BUCKETS) * weight
        self.count += len(durations) * weight
        self.longest = max(self.longest, int(durations.max()))

    def percentile(self, share: float) -> int:
        """The duration that ``share`` (0 to 1) of all do not exceed, within 3 %; 0 where there are none."""
        if not self.count:
            return 0
        wanted = max(1, int(np.ceil(share * self.count)))
        place = int(np.searchsorted(np.cumsum(self._buckets), wanted))
        upper = np.array([(place + 1 + _ONE) << _SHIFT], dtype=np.int64).view(np.float64)[0]
        return min(int(upper), self.longest)


class Latency:
    """From a record's own time to when it was applied: ``ts_out`` if there is, else ``ts_recv`` of live data.

    Both are times of other machines' clocks: across machines a difference of clocks is in it.

    Attributes:
        since: which time it counts from; None where the records have none that is of now.
    """

    def __init__(self, *, ts_out: bool) -> None:
        self.since: str | None = "ts_out" if ts_out else None
        self.histogram = Histogram()
        self._ts_out = ts_out
        self._decided = ts_out

    def applied(self, records: memoryview) -> None:
        """These records have just been applied. Only runs of one length count, without ts_out only MBO."""
        now = time.time_ns()
        size = records[0] * LENGTH_WORD
        many = len(records) // size
        if many * size != len(records):
            return
        every = max(1, many // _MOST)
        heads = np.ndarray((many,), "<u2", records, 0, (size,))[::every]
        if not self._ts_out and records[1] != RType.MBO:
            return
        if (heads != heads[0]).any():
            return
        offset = size - TS_OUT_SIZE if self._ts_out else _TS_RECV
        times = np.ndarray((many,), "<u8", records, offset, (size,))[::every].astype(np.int64)
        late = now - times
        if not self._decided:
            self._decided = True
            self.since = "ts_recv" if abs(int(late[-1])) < _LIVE_NS else None
        if self.since is not None:
            self.histogram.add(late, every)
