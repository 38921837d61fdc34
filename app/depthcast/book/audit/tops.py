"""Intervals in which events leave a book crossed or locked."""

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import Final

from depthcast.book.audit.records import EXAMPLES_MAX, Place, Tally, letter, moment, price_or_none
from depthcast.book.audit.report import IntervalExample, Moment, TradeNearby
from depthcast.book.audit.trades import Trades
from depthcast.book.types import BookKey
from depthcast.book.views import price_str

NO_STATUS: Final = "no_status"
"""In place of a phase, where the venue has sent no Status record."""


@dataclass(slots=True)
class _Interval:
    key: BookKey
    first: Place
    last: Place
    over: Place | None
    event_ends: int
    phase: str | None
    bid: int
    ask: int


class TopKind:
    """The intervals of one kind, over all books."""

    def __init__(self) -> None:
        self.tally = Tally()
        """Of event ends."""
        self.phases: Counter[str] = Counter()
        """Event ends by the venue's phase."""
        self.intervals = 0
        self.total_ns = self.longest_ns = 0
        """By ts_recv, from the first event end that is so to the one that is not; open ones to their last."""
        self.kept: list[_Interval] = []


class Tops:
    """Follows the tops of all books: `see` event ends that leave one crossed or locked, `over` the next."""

    def __init__(self) -> None:
        self.kinds = {"crossed": TopKind(), "locked": TopKind()}
        self.open: dict[BookKey, tuple[str, _Interval]] = {}

    def see(self, key: BookKey, top: str, at: Place, bid: int, ask: int, phase: str | None) -> None:
        """An event of a book ended ``at`` with its top crossed or locked."""
        running = self.open.get(key)
        if running is not None and running[0] != top:
            self.over(key, at)
            running = None
        kind = self.kinds[top]
        if running is None:
            running = top, _Interval(key, at, at, None, 0, phase, bid, ask)
            self.open[key] = running
            kind.intervals += 1
            if len(kind.kept) < EXAMPLES_MAX:
                kind.kept.append(running[1])
        running[1].last = at
        running[1].event_ends += 1
        kind.tally.see(at)
        kind.phases[phase or NO_STATUS] += 1

    def over(self, key: BookKey, at: Place | None) -> None:
        """The book's open interval is over ``at`` an event end; with the data if None."""
        name, interval = self.open.pop(key)
        interval.over = at
        length_ns = max((at or interval.last).ts_recv - interval.first.ts_recv, 0)
        kind = self.kinds[name]
        kind.total_ns += length_ns
        kind.longest_ns = max(kind.longest_ns, length_ns)

    def finish(self) -> None:
        """The data is over: so are the open intervals, at their last event."""
        for key in list(self.open):
            self.over(key, None)

    def examples(self, kind: str, trades: Trades) -> list[IntervalExample]:
        """The first intervals of a kind, with the trades in and around them."""
        return [_example(interval, _Tape.of(trades, interval.key)) for interval in self.kinds[kind].kept]


@dataclass(slots=True)
class _Tape:
    """The trades of one book: their positions, and where each is in the file's trades."""

    trades: Trades
    positions: list[int]
    indexes: list[int]

    @classmethod
    def of(cls, trades: Trades, key: BookKey) -> "_Tape":
        number = key.publisher_id << 32 | key.instrument_id
        indexes = [index for index, book in enumerate(trades.books) if book == number]
        return cls(trades, [trades.positions[index] for index in indexes], indexes)

    def nearby(self, place: int) -> TradeNearby | None:
        if not 0 <= place < len(self.indexes):
            return None
        trade = self.trades[self.indexes[place]]
        return TradeNearby(
            moment(trade.position, trade.ts_recv),
            letter(trade.side),
            price_or_none(trade.price),
            trade.size,
        )


def _example(interval: _Interval, tape: _Tape) -> IntervalExample:
    begin = bisect_right(tape.positions, interval.first.position)
    end = (
        len(tape.positions) if interval.over is None else bisect_left(tape.positions, interval.over.position)
    )
    over: Moment | None = None if interval.over is None else moment(*interval.over)
    return IntervalExample(
        publisher_id=interval.key.publisher_id,
        instrument_id=interval.key.instrument_id,
        first=moment(*interval.first),
        last=moment(*interval.last),
        over=over,
        event_ends=interval.event_ends,
        phase=interval.phase,
        bid=price_str(interval.bid),
        ask=price_str(interval.ask),
        trades_inside=max(end - begin, 0),
        trade_before=tape.nearby(begin - 1),
        trade_after=tape.nearby(end),
    )
