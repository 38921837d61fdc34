"""Fills at the front: whether a venue's fills name the orders that the rebuilt book has first in its queue.

Each `T` owns the `F`s up to the next `T` of its event. A trade is judged if its side is A or B, it owns a
fill, and all its fills name orders that the book knows when they come. It is at the front if the orders that
its fills name are the first of the resting side (best price first, each level in priority order) as that
stood when the event began, less the orders of the event's earlier trades. In which order a venue lists the
fills of one trade is its own affair (CME puts icebergs last): it is counted, and does not decide.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from depthcast.book.audit.records import (
    Place,
    Tally,
    book_key,
    letter,
    moment,
    price_or_none,
)
from depthcast.book.audit.report import TradeExample
from depthcast.book.audit.trades import Trade, Trades
from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey, Level
from depthcast.errors import UnknownBookError, UnknownOrderError

CAUSES: Final = {
    "names_the_aggressor": "a fill names the aggressor's own order; the others are the front",
    "filled_earlier_in_event": "an order was named by an earlier trade of the event",
    "entered_in_event": "an order was not in the book when the event began",
    "other_side": "an order rested on the aggressor's side",
    "behind_better_price": "orders at a better price were passed over",
    "behind_1": "one order at the price was passed over",
    "behind_2_to_4": "two to four orders at the price were passed over",
    "behind_5_or_more": "five orders or more at the price were passed over",
}

UNJUDGED: Final = {
    "side_none": "the trade has no side",
    "no_fills": "the trade owns no fill",
    "unknown_fills": "a fill names an order that the book does not know",
}

_LEVELS_USUAL: Final = 8
_LEVELS_MAX: Final = 256
_FRONT_SHOWN: Final = 8

_Side = Literal["B", "A"]
_RESTING: Final[dict[bytes, _Side]] = {b"A": "B", b"B": "A"}


class _Rest(NamedTuple):
    side: str
    price: int


@dataclass(slots=True)
class _Queue:
    """The front of one side when an event began: the orders, best first, each with its price."""

    orders: list[int] = field(default_factory=list)
    price: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Event:
    trades: list[Trade]
    queues: dict[_Side, _Queue]
    rests: dict[int, _Rest]
    """Where each order that a fill names rested when the event began, if it did."""


class FillJudge:
    """Judges the trades of a stream while an engine walks it.

    Call `capture` before the record at `next_position` is applied, `unknown_fill` for each fill of an unknown
    order, `event_ended` after an event's last record, `finish` at the end.
    """

    def __init__(self, engine: BookEngine, trades: Trades) -> None:
        self.not_front = Tally()
        """Judged trades that are not at the front."""
        self.at_front = Tally()
        self.in_order = 0
        """Of those at the front: fills listed in the queue's order."""
        self.causes: Counter[str] = Counter()
        self.unjudged: Counter[str] = Counter()
        self._engine = engine
        self._trades = trades
        self._open: dict[BookKey, _Event] = {}
        self._unknown: set[int] = set()

    @property
    def next_position(self) -> int:
        """Where the next event with a trade begins."""
        return self._trades.next_origin

    def capture(self) -> None:
        """Remember the queues that the trades of the event at `next_position` meet."""
        trades = self._trades.take_event()
        key = book_key(trades[0].book)
        self.event_ended(key)  # the same event's trades before an R
        named: dict[_Side, set[int]] = {}
        for trade in trades:
            if trade.side in _RESTING:
                named.setdefault(_RESTING[trade.side], set()).update(trade.fill_ids)
        rests: dict[int, _Rest] = {}
        for order_id in set().union(*named.values()):
            rest = self._rests(key, order_id)
            if rest is not None:
                rests[order_id] = rest
        queues = {
            side: self._queue(key, side, [rest.price for rest in rests.values() if rest.side == side])
            for side in named
        }
        self._open[key] = _Event(trades, queues, rests)

    def unknown_fill(self, position: int) -> None:
        """The `F` at ``position`` named an order that the book did not know."""
        if self._open:
            self._unknown.add(position)

    def event_ended(self, key: BookKey) -> None:
        """Judge the trades of a book's event that is over, if it had any."""
        event = self._open.pop(key, None)
        if event is None:
            return
        earlier: set[int] = set()
        for trade in event.trades:
            self._judge(key, event, trade, earlier)
            earlier.update(trade.fill_ids)
            self._unknown.difference_update(trade.fill_positions)

    def finish(self) -> None:
        """Judge what the end of the data left open."""
        for key in list(self._open):
            self.event_ended(key)

    def _rests(self, key: BookKey, order_id: int) -> _Rest | None:
        """Side and price at which an order rests now, None if it does not."""
        try:
            order = self._engine.queue_position(order_id, key.instrument_id, key.publisher_id)
        except (UnknownBookError, UnknownOrderError):
            return None
        return _Rest(order.side, order.price)

    def _queue(self, key: BookKey, side: _Side, prices: list[int]) -> _Queue:
        """The levels of a side from the best down to the worst of ``prices``; the best one at least."""
        queue = _Queue()
        worst = (min if side == "B" else max)(prices, default=None)
        for level in self._levels(key, side, worst):
            for order in self._engine.orders(key.instrument_id, side, level.price, key.publisher_id):
                queue.orders.append(order.order_id)
                queue.price[order.order_id] = level.price
            if worst is None or level.price == worst:
                break
        return queue

    def _levels(self, key: BookKey, side: _Side, worst: int | None) -> list[Level]:
        """Some levels of a side from the best on, as many as reach ``worst`` if that is not too deep."""
        levels: list[Level] = []
        for count in (_LEVELS_USUAL, _LEVELS_MAX):
            try:
                depth = self._engine.depth(key.instrument_id, count, key.publisher_id)
            except UnknownBookError:
                break
            levels = depth.bids if side == "B" else depth.asks
            if worst is None or any(level.price == worst for level in levels):
                break
        return levels

    def _judge(self, key: BookKey, event: _Event, trade: Trade, earlier: set[int]) -> None:
        unjudged = self._why_unjudged(trade)
        if unjudged is not None:
            self.unjudged[unjudged] += 1
            return
        side = _RESTING[trade.side]
        queue = [order for order in event.queues[side].orders if order not in earlier]
        filled = list(dict.fromkeys(trade.fill_ids))
        if _is_front(filled, queue):
            self.at_front.see(Place(trade.position, trade.ts_recv))
            self.in_order += filled == queue[: len(filled)]
            return
        cause = _cause(trade, filled, queue, event, earlier)
        self.causes[cause] += 1
        at = Place(trade.position, trade.ts_recv)
        if not self.not_front.wants_example:
            self.not_front.see(at)
            return
        example = TradeExample(
            at=moment(*at),
            publisher_id=key.publisher_id,
            instrument_id=key.instrument_id,
            side=letter(trade.side),
            price=price_or_none(trade.price),
            size=trade.size,
            cause=cause,
            filled=[str(order) for order in filled],
            front=[str(order) for order in queue[: max(len(filled), _FRONT_SHOWN)]],
        )
        self.not_front.see(at, example)

    def _why_unjudged(self, trade: Trade) -> str | None:
        if trade.side not in _RESTING:
            return "side_none"
        if not trade.fill_ids:
            return "no_fills"
        return None if self._unknown.isdisjoint(trade.fill_positions) else "unknown_fills"


def _is_front(filled: list[int], queue: list[int]) -> bool:
    front = queue[: len(filled)]
    return filled == front or set(filled) == set(front)


def _cause(trade: Trade, filled: list[int], queue: list[int], event: _Event, earlier: set[int]) -> str:
    """Why a trade is not at the front: the first of `CAUSES` that holds."""
    own = {order for order, side in zip(trade.fill_ids, trade.fill_sides, strict=True) if side == trade.side}
    others = [order for order in filled if order not in own]
    if own and others and _is_front(others, queue):
        return "names_the_aggressor"
    if not earlier.isdisjoint(filled):
        return "filled_earlier_in_event"
    if not event.rests.keys() >= set(filled):
        return "entered_in_event"
    if any(event.rests[order].side != _RESTING[trade.side] for order in filled):
        return "other_side"
    if not set(queue).issuperset(filled):
        return "behind_better_price"  # deeper than what was captured
    prices = event.queues[_RESTING[trade.side]].price
    last = max(queue.index(order) for order in filled)
    worst = prices[queue[last]]
    passed = [prices[order] for order in queue[:last] if order not in filled]
    if any(price != worst for price in passed):
        return "behind_better_price"
    if len(passed) == 1:
        return "behind_1"
    return "behind_2_to_4" if len(passed) <= 4 else "behind_5_or_more"
