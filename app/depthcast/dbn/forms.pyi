"""Pure functions over buffers of whole DBN records: what is in them, and what of them goes where.

All take any contiguous buffer of whole records of DBN version 3 layouts, with or without ``ts_out``, that
nobody changes meanwhile. They release the GIL over the larger ones. Where nothing is changed or left out, and
the buffer is `bytes`, that very object is given back.

Every function raises `RecordError` where the framing is broken (the rules of `depthcast.dbn.framing`) or the
buffer ends inside a record; `due_prefix`, `burst_prefix`, `prefix` and `first_ts_recv` look only at the
records they need.

A record's *ts_recv* is its ts_event where it has no ts_recv (ohlcv, symbol mappings, system and error
records, unknown ones).
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple, final

from _typeshed import ReadableBuffer

CONTROL: Final[bytes]
"""The mask of the rtypes that a gateway speaks with: error, symbol mapping and system records."""
NOT_MBO: Final[bytes]
"""The mask of all rtypes but MBO."""

class Span(NamedTuple):
    """What times a buffer's records have (ns). Undefined ones are ignored.

    A minimum is ``UNDEF_TIMESTAMP``, and a maximum 0, where no record has such a time: taking the lesser, and
    the greater, of two spans gives the span of both.
    """

    count: int  # type: ignore[assignment]  # tuple's method of that name is of no use here
    """Records."""
    min_ts_event: int
    max_ts_event: int
    min_ts_recv: int
    max_ts_recv: int
    max_snapshot_ts_recv: int
    """Of the MBO records flagged F_SNAPSHOT, whose ts_event is their order's and may be days old."""

@final
class IdSet:
    """An immutable set of instrument ids, which the functions here look up natively.

    Raises:
        ValueError: an id is not an integer from 0 to 2^32 - 1.
    """

    def __init__(self, instrument_ids: Iterable[int] = ()) -> None: ...
    def __contains__(self, instrument_id: object) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[int]:
        """In ascending order."""
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...

def rtype_mask(rtypes: Iterable[int]) -> bytes:
    """256 bytes, one for each rtype: 1 for those named. Make it once where it is used often.

    Raises:
        ValueError: an rtype is not from 0 to 255.
    """

def form(
    buffer: ReadableBuffer,
    *,
    instrument_ids: IdSet | None = None,
    rtypes: Collection[int] | bytes | None = None,
    ts_out: int | None = None,
) -> bytes:
    """The records of these instruments and these rtypes, each followed by ``ts_out`` (ns) if that is given.

    Args:
        buffer: whole records.
        instrument_ids: None for all.
        rtypes: the rtypes, or a mask of `rtype_mask`; None for all.
        ts_out: 8 bytes more behind each record, whose length byte counts them.

    Raises:
        RecordError: broken framing; a record to be stamped that has ts_out already, or would be too long.
        ValueError: a mask that is none.
    """

def plain(buffer: ReadableBuffer, drop: Collection[int] | bytes | None = ..., *, ts_out: bool) -> bytes:
    """The records as they are without a gateway: the dropped rtypes left out, and ts_out taken off.

    Args:
        buffer: whole records.
        drop: the rtypes to leave out, or a mask of `rtype_mask`; by default `CONTROL`, None for none.
        ts_out: the records have it.

    Raises:
        RecordError: broken framing; a record that is too short to have a ts_out.
    """

def actions(buffer: ReadableBuffer, wanted: bytes, *, ts_out: bool = False) -> bytes:
    """The MBO records of these actions (``b"T"``: the trades; ``b"TF"``: their fills too).

    With ``ts_out`` the records have it, and it is taken off.

    Raises:
        RecordError: broken framing; with ``ts_out`` a record of 56 bytes among those wanted.
    """

def others(buffer: ReadableBuffer) -> bytes:
    """The records that are not MBO."""

def since(buffer: ReadableBuffer, start: int, *, by_ts_recv: bool = False) -> bytes:
    """The records whose ts_event is ``start`` (ns) or later.

    Of MBO records flagged F_SNAPSHOT it is the ts_recv that counts; with ``by_ts_recv`` (for bbo) of all
    records. An undefined time is later than any.
    """

def shifted(buffer: ReadableBuffer, delta_ns: int, delta_sequence: int) -> bytes:
    """The records moved in time, for a source that is told again and again.

    ts_event and ts_recv grow by ``delta_ns`` (undefined ones stay), the venue's sequence by
    ``delta_sequence`` modulo 2^32.
    """

def count(buffer: ReadableBuffer) -> int:
    """How many records there are."""

def prefix(buffer: ReadableBuffer, records: int) -> int:
    """Bytes of the first so many records; of all where there are fewer."""

def event_prefix(buffer: ReadableBuffer) -> int:
    """Bytes of the longest prefix that ends with an MBO record flagged F_LAST or a record of another rtype.

    0 if there is none.
    """

def due_prefix(buffer: ReadableBuffer, ts_recv: int) -> tuple[int, int]:
    """The bytes and the number of the records before the first whose ts_recv (ns) is later than this.

    A record without a defined time is due with the one before it. Nothing behind the answer is looked at.
    """

def burst_prefix(buffer: ReadableBuffer, records: int, max_bytes: int) -> tuple[int, int]:
    """The bytes and the number of so many records and the rest of the event that the last of them is of.

    Fewer where the buffer ends, or with the record that reaches ``max_bytes``. At least one record is taken,
    if there is one. Nothing behind the answer is looked at.
    """

def first_ts_recv(buffer: ReadableBuffer) -> int:
    """The first ts_recv (ns) that is defined; ``UNDEF_TIMESTAMP`` if none is."""

def last_ts_recv(buffer: ReadableBuffer) -> int:
    """The last ts_recv (ns) that is defined; ``UNDEF_TIMESTAMP`` if none is."""

def span(buffer: ReadableBuffer) -> Span:
    """The number of the records, and the bounds of their times."""
