"""A stream's records as the feed has them."""

from typing import Final

from depthcast.dbn import RType, forms
from depthcast.dbn.layout import LENGTH_WORD, MBO_SIZE
from depthcast.dbn.metadata import DBN_VERSION
from depthcast.dbn.upgrade import upgraded

__all__ = ["plain_records"]

_MBO_ONLY: Final = forms.rtype_mask({RType.MBO})


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
