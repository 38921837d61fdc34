"""One feed going through one engine, and its books as they are asked for."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TextIO

from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey
from depthcast.book.views import BookView, book_view, iso
from depthcast.cli._book_json import BookStream, document, pretty
from depthcast.cli._console import printable, warn
from depthcast.cli._feed import Feed
from depthcast.cli._picture import draw
from depthcast.cli._stepping import Cut, each_event, each_grid_point
from depthcast.cli._summary import Meter
from depthcast.cli._values import Every, describe_instruments, select_instruments
from depthcast.dbn.columns import split
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.errors import DBNError, UsageError
from depthcast.settings import EngineSettings

if TYPE_CHECKING:
    from depthcast.cli._progress import Progress

__all__ = ["Run", "Task", "make_engine"]


def make_engine(settings: EngineSettings) -> BookEngine:
    """The engine that the settings name, with their limits."""
    limits = {"max_event_records": settings.max_event_records, "max_event_ns": settings.max_event_ns}
    if settings.kind == "reference":
        from depthcast.book.reference import ReferenceEngine

        return ReferenceEngine(**limits)
    from depthcast.book.engine import Engine

    return Engine(**limits)


@dataclass(frozen=True, slots=True)
class Task:
    """What is wanted of a feed's books: ``levels`` of each side (0 is all), when, and how written."""

    levels: int
    orders: bool
    every: Every | None
    at: int | None
    lines: bool
    instrument: str | None


class Run:
    """A feed that goes through an engine.

    Raises:
        UsageError: the instrument wanted is not in the data; where it is given by its id, that is known, and
            raised, when all is applied.
        DBNError: so for files that hold records of another schema.
    """

    def __init__(self, task: Task, feed: Feed, engine: BookEngine, progress: "Progress") -> None:
        self.engine = engine
        self.meter = Meter(engine)
        self._task = task
        self._feed = feed
        self._chunks = self._in_order(feed.chunks(progress))
        self._ids: set[int] | None = None
        if task.instrument is not None:
            self._ids = select_instruments(task.instrument, feed.instruments)
        self._cut: Cut | None = None
        if task.at is not None:
            self._cut = Cut(self._chunks, task.at, feed.stop)
            self._chunks = iter(self._cut)

    def apply_all(self) -> None:
        """Apply the feed. Nothing here is done per record."""
        for chunk in self._chunks:
            self.meter.apply(chunk)
        self._check()

    def write_every(self, stream: BinaryIO) -> None:
        """Apply the feed, and write books as they come."""
        out = BookStream(stream, as_array=not self._task.lines)
        every = self._task.every or Every(1, None)
        if every.interval_ns is not None:
            points = each_grid_point(
                self.meter.apply, self._chunks, interval_ns=every.interval_ns, known_until=self._known_until
            )
            for point in points:
                for book in self._views():
                    out.write(book, at=point)
        else:
            ends = each_event(self.meter.apply, self._chunks, count=every.events or 1, wanted=self._wanted)
            for key in ends:
                out.write(self._view(key))
        self._check()
        out.end(self._feed.partial)

    def write_last(self, stream: BinaryIO) -> None:
        """Write the books as they are now."""
        if self._task.lines:
            out = BookStream(stream, as_array=False)
            for book in self._views():
                out.write(book)
            out.end(self._feed.partial)
            return
        whole = document(
            list(self._views()),
            sources=self._feed.sources,
            counters=self.engine.counters,
            partial=self._feed.partial,
        )
        stream.write(pretty(whole).encode() + b"\n")

    def picture(self, *, rows: int, stream: TextIO) -> str:
        """The book with the most records, drawn for ``stream``."""
        keys = self._keys()
        if not keys:
            return "  no books\n"
        key = max(keys, key=lambda key: self.engine.status(key.instrument_id, key.publisher_id).records)
        others = f" (the busiest of {len(keys):,} books)" if len(keys) > 1 else ""
        symbol = self._feed.symbols.get(key.instrument_id, f"instrument {key.instrument_id}")
        title = printable(f"{symbol}  {self._feed.dataset}{others}")
        width = shutil.get_terminal_size().columns
        return draw(self.engine, key, title=title, rows=rows, width=width, stream=stream)

    def _in_order(self, chunks: Iterator[memoryview]) -> Iterator[memoryview]:
        """The same chunks; where a file begins before the one before it ended, a warning says so."""
        files = 0
        for chunk in chunks:
            if len(self._feed.sources) > files:
                files = len(self._feed.sources)
                self._check_order(chunk)
            yield chunk

    def _check_order(self, chunk: memoryview) -> None:
        """Hold the first chunk of a file to the books, which are as the files before it left them."""
        books = (self.engine.status(key.instrument_id, key.publisher_id) for key in self.engine.books())
        latest = max((book.ts_recv for book in books if book.ts_recv != UNDEF_TIMESTAMP), default=0)
        times = split(chunk).ts_recv
        first = int(times[(times > 0).argmax()])
        if 0 < first < latest:
            before = _named(self._feed.sources[-1].file)
            warn(
                f"time goes back between files: what follows {before} begins at {iso(first)}, "
                f"before {iso(latest)}; files are one feed in the order given"
            )

    def _check(self) -> None:
        """Judge what was read, once all is applied: say what is odd, refuse what is wrong."""
        partial = self._feed.partial
        if partial is not None:
            where = "" if partial.offset is None else f" byte {partial.offset}:"
            warn(f"{_named(partial.file)}:{where} {partial.error}; the result is of what comes before")
        if not self.engine.books():
            others = {schema for schema in self._feed.schemas if schema != "mbo"} - {None}
            if others and "mbo" not in self._feed.schemas:
                raise DBNError(f"no MBO records: the data is of schema {', '.join(sorted(map(str, others)))}")
            if (until := self._cut_at()) is not None:
                warn(f"--at: no MBO record had arrived by {iso(until)}, so there are no books")
            else:
                warn("no MBO records, so there are no books")
        elif not self._keys():
            if (until := self._cut_at()) is not None:
                warn(
                    f"--at: no record of {self._task.instrument} had come by {iso(until)}, so it has no book"
                )
                return
            ids = dict.fromkeys(key.instrument_id for key in self.engine.books())
            known = [(number, self._feed.symbols.get(number)) for number in ids]
            raise UsageError(
                f"--instrument: no record of {self._task.instrument}; {describe_instruments(known)}"
            )

    def _views(self) -> Iterator[BookView]:
        return map(self._view, self._keys())

    def _view(self, key: BookKey) -> BookView:
        return book_view(
            self.engine,
            key,
            dataset=self._feed.dataset,
            symbol=self._feed.symbols.get(key.instrument_id),
            levels=self._task.levels,
            orders=self._task.orders,
        )

    def _keys(self) -> list[BookKey]:
        return [key for key in self.engine.books() if self._wanted(key)]

    def _wanted(self, key: BookKey) -> bool:
        return self._ids is None or key.instrument_id in self._ids

    def _known_until(self) -> int:
        """A time up to which all records are known to be applied, beyond the last one's own."""
        return self._cut_at() or 0

    def _cut_at(self) -> int | None:
        """The time of ``--at`` if records after it were left out."""
        return self._task.at if self._cut is not None and self._cut.made else None


def _named(file: str) -> str:
    return "standard input" if file == "-" else file
