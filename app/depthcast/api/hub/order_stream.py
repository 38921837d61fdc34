"""The channel orders: every change of every queue of a book, so that a reader holds them exactly."""

from typing import ClassVar, Final

from depthcast.api.hub.classes import StreamClass
from depthcast.api.hub.encoded import Encoded
from depthcast.api.hub.messages import OrdersSnapshot, OrdersUpdate, encode
from depthcast.api.hub.orders import OrderBook
from depthcast.api.hub.status_stream import class_status
from depthcast.api.hub.stream import Numbering, Stream
from depthcast.api.hub.view import ReplicaView
from depthcast.book.types import BookKey, BookStatus
from depthcast.errors import UnknownBookError

__all__ = ["OrderStream"]

_SNAPSHOT_SHARE: Final = 20
"""After a snapshot of all queues, none is made for so many times as long as it took: 5 % of the time."""

Flagged = tuple[str, str | None, bool, bool, bool]


class OrderStream(Stream):
    """The orders of one book. None of their changes is left out: who falls too far behind is closed."""

    __slots__ = (
        "_flags",
        "_instrument",
        "_not_before_ns",
        "_reason",
        "_said_stale",
        "_snapshot",
        "_view",
        "book",
    )

    lossless: ClassVar[bool] = True

    def __init__(
        self, of: StreamClass, numbering: Numbering, phase: float, view: ReplicaView, instrument: str
    ) -> None:
        super().__init__(of, numbering, phase)
        self._view = view
        self._instrument = instrument
        self._said_stale = view.stale
        self._reason: str | None = None
        self._snapshot: Encoded | None = None
        self._not_before_ns = 0
        budget = numbering.options.order_records_per_s // of.rate
        publisher_id = of.publisher_id
        if publisher_id is None:
            raise ValueError("a class of orders is of one publisher")
        self.book = OrderBook(BookKey(publisher_id, of.instrument_id), budget)
        self._seed()
        self._flags = self._state(self._status())

    def follow(self, records: bytes) -> None:
        """Apply records of any books that were applied to the replica's engine after the last ones."""
        before = self.book.told
        self.book.follow(records)
        self.numbering.counters.order_records += self.book.told - before

    @property
    def failed(self) -> str:
        status, limit = self._status(), self.numbering.options.order_book_orders
        if status is not None and status.orders > limit:
            return f"the book has {status.orders} orders; this channel serves at most {limit}"
        return ""

    def flush(self) -> bool:
        status = self._status()
        if status is not None and status.in_event:
            self.numbering.counters.held_back += 1
            self._say_stale()
            return False
        flags = self._state(status)
        self._heal()
        reason = self._reason or self.book.void
        if reason is not None:
            if self.numbering.clock() < self._not_before_ns:
                return False
            self._begin_anew(reason, flags, status)
        elif self.book.changes or flags != self._flags:
            self._send_changes(flags, status)
        self.admit_waiting()
        return True

    def snapshot(self) -> list[Encoded] | None:
        if (
            self._reason is not None
            or self.book.void is not None
            or self.book.changes
            or self._stale_untold()
        ):
            self.flush()
        if self._reason is not None or self.book.void is not None or self.book.changes:
            return None
        if self._snapshot is None:
            status, clock = self._status(), self.numbering.clock
            if (status is not None and status.in_event) or clock() < self._not_before_ns:
                return None
            self._snapshot = self._whole(self.seq, status)
        return [self._snapshot]

    def renew(self, reason: str) -> None:
        self._reason = reason
        self._seed()

    @property
    def stale(self) -> bool:
        return self._view.stale

    def status(self) -> bytes:
        return class_status(self._view, self.of, self._instrument, self.numbering)

    def restate(self) -> bool:
        return self._flags != self._state(self._status()) or self.book.void is not None

    def _seed(self) -> None:
        key = self.book.key
        try:
            records = self._view.engine.snapshot(key.instrument_id, key.publisher_id)
        except UnknownBookError:
            records = b""
        self.book.seed(records)

    def _heal(self) -> None:
        """Begin anew from the replica's book if this one is another.

        A snapshot does not carry all of a book's state (docs/decisions/0001-book-rulings.md): one taken in
        the midst of a venue's own snapshot may go on differently.
        """
        key = self.book.key
        try:
            wanted = self._view.engine.checksum(key.instrument_id, 0, key.publisher_id)
        except UnknownBookError:
            return
        if self.book.checksum() != wanted:
            self._seed()
            self._reason = self._reason or "recovered"
            self.numbering.counters.order_heals += 1

    def _status(self) -> BookStatus | None:
        """Of the replica's book, which stands where this one does: a snapshot does not carry all of it."""
        key = self.book.key
        try:
            return self._view.engine.status(key.instrument_id, key.publisher_id)
        except UnknownBookError:
            return None

    def _stale_untold(self) -> bool:
        return self._flags[-1] != self._view.stale

    def _say_stale(self) -> None:
        """Inside an event the queues cannot be told, but the state of the feed can."""
        self.tell_waiting()
        if self._said_stale == self._view.stale:
            return
        self._said_stale = self._view.stale
        self.announce("status", self.status())

    def _state(self, status: BookStatus | None) -> Flagged:
        stale = self._view.stale
        if status is None:
            return ("empty", None, False, False, stale)
        return (status.top, status.phase, status.complete, status.suspect, stale)

    def _begin_anew(self, reason: str, flags: Flagged, status: BookStatus | None) -> None:
        counters = self.numbering.counters
        if self.book.void == "conflated" and self._reason is None:
            counters.order_overruns += 1
        else:
            counters.resyncs += 1
        self.broadcast(self.resync(reason))
        self._flags, self._reason, self._said_stale = flags, None, flags[-1]
        self.told_ns = self.changed_ns
        _, seq = self.next_place()
        self._snapshot = self._whole(seq, status)
        self.publish(self._snapshot)

    def _send_changes(self, flags: Flagged, status: BookStatus | None) -> None:
        prev_seq, seq = self.next_place()
        top, phase, complete, suspect, stale = self._flags = flags
        self._said_stale = stale
        self.told_ns = self.changed_ns
        message = OrdersUpdate(
            stream=self.name,
            prev_seq=prev_seq,
            seq=seq,
            ts_event=str(status.version[0] if status is not None else 0),
            ts_applied=str(self.told_ns),
            ts_send=str(self.numbering.clock()),
            top=top,
            phase=phase,
            complete=complete,
            suspect=suspect,
            stale=stale,
            orders=self.book.changes,
            checksum=self.book.checksum(),
        )
        self.book.took()
        self._snapshot = None
        self.publish(self.message("order", encode(message), seq))

    def _whole(self, seq: int, status: BookStatus | None) -> Encoded:
        """All queues. It may take long: the next one has to wait in proportion."""
        numbering = self.numbering
        began = numbering.clock()
        top, phase, complete, suspect, stale = self._flags
        message = OrdersSnapshot(
            stream=self.name,
            epoch=numbering.epoch,
            seq=seq,
            ts_event=str(status.version[0] if status is not None else 0),
            ts_applied=str(self.told_ns),
            ts_send=str(began),
            top=top,
            phase=phase,
            complete=complete,
            suspect=suspect,
            stale=stale,
            bids=self.book.queues("B"),
            asks=self.book.queues("A"),
            checksum=self.book.checksum(),
        )
        encoded = self.message("snapshot", encode(message), seq)
        self.book.took()
        numbering.counters.snapshots += 1
        ended = numbering.clock()
        self._not_before_ns = ended + _SNAPSHOT_SHARE * (ended - began)
        return encoded
