"""Snapshots for sessions that join, one for all that want the same at about the same time."""

import asyncio
from typing import Final

from depthcast.live.feed_view import FeedView, Snapshot

__all__ = ["SnapshotDesk"]

SHARED_FOR_S: Final = 1.0


class SnapshotDesk:
    """Asks the feed for snapshots, and keeps an answer for a moment."""

    def __init__(self, view: FeedView) -> None:
        self._view = view
        self._asked: dict[frozenset[int] | None, tuple[int, asyncio.Task[Snapshot]]] = {}
        self._recent: dict[frozenset[int] | None, Snapshot] = {}

    async def get(self, instrument_ids: frozenset[int] | None, at_least: int = 0) -> Snapshot:
        """A snapshot at an index that is not before ``at_least`` (which `FeedView.derived` has reached)."""
        recent = self._recent.get(instrument_ids)
        middle = (self._view.tail + self._view.head) // 2
        if recent is not None and recent.index >= max(at_least, middle):
            return recent
        asked = self._asked.get(instrument_ids)
        if asked is None or asked[0] < at_least:
            task = asyncio.ensure_future(self._ask(instrument_ids))
            asked = self._asked[instrument_ids] = self._view.derived, task
            task.add_done_callback(lambda task: self._answered(instrument_ids, task))
        return await asyncio.shield(asked[1])

    async def _ask(self, instrument_ids: frozenset[int] | None) -> Snapshot:
        return await self._view.snapshot(instrument_ids)

    def _answered(self, instrument_ids: frozenset[int] | None, task: "asyncio.Task[Snapshot]") -> None:
        asked = self._asked.get(instrument_ids)
        if asked is not None and asked[1] is task:
            del self._asked[instrument_ids]
        if not task.cancelled() and task.exception() is None:
            snapshot = self._recent[instrument_ids] = task.result()
            asyncio.get_running_loop().call_later(SHARED_FOR_S, self._forget, instrument_ids, snapshot)

    def _forget(self, instrument_ids: frozenset[int] | None, snapshot: Snapshot) -> None:
        if self._recent.get(instrument_ids) is snapshot:
            del self._recent[instrument_ids]
