"""Derived schemas in plain Python: docs/decisions/0002-derived-schemas.md in executable form.

A comment names the section (§) of that page which each piece states. The compiled deriver
(`depthcast.book.derive`) is held to this one, byte for byte.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from depthcast.book.derive_schemas import derived_schema
from depthcast.book.reference import ReferenceEngine
from depthcast.book.reference_derive_forms import (
    DEPTH,
    EMPTY,
    UINT64_MAX,
    Bar,
    Gather,
    Pair,
    Quote,
    blank,
    first_change,
    pairs,
)
from depthcast.book.reference_records import MboRecord, cut_fault, framing_fault, mbo_at
from depthcast.book.types import BookKey
from depthcast.dbn.layout import LENGTH_WORD, UNDEF_PRICE, UNDEF_TIMESTAMP, Flags, RType
from depthcast.errors import RecordError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["ReferenceDeriver"]

DEPTH_MAX: Final = 255
COUNTERS: Final = {b"A": "adds", b"C": "cancels", b"M": "modifies", b"T": "trades", b"R": "clears"}
RESTING_SIDE: Final = {b"A": b"B", b"B": b"A"}
"""The side of the book that a trade touches, by its aggressor's."""


@dataclass(slots=True)
class View:
    """What was last shown of one book."""

    shown: list[Pair] = field(default_factory=list)
    stale: bool = True
    """A snapshot (or a beginning) has moved the book since: look at it again before the next record."""
    change: MboRecord | None = None
    """The last A, C or M of the open event that the rules took."""
    trade: MboRecord | None = None
    """The last trade."""


class ReferenceDeriver:
    """Derives schemas from MBO records.

    Args:
        schemas: names of `depthcast.book.derive_schemas.SCHEMAS`.
        engine: the books to apply the records to; its own when not given.
        publisher_id, instrument_id: derive only of these books. All records are applied all the same.
    """

    def __init__(
        self,
        schemas: Iterable[str],
        *,
        engine: ReferenceEngine | None = None,
        publisher_id: int | None = None,
        instrument_id: int | None = None,
    ) -> None:
        self.engine = engine if engine is not None else ReferenceEngine()
        self._schemas = {name: derived_schema(name) for name in schemas}
        self._publisher_id, self._instrument_id = publisher_id, instrument_id
        self._out = {name: bytearray() for name in self._schemas}
        self._views: dict[BookKey, View] = {}
        self._gathers = [Gather(schema) for schema in self._schemas.values() if schema.interval_ns]
        self._clock = 0

    def apply(self, buffer: "ReadableBuffer") -> dict[str, bytes]:
        """Apply whole records; the records derived from them, by schema.

        Raises:
            RecordError: the framing is broken. What was derived before comes with the next call.
        """
        data = memoryview(buffer).tobytes()
        offset = applied = 0
        while offset < len(data):
            fault = framing_fault(data, offset) or cut_fault(data, offset)
            if fault is not None:
                raise RecordError(fault, offset=offset, applied=applied)
            size = data[offset] * LENGTH_WORD
            raw = data[offset : offset + size]
            if raw[1] == RType.MBO:
                applied += self._take(raw, mbo_at(raw, 0))
            else:
                applied += self.engine.apply(raw)
            offset += size
        return self._taken()

    def advance(self, ts_recv: int) -> dict[str, bytes]:
        """Say that this time has come though no record did: intervals that have ended are closed."""
        self._pass_to(ts_recv)
        return self._taken()

    def flush(self) -> dict[str, bytes]:
        """Close the open intervals: the data has ended."""
        for gather in self._gathers:
            self._close(gather)
        return self._taken()

    def _taken(self) -> dict[str, bytes]:
        taken = {name: bytes(out) for name, out in self._out.items()}
        for out in self._out.values():
            out.clear()
        return taken

    # -- One record

    def _take(self, raw: bytes, record: MboRecord) -> int:
        key = BookKey(record.publisher_id, record.instrument_id)
        if not self._wanted(key):
            if not record.flags & Flags.SNAPSHOT:
                self._pass_to(record.ts_recv)
            return self.engine.apply(raw)
        view = self._views.setdefault(key, View())
        if record.flags & Flags.SNAPSHOT:  # § Snapshots
            applied = self.engine.apply(raw)
            view.stale = True
            return applied
        self._pass_to(record.ts_recv)
        if view.stale:
            view.stale, view.change = False, None
            view.shown = self._levels(key)
        counters = self.engine.counters
        applied = self.engine.apply(raw)
        counter = COUNTERS.get(record.action)
        was_taken = counter is not None and self.engine.counters[counter] > counters[counter]
        if was_taken and record.action == b"T":
            self._trade(key, view, record)
        elif was_taken and record.action == b"R":
            self._clear(key, view, record)
        elif was_taken:
            view.change = record
        if record.flags & Flags.LAST:
            self._end_event(key, view, record)
        return applied

    def _trade(self, key: BookKey, view: View, trade: MboRecord) -> None:
        """§ Trades: shown at once, with the book as it stands before their own effect."""
        trade = with_known_side(trade)
        depth = self._depth(key, RESTING_SIDE.get(trade.side), trade.price)
        view.trade = trade
        view.shown = self._levels(key)
        self._put("trades", trade, trade, trade.side, depth, trade.flags, [])
        self._put("tbbo", trade, trade, trade.side, depth, self._flags(key, trade), view.shown[:1])
        self._show(key, trade, trade, trade.side, depth, view.shown, changed_top=True)
        for gather in self._gathers:
            if not gather.is_bbo:
                gather.enter(self._clock)
                gather.bars.setdefault(key, Bar()).add(trade)

    def _clear(self, key: BookKey, view: View, clear: MboRecord) -> None:
        """§ Clears: shown at once. Nothing is left of what the event did before."""
        clear = with_known_side(clear)
        view.change = None
        view.shown = self._levels(key)
        self._show(key, clear, clear, clear.side, 0, view.shown, changed_top=True)

    def _end_event(self, key: BookKey, view: View, closing: MboRecord) -> None:
        """§ Events: one record if the levels are no longer those last shown."""
        change, view.change = view.change, None
        before, view.shown = view.shown, self._levels(key)
        if change is None or view.shown == before:
            return
        first_bid = first_change(before, view.shown, [0, 2, 4])
        first_ask = first_change(before, view.shown, [1, 3, 5])
        side = b"B" if first_bid < first_ask else b"A" if first_ask < first_bid else b"N"
        depth = self._depth(key, side, change.price)
        changed_top = min(first_bid, first_ask) == 0
        self._show(key, closing, change, side, depth, view.shown, changed_top=changed_top)

    def _show(
        self,
        key: BookKey,
        stamp: MboRecord,
        what: MboRecord,
        side: bytes,
        depth: int,
        levels: list[Pair],
        *,
        changed_top: bool,
    ) -> None:
        """Into mbp-10, and mbp-1 and bbo where it concerns their level."""
        flags = self._flags(key, stamp)
        self._put("mbp-10", stamp, what, side, depth, flags, levels)
        if not changed_top:
            return
        self._put("mbp-1", stamp, what, side, depth, flags, levels[:1])
        for gather in self._gathers:
            if gather.is_bbo:
                gather.enter(self._clock)
                gather.quotes[key] = Quote(flags, stamp.sequence, levels[0])

    # -- Intervals

    def _pass_to(self, ts_recv: int) -> None:
        """§ Intervals: time goes on by the records of all books, and never back."""
        if ts_recv == UNDEF_TIMESTAMP:
            return
        self._clock = max(self._clock, ts_recv)
        for gather in self._gathers:
            if self._clock >= gather.limit:
                self._close(gather)

    def _close(self, gather: Gather) -> None:
        for key, quote in gather.quotes.items():
            self._put_bbo(gather, key, quote)
        for key, bar in gather.bars.items():
            self._put_bar(gather, key, bar)
        gather.quotes, gather.bars = {}, {}
        gather.limit = UINT64_MAX

    def _put_bbo(self, gather: Gather, key: BookKey, quote: Quote) -> None:
        record = blank(gather.schema, key)
        trade = self._views[key].trade
        record["ts_event"] = UNDEF_TIMESTAMP if trade is None else trade.ts_event
        record["price"] = UNDEF_PRICE if trade is None else trade.price
        record["size"] = 0 if trade is None else trade.size
        record["side"] = b"N" if trade is None else trade.side
        record["flags"] = quote.flags
        record["ts_recv"] = gather.stamp
        record["sequence"] = quote.sequence
        record["levels"][0] = quote.level
        self._out[gather.schema.name] += record.tobytes()

    def _put_bar(self, gather: Gather, key: BookKey, bar: Bar) -> None:
        record = blank(gather.schema, key)
        record["ts_event"] = gather.stamp
        for name in ("open", "high", "low", "close", "volume"):
            record[name] = getattr(bar, name)
        self._out[gather.schema.name] += record.tobytes()

    # -- Records out

    def _put(
        self,
        name: str,
        stamp: MboRecord,
        what: MboRecord,
        side: bytes,
        depth: int,
        flags: int,
        levels: list[Pair],
    ) -> None:
        """Append one trade or mbp record: when it was from ``stamp``, what happened from ``what``."""
        if name not in self._schemas:
            return
        record = blank(self._schemas[name], BookKey(stamp.publisher_id, stamp.instrument_id))
        for field_name in ("ts_event", "ts_recv", "ts_in_delta", "sequence"):
            record[field_name] = getattr(stamp, field_name)
        for field_name in ("action", "price", "size"):
            record[field_name] = getattr(what, field_name)
        record["side"], record["depth"], record["flags"] = side, depth, flags
        for number, level in enumerate(levels):
            record["levels"][number] = level
        self._out[name] += record.tobytes()

    def _flags(self, key: BookKey, record: MboRecord) -> int:
        """§ Flags: a book that is not known to be right says so on every record that shows it."""
        status = self.engine.status(key.instrument_id, key.publisher_id)
        bad = status.suspect or not status.complete
        return record.flags | Flags.MAYBE_BAD_BOOK if bad else record.flags

    # -- The book

    def _wanted(self, key: BookKey) -> bool:
        return self._publisher_id in {None, key.publisher_id} and self._instrument_id in {
            None,
            key.instrument_id,
        }

    def _levels(self, key: BookKey) -> list[Pair]:
        """The first ten levels, as they are written (§ Levels)."""
        if key not in self.engine.books():
            return [EMPTY] * DEPTH
        return pairs(self.engine.depth(key.instrument_id, DEPTH, key.publisher_id))

    def _depth(self, key: BookKey, side: bytes | None, price: int) -> int:
        """§ Depth: levels strictly better than the price on that side."""
        if price == UNDEF_PRICE:
            return 0
        book = self.engine.depth(key.instrument_id, 0, key.publisher_id)
        if side == b"B":
            return min(sum(level.price > price for level in book.bids), DEPTH_MAX)
        if side == b"A":
            return min(sum(level.price < price for level in book.asks), DEPTH_MAX)
        return 0


def with_known_side(record: MboRecord) -> MboRecord:
    """§ Fields: a side is A, B or N, whatever byte the record has."""
    return record if record.side in RESTING_SIDE else record._replace(side=b"N")
