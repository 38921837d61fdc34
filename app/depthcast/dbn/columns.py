"""Columns of a chunk: the same fields of many records at once, as numpy arrays.

A chunk is whole, good records, as `DBNReader.chunks` gives them.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn import layout
from depthcast.dbn.framing import record_starts
from depthcast.dbn.layout import HEADER_SIZE, LENGTH_WORD, UNDEF_TIMESTAMP, RType

__all__ = ["Chunk", "split"]


class Chunk(NamedTuple):
    """A chunk taken apart.

    ``starts`` and ``ends`` are the byte offsets of all its records; ``is_mbo`` says which of them are MBO
    records, and ``mbo`` holds those, a copy of 56 bytes each (without ``ts_out``). ``ts_recv`` is of all: 0
    where a type has none, or it is undefined.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    is_mbo: NDArray[np.bool_]
    mbo: NDArray[np.void]
    ts_recv: NDArray[np.uint64]


def split(chunk: memoryview) -> Chunk:
    """Take a chunk apart; some tens of ns a record."""
    data = np.frombuffer(chunk, dtype=np.uint8)
    starts = record_starts(data, 0, len(data))
    ends = starts + data[starts].astype(np.int64) * LENGTH_WORD
    rtypes = data[starts + 1]
    is_mbo = rtypes == RType.MBO
    mbo = _pick(chunk, starts[is_mbo], layout.MBO)
    mbo["length"] = layout.MBO_SIZE // LENGTH_WORD
    return Chunk(starts, ends, is_mbo, mbo, _ts_recv(chunk, starts, ends, rtypes))


def _pick(chunk: memoryview, starts: NDArray[np.int64], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """The records (or fields) of ``dtype`` that begin at ``starts``, all on a length word: a copy."""
    if len(starts) == 0:
        return np.empty(0, dtype=dtype)
    places = (len(chunk) - dtype.itemsize) // LENGTH_WORD + 1
    overlapping = np.ndarray((places,), dtype=dtype, buffer=chunk, strides=(LENGTH_WORD,))
    picked: NDArray[np.void] = overlapping[starts // LENGTH_WORD]
    return picked


def _offset_of_ts_recv() -> NDArray[np.int64]:
    """Where ``ts_recv`` is in a record of each rtype, 0 where there is none."""
    offsets = np.zeros(256, dtype=np.int64)
    trades = layout.TRADE, (RType.MBP_0, RType.MBP_1, RType.MBP_10, RType.CMBP_1, RType.TCBBO)
    bbos = layout.BBO, (RType.BBO_1S, RType.BBO_1M, RType.CBBO_1S, RType.CBBO_1M)
    for dtype, rtypes in (trades, bbos, (layout.MBO, (RType.MBO,)), (layout.STATUS, (RType.STATUS,))):
        offsets[list(rtypes)] = dtype.fields["ts_recv"][1] if dtype.fields else 0
    # Their first field after the header.
    offsets[[RType.INSTRUMENT_DEF, RType.IMBALANCE, RType.STATISTICS]] = HEADER_SIZE
    return offsets


_TS_RECV_OFFSET: Final = _offset_of_ts_recv()
_U64: Final = np.dtype([("value", "<u8")])


def _ts_recv(
    chunk: memoryview, starts: NDArray[np.int64], ends: NDArray[np.int64], rtypes: NDArray[np.uint8]
) -> NDArray[np.uint64]:
    offsets = _TS_RECV_OFFSET[rtypes]
    has = (offsets > 0) & (starts + offsets + _U64.itemsize <= ends)
    found = np.zeros(len(starts), dtype=np.uint64)
    found[has] = _pick(chunk, (starts + offsets)[has], _U64)["value"]
    found[found == UNDEF_TIMESTAMP] = 0
    return found
