"""Finding and reading the records in a buffer, for the reference engine (docs/book.md, § Framing)."""

from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn.layout import HEADER_SIZE, LENGTH_WORD, MBO_SIZE, Flags, RType

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MBO_WITH_TS_OUT_SIZE: Final = MBO_SIZE + 8
MBO_STRUCT: Final = Struct("<BBHIQQqIBBccQiI")
"""`depthcast.dbn.layout.MBO` for single records; a test holds the two together."""

LAST: Final = int(Flags.LAST)
TOB: Final = int(Flags.TOB)
SNAPSHOT: Final = int(Flags.SNAPSHOT)
MBP: Final = int(Flags.MBP)
BAD_TS_RECV: Final = int(Flags.BAD_TS_RECV)
MAYBE_BAD: Final = int(Flags.MAYBE_BAD_BOOK)

RecordBuffer: TypeAlias = "ReadableBuffer | NDArray[Any]"
"""What holds records: anything with one run of bytes."""


class MboRecord(NamedTuple):
    """An MBO record's fields, in the order of `depthcast.dbn.layout.MBO`."""

    length: int
    rtype: int
    publisher_id: int
    instrument_id: int
    ts_event: int
    order_id: int
    price: int
    size: int
    flags: int
    channel_id: int
    action: bytes
    side: bytes
    ts_recv: int
    ts_in_delta: int
    sequence: int


def as_bytes(buffer: RecordBuffer) -> bytes:
    """The buffer's bytes, whatever the type of its items.

    Raises:
        BufferError: it is not contiguous.
    """
    if isinstance(buffer, np.ndarray):
        if not buffer.flags.c_contiguous:
            raise BufferError("pass contiguous bytes: the array is not C-contiguous")
        return buffer.tobytes()
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise BufferError("pass contiguous bytes: the view is not C-contiguous")
    return view.tobytes()


def mbo_at(data: bytes, offset: int) -> MboRecord:
    """The MBO record that begins at ``offset``."""
    return MboRecord._make(MBO_STRUCT.unpack_from(data, offset))


def framing_fault(data: bytes, offset: int) -> str | None:
    """What is wrong with a record's length byte, as far as its bytes are there (§ Framing)."""
    size = data[offset] * LENGTH_WORD
    if size < HEADER_SIZE:
        return f"length byte {data[offset]} is shorter than a record header: the stream is out of step"
    is_mbo = data[offset + 1 : offset + 2] == bytes([RType.MBO])
    if is_mbo and size not in {MBO_SIZE, MBO_WITH_TS_OUT_SIZE}:
        return f"an MBO record of {size} bytes: it has {MBO_SIZE}, or {MBO_WITH_TS_OUT_SIZE} with ts_out"
    return None


def cut_fault(data: bytes, offset: int) -> str | None:
    """Set if the buffer ends inside the record at ``offset``."""
    size, left = data[offset] * LENGTH_WORD, len(data) - offset
    return f"a record of {size} bytes, but only {left} are left: pass whole records" if size > left else None
