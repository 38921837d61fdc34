"""The times by which rows are found, worked out from records: seconds or ms since 1970, µs since 2000."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn.layout import UNDEF_TIMESTAMP

__all__ = [
    "US_PER_DAY",
    "US_PER_S",
    "cell_after",
    "second_after",
    "second_of",
    "time_of",
    "us_down",
    "us_of",
    "us_up",
]

US_PER_S: Final = 1_000_000
US_PER_DAY: Final = 86_400 * US_PER_S
_NS_PER_S: Final = np.uint64(1_000_000_000)
_NS_PER_US: Final = np.uint64(1_000)
_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1_000
_US_PER_MS: Final = 1_000
_EPOCH_2000_US: Final = 946_684_800_000_000

Times = NDArray[np.uint64]
Integers = NDArray[np.int64]


def time_of(records: NDArray[np.void]) -> Times:
    """The time (ns) that a record's row is found by: ts_recv, else ts_event, else none: 0."""
    times: Times = np.where(records["ts_recv"] != UNDEF_TIMESTAMP, records["ts_recv"], records["ts_event"])
    times[times == UNDEF_TIMESTAMP] = 0
    return times


def second_of(times: Times) -> Integers:
    """The beginning of the second [k, k+1) that a time (ns) is in."""
    seconds: Integers = (times // _NS_PER_S).astype(np.int64)
    return seconds


def second_after(times: Times) -> Integers:
    """The end of the second (k, k+1] that a time (ns) is in."""
    return cell_after(times, _MS_PER_S)


def cell_after(times: Times, grid_ms: int) -> Integers:
    """The end of the interval (k, k+1] of a grid of so many ms that a time (ns) is in, in such intervals."""
    length = np.uint64(grid_ms * _NS_PER_MS)
    cells: Integers = (times // length + (times % length != 0)).astype(np.int64)
    return cells


def us_of(cells: Integers, grid_ms: int = _MS_PER_S) -> Integers:
    """Seconds, or intervals of another grid, as a ``timestamptz``."""
    return cells * (grid_ms * _US_PER_MS) - _EPOCH_2000_US


def us_down(times: Times) -> Integers:
    """Times (ns) as a ``timestamptz``, rounded down."""
    us: Integers = (times // _NS_PER_US).astype(np.int64)
    return us - _EPOCH_2000_US


def us_up(times: Times) -> Integers:
    """Times (ns) as a ``timestamptz``, rounded up."""
    us: Integers = (times // _NS_PER_US + (times % _NS_PER_US != 0)).astype(np.int64)
    return us - _EPOCH_2000_US
