"""The thread that closes segments, while the next is already being written."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from depthcast.errors import DepthcastError, JournalError
from depthcast.journal.backoff import delay_s
from depthcast.journal.index import SegmentIndex
from depthcast.journal.objects import FolderObjects
from depthcast.journal.open_segment import OpenSegment, remove_open
from depthcast.journal.seal import seal

__all__ = ["Sealer"]

_NICENESS: Final = 10

log = structlog.get_logger("depthcast.journal")


class Sealer:
    """Closes segments in a thread of its own, of lower priority.

    Args:
        folder: the journal's.
        level: of zstd.
        clock: ns since the epoch.
        on_closed: called in this thread with the index of each closed segment.
    """

    def __init__(
        self,
        folder: FolderObjects,
        level: int,
        clock: Callable[[], int],
        on_closed: Callable[[SegmentIndex], None],
    ) -> None:
        self.error: Exception | None = None
        """Why the oldest waiting segment could not be closed; it is tried again."""
        self._folder = folder
        self._level = level
        self._clock = clock
        self._on_closed = on_closed
        self._waiting: deque[tuple[OpenSegment, bytes | None]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="journal-close", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Segments still to be closed."""
        return len(self._waiting)

    def submit(self, segment: OpenSegment, end_state: bytes | None = None) -> None:
        """Close a segment that nobody appends to any more."""
        self._waiting.append((segment, end_state))
        self._wake.set()

    def stop(self, *, finish: bool) -> None:
        """End the thread: after the segment at hand, or if ``finish`` after all that can be closed."""
        while self._waiting and not finish:
            with contextlib.suppress(IndexError):  # just closed
                self._waiting.pop()[0].close()
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # closing may take longer, the feed must not wait for it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while True:
            if self._waiting and self._close(*self._waiting[0]):
                with contextlib.suppress(IndexError):  # given up meanwhile
                    self._waiting.popleft()
                continue
            if self._stopping:
                return
            self._wake.wait(delay_s(self._failures) if self._waiting else None)
            self._wake.clear()

    def _close(self, segment: OpenSegment, end_state: bytes | None) -> bool:
        try:
            index = seal(
                segment.path,
                segment.header,
                self._folder.folder,
                level=self._level,
                closed_ns=self._clock(),
                end_state=end_state,
            )
        except (DepthcastError, OSError) as error:
            self.error = error
            self._failures += 1
            log.error("segment_not_closed", error=str(error), failures=self._failures)
            return False
        self.error = None
        self._failures = 0
        segment.close()
        self._on_closed(index)
        try:
            remove_open(segment.path)
        except JournalError as error:  # it is in the journal twice for now, which no reader minds
            log.warning("closed_segment_not_removed", error=str(error))
        return True
