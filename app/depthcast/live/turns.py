"""Who sends when: every session with something to send has its turn, and nobody takes the loop for long."""

import asyncio
import time
from typing import Final

from depthcast.live.sender import Sender

__all__ = ["Turns"]

LONG_PASS_S: Final = 0.0005
"""Where going through all sessions takes longer, batches are worth gathering for it."""


class Turns:
    """The sessions that are not blocked, and when they are next asked to send.

    Args:
        coalesce_s: batches are gathered up to so long, where a pass over all sessions takes long.
    """

    def __init__(self, coalesce_s: float) -> None:
        self.ready: dict[int, Sender] = {}
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
            self._pass()

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
        self._pass()

    def _pass_gathered(self) -> None:
        self._gathering = None
        self._pass()

    def _pass(self) -> None:
        """A turn for every session that is not blocked.

        If that took long, the next one waits a little, so that there is time for something else, and more to
        send in one go.
        """
        begun = time.perf_counter()
        for sender in tuple(self.ready.values()):
            try:
                sender.pump()
            except Exception as error:
                sender.fail(error)
        took = time.perf_counter() - begun
        if took > LONG_PASS_S and self._due is None and len(self.ready) > 1 and self._loop is not None:
            self._gathering = self._loop.call_later(min(self._coalesce_s, took), self._pass_gathered)
