"""A stream's records as the feed has them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn import RType, forms
from depthcast.dbn.layout import LENGTH_WORD, MBO_SIZE
from depthcast.dbn.metadata import DBN_VERSION
from depthcast.dbn.upgrade import upgraded

__all__ = ["is_mbo_only", "plain_records"]

_MBO_ONLY: Final = forms.rtype_mask({RType.MBO})
_MBO_HEAD: Final = MBO_SIZE // LENGTH_WORD | RType.MBO << 8
"""The first two bytes of an MBO record: its length and its rtype."""


def is_mbo_only(buffer: memoryview | bytes) -> bool:
    """Whether whole records are all MBO records without ts_out: the same in every version, and plain."""
    count, rest = divmod(len(buffer), MBO_SIZE)
    if rest or not count:
        return False
    heads: NDArray[np.uint16] = np.ndarray((count,), dtype="<u2", buffer=buffer, strides=(MBO_SIZE,))
    return bool((heads == _MBO_HEAD).all())


def plain_records(buffer: memoryview | bytes, version: int, *, ts_out: bool) -> bytes:
    """Whole records in DBN version 3 layouts, without ts_out and control records.

    Args:
        buffer: whole records.
        version: their version, 1 to 3.
        ts_out: they have a send time.

    Raises:
        RecordError: broken framing, or no record of that version; ``offset`` is in ``buffer``.
    """
    if version != DBN_VERSION:
        buffer = upgraded(bytes(buffer), version)
    data = forms.plain(buffer, ts_out=ts_out)
    mbo = forms.form(data, rtypes=_MBO_ONLY)
    if len(mbo) == forms.count(mbo) * MBO_SIZE:
        return data
    return _without_stray_ts_out(data)


def _without_stray_ts_out(data: bytes) -> bytes:
    """MBO records with a ts_out that the metadata did not announce (streams put together from others)."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + data[at] * LENGTH_WORD
        if data[at + 1] == RType.MBO and end - at > MBO_SIZE:
            pieces += (bytes([MBO_SIZE // LENGTH_WORD]), data[at + 1 : at + MBO_SIZE])
        else:
            pieces.append(data[at:end])
        at = end
    return b"".join(pieces)
