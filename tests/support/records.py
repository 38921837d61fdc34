"""Hand-made records: the bytes of one DBN record, with plain values where a test gives none."""

import struct
from collections.abc import Iterable
from typing import Final

from depthcast.dbn import layout
from depthcast.dbn.layout import LENGTH_WORD, Flags, RType

UNDEF_PRICE: Final = layout.UNDEF_PRICE
LAST: Final = int(Flags.LAST)
TOB: Final = int(Flags.TOB)
SNAPSHOT: Final = int(Flags.SNAPSHOT)
MBP: Final = int(Flags.MBP)
BAD_TS_RECV: Final = int(Flags.BAD_TS_RECV)
MAYBE_BAD: Final = int(Flags.MAYBE_BAD_BOOK)

PUBLISHER: Final = 1
INSTRUMENT: Final = 7

_MBO = struct.Struct("<BBHIQQqIBBBBQiI")
_HEADER = struct.Struct("<BBHIQ")


def mbo(
    action: str | int,
    side: str | int = "N",
    price: int = UNDEF_PRICE,
    size: int = 0,
    order_id: int = 0,
    flags: int = LAST,
    *,
    ts_event: int = 1,
    ts_recv: int = 1,
    sequence: int = 0,
    publisher_id: int = PUBLISHER,
    instrument_id: int = INSTRUMENT,
    ts_out: int | None = None,
) -> bytes:
    """One MBO record; 64 bytes long if ``ts_out`` is given."""
    tail = b"" if ts_out is None else struct.pack("<Q", ts_out)
    return (
        _MBO.pack(
            (_MBO.size + len(tail)) // LENGTH_WORD,
            RType.MBO,
            publisher_id,
            instrument_id,
            ts_event,
            order_id,
            price,
            size,
            flags,
            0,
            action if isinstance(action, int) else ord(action),
            side if isinstance(side, int) else ord(side),
            ts_recv,
            0,
            sequence,
        )
        + tail
    )


def add(order_id: int, side: str, price: int, size: int, flags: int = LAST, **fields: int) -> bytes:
    return mbo("A", side, price, size, order_id, flags, **fields)


def cancel(order_id: int, side: str, price: int, size: int, flags: int = LAST, **fields: int) -> bytes:
    return mbo("C", side, price, size, order_id, flags, **fields)


def modify(order_id: int, side: str, price: int, size: int, flags: int = LAST, **fields: int) -> bytes:
    return mbo("M", side, price, size, order_id, flags, **fields)


def fill(order_id: int, side: str, price: int, size: int, flags: int = 0, **fields: int) -> bytes:
    return mbo("F", side, price, size, order_id, flags, **fields)


def trade(side: str, price: int, size: int, flags: int = 0, **fields: int) -> bytes:
    return mbo("T", side, price, size, 0, flags, **fields)


def clear(flags: int = LAST, **fields: int) -> bytes:
    return mbo("R", "N", UNDEF_PRICE, 0, 0, flags, **fields)


def status(
    action: int, *, publisher_id: int = PUBLISHER, instrument_id: int = INSTRUMENT, size: int = 40
) -> bytes:
    """A Status record, cut or padded to ``size`` bytes."""
    header = _HEADER.pack(size // LENGTH_WORD, RType.STATUS, publisher_id, instrument_id, 1)
    return (header + struct.pack("<QHHHccc7x", 1, action, 0, 0, b"~", b"~", b"~")).ljust(size, b"\0")[:size]


def other(rtype: int, size: int = 48) -> bytes:
    """A record of some other type, its body filled with bytes that must not be read."""
    return _HEADER.pack(size // LENGTH_WORD, rtype, PUBLISHER, INSTRUMENT, 1).ljust(size, b"\xff")


def listing(records: Iterable[bytes]) -> str:
    """Records as lines to read, for the report of a failure."""
    lines = []
    for record in records:
        if record[1] != RType.MBO:
            lines.append(f"rtype {record[1]:#x}, {len(record)} bytes: {record[:40].hex()}")
            continue
        fields = _MBO.unpack_from(record)
        publisher, instrument, ts_event, order_id, price, size, flags, _, action, side = fields[2:12]
        lines.append(
            f"{publisher}/{instrument} {chr(action)} {chr(side)} id={order_id} price={price} size={size} "
            f"flags={flags:#04x} ts_event={ts_event} ts_recv={fields[12]} sequence={fields[14]}"
        )
    return "\n".join(lines)
