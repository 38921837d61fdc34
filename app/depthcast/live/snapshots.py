"""Snapshots for sessions that join, one for all that want the same at about the same time."""

import asyncio
from typing import Final

from depthcast.live.feed_view import FeedView, Snapshot

__all__ = ["SnapshotDesk"]

SHARED_FOR_S: Final = 1.0

_Wanted = tuple[str, frozenset[int] | None]
"""A schema, and instruments of it (None: all)."""


class SnapshotDesk:
    """Asks the feed for snapshots, and keeps an answer for a moment."""

    def __init__(self, view: FeedView) -> None:
        self._view = view
        self._asked: dict[_Wanted, tuple[int, asyncio.Task[Snapshot]]] = {}
        self._recent: dict[_Wanted, Snapshot] = {}

    async def get(
        self, instrument_ids: frozenset[int] | None, at_least: int = 0, *, schema: str = "mbo"
    ) -> Snapshot:
        """A snapshot at an index that is not before ``at_least`` (which `FeedView.derived` has reached)."""
        wanted = schema, instrument_ids
        recent = self._recent.get(wanted)
        middle = (self._view.tail + self._view.head) // 2
        if recent is not None and recent.index >= max(at_least, middle):
            return recent
        asked = self._asked.get(wanted)
        if asked is None or asked[0] < at_least:
            task = asyncio.ensure_future(self._ask(wanted))
            asked = self._asked[wanted] = self._view.derived, task
            task.add_done_callback(lambda task: self._answered(wanted, task))
        return await asyncio.shield(asked[1])

    async def _ask(self, wanted: _Wanted) -> Snapshot:
        schema, instrument_ids = wanted
        return await self._view.snapshot(instrument_ids, schema)

    def _answered(self, wanted: _Wanted, task: "asyncio.Task[Snapshot]") -> None:
        asked = self._asked.get(wanted)
        if asked is not None and asked[1] is task:
            del self._asked[wanted]
        if not task.cancelled() and task.exception() is None:
            snapshot = self._recent[wanted] = task.result()
            asyncio.get_running_loop().call_later(SHARED_FOR_S, self._forget, wanted, snapshot)

    def _forget(self, wanted: _Wanted, snapshot: Snapshot) -> None:
        if self._recent.get(wanted) is snapshot:
            del self._recent[wanted]
