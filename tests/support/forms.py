"""The functions of depthcast.dbn.forms in plain Python, a record at a time: the second opinion on them."""

import struct
from collections.abc import Collection, Sequence
from typing import Final

from depthcast.dbn.layout import HEADER_SIZE, LENGTH_WORD, UNDEF_TIMESTAMP, Flags, RType
from depthcast.errors import RecordError

TS_OUT_SIZE: Final = 8
RECV_AT: Final = (
    dict.fromkeys([RType.STATUS, RType.INSTRUMENT_DEF, RType.IMBALANCE, RType.STATISTICS], 16)
    | dict.fromkeys([RType.MBP_0, RType.MBP_1, RType.MBP_10, RType.CMBP_1, RType.TCBBO], 32)
    | dict.fromkeys([RType.CBBO_1S, RType.CBBO_1M, RType.BBO_1S, RType.BBO_1M], 32)
    | {RType.MBO: 40}
)
SEQUENCE_AT: Final = dict.fromkeys(
    [RType.MBP_0, RType.MBP_1, RType.MBP_10, RType.BBO_1S, RType.BBO_1M], 44
) | {RType.MBO: 52, RType.STATISTICS: 48}


def split(buffer: bytes) -> list[bytes]:
    """The records."""
    records = []
    at = 0
    while at < len(buffer):
        size = buffer[at] * LENGTH_WORD
        broken = size < HEADER_SIZE or at + size > len(buffer)
        if broken or (buffer[at + 1] == RType.MBO and size not in (56, 64)):
            raise RecordError("broken", offset=at, applied=0)
        records.append(buffer[at : at + size])
        at += size
    return records


def ts_event(record: bytes) -> int:
    return int.from_bytes(record[8:16], "little")


def recv_at(record: bytes) -> int:
    at = RECV_AT.get(RType(record[1]) if record[1] in set(RType) else RType.ERROR, 8)
    return at if at + 8 <= len(record) else 8


def ts_recv(record: bytes) -> int:
    at = recv_at(record)
    return int.from_bytes(record[at : at + 8], "little")


def instrument_id(record: bytes) -> int:
    return int.from_bytes(record[4:8], "little")


def of_snapshot(record: bytes) -> bool:
    return record[1] == RType.MBO and bool(record[36] & Flags.SNAPSHOT)


def stamped(record: bytes, ts_out: int) -> bytes:
    return bytes([record[0] + 2]) + record[1:] + ts_out.to_bytes(TS_OUT_SIZE, "little")


def can_be_stamped(record: bytes) -> bool:
    return len(record) == 56 if record[1] == RType.MBO else record[0] <= 253


def can_be_stripped(record: bytes) -> bool:
    return len(record) == 64 if record[1] == RType.MBO else record[0] >= 6


def actions(buffer: bytes, wanted: bytes, *, ts_out: bool = False) -> bytes:
    kept = [record for record in split(buffer) if record[1] == RType.MBO and record[38] in wanted]
    for record in kept:
        if ts_out and not can_be_stripped(record):
            raise RecordError("no ts_out", offset=0, applied=0)
    return b"".join(bytes([14]) + record[1:56] if ts_out else record for record in kept)


def form(
    buffer: bytes,
    *,
    instrument_ids: Collection[int] | None = None,
    rtypes: Collection[int] | None = None,
    ts_out: int | None = None,
) -> bytes:
    kept = [
        record
        for record in split(buffer)
        if (instrument_ids is None or instrument_id(record) in instrument_ids)
        and (rtypes is None or record[1] in rtypes)
    ]
    if ts_out is None:
        return b"".join(kept)
    assert all(map(can_be_stamped, kept))
    return b"".join(stamped(record, ts_out) for record in kept)


def plain(buffer: bytes, drop: Collection[int], *, ts_out: bool) -> bytes:
    kept = [record for record in split(buffer) if record[1] not in drop]
    if not ts_out:
        return b"".join(kept)
    return b"".join(bytes([record[0] - 2]) + record[1:-TS_OUT_SIZE] for record in kept)


def others(buffer: bytes) -> bytes:
    return b"".join(record for record in split(buffer) if record[1] != RType.MBO)


def since(buffer: bytes, start: int, *, by_ts_recv: bool = False) -> bytes:
    return b"".join(
        record
        for record in split(buffer)
        if (ts_recv(record) if by_ts_recv or of_snapshot(record) else ts_event(record)) >= start
    )


def shifted(buffer: bytes, delta_ns: int, delta_sequence: int) -> bytes:
    out = bytearray()
    for record in split(buffer):
        moved = bytearray(record)
        for at in {8, recv_at(record)}:
            (time,) = struct.unpack_from("<Q", record, at)
            if time != UNDEF_TIMESTAMP:
                struct.pack_into("<Q", moved, at, (time + delta_ns) % 2**64)
        at = SEQUENCE_AT.get(RType(record[1]), 0) if record[1] in set(RType) else 0
        if at and at + 4 <= len(record):
            (sequence,) = struct.unpack_from("<I", record, at)
            struct.pack_into("<I", moved, at, (sequence + delta_sequence) % 2**32)
        out += moved
    return bytes(out)


def prefix(buffer: bytes, records: int) -> int:
    return sum(map(len, split(buffer)[:records]))


def event_prefix(buffer: bytes) -> int:
    records = split(buffer)
    while records and records[-1][1] == RType.MBO and not records[-1][36] & Flags.LAST:
        records.pop()
    return sum(map(len, records))


def due_prefix(buffer: bytes, now: int) -> tuple[int, int]:
    size = count = 0
    for record in split(buffer):
        if now < ts_recv(record) < UNDEF_TIMESTAMP:
            break
        size += len(record)
        count += 1
    return size, count


def burst_prefix(buffer: bytes, records: int, max_bytes: int) -> tuple[int, int]:
    size = count = 0
    for record in split(buffer):
        size += len(record)
        count += 1
        ends = record[1] != RType.MBO or record[36] & Flags.LAST
        if size >= max_bytes or (count >= records and ends):
            break
    return size, count


def defined(times: Sequence[int]) -> list[int]:
    return [time for time in times if time != UNDEF_TIMESTAMP]


def span(buffer: bytes) -> tuple[int, int, int, int, int, int]:
    records = split(buffer)
    events = defined([*map(ts_event, records)])
    received = defined([*map(ts_recv, records)])
    snapshots = defined([ts_recv(record) for record in records if of_snapshot(record)])
    return (
        len(records),
        min(events, default=UNDEF_TIMESTAMP),
        max(events, default=0),
        min(received, default=UNDEF_TIMESTAMP),
        max(received, default=0),
        max(snapshots, default=0),
    )
