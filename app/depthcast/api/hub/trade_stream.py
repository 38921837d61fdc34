"""The channel trades: every trade, once, in batches of a tick."""

from struct import Struct as Layout
from typing import ClassVar, Final

from depthcast.api.hub.books import decimal
from depthcast.api.hub.classes import StreamClass
from depthcast.api.hub.encoded import Encoded
from depthcast.api.hub.messages import Trade, Trades, encode
from depthcast.api.hub.status_stream import class_status
from depthcast.api.hub.stream import Numbering, Stream
from depthcast.api.hub.view import ReplicaView
from depthcast.dbn.layout import UNDEF_PRICE

__all__ = ["MBO_FIELDS", "TradeStream"]

MBO_FIELDS: Final = Layout("<BBHIQQqIBBccQiI")
"""An MBO record: length, rtype, publisher, instrument, ts_event, order, price, size, flags, channel, action,
side, ts_recv, ts_in_delta, sequence."""


class TradeStream(Stream):
    """The trades of an instrument. None is left out: who falls too far behind is closed."""

    __slots__ = ("_instrument", "_pending", "_reason", "_stale", "_view")

    lossless: ClassVar[bool] = True
    has_snapshot: ClassVar[bool] = False

    def __init__(
        self, of: StreamClass, numbering: Numbering, phase: float, view: ReplicaView, instrument: str
    ) -> None:
        super().__init__(of, numbering, phase)
        self._view = view
        self._instrument = instrument
        self._pending: list[Trade] = []
        self._reason: str | None = None
        self._stale = view.stale

    def take(self, record: bytes) -> bool:
        """A trade, as an MBO record of 56 bytes; True if so many are held back that they are to go now."""
        _, _, publisher_id, _, ts_event, _, price, size, _, _, _, side, ts_recv, _, sequence = (
            MBO_FIELDS.unpack(record)
        )
        if self.of.publisher_id is not None and publisher_id != self.of.publisher_id:
            return False
        self._pending.append(
            Trade(
                ts_event=str(ts_event),
                ts_recv=str(ts_recv),
                price=None if price == UNDEF_PRICE else decimal(price),
                size=size,
                side=side.decode("latin-1"),
                sequence=sequence,
                publisher_id=publisher_id,
            )
        )
        self.numbering.counters.trades += 1
        return len(self._pending) >= self.numbering.options.pending_trades

    @property
    def pending(self) -> int:
        return len(self._pending)

    def flush(self) -> bool:
        if self._pending:
            self._send_pending()
        if self._reason is not None:
            self.numbering.counters.resyncs += 1
            resync = self.resync(self._reason)
            self.announce(resync.event, resync.payload)
            self._reason = None
        if self._stale != self._view.stale:
            self._stale = self._view.stale
            self.announce("status", self.status())
        self.admit_waiting()
        return True

    def snapshot(self) -> list[Encoded]:
        """Nothing: the next message is the first one that counts."""
        return []

    def renew(self, reason: str) -> None:
        self._reason = reason

    def restate(self) -> bool:
        return self._stale != self._view.stale

    def _send_pending(self) -> None:
        numbering = self.numbering
        prev_seq, seq = self.next_place()
        trades, self._pending = self._pending, []
        message = Trades(
            stream=self.name,
            prev_seq=prev_seq,
            seq=seq,
            ts_applied=str(self.changed_ns),
            ts_send=str(numbering.clock()),
            stale=self._view.stale,
            trades=trades,
        )
        self.publish(self.message("trade", encode(message), seq))

    @property
    def stale(self) -> bool:
        return self._view.stale

    def status(self) -> bytes:
        """A trade tells nothing of the feed while there is none: the state is sent by itself."""
        return class_status(self._view, self.of, self._instrument, self.numbering)
