"""A book followed order by order: what each record does to the queues, told for others to repeat."""

from typing import Final, Literal

from depthcast.api.hub.books import decimal
from depthcast.api.hub.messages import OrderChange, QueueTuple
from depthcast.api.hub.trade_stream import MBO_FIELDS
from depthcast.book.engine import Engine
from depthcast.book.types import BookKey, Depth
from depthcast.dbn.forms import IdSet, form
from depthcast.dbn.layout import LENGTH_WORD, UNDEF_PRICE, Flags, RType
from depthcast.errors import UnknownBookError, UnknownOrderError

__all__ = ["BOOK_RTYPES", "OrderBook"]

BOOK_RTYPES: Final = (RType.MBO, RType.STATUS)
_WHOLE: Final = int(Flags.SNAPSHOT | Flags.TOB | Flags.MBP)
"""Records so flagged change more than their own order."""

Place = tuple[str, int, int, int]
"""Side, price, size, orders ahead."""


class OrderBook:
    """One book in an engine of its own, which stands before each record where the readers stand.

    A record's effect is found by looking before and after it, so no rule of the book is told twice. What
    changes more than one order (a clear, a snapshot, a top-of-book record), or comes faster than can be told,
    is applied at once, and the book is `void`: its readers need the queues anew.

    Args:
        key: the book.
        budget: records that are told one by one between two calls of `took`.
    """

    __slots__ = ("_budget", "_engine", "_has_top", "_ids", "_spent", "changes", "key", "told", "void")

    def __init__(self, key: BookKey, budget: int) -> None:
        self.key = key
        self._ids = IdSet([key.instrument_id])
        self._budget = max(1, budget)
        self._spent = 0
        self._engine = Engine()
        self._has_top = False
        self.changes: list[OrderChange] = []
        """What was told since the last call of `took`."""
        self.told = 0
        """Records told one by one."""
        self.void: Literal["recovered", "conflated"] | None = None

    def seed(self, records: bytes) -> None:
        """Begin from a snapshot: the records of `Engine.snapshot`."""
        self._engine = Engine()
        self._engine.apply(records)
        self.took()

    def begin(self, engine: Engine) -> None:
        """Begin from an engine that nobody else uses."""
        self._engine = engine
        self.took()

    def took(self) -> None:
        """The changes were sent, or the queues were: both begin anew."""
        self.changes = []
        self._spent = 0
        self.void = None
        best = self._depth(1)
        self._has_top = any(level.count == 0 for side in (best.bids, best.asks) for level in side)

    def follow(self, records: bytes | memoryview) -> None:
        """Apply what has come, of whatever books; whole records."""
        mine = form(records, instrument_ids=self._ids, rtypes=BOOK_RTYPES)
        offset = 0
        while offset < len(mine):
            if self.void is not None:
                self._engine.apply(memoryview(mine)[offset:])
                return
            size = mine[offset] * LENGTH_WORD
            self._one(mine[offset : offset + size])
            offset += size

    def _one(self, record: bytes) -> None:
        if record[1] != RType.MBO:
            self._engine.apply(record)
            return
        _, _, publisher, _, ts_event, order_id, price, size, flags, _, action, *_ = MBO_FIELDS.unpack_from(
            record
        )
        if publisher != self.key.publisher_id:
            return
        self._spent += 1
        if action == b"R" or flags & _WHOLE or self._has_top:
            self._make_void("recovered")
        elif self._spent > self._budget:
            self._make_void("conflated")
        if self.void is not None or action in b"TN":
            self._engine.apply(record)
            return
        self.told += 1
        before = self._place(order_id)
        self._engine.apply(record)
        if action == b"F":
            if before is not None and price != UNDEF_PRICE:
                self._tell("fill", order_id, (before[0], price, size, before[3]), ts_event)
            return
        after = self._place(order_id)
        if before == after:
            return
        if after is not None:
            self._tell("add" if before is None else "modify", order_id, after, ts_event)
        elif before is not None:
            self._tell("cancel", order_id, (before[0], before[1], 0, before[3]), ts_event)

    def _make_void(self, why: Literal["recovered", "conflated"]) -> None:
        self.void = why
        self.changes = []

    def _place(self, order_id: int) -> Place | None:
        try:
            at = self._engine.queue_position(order_id, self.key.instrument_id, self.key.publisher_id)
        except (UnknownOrderError, UnknownBookError):
            return None
        return (at.side, at.price, at.size, at.orders_ahead)

    def _tell(
        self,
        action: Literal["add", "modify", "cancel", "fill"],
        order_id: int,
        place: Place,
        ts_event: int,
    ) -> None:
        side, price, size, ahead = place
        change = OrderChange(
            action=action,
            order_id=str(order_id),
            side=side,
            price=decimal(price),
            size=size,
            position=ahead,
            ts_event=str(ts_event),
        )
        self.changes.append(change)

    # -- what the book is now

    def checksum(self) -> int:
        """Over the queues; of no book, that of an empty one."""
        try:
            return self._engine.checksum(self.key.instrument_id, 0, self.key.publisher_id)
        except UnknownBookError:
            return 0

    def queues(self, side: Literal["B", "A"]) -> list[QueueTuple]:
        """The levels of a side, best first, each with its orders in priority order."""
        shown = self._depth(0)
        instrument_id, publisher_id = self.key.instrument_id, self.key.publisher_id
        return [
            (
                decimal(price),
                size,
                [
                    (str(order.order_id), order.size)
                    for order in self._engine.orders(instrument_id, side, price, publisher_id)
                ],
            )
            for price, size, _ in (shown.bids if side == "B" else shown.asks)
        ]

    def _depth(self, levels: int) -> Depth:
        try:
            return self._engine.depth(self.key.instrument_id, levels, self.key.publisher_id)
        except UnknownBookError:
            return Depth([], [])
