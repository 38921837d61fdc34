"""Rows that are ready to be copied, and what has to be known of them."""

from typing import NamedTuple

import numpy as np

from depthcast.store.columns import Columns, Nulls
from depthcast.store.copying import Levels, encode_rows
from depthcast.store.tables import COPIED
from depthcast.store.times import US_PER_DAY, US_PER_S

__all__ = ["NO_ROWS", "Rows", "rows_of"]


class Rows(NamedTuple):
    """Rows of one table, ready to be copied.

    Attributes:
        number: how many.
        data: in the binary COPY format.
        first_us, last_us: the least and greatest ``ts``, µs since 2000; of no rows, 0.
        days: those of ``ts``, and of the second that ends after it: days since 2000.
    """

    number: int
    data: bytes
    first_us: int
    last_us: int
    days: frozenset[int]


NO_ROWS = Rows(0, b"", 0, 0, frozenset())


def rows_of(table: str, columns: Columns, nulls: Nulls, *, times: str = "ts") -> Rows:
    """Columns as rows of this table; ``times`` is the column that finds them."""
    ts = columns[times]
    if isinstance(ts, Levels) or len(ts) == 0:
        return NO_ROWS
    us = ts.astype(np.int64)
    first, last = int(us.min()), int(us.max())
    if first // US_PER_DAY == (last + (US_PER_S - 1)) // US_PER_DAY:
        days = frozenset([first // US_PER_DAY])
    else:
        each = np.unique(us // US_PER_DAY), np.unique((us + (US_PER_S - 1)) // US_PER_DAY)
        days = frozenset(int(day) for some in each for day in some)
    return Rows(len(us), encode_rows(COPIED[table], columns, nulls), first, last, days)
