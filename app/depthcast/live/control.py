"""The protocol's own records among the data, system, error and symbol mapping, and the stream's metadata.

They are DBN version 3 without ``ts_out``; the gateway's forms add that, as to any record. Their ``ts_event``
is when they were made, ns since the epoch: official clients take the last record's for where they stopped.
Symbol mappings are only read here; `depthcast.live.mappings` writes them, many at a time.
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from depthcast.dbn.framing import TS_OUT_SIZE
from depthcast.dbn.layout import ERROR, LENGTH_WORD, SYMBOL_MAPPING, SYSTEM, RType
from depthcast.dbn.metadata import make_metadata
from depthcast.errors import ProtocolError

__all__ = [
    "CONTROL_RTYPES",
    "STYPES",
    "Error",
    "ErrorCode",
    "SymbolMapping",
    "System",
    "SystemCode",
    "acknowledgement",
    "error",
    "heartbeat",
    "read_control",
    "session_metadata",
    "system",
]

CONTROL_RTYPES: Final = frozenset({RType.ERROR, RType.SYMBOL_MAPPING, RType.SYSTEM})

STYPES: Final = (
    "instrument_id",
    "raw_symbol",
    "smart",
    "continuous",
    "parent",
    "nasdaq_symbol",
    "cms_symbol",
    "isin",
    "us_code",
    "bbg_comp_id",
    "bbg_comp_ticker",
    "figi",
    "figi_ticker",
    "listing_id",
    "issuer_id",
    "security_id",
)
"""The symbologies; a name's place is its code in records."""


class SystemCode(IntEnum):
    """What a system record says."""

    HEARTBEAT = 0
    SUBSCRIPTION_ACK = 1
    SLOW_READER_WARNING = 2
    REPLAY_COMPLETED = 3
    END_OF_INTERVAL = 4
    UNSUBSCRIBE_ACK = 5
    UNSET = 255


class ErrorCode(IntEnum):
    """What an error record says. The gateway closes after all but 4, 7, and 5 for a late ``start``."""

    AUTH_FAILED = 1
    API_KEY_DEACTIVATED = 2
    CONNECTION_LIMIT_EXCEEDED = 3
    SYMBOL_RESOLUTION_FAILED = 4
    INVALID_SUBSCRIPTION = 5
    INTERNAL_ERROR = 6
    SKIPPED_RECORDS_AFTER_SLOW_READING = 7
    REPLAY_DATA_AGED_OUT = 8
    UNSET = 255


class System(NamedTuple):
    """A system record. ``code`` may be one that `SystemCode` does not know yet."""

    code: int
    msg: str
    ts_event: int


class Error(NamedTuple):
    """An error record. ``code`` may be one that `ErrorCode` does not know yet."""

    code: int
    msg: str
    is_last: bool
    ts_event: int


class SymbolMapping(NamedTuple):
    """What an instrument id stands for. A symbology's code that is not known reads as ``""``."""

    instrument_id: int
    stype_in: str
    stype_in_symbol: str
    stype_out: str
    stype_out_symbol: str
    start_ts: int
    end_ts: int
    ts_event: int


_LAYOUTS: Final = {RType.SYSTEM: SYSTEM, RType.ERROR: ERROR, RType.SYMBOL_MAPPING: SYMBOL_MAPPING}


def system(code: int, msg: str, *, ts_event: int) -> bytes:
    """A system record, 320 bytes. ``msg`` is cut to 302 bytes of UTF-8."""
    return _record(RType.SYSTEM, ts_event, msg=_text(msg, 303), code=code)


def heartbeat(*, ts_event: int) -> bytes:
    """The record that says the gateway lives, when there is nothing else to send."""
    return system(SystemCode.HEARTBEAT, "Heartbeat", ts_event=ts_event)


def acknowledgement(request_id: int | None, schema: str, *, ts_event: int) -> bytes:
    """The record that says a subscription was processed."""
    number = "" if request_id is None else f" {request_id}"
    msg = f"Subscription request{number} for {schema} data succeeded"
    return system(SystemCode.SUBSCRIPTION_ACK, msg, ts_event=ts_event)


def error(code: int, msg: str, *, ts_event: int, is_last: bool = True) -> bytes:
    """An error record, 320 bytes. ``msg`` is cut to 301 bytes of UTF-8."""
    return _record(RType.ERROR, ts_event, err=_text(msg, 302), code=code, is_last=is_last)


def session_metadata(dataset: str, start_ns: int, *, ts_out: bool = False) -> bytes:
    """The metadata a live stream begins with, 128 bytes: mixed schema and symbology, no symbols.

    Raises:
        ValueError: a dataset that DBN cannot hold.
    """
    return make_metadata(dataset, None, start_ns, stype_in=None, ts_out=ts_out).encode()


def read_control(record: bytes | memoryview) -> System | Error | SymbolMapping | None:
    """What a record says, with or without ``ts_out``; None where it is no control record.

    Raises:
        ProtocolError: a control record of another size than version 3 has.
    """
    dtype = _LAYOUTS.get(RType(record[1])) if record[1] in CONTROL_RTYPES else None
    if dtype is None:
        return None
    size = record[0] * LENGTH_WORD
    if size not in (dtype.itemsize, dtype.itemsize + TS_OUT_SIZE) or len(record) < size:
        raise ProtocolError(f"a {RType(record[1]).name} record of {size} bytes; it has {dtype.itemsize}")
    fields = np.frombuffer(record, dtype, count=1)[0]
    ts_event = int(fields["ts_event"])
    match record[1]:
        case RType.SYSTEM:
            return System(int(fields["code"]), _str(fields["msg"]), ts_event)
        case RType.ERROR:
            return Error(int(fields["code"]), _str(fields["err"]), bool(fields["is_last"]), ts_event)
    return SymbolMapping(
        int(fields["instrument_id"]),
        _stype(int(fields["stype_in"])),
        _str(fields["stype_in_symbol"]),
        _stype(int(fields["stype_out"])),
        _str(fields["stype_out_symbol"]),
        int(fields["start_ts"]),
        int(fields["end_ts"]),
        ts_event,
    )


def _record(rtype: RType, ts_event: int, **fields: bytes | int) -> bytes:
    record = np.zeros((), _LAYOUTS[rtype])
    record["length"] = record.itemsize // LENGTH_WORD
    record["rtype"] = rtype
    record["ts_event"] = ts_event
    for name, value in fields.items():
        record[name] = value
    return record.tobytes()


def _text(text: str, size: int) -> bytes:
    """UTF-8 that leaves room for the NUL, cut between characters; a NUL inside becomes a blank."""
    encoded = text.replace("\0", " ").encode(errors="replace")
    return encoded[: size - 1].decode(errors="ignore").encode()


def _str(field: bytes) -> str:
    return bytes(field).partition(b"\0")[0].decode(errors="replace")


def _stype(code: int) -> str:
    return STYPES[code] if code < len(STYPES) else ""
