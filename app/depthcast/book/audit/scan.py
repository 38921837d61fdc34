"""The first reading of an audit: what the records say in themselves, without any book."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.book.audit.records import Batch, Place, Tally, book_numbers
from depthcast.book.audit.trades import Trades
from depthcast.dbn.layout import Flags

_LAST: Final = int(Flags.LAST)
_SNAPSHOT: Final = int(Flags.SNAPSHOT)
_MAYBE_BAD_BOOK: Final = int(Flags.MAYBE_BAD_BOOK)


class Scan:
    """Counts, order of time, longest event and trades of a file, all with numpy but for its trades and fills.

    Attributes:
        records: MBO records.
        events, snapshot_records, flagged_records: those with F_LAST, F_SNAPSHOT, F_MAYBE_BAD_BOOK.
        live_records: MBO records without F_SNAPSHOT.
        longest_event: the most live records of one event, from its last `R` on.
        books: the number of books.
        trades: all trades, with their fills.
        ts_recv_back: live records whose ts_recv is before that of the live record before.
        sequence_back: live records whose sequence is below that of the book's live record before.
    """

    def __init__(self) -> None:
        self.records = self.events = self.snapshot_records = self.flagged_records = 0
        self.longest_event = 0
        self.trades = Trades()
        self.ts_recv_back = Tally()
        self.sequence_back = Tally()
        self.first: Place | None = None
        self.last: Place | None = None
        self._books: set[int] = set()
        self._ts_recv = 0
        self._sequences: dict[int, int] = {}
        self._open: dict[int, tuple[int, int]] = {}

    @property
    def live_records(self) -> int:
        return self.records - self.snapshot_records

    @property
    def books(self) -> int:
        return len(self._books)

    def add(self, batch: Batch) -> None:
        """Take the next records."""
        mbo = batch.mbo
        if len(mbo) == 0:
            return
        flags = mbo["flags"]
        self.records += len(mbo)
        self.events += int(np.count_nonzero(flags & _LAST))
        self.snapshot_records += int(np.count_nonzero(flags & _SNAPSHOT))
        self.flagged_records += int(np.count_nonzero(flags & _MAYBE_BAD_BOOK))
        self.first = self.first or batch.place(0)
        self.last = batch.place(-1)
        books = book_numbers(mbo)
        live = flags & _SNAPSHOT == 0
        self._order_of_ts_recv(batch, np.flatnonzero(live))
        by_book = np.argsort(books, kind="stable") if (books != books[0]).any() else np.arange(len(books))
        self._order_of_sequence(batch, books, by_book[live[by_book]])
        origins = self._events(batch, books, by_book, live)
        action = mbo["action"]
        told = np.flatnonzero((action == b"T") | (action == b"F"))
        self.trades.add(mbo[told], books[told], batch.positions[told], origins[told])

    def _order_of_ts_recv(self, batch: Batch, live: NDArray[np.int64]) -> None:
        if len(live) == 0:
            return
        times = batch.mbo["ts_recv"][live]
        before = np.concatenate(([np.uint64(self._ts_recv)], times[:-1]))
        for index in live[times < before].tolist():
            self.ts_recv_back.see_record(batch, index)
        self._ts_recv = int(times[-1])

    def _order_of_sequence(self, batch: Batch, books: NDArray[np.uint64], live: NDArray[np.int64]) -> None:
        """``live`` are the live records' indexes, ordered by book and in order within each."""
        if len(live) == 0:
            return
        sequences, book = batch.mbo["sequence"][live], books[live]
        heads = np.flatnonzero(np.concatenate(([True], book[1:] != book[:-1])))
        tails = np.append(heads[1:], len(live)) - 1
        before = np.concatenate((sequences[:1], sequences[:-1]))
        names = book[heads].tolist()
        before[heads] = [self._sequences.get(name, 0) for name in names]
        self._sequences.update(zip(names, sequences[tails].tolist(), strict=True))
        for index in np.sort(live[sequences < before]).tolist():
            self.sequence_back.see_record(batch, index)

    def _events(
        self,
        batch: Batch,
        books: NDArray[np.uint64],
        by_book: NDArray[np.int64],
        live: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """Where each record's event began, as a position; after an `R` it begins anew, with an empty book."""
        book, positions = books[by_book], batch.positions[by_book]
        ends = batch.mbo["flags"][by_book] & _LAST != 0
        over = ends | (batch.mbo["action"][by_book] == b"R")
        begins = np.concatenate(([True], (book[1:] != book[:-1]) | over[:-1]))
        heads = np.flatnonzero(np.concatenate(([True], book[1:] != book[:-1])))
        tails = np.append(heads[1:], len(by_book)) - 1
        names = book[heads].tolist()
        self._books.update(names)
        carried = [self._open.get(name) for name in names]

        began = np.maximum.accumulate(np.where(begins, np.arange(len(by_book)), 0))
        origin, length = positions.copy(), np.cumsum(live[by_book])
        before = np.concatenate(([0], length[:-1]))  # live records before this one
        for head, event in zip(heads.tolist(), carried, strict=True):
            if event is not None:
                origin[head] = event[0]
                before[head] -= event[1]
        origin, length = origin[began], length - before[began]
        if ends.any():
            self.longest_event = max(self.longest_event, int(length[ends].max()))
        for name, tail in zip(names, tails.tolist(), strict=True):
            if over[tail]:
                self._open.pop(name, None)
            else:
                self._open[name] = int(origin[tail]), int(length[tail])
        in_file_order = np.empty_like(origin)
        in_file_order[by_book] = origin
        return in_file_order
