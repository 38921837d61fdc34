"""Events of several books with their records mixed, as a channel of many instruments may send them."""

from struct import Struct
from typing import Final

from depthcast.dbn.layout import LENGTH_WORD, Flags, RType
from depthcast.exchange.draws import Stream

__all__ = ["interleave"]

MBO_TS_RECV: Final = 40
MBO_FLAGS: Final = 36
STATUS_TS_RECV: Final = 16
TS_RECV: Final = Struct("<Q")
TS_RECV_AND_DELTA: Final = Struct("<Qi")
SNAPSHOT: Final = int(Flags.SNAPSHOT)


def interleave(events: list[bytes], stream: Stream) -> bytes:
    """The records of ``events``, mixed; each event keeps its own order. All arrive with the last one."""
    queues = [_records(event) for event in events]
    received = max(_ts_recv(record) for queue in queues for record in queue)
    for queue in queues:
        queue.reverse()
    out = bytearray()
    while queues:
        at = stream.below(len(queues))
        out += _received_at(queues[at].pop(), received)
        if not queues[at]:
            del queues[at]
    return bytes(out)


def _records(event: bytes) -> list[bytes]:
    at, records = 0, []
    while at < len(event):
        end = at + event[at] * LENGTH_WORD
        records.append(event[at:end])
        at = end
    return records


def _ts_recv(record: bytes) -> int:
    offset = MBO_TS_RECV if record[1] == RType.MBO else STATUS_TS_RECV
    received: int = TS_RECV.unpack_from(record, offset)[0]
    return received


def _received_at(record: bytes, ts_recv: int) -> bytes:
    """The record, received later: it was sent at the same time, unless it is of a snapshot."""
    if record[1] != RType.MBO:
        return record[:STATUS_TS_RECV] + TS_RECV.pack(ts_recv) + record[STATUS_TS_RECV + TS_RECV.size :]
    before, delta = TS_RECV_AND_DELTA.unpack_from(record, MBO_TS_RECV)
    if not record[MBO_FLAGS] & SNAPSHOT:
        delta += ts_recv - before
    end = MBO_TS_RECV + TS_RECV_AND_DELTA.size
    return record[:MBO_TS_RECV] + TS_RECV_AND_DELTA.pack(ts_recv, delta) + record[end:]
