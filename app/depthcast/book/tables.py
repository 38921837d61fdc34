"""Books as pandas or pyarrow tables; the extra ``depthcast[tables]`` brings both.

A price is there twice: ``price`` as the nearest float, to compute with, and ``price_1e9``, the exact integer.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import numpy as np
from numpy.typing import NDArray

from depthcast.book.protocol import BookEngine
from depthcast.book.types import Level
from depthcast.dbn.layout import PRICE_SCALE
from depthcast.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["depth_table", "orders_table"]

Form = Literal["pandas", "arrow"]
Side = Literal["B", "A"]

_MAX_NS: Final = 2**63 - 1
"""The last time that a table's timestamp holds (2262-04-11)."""


@overload
def depth_table(
    engine: BookEngine,
    instrument_id: int,
    *,
    levels: int = 0,
    publisher_id: int | None = None,
    form: Literal["pandas"] = "pandas",
) -> "pd.DataFrame": ...
@overload
def depth_table(
    engine: BookEngine,
    instrument_id: int,
    *,
    levels: int = 0,
    publisher_id: int | None = None,
    form: Literal["arrow"],
) -> "pa.Table": ...
def depth_table(
    engine: BookEngine,
    instrument_id: int,
    *,
    levels: int = 0,
    publisher_id: int | None = None,
    form: Form = "pandas",
) -> "pd.DataFrame | pa.Table":
    """The first ``levels`` of both sides (0: all), a row a level, bids first, best first.

    Columns: side (``"B"``, ``"A"``), level (1 is the best), price, price_1e9, size, count.

    Raises:
        UnknownBookError: there is no such book.
        UsageError: pandas or pyarrow is not installed.
    """
    rows = list(_levels(engine, instrument_id, levels, publisher_id))
    columns = _place([(side, number, level.price) for side, number, level in rows])
    columns["size"] = _array([level.size for *_, level in rows], np.uint64)
    columns["count"] = _array([level.count for *_, level in rows], np.uint32)
    return _table(columns, form)


@overload
def orders_table(
    engine: BookEngine,
    instrument_id: int,
    *,
    levels: int = 0,
    publisher_id: int | None = None,
    form: Literal["pandas"] = "pandas",
) -> "pd.DataFrame": ...
@overload
def orders_table(
    engine: BookEngine,
    instrument_id: int,
    *,
    levels: int = 0,
    publisher_id: int | None = None,
    form: Literal["arrow"],
) -> "pa.Table": ...
def orders_table(
    engine: BookEngine,
    instrument_id: int,
    *,
    levels: int = 0,
    publisher_id: int | None = None,
    form: Form = "pandas",
) -> "pd.DataFrame | pa.Table":
    """The orders of the first ``levels`` of both sides (0: all), a row an order, in priority order.

    Columns: side, level, price, price_1e9, order_id, size, ts_event (UTC; null past 2262), sequence.

    Raises:
        UnknownBookError, AmbiguousBookError: there is no such book, or several.
        UsageError: pandas or pyarrow is not installed.
    """
    rows = [
        (side, number, level.price, order)
        for side, number, level in _levels(engine, instrument_id, levels, publisher_id)
        for order in engine.orders(instrument_id, side, level.price, publisher_id)
    ]
    columns = _place([row[:3] for row in rows])
    orders = [row[3] for row in rows]
    columns["order_id"] = _array([order.order_id for order in orders], np.uint64)
    columns["size"] = _array([order.size for order in orders], np.uint32)
    times = [order.ts_event if order.ts_event <= _MAX_NS else -1 for order in orders]
    columns["ts_event"] = _array(times, np.int64).astype("datetime64[ns]")
    columns["ts_event"][_array(times, np.int64) < 0] = np.datetime64("NaT", "ns")
    columns["sequence"] = _array([order.sequence for order in orders], np.uint32)
    return _table(columns, form)


def _levels(
    engine: BookEngine, instrument_id: int, levels: int, publisher_id: int | None
) -> Iterator[tuple[Side, int, Level]]:
    depth = engine.depth(instrument_id, levels, publisher_id)
    for number, level in enumerate(depth.bids, 1):
        yield "B", number, level
    for number, level in enumerate(depth.asks, 1):
        yield "A", number, level


def _place(rows: list[tuple[Side, int, int]]) -> dict[str, NDArray[Any]]:
    exact = _array([price for *_, price in rows], np.int64)
    return {
        "side": np.array([side for side, *_ in rows], dtype=object),
        "level": _array([number for _, number, _ in rows], np.uint32),
        "price": exact / PRICE_SCALE,
        "price_1e9": exact,
    }


def _array(values: list[int], dtype: type[np.generic]) -> NDArray[Any]:
    return np.array(values, dtype=dtype)


def _table(columns: Mapping[str, NDArray[Any]], form: Form) -> Any:
    if form not in ("pandas", "arrow"):
        raise ValueError(f"form is 'pandas' or 'arrow', not {form!r}")
    try:
        if form == "pandas":
            import pandas as pd

            table = pd.DataFrame(dict(columns))
            if "ts_event" in table:
                table["ts_event"] = table["ts_event"].dt.tz_localize("UTC")
            return table
        import pyarrow as pa

        return pa.table({name: _arrow(pa, name, column) for name, column in columns.items()})
    except ImportError as error:
        raise UsageError(f"tables need {error.name}: pip install 'depthcast[tables]'") from error


def _arrow(pa: Any, name: str, column: NDArray[Any]) -> Any:
    if name == "ts_event":
        return pa.array(column, type=pa.timestamp("ns", tz="UTC"), from_pandas=True)
    return pa.array(column, type=pa.string() if name == "side" else None)
