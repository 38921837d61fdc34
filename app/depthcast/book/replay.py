"""A file event by event: its records go to an engine, which is there to be asked after each event."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from depthcast.book.engine import Engine
from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey
from depthcast.dbn import CHUNK_SIZE, Flags, open_dbn
from depthcast.dbn.columns import Chunk, split

if TYPE_CHECKING:
    from typing import BinaryIO

    from _typeshed import StrPath

__all__ = ["Event", "event_ends", "replay"]


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One event of one book, as `replay` gives it.

    Attributes:
        key: the book.
        records: the event's MBO records in order, with the fields of `depthcast.dbn.layout.MBO`. Records
            of other books that lie between them in the file are not among them.
        index: how many records, of all types and books, precede the event's last record in the file.
        ts_event, ts_recv: of the event's last record, ns.
        complete: False for an event that the file ends without an ``F_LAST`` for.
        engine: the engine, which stands just after this event's last record until the next event is asked
            for.
    """

    key: BookKey
    records: NDArray[np.void]
    index: int
    ts_event: int
    ts_recv: int
    complete: bool
    engine: BookEngine


def replay(
    source: "StrPath | BinaryIO",
    *,
    engine: BookEngine | None = None,
    chunk_bytes: int = CHUNK_SIZE,
) -> Iterator[Event]:
    """Replay a DBN file event by event.

    An event is given when the record that ends it (``F_LAST``) has been applied and no record after it
    has. So ``event.engine`` shows the market as it was at that point of the file, with what other books'
    events that are under way have changed so far. At the end of the file each event still without its
    ``F_LAST`` is given too, in the order of their last records, with ``complete=False``; all of the file
    is applied then.

    Args:
        source: a path, ``"-"`` for standard input, or a binary stream.
        engine: the engine to apply to, by default a new one.
        chunk_bytes: how much is read at a time.

    Raises:
        DBNError: the file is not DBN, or broken; the events before the broken byte were given.
        OSError: the file cannot be read.
    """
    engine = Engine() if engine is None else engine
    with open_dbn(source) as reader:
        events = _Events(engine)
        for chunk in reader.chunks(chunk_bytes):
            yield from events.feed(chunk)
        yield from events.unfinished()


def event_ends(chunk: Chunk) -> Iterator[tuple[int, BookKey]]:
    """Where a chunk's events end, in order: the offset after each ``F_LAST`` record, and its book."""
    lasts = np.flatnonzero(chunk.mbo["flags"] & Flags.LAST)
    ends = chunk.ends[chunk.is_mbo][lasts].tolist()
    publishers = chunk.mbo["publisher_id"][lasts].tolist()
    instruments = chunk.mbo["instrument_id"][lasts].tolist()
    for end, publisher_id, instrument_id in zip(ends, publishers, instruments, strict=True):
        yield end, BookKey(publisher_id, instrument_id)


@dataclass(slots=True)
class _Open:
    """The records so far of an event that has not ended."""

    pieces: list[NDArray[np.void]]
    index: int


class _Events:
    """Cuts chunks at event ends and gathers each event's records, across chunks."""

    def __init__(self, engine: BookEngine) -> None:
        self._engine = engine
        self._open: dict[BookKey, _Open] = {}
        self._before = 0
        """Records in the chunks before this one."""

    def feed(self, chunk: memoryview) -> Iterator[Event]:
        columns = split(chunk)
        places = np.flatnonzero(columns.is_mbo)
        gathered = self._gather(columns.mbo, places)
        applied = 0
        for last, (end, key) in zip(
            np.flatnonzero(columns.mbo["flags"] & Flags.LAST).tolist(), event_ends(columns), strict=True
        ):
            self._engine.apply(chunk[applied:end])
            applied = end
            yield self._event(key, gathered[last], self._before + int(places[last]), complete=True)
        self._engine.apply(chunk[applied:])
        self._before += len(columns.starts)

    def unfinished(self) -> Iterator[Event]:
        for key, rest in sorted(self._open.items(), key=lambda item: item[1].index):
            yield self._event(key, np.concatenate(rest.pieces), rest.index, complete=False)

    def _event(self, key: BookKey, records: NDArray[np.void], index: int, *, complete: bool) -> Event:
        last = records[-1]
        return Event(key, records, index, int(last["ts_event"]), int(last["ts_recv"]), complete, self._engine)

    def _gather(self, mbo: NDArray[np.void], places: NDArray[np.int64]) -> dict[int, NDArray[np.void]]:
        """The records of each event that ends here, by the place of its last one in ``mbo``."""
        gathered: dict[int, NDArray[np.void]] = {}
        for of_book in _by_book(mbo):
            first = mbo[of_book[0]]
            key = BookKey(int(first["publisher_id"]), int(first["instrument_id"]))
            begin = 0
            for stop in (np.flatnonzero(mbo["flags"][of_book] & Flags.LAST) + 1).tolist():
                records = mbo[of_book[begin:stop]]
                opened = self._open.pop(key, None)
                if opened is not None:
                    records = np.concatenate([*opened.pieces, records])
                gathered[int(of_book[stop - 1])] = records
                begin = stop
            if begin < len(of_book):
                rest = self._open.setdefault(key, _Open([], 0))
                rest.pieces.append(mbo[of_book[begin:]])
                rest.index = self._before + int(places[of_book[-1]])
        return gathered


def _by_book(mbo: NDArray[np.void]) -> list[NDArray[np.int64]]:
    """The places of each book's records, in order."""
    if len(mbo) == 0:
        return []
    books = mbo["publisher_id"].astype(np.uint64) << np.uint64(32) | mbo["instrument_id"]
    order = np.argsort(books, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(books[order])) + 1)
