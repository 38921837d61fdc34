"""Who sends when: every session with something to send has its turn, and nobody takes the loop for long."""

import asyncio
import time
from typing import Final

from depthcast.live.feed_view import FeedView
from depthcast.live.sender import Sender

__all__ = ["Turns"]

LONG_PASS_S: Final = 0.0002
"""Where going through all sessions takes longer, batches are worth gathering for it."""


class Turns:
    """The sessions that are not blocked, and when they are next asked to send.

    Args:
        view: the feed.
        coalesce_s: batches are gathered up to so long, where a pass over all sessions takes long.
    """

    def __init__(self, view: FeedView, coalesce_s: float) -> None:
        self.ready: dict[int, Sender] = {}
        self._view = view
        self._head = self._derived = -1
        self._coalesce_s = coalesce_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due: asyncio.Handle | None = None
        self._gathering: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to give turns, on this loop."""
        self._loop = loop

    def wake(self) -> None:
        """There is something new: give turns now, unless that is about to happen."""
        if self.ready and self._due is None and self._gathering is None:
            self._pass(everybody=False)

    def again(self) -> None:
        """Give turns after whatever else the loop has to do."""
        if self._due is None and self._gathering is None and self._loop is not None:
            self._due = self._loop.call_soon(self._pass_due)

    def close(self) -> None:
        """Give no more turns."""
        self._loop = None
        for handle in (self._due, self._gathering):
            if handle is not None:
                handle.cancel()

    def _pass_due(self) -> None:
        self._due = None
        self._pass(everybody=True)

    def _pass_gathered(self) -> None:
        self._gathering = None
        self._pass(everybody=True)

    def _pass(self, *, everybody: bool) -> None:
        """A turn for every session that is not blocked; or for those alone for whom the feed has gone on.

        If that took long, the next one waits a little, so that there is time for something else, and more to
        send in one go.
        """
        begun = time.perf_counter()
        head, derived = self._view.head, self._view.derived
        for_live, for_derived = everybody or head != self._head, everybody or derived != self._derived
        self._head, self._derived = head, derived
        for sender in tuple(self.ready.values()):
            try:
                if for_derived if sender.flow.follows_derived else for_live:
                    sender.pump()
            except Exception as error:
                sender.fail(error)
        took = time.perf_counter() - begun
        if took > LONG_PASS_S and self._due is None and len(self.ready) > 1 and self._loop is not None:
            self._gathering = self._loop.call_later(min(self._coalesce_s, took), self._pass_gathered)
