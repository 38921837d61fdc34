"""Rows as files: CSV, Arrow's stream, Parquet; made piece by piece, so that memory stays what it is."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, Protocol

from depthcast.book.views import price_str
from depthcast.errors import UsageError
from depthcast.store.history.fields import LEVELS, Field, Form
from depthcast.store.history.ledger import Named
from depthcast.store.history.query import Query

__all__ = ["MEDIA_TYPES", "Encoder", "FileFormat", "make_encoder", "ns_of", "price_text", "uint64"]

FileFormat = Literal["csv", "arrow", "parquet"]
MEDIA_TYPES: Final[dict[FileFormat, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
price_text: Final = lru_cache(65_536)(price_str)
"""A price as text. Rows that follow each other have mostly the same prices."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_US: Final = timedelta(microseconds=1)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_SIDES: Final = ("bid", "ask")
_PARTS: Final = ("px", "sz", "ct")


class Encoder(Protocol):
    """Makes a file of rows. Each call gives the bytes that are ready; together they are the file."""

    def begin(self) -> bytes:
        """What stands before the rows."""

    def rows(self, rows: Sequence[Any]) -> bytes:
        """The next rows, as `depthcast.store.history.query.fetch` gives them."""

    def end(self) -> bytes:
        """What is left, and what stands after the rows."""


def make_encoder(form: FileFormat, query: Query, instrument: Named) -> Encoder:
    """An encoder for the rows of a query.

    Raises:
        UsageError: the format needs a library that is not installed.
    """
    if form == "csv":
        return CsvEncoder(query.fields, instrument)
    try:
        from depthcast.store.history.arrow import ArrowEncoder, ParquetEncoder
    except ImportError:
        raise UsageError(
            f"{form} needs pyarrow, which is not installed: depthcast[tables] brings it"
        ) from None
    return (ArrowEncoder if form == "arrow" else ParquetEncoder)(query, instrument)


def ns_of(label: datetime) -> int:
    """A time that the database gave, ns since the epoch."""
    return (label - _EPOCH) // _ONE_US * 1_000


def uint64(bits: int) -> int:
    """The number whose 64 bits a bigint holds."""
    return bits if bits >= 0 else bits + 2**64


class CsvEncoder:
    """Comma-separated values with a header line. Prices are exact decimals, times ns; nothing is empty text.

    Levels are columns: ``bid_px_00,bid_sz_00,bid_ct_00,ask_px_00,...``. A symbol that a spreadsheet would
    take for a formula has an apostrophe before it.
    """

    def __init__(self, fields: Sequence[Field], instrument: Named) -> None:
        self._symbol = guarded(instrument.symbol)
        lists = {field.name: place for place, field in enumerate(fields) if _is_list(field)}
        self._names = ["symbol"]
        self._cells: list[Callable[[Any], Any]] = []
        for place, field in enumerate(fields):
            if not _is_list(field):
                self._names.append(field.name)
                self._cells.append(_cell(place, field.form))
        if lists:
            for level in range(LEVELS):
                for side in _SIDES:
                    for part in _PARTS:
                        self._names.append(f"{side}_{part}_{level:02d}")
                        form = Form.PRICE if part == "px" else Form.UINT32
                        self._cells.append(_level_cell(lists[f"{side}_{part}"], level, form))

    def begin(self) -> bytes:
        return (",".join(self._names) + "\n").encode()

    def rows(self, rows: Sequence[Any]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [self._symbol, *(cell(row) for cell in self._cells)] for row in rows
        )
        return text.getvalue().encode()

    def end(self) -> bytes:
        return b""


def guarded(text: str) -> str:
    """A text that no spreadsheet computes, and that breaks no line."""
    plain = "".join(each if each.isprintable() else "\ufffd" for each in text)
    return f"'{plain}" if text.startswith(_FORMULA) else plain


def _is_list(field: Field) -> bool:
    return field.form in (Form.PRICES, Form.UINT32S)


def _cell(place: int, form: Form) -> Callable[[Any], Any]:
    convert = _CONVERT.get(form)

    def plain(row: Any) -> Any:
        return row[place]

    def converted(row: Any) -> Any:
        value = row[place]
        return None if value is None else convert(value)  # type: ignore[misc]

    return plain if convert is None else converted


def _level_cell(place: int, level: int, form: Form) -> Callable[[Any], Any]:
    price = form is Form.PRICE

    def cell(row: Any) -> Any:
        values = row[place]
        if level >= len(values):
            return None
        return price_text(values[level]) if price else values[level]

    return cell


_CONVERT: Final[dict[Form, Callable[[Any], Any]]] = {
    Form.TIME: uint64,
    Form.LABEL: ns_of,
    Form.PRICE: price_text,
}
