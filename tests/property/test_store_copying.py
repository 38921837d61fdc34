"""Rows in PostgreSQL's binary COPY format: they are what its manual says, byte for byte."""

import struct
from typing import Any, Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from depthcast.store.copying import Column, Levels, encode_rows

COLUMNS: Final = (
    Column("a", "int8"),
    Column("b", "int2"),
    Column("c", "char"),
    Column("levels", "int8", 4),
    Column("d", "int4"),
    Column("ts", "timestamptz"),
)
FORMATS: Final = {"int8": ">q", "int4": ">i", "int2": ">h", "timestamptz": ">q"}
BIG: Final = st.integers(-(2**63), 2**63 - 1)

rows_of_any_kind = st.lists(
    st.tuples(
        st.none() | BIG,
        st.integers(-(2**15), 2**15 - 1),
        st.sampled_from([b"A", b"B", b"N"]),
        st.lists(BIG, max_size=4),
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | BIG,
    ),
    max_size=20,
)


def plainly(rows: list[tuple[Any, ...]]) -> bytes:
    """The same, a field at a time."""
    out = b""
    for row in rows:
        out += struct.pack(">h", len(row))
        for column, value in zip(COLUMNS, row, strict=True):
            if value is None:
                out += struct.pack(">i", -1)
                continue
            if isinstance(value, list):
                data = struct.pack(">iii", bool(value), 0, 20)
                data += struct.pack(">ii", len(value), 1) if value else b""
                data += b"".join(struct.pack(">iq", 8, each) for each in value)
            else:
                data = value if isinstance(value, bytes) else struct.pack(FORMATS[column.kind], value)
            out += struct.pack(">i", len(data)) + data
    return out


@given(rows_of_any_kind)
def test_columns_become_the_rows_that_they_are(rows: list[tuple[Any, ...]]) -> None:
    values: dict[str, Any] = {}
    nulls = {}
    for number, column in enumerate(COLUMNS):
        of_column = [row[number] for row in rows]
        if column.elements:
            padded = [each + [-1] * (column.elements - len(each)) for each in of_column]
            levels = np.array(padded, np.int64).reshape(len(rows), column.elements)
            values[column.name] = Levels(levels, np.array([len(each) for each in of_column], np.int64))
        elif column.kind == "char":
            values[column.name] = np.array(of_column, "S1")
        else:
            nulls[column.name] = np.array([each is None for each in of_column], np.bool_)
            values[column.name] = np.array([each or 0 for each in of_column], np.int64)
    assert encode_rows(COLUMNS, values, nulls) == plainly(rows)


def test_many_rows_are_the_rows_of_their_parts() -> None:
    number = np.arange(10_000)
    levels = np.stack([number, number + 1], axis=1)
    columns = (Column("a", "int8"), Column("levels", "int8", 2))

    def encoded(part: slice) -> bytes:
        values: dict[str, Any] = {"a": number[part], "levels": Levels(levels[part], number[part] % 3)}
        return encode_rows(columns, values, {"a": number[part] % 5 == 0})

    whole = encoded(slice(None))
    assert whole == b"".join(encoded(slice(each, each + 1)) for each in range(10_000))
