"""What a segment's rows are gathered to: bars, the last quote and the last levels of a second, of each book.

Levels may be gathered on a finer grid than the second.

Most seconds begin and end in a segment: what is gathered over them is copied to its table. What neighbours
may have a part of is merged in the database.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.book.derive_schemas import SCHEMAS
from depthcast.dbn.layout import UNDEF_ORDER_SIZE, UNDEF_PRICE
from depthcast.store.buckets import BAR, KEY, Given, Keys, Seconds, fold_bars, fold_last, last_of_each
from depthcast.store.columns import RECORD_COLUMNS, Columns, Nulls, bar_columns, book_columns, quote_columns
from depthcast.store.encoded import Rows, rows_of
from depthcast.store.times import cell_after, second_after, second_of, time_of, us_of

__all__ = ["Gathered", "Rollups"]

_QUOTE: Final = np.dtype(
    [
        *KEY,
        ("position", "<i8"), ("sequence", "<u4"), ("flags", "u1"), ("updates", "<i8"),
        ("bid_px", "<i8"), ("ask_px", "<i8"), ("bid_sz", "<u4"), ("ask_sz", "<u4"),
        ("bid_ct", "<u4"), ("ask_ct", "<u4"),
    ]
)  # fmt: skip
_LEVELS: Final = np.dtype([*KEY, ("position", "<i8"), ("record", SCHEMAS["mbp-10"].dtype)])
_MINUTE_S: Final = 60
_MS_PER_S: Final = 1_000
_PORTION: Final = 8_192
"""Rows of ten levels that are given out at once in the end."""
_KEYS: Final = ("shared_trades", "shared_bbo", "touched_minutes", "touched_depth")
"""The temporary tables of intervals that are to be made again."""

Positions = NDArray[np.int64]
Gathered = dict[str, Rows]
"""Rows by the table that they are copied to."""


class Rollups:
    """What is gathered over the seconds of a segment, as it is read.

    Args:
        names: the columns that all of its rows of a table have: ``feed_id`` and ``epoch``.
        seconds: whether bars and quotes of seconds are wanted; ``depth`` always is.
        grid_ms: on which grid rows of ``depth`` are, a divisor of a second.
    """

    def __init__(self, names: dict[str, int], *, seconds: bool, grid_ms: int) -> None:
        self._grid_ms = grid_ms
        self._cells = _MS_PER_S // grid_ms
        """Of a second."""
        self._names = names
        self._seconds = seconds
        self._bars = Seconds(BAR, fold_bars)
        self._quotes = Seconds(_QUOTE, fold_last)
        self._levels = Seconds(_LEVELS, fold_last, self._cells)
        self._keys = {table: Keys() for table in _KEYS}

    def add(self, records: dict[str, NDArray[np.void]], positions: dict[str, Positions]) -> Gathered:
        """The rows that are over with these records of ``trades``, ``bbo`` and ``depth``."""
        found = self._levels_of(
            self._levels.add(_levels(records["depth"], positions["depth"], self._grid_ms))
        )
        if self._seconds:
            found |= self._bars_of(self._bars.add(_bars(records["trades"])))
            found |= self._quotes_of(self._quotes.add(_quotes(records["bbo"], positions["bbo"])))
        return found

    def rest(self) -> Iterator[Gathered]:
        """Those that are left at the end, and the intervals that the database has to make again."""
        left = self._levels.rest().outer
        for begin in range(0, len(left), _PORTION):
            portion = left[begin : begin + _PORTION]
            yield self._levels_of(Given(portion[:0], portion, portion[:0]))
        if self._seconds:
            yield self._bars_of(self._bars.rest())
            yield self._quotes_of(self._quotes.rest())
            for table, keys in self._keys.items():
                books = keys.all()
                columns = book_columns(books, "bucket")
                if table == "touched_depth":
                    columns["bucket"] = us_of(books["second"], self._grid_ms)
                yield {table: rows_of(table, columns, {}, times="bucket")}

    def _bars_of(self, given: Given) -> Gathered:
        for rows in given:
            self._keys["touched_minutes"].add(rows, _MINUTE_S)
        self._keys["shared_trades"].add(given.late)
        return self._rows("ohlcv_1s", bar_columns, given.inner, given.outer)

    def _quotes_of(self, given: Given) -> Gathered:
        self._keys["shared_bbo"].add(given.late)
        return self._rows("bbo_1s", quote_columns, given.inner, given.outer)

    def _levels_of(self, given: Given) -> Gathered:
        for rows in given:
            self._keys["touched_depth"].add(rows, _MINUTE_S * self._cells)
        return self._rows(
            "depth", self._level_columns, given.inner, np.concatenate([given.outer, given.late])
        )

    def _level_columns(self, rows: NDArray[np.void]) -> tuple[Columns, Nulls]:
        columns, nulls = RECORD_COLUMNS["depth"](rows["record"])
        columns["ts"] = us_of(rows["second"], self._grid_ms)
        columns["position"] = rows["position"]
        return columns, nulls

    def _rows(
        self,
        table: str,
        columns_of: Callable[[NDArray[np.void]], tuple[Columns, Nulls]],
        inner: NDArray[np.void],
        outer: NDArray[np.void],
    ) -> Gathered:
        found = {}
        for name, rows in ((table, inner), (f"new_{table}", outer)):
            columns, nulls = columns_of(rows)
            columns |= {each: np.full(len(rows), value) for each, value in self._names.items()}
            found[name] = rows_of(name, columns, nulls)
        return found


def _books(records: NDArray[np.void]) -> NDArray[np.uint64]:
    books: NDArray[np.uint64] = records["publisher_id"].astype(np.uint64) << np.uint64(32)
    books |= records["instrument_id"]
    return books


def _bars(trades: NDArray[np.void]) -> NDArray[np.void]:
    """A bar of each trade."""
    rows = np.empty(len(trades), BAR)
    rows["book"] = _books(trades)
    rows["second"] = second_of(time_of(trades))
    rows["priced"] = trades["price"] != UNDEF_PRICE
    for name in ("open", "low", "close"):
        rows[name] = trades["price"]
    rows["high"] = np.where(rows["priced"], trades["price"], np.iinfo(np.int64).min)
    rows["volume"] = np.where(trades["size"] != UNDEF_ORDER_SIZE, trades["size"], 0)
    rows["trades"] = 1
    return rows


def _quotes(records: NDArray[np.void], positions: Positions) -> NDArray[np.void]:
    rows = np.empty(len(records), _QUOTE)
    rows["book"] = _books(records)
    rows["second"] = second_after(time_of(records))
    rows["position"] = positions
    rows["updates"] = 1
    for name in ("sequence", "flags"):
        rows[name] = records[name]
    top = records["levels"][:, 0]
    for name in ("bid_px", "ask_px", "bid_sz", "ask_sz", "bid_ct", "ask_ct"):
        rows[name] = top[name]
    return rows


def _levels(records: NDArray[np.void], positions: Positions, grid_ms: int) -> NDArray[np.void]:
    """Of the last records of each book in each interval: the others, which are long, are not copied."""
    keys = np.empty(len(records), KEY)
    keys["book"] = _books(records)
    keys["second"] = cell_after(time_of(records), grid_ms)
    last = last_of_each(keys)
    rows = np.empty(len(last), _LEVELS)
    for name in ("book", "second"):
        rows[name] = keys[name][last]
    rows["position"] = positions[last]
    rows["record"] = records[last]
    return rows
