"""Market-by-order normalisation: what each style of venue writes for what its matching engine did.

Sources: Databento's pages "MBO", "Common fields, enums and types", "MBO snapshots"; the habits of real
GLBX.MDP3 and XNAS.ITCH data. docs/exchange.md shows an example of each.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from depthcast.dbn.layout import UNDEF_PRICE, Flags
from depthcast.exchange.matching import ASK, BID, Auction, Fill, Order, Outcome
from depthcast.exchange.tape import Tape, mbo_header, word

__all__ = ["CmeEmitter", "Emitter", "NasdaqEmitter", "Sequence"]

LAST: Final = int(Flags.LAST)
SNAPSHOT: Final = int(Flags.SNAPSHOT | Flags.BAD_TS_RECV)
BAD_TS_RECV: Final = int(Flags.BAD_TS_RECV)
NEXT_PACKET_NS: Final = 11_000
"""How much later the book updates of a trade arrive than the trade, where they are a message of their own."""


class Sequence:
    """The message numbers of a venue, 1 to 2**32-1: the records of one message share one."""

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def take(self) -> int:
        """The number of a new message."""
        self.last = self.last % 0xFFFF_FFFF + 1
        return self.last


class Emitter(Protocol):
    """Writes the events of one book. Each method is called after the matching engine did what it tells."""

    fills_per_event: int
    """How many fills of one incoming order an event holds; 0 for all."""
    replaces_with_new_id: bool
    """Whether a replaced order, and an iceberg's new slice, have a new order id."""

    def added(self, order: Order, /) -> None:
        """An order came to rest without trading."""

    def cancelled(self, order: Order) -> None:
        """An order left the book."""

    def reduced(self, order: Order, by: int, /) -> None:
        """An order shows ``by`` less and kept its place."""

    def traded(self, side: int, taker_id: int, fills: list[Fill], rested: Order | None, /) -> None:
        """An incoming order of ``side`` traded; ``rested`` is what came to rest of it."""

    def replaced(self, old: Order, new: Order, fills: list[Fill], /) -> None:
        """``old`` (as it was) became ``new``, and may have traded; size 0 if nothing is left."""

    def crossed(self, auction: Auction) -> None:
        """An auction took place."""

    def quoting(self, *, on: bool) -> None:
        """From here on the venue publishes quotes, or does not."""

    def cleared(self) -> None:
        """The book was emptied: a session begins."""

    def snapshot(self, levels: list[list[Order]], /, *, clear: bool) -> None:
        """The whole book, the queues of its levels in this order; ``R`` first if ``clear``."""


class OrderEmitter:
    """What all venues that publish orders have in common."""

    def __init__(
        self, tape: Tape, sequence: Sequence, publisher_id: int, instrument_id: int, channel_id: int
    ) -> None:
        self.tape = tape
        self.sequence = sequence
        self.header = mbo_header(publisher_id, instrument_id)
        self.channel_id = channel_id
        self.add, self.modify, self.cancel, self.trade, self.fill = (
            self._words(action) for action in "AMCTF"
        )
        self.add_last, self.cancel_last = (self._words(action, LAST) for action in "AC")

    def _words(self, action: str, flags: int = 0) -> tuple[int, int, int]:
        """Flags to side of an action's records, by side: BID, ASK, none."""
        bid, ask, none = (word(action, side, flags, self.channel_id) for side in "BAN")
        return bid, ask, none

    def added(self, order: Order) -> None:
        """``A``."""
        self._add(order, self.add_last, self.sequence.take())

    def _add(self, order: Order, words: tuple[int, int, int], sequence: int) -> None:
        tape = self.tape
        order.ts_event = tape.ts_event
        order.sequence = sequence
        tape.put(self.header, order.order_id, order.price, order.size, words[order.side], sequence)

    def cancelled(self, order: Order) -> None:
        """``C`` of all that the order showed."""
        self.tape.put(
            self.header,
            order.order_id,
            order.price,
            order.size,
            self.cancel_last[order.side],
            self.sequence.take(),
        )

    def quoting(self, *, on: bool) -> None:
        """Orders are published in every phase."""

    def _clear(self, flags: int, sequence: int) -> None:
        words = word("R", "N", flags, self.channel_id)
        self.tape.put(self.header, 0, UNDEF_PRICE, 0, words, sequence)

    def snapshot(self, levels: list[list[Order]], *, clear: bool) -> None:
        """``R`` if asked for or if the book is empty, then an ``A`` an order, of the order's own time."""
        tape = self.tape
        if clear or not levels:
            words = word("R", "N", SNAPSHOT, self.channel_id)
            tape.put_snapshot(self.header, tape.ts_event, 0, UNDEF_PRICE, 0, words, self.sequence.last)
        words_of = self._words("A", SNAPSHOT)
        for queue in levels:
            for order in queue:
                tape.put_snapshot(
                    self.header,
                    order.ts_event,
                    order.order_id,
                    order.price,
                    order.size,
                    words_of[order.side],
                    order.sequence,
                )
        tape.close_event()


class CmeEmitter(OrderEmitter):
    """An incoming order is one event: a message of trades and fills, then one of changes of the book."""

    fills_per_event = 0
    replaces_with_new_id = False

    def reduced(self, order: Order, _by: int) -> None:
        """``M`` with what the order shows now."""
        self._modify(order, self.sequence.take())
        self.tape.close_event()

    def traded(self, side: int, taker_id: int, fills: list[Fill], rested: Order | None) -> None:
        """``T`` and ``F``s of each price; then what it did to each order; bids before asks."""
        self._trades(side, taker_id, fills)
        sequence = self._next_message()
        if rested is not None and side == BID:
            self._add(rested, self.add, sequence)
        self._updates(fills, sequence)
        if rested is not None and side == ASK:
            self._add(rested, self.add, sequence)
        self.tape.close_event()

    def replaced(self, old: Order, new: Order, fills: list[Fill]) -> None:
        """``M``; if it traded, among the changes of a trade; ``C`` if nothing is left."""
        keeps_priority = old.price == new.price and 0 < new.size <= old.size and not fills
        if not fills:
            sequence = self.sequence.take()
        else:
            self._trades(new.side, new.order_id, fills)
            sequence = self._next_message()
        if new.side == ASK:
            self._updates(fills, sequence)
        if not new.size:
            self._put(self.cancel[old.side], old, old.price, old.size, sequence)
        else:
            if not keeps_priority:
                new.ts_event, new.sequence = self.tape.ts_event, sequence
            self._modify(new, sequence)
        if new.side == BID:
            self._updates(fills, sequence)
        self.tape.close_event()

    def crossed(self, auction: Auction) -> None:
        """One ``T``, an ``F`` a fill, all of side N; then the changes, bids before asks."""
        tape, sequence = self.tape, self.sequence.take()
        tape.put(self.header, 0, auction.price, auction.volume, self.trade[2], sequence)
        for fill in (*auction.bids, *auction.asks):
            tape.put(self.header, fill.order_id, fill.price, fill.size, self.fill[2], sequence)
        sequence = self._next_message()
        self._updates(auction.bids, sequence)
        self._updates(auction.asks, sequence)
        tape.close_event()

    def cleared(self) -> None:
        """``R`` that leaves its event open, as real sessions begin."""
        self._clear(BAD_TS_RECV, self.sequence.take())

    def _trades(self, side: int, taker_id: int, fills: list[Fill]) -> None:
        tape, sequence = self.tape, self.sequence.take()
        trade, filled = self.trade[side], self.fill[1 - side]
        at, count = 0, len(fills)
        while at < count:
            price = fills[at].price
            end, volume = at, 0
            while end < count and fills[end].price == price:
                volume += fills[end].size
                end += 1
            tape.put(self.header, taker_id, price, volume, trade, sequence)
            for fill in fills[at:end]:
                tape.put(self.header, fill.order_id, price, fill.size, filled, sequence)
            at = end

    def _next_message(self) -> int:
        """The changes of the book come a little later, under the next number."""
        self.tape.ts_recv += NEXT_PACKET_NS
        return self.sequence.take()

    def _updates(self, fills: Iterable[Fill], sequence: int) -> None:
        """One change an order: ``C`` of what it showed before the event, or ``M`` with what it shows now.

        Refilled icebergs come in the order of their last refill: that of the queue they stand in now.
        """
        touched: dict[int, Fill] = {}
        refilled: set[int] = set()
        for fill in fills:
            first = touched.get(fill.order_id)
            if fill.outcome == Outcome.REFILLED:
                touched.pop(fill.order_id, None)
                refilled.add(fill.order_id)
            elif first is not None:
                continue
            touched[fill.order_id] = first or fill
        for order_id, fill in touched.items():
            order = fill.order
            if not order.size:
                self._put(self.cancel[order.side], order, order.price, fill.before, sequence)
                continue
            if order_id in refilled:
                order.ts_event, order.sequence = self.tape.ts_event, sequence
            self._modify(order, sequence)

    def _modify(self, order: Order, sequence: int) -> None:
        self._put(self.modify[order.side], order, order.price, order.size, sequence)

    def _put(self, words: int, order: Order, price: int, size: int, sequence: int) -> None:
        self.tape.put(self.header, order.order_id, price, size, words, sequence)


class NasdaqEmitter(OrderEmitter):
    """Every execution is an event of its own; sizes shrink by ``C``; nothing is ever modified."""

    fills_per_event = 1
    replaces_with_new_id = True

    def reduced(self, order: Order, by: int) -> None:
        """``C`` by the difference."""
        words = self.cancel_last[order.side]
        self.tape.put(self.header, order.order_id, order.price, by, words, self.sequence.take())

    def traded(self, side: int, _taker_id: int, fills: list[Fill], _rested: Order | None) -> None:
        """``T``, ``F``, ``C``; an ``A`` for a new slice of an iceberg. What rests is the next event."""
        sequence = self.sequence.take()
        for fill in fills:
            self.tape.put(self.header, 0, fill.price, fill.size, self.trade[side], sequence)
            self._execution(fill, self.fill[1 - side], sequence)
        self.tape.close_event()

    def replaced(self, old: Order, new: Order, _fills: list[Fill]) -> None:
        """``C`` of the old order and ``A`` of the new one, in one event."""
        sequence = self.sequence.take()
        self.tape.put(self.header, old.order_id, old.price, old.size, self.cancel[old.side], sequence)
        self._add(new, self.add_last, sequence)

    def crossed(self, auction: Auction) -> None:
        """One ``T`` of side N, then ``F``, ``C`` an execution, the bids' first."""
        sequence = self.sequence.take()
        self.tape.put(self.header, 0, auction.price, auction.volume, self.trade[2], sequence)
        for fill in (*auction.bids, *auction.asks):
            self._execution(fill, self.fill[2], sequence)
        self.tape.close_event()

    def cleared(self) -> None:
        """``R``, an event of its own."""
        self._clear(BAD_TS_RECV | LAST, self.sequence.take())

    def _execution(self, fill: Fill, words: int, sequence: int) -> None:
        tape, order = self.tape, fill.order
        tape.put(self.header, fill.order_id, fill.price, fill.size, words, sequence)
        tape.put(self.header, fill.order_id, order.price, fill.size, self.cancel[order.side], sequence)
        if fill.outcome == Outcome.REFILLED:
            order.ts_event, order.sequence = tape.ts_event, sequence
            tape.put(
                self.header, fill.refill_id, order.price, fill.refill_size, self.add[order.side], sequence
            )
