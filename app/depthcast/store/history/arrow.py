"""Rows as Arrow's record batches, in its stream format or as Parquet.

Prices are decimal128(19, 9), exactly; times timestamp[ns, UTC]; ids uint64. A level list has what there is of
a side, best first. A time that the type cannot hold, from 2262-04-11 on, is null.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from depthcast.store.history.encoders import ns_of
from depthcast.store.history.fields import Field, Form
from depthcast.store.history.ledger import Named
from depthcast.store.history.query import Query

__all__ = ["ArrowEncoder", "ParquetEncoder", "schema_of"]

GROUP_ROWS: Final = 16_384
"""Rows that wait for a row group of a Parquet file to be full; as many as one has."""
_PRICE: Final = pa.decimal128(19, 9)
_TIME: Final = pa.timestamp("ns", "UTC")
_TYPES: Final = {
    Form.TIME: _TIME,
    Form.LABEL: _TIME,
    Form.PRICE: _PRICE,
    Form.PRICES: pa.list_(_PRICE),
    Form.UINT8: pa.uint8(),
    Form.UINT16: pa.uint16(),
    Form.UINT32: pa.uint32(),
    Form.UINT32S: pa.list_(pa.uint32()),
    Form.UINT64: pa.uint64(),
    Form.INT32: pa.int32(),
    Form.ORDER_ID: pa.uint64(),
    Form.LETTER: pa.string(),
}


def schema_of(query: Query, instrument: Named) -> Any:
    """The schema of the rows; what they are of is in its metadata."""
    about = {
        "dataset": instrument.dataset,
        "symbol": instrument.symbol,
        "kind": query.kind.value,
        "step_s": f"{query.step_ms / 1_000:g}",
    }
    fields = [pa.field(field.name, _TYPES[field.form]) for field in query.fields]
    return pa.schema(fields, metadata=about)


class _Sink:
    """A file that is read while it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0
        self.closed = False

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class ArrowEncoder:
    """Arrow's stream format."""

    def __init__(self, query: Query, instrument: Named) -> None:
        self._fields = query.fields
        self._schema = schema_of(query, instrument)
        self._sink = _Sink()
        self._writer: Any = None

    def begin(self) -> bytes:
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._sink, mode="w"), self._schema)
        return self._sink.taken()

    def rows(self, rows: Sequence[Any]) -> bytes:
        if rows:
            self._writer.write_batch(_batch(self._fields, self._schema, rows))
        return self._sink.taken()

    def end(self) -> bytes:
        self._writer.close()
        return self._sink.taken()


class ParquetEncoder:
    """Parquet, zstd, in row groups of `GROUP_ROWS`."""

    def __init__(self, query: Query, instrument: Named) -> None:
        self._fields = query.fields
        self._schema = schema_of(query, instrument)
        self._sink = _Sink()
        self._writer: Any = None
        self._waiting: list[Any] = []
        self._number = 0

    def begin(self) -> bytes:
        file = pa.PythonFile(self._sink, mode="w")
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        return self._sink.taken()

    def rows(self, rows: Sequence[Any]) -> bytes:
        if rows:
            self._waiting.append(_batch(self._fields, self._schema, rows))
            self._number += len(rows)
        if self._number >= GROUP_ROWS:
            self._flush()
        return self._sink.taken()

    def end(self) -> bytes:
        self._flush()
        self._writer.close()
        return self._sink.taken()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting, self._number = [], 0


def _batch(fields: Sequence[Field], schema: Any, rows: Sequence[Any]) -> Any:
    columns = [_array(field.form, [row[place] for row in rows]) for place, field in enumerate(fields)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _array(form: Form, values: list[Any]) -> Any:
    make = _ARRAYS.get(form)
    return pa.array(values, _TYPES[form]) if make is None else make(values)


def _times(values: list[Any]) -> Any:
    known = [value if value is not None and value >= 0 else None for value in values]
    return pa.array(known, pa.int64()).cast(_TIME)


def _labels(values: list[Any]) -> Any:
    return pa.array([ns_of(value) for value in values], pa.int64()).cast(_TIME)


def _prices(values: list[Any]) -> Any:
    mask = np.fromiter((value is None for value in values), np.bool_, len(values))
    numbers = np.fromiter((value or 0 for value in values), np.int64, len(values))
    return _decimals(numbers, mask)


def _decimals(numbers: NDArray[np.int64], mask: NDArray[np.bool_] | None = None) -> Any:
    """Integers in 1e-9 as decimals of nine places: the same number in 16 bytes instead of 8."""
    wide = np.empty((len(numbers), 2), np.int64)
    wide[:, 0] = numbers
    wide[:, 1] = numbers >> 63
    valid = None
    if mask is not None and mask.any():
        valid = pa.py_buffer(np.packbits(~mask, bitorder="little"))
    return pa.Array.from_buffers(_PRICE, len(numbers), [valid, pa.py_buffer(wide)])


def _price_lists(values: list[Any]) -> Any:
    numbers = np.fromiter(chain.from_iterable(values), np.int64)
    return pa.ListArray.from_arrays(_offsets(values), _decimals(numbers))


def _size_lists(values: list[Any]) -> Any:
    numbers = np.fromiter(chain.from_iterable(values), np.uint32)
    return pa.ListArray.from_arrays(_offsets(values), pa.array(numbers))


def _offsets(values: list[Any]) -> Any:
    ends = np.cumsum([0, *(len(each) for each in values)], dtype=np.int32)
    return pa.array(ends)


def _order_ids(values: list[Any]) -> Any:
    return pa.array([int(value) for value in values], pa.uint64())


_ARRAYS: Final[dict[Form, Callable[[list[Any]], Any]]] = {
    Form.TIME: _times,
    Form.LABEL: _labels,
    Form.PRICE: _prices,
    Form.PRICES: _price_lists,
    Form.UINT32S: _size_lists,
    Form.ORDER_ID: _order_ids,
}
