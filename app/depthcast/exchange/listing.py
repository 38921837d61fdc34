"""One instrument at one venue: its matching engine, its phase, and what is reported of it.

Each method is what a participant or the venue does; it happens in the matching engine and is written by the
emitter.
"""

from typing import Final

from depthcast.exchange.emit import CmeEmitter, Emitter, NasdaqEmitter, Sequence
from depthcast.exchange.emit_top import TopEmitter, best_quote
from depthcast.exchange.matching import ASK, BID, MatchingEngine, Order, OrderIds
from depthcast.exchange.params import AUCTION, InstrumentParams, Phase, Style, VenueParams
from depthcast.exchange.tape import Tape, status_header
from depthcast.exchange.truth import TrueBook, TrueLevel, TrueOrder

__all__ = ["Listing", "Venue"]

FIRST_ORDER_ID: Final = {Style.CME: 8_058_000_000_000, Style.NASDAQ: 1_000, Style.TOP: 0}
SCHEDULED: Final = 1
MARKET_EVENT: Final = 3
"""Reasons in a Status record."""


class Venue:
    """What the books of a venue share: its order ids and message numbers."""

    __slots__ = ("ids", "params", "sequence")

    def __init__(self, params: VenueParams) -> None:
        self.params = params
        self.ids = OrderIds(FIRST_ORDER_ID[params.style])
        self.sequence = Sequence()


class Listing:
    """A book.

    ``opened`` is whether its first session has begun; ``span`` the index of its phase in the session;
    ``price`` its last trade's; ``taker`` the incoming order that is still trading, where a venue reports
    executions one by one, and ``taker_rests`` what becomes of its rest; ``expiring`` the orders that end with
    the session, not yet taken out.
    """

    __slots__ = (
        "emitter",
        "engine",
        "expiring",
        "index",
        "instrument",
        "opened",
        "phase",
        "price",
        "span",
        "status",
        "taker",
        "taker_rests",
        "tape",
        "venue",
    )

    def __init__(self, index: int, venue: Venue, instrument: InstrumentParams, tape: Tape) -> None:
        style, ids = venue.params.style, venue.ids
        self.index = index
        self.venue = venue
        self.instrument = instrument
        self.tape = tape
        self.engine = MatchingEngine(ids if style == Style.NASDAQ else None)
        self.status = status_header(venue.params.publisher_id, instrument.instrument_id)
        self.emitter = self._make_emitter(style)
        self.phase = Phase.CLOSE
        self.span = -1
        self.opened = False
        self.price = instrument.reference_price
        self.taker: Order | None = None
        self.taker_rests = False
        self.expiring: list[int] = []

    def _make_emitter(self, style: Style) -> Emitter:
        venue = self.venue.params
        names = (
            self.tape,
            self.venue.sequence,
            venue.publisher_id,
            self.instrument.instrument_id,
            venue.channel_id,
        )
        match style:
            case Style.CME:
                return CmeEmitter(*names)
            case Style.NASDAQ:
                return NasdaqEmitter(*names)
            case Style.TOP:
                return TopEmitter(*names, self.engine)

    # -- Participants

    def enter(self, side: int, price: int, size: int, hidden: int = 0) -> None:
        """A limit order that does not trade at once."""
        order = Order(self.venue.ids.take(), side, price, size, hidden)
        self.engine.rest(order)
        self.emitter.added(order)

    def take(self, side: int, limit: int, size: int, *, rests: bool) -> None:
        """An order that trades up to ``limit``; what remains rests there or is cancelled."""
        order = Order(self.venue.ids.take(), side, limit, size)
        if self.emitter.fills_per_event:
            self.taker, self.taker_rests = order, rests
            self.resume()
            return
        fills = self.engine.submit(order, limit, rests=rests)
        if fills:
            self.price = fills[-1].price
            self.emitter.traded(side, order.order_id, fills, order if rests and order.size else None)
        elif rests:
            self.emitter.added(order)

    def resume(self) -> None:
        """The next event of the incoming order: an execution, or the rest coming to rest."""
        order = self.taker
        if order is None:
            return
        fills = self.engine.match(order.side, order.price, order.size, self.emitter.fills_per_event)
        if fills:
            self.price = fills[-1].price
            order.size -= sum(fill.size for fill in fills)
            self.emitter.traded(order.side, order.order_id, fills, None)
            if order.size and (self.taker_rests or self.engine.can_trade(order.side, order.price)):
                return
        elif self.taker_rests:
            order.peak = order.size
            self.engine.rest(order)
            self.emitter.added(order)
        self.taker = None

    def cancel(self, order: Order) -> None:
        """All of an order."""
        self.engine.cancel(order.order_id)
        self.emitter.cancelled(order)

    def reduce(self, order: Order, size: int) -> None:
        """An order shows ``size``, less than before."""
        by = order.size - size
        self.engine.reduce(order.order_id, size)
        self.emitter.reduced(order, by)

    def replace(self, order: Order, price: int, size: int) -> None:
        """A new price and shown size, by the venue's rule of priority; it may trade in continuous trading."""
        matching = self.phase == Phase.TRADING
        if self.emitter.replaces_with_new_id:
            self._replace_with_new(order, price, size, matching=matching)
            return
        old = Order(order.order_id, order.side, order.price, order.size)
        new, fills = self.engine.replace(order.order_id, price, size, matching=matching)
        if fills:
            self.price = fills[-1].price
        self.emitter.replaced(old, new, fills)

    def _replace_with_new(self, old: Order, price: int, size: int, *, matching: bool) -> None:
        self.engine.cancel(old.order_id)
        new = Order(self.venue.ids.take(), old.side, price, size, old.hidden)
        if matching and self.engine.can_trade(new.side, price):
            self.emitter.cancelled(old)
            new.size += new.hidden
            new.hidden = 0
            self.taker, self.taker_rests = new, True
            return
        self.engine.rest(new)
        self.emitter.replaced(old, new, [])

    # -- The venue

    def announce(self) -> None:
        """The Status record of the present phase."""
        reason = MARKET_EVENT if self.phase == Phase.HALT else SCHEDULED
        trading = self.phase == Phase.TRADING
        quoting = trading or self.phase in AUCTION
        self.tape.put_status(self.status, self.phase, reason, is_trading=trading, is_quoting=quoting)

    def uncross(self) -> None:
        """The auction, if anything is crossed."""
        auction = self.engine.uncross(self.price)
        if auction is not None:
            self.price = auction.price
            self.emitter.crossed(auction)

    def publish_quotes(self) -> None:
        """Quotes are given or withdrawn with the phase, where the venue gives quotes."""
        self.emitter.quoting(on=self.phase in (Phase.TRADING, Phase.HALT))

    def expire(self) -> None:
        """One order ends with its session."""
        order_id = self.expiring.pop()
        order = self.engine.cancel(order_id)
        self.emitter.cancelled(order)

    def open(self) -> None:
        """A session begins: with the orders that were carried over, or with none."""
        if self.engine.live:
            self.snapshot(list(range(len(self.engine.ranks[BID]) + len(self.engine.ranks[ASK]))), clear=True)
        else:
            self.emitter.cleared()

    def snapshot(self, order: list[int], *, clear: bool) -> None:
        """The venue's snapshot. ``order`` permutes the levels, which are numbered bids first, best first."""
        levels = [orders for side in (BID, ASK) for _, orders in self.engine.queues(side)]
        self.emitter.snapshot([levels[at] for at in order], clear=clear)

    # -- Truth

    def truth(self) -> TrueBook:
        """The book as the matching engine has it, of what the venue publishes."""
        keys = (self.venue.params.publisher_id, self.instrument.instrument_id)
        if isinstance(self.emitter, TopEmitter):
            quotes = [best_quote(self.engine, side) if self.emitter.on else None for side in (BID, ASK)]
            bids, asks = ([TrueLevel(*quote, 0)] if quote else [] for quote in quotes)
            return TrueBook(*keys, bids, asks, [[] for _ in bids], [[] for _ in asks])
        levels, orders = zip(*(_true_side(self.engine, side) for side in (BID, ASK)), strict=True)
        return TrueBook(*keys, *levels, *orders)


def _true_side(engine: MatchingEngine, side: int) -> tuple[list[TrueLevel], list[list[TrueOrder]]]:
    queues = engine.queues(side)
    levels = [TrueLevel(price, sum(order.size for order in queue), len(queue)) for price, queue in queues]
    orders = [
        [TrueOrder(order.order_id, order.size, order.ts_event, order.sequence) for order in queue]
        for _, queue in queues
    ]
    return levels, orders
