"""A journal read on from a place: the records of some instruments, and where their events end."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.book.types import BookKey
from depthcast.dbn import forms
from depthcast.dbn.columns import split
from depthcast.dbn.framing import record_starts
from depthcast.dbn.layout import Flags, RType
from depthcast.journal.frames import BOOK_RTYPES
from depthcast.journal.reader import JournalReader

__all__ = ["End", "Stretch", "Tape"]

_TRADE = ord("T")


class End(NamedTuple):
    """The end of an event, or a status record.

    Attributes:
        offset: in the stretch's data, after its last record.
        position: after that record, in the journal.
        ts_recv: of that record, or of an earlier one if that is later: it never goes back.
        instrument_id, publisher_id: whose event it is.
        trades: how many trades are in the stretch before ``offset``.
        is_event: False for a status record.
    """

    offset: int
    position: int
    ts_recv: int
    instrument_id: int
    publisher_id: int
    trades: int
    is_event: bool

    @property
    def key(self) -> BookKey:
        return BookKey(self.publisher_id, self.instrument_id)


class Stretch(NamedTuple):
    """What one frame of the journal has of the instruments.

    Attributes:
        data: their records.
        ends: where events end, in order.
        keys: the books that records are of.
        position: after the frame, in the journal.
        ts_recv: the latest so far.
        is_last: nothing after it is wanted.
    """

    data: bytes
    ends: list[End]
    keys: list[BookKey]
    position: int
    ts_recv: int
    is_last: bool


class Tape:
    """Reads a journal from a position on, a stretch at a time, each in whatever thread.

    Args:
        reader: the journal.
        position: of the first record.
        ts_recv: the latest time (ns) before it.
        instrument_ids: whose records are wanted.
        end: records from the first that is later than this (ns) on are not; None for all there are.
    """

    def __init__(
        self,
        reader: JournalReader,
        position: int,
        ts_recv: int,
        instrument_ids: Sequence[int],
        end: int | None = None,
    ) -> None:
        self._records: Iterator[tuple[int, bytes]] = reader.records(position)
        self._ids = forms.IdSet(instrument_ids)
        self._wanted = np.array(sorted(instrument_ids), np.uint32)
        self._end = end
        self._ts_recv = ts_recv

    def read(self) -> Stretch | None:
        """The next stretch; None where the closed segments end.

        Raises:
            JournalError: the journal is damaged, or cannot be read.
        """
        found = next(self._records, None)
        if found is None:
            return None
        position, data = found
        is_last = False
        if self._end is not None:
            size, _ = forms.due_prefix(data, self._end)
            is_last = size < len(data)
            data = data[:size]
        return self._stretch(position, data, is_last=is_last)

    def _stretch(self, first: int, data: bytes, *, is_last: bool) -> Stretch:
        mine = forms.form(data, instrument_ids=self._ids, rtypes=BOOK_RTYPES)
        position = first + forms.count(data)
        if not mine:
            return Stretch(b"", [], [], position, self._ts_recv, is_last)
        positions = first + 1 + np.flatnonzero(self._is_mine(data))
        found = split(memoryview(mine))
        times = np.maximum(np.maximum.accumulate(found.ts_recv), np.uint64(self._ts_recv))
        self._ts_recv = int(times[-1])
        ends = np.ones(len(found.starts), np.bool_)
        ends[found.is_mbo] = found.mbo["flags"] & Flags.LAST != 0
        trades = np.zeros(len(found.starts), np.int64)
        trades[found.is_mbo] = found.mbo["action"].view(np.uint8) == _TRADE
        instruments, publishers = _headers(mine, found.starts)
        rows = zip(
            found.ends[ends].tolist(),
            positions[ends].tolist(),
            times[ends].tolist(),
            instruments[ends].tolist(),
            publishers[ends].tolist(),
            np.cumsum(trades)[ends].tolist(),
            found.is_mbo[ends].tolist(),
            strict=True,
        )
        keys = _keys(found.mbo)
        return Stretch(mine, [End(*row) for row in rows], keys, position, self._ts_recv, is_last)

    def _is_mine(self, data: bytes) -> NDArray[np.bool_]:
        """Of each record, whether it is among those that were taken."""
        view = np.frombuffer(data, np.uint8)
        starts = record_starts(view, 0, len(view))
        rtypes = view[starts + 1]
        instruments, _ = _headers(data, starts)
        is_of_books: NDArray[np.bool_] = (rtypes == RType.MBO) | (rtypes == RType.STATUS)
        return is_of_books & np.isin(instruments, self._wanted)


def _headers(data: bytes, starts: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Instrument and publisher of the records that begin at ``starts``."""
    words = np.frombuffer(data, "<u4", len(data) // 4)
    at = starts // 4
    return words[at + 1], words[at] >> np.uint32(16)


def _keys(mbo: NDArray[np.void]) -> list[BookKey]:
    """The books of some records, in order."""
    both = mbo["publisher_id"].astype(np.uint64) << np.uint64(32) | mbo["instrument_id"]
    return [BookKey(int(each) >> 32, int(each) & 0xFFFFFFFF) for each in np.unique(both)]
