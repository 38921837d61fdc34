"""The books of a replay: engines that go from event to event, and what each event is told as."""

from collections.abc import Callable
from typing import NamedTuple

from depthcast.api.hub.encoded import Encoded
from depthcast.api.hub.orders import OrderBook
from depthcast.api.replay.faces import UNBOUNDED, BookFaces, Moment, Shown, trade_of
from depthcast.api.replay.tape import End, Stretch, Tape
from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.dbn import forms
from depthcast.dbn.layout import MBO_SIZE
from depthcast.journal.at import Cut, first_time
from depthcast.journal.past import Past
from depthcast.journal.reader import JournalReader

__all__ = ["Player", "Start", "started"]


class Start(NamedTuple):
    """Where a replay begins, with its books.

    Attributes:
        tape: the records that follow.
        position: of the first of them.
        ts_recv: the time (ns).
        engine: the books.
        order_engines: each book by itself, where orders are shown.
    """

    tape: Tape
    position: int
    ts_recv: int
    engine: Engine
    order_engines: dict[BookKey, Engine]


def started(
    past: Past,
    reader: JournalReader,
    cut: Cut,
    symbols: dict[int, str],
    *,
    ts_recv: int | None,
    end: int | None,
    orders: bool,
) -> Start:
    """The books at a place of the journal. It takes a while: in a thread.

    Args:
        symbols: the instruments, by id.
        ts_recv: the time there; None for that of the last record before it.

    Raises:
        JournalError: the journal is damaged, or cannot be read.
    """
    time = cut.ts_recv or cut.segment.before.latest_ts_recv if ts_recv is None else ts_recv
    time = max(time, first_time(cut.segment) - 1)
    engine = past.new_engine(cut, symbols)
    keys = engine.books() if orders else []
    single = {key: past.new_engine(cut, [key.instrument_id]) for key in keys}
    tape = Tape(reader, cut.position, time, list(symbols), end)
    return Start(tape, cut.position, time, engine, single)


class Player:
    """Plays a tape event by event.

    Args:
        start: where it begins.
        symbols: the instruments, by id.
        shown: what is shown of each book.
        publisher: whose books are shown; None for everybody's.
        announced: names of classes that the reader knows already.
        clock: the time of now, ns.
    """

    def __init__(
        self,
        start: Start,
        symbols: dict[int, str],
        shown: Shown,
        publisher: int | None,
        announced: set[str],
        clock: Callable[[], int],
    ) -> None:
        self.position = start.position
        self.ts_recv = start.ts_recv
        self.tape = start.tape
        self.stretch = Stretch(b"", [], [], start.position, start.ts_recv, is_last=False)
        self._engine = start.engine
        self._symbols = symbols
        self._shown = shown
        self._publisher = publisher
        self._announced = announced
        self._clock = clock
        self._books: dict[BookKey, BookFaces] = {}
        self._applied = 0
        self._next = 0
        self._trades = 0
        self._held: dict[BookKey, None] = {}
        """Books of which the newest is not told yet: their rate is bounded."""
        for key in start.engine.books():
            self._add(key, start.order_engines.get(key))

    def _add(self, key: BookKey, engine: Engine | None) -> BookFaces | None:
        if self._publisher not in (None, key.publisher_id):
            return None
        orders = None
        if "orders" in self._shown.channels:
            orders = OrderBook(key, UNBOUNDED)
            orders.begin(engine or Engine())
        symbol = self._symbols[key.instrument_id]
        book = BookFaces(key, symbol, self._shown, self._engine, orders, self._announced)
        self._books[key] = book
        return book

    def _moment(self) -> Moment:
        return Moment(self.position, self.ts_recv, self._clock())

    # -- at the beginning

    def begin(self) -> list[Encoded]:
        """Every class from the beginning, those of books inside an event later."""
        at = self._moment()
        return [message for book in self._books.values() for message in book.begin_all(at)]

    def begin_class(self, name: str) -> list[Encoded] | None:
        """One class anew, as was requested; None if there is none of that name."""
        for book in self._books.values():
            channel = book.channel_of(name)
            if channel is not None:
                return book.begin(channel, self._moment(), "requested")
        return None

    def load(self, stretch: Stretch) -> list[Encoded]:
        """Go on with the next stretch, when the last one is done; what is told of books not known before."""
        self._finish()
        self.stretch = stretch
        self._applied = self._next = self._trades = 0
        told: list[Encoded] = []
        for key in stretch.keys:
            if key not in self._books:
                book = self._add(key, None)
                told += [] if book is None else book.begin_all(self._moment())
        for book in self._books.values():
            book.fed = 0
        return told

    def _finish(self) -> None:
        """Apply what is left of the stretch: the beginning of events that end in the next one."""
        data = memoryview(self.stretch.data)
        self._apply(len(data), self._trades + 1)
        for book in self._books.values():
            if book.orders is not None and book.fed < len(data):
                book.orders.follow(data[book.fed :])
        self.position = self.stretch.position

    # -- event by event

    @property
    def next(self) -> End | None:
        """What ends next in this stretch."""
        ends = self.stretch.ends
        return ends[self._next] if self._next < len(ends) else None

    def play(self, now_s: float) -> list[Encoded]:
        """Apply up to the end of the next event, and tell it.

        Args:
            now_s: our time: of classes with a rate, what is not due by then is held back.
        """
        end = self.stretch.ends[self._next]
        self._next += 1
        self._apply(end.offset, end.trades)
        self.position, self.ts_recv = end.position, end.ts_recv
        at = self._moment()
        if not end.is_event:
            found = [book for key, book in self._books.items() if key.instrument_id == end.instrument_id]
            return [message for book in found for message in book.restate(at, whole=self._due(book, now_s))]
        book = self._books.get(end.key)
        if book is None:
            return []
        if book.orders is not None:
            book.orders.follow(memoryview(self.stretch.data)[book.fed : end.offset])
            book.fed = end.offset
        return book.event(at, whole=self._due(book, now_s))

    def _apply(self, offset: int, trades: int) -> None:
        data = memoryview(self.stretch.data)[self._applied : offset]
        if not data:
            return
        self._engine.apply(data)
        self._applied = offset
        if trades > self._trades and "trades" in self._shown.channels:
            found = forms.actions(data, b"T")
            for at in range(0, len(found), MBO_SIZE):
                key, trade = trade_of(found[at : at + MBO_SIZE])
                book = self._books.get(key)
                if book is not None:
                    book.pending.append(trade)
        self._trades = trades

    # -- what is held back

    def _due(self, book: BookFaces, now_s: float) -> bool:
        if self._shown.rate is None:
            return True
        if now_s < book.due_s:
            self._held[book.key] = None
            return False
        book.due_s = now_s + 1.0 / self._shown.rate
        self._held.pop(book.key, None)
        return True

    def held_until(self) -> float | None:
        """Until when (our time) the first of what is held back is; None if nothing is."""
        return min((self._books[key].due_s for key in self._held), default=None)

    def release(self, now_s: float) -> list[Encoded]:
        """What was held back, and is due now; infinity for all of it."""
        at, told = self._moment(), []
        for key in [key for key in self._held if self._books[key].due_s <= now_s]:
            book = self._books[key]
            told += book.restate(at, whole=self._due(book, now_s))
        return told
