"""PostgreSQL's binary COPY format, made of columns: no Python object for a row.

The format (PostgreSQL's manual, COPY, "Binary Format"): a header; each row as the number of its fields, then
each field as its length and its bytes, big-endian, a length of -1 and no bytes where it is null; a trailer.
A block of rows is laid out as a matrix of bytes that all are there, then those of nulls are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEADER", "TRAILER", "Column", "Levels", "TableColumns", "encode_rows"]

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"

_TYPES: Final = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "timestamptz": ">i8", "char": "S1"}
_BLOCK: Final = 4_096
"""Rows that are laid out at once: they stay in the processor's cache, and take little memory."""
_INT8_OID: Final = 20
_ARRAY_HEAD: Final = np.dtype(
    [("dims", ">i4"), ("nulls", ">i4"), ("type", ">i4"), ("length", ">i4"), ("first", ">i4")]
)
_ELEMENT: Final = np.dtype([("size", ">i4"), ("value", ">i8")])


class Column(NamedTuple):
    """A column of a table: its name, its type, how many elements it has at most where it is an array."""

    name: str
    kind: str
    elements: int = 0


class Levels(NamedTuple):
    """A column of arrays, of the first ``counts[i]`` elements of row i of ``values``."""

    values: NDArray[np.int64]
    counts: NDArray[np.int64]


TableColumns = Sequence[Column]


def encode_rows(
    columns: TableColumns,
    values: Mapping[str, "NDArray[np.generic] | Levels"],
    nulls: Mapping[str, NDArray[np.bool_]],
) -> bytes:
    """Rows in the binary COPY format, without header and trailer.

    Args:
        columns: of the table, in the order in which COPY names them.
        values: of each column, all of one length. A ``timestamptz`` is µs since 2000-01-01 UTC.
        nulls: of some columns, where they are null.
    """
    first = values[columns[0].name]
    rows = len(first.values) if isinstance(first, Levels) else len(first)
    layout = _layout(columns)
    blocks = []
    for begin in range(0, rows, _BLOCK):
        part = slice(begin, min(rows, begin + _BLOCK))
        some = {name: each[part] for name, each in nulls.items()}
        blocks.append(
            _encoded(columns, layout, {name: _cut(each, part) for name, each in values.items()}, some)
        )
    return b"".join(blocks)


def _cut(values: "NDArray[np.generic] | Levels", part: slice) -> "NDArray[np.generic] | Levels":
    return Levels(values.values[part], values.counts[part]) if isinstance(values, Levels) else values[part]


def _encoded(
    columns: TableColumns,
    layout: np.dtype[np.void],
    values: Mapping[str, "NDArray[np.generic] | Levels"],
    nulls: Mapping[str, NDArray[np.bool_]],
) -> bytes:
    """Some rows, at least one."""
    first = values[columns[0].name]
    rows = len(first.values) if isinstance(first, Levels) else len(first)
    laid = np.zeros(rows, layout)
    laid["fields"] = len(columns)
    matrix = laid.view(np.uint8).reshape(rows, laid.itemsize)
    keep: NDArray[np.bool_] | None = None
    for number, column in enumerate(columns):
        value = values[column.name]
        size, field = f"size{number}", f"value{number}"
        if isinstance(value, Levels):
            keep = np.ones(matrix.shape, np.bool_) if keep is None else keep
            _lay_levels(laid, keep, size, field, value)
            continue
        laid[size] = laid.dtype[field].itemsize
        laid[field] = value
        null = nulls.get(column.name)
        if null is not None and null.any():
            keep = np.ones(matrix.shape, np.bool_) if keep is None else keep
            laid[size][null] = -1
            begin = _offset(laid, field)
            keep[null, begin : begin + laid.dtype[field].itemsize] = False
    return laid.tobytes() if keep is None else matrix[keep].tobytes()


def _layout(columns: TableColumns) -> np.dtype[np.void]:
    fields: list[tuple[str, object]] = [("fields", ">i2")]
    for number, column in enumerate(columns):
        fields.append((f"size{number}", ">i4"))
        if column.elements:
            array = np.dtype([("head", _ARRAY_HEAD), ("elements", _ELEMENT, (column.elements,))])
            fields.append((f"value{number}", array))
        else:
            fields.append((f"value{number}", _TYPES[column.kind]))
    return np.dtype(fields)


def _lay_levels(
    laid: NDArray[np.void], keep: NDArray[np.bool_], size: str, field: str, levels: Levels
) -> None:
    """An array of no elements has no dimension, so its head is shorter: the last 8 of its 20 bytes go."""
    length = np.array(levels.counts, np.int64)
    some = length > 0
    head = laid[field]["head"]
    head["dims"] = some
    head["type"] = _INT8_OID
    head["length"] = length
    head["first"] = 1
    elements = laid[field]["elements"]
    elements["size"] = 8
    elements["value"] = levels.values
    laid[size] = np.where(some, _ARRAY_HEAD.itemsize + _ELEMENT.itemsize * length, 12)
    begin = _offset(laid, field)
    keep[~some, begin + 12 : begin + 20] = False
    begin += _ARRAY_HEAD.itemsize
    there = np.arange(elements.shape[1]) < length[:, np.newaxis]
    keep[:, begin : begin + elements.shape[1] * _ELEMENT.itemsize] = np.repeat(
        there, _ELEMENT.itemsize, axis=1
    )


def _offset(laid: NDArray[np.void], field: str) -> int:
    fields: Mapping[str, Any] = laid.dtype.fields or {}
    return int(fields[field][1])
