"""What to ask for after a lost connection, and what of the answer is new.

Three modes. ``start``: a replay from a time before the cut, of which exactly the records seen before are
dropped: nothing is lost, nothing handed on twice. ``snapshot``: whole books again. ``none``: live data as it
comes. In the last two, and where a replay is refused, a gap is told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Literal

from depthcast.dbn.layout import RType
from depthcast.dbn.received import Marks, first_time
from depthcast.live.control import ErrorCode
from depthcast.live.events import Gap, Resumed
from depthcast.live.requests import SubscriptionRequest

__all__ = ["REFUSALS", "RTYPE_OF", "Mode", "Resumption"]

Mode = Literal["start", "snapshot", "none"]

RTYPE_OF: Final[dict[str, int]] = {
    "mbo": RType.MBO,
    "mbp-1": RType.MBP_1,
    "mbp-10": RType.MBP_10,
    "tbbo": RType.MBP_1,
    "trades": RType.MBP_0,
    "bbo-1s": RType.BBO_1S,
    "bbo-1m": RType.BBO_1M,
    "ohlcv-1s": RType.OHLCV_1S,
    "ohlcv-1m": RType.OHLCV_1M,
    "ohlcv-1h": RType.OHLCV_1H,
    "ohlcv-1d": RType.OHLCV_1D,
    "definition": RType.INSTRUMENT_DEF,
    "statistics": RType.STATISTICS,
    "status": RType.STATUS,
    "imbalance": RType.IMBALANCE,
    "cmbp-1": RType.CMBP_1,
    "cbbo-1s": RType.CBBO_1S,
    "cbbo-1m": RType.CBBO_1M,
    "tcbbo": RType.TCBBO,
}
"""The rtype of a schema's records. mbp-1 and tbbo have one rtype: a session has one of them at most."""

_SECOND_NS: Final = 1_000_000_000
_BAR_NS: Final = {
    "ohlcv-1s": _SECOND_NS,
    "ohlcv-1m": 60 * _SECOND_NS,
    "ohlcv-1h": 3_600 * _SECOND_NS,
    "ohlcv-1d": 86_400 * _SECOND_NS,
}
"""A bar is sent when it ends and bears the time when it began."""

REFUSALS: Final = (ErrorCode.INVALID_SUBSCRIPTION, ErrorCode.REPLAY_DATA_AGED_OUT)
"""Errors that refuse what was asked for: a subscription, or its replay."""


class Resumption:
    """The memory of a subscriber over its sessions.

    Args:
        mode: see above.
        snapshots_by_ts_recv, ts_out: see `Marks`.

    Attributes:
        catching_up: records are to go through `unseen`. While False, in mode ``start`` through `see`, in
            the others nowhere.
        asked: the schemas whose replay this session asked for to resume.
        in_gap: records were missed, and the gap is not told yet.
    """

    def __init__(self, mode: Mode, *, snapshots_by_ts_recv: bool = True, ts_out: bool = False) -> None:
        self.mode = mode
        self.catching_up = False
        self.in_gap = False
        self._new_marks = partial(Marks, snapshots_by_ts_recv=snapshots_by_ts_recv, ts_out=ts_out)
        self._marks = self._new_marks()
        self._gap_from: int | None = None
        self._gap_reason = ""
        self._refused = False
        self.asked: frozenset[str] = frozenset()
        self._completed = 0
        self._expected = 0
        self._dropping = 0

    # --------------------------------------------------------------- between sessions

    def requests(
        self, subscriptions: Sequence[SubscriptionRequest], *, first: bool
    ) -> list[SubscriptionRequest]:
        """The lines for the next session. ``first``: no session has streamed yet."""
        self.asked, self._completed, self._expected = frozenset(), 0, 0
        self.catching_up = False
        if first:
            self._expect(subscriptions)
            return list(subscriptions)
        if self.mode == "snapshot":
            return [
                replace(each, start=None, snapshot=each.snapshot or each.schema == "mbo")
                for each in subscriptions
            ]
        if self.mode == "none" or self._refused:
            self._forget()
            return [replace(each, start=None) for each in subscriptions]
        starts = self._starts({each.schema for each in subscriptions})
        lines = [
            replace(each, start=starts.get(each.schema), snapshot=False) if each.schema in starts else each
            for each in subscriptions
        ]
        self.asked = frozenset(starts)
        self._expected = len(starts)
        if starts:
            self._dropping = self._marks.replay({RTYPE_OF[schema] for schema in starts})
            self.catching_up = True
        else:  # nothing was seen: there is no knowing what was missed
            self.in_gap = True
        return lines

    def lost(self, *, streamed: bool, last_time: int, code: int | None, reason: str) -> None:
        """A session is over. ``code`` is the gateway's error, if one ended it."""
        if self.asked and code in REFUSALS:
            self._refused = True
            reason = f"no replay: {reason}"
        if not self.in_gap:
            self._gap_from, self._gap_reason = last_time or None, reason
        whole = self.mode == "start" and not self._refused
        if not whole and (streamed or self._refused):
            self.in_gap = True

    # ------------------------------------------------------------------ in a session

    def see(self, records: memoryview) -> None:
        """Records were handed on (mode ``start``)."""
        self._marks.see(records)

    def unseen(self, records: memoryview) -> bytes:
        """Those of the records that were not handed on before; to be called while `catching_up`."""
        return self._marks.unseen(records)

    def completed(self) -> list[Resumed | Gap]:
        """The gateway said that the replay of a schema is complete; as `caught_up`."""
        self._completed += 1
        if self._completed >= self._expected:
            self._marks.complete()
        return self.caught_up() if self.catching_up else []

    def caught_up(self) -> list[Resumed | Gap]:
        """To be called while `catching_up`: what to tell where it is over, else nothing."""
        if self._marks.pending and not self._marks.overdue:
            return []
        self.catching_up = False
        pending = self._marks.pending
        mismatched = self._marks.give_up()
        told: list[Resumed | Gap] = []
        if mismatched:
            told.append(Gap(None, None, "the replay was not what had been seen"))
        return [*told, Resumed(self._dropping - pending, mismatched)]

    def gap_to(self, records: memoryview) -> Gap:
        """The gap that ends with these records; to be called while ``in_gap``."""
        self.in_gap = False
        return Gap(self._gap_from, first_time(records), self._gap_reason)

    # ------------------------------------------------------------------------- inside

    def _expect(self, subscriptions: Iterable[SubscriptionRequest]) -> None:
        """What was asked for from a time on was seen from there on."""
        if self.mode != "start":
            return
        for each in subscriptions:
            if each.start is not None:
                self._marks.begin(RTYPE_OF[each.schema], each.start)

    def _starts(self, schemas: set[str]) -> dict[str, int]:
        """Where each schema's replay is to begin.

        A schema of which nothing was seen begins where the others do: nothing of it is lost, and there is
        nothing to drop.
        """
        known = {
            schema: start for schema in schemas if (start := self._marks.start(RTYPE_OF[schema])) is not None
        }
        if not known:
            return {}
        lowest = min(known.values())
        return {schema: known.get(schema, max(0, lowest - _BAR_NS.get(schema, 0))) for schema in schemas}

    def _forget(self) -> None:
        """Live data goes on after a gap: what was seen before is no part of a later replay."""
        self._marks = self._new_marks()
        self._refused = False
