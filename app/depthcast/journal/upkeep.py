"""The threads beside the writer: one closes segments, one uploads them and clears the disk."""

import contextlib
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from depthcast.errors import DepthcastError, FencedError, JournalError
from depthcast.journal.epochs import check_fence
from depthcast.journal.index import SegmentIndex
from depthcast.journal.listing import Place, closed_segments, visible
from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.objects import FolderObjects, Objects
from depthcast.journal.open_segment import OpenSegment, remove_open
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.seal import seal

__all__ = ["Sealer", "Uploader"]

FENCE_S: Final = {"s3": 10.0, "folder": 1.0}
"""How often a store is asked for a newer epoch."""
RETENTION_S: Final = 30.0
_RETRY_MIN_S: Final = 0.5
_RETRY_MAX_S: Final = 60.0
_HANG_S: Final = 1.0
_NICENESS: Final = 10

log = structlog.get_logger("depthcast.journal")


class Sealer:
    """The thread that closes segments, while the next is already being written.

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
            self._wake.wait(_delay(self._failures) if self._waiting else None)
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


class Pending(NamedTuple):
    """A closed segment that is not in the store yet."""

    name: SegmentName
    base: str
    since: float


class Uploader:
    """The thread that uploads closed segments in order, looks for newer writers, and clears the disk.

    Args:
        journal: whose segments.
        folder: where they are closed.
        store: where they go; None if the folder is all there is.
        epoch: the writer's.
        policy: what is kept.
        clock: ns since the epoch.
    """

    def __init__(
        self,
        journal: Journal,
        folder: FolderObjects,
        store: Objects | None,
        epoch: int,
        policy: JournalPolicy,
        clock: Callable[[], int],
    ) -> None:
        self.fenced: FencedError | None = None
        self.error: JournalError | None = None
        """Why the last upload failed; it is tried again."""
        self.uploaded = 0
        self.failures = 0
        self._journal = journal
        self._folder = folder
        self._store = store
        self._epoch = epoch
        self._policy = policy
        self._clock = clock
        self._pending: deque[Pending] = deque()
        self._fence_s = FENCE_S["s3" if store is not None and store.url.startswith("s3:") else "folder"]
        self._fence_at = 0.0
        self._retry_at = 0.0
        self._retain_at = 0.0
        self._attempts = 0
        self._deadline: float | None = None
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-upload", daemon=True)

    @property
    def pending(self) -> int:
        """Segments that wait for the store."""
        return len(self._pending)

    @property
    def oldest_pending_s(self) -> float:
        """How long the oldest of them waits; 0 where none does."""
        with contextlib.suppress(IndexError):
            return time.monotonic() - self._pending[0].since
        return 0.0

    def start(self) -> list[str]:
        """Find what an earlier life left to upload, and start; what there is to say about it."""
        said: list[str] = []
        if self._store is not None:
            local = closed_segments(self._folder, self._journal.prefix)
            days = sorted({place.base.rpartition("/")[0] + "/" for place in local.values()})
            stored = {name for day in days for name in closed_segments(self._store, day)}
            counting = {each.name for each in visible(local.keys() | stored)}
            left = sorted(local.keys() - stored)
            for name in left:
                if name in counting:
                    self._pending.append(Pending(name, local[name].base, time.monotonic()))
            dropped = [name for name in left if name not in counting]
            if dropped:
                said.append(
                    f"{self._folder.url}: {len(dropped)} closed segments of epoch {dropped[0].epoch} are not "
                    "uploaded: a newer writer has written these positions"
                )
        self._thread.start()
        return said

    def add(self, index: SegmentIndex) -> None:
        """Upload a segment that was closed. Any thread."""
        if self._store is not None:
            base = f"{self._journal.day(index.begun_ns)}{index.name}"
            self._pending.append(Pending(index.name, base, time.monotonic()))
        self._retain_at = 0.0
        self._wake.set()

    def stop(self, drain_s: float) -> None:
        """End the thread, once all is uploaded or the time is over. A store that hangs is left hanging."""
        self._retry_at = 0.0
        self._deadline = time.monotonic() + drain_s
        self._wake.set()
        self._thread.join(drain_s + _HANG_S)

    def _run(self) -> None:
        while True:
            now = time.monotonic()
            stopping = self._deadline is not None
            if now >= self._fence_at or stopping:
                self._look_for_newer(now)
            if self._store is not None and self._pending and now >= self._retry_at and not self.fenced:
                self._upload(self._store, self._pending[0])
            if now >= self._retain_at:
                self._retain_at = now + RETENTION_S
                self._clear()
            if self._deadline is not None and (
                not self._pending or self.fenced or time.monotonic() >= self._deadline
            ):
                return
            if not self._pending or time.monotonic() < self._retry_at:
                self._wake.wait(self._idle_s())
                self._wake.clear()

    def _idle_s(self) -> float:
        now = time.monotonic()
        ends = [self._retain_at]
        if self._store is not None:
            ends.append(self._fence_at)
        if self._pending:
            ends.append(self._retry_at)
        if self._deadline is not None:
            ends.append(self._deadline)
        return max(0.01, min(ends) - now)

    def _look_for_newer(self, now: float) -> None:
        self._fence_at = now + self._fence_s
        if self._store is None or self.fenced is not None:
            return
        try:
            check_fence(self._journal, self._store, self._epoch)
        except FencedError as error:
            self.fenced = error
        except JournalError as error:  # an unreachable store refuses uploads anyway
            self.error = error

    def _upload(self, store: Objects, pending: Pending) -> None:
        here, there = Place(self._folder, pending.base), Place(store, pending.base)
        if not self._folder.path(here.index_key).exists():
            log.error("segment_gone_before_its_upload", path=str(self._folder.path(here.segment_key)))
            self._pending.popleft()
            return
        try:
            check_fence(self._journal, store, self._epoch)
            file = self._folder.path(here.segment_key)
            if not store.put_new(there.segment_key, file) and not _is_there(there):
                store.put(there.segment_key, file)  # without its index it was never part of the journal
            store.put_new(there.index_key, self._folder.path(here.index_key))
        except FencedError as error:
            self.fenced = error
        except JournalError as error:
            self.error = error
            self.failures += 1
            delay_s = _delay(self._attempts)
            self._attempts += 1
            self._retry_at = time.monotonic() + delay_s
            log.warning(
                "segment_not_uploaded", error=str(error), pending=self.pending, retry_in_s=round(delay_s, 2)
            )
        else:
            if self._attempts:
                log.info("store_is_back", pending=self.pending - 1, failures=self._attempts)
            self.error = None
            self._attempts = 0
            self._retry_at = 0.0
            self.uploaded += 1
            self._pending.popleft()

    def _clear(self) -> None:
        """Remove the oldest closed segments beyond what the policy keeps."""
        try:
            clear(
                self._folder,
                self._journal,
                self._policy,
                self._clock(),
                {each.name for each in self._pending},
            )
        except (JournalError, OSError) as error:
            log.warning("old_segments_not_removed", error=str(error))


def clear(
    folder: FolderObjects,
    journal: Journal,
    policy: JournalPolicy,
    now_ns: int,
    keep: set[SegmentName],
) -> list[SegmentName]:
    """Remove closed segments from a folder, oldest first; which were."""
    local = sorted(closed_segments(folder, journal.prefix).items())
    sizes, times = [], []
    for _, place in local:
        status = folder.path(place.segment_key).stat()
        sizes.append(status.st_size + folder.path(place.index_key).stat().st_size)
        times.append(status.st_mtime_ns)
    total = sum(sizes)
    removed: list[SegmentName] = []
    for (name, place), size, closed_ns in zip(local[:-1], sizes, times, strict=False):
        if name in keep or not (total > policy.retain_bytes or now_ns - closed_ns > policy.retain_s * 1e9):
            break  # whatever is newer stays, so that there is never a hole
        folder.delete(place.index_key)
        folder.delete(place.segment_key)
        with contextlib.suppress(OSError):  # the day has more
            folder.path(place.base).parent.rmdir()
        total -= size
        removed.append(name)
    return removed


def _is_there(place: Place) -> bool:
    return any(
        listed.key == place.index_key for listed in place.objects.listed(place.base.rpartition("/")[0] + "/")
    )


def _delay(attempts: int) -> float:
    """Exponential back-off with full jitter."""
    return random.uniform(0.1, min(_RETRY_MAX_S, _RETRY_MIN_S * 2 ** min(attempts, 16)))
