"""The columns of the rows that derived records become: as the tables have them, with what is null."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn.layout import UNDEF_ORDER_SIZE, UNDEF_PRICE, UNDEF_TIMESTAMP
from depthcast.store.copying import Levels
from depthcast.store.tables import LEVELS
from depthcast.store.times import time_of, us_down, us_of, us_up

__all__ = ["RECORD_COLUMNS", "Columns", "Nulls", "bar_columns", "book_columns", "quote_columns"]

Columns = dict[str, "NDArray[np.generic] | Levels"]
Nulls = dict[str, NDArray[np.bool_]]

_TOP: Final = ("bid_px", "ask_px", "bid_sz", "ask_sz", "bid_ct", "ask_ct")


def _common(records: NDArray[np.void]) -> tuple[Columns, Nulls]:
    columns: Columns = {
        "ts_event": records["ts_event"].view(np.int64),
        "ts_recv": records["ts_recv"].view(np.int64),
    }
    nulls: Nulls = {name: records[name] == UNDEF_TIMESTAMP for name in ("ts_event", "ts_recv")}
    for name in ("instrument_id", "sequence", "price", "size", "publisher_id", "depth", "flags", "side"):
        columns[name] = records[name]
    nulls["price"] = records["price"] == UNDEF_PRICE
    nulls["size"] = records["size"] == UNDEF_ORDER_SIZE
    return columns, nulls


def _with_top(records: NDArray[np.void]) -> tuple[Columns, Nulls]:
    columns, nulls = _common(records)
    top = records["levels"][:, 0]
    for name in _TOP:
        columns[name] = top[name]
    for name in ("bid_px", "ask_px"):
        nulls[name] = top[name] == UNDEF_PRICE
    return columns, nulls


def _trade_columns(records: NDArray[np.void]) -> tuple[Columns, Nulls]:
    columns, nulls = _common(records)
    columns["ts"] = us_down(time_of(records))
    return columns, nulls


def _bbo_columns(records: NDArray[np.void]) -> tuple[Columns, Nulls]:
    columns, nulls = _with_top(records)
    columns["ts"] = us_up(time_of(records))
    columns["action"] = records["action"]
    return columns, nulls


def _depth_columns(records: NDArray[np.void]) -> tuple[Columns, Nulls]:
    columns, nulls = _with_top(records)
    levels = records["levels"]
    for side in ("bid", "ask"):
        # A side's levels are there from the best on; a top-of-book quote is a level with a price.
        there = (levels[f"{side}_px"] != UNDEF_PRICE).sum(axis=1)
        for part in ("px", "sz", "ct"):
            columns[f"{side}_{part}s"] = Levels(levels[f"{side}_{part}"].astype(np.int64), there)
        columns[f"{side}_sz_{LEVELS}"] = levels[f"{side}_sz"].sum(axis=1, dtype=np.int64)
    return columns, nulls


RECORD_COLUMNS: Final = {"trades": _trade_columns, "bbo": _bbo_columns, "depth": _depth_columns}
"""Those of the rows of a table, but what names them, and the time of a row of depth, which its grid gives."""


def book_columns(rows: NDArray[np.void], ts: str) -> Columns:
    """A book and a second, in columns; the second's has that name."""
    return {
        "instrument_id": (rows["book"] & np.uint64(0xFFFFFFFF)).astype(np.int64),
        "publisher_id": (rows["book"] >> np.uint64(32)).astype(np.int64),
        ts: us_of(rows["second"]),
    }


def bar_columns(rows: NDArray[np.void]) -> tuple[Columns, Nulls]:
    """Those of bars."""
    columns = book_columns(rows, "ts")
    nulls: Nulls = {}
    for name in ("open", "high", "low", "close"):
        columns[name] = rows[name]
        nulls[name] = ~rows["priced"]
    for name in ("volume", "trades"):
        columns[name] = rows[name]
    return columns, nulls


def quote_columns(rows: NDArray[np.void]) -> tuple[Columns, Nulls]:
    """Those of the last quotes of seconds."""
    columns = book_columns(rows, "ts")
    for name in ("position", "sequence", "flags", "updates", *_TOP):
        columns[name] = rows[name]
    return columns, {name: rows[name] == UNDEF_PRICE for name in ("bid_px", "ask_px")}
