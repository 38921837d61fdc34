"""The matching engine of one instrument at one venue: price, then time.

It knows orders and what they do to each other; nothing of records, phases or clocks, and nothing of
`depthcast.book`: the truth that rebuilt books are held to comes from here.

A price has a *rank* on its side, greater is better: the price itself for a bid, its negative for an ask. So
one code serves both sides. A queue is a dict from order id to order, in priority order. Source of the rules:
what CME Globex and Nasdaq publish of theirs: FIFO matching; an order that changes its price, or grows, loses
its place, one that shrinks keeps it; an iceberg's new slice goes to the end of its queue.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

__all__ = ["ASK", "BID", "Auction", "Fill", "MatchingEngine", "Order", "OrderIds", "Outcome"]

BID: Final = 0
ASK: Final = 1
NO_LIMIT: Final = -(1 << 80)
"""A rank that every price is better than."""

Queue = dict[int, "Order"]


class Outcome(IntEnum):
    """What a fill left of the resting order."""

    PARTIAL = 0
    FILLED = 1
    REFILLED = 2
    """The shown part was filled; a new slice of the hidden part stands at the end of the queue."""


class Order:
    """A resting order.

    ``size`` is what it shows, ``hidden`` what an iceberg keeps back, ``peak`` what it shows at most.
    ``ts_event`` and ``sequence`` are those of the record that announced its present priority. ``slot`` is its
    index in `MatchingEngine.live`.
    """

    __slots__ = ("hidden", "order_id", "peak", "price", "sequence", "side", "size", "slot", "ts_event")

    def __init__(self, order_id: int, side: int, price: int, size: int, hidden: int = 0) -> None:
        self.order_id = order_id
        self.side = side
        self.price = price
        self.size = size
        self.hidden = hidden
        self.peak = size
        self.ts_event = 0
        self.sequence = 0
        self.slot = -1

    def __repr__(self) -> str:
        return f"Order({self.order_id}, {'BA'[self.side]}, {self.price}, {self.size}+{self.hidden})"


class Fill(NamedTuple):
    """One execution against one resting order.

    ``order_id`` and ``before`` are the id and the shown size that the order had before it; ``refill_id`` and
    ``refill_size`` those of its new slice, 0 unless ``outcome`` is REFILLED.
    """

    order: Order
    order_id: int
    price: int
    size: int
    before: int
    outcome: Outcome
    refill_id: int = 0
    refill_size: int = 0


@dataclass(frozen=True, slots=True)
class Auction:
    """An uncross: ``volume`` of each side at one price.

    ``bids`` and ``asks`` are the fills of each side, best first.
    """

    price: int
    volume: int
    bids: list[Fill]
    asks: list[Fill]


class OrderIds:
    """The order ids of a venue, rising."""

    __slots__ = ("last",)

    def __init__(self, last: int) -> None:
        self.last = last

    def take(self) -> int:
        self.last += 1
        return self.last


class MatchingEngine:
    """The book of one instrument and its matching.

    Args:
        refill_ids: where an iceberg's new slice takes a new order id from; None if it keeps its own.
    """

    __slots__ = ("levels", "live", "orders", "ranks", "refill_ids")

    def __init__(self, refill_ids: OrderIds | None = None) -> None:
        self.refill_ids = refill_ids
        self.orders: dict[int, Order] = {}
        self.live: list[Order] = []
        """All orders, in no particular order: for a uniform choice of one."""
        self.levels: tuple[dict[int, Queue], dict[int, Queue]] = ({}, {})
        """Of each side, rank to queue."""
        self.ranks: tuple[list[int], list[int]] = ([], [])
        """Of each side, the ranks that have orders, the best last."""

    # -- Questions

    def best(self, side: int) -> int | None:
        """The best price of a side, None if it is empty."""
        ranks = self.ranks[side]
        if not ranks:
            return None
        return -ranks[-1] if side else ranks[-1]

    def is_crossed(self) -> bool:
        """Whether something could trade: the best bid is at or above the best ask."""
        bids, asks = self.ranks
        return bool(bids) and bool(asks) and bids[-1] + asks[-1] >= 0

    def can_trade(self, side: int, limit: int | None) -> bool:
        """Whether an order of ``side`` with this limit (None: at any price) would trade now."""
        ranks = self.ranks[1 - side]
        return bool(ranks) and (limit is None or ranks[-1] >= (limit if side else -limit))

    def queues(self, side: int) -> list[tuple[int, list[Order]]]:
        """Each level of a side, best first: its price and its orders in priority order."""
        levels = self.levels[side]
        return [(-rank if side else rank, list(levels[rank].values())) for rank in reversed(self.ranks[side])]

    # -- Orders in and out

    def rest(self, order: Order) -> None:
        """Put an order at the end of its level's queue, without matching it."""
        rank = -order.price if order.side else order.price
        levels = self.levels[order.side]
        queue = levels.get(rank)
        if queue is None:
            levels[rank] = {order.order_id: order}
            insort(self.ranks[order.side], rank)
        else:
            queue[order.order_id] = order
        self.orders[order.order_id] = order
        order.slot = len(self.live)
        self.live.append(order)

    def cancel(self, order_id: int) -> Order:
        """Take an order out; a KeyError if there is none of that id."""
        order = self.orders[order_id]
        self._leave_queue(order)
        self._forget(order)
        return order

    def reduce(self, order_id: int, size: int) -> Order:
        """Make an order show ``size``, less than it does and more than 0. It keeps its priority."""
        order = self.orders[order_id]
        if not 0 < size < order.size:
            raise ValueError(f"reduce to {size} of {order!r}")
        order.size = size
        return order

    # -- Matching

    def match(self, side: int, limit: int | None, size: int, max_fills: int = 0) -> list[Fill]:
        """Trade an incoming order against the other side, best price first, each at the resting price.

        Args:
            side: BID for a buy.
            limit: the worst price it takes, None for any.
            size: how much it wants; the fills' sizes add up to at most that.
            max_fills: stop after so many; 0 for no bound.
        """
        floor = NO_LIMIT if limit is None else (limit if side else -limit)
        other = 1 - side
        ranks, levels = self.ranks[other], self.levels[other]
        fills: list[Fill] = []
        while size and ranks and ranks[-1] >= floor:
            order = next(iter(levels[ranks[-1]].values()))
            fill = self._fill(order, size, order.price)
            fills.append(fill)
            size -= fill.size
            if len(fills) == max_fills:
                break
        return fills

    def submit(self, order: Order, limit: int | None, *, rests: bool) -> list[Fill]:
        """Match a whole incoming order; what remains rests at its price if ``rests``, else it is cancelled.

        ``order.size`` is left at what remains of the shown part, ``order.hidden`` of the rest.
        """
        total = order.size + order.hidden
        fills = self.match(order.side, limit, total)
        total -= sum(fill.size for fill in fills)
        order.size = min(order.peak, total)
        order.hidden = total - order.size
        if total and rests:
            self.rest(order)
        return fills

    def replace(
        self, order_id: int, price: int, size: int, *, matching: bool = True
    ) -> tuple[Order, list[Fill]]:
        """Change an order's price and shown size.

        It keeps its priority only if the price stays and it does not grow. Else it may trade at its new price
        if ``matching``, and what remains rests at the end of its queue. Returns the order (its size 0 if
        nothing remains) and the fills of others.
        """
        order = self.orders[order_id]
        keeps_priority = price == order.price and size <= order.size
        order.peak = size
        if keeps_priority:
            order.size = size
            return order, []
        self.cancel(order_id)
        order.price, order.size = price, size
        if matching:
            return order, self.submit(order, price, rests=True)
        self.rest(order)
        return order, []

    def uncross(self, reference_price: int) -> Auction | None:
        """Trade all that is crossed at one price, None if nothing is.

        The price is the one that trades most; among equals the one that leaves the least imbalance; then the
        nearest to ``reference_price``; then the lower. Hidden parts count. Priority is by price, then time.
        """
        if not self.is_crossed():
            return None
        price, volume = self._clearing(reference_price)
        bids = self._take(BID, volume, price)
        asks = self._take(ASK, volume, price)
        return Auction(price, volume, bids, asks)

    # -- Inside

    def _take(self, side: int, volume: int, price: int) -> list[Fill]:
        """Fill ``volume`` of the best orders of ``side``, at ``price``."""
        ranks, levels = self.ranks[side], self.levels[side]
        fills: list[Fill] = []
        while volume:
            order = next(iter(levels[ranks[-1]].values()))
            fill = self._fill(order, volume, price)
            fills.append(fill)
            volume -= fill.size
        return fills

    def _fill(self, order: Order, wanted: int, price: int) -> Fill:
        before, order_id = order.size, order.order_id
        if wanted < before:
            order.size = before - wanted
            return Fill(order, order_id, price, wanted, before, Outcome.PARTIAL)
        self._leave_queue(order)
        if not order.hidden:
            self._forget(order)
            order.size = 0
            return Fill(order, order_id, price, before, before, Outcome.FILLED)
        self._forget(order)
        order.size = min(order.peak, order.hidden)
        order.hidden -= order.size
        if self.refill_ids is not None:
            order.order_id = self.refill_ids.take()
        self.rest(order)
        return Fill(order, order_id, price, before, before, Outcome.REFILLED, order.order_id, order.size)

    def _leave_queue(self, order: Order) -> None:
        side = order.side
        rank = -order.price if side else order.price
        queue = self.levels[side][rank]
        del queue[order.order_id]
        if not queue:
            del self.levels[side][rank]
            ranks = self.ranks[side]
            if ranks[-1] == rank:
                ranks.pop()
            else:
                del ranks[bisect_left(ranks, rank)]

    def _forget(self, order: Order) -> None:
        del self.orders[order.order_id]
        last = self.live.pop()
        if last is not order:
            self.live[order.slot] = last
            last.slot = order.slot

    def _clearing(self, reference_price: int) -> tuple[int, int]:
        """The auction price and its volume. Only limit prices from the best ask to the best bid can be it."""
        bids, asks = self._volumes(BID), self._volumes(ASK)
        best_bid, best_ask = bids[0][0], asks[0][0]
        prices = sorted({price for price, _ in (*bids, *asks) if best_ask <= price <= best_bid})
        demand = sum(volume for _, volume in bids)
        supply = 0
        rising_bids, rising_asks = bids[::-1], asks
        bid_at = ask_at = 0
        chosen: tuple[tuple[int, int, int, int], int, int] | None = None
        for price in prices:
            while bid_at < len(rising_bids) and rising_bids[bid_at][0] < price:
                demand -= rising_bids[bid_at][1]
                bid_at += 1
            while ask_at < len(rising_asks) and rising_asks[ask_at][0] <= price:
                supply += rising_asks[ask_at][1]
                ask_at += 1
            volume = min(demand, supply)
            merit = (-volume, abs(demand - supply), abs(price - reference_price), price)
            if chosen is None or merit < chosen[0]:
                chosen = (merit, price, volume)
        if chosen is None:
            raise AssertionError("a crossed book has a price at which it trades")
        return chosen[1], chosen[2]

    def _volumes(self, side: int) -> list[tuple[int, int]]:
        """Each level of a side, best first: its price and its whole volume, hidden parts too."""
        return [
            (price, sum(order.size + order.hidden for order in orders)) for price, orders in self.queues(side)
        ]
