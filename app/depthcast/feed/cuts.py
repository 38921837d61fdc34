"""Where runs of records may be cut."""

from depthcast.dbn import forms
from depthcast.dbn.layout import MBO_SIZE

__all__ = ["event_cut", "whole_prefix"]


def whole_prefix(view: memoryview, max_bytes: int) -> int:
    """Bytes of a run of whole records at the front, at most ``max_bytes`` but one record at least.

    Of MBO records it is the longest such run; where many are shorter than those it may be less than that.
    """
    records = max(max_bytes // MBO_SIZE, 1)
    while (size := forms.prefix(view, records)) > max_bytes and records > 1:
        records = max(records * max_bytes // size, 1)
    return size


def event_cut(view: memoryview, max_bytes: int) -> int:
    """The same, up to the last event end in it if there is one."""
    size = whole_prefix(view, max_bytes)
    return size if size == len(view) else forms.event_prefix(view[:size]) or size
