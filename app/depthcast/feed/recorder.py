"""The journal thread: it follows the ring by its own cursor and writes every record to the journal.

A record that cannot be written is not lost: the cursor stands still, which in the end holds up the source,
and writing is tried again. Only a newer writer of the same journal ends it.
"""

import threading
import time
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import CancelledError
from typing import Final

import databento_dbn
import structlog

from depthcast.dbn import make_metadata
from depthcast.errors import FencedError, JournalError
from depthcast.feed.books import BookThread
from depthcast.feed.ring import Ring
from depthcast.feed.scheduling import give_way
from depthcast.journal.writer import JournalWriter
from depthcast.live.symbology import ALL_SYMBOLS, Symbology

__all__ = ["JournalThread", "segment_metadata"]

NICENESS: Final = 5
"""It has more to do than others that give way, and the feed waits for it in the end."""

POLL_S: Final = 0.01
ANSWER_POLL_S: Final = 0.5
_JOIN_BYTES: Final = 4 << 20
_RETRY_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

log = structlog.get_logger("depthcast.journal")


class JournalThread:
    """The thread that keeps the journal up with the ring.

    Args:
        ring: what it follows; its cursor is one of the ring's gates.
        books: where a segment's head comes from.
        writer: the journal, its first segment begun at the ring's position. Of this thread from `start` on.
        metadata: what a new segment's metadata is.
        source_state: the source's state after so many records of the feed.
        on_failure: called in this thread, once, with what ended it.
    """

    def __init__(
        self,
        ring: Ring,
        books: BookThread,
        writer: JournalWriter,
        *,
        metadata: Callable[[], databento_dbn.Metadata],
        source_state: Callable[[int], bytes],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.writer = writer
        self.error: JournalError | None = None
        """Why nothing can be written at present."""
        self._ring = ring
        self._books = books
        self._gate = ring.gate()
        self._metadata = metadata
        self._source_state = source_state
        self._on_failure = on_failure
        self._failures = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    @property
    def index(self) -> int:
        """Every batch before it is in the journal."""
        return self._gate.index

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Write the batches appended so far, close the journal, end. Whether that was done in time."""
        self._stopping = True
        self._gate.wake()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        give_way(NICENESS)
        try:
            while True:
                head = self._gate.wait(POLL_S)
                try:
                    self._follow(head)
                    if self._stopping and self._gate.index == self._ring.head:
                        self.writer.close(self._source_state(self.writer.position))
                        return
                except FencedError:
                    raise
                except JournalError as error:
                    self._complain(error)
        except BaseException as error:
            self._on_failure(error)

    def _complain(self, error: JournalError) -> None:
        """Say that writing failed and wait a little: what was not written is tried again."""
        self.error = error
        delay_s = _RETRY_S[min(self._failures, len(_RETRY_S) - 1)]
        self._failures += 1
        log.error("journal_not_written", error=str(error), retry_in_s=delay_s, failures=self._failures)
        time.sleep(delay_s)

    def _follow(self, head: int) -> None:
        while self._gate.index < head:
            self._append(head)
            self._tend()
        self._tend()
        if self.error is not None:
            log.info("journal_written_again", failures=self._failures)
            self.error = None
            self._failures = 0

    def _append(self, head: int) -> None:
        """Write some batches in one go."""
        parts: list[bytes] = []
        index, size, records = self._gate.index, 0, 0
        while index < head and size < _JOIN_BYTES:
            batch = self._ring.get(index)
            if batch is None:
                raise AssertionError(f"batch {index} was let go before it reached the journal")
            parts.append(batch.data)
            size += len(batch.data)
            records += batch.count
            index += 1
        if records:
            self.writer.append(parts[0] if len(parts) == 1 else b"".join(parts), records)
        self._gate.index = index

    def _tend(self) -> None:
        """Sync and begin a new segment, where that is due."""
        now = time.monotonic()
        self.writer.sync_if_due(now)
        if self.writer.rotation_due(now):
            self._rotate()

    def _rotate(self) -> None:
        """Begin a new segment where the books are: at the journal's place or after it, never before.

        The place asked for is the ring's head: journal and books go on to there side by side.
        """
        place = self._ring.head
        answer = self._books.head(at_least=place)
        while not answer.done():
            if self._gate.index < place:
                self._append(place)
            else:
                futures.wait((answer,), timeout=ANSWER_POLL_S)
            if not self._books.alive and not answer.done():
                raise CancelledError("the book thread has ended")
        cut = answer.result()
        while self._gate.index < cut.index:
            self._append(cut.index)
        self.writer.rotate(cut.position, self._metadata(), cut.records, self._source_state(cut.position))


def segment_metadata(dataset: str, symbology: Symbology) -> databento_dbn.Metadata:
    """What a segment that begins now says of itself: a mixture of schemas, and the symbols known."""
    named = symbology.resolve("raw_symbol", [ALL_SYMBOLS]).ids
    mappings = {symbol: number for number, symbol in named.items() if symbol != str(number)}
    return make_metadata(dataset, None, time.time_ns(), mappings=mappings)
