"""Records of one schema written out: as DBN, as CSV in Databento's encoding, as Parquet in row groups."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, Protocol, cast

import databento_dbn
import numpy as np
import zstandard
from numpy.typing import NDArray

from depthcast.book.derive_schemas import DerivedSchema
from depthcast.cli._errors import about_file
from depthcast.cli._output import open_output
from depthcast.dbn import DBNWriter
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Format", "Sink", "format_of", "open_sink"]

Format = Literal["dbn", "csv", "parquet"]

ENDINGS: Final[dict[str, Format]] = {
    ".dbn": "dbn",
    ".dbn.zst": "dbn",
    ".csv": "csv",
    ".csv.zst": "csv",
    ".parquet": "parquet",
}
ROW_GROUP: Final = 65_536
"""Rows of a Parquet row group: what is kept in memory until it is written."""
PRICE_DIGITS: Final = 19
PRICE_DECIMALS: Final = 9
TIMES: Final = frozenset({"ts_recv", "ts_event"})
PRICES: Final = frozenset({"price", "open", "high", "low", "close"})
FIRST: Final = (
    "ts_recv",
    "ts_event",
    "rtype",
    "publisher_id",
    "instrument_id",
    "action",
    "side",
    "depth",
)
"""Columns that come first, in Databento's order; the rest follows as in the record."""


class Sink(Protocol):
    """Where whole records go."""

    def write(self, records: bytes, /) -> None: ...


def format_of(output: str, chosen: Format | None) -> Format:
    """The format chosen, else the one that the output's name ends in.

    Raises:
        UsageError: neither says; or Parquet to standard output.
    """
    name = output.lower()
    found = chosen or next((ENDINGS[ending] for ending in ENDINGS if name.endswith(ending)), None)
    if found is None:
        endings = ", ".join(ENDINGS)
        raise UsageError(f"-o {output}: give --format, or a name that ends in one of {endings}")
    if found == "parquet" and output == "-":
        raise UsageError("Parquet is not written to standard output: give -o FILE.parquet")
    return found


@contextmanager
def open_sink(
    output: str, kind: Format, schema: DerivedSchema, metadata: databento_dbn.Metadata, *, pretty: bool
) -> Iterator[Sink]:
    """Write records to ``output``; a file takes its name when all is written.

    ``pretty``: decimal prices and ISO 8601 times in CSV, decimals and timestamps in Parquet, instead of the
    record's own integers (1e-9 units, ns). A ``.zst`` at the end of the name compresses DBN and CSV.

    Raises:
        UsageError: Parquet is asked for and pyarrow is not there.
        OSError: the output cannot be written.
    """
    if kind == "dbn":
        with (
            about_file("standard output" if output == "-" else output),
            DBNWriter(output, metadata) as writer,
        ):
            yield writer
        return
    if kind == "parquet":
        _need_pyarrow()
    with open_output(output) as stream:
        if kind == "parquet":
            parquet = ParquetSink(stream, schema, {"dataset": metadata.dataset}, pretty=pretty)
            yield parquet
            parquet.close()
            return
        with _compressed(stream, output) as packed:
            yield CsvSink(packed, metadata, pretty=pretty)


@contextmanager
def _compressed(stream: BinaryIO, output: str) -> Iterator[BinaryIO]:
    if not output.lower().endswith(".zst"):
        yield stream
        return
    compressor = zstandard.ZstdCompressor(write_checksum=True)
    with compressor.stream_writer(stream, closefd=False) as packed:
        yield cast("BinaryIO", packed)


class CsvSink:
    """CSV as Databento writes it: its own encoder does it."""

    def __init__(self, stream: BinaryIO, metadata: databento_dbn.Metadata, *, pretty: bool) -> None:
        self._stream = stream
        self._text = io.BytesIO()
        self._transcoder = databento_dbn.Transcoder(
            self._text,
            encoding=cast("databento_dbn.Encoding", databento_dbn.Encoding.CSV),
            compression=cast("databento_dbn.Compression", databento_dbn.Compression.NONE),
            pretty_px=pretty,
            pretty_ts=pretty,
            map_symbols=False,
        )
        self.write(metadata.encode())

    def write(self, records: bytes, /) -> None:
        self._transcoder.write(records)
        self._transcoder.flush()
        self._stream.write(self._text.getvalue())
        self._text.seek(0)
        self._text.truncate()


def _need_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401 - is it there?
    except ImportError:
        raise UsageError("Parquet needs pyarrow, which is not installed: install depthcast[tables]") from None


class ParquetSink:
    """Parquet, a row group at a time."""

    def __init__(
        self, stream: BinaryIO, schema: DerivedSchema, notes: Mapping[str, str], *, pretty: bool
    ) -> None:
        import pyarrow.parquet as pq

        self._dtype = schema.dtype
        self._pretty = pretty
        self._notes = {"schema": schema.name, **notes}
        self._waiting: list[bytes] = []
        self._rows = 0
        empty = self._table(np.empty(0, self._dtype))
        self._writer = pq.ParquetWriter(stream, empty.schema, compression="zstd")

    def write(self, records: bytes, /) -> None:
        self._waiting.append(records)
        self._rows += len(records) // self._dtype.itemsize
        if self._rows >= ROW_GROUP:
            rows = self._drain()
            whole = len(rows) - len(rows) % ROW_GROUP
            for start in range(0, whole, ROW_GROUP):
                self._writer.write_table(self._table(rows[start : start + ROW_GROUP]))
            self._waiting, self._rows = [rows[whole:].tobytes()], len(rows) - whole

    def close(self) -> None:
        rows = self._drain()
        if len(rows):
            self._writer.write_table(self._table(rows))
        self._writer.close()

    def _drain(self) -> NDArray[np.void]:
        rows = np.frombuffer(b"".join(self._waiting), self._dtype)
        self._waiting, self._rows = [], 0
        return rows

    def _table(self, rows: NDArray[np.void]) -> "pa.Table":
        import pyarrow as pa

        columns = {name: _column(name, values, pretty=self._pretty) for name, values in columns_of(rows)}
        return pa.table(columns).replace_schema_metadata(self._notes)


def columns_of(rows: NDArray[np.void]) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """A schema's columns, by Databento's names and in its order."""
    names = rows.dtype.names or ()
    rest = [name for name in names if name not in FIRST and name not in {"length", "levels"}]
    for name in [*FIRST, *rest]:
        if name in names and not name.startswith("_"):
            yield name, rows[name]
    if "levels" in names:
        for number in range(rows["levels"].shape[1]):
            level = rows["levels"][:, number]
            for name in level.dtype.names or ():
                yield f"{name}_{number:02}", level[name]


def _column(name: str, values: NDArray[np.generic], *, pretty: bool) -> "pa.Array":
    """One column. It is made from buffers: pyarrow's own way from numpy loads all of pandas first."""
    import pyarrow as pa

    values = np.ascontiguousarray(values)
    known = None
    if values.dtype.kind == "S":
        ends = pa.py_buffer(np.arange(len(values) + 1, dtype=np.int32))
        return pa.StringArray.from_buffers(len(values), ends, pa.py_buffer(values))
    if pretty and name in TIMES:
        kind = pa.timestamp("ns", "UTC")
        known = values.astype(np.uint64) < 2**63
    elif pretty and (name in PRICES or "_px_" in name):
        kind = pa.decimal128(PRICE_DIGITS, PRICE_DECIMALS)
        prices = values.astype(np.int64)
        known = prices != UNDEF_PRICE
        values = np.stack([prices, prices >> 63], axis=1)  # 128-bit integers: the price, sign-extended
    else:
        kind = pa.from_numpy_dtype(values.dtype)
    nulls = None if known is None else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [nulls, pa.py_buffer(values)])
