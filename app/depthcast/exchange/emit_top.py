"""A venue that publishes only its best prices: a record a side, and trades."""

from typing import Final

from depthcast.dbn.layout import UNDEF_ORDER_SIZE, UNDEF_PRICE, Flags
from depthcast.exchange.emit import BAD_TS_RECV, LAST, SNAPSHOT, Sequence
from depthcast.exchange.matching import ASK, BID, Auction, Fill, MatchingEngine, Order
from depthcast.exchange.tape import Tape, mbo_header, word

__all__ = ["Quote", "TopEmitter", "best_quote"]

TOB: Final = int(Flags.TOB)
SIZE_MAX: Final = UNDEF_ORDER_SIZE - 1

Quote = tuple[int, int]
"""Price and size of a side's best level."""


def best_quote(engine: MatchingEngine, side: int) -> Quote | None:
    """The best price of a side and all that is shown there, None if it is empty."""
    ranks = engine.ranks[side]
    if not ranks:
        return None
    size = sum(order.size for order in engine.levels[side][ranks[-1]].values())
    return (-ranks[-1] if side else ranks[-1]), min(size, SIZE_MAX)


class TopEmitter:
    """``A`` with ``F_TOB`` for a side whose best level changed, ``UNDEF_PRICE`` where it became empty.

    There are quotes from continuous trading on, none before it and in auctions.
    """

    fills_per_event = 0
    replaces_with_new_id = False

    def __init__(
        self,
        tape: Tape,
        sequence: Sequence,
        publisher_id: int,
        instrument_id: int,
        channel_id: int,
        engine: MatchingEngine,
    ) -> None:
        self.tape = tape
        self.sequence = sequence
        self.header = mbo_header(publisher_id, instrument_id)
        self.channel_id = channel_id
        self.engine = engine
        self.on = False
        self.published: list[Quote | None] = [None, None]
        """What was last said of each side."""
        self.stamps = [(0, 0), (0, 0)]
        """When: ts_event and sequence."""
        self.quote_words = tuple(word("A", side, TOB, channel_id) for side in "BA")
        self.trade_words = tuple(word("T", side, 0, channel_id) for side in "BAN")

    def added(self, _order: Order) -> None:
        """The quote, if it changed."""
        self._moved()

    def cancelled(self, _order: Order) -> None:
        """The quote, if it changed."""
        self._moved()

    def reduced(self, _order: Order, _by: int) -> None:
        """The quote, if it changed."""
        self._moved()

    def traded(self, side: int, _taker_id: int, fills: list[Fill], _rested: Order | None) -> None:
        """A ``T`` a fill, then the quote."""
        sequence = self.sequence.take()
        for fill in fills:
            self.tape.put(self.header, 0, fill.price, fill.size, self.trade_words[side], sequence)
        self._quote(sequence)
        self.tape.close_event()

    def replaced(self, _old: Order, new: Order, fills: list[Fill]) -> None:
        """As a trade if it traded, else the quote."""
        if fills:
            self.traded(new.side, new.order_id, fills, None)
        else:
            self._moved()

    def crossed(self, auction: Auction) -> None:
        """One ``T`` of side N, then the quote if one was given."""
        sequence = self.sequence.take()
        self.tape.put(self.header, 0, auction.price, auction.volume, self.trade_words[2], sequence)
        self._quote(sequence)
        self.tape.close_event()

    def quoting(self, *, on: bool) -> None:
        """Publish both sides from now on, or withdraw them."""
        self.on = on
        self._moved()

    def cleared(self) -> None:
        """``R``, an event of its own."""
        self.published = [None, None]
        words = word("R", "N", BAD_TS_RECV | LAST, self.channel_id)
        self.tape.put(self.header, 0, UNDEF_PRICE, 0, words, self.sequence.take())

    def snapshot(self, _levels: list[list[Order]], *, clear: bool) -> None:
        """``R`` if asked for or if there is no quote, then an ``A`` a side."""
        tape = self.tape
        if clear or self.published == [None, None]:
            words = word("R", "N", SNAPSHOT, self.channel_id)
            tape.put_snapshot(self.header, tape.ts_event, 0, UNDEF_PRICE, 0, words, self.sequence.last)
        for side, quote in enumerate(self.published):
            if quote is not None:
                words = self.quote_words[side] | SNAPSHOT
                ts_event, sequence = self.stamps[side]
                tape.put_snapshot(self.header, ts_event, 0, *quote, words, sequence)
        tape.close_event()

    def _moved(self) -> None:
        """An event of quotes alone, none if nothing changed."""
        if self._quote(0):
            self.tape.close_event()

    def _quote(self, sequence: int) -> bool:
        """Write each side that changed; ``sequence`` is that of the event's message, 0 if it has none yet."""
        tape = self.tape
        changed = False
        for side in (BID, ASK):
            quote = best_quote(self.engine, side) if self.on else None
            if quote == self.published[side]:
                continue
            if not sequence:
                sequence = self.sequence.take()
            self.published[side] = quote
            self.stamps[side] = (tape.ts_event, sequence)
            price, size = quote or (UNDEF_PRICE, 0)
            tape.put(self.header, 0, price, size, self.quote_words[side], sequence)
            changed = True
        return changed
