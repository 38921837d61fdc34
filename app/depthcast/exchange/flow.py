"""The order flow: what each message does to its book.

A zero-intelligence market with the regularities of real ones: limit orders arrive at power-law distances from
the opposite best price, with power-law sizes; cancels prefer orders near the market; the number of resting
orders tends to a given one; bursts of fast, one-sided orders hit one book. Prices wander, with a weak pull to
the reference price. Source of the form: Cont, Stoikov, Talreja, "A stochastic model for order book dynamics",
Operations Research 58 (2010); of sizes and distances: Bouchaud, Mézard, Potters, "Statistical properties of
stock order books", Quantitative Finance 2 (2002).
"""

from typing import Final

from depthcast.exchange.draws import Stream, power_law, threshold
from depthcast.exchange.listing import Listing
from depthcast.exchange.matching import ASK, BID, MatchingEngine, Order
from depthcast.exchange.messages import Message
from depthcast.exchange.params import AUCTION, CANCEL_ONLY, FlowParams, Phase

__all__ = ["Flow"]

TRADING: Final = Phase.TRADING
MIN_LEVELS: Final = 3
"""A side with no more levels is not cancelled from: books stay two-sided."""
AUCTION_OVERLAP_TICKS: Final = 4
"""How far beyond the last price auction orders reach."""
CANCEL_ONLY_END: Final = threshold(0.125)
"""While orders may only be cancelled, one message in eight does."""
PULL_PER_TICK: Final = 2
PULL_MAX: Final = 512
"""In 1024ths: how many incoming orders are turned towards the reference price, a tick off and at most."""
CROSSING_REPLACES: Final = 8
"""One price change in so many goes to the opposite best price and trades."""


class Flow:
    """Decides. It has no state: equal messages and books give equal orders."""

    def __init__(self, params: FlowParams) -> None:
        shares = (
            params.market_share,
            params.ioc_share,
            params.marketable_share,
            params.replace_share,
            params.reduce_share,
        )
        ends = [threshold(sum(shares[: count + 1])) for count in range(len(shares))]
        self._market_end, self._ioc_end, self._take_end, self._replace_end, self._reduce_end = ends
        self._iceberg_end = threshold(params.iceberg_share)
        self._near_end = threshold(params.near_cancel_share)
        self._twice_live_orders = 2 * params.live_orders
        self._slices = params.iceberg_slices
        self._protection = params.protection_ticks
        self._distances = power_law(params.distance_exponent, params.levels)
        self._sizes = power_law(params.size_exponent, params.max_size)

    def act(self, listing: Listing, message: Message) -> None:
        """Do what ``message`` does, in the phase that ``listing`` is in."""
        phase = listing.phase
        if phase is TRADING:
            if message.kind < self._take_end:
                self._take(listing, message)
                return
        elif phase in CANCEL_ONLY:
            if message.draw < CANCEL_ONLY_END:
                self._cancel(listing, message)
            return
        elif phase not in AUCTION:
            return
        if message.kind < self._replace_end:
            self._replace(listing, message)
        elif message.kind < self._reduce_end:
            self._reduce(listing, message)
        elif message.draw * self._twice_live_orders >= len(listing.engine.live) << 16 or not self._cancel(
            listing, message
        ):
            self._add(listing, message)

    def populate(self, listing: Listing, count: int, stream: Stream) -> None:
        """Fill a book with resting orders, bids and asks in turn, without reporting them."""
        tick, lot = listing.instrument.tick, listing.instrument.lot
        for number in range(count):
            side = number & 1
            bits = stream.bits()
            away = (1 + int(self._distances[bits & 0xFFFF])) * tick
            size = (1 + int(self._sizes[bits >> 16 & 0xFFFF])) * lot
            price = listing.price + (away if side else -away)
            order = Order(listing.venue.ids.take(), side, price, size)
            order.ts_event, order.sequence = listing.tape.ts_event, listing.venue.sequence.last
            listing.engine.rest(order)

    def _add(self, listing: Listing, message: Message) -> None:
        instrument = listing.instrument
        size = message.size * instrument.lot
        price = self._passive_price(listing, message.side, message.distance)
        hidden = 0
        if message.pick & 0xFFFF < self._iceberg_end:
            hidden = size * (1 + (message.pick >> 16) % (self._slices - 1))
        listing.enter(message.side, price, size, hidden)

    def _take(self, listing: Listing, message: Message) -> None:
        engine, instrument = listing.engine, listing.instrument
        side = self._pulled_side(listing, message)
        best = engine.best(1 - side)
        if best is None:
            self._add(listing, message)
            return
        size = message.size * instrument.lot
        if message.pick & 3:  # three takers in four want no more than is shown at the best price
            ranks = engine.ranks[1 - side]
            size = min(size, sum(order.size for order in engine.levels[1 - side][ranks[-1]].values()))
        market = message.kind < self._market_end
        ticks = self._protection if market else min(message.distance, self._protection)
        limit = best + (-ticks if side else ticks) * instrument.tick
        listing.take(side, limit, size, rests=message.kind >= self._ioc_end)

    def _cancel(self, listing: Listing, message: Message) -> bool:
        """Cancel an order; False if there is none, or if its side is too thin."""
        engine = listing.engine
        if not engine.live:
            return False
        order = self._choose(engine, message)
        if len(engine.ranks[order.side]) <= MIN_LEVELS:
            return False
        listing.cancel(order)
        return True

    def _replace(self, listing: Listing, message: Message) -> None:
        engine = listing.engine
        if not engine.live:
            self._add(listing, message)
            return
        order = self._choose(engine, message)
        price, size = order.price, order.size
        if message.draw & 1:
            price = self._passive_price(listing, order.side, message.distance)
            best = engine.best(1 - order.side)
            if best is not None and listing.phase is TRADING and (message.draw >> 3) % CROSSING_REPLACES == 0:
                price = best
        if message.draw & 6 == 0 and not order.hidden:
            size = message.size * listing.instrument.lot
        listing.replace(order, price, size)

    def _reduce(self, listing: Listing, message: Message) -> None:
        engine, lot = listing.engine, listing.instrument.lot
        if not engine.live:
            self._add(listing, message)
            return
        order = self._choose(engine, message)
        lots = order.size // lot
        if lots > 1:
            listing.reduce(order, (1 + message.draw % (lots - 1)) * lot)

    def _choose(self, engine: MatchingEngine, message: Message) -> Order:
        """An order, near the market rather than far from it."""
        live, pick = engine.live, message.pick
        order = live[pick % len(live)]
        if message.delay < self._near_end:
            other = live[(pick >> 30) % len(live)]
            bids, asks = engine.ranks
            if bids and asks:
                twice_mid = bids[-1] - asks[-1]
                if abs(2 * other.price - twice_mid) < abs(2 * order.price - twice_mid):
                    return other
        return order

    def _passive_price(self, listing: Listing, side: int, distance: int) -> int:
        """For a limit order: behind the opposite best price, or in an auction around the last price."""
        tick = listing.instrument.tick
        if listing.phase is TRADING:
            best = listing.engine.best(1 - side)
            away = (1 + distance) * tick
            if best is None:
                best = listing.price
        else:
            best = listing.price
            away = (distance - AUCTION_OVERLAP_TICKS) * tick
        return best + away if side else best - away

    def _pulled_side(self, listing: Listing, message: Message) -> int:
        """The message's side, or the one towards the reference price: the more likely the farther it is."""
        instrument = listing.instrument
        off = (listing.price - instrument.reference_price) // instrument.tick
        if message.draw & 1023 < min(abs(off) * PULL_PER_TICK, PULL_MAX):
            return ASK if off > 0 else BID
        return message.side
