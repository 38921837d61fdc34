"""How old records are: counts of durations in log-linear buckets, filled natively by whole buffers.

A bucket spans 1/32 of its power of two, so a percentile is at most 3.2 % too high. From 1 ns to 4.8 hours.
"""

from typing import final

from _typeshed import ReadableBuffer

@final
class Ages:
    """Counts of durations (ns). Less than 1 ns counts as 1, more than 4.8 hours as that."""

    def __init__(self) -> None: ...
    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def longest(self) -> int:
        """The longest, ns; 0 where there are none."""

    @property
    def total(self) -> int:
        """Their sum, ns."""

    def add(self, duration_ns: int, count: int = 1) -> None:
        """Count one duration so many times."""

    def add_ts_out(self, buffer: ReadableBuffer, now_ns: int) -> None:
        """Count how long ago each record's ts_out was: the last 8 bytes of whole records that have it.

        Raises:
            RecordError: broken framing; nothing is counted.
        """

    def add_ts_recv(self, buffer: ReadableBuffer, now_ns: int) -> None:
        """Count how long ago each MBO record's ts_recv was, but for snapshot records and undefined times.

        Raises:
            RecordError: broken framing; nothing is counted.
        """

    def percentile(self, share: float) -> int:
        """The duration (ns) that ``share`` (0 to 1) of all do not exceed, within 3.2 %; 0 for none."""

    def at_most(self, duration_ns: int) -> int:
        """How many are no longer than this, within its bucket: for a histogram of few, fixed bounds."""

    def since(self, earlier: Ages) -> Ages:
        """What was counted after ``earlier`` was copied; its ``longest`` is a bucket's upper end."""

    def copy(self) -> Ages:
        """The counts as they are now."""
