"""The channels of one book in a replay: what each event is told as."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from depthcast.api.hub.books import (
    Face,
    Place,
    bbo_message,
    decimal,
    read,
    snapshot_message,
    update_message,
)
from depthcast.api.hub.classes import Channel, StreamClass
from depthcast.api.hub.encoded import Encoded
from depthcast.api.hub.messages import (
    OrdersSnapshot,
    OrdersUpdate,
    Resync,
    Subscribed,
    Trade,
    Trades,
    encode,
)
from depthcast.api.hub.orders import OrderBook
from depthcast.api.hub.trade_stream import MBO_FIELDS
from depthcast.api.replay.messages import EPOCH, marked
from depthcast.book.engine import Engine
from depthcast.book.types import BookKey, BookStatus
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.errors import UnknownBookError

__all__ = ["UNBOUNDED", "BookFaces", "Moment", "Shown", "trade_of"]

UNBOUNDED: Final = 2**62
"""Of a replay every record is told one by one, however many there are."""


_NOTHING: Final = Face([], [], 0, 0, "empty", None, complete=False, suspect=False, stale=False)


class Shown(NamedTuple):
    """What a replay shows of each book.

    Attributes:
        name: the replay's.
        channels: those that are shown.
        depth: of the channel book.
        rate: messages of book and bbo a second; None for each change.
        dataset: of the journal.
    """

    name: str
    channels: Sequence[Channel]
    depth: int
    rate: int | None
    dataset: str


class Moment(NamedTuple):
    """When something is told: a position of the journal, its time, and the time of now (ns)."""

    position: int
    ts_replay: int
    now_ns: int


class BookFaces:
    """One book's classes.

    Args:
        key: the book.
        symbol: the instrument's name.
        shown: what is shown of it.
        engine: where the book is, or will be.
        orders: the book order by order, for that channel.
        announced: the names of classes that the reader knows: what it holds of them is void.
    """

    def __init__(
        self,
        key: BookKey,
        symbol: str,
        shown: Shown,
        engine: Engine,
        orders: OrderBook | None,
        announced: set[str],
    ) -> None:
        self.key = key
        self.orders = orders
        self.fed = 0
        """How much of the stretch the order book has been given."""
        self.pending: list[Trade] = []
        self.due_s = 0.0
        """When book and bbo may be told next, where their rate is bounded."""
        self._symbol = symbol
        self._shown = shown
        self._engine = engine
        self._announced = announced
        self._seqs: dict[Channel, int] = {}
        self._faces: dict[Channel, Face] = {}
        self._flags: tuple[object, ...] = ()
        self._classes = {channel: self._class_of(channel) for channel in shown.channels}

    def _class_of(self, channel: Channel) -> StreamClass:
        depth = {"book": self._shown.depth, "bbo": 1}.get(channel, 0)
        rate = (self._shown.rate or 0) if channel in ("book", "bbo") else 0
        return StreamClass(channel, self.key.instrument_id, self.key.publisher_id, depth, rate)

    def name(self, channel: Channel) -> str:
        """Of the class: the replay's name stands before what it would be called live."""
        return f"{self._shown.name}/{self._classes[channel].name}"

    def channel_of(self, name: str) -> Channel | None:
        """The channel of the class with that name."""
        return next((each for each in self._classes if self.name(each) == name), None)

    # -- what is told

    def event(self, at: Moment, *, whole: bool) -> list[Encoded]:
        """What an event of the book has done.

        Args:
            at: its end.
            whole: False where book and bbo are not to be told yet.
        """
        told: list[Encoded] = []
        for channel in self._shown.channels:
            if channel not in self._seqs:
                told += self.begin(channel, at)
            elif channel == "trades":
                told += self._tell_trades(at)
            elif channel == "orders":
                told += self._tell_orders(at, is_event=True)
            elif whole:
                told += self._tell_face(channel, at)
        self.pending.clear()
        return told

    def restate(self, at: Moment, *, whole: bool = True) -> list[Encoded]:
        """What has changed without an event: a status, or what was held back."""
        told: list[Encoded] = []
        for channel in self._seqs:
            if channel == "orders":
                told += self._tell_orders(at, is_event=False)
            elif channel != "trades" and whole:
                told += self._tell_face(channel, at)
        return told

    def begin_all(self, at: Moment) -> list[Encoded]:
        """All classes from the beginning, those that can be shown now."""
        return [message for channel in self._shown.channels for message in self.begin(channel, at)]

    def begin(self, channel: Channel, at: Moment, reason: str = "seek") -> list[Encoded]:
        """Announce a class, or say that what is held of it is void; then the whole of it.

        Nothing while its book is inside an event.
        """
        status = self._status()
        if status is not None and status.in_event:
            return []
        name = self.name(channel)
        known = name in self._announced
        self._announced.add(name)
        seq = at.position - bool(self.pending) if channel == "trades" else at.position
        told = [self._resync(name, reason, seq, at) if known else self._announcement(channel, seq, at)]
        self._seqs[channel] = seq
        if channel == "trades":
            return told + self._tell_trades(at)
        if channel == "orders":
            return [*told, self._orders_whole(name, at, status)]
        face = self._faces[channel] = self._read(channel) or _NOTHING
        return [*told, self._face_whole(channel, face, at, at.position)]

    def _announcement(self, channel: Channel, seq: int, at: Moment) -> Encoded:
        of = self._classes[channel]
        message = Subscribed(
            stream=self.name(channel),
            id=None,
            channel=channel,
            instrument=self._symbol,
            instrument_id=of.instrument_id,
            dataset=self._shown.dataset,
            publisher=of.publisher_id,
            depth=of.depth,
            rate=of.rate,
            epoch=EPOCH,
            seq=seq,
            feed="replay",
            resumed=False,
        )
        return _encoded("subscribed", encode(message), at)

    def _resync(self, name: str, reason: str, seq: int, at: Moment) -> Encoded:
        payload = encode(Resync(stream=name, reason=reason))  # type: ignore[arg-type]
        return _encoded("resync", payload[:-1] + b',"seq":%d}' % seq, at)

    # -- book and bbo

    def _read(self, channel: Channel) -> Face | None:
        of = self._classes[channel]
        return read(self._engine, of.instrument_id, of.publisher_id, (), of.depth, stale=False)

    def _tell_face(self, channel: Channel, at: Moment) -> list[Encoded]:
        face, before = self._read(channel), self._faces[channel]
        if face is None or face.shows_the_same(before):
            return []
        self._faces[channel] = face
        prev_seq, self._seqs[channel] = self._seqs[channel], at.position
        if channel == "bbo":
            return [self._face_whole(channel, face, at, prev_seq)]
        message = update_message(before, face, self._place(channel, at, prev_seq), self._shown.depth)
        return [_encoded("update", encode(message), at)]

    def _face_whole(self, channel: Channel, face: Face, at: Moment, prev_seq: int) -> Encoded:
        place = self._place(channel, at, prev_seq)
        if channel == "bbo":
            return _encoded("bbo", encode(bbo_message(face, place)), at)
        return _encoded("snapshot", encode(snapshot_message(face, place)), at)

    def _place(self, channel: Channel, at: Moment, prev_seq: int) -> Place:
        return Place(self.name(channel), EPOCH, prev_seq, at.position, at.now_ns, at.now_ns)

    # -- trades

    def _tell_trades(self, at: Moment) -> list[Encoded]:
        if not self.pending:
            return []
        prev_seq, self._seqs["trades"] = self._seqs["trades"], at.position
        message = Trades(
            stream=self.name("trades"),
            prev_seq=prev_seq,
            seq=at.position,
            ts_applied=str(at.now_ns),
            ts_send=str(at.now_ns),
            stale=False,
            trades=list(self.pending),
        )
        return [_encoded("trade", encode(message), at)]

    # -- orders

    def _tell_orders(self, at: Moment, *, is_event: bool) -> list[Encoded]:
        book, status = self.orders, self._status()
        if book is None or (status is not None and status.in_event):
            return []
        flags = _flags(status)
        if book.void is not None:
            return self.begin("orders", at, book.void)
        if not is_event and flags == self._flags:
            return []
        prev_seq, self._seqs["orders"] = self._seqs["orders"], at.position
        self._flags = flags
        top, phase, complete, suspect = flags
        message = OrdersUpdate(
            stream=self.name("orders"),
            prev_seq=prev_seq,
            seq=at.position,
            ts_event=str(status.version[0] if status is not None else 0),
            ts_applied=str(at.now_ns),
            ts_send=str(at.now_ns),
            top=top,
            phase=phase,
            complete=complete,
            suspect=suspect,
            stale=False,
            orders=book.changes,
            checksum=book.checksum(),
        )
        book.took()
        return [_encoded("order", encode(message), at)]

    def _orders_whole(self, name: str, at: Moment, status: BookStatus | None) -> Encoded:
        book = self.orders
        if book is None:
            raise ValueError("the orders of this book are not followed")
        top, phase, complete, suspect = self._flags = _flags(status)
        message = OrdersSnapshot(
            stream=name,
            epoch=EPOCH,
            seq=at.position,
            ts_event=str(status.version[0] if status is not None else 0),
            ts_applied=str(at.now_ns),
            ts_send=str(at.now_ns),
            top=top,
            phase=phase,
            complete=complete,
            suspect=suspect,
            stale=False,
            bids=book.queues("B"),
            asks=book.queues("A"),
            checksum=book.checksum(),
        )
        book.took()
        return _encoded("snapshot", encode(message), at)

    def _status(self) -> BookStatus | None:
        try:
            return self._engine.status(self.key.instrument_id, self.key.publisher_id)
        except UnknownBookError:
            return None


def trade_of(record: bytes) -> tuple[BookKey, Trade]:
    """A trade, and whose it is."""
    _, _, publisher_id, instrument_id, ts_event, _, price, size, _, _, _, side, ts_recv, _, sequence = (
        MBO_FIELDS.unpack_from(record)
    )
    trade = Trade(
        ts_event=str(ts_event),
        ts_recv=str(ts_recv),
        price=None if price == UNDEF_PRICE else decimal(price),
        size=size,
        side=side.decode("latin-1"),
        sequence=sequence,
        publisher_id=publisher_id,
    )
    return BookKey(publisher_id, instrument_id), trade


def _flags(status: BookStatus | None) -> tuple[str, str | None, bool, bool]:
    if status is None:
        return ("empty", None, False, False)
    return (status.top, status.phase, status.complete, status.suspect)


def _encoded(event: str, payload: bytes, at: Moment) -> Encoded:
    return Encoded(event, marked(payload, at.ts_replay), at.position)
