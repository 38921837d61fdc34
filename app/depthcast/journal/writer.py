"""Writing a journal: one writer at a time, one thread."""

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Self

import databento_dbn

from depthcast.dbn import forms
from depthcast.errors import FencedError
from depthcast.journal.epochs import FolderLock, check_fence, take_epoch
from depthcast.journal.index import OpenHeader, SegmentIndex
from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.objects import FolderObjects, Objects, open_objects
from depthcast.journal.open_segment import OpenSegment
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.reader import JournalReader
from depthcast.journal.recovery import Recovered, recover
from depthcast.journal.sealer import Sealer
from depthcast.journal.uploader import Uploader

__all__ = ["JournalStats", "JournalWriter"]

HEADS_PER_SEGMENT = 4
"""A segment has at least so many times its head's bytes of records."""


class JournalStats(NamedTuple):
    """What a writer has done and has to do."""

    epoch: int
    position: int
    synced: int
    open_bytes: int
    closed_segments: int
    closed_bytes: int
    stored_bytes: int
    waiting_to_close: int
    uploaded_segments: int
    upload_failures: int
    pending_uploads: int
    oldest_pending_s: float


class JournalWriter:
    """A journal being written, by one thread (`reader` and `stats` are any's). Made by `open`.

    Attributes:
        journal: its dataset and shard.
        epoch: the number of this writer's life.
        recovered: what `open` found.
        written: records in the journal: the position of the next. Other threads may read up to there.
        synced: the position up to which all is on the disk.
    """

    def __init__(
        self,
        journal: Journal,
        folder: FolderObjects,
        store: Objects | None,
        policy: JournalPolicy,
        recovered: Recovered,
        lock: FolderLock,
        *,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self.journal = journal
        self.recovered = recovered
        self.epoch = recovered.epoch
        self.written = recovered.position
        self.synced = recovered.position
        self._folder = folder
        self._store = store
        self._policy = policy
        self._lock = lock
        self._clock = clock
        self._monotonic = monotonic
        self._segment: OpenSegment | None = None
        self._before = recovered.before
        self._begun_at = 0.0
        self._begun_ns = recovered.not_before_ns
        self._synced_at = monotonic()
        self._fenced: FencedError | None = None
        self._closed = False
        self._closed_segments = 0
        self._closed_bytes = 0
        self._stored_bytes = 0
        self._uploader = Uploader(journal, folder, store, self.epoch, policy, clock)
        self._sealer = Sealer(folder, policy.zstd_level, clock, self._count)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        store: str,
        dataset: str,
        shard: str,
        policy: JournalPolicy = JournalPolicy(),  # noqa: B008 - frozen
        *,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Take the journal over: a new epoch, what was left open closed, the newest segment found.

        Args:
            folder: where segments are written, and stay for a while.
            store: where closed ones go: ``s3://bucket/prefix``, another folder, or empty for none.
            dataset, shard: the journal's name in both.
            policy: how it is kept.
            clock: ns since the epoch.
            monotonic: seconds.

        Raises:
            JournalError: the folder or the store cannot be used; another writer does not give the folder up.
            ValueError: a dataset or shard that cannot stand in a path.
        """
        journal = Journal(dataset, shard).check()
        here = FolderObjects(Path(folder))
        there = None
        if store and ("://" in store or Path(store).resolve() != here.folder.resolve()):
            there = open_objects(store)
        epoch = take_epoch(journal, here, there, clock())
        lock = FolderLock(here.path(journal.open))
        lock.take(policy.takeover_s)
        try:
            recovered = recover(journal, here, there, epoch, level=policy.zstd_level, clock=clock)
        except BaseException:
            lock.release()
            raise
        writer = cls(journal, here, there, policy, recovered, lock, clock=clock, monotonic=monotonic)
        try:
            said = writer._uploader.start()
        except BaseException:
            writer.abandon()
            raise
        writer.recovered = recovered._replace(messages=recovered.messages + tuple(said))
        return writer

    @property
    def position(self) -> int:
        """The position of the next record."""
        return self.written

    @property
    def stats(self) -> JournalStats:
        segment = self._segment
        return JournalStats(
            self.epoch,
            self.written,
            self.synced,
            0 if segment is None else segment.size,
            self._closed_segments,
            self._closed_bytes,
            self._stored_bytes,
            self._sealer.waiting,
            self._uploader.uploaded,
            self._uploader.failures,
            self._uploader.pending,
            self._uploader.oldest_pending_s,
        )

    @property
    def error(self) -> Exception | None:
        """What keeps segments from being closed or uploaded at present; it is tried again."""
        return self._sealer.error or self._uploader.error

    def begin(
        self, position: int, metadata: databento_dbn.Metadata, head: bytes, source_state: bytes
    ) -> None:
        """Begin the first segment of this life.

        Args:
            position: `position`: records are never left out.
            metadata: of schema None, with the symbols known.
            head: the latest definitions and statuses, and the snapshot of every book.
            source_state: what the source needs to go on from here.

        Raises:
            JournalError: it cannot be written; the same call may be tried again.
        """
        if self._segment is not None:
            raise ValueError("the journal has begun: rotate it")
        self._segment = self._create(position, metadata, head, source_state)

    def append(self, data: bytes, records: int) -> None:
        """Append whole records, all or none.

        Raises:
            JournalError: they were not written; the same call may be tried again.
            FencedError: a newer writer has the journal.
            RecordError: they are not whole records.
            ValueError: there are not so many.
        """
        segment = self._current()
        segment.append(data, records)
        self.written = segment.position

    def sync(self) -> None:
        """Bring all that was appended to the disk, if this is still the newest writer.

        Raises:
            FencedError: it is not. The writer has stopped; what it wrote is its successor's.
            JournalError: the disk fails; it may be tried again.
        """
        segment = self._current()
        try:
            if self._uploader.fenced is not None:
                raise self._uploader.fenced
            check_fence(self.journal, self._folder, self.epoch)
        except FencedError as error:
            self._give_up(error)
            raise
        self._synced_at = self._monotonic()
        if self.synced != self.written:
            segment.sync()
            self.synced = self.written

    def sync_if_due(self, now: float) -> None:
        """`sync`, if ``sync_s`` have passed since the last; ``now`` is of the same clock as ``monotonic``."""
        if now - self._synced_at >= self._policy.sync_s:
            self.sync()

    def rotation_due(self, now: float) -> bool:
        """Whether the segment is to be closed: it is large enough, or old enough and its head small."""
        segment = self._segment
        if segment is None or segment.records == 0:
            return False
        head_bytes = segment.header.head_bytes
        size = segment.size - segment.header.records_offset
        if size >= max(self._policy.segment_bytes, HEADS_PER_SEGMENT * head_bytes):
            return True
        old = now - self._begun_at >= self._policy.segment_s
        return old and head_bytes < self._policy.small_head_bytes

    def rotate(
        self, position: int, metadata: databento_dbn.Metadata, head: bytes, source_state: bytes
    ) -> None:
        """Begin the next segment, as `begin` does; the present one is closed in another thread."""
        segment = self._current()
        if segment.records == 0:
            return
        self.sync()
        after = self._create(position, metadata, head, source_state, segment)
        self._segment = after
        self._before = after.header.before
        self._sealer.submit(segment)

    def close(self, source_state: bytes | None = None) -> None:
        """Close the last segment, upload what can be within ``drain_s``, and let the folder go.

        Args:
            source_state: the source's after the last record.

        Raises:
            FencedError: a newer writer has the journal. It is closed all the same.
            JournalError: the last records cannot be brought to the disk; it may be tried again.
        """
        if self._closed:
            return
        segment = self._segment
        if segment is not None:
            self.sync()
            if segment.records:
                self._sealer.submit(segment, source_state)
            else:
                segment.remove()
        self._segment = None
        self._closed = True
        self._sealer.stop(finish=True)
        self._uploader.stop(self._policy.drain_s)
        self._lock.release()

    def abandon(self) -> None:
        """Stop at once and leave all as it is, for the next writer to recover."""
        if not self._closed:
            self._give_up(FencedError("the writer was told to stop", path=self._folder.url))

    def reader(self) -> JournalReader:
        """A reader of this journal, up to `written`. Any thread may make and use it."""
        return JournalReader(self._folder, self._store, self.journal, epoch=self.epoch, sizes=self._sizes)

    def _create(
        self,
        position: int,
        metadata: databento_dbn.Metadata,
        head: bytes,
        source_state: bytes,
        previous: OpenSegment | None = None,
    ) -> OpenSegment:
        if position != self.written:
            raise ValueError(f"a segment begins where the journal ends, at {self.written}, not at {position}")
        coded = metadata.encode()
        self._begun_ns = max(self._clock(), self._begun_ns)  # never under an older day than the last
        header = OpenHeader(
            created_by=f"depthcast {version('depthcast')}",
            dataset=self.journal.dataset,
            shard=self.journal.shard,
            epoch=self.epoch,
            position=position,
            begun_ns=self._begun_ns,
            metadata_bytes=len(coded),
            head_bytes=len(head),
            head_records=forms.count(head),
            before=self._before if previous is None else previous.after,
            source_state=source_state,
        )
        segment = OpenSegment.create(self._folder.path(self.journal.open), header, coded, head)
        self._begun_at = self._monotonic()
        return segment

    def _current(self) -> OpenSegment:
        if self._fenced is not None:
            raise self._fenced
        if self._segment is None:
            raise ValueError("the journal is closed" if self._closed else "the journal has not begun")
        return self._segment

    def _give_up(self, error: FencedError) -> None:
        self._fenced = error
        self._closed = True
        self._sealer.stop(finish=False)
        self._uploader.stop(0)
        if self._segment is not None:
            self._segment.close()
        self._lock.release()

    def _count(self, index: SegmentIndex) -> None:
        self._closed_segments += 1
        self._closed_bytes += index.unpacked_bytes
        self._stored_bytes += index.stored_bytes
        self._uploader.add(index)

    def _sizes(self) -> Mapping[SegmentName, int]:
        segment = self._segment
        return {} if segment is None else {segment.header.name: segment.size}
