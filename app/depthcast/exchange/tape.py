"""Where records are written: a growing buffer, and the clock of the event being written.

One `struct` call a record, no Python object. Source of the layouts: Databento's DBN schema pages ("MBO",
"Status"); a test holds these bytes against ``databento_dbn``.
"""

from struct import Struct
from typing import Final

from depthcast.dbn.layout import LENGTH_WORD, MBO_SIZE, STATUS, Flags, RType

__all__ = ["Tape", "mbo_header", "status_header", "word"]

STATUS_SIZE: Final = STATUS.itemsize
FLAGS_FROM_END: Final = MBO_SIZE - 36
"""How far before the end of an MBO record its flags are."""
MIN_ROOM: Final = 1 << 16

# The header's first eight bytes are one number, flags to side another.
MBO_FIELDS: Final = Struct("<QQQqIIQiI")
STATUS_FIELDS: Final = Struct("<QQQHHHBBB7x")
LAST: Final = int(Flags.LAST)


def mbo_header(publisher_id: int, instrument_id: int) -> int:
    """The first eight bytes of a book's MBO records, as a number."""
    return _header(MBO_SIZE, RType.MBO, publisher_id, instrument_id)


def status_header(publisher_id: int, instrument_id: int) -> int:
    """The same of its Status records."""
    return _header(STATUS_SIZE, RType.STATUS, publisher_id, instrument_id)


def word(action: str, side: str, flags: int, channel_id: int) -> int:
    """Flags, channel, action and side of an MBO record, as a number."""
    return flags | channel_id << 8 | ord(action) << 16 | ord(side) << 24


def _header(size: int, rtype: int, publisher_id: int, instrument_id: int) -> int:
    return size // LENGTH_WORD | rtype << 8 | publisher_id << 16 | instrument_id << 32


class Tape:
    """Records, one after another, and the times they are written with.

    ``end`` is the offset after the last record in ``buffer``; ``records`` counts all that were ever written.
    """

    __slots__ = ("buffer", "end", "records", "ts_event", "ts_in_delta", "ts_recv")

    def __init__(self) -> None:
        self.buffer = bytearray(MIN_ROOM)
        self.end = 0
        self.records = 0
        self.ts_event = 0
        self.ts_recv = 0
        self.ts_in_delta = 0

    def stamp(self, ts_event: int, delay_ns: int, ts_in_delta: int) -> None:
        """Set the times of what is written next. ``ts_recv`` is ``delay_ns`` later, and never goes back."""
        self.ts_event = ts_event
        self.ts_recv = max(self.ts_recv, ts_event + delay_ns)
        self.ts_in_delta = ts_in_delta

    def put(self, header: int, order_id: int, price: int, size: int, word: int, sequence: int) -> None:
        """Write an MBO record of the present event."""
        after = (self.ts_recv, self.ts_in_delta, sequence)
        if self.end + MBO_SIZE > len(self.buffer):
            self._grow()
        MBO_FIELDS.pack_into(
            self.buffer, self.end, header, self.ts_event, order_id, price, size, word, *after
        )
        self.end += MBO_SIZE
        self.records += 1

    def put_snapshot(
        self,
        header: int,
        ts_event: int,
        order_id: int,
        price: int,
        size: int,
        word: int,
        sequence: int,
    ) -> None:
        """Write an MBO record of a snapshot: of the time of its order, and sent when it is received."""
        if self.end + MBO_SIZE > len(self.buffer):
            self._grow()
        fields = (header, ts_event, order_id, price, size, word, self.ts_recv, 0, sequence)
        MBO_FIELDS.pack_into(self.buffer, self.end, *fields)
        self.end += MBO_SIZE
        self.records += 1

    def put_status(
        self, header: int, action: int, reason: int, *, is_trading: bool, is_quoting: bool
    ) -> None:
        """Write a Status record."""
        if self.end + STATUS_SIZE > len(self.buffer):
            self._grow()
        trading, quoting = ("NY"[flag] for flag in (is_trading, is_quoting))
        fields = (action, reason, 0, ord(trading), ord(quoting), ord("~"))
        STATUS_FIELDS.pack_into(self.buffer, self.end, header, self.ts_event, self.ts_recv, *fields)
        self.end += STATUS_SIZE
        self.records += 1

    def _grow(self) -> None:
        self.buffer.extend(bytes(len(self.buffer)))

    def close_event(self) -> None:
        """Flag the record just written, an MBO record, as the last of its event."""
        self.buffer[self.end - FLAGS_FROM_END] |= LAST

    def take(self) -> bytes:
        """All that was written since the last take."""
        data = bytes(memoryview(self.buffer)[: self.end])
        self.end = 0
        return data
