"""Where a feed goes on: the journal's newest segment gives the books, the position and the source's state."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from depthcast.book.views import iso
from depthcast.errors import UsageError
from depthcast.feed.books import Books
from depthcast.feed.sources.base import Source
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.segments import ClosedSegment
from depthcast.journal.writer import JournalWriter
from depthcast.settings import JournalSettings

__all__ = ["SPOOL", "Recovery", "open_journal"]

S3: Final = "s3://"
BARS_NS: Final = (86_400_000_000_000, 3_600_000_000_000, 60_000_000_000)
MOST_RECORDS: Final = 10_000_000
"""What a start reads of the journal for the sake of whole bars, at most: about a second's work."""
SPOOL: Final = Path("out/spool")
"""Where segments wait for an object store, if `journal.folder` says nothing."""

log = structlog.get_logger("depthcast.feed")


class Recovery:
    """An opened journal and what it says of the feed. Made by `open_journal`."""

    def __init__(self, writer: JournalWriter) -> None:
        self.writer = writer
        self.position = writer.recovered.position
        self.epoch = writer.recovered.epoch
        for message in writer.recovered.messages:
            log.warning("journal_mended", message=message)

    def restore(
        self,
        books: Books,
        source: Source,
        loop: asyncio.AbstractEventLoop,
        wake: Callable[[], None],
    ) -> None:
        """Bring books and source to where the journal ends.

        Raises:
            JournalError: the newest segment is damaged.
            SourceError: the source cannot be opened, or is not the one that the journal is of.
        """
        recovered = self.writer.recovered
        if recovered.newest is None or recovered.source_state is None:
            source.open(loop, wake, position=self.position)
            return
        source.open(loop, wake, recovered.source_state, self.position)
        source.symbology.learn_metadata(recovered.newest.metadata())
        position, head, books.bars_from = self._beginning(recovered.newest, recovered.before.latest_ts_recv)
        books.apply(head)
        for first, chunk in self.writer.reader().records(position):
            books.apply(chunk)
            if first >= recovered.newest.position:
                source.recovered(chunk, first)
        log.info(
            "recovered",
            epoch=self.epoch,
            position=self.position,
            records_applied=self.position - position,
            bars_from=iso(books.bars_from) if books.bars_from else None,
        )

    def _beginning(self, newest: ClosedSegment, last_ns: int) -> tuple[int, bytes, int]:
        """Where to begin reading: a position, the head there, and the time from which all records are read.

        So far back that the bars that are open are whole, if that is not too much to read: the day's, else
        the hour's, else the minute's. The newest segment is always enough for the books.
        """
        reader = self.writer.reader()
        for interval_ns in BARS_NS:
            start = last_ns - last_ns % interval_ns
            position, head = reader.books_before(start)
            if self.position - position <= MOST_RECORDS:
                return position, head, start if position else 0
        return newest.position, newest.head(), newest.index.before.latest_ts_recv + 1


def open_journal(location: str, dataset: str, shard: str, settings: JournalSettings) -> Recovery:
    """Take a journal over for writing.

    Args:
        location: a folder; or ``s3://BUCKET/PREFIX``, with ``journal.folder`` or `SPOOL` in front of it.

    Raises:
        JournalError: it cannot be read or written.
        UsageError: a shard's name that cannot stand in a path.
    """
    remote = location.startswith(S3)
    folder, store = (settings.folder or SPOOL, location) if remote else (Path(location), settings.store)
    policy = JournalPolicy(
        sync_s=settings.sync_s,
        segment_bytes=settings.segment_bytes,
        segment_s=settings.segment_s,
        small_head_bytes=settings.small_head_bytes,
        zstd_level=settings.zstd_level,
        retain_bytes=settings.retain_bytes,
        retain_s=settings.retain_s,
    )
    try:
        return Recovery(JournalWriter.open(folder, store, dataset, shard, policy))
    except ValueError as error:
        raise UsageError(str(error)) from error
