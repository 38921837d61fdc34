"""One book, by the rules: what each record does to it, in the plainest Python.

This is the executable form of docs/book.md; a comment names the section (§) that each piece states, and the
page of Databento's documentation that the section rests on. Nothing here is meant to be fast.
"""

from typing import Final

from depthcast.book.reference_records import LAST, MAYBE_BAD, MBP, SNAPSHOT, TOB, MboRecord
from depthcast.book.reference_side import BookSide, RestingOrder
from depthcast.book.types import BookKey, Level
from depthcast.dbn.layout import UNDEF_PRICE, UNDEF_TIMESTAMP

FILLS_MAX: Final = 2**32 - 1
"""Where the sum of an order's fills within an event saturates (§ Refills)."""

ACTION_COUNTERS: Final = {
    b"A": "adds",
    b"C": "cancels",
    b"M": "modifies",
    b"R": "clears",
    b"T": "trades",
    b"F": "fills",
    b"N": "nones",
}


class ReferenceBook:
    """The book of one instrument at one publisher, and the state of its data."""

    def __init__(
        self, key: BookKey, counters: dict[str, int], max_event_records: int, max_event_ns: int
    ) -> None:
        self.key = key
        self.counters = counters
        self.max_event_records = max_event_records
        self.max_event_ns = max_event_ns
        self.orders: dict[int, RestingOrder] = {}
        self.sides = {b"B": BookSide(b"B"), b"A": BookSide(b"A")}
        self.ranks = 0
        # § State of a book
        self.complete = False
        self.suspect = False
        self.version = (0, 0)
        self.last_ts_event = self.last_ts_recv = self.last_sequence = 0
        self.records = self.events = 0
        # § Events: what is remembered until F_LAST.
        self.in_event = False
        self.fills: dict[int, int] = {}
        self.event_records = 0
        self.event_start: int | None = None
        self.event_is_long = False
        self.event_snapshot_version: tuple[int, int] | None = None
        # § Snapshots that come in: whether the present run of snapshot records has had its clear, and
        # the ts_recv of the F_LAST that closed it, if one did: only records of that time still belong to it.
        self.cleared = False
        self.run_closed_at: int | None = None

    def apply(self, record: MboRecord) -> None:
        """Apply one record: § Order of judgement, step by step."""
        self._enter_event(record)
        fault = self._fault(record)
        is_clear = False
        if fault is not None:
            self.counters[fault] += 1
        elif record.flags & MBP:
            # § Top of book and aggregated levels: a level is not an order, so the orders are no longer known.
            self.counters["mbp_records"] += 1
            self.suspect = True
        else:
            self._imply_clear(record)
            self._act(record)
            is_clear = record.action == b"R"
        if not is_clear:
            self._go_on_with_run(record)
        if record.flags & LAST:
            self._close_event(record)

    # -- § Events (Databento: "Common fields, enums and types", flags; "State management of resting orders")

    def _enter_event(self, record: MboRecord) -> None:
        self.counters["records"] += 1
        self.records += 1
        self.last_ts_event, self.last_ts_recv = record.ts_event, record.ts_recv
        self.last_sequence = record.sequence
        self.in_event = True
        if record.flags & MAYBE_BAD:
            self.counters["maybe_bad_book"] += 1
            self.suspect = True
        if record.flags & SNAPSHOT:
            self.counters["snapshot_records"] += 1
            newest = self.event_snapshot_version
            if newest is None or record.ts_event > newest[0]:
                self.event_snapshot_version = (record.ts_event, record.sequence)
        else:
            self._measure_event(record)

    def _measure_event(self, record: MboRecord) -> None:
        self.event_records += 1
        if self.event_start is None:
            self.event_start = record.ts_recv
        too_many = self.event_records > self.max_event_records
        too_late = record.ts_recv != UNDEF_TIMESTAMP and record.ts_recv - self.event_start > self.max_event_ns
        if too_many or too_late:
            self.suspect = True
            self.counters["long_events"] += not self.event_is_long
            self.event_is_long = True

    def _restart_measure(self) -> None:
        self.event_records = 0
        self.event_start = None

    def _close_event(self, record: MboRecord) -> None:
        self.counters["events"] += 1
        self.events += 1
        self.version = (record.ts_event, record.sequence)
        if record.flags & SNAPSHOT and self.event_snapshot_version is not None:
            self.version = self.event_snapshot_version
        self.in_event = False
        self.event_snapshot_version = None
        self.fills.clear()  # § Refills: fills are remembered within their event only.
        self._restart_measure()
        self.event_is_long = False

    # -- § Validation (Databento: "Market by order (MBO)", fields)

    def _fault(self, record: MboRecord) -> str | None:
        """The counter of what is wrong with a record in itself, or None."""
        if record.action not in ACTION_COUNTERS:
            return "unknown_actions"
        if record.action not in {b"A", b"M"}:
            return None
        if record.side not in self.sides:
            return "bad_side"
        if record.flags & TOB:
            return None
        if record.price == UNDEF_PRICE:
            return "bad_price"
        if record.action == b"A" and record.size == 0:
            return "zero_size_adds"
        return None

    # -- § Snapshots that come in (Databento: "MBO snapshots")

    def _go_on_with_run(self, record: MboRecord) -> None:
        """What a record that is no R makes of the run: a live one ends it, an F_LAST closes it."""
        if not record.flags & SNAPSHOT:
            self.cleared = False
            self.run_closed_at = None
        elif record.flags & LAST:
            self.run_closed_at = record.ts_recv

    def _imply_clear(self, record: MboRecord) -> None:
        """A run of snapshot records that starts without R implies one: no ghost orders stay behind."""
        if not record.flags & SNAPSHOT or record.action not in {b"A", b"C", b"M"}:
            return
        if self.run_closed_at is not None:
            self.cleared = self.cleared and self.run_closed_at == record.ts_recv
            self.run_closed_at = None
        if self.cleared:
            return
        self.counters["snapshots_without_clear"] += 1
        self._empty()
        self.complete = not record.flags & MAYBE_BAD
        self.cleared = True

    # -- § Actions (Databento: "State management of resting orders", "Limit order book construction")

    def _act(self, record: MboRecord) -> None:
        if record.action == b"M" and record.flags & TOB:
            self.counters["tob_modifies"] += 1  # § Top of book: a quote is replaced, never modified.
            return
        self.counters[ACTION_COUNTERS[record.action]] += 1
        match record.action:
            case b"A" if record.flags & TOB:
                self._add_top_of_book(record)
            case b"A":
                self._add(record)
            case b"C":
                self._cancel(record)
            case b"M":
                self._modify(record)
            case b"R":
                self._clear(record)
            case b"F":
                self._fill(record)
            case _:
                pass  # T and N never change a book.

    def _add(self, record: MboRecord) -> None:
        known = self.orders.get(record.order_id)
        if known is not None:
            self.counters["duplicate_adds"] += 1
            self._remove(known)
        self._append(record)

    def _cancel(self, record: MboRecord) -> None:
        order = self.orders.get(record.order_id)
        if order is None:
            self.counters["unknown_cancels"] += 1
            return
        if (record.price, record.side) != (order.price, order.side):
            self.counters["cancel_mismatches"] += 1
        if record.size > order.size:
            self.counters["over_cancels"] += 1
        self.fills.pop(order.order_id, None)
        if record.size >= order.size:
            self._remove(order)
        else:
            self.sides[order.side].resize(order, order.size - record.size)

    def _modify(self, record: MboRecord) -> None:
        order = self.orders.get(record.order_id)
        if record.size == 0:
            self.counters["zero_size_modifies"] += 1
            if order is not None:
                self._remove(order)
            return
        if order is None:
            # An order from before the data began.
            self.counters["unknown_modifies"] += 1
            self._append(record)
            return
        if record.side != order.side:
            self.counters["side_changes"] += 1
        # § Refills: a display quantity that was filled whole and comes back has lost its priority.
        refilled = self.fills.pop(order.order_id, 0) >= order.size
        if refilled:
            self.counters["refills"] += 1
        moved = (record.price, record.side) != (order.price, order.side)
        if refilled or moved or record.size > order.size:
            self._remove(order)
            self._append(record)
        else:
            self.sides[order.side].resize(order, record.size)

    def _clear(self, record: MboRecord) -> None:
        self._empty()
        bad = bool(record.flags & MAYBE_BAD)
        self.complete = not bad
        self.suspect = bad
        self.cleared = True
        self.run_closed_at = None
        self._restart_measure()

    def _fill(self, record: MboRecord) -> None:
        """§ Refills. A fill changes no book: its effect comes as the order's own C or M."""
        order = self.orders.get(record.order_id)
        if order is None:
            self.counters["unknown_fills"] += 1
            return
        filled = self.fills.get(order.order_id, 0) + record.size
        self.fills[order.order_id] = min(filled, FILLS_MAX)

    def _add_top_of_book(self, record: MboRecord) -> None:
        """§ Top of book: the record is the whole side (Databento: "Limit order book construction")."""
        self.counters["tob_adds"] += 1
        side = self.sides[record.side]
        for order in list(side.orders()):
            self._remove(order)
        quoted = record.price != UNDEF_PRICE and record.size > 0
        side.tob = Level(record.price, record.size, 0) if quoted else None

    # -- Orders in and out

    def _append(self, record: MboRecord) -> None:
        self.ranks += 1
        order = RestingOrder(
            record.order_id,
            record.side,
            record.price,
            record.size,
            record.ts_event,
            record.sequence,
            self.ranks,
        )
        self.orders[order.order_id] = order
        self.sides[order.side].append(order)

    def _remove(self, order: RestingOrder) -> None:
        self.sides[order.side].remove(order)
        self.fills.pop(order.order_id, None)
        del self.orders[order.order_id]

    def _empty(self) -> None:
        for order in list(self.orders.values()):
            self._remove(order)
        for side in self.sides.values():
            side.tob = None

    # -- § State of a book

    def top(self) -> str:
        """``"empty"`` where either side is, else ``"normal"``, ``"locked"`` or ``"crossed"``."""
        bid, ask = self.sides[b"B"].best_price(), self.sides[b"A"].best_price()
        if bid is None or ask is None:
            return "empty"
        if bid == ask:
            return "locked"
        return "crossed" if bid > ask else "normal"
