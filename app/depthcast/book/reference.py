"""The reference engine: the rules of the book (docs/book.md) in plain Python, to hold the compiled engine to.

It answers as `depthcast.book.engine.Engine` does, a few hundred times slower. The rules of one book are in
`depthcast.book.reference_book`; this module walks the records, owns the books, and answers questions.
"""

from typing import Final, Literal

import numpy as np

from depthcast.book import reference_forms as forms
from depthcast.book.reference_book import ReferenceBook
from depthcast.book.reference_records import (
    LAST,
    MboRecord,
    RecordBuffer,
    as_bytes,
    cut_fault,
    framing_fault,
    mbo_at,
)
from depthcast.book.reference_side import consolidated
from depthcast.book.types import (
    COUNTERS,
    PHASES,
    Bbo,
    BookKey,
    BookStatus,
    Depth,
    Order,
    QueuePosition,
)
from depthcast.dbn.layout import HEADER, LENGTH_WORD, STATUS, RType
from depthcast.errors import AmbiguousBookError, RecordError, UnknownBookError, UnknownOrderError

__all__ = ["ReferenceEngine"]

STATUS_ACTION: Final = STATUS.fields["action"][1] if STATUS.fields else 0
STATUS_SIZE_MIN: Final = STATUS_ACTION + 2
SIDES: Final = {"B": b"B", "A": b"A"}


class ReferenceEngine:
    """Many books, rebuilt from records by the rules of docs/book.md.

    Args:
        max_event_records: an event of more live records than this makes its book suspect.
        max_event_ns: an event that lasts longer than this by ts_recv makes its book suspect.
    """

    def __init__(self, max_event_records: int = 65_536, max_event_ns: int = 60_000_000_000) -> None:
        if max_event_records < 1 or max_event_ns < 0:
            raise ValueError("max_event_records must be at least 1 and max_event_ns at least 0")
        self._max_event_records = max_event_records
        self._max_event_ns = max_event_ns
        self._books: dict[BookKey, ReferenceBook] = {}
        self._phases: dict[BookKey, str] = {}
        self._changed: dict[BookKey, None] = {}
        self._counters = dict.fromkeys(COUNTERS, 0)
        self._last_ts_recv = 0

    # -- Records in

    def apply(self, buffer: RecordBuffer) -> int:
        """Apply whole records and return how many MBO and Status records were taken.

        Raises:
            RecordError: the framing is broken; the records before ``offset`` were applied.
        """
        data = as_bytes(buffer)
        offset = applied = 0
        while offset < len(data):
            fault = framing_fault(data, offset) or cut_fault(data, offset)
            if fault is not None:
                raise RecordError(fault, offset=offset, applied=applied)
            applied += self._take(data, offset)
            offset += data[offset] * LENGTH_WORD
        return applied

    def boundary(self, buffer: RecordBuffer, *, new_only: bool = False) -> int:
        """Bytes of the longest prefix that leaves no book inside an event. Changes nothing.

        With ``new_only`` the events that are open now do not count until they end.

        Raises:
            RecordError: the framing is broken. A last record that is only cut short is left out instead.
        """
        data = as_bytes(buffer)
        open_books = {key for key, book in self._books.items() if book.in_event}
        passed: set[BookKey] = set()
        if new_only:
            open_books, passed = passed, open_books
        offset = longest = 0
        while offset < len(data):
            fault = framing_fault(data, offset)
            if fault is not None:
                raise RecordError(fault, offset=offset, applied=0)
            if cut_fault(data, offset) is not None:
                break
            if data[offset + 1] == RType.MBO:
                record = mbo_at(data, offset)
                key = BookKey(record.publisher_id, record.instrument_id)
                if record.flags & LAST:
                    open_books.discard(key)
                    passed.discard(key)
                elif key not in passed:
                    open_books.add(key)
            offset += data[offset] * LENGTH_WORD
            if not open_books:
                longest = offset
        return longest

    def _take(self, data: bytes, offset: int) -> bool:
        """Take one whole record; False if it is of a kind that is skipped (§ Framing)."""
        size, rtype = data[offset] * LENGTH_WORD, data[offset + 1]
        if rtype == RType.MBO:
            self._take_mbo(mbo_at(data, offset))
        elif rtype == RType.STATUS and size >= STATUS_SIZE_MIN:
            self._take_status(data, offset)
        else:
            self._counters["skipped_records"] += 1
            return False
        return True

    def _take_mbo(self, record: MboRecord) -> None:
        key = BookKey(record.publisher_id, record.instrument_id)
        book = self._books.get(key)
        if book is None:
            book = ReferenceBook(key, self._counters, self._max_event_records, self._max_event_ns)
            self._books[key] = book
        book.apply(record)
        self._last_ts_recv = record.ts_recv
        if record.flags & LAST:
            self._changed.setdefault(key)

    def _take_status(self, data: bytes, offset: int) -> None:
        """§ Status records: the venue's phase, kept also for books that are yet to come."""
        _, _, publisher_id, instrument_id, _ = np.frombuffer(data, HEADER, count=1, offset=offset)[0].item()
        action = int.from_bytes(data[offset + STATUS_ACTION : offset + STATUS_SIZE_MIN], "little")
        self._counters["status_records"] += 1
        phase = PHASES.get(action)
        if phase is not None:
            self._phases[BookKey(publisher_id, instrument_id)] = phase

    def mark_suspect(self, instrument_id: int | None = None, publisher_id: int | None = None) -> None:
        """Make books suspect: all of them, or an instrument's, or one.

        Raises:
            UnknownBookError: an instrument was named and has no such book.
        """
        if instrument_id is None:
            marked = [self._books[key] for key in self._keys_of_publisher(publisher_id)]
        else:
            marked = self._books_of(instrument_id, publisher_id)
        for book in marked:
            book.suspect = True

    # -- Questions

    def books(self) -> list[BookKey]:
        """Every book seen, by publisher and instrument."""
        return sorted(self._books)

    def changed(self) -> list[BookKey]:
        """The books that completed an event since the last call, in the order in which they first did."""
        changed = list(self._changed)
        self._changed.clear()
        return changed

    @property
    def counters(self) -> dict[str, int]:
        """What was done and what was ignored, over all books; docs/counters.md says what each one counts."""
        counters = dict(self._counters)
        for book in self._books.values():
            for name, side in (("bid", book.sides[b"B"]), ("ask", book.sides[b"A"])):
                counters[f"volume_added_{name}"] += side.added
                counters[f"volume_removed_{name}"] += side.removed
        return counters

    def status(self, instrument_id: int, publisher_id: int | None = None) -> BookStatus:
        """The state of one book.

        Raises:
            UnknownBookError, AmbiguousBookError
        """
        book = self._book(instrument_id, publisher_id)
        return BookStatus(
            publisher_id=book.key.publisher_id,
            instrument_id=book.key.instrument_id,
            in_event=book.in_event,
            complete=book.complete,
            suspect=book.suspect,
            top=book.top(),
            phase=self._phases.get(book.key),
            version=book.version,
            ts_event=book.last_ts_event,
            ts_recv=book.last_ts_recv,
            sequence=book.last_sequence,
            orders=len(book.orders),
            levels=sum(len(side.depth()) for side in book.sides.values()),
            records=book.records,
            events=book.events,
        )

    def depth(self, instrument_id: int, levels: int = 10, publisher_id: int | None = None) -> Depth:
        """The first ``levels`` of both sides, best first; all when 0. Several publishers are consolidated.

        Raises:
            UnknownBookError
        """
        if levels < 0:
            raise ValueError(f"levels is {levels}: pass 0 for the full book, or how many levels of a side")
        books = self._books_of(instrument_id, publisher_id)
        return Depth(
            consolidated([book.sides[b"B"] for book in books], descending=True)[: levels or None],
            consolidated([book.sides[b"A"] for book in books], descending=False)[: levels or None],
        )

    def bbo(self, instrument_id: int, publisher_id: int | None = None) -> Bbo:
        """The best level of each side. Several publishers are consolidated.

        Raises:
            UnknownBookError
        """
        depth = self.depth(instrument_id, 1, publisher_id)
        return Bbo(depth.bids[0] if depth.bids else None, depth.asks[0] if depth.asks else None)

    def orders(
        self, instrument_id: int, side: Literal["B", "A"], price: int, publisher_id: int | None = None
    ) -> list[Order]:
        """The queue at a price of side ``"B"`` or ``"A"``, in priority order; empty if no level is there.

        Raises:
            UnknownBookError, AmbiguousBookError
        """
        if side not in SIDES:
            raise ValueError(f"side is {side!r}: pass 'B' for bids or 'A' for asks")
        queue = self._book(instrument_id, publisher_id).sides[SIDES[side]].queue(price)
        return [Order(order.order_id, order.size, order.ts_event, order.sequence) for order in queue]

    def queue_position(
        self, order_id: int, instrument_id: int, publisher_id: int | None = None
    ) -> QueuePosition:
        """What stands before an order at its price.

        Raises:
            UnknownBookError, AmbiguousBookError, UnknownOrderError
        """
        book = self._book(instrument_id, publisher_id)
        order = book.orders.get(order_id)
        if order is None:
            raise UnknownOrderError(f"no order {order_id} in the book {tuple(book.key)}")
        queue = book.sides[order.side].queue(order.price)
        ahead = queue[: queue.index(order)]
        return QueuePosition(
            order_id=order_id,
            side=order.side.decode(),
            price=order.price,
            size=order.size,
            orders_ahead=len(ahead),
            size_ahead=sum(other.size for other in ahead),
        )

    def snapshot(self, instrument_id: int | None = None, publisher_id: int | None = None) -> bytes:
        """One book, or all of them, as MBO records (§ Snapshots that are written).

        Raises:
            UnknownBookError, AmbiguousBookError
        """
        if instrument_id is not None:
            return forms.snapshot(self._book(instrument_id, publisher_id), self._last_ts_recv)
        keys = self._keys_of_publisher(publisher_id)
        return b"".join(forms.snapshot(self._books[key], self._last_ts_recv) for key in keys)

    def _keys_of_publisher(self, publisher_id: int | None) -> list[BookKey]:
        """All books, or those of a publisher, in order."""
        return [key for key in self.books() if publisher_id in {None, key.publisher_id}]

    def checksum(self, instrument_id: int, levels: int = 0, publisher_id: int | None = None) -> int:
        """CRC-32 of the first ``levels`` of both sides; of the full book with its queues when 0.

        Raises:
            UnknownBookError, AmbiguousBookError
        """
        if levels < 0:
            raise ValueError(f"levels is {levels}: pass 0 for the full book, or how many levels of a side")
        return forms.checksum(self._book(instrument_id, publisher_id), levels)

    def check_invariants(self) -> None:
        """Raise AssertionError naming the first of § Invariants that some book breaks."""
        for book in self._books.values():
            forms.check_invariants(book)

    # -- Which book is meant

    def _books_of(self, instrument_id: int, publisher_id: int | None) -> list[ReferenceBook]:
        if publisher_id is None:
            books = [book for key, book in self._books.items() if key.instrument_id == instrument_id]
        else:
            book = self._books.get(BookKey(publisher_id, instrument_id))
            books = [] if book is None else [book]
        if not books:
            where = "" if publisher_id is None else f" at publisher {publisher_id}"
            raise UnknownBookError(f"no book of instrument {instrument_id}{where}: no record of it was seen")
        return books

    def _book(self, instrument_id: int, publisher_id: int | None) -> ReferenceBook:
        books = self._books_of(instrument_id, publisher_id)
        if len(books) > 1:
            publishers = ", ".join(str(number) for number in sorted(book.key.publisher_id for book in books))
            raise AmbiguousBookError(
                f"instrument {instrument_id} has books at publishers {publishers}: pass publisher_id"
            )
        return books[0]
