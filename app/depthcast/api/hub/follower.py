"""What a replica tells, handed on to the streams of its books."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from depthcast.api.hub.classes import StreamClass
from depthcast.api.hub.order_stream import OrderStream
from depthcast.api.hub.orders import BOOK_RTYPES
from depthcast.api.hub.ports import Clock
from depthcast.api.hub.stream import Stream
from depthcast.api.hub.trade_stream import TradeStream
from depthcast.api.hub.view import ReplicaView
from depthcast.book.types import BookKey
from depthcast.dbn.forms import IdSet, form
from depthcast.dbn.layout import MBO, MBO_SIZE
from depthcast.live.replica_types import FeedState, ResetReason

__all__ = ["Follower"]

K = TypeVar("K")
S = TypeVar("S")


class Follower:
    """The listener of one replica: it knows which streams each book concerns.

    Args:
        view: the replica.
        clock: the time.
        changed: called with each stream that has something to send.
        soon: called with each stream that is to send as soon as what is going on is over.
        at_once: called with each stream that is to send whether or not its time has come.
    """

    def __init__(
        self,
        view: ReplicaView,
        clock: Clock,
        changed: Callable[[Stream], None],
        soon: Callable[[Stream], None],
        at_once: Callable[[Stream], None],
    ) -> None:
        self.view = view
        self.wants_records = False
        self._clock = clock
        self._changed = changed
        self._soon = soon
        self._at_once = at_once
        self._streams: dict[StreamClass, Stream] = {}
        self._by_book: dict[BookKey, list[Stream]] = {}
        self._by_instrument: dict[int, list[Stream]] = {}
        self._trades: dict[int, list[TradeStream]] = {}
        self._orders: list[OrderStream] = []
        self._order_ids = IdSet()

    # -- streams

    @property
    def streams(self) -> list[Stream]:
        return list(self._streams.values())

    @property
    def order_books(self) -> int:
        return len(self._orders)

    def stream(self, of: StreamClass) -> Stream | None:
        return self._streams.get(of)

    def add(self, stream: Stream) -> None:
        of = stream.of
        self._streams[of] = stream
        if isinstance(stream, TradeStream):
            self._trades.setdefault(of.instrument_id, []).append(stream)
        elif of.publisher_id is None:
            self._by_instrument.setdefault(of.instrument_id, []).append(stream)
        else:
            self._by_book.setdefault(BookKey(of.publisher_id, of.instrument_id), []).append(stream)
        if isinstance(stream, OrderStream):
            self._orders.append(stream)
            self._orders_changed()

    def remove(self, stream: Stream) -> None:
        of = stream.of
        del self._streams[of]
        if isinstance(stream, TradeStream):
            _take_out(self._trades, of.instrument_id, stream)
        elif of.publisher_id is None:
            _take_out(self._by_instrument, of.instrument_id, stream)
        else:
            _take_out(self._by_book, BookKey(of.publisher_id, of.instrument_id), stream)
        if isinstance(stream, OrderStream):
            self._orders.remove(stream)
            self._orders_changed()

    def _orders_changed(self) -> None:
        self._order_ids = IdSet(stream.of.instrument_id for stream in self._orders)
        self.wants_records = bool(self._orders)

    # -- what the replica tells

    def on_records(self, records: memoryview) -> None:
        mine = form(records, instrument_ids=self._order_ids, rtypes=BOOK_RTYPES)
        if mine:
            for stream in self._orders:
                stream.follow(mine)

    def on_trades(self, records: bytes) -> None:
        if not self._trades:
            return
        now = self._clock()
        touched: dict[TradeStream, None] = {}
        ids = np.frombuffer(records, MBO)["instrument_id"].tolist()
        for number, instrument_id in enumerate(ids):
            for stream in self._trades.get(instrument_id, ()):
                full = stream.take(records[number * MBO_SIZE : (number + 1) * MBO_SIZE])
                stream.changed_ns = now
                touched[stream] = None
                if full:
                    self._at_once(stream)
        for stream in touched:
            if stream.pending and not stream.scheduled:
                self._changed(stream)

    def on_changed(self, keys: list[BookKey]) -> None:
        by_book, by_instrument = self._by_book, self._by_instrument
        now = self._clock()
        for key in keys:
            for stream in by_book.get(key, ()):
                stream.changed_ns = now
                if not stream.scheduled:
                    self._changed(stream)
            if by_instrument:
                for stream in by_instrument.get(key.instrument_id, ()):
                    stream.changed_ns = now
                    if not stream.scheduled:
                        self._changed(stream)

    def on_reset(self, reason: ResetReason) -> None:
        """All begins anew, in a moment: the state that goes with it is told after this."""
        now = self._clock()
        for stream in self.streams:
            stream.renew(reason)
            stream.changed_ns = now
            self._soon(stream)

    def on_state(self, state: FeedState) -> None:  # noqa: ARG002
        now = self._clock()
        for stream in self.streams:
            stream.changed_ns = now
            self._at_once(stream)

    def look_again(self, stream: Stream) -> None:
        """Find what no event tells: a changed phase, a book marked suspect. Now and then, not often."""
        if stream.waiting:
            stream.admit_waiting()
        if stream.restate() and not stream.scheduled:
            stream.changed_ns = self._clock()
            self._changed(stream)


def _take_out(table: dict[K, list[S]], key: K, stream: S) -> None:
    rest = table[key]
    rest.remove(stream)
    if not rest:
        del table[key]
