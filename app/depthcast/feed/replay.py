"""The past of a feed: read from the journal, then from the ring, up to where a session can join.

A replay runs in worker threads, a piece at a time, as fast as its session takes it.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Final

from depthcast.book.derive import DeriverSet
from depthcast.book.views import iso
from depthcast.dbn import RType, forms
from depthcast.errors import JournalError, ReplayError, SessionError
from depthcast.feed.books import BookThread, advanced
from depthcast.feed.ring import Ring
from depthcast.journal.reader import JournalReader
from depthcast.live.control import ErrorCode
from depthcast.live.feed_view import ALL_TIME, Batch, ReplayRequest

__all__ = ["JournalReplay"]

BY_TS_RECV: Final = frozenset({"bbo-1s", "bbo-1m"})
"""Schemas of which a replay's start is compared with ts_recv."""
RECORDED: Final = {
    "mbo": frozenset({int(RType.MBO)}),
    "status": frozenset({int(RType.STATUS)}),
    "definition": frozenset({int(RType.INSTRUMENT_DEF)}),
}
"""Schemas whose records are in the feed itself, and their rtypes."""

SKEW_NS: Final = 60_000_000_000
"""How far a start may lie in the future: clocks differ."""


class JournalReplay:
    """One schema's records from a time on (`depthcast.live.feed_view.Replay`).

    Args:
        request: what is asked for.
        reader: the journal, opened for this replay alone.
        ring, books: where the newest records are, and how far they are derived.
        executor: threads to read in.
        clock: the time, ns since the epoch.
    """

    def __init__(
        self,
        request: ReplayRequest,
        reader: JournalReader,
        ring: Ring,
        books: BookThread,
        executor: Executor,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._request = request
        self._reader = reader
        self._ring = ring
        self._books = books
        self._executor = executor
        self._clock = clock
        self._ids = None if request.instrument_ids is None else forms.IdSet(request.instrument_ids)
        self._start_position = ring.position if ring.head == 0 else -1
        self._index = -1
        self._closed = False
        recorded = request.schema in RECORDED
        self._pieces = self._recorded_pieces() if recorded else self._derived_pieces()

    @property
    def index(self) -> int:
        return self._index

    async def read(self) -> bytes | None:
        if self._closed:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._next)

    def close(self) -> None:
        self._closed = True

    def _next(self) -> bytes | None:
        try:
            return next(self._pieces, None)
        except JournalError as error:
            raise ReplayError(f"the journal cannot be read: {error}") from error

    def _check_start(self) -> None:
        """0 asks for all there is; any other start for everything since, which must have begun."""
        start, complete_after = self._request.start, self._reader.complete_after
        if 0 < start <= complete_after:
            raise ReplayError(f"the journal has everything after {complete_after} only, not from {start} on")
        now = self._clock()
        if start > now + SKEW_NS and self._latest() <= now:
            raise SessionError(
                f"start: {iso(start)} is in the future, now is {iso(now)}: without it comes what is to come",
                code=ErrorCode.INVALID_SUBSCRIPTION,
            )

    def _latest(self) -> int:
        """The time that the feed has come to, by its records: simulated ones may be ahead of the clock."""
        for index in range(self._ring.head - 1, self._ring.tail - 1, -1):
            batch = self._ring.get(index)
            if batch is not None and batch.count:
                return forms.last_ts_recv(batch.data)
        newest = self._reader.at(ALL_TIME)  # nothing has come since this life began
        return 0 if newest is None else newest.before.latest_ts_recv

    def _recorded_pieces(self) -> Iterator[bytes]:
        """Records of the feed itself: no books are needed."""
        self._check_start()
        rtypes = RECORDED[self._request.schema]
        position = self._reader.position_since(self._request.start)
        while self._index < 0:
            for first, chunk in self._reader.records(position):
                if self._closed:
                    return
                yield self._piece(forms.form(chunk, instrument_ids=self._ids, rtypes=rtypes))
                position = first + forms.count(chunk)
            index = self._ring_index(position)
            while index is not None and index < self._ring.head:
                data = self._data_from(index, position)
                if data is None:  # the ring let it go: it is in the journal
                    break
                position += forms.count(data)
                index += 1
                yield self._piece(forms.form(data, instrument_ids=self._ids, rtypes=rtypes))
            else:
                if index is not None:
                    self._index = index

    def _derived_pieces(self) -> Iterator[bytes]:
        """Derived records: the books are rebuilt from the head of a segment before the start."""
        self._check_start()
        schema = self._request.schema
        deriver = DeriverSet([schema])
        position, head = self._reader.books_before(self._request.start)
        deriver.apply(head)
        while self._index < 0:
            for first, chunk in self._reader.records(position):
                if self._closed:
                    return
                yield self._derived_piece(deriver.apply(chunk)[schema])
                position = first + forms.count(chunk)
            index = self._ring_index(position)
            while index is not None and index < self._books.index:
                batch = self._ring.get(index)
                data = self._data_from(index, position)
                if batch is None or data is None:
                    break
                position += forms.count(data)
                index += 1
                yield self._derived_piece(deriver.apply(data)[schema])
                if batch.advance_ns:
                    yield self._derived_piece(advanced(deriver, batch.advance_ns)[schema])
            else:
                if index is not None:
                    self._index = index

    def _derived_piece(self, records: bytes) -> bytes:
        return self._piece(forms.form(records, instrument_ids=self._ids))

    def _piece(self, records: bytes) -> bytes:
        """Those from the start on. It may be none: whoever reads learns that time passes."""
        return forms.since(records, self._request.start, by_ts_recv=self._request.schema in BY_TS_RECV)

    def _ring_index(self, position: int) -> int | None:
        """The first batch that holds the record at ``position`` or comes after it; None if that is gone."""
        low, head = self._ring.tail, self._ring.head
        high = head
        while low < high:
            middle = (low + high) // 2
            batch = self._ring.get(middle)
            if batch is None or _is_before(batch, position):
                low = middle + 1
            else:
                high = middle
        found = self._ring.get(low)
        if low < head:
            return low if found is not None and found.position <= position else None
        last = self._ring.get(head - 1)
        ends_at = self._start_position if last is None else last.position + last.count
        return head if ends_at == position else None

    def _data_from(self, index: int, position: int) -> bytes | None:
        """A batch's records from ``position`` on; None if the ring has let it go."""
        batch = self._ring.get(index)
        if batch is None:
            return None
        skipped = position - batch.position
        return batch.data if skipped <= 0 else batch.data[forms.prefix(batch.data, skipped) :]


def _is_before(batch: Batch, position: int) -> bool:
    """Whether a batch has nothing of what follows ``position``, be it only that time passes."""
    return batch.position + batch.count <= position and (batch.count > 0 or batch.position < position)
