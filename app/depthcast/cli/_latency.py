"""How late records are, counted by whole chunks."""

import time
from typing import Final

from depthcast.dbn import forms
from depthcast.dbn.ages import Ages
from depthcast.dbn.layout import UNDEF_TIMESTAMP

__all__ = ["Latency"]

_LIVE_NS: Final = 3_600_000_000_000
"""A ts_recv farther than this from now is of recorded data, and no measure of latency."""


class Latency:
    """From a record's own time to when it was applied: ``ts_out`` if there is, else ``ts_recv`` of live data.

    Both are times of other machines' clocks: across machines a difference of clocks is in it.

    Attributes:
        since: which time it counts from; None where the records have none that is of now.
        ages: how late they were.
    """

    def __init__(self, *, ts_out: bool) -> None:
        self.since: str | None = "ts_out" if ts_out else None
        self.ages = Ages()
        self._decided = ts_out

    def applied(self, records: memoryview) -> None:
        """These records have just been applied. Without ts_out only MBO records count."""
        now = time.time_ns()
        if self.since == "ts_out":
            self.ages.add_ts_out(records, now)
            return
        if not self._decided:
            last = forms.last_ts_recv(records)
            self._decided = True
            if last != UNDEF_TIMESTAMP and abs(now - last) < _LIVE_NS:
                self.since = "ts_recv"
        if self.since is not None:
            self.ages.add_ts_recv(records, now)
