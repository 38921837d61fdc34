"""The books of a journal as of a time."""

import hashlib
import shutil
import sys
from typing import BinaryIO

from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey
from depthcast.book.views import BookView, book_view, iso
from depthcast.cli._book_json import document, pretty
from depthcast.cli._console import printable, warn
from depthcast.cli._feed import SourceFile
from depthcast.cli._picture import draw
from depthcast.cli._values import describe_instruments, select_instruments
from depthcast.dbn import forms, instrument_symbols, symbol_instruments
from depthcast.errors import UsageError
from depthcast.journal.reader import JournalReader
from depthcast.journal.segments import ClosedSegment

__all__ = ["BooksAt"]


class BooksAt:
    """The books before the first record with ts_recv after ``moment`` (ns).

    Args:
        reader: the journal.
        moment: the time.
        engine: an empty one.
        instrument: a symbol or an id; None for all.

    Raises:
        UsageError: the journal is empty, or begins after that time; no such instrument.
        JournalError: it is damaged.
    """

    def __init__(
        self, reader: JournalReader, moment: int, engine: BookEngine, instrument: str | None
    ) -> None:
        segment = reader.at(moment)
        if segment is None:
            raise UsageError("the journal has no segments yet")
        if segment.before.latest_ts_recv > moment:
            raise UsageError(
                f"TIME: the journal no longer has {iso(moment)}; what it keeps begins after "
                f"{iso(segment.before.latest_ts_recv)}"
            )
        self._engine = engine
        self._moment = moment
        metadata = segment.metadata()
        self._dataset = metadata.dataset
        self._symbols = instrument_symbols(metadata)
        ids = None if instrument is None else select_instruments(instrument, symbol_instruments(metadata))
        head = segment.head()
        sha256 = hashlib.sha256(head)
        engine.apply(head)
        self._position = segment.position
        for position, data in reader.records(segment.position):
            size, records = forms.due_prefix(data, moment)
            engine.apply(data[:size])
            sha256.update(data[:size])
            self._position = position + records
            if size < len(data):
                break
        hashed = segment.index.sha256 if isinstance(segment, ClosedSegment) else sha256.hexdigest()
        self._sources = [SourceFile(segment.path.rpartition("/")[2], hashed)]
        self._keys = [key for key in engine.books() if ids is None or key.instrument_id in ids]
        if not self._keys and ids is not None:
            known = [(key.instrument_id, self._symbols.get(key.instrument_id)) for key in engine.books()]
            raise UsageError(f"--instrument: no book of {instrument}; {describe_instruments(known)}")
        if not self._keys:
            warn(f"no MBO record had arrived by {iso(moment)}, so there are no books")

    @property
    def summary(self) -> str:
        """One line about it."""
        return f"{len(self._keys):,} books as of {iso(self._moment)}: before position {self._position:,}"

    def write(self, stream: BinaryIO, *, levels: int, orders: bool) -> None:
        """Write them as ``reconstruct`` does."""
        views = [self._view(key, levels, orders=orders) for key in self._keys]
        whole = document(views, sources=self._sources, counters=self._engine.counters, partial=None)
        stream.write(pretty(whole).encode() + b"\n")

    def picture(self, rows: int) -> str:
        """The book with the most orders, drawn for standard output."""
        if not self._keys:
            return "  no books\n"
        key = max(self._keys, key=lambda key: self._engine.status(key.instrument_id, key.publisher_id).orders)
        others = f" (the fullest of {len(self._keys):,} books)" if len(self._keys) > 1 else ""
        symbol = self._symbols.get(key.instrument_id, f"instrument {key.instrument_id}")
        title = printable(f"{symbol}  {self._dataset}  {iso(self._moment)}{others}")
        width = shutil.get_terminal_size().columns
        return draw(self._engine, key, title=title, rows=rows, width=width, stream=sys.stdout)

    def _view(self, key: BookKey, levels: int, *, orders: bool) -> BookView:
        return book_view(
            self._engine,
            key,
            dataset=self._dataset,
            symbol=self._symbols.get(key.instrument_id),
            levels=levels,
            orders=orders,
        )
