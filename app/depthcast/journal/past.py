"""The books of any time that closed segments hold, of all journals of a folder or store."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from threading import Lock
from typing import Final, NamedTuple, TypeVar

from depthcast.book.engine import Engine
from depthcast.dbn import forms, instrument_symbols, symbol_instruments
from depthcast.errors import AmbiguousInstrumentError, JournalError, UnknownInstrumentError
from depthcast.journal.at import Cut, Kept, TimeNotKeptError, cut_at, cut_before, kept, segment_at
from depthcast.journal.frames import BOOK_RTYPES, Frames
from depthcast.journal.names import Journal
from depthcast.journal.objects import ObjectMissingError, open_objects
from depthcast.journal.reader import JournalReader, journals
from depthcast.journal.recent import Recent
from depthcast.journal.search import is_damage
from depthcast.journal.segments import ClosedSegment

__all__ = ["Named", "Past", "PastBook"]

JOURNALS_S: Final = 10.0
"""A listing of the journals is used for so long."""
_NAMES_KEPT: Final = 64
_BOOKS_KEPT: Final = 64
_MAX_ID: Final = 2**32 - 1

T = TypeVar("T")


class Named(NamedTuple):
    """An instrument of a journal as it was called at a time.

    Attributes:
        reader: the journal.
        segment: that holds the time.
        instrument_id: the instrument.
        symbol: None where only its id is known.
    """

    reader: JournalReader
    segment: ClosedSegment
    instrument_id: int
    symbol: str | None

    @property
    def name(self) -> str:
        """``DATASET:SYMBOL``, or with the id where there is no symbol."""
        return f"{self.reader.journal.dataset}:{self.symbol or self.instrument_id}"


class PastBook(NamedTuple):
    """The books of an instrument, of all its publishers, as they were.

    Attributes:
        named: the instrument.
        engine: which holds them, and is not to be changed.
        position: of the first record of the journal that is not in them.
    """

    named: Named
    engine: Engine
    position: int


class Past:
    """Books of the past. Any thread may ask; an answer takes as long as reading a part of one segment does.

    Args:
        location: a folder, or ``s3://bucket/prefix``; one journal or several.
        cache_bytes: memory for what was read, and for books that were built.
        threads: that unpack frames; 0 for the machine's cores.
        make_engine: makes an empty engine.

    Raises:
        JournalError: an address of another kind.
    """

    def __init__(
        self,
        location: str,
        *,
        cache_bytes: int = 256 << 20,
        threads: int = 0,
        make_engine: Callable[[], Engine] = Engine,
    ) -> None:
        self._objects = open_objects(location)
        self._make_engine = make_engine
        self.frames = Frames(cache_bytes * 15 // 16, threads)
        self._lock = Lock()
        self._readers: dict[Journal, JournalReader] = {}
        self._listed_until = float("-inf")
        self._forgotten: dict[tuple[Journal, str | None], float] = {}
        """When a journal was last listed anew for the sake of a file."""
        self._names: Recent[str, _Names] = Recent(_NAMES_KEPT)
        self._books: Recent[tuple[str, int, int], Engine] = Recent(_BOOKS_KEPT, cache_bytes // 16)

    def close(self) -> None:
        """Answer no more."""
        self.frames.close()

    @property
    def location(self) -> str:
        """Where it is, for people."""
        return self._objects.url

    # -- what there is

    def readers(self) -> list[JournalReader]:
        """The journals, of closed segments alone.

        Raises:
            JournalError: the store does not answer.
        """
        with self._lock:
            if time.monotonic() >= self._listed_until:
                found = journals(self._objects)
                self._readers = {
                    each: self._readers.get(each) or JournalReader(None, self._objects, each)
                    for each in sorted(found)
                }
                self._listed_until = time.monotonic() + JOURNALS_S
            return list(self._readers.values())

    def kept(self, dataset: str | None = None) -> Kept:
        """The times that there are, of all journals (of a dataset) together."""
        found = [kept(each) for each in self.readers() if dataset in (None, each.journal.dataset)]
        firsts = [each.first for each in found if each.first is not None]
        lasts = [each.last for each in found if each.last is not None]
        return Kept(min(firsts, default=None), max(lasts, default=None))

    def find(self, text: str, ts_recv: int, *, from_nothing: bool = False) -> list[Named]:
        """What a name meant at a time (ns): a symbol, an instrument id, or either after ``DATASET:``.

        Times before the feed's very first record will do with ``from_nothing``. Of one dataset: its shards
        know each other's instruments, so there may be one in each of them.

        Raises:
            UnknownInstrumentError: nothing.
            AmbiguousInstrumentError: instruments of several datasets, or several of one.
            TimeNotKeptError: no journal has that time.
            JournalError: the segments that hold it are damaged, or cannot be read.
        """
        readers = self.readers()
        dataset, colon, name = text.partition(":")
        chosen = [each for each in readers if each.journal.dataset == dataset] if colon else []
        if not chosen:
            chosen, name = readers, text
        if not chosen:
            raise TimeNotKeptError(f"there is no journal in {self.location}", kept=Kept(None, None))
        found: list[Named] = []
        refused: list[JournalError] = []
        for reader in chosen:
            try:
                found += self.retrying(reader, partial(self._named, reader, name, ts_recv, from_nothing))
            except JournalError as error:
                refused.append(error)
        if not found and refused:
            raise min(refused, key=lambda error: isinstance(error, TimeNotKeptError))
        if not found:
            raise UnknownInstrumentError(f"no journal has an instrument {name!r} at that time")
        found = (
            [each for each in found if each.symbol == name]
            or [each for each in found if each.symbol is not None]
            or found
        )
        choices = tuple(dict.fromkeys(each.name for each in found))
        if len({(each.reader.journal.dataset, each.instrument_id) for each in found}) > 1:
            if len(set(choices)) == 1:
                choices = tuple(f"{each.reader.journal.dataset}:{each.instrument_id}" for each in found)
            raise AmbiguousInstrumentError(
                f"{text!r} meant several instruments at that time: ask for one of {', '.join(choices)}",
                choices=choices,
            )
        return found

    def _named(
        self,
        reader: JournalReader,
        name: str,
        ts_recv: int,
        from_nothing: bool,
    ) -> list[Named]:
        segment = segment_at(reader, ts_recv, from_nothing=from_nothing)
        for names in self._names_near(reader, segment):
            ids = names.ids.get(name)
            if ids:
                return [Named(reader, segment, each, name) for each in sorted(ids)]
        if name.isascii() and name.isdigit() and len(name) <= 10 and int(name) <= _MAX_ID:
            number = int(name)
            known = (names.symbols.get(number) for names in self._names_near(reader, segment))
            return [Named(reader, segment, number, next((each for each in known if each), None))]
        return []

    def _names_near(self, reader: JournalReader, segment: ClosedSegment) -> "Iterable[_Names]":
        """The names that a segment begins with, and those of the newest: one may be first heard of inside."""
        yield self._names_of(segment)
        newest = reader.edge(newest=True)
        if isinstance(newest, ClosedSegment) and newest.position != segment.position:
            yield self._names_of(newest)

    def _names_of(self, segment: ClosedSegment) -> "_Names":
        key = segment.index.sha256
        found = self._names.get(key)
        if found is None:
            metadata = segment.metadata()
            found = _Names(symbol_instruments(metadata), instrument_symbols(metadata))
            self._names.put(key, found)
        return found

    # -- books

    def book(self, text: str, ts_recv: int) -> PastBook:
        """The books of an instrument before the first record of its journal that is later than a time (ns).

        Raises:
            UnknownInstrumentError, AmbiguousInstrumentError, TimeNotKeptError, JournalError: see `find`.
        """
        found = self.find(text, ts_recv)
        books = []
        for named in found:
            books.append(self.at(named, ts_recv))
            if books[-1].engine.publishers(named.instrument_id):
                break
        return books[-1]

    def at(self, named: Named, ts_recv: int, *, from_nothing: bool = False) -> PastBook:
        """The books of an instrument that was found, at a time."""

        def built() -> PastBook:
            cut = cut_at(segment_at(named.reader, ts_recv, from_nothing=from_nothing), ts_recv)
            return PastBook(named, self.engine(cut, named.instrument_id), cut.position)

        return self.retrying(named.reader, built)

    def engine(self, cut: Cut, instrument_id: int) -> Engine:
        """The books of an instrument at a place in a segment: shared, so not to be changed."""
        key = (cut.segment.index.sha256, cut.position, instrument_id)
        engine = self._books.get(key)
        if engine is None:
            engine = self.new_engine(cut, [instrument_id])
            self._books.put(key, engine, engine.memory_bytes)
        return engine

    def new_engine(self, cut: Cut, instrument_ids: Iterable[int]) -> Engine:
        """The books of some instruments at a place in a segment, in an engine of its own.

        Raises:
            JournalError: a frame is damaged, or cannot be read.
        """
        engine = self._make_engine()
        for number in instrument_ids:
            for data in self.frames.of(cut.segment, cut.segment.index.head, number):
                engine.apply(data)
            for data in self.frames.of(cut.segment, cut.frames, number):
                engine.apply(data)
            engine.apply(forms.form(cut.rest, instrument_ids=forms.IdSet([number]), rtypes=BOOK_RTYPES))
        return engine

    def cut(self, reader: JournalReader, ts_recv: int) -> Cut:
        """The place in a journal before the first record that is later than a time (ns), perhaps its first.

        Raises:
            TimeNotKeptError: no closed segment has it.
            JournalError: it is damaged, or cannot be read.
        """
        return self.retrying(reader, lambda: cut_at(segment_at(reader, ts_recv, from_nothing=True), ts_recv))

    def place(self, reader: JournalReader, position: int) -> Cut:
        """The place in a journal before the record with this position.

        Raises:
            TimeNotKeptError: no closed segment has it.
            JournalError: it is damaged, or cannot be read.
        """

        def found() -> Cut:
            newest = reader.edge(newest=True)
            if newest is None or newest.end < position:
                raise TimeNotKeptError(f"no closed segment has position {position} yet", kept=kept(reader))
            segment = reader.find(position)
            if not isinstance(segment, ClosedSegment):
                raise TimeNotKeptError("the journal has no closed segments yet", kept=Kept(None, None))
            return cut_before(segment, position)

        return self.retrying(reader, found)

    def retrying(self, reader: JournalReader, question: Callable[[], T]) -> T:
        """Ask again, once, of a new listing, where a file is gone, or was replaced, since it was listed.

        Parts of a day go when they are merged, and segments may come after later ones. What a new listing did
        not mend is not listed anew for a while, however many ask: a listing costs requests.

        Raises:
            JournalError: that of the question, the second time.
        """
        began = time.monotonic()
        try:
            return question()
        except JournalError as error:
            gone = isinstance(error, ObjectMissingError) or is_damage(error)
            if isinstance(error, TimeNotKeptError) or not gone:
                raise
            if not self._listed_anew(reader, error.path, began):
                raise
        return question()

    def _listed_anew(self, reader: JournalReader, path: str | None, began: float) -> bool:
        """Whether there is another listing than the one that a question had, which began at this time.

        Args:
            path: of the file that was not what the listing said.
        """
        key = (reader.journal, path)
        with self._lock:
            now = time.monotonic()
            forgotten = self._forgotten.get(key)
            if forgotten is not None and now < forgotten + JOURNALS_S:
                return forgotten >= began  # somebody else, who asked at the same time, had it listed anew
            self._forgotten = {each: at for each, at in self._forgotten.items() if now < at + JOURNALS_S}
            reader.forget()
            self._forgotten[key] = time.monotonic()
            return True


class _Names(NamedTuple):
    ids: dict[str, set[int]]
    symbols: dict[int, str]
