"""What is gathered over each second of each book, while a segment is read.

Rows come in the order of the feed. They are folded into one row for each book and second, which is given out
once the feed is past that second. Memory is for the books of two seconds, however long the segment is. A
second here may be a shorter interval as well, a divisor of it, where rows are gathered on a finer grid.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BAR", "KEY", "Given", "Keys", "Seconds", "fold_bars", "fold_last", "last_of_each"]

Rows = NDArray[np.void]
Fold = Callable[[Rows, NDArray[np.intp]], Rows]

_GATHER: Final = 10_000
KEY: Final = [("book", "<u8"), ("second", "<i8")]
"""Every row's first fields: the book (publisher_id << 32 | instrument_id), and the second since 1970, or the
interval of a finer grid."""
BAR: Final = np.dtype(
    [
        *KEY,
        ("open", "<i8"), ("high", "<i8"), ("low", "<i8"), ("close", "<i8"),
        ("priced", "?"), ("volume", "<i8"), ("trades", "<i8"),
    ]
)  # fmt: skip
"""A bar, or a part of it. Where no trade has a price, ``priced`` is false and high is below low."""


class Given(NamedTuple):
    """What is over. No book and second comes twice in ``inner`` and ``outer`` together.

    Attributes:
        inner: whole, as far as times do not go back: their seconds begin and end in this segment.
        outer: of the seconds in which the segment begins or ends: neighbours may have a part of them.
        late: parts of seconds that were given out, or left out, before.
    """

    inner: Rows
    outer: Rows
    late: Rows


class Seconds:
    """Rows of a segment, folded by book and second.

    Args:
        dtype: of a row; it begins with the fields of `KEY`.
        fold: makes of sorted rows, and the places where a book's second begins, one row for each.
        slack: seconds that a time may go back before its row counts as late; as many intervals of a finer
            grid as are in one.
    """

    def __init__(self, dtype: "np.dtype[np.void]", fold: Fold, slack: int = 1) -> None:
        self._slack = slack
        self._fold = fold
        self._held = np.empty(0, dtype)
        self._begun: int | None = None
        self._frontier = 0
        """What is of an earlier second was given out."""

    def add(self, rows: Rows) -> Given:
        """Take the next rows; what is over with them."""
        if len(rows) == 0:
            return Given(rows, rows, rows)
        again = self._held["second"] >= rows["second"].min()
        others = self._held[~again]
        rows = self._folded(np.concatenate([self._held[again], rows]))
        if self._begun is None:
            self._begun = int(rows["second"].min())
            self._frontier = self._begun - self._slack
        late = rows["second"] < self._frontier
        self._frontier = max(self._frontier, int(rows["second"].max()) - self._slack)
        kept, waiting = rows["second"] >= self._frontier, others["second"] >= self._frontier
        self._held = np.concatenate([others[waiting], rows[kept]])
        over = np.concatenate([others[~waiting], rows[~late & ~kept]])
        first = over["second"] <= self._begun + self._slack
        return Given(over[~first], over[first], rows[late])

    def rest(self) -> Given:
        """What is left at the end of the segment."""
        rows, self._held = self._held, self._held[:0]
        return Given(rows[:0], rows, rows[:0])

    def _folded(self, rows: Rows) -> Rows:
        rows = rows[_in_order(rows)]
        return self._fold(rows, _begins(rows))


class Keys:
    """Books' intervals, each once."""

    def __init__(self) -> None:
        self._once: Rows = np.empty(0, KEY)
        self._more: list[Rows] = []

    def add(self, rows: Rows, seconds: int = 1) -> None:
        """Those of these rows, in intervals of so many seconds, or intervals of their grid."""
        if len(rows):
            new = np.empty(len(rows), KEY)
            new["book"] = rows["book"]
            new["second"] = rows["second"] - rows["second"] % seconds
            self._more.append(new)
            if sum(map(len, self._more)) > max(len(self._once), _GATHER):
                self.all()

    def all(self) -> Rows:
        """They, in order."""
        rows = np.concatenate([self._once, *self._more])
        self._once = rows[_in_order(rows)]
        if len(rows):
            self._once = self._once[_begins(self._once)]
        self._more = []
        return self._once


def fold_bars(rows: Rows, begins: NDArray[np.intp]) -> Rows:
    """Bars of the parts of them, in the order of their trades."""
    folded = rows[begins]
    number = np.arange(len(rows))
    priced = rows["priced"]
    first = np.minimum.reduceat(np.where(priced, number, len(rows) - 1), begins)
    last = np.maximum.reduceat(np.where(priced, number, 0), begins)
    folded["open"] = rows["open"][first]
    folded["close"] = rows["close"][last]
    folded["high"] = np.maximum.reduceat(rows["high"], begins)
    folded["low"] = np.minimum.reduceat(rows["low"], begins)
    folded["priced"] = np.logical_or.reduceat(priced, begins)
    folded["volume"] = np.add.reduceat(rows["volume"], begins)
    folded["trades"] = np.add.reduceat(rows["trades"], begins)
    return folded


def fold_last(rows: Rows, begins: NDArray[np.intp]) -> Rows:
    """The last of each; where they have ``updates``, those of all of them."""
    ends = np.append(begins[1:], len(rows)) - 1
    folded: Rows = rows[ends]
    if "updates" in (rows.dtype.names or ()):
        folded["updates"] = np.add.reduceat(rows["updates"], begins)
    return folded


def last_of_each(rows: Rows) -> NDArray[np.intp]:
    """Where the last row of each book and second is, by book and second."""
    order = _in_order(rows)
    ends = _begins(rows[order])[1:] - 1 if len(rows) else order
    return order[np.append(ends, len(rows) - 1)] if len(rows) else order


def _in_order(rows: Rows) -> NDArray[np.intp]:
    """By book and second, and within each in the order of the feed."""
    return np.lexsort((rows["second"], rows["book"]))


def _begins(rows: Rows) -> NDArray[np.intp]:
    """Where another book or second begins in sorted rows, of which there are some."""
    changed = (rows["book"][1:] != rows["book"][:-1]) | (rows["second"][1:] != rows["second"][:-1])
    return np.flatnonzero(np.concatenate([[True], changed]))
