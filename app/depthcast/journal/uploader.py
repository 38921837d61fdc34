"""The thread that uploads closed segments, looks for newer writers, and clears the disk."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from depthcast.errors import FencedError, JournalError
from depthcast.journal.backoff import delay_s
from depthcast.journal.epochs import check_fence
from depthcast.journal.index import SegmentIndex
from depthcast.journal.listing import Place, closed_segments, is_held, visible
from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.objects import FolderObjects, Objects
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.retention import clear

__all__ = ["Uploader"]

FENCE_S: Final = {"s3": 10.0, "folder": 1.0}
"""How often a store is asked for a newer epoch."""
RETENTION_S: Final = 30.0
_HANG_S: Final = 1.0

log = structlog.get_logger("depthcast.journal")


class Pending(NamedTuple):
    """A closed segment that is not in the store yet."""

    name: SegmentName
    base: str
    since: float


class Uploader:
    """Uploads closed segments in order, looks for newer writers, and clears the disk.

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
            stored: dict[SegmentName, Place] = {}
            for day in days:
                stored |= closed_segments(self._store, day)
            counting = {each.name for each in visible(local.keys() | stored.keys())}
            starts = sorted(stored)
            left = [name for name in sorted(local) if not is_held(stored, starts, name)]
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
        if self._thread.is_alive():
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
            wait_s = delay_s(self._attempts)
            self._attempts += 1
            self._retry_at = time.monotonic() + wait_s
            log.warning(
                "segment_not_uploaded", error=str(error), pending=self.pending, retry_in_s=round(wait_s, 2)
            )
        else:
            if self._attempts:
                log.info("store_is_back", pending=self.pending - 1, failures=self._attempts)
            self.error = None
            self._attempts = 0
            self._retry_at = 0.0
            self.uploaded += 1
            self._pending.popleft()
            self._retain_at = 0.0  # it need not stay on the disk any more

    def _clear(self) -> None:
        """Remove the oldest closed segments beyond what the policy keeps."""
        try:
            clear(
                self._folder,
                self._journal,
                self._policy,
                self._clock(),
                {each.name for each in list(self._pending)},
            )
        except (JournalError, OSError) as error:
            log.warning("old_segments_not_removed", error=str(error))


def _is_there(place: Place) -> bool:
    return any(
        listed.key == place.index_key for listed in place.objects.listed(place.base.rpartition("/")[0] + "/")
    )
