"""The book thread: it follows the ring by its own cursor, keeps the books and derives what is wanted.

One thread owns the engine. Others hand it questions, which it answers between two batches.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeVar

from depthcast.book.derive import SCHEMAS, DeriverSet
from depthcast.book.engine import Engine
from depthcast.dbn import RType, forms
from depthcast.feed.ring import Ring
from depthcast.feed.scheduling import give_way
from depthcast.live.feed_view import ALL_TIME, Batch, Snapshot

__all__ = ["BookThread", "Books", "Head", "advanced"]

T = TypeVar("T")

BARS: Final = tuple(schema for schema in SCHEMAS if schema.startswith("ohlcv"))
POLL_S: Final = 0.01
"""Questions and the next batch after a silence wake the thread at once."""
EAGER_POLL_S: Final = 0.0005
"""While somebody waits for derived records."""
_JOIN_BYTES: Final = 64 << 10
"""Batches are applied together up to this size: the engine is at its best from there on."""
_NOTHING: Final[dict[str, bytes]] = {}


@dataclass(frozen=True, slots=True)
class Head:
    """What a segment begins with: the latest definitions and status records, and every book's snapshot."""

    index: int
    position: int
    records: bytes


class Books:
    """The books and the latest definition and status of each instrument, after some records of the feed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.deriver = DeriverSet(SCHEMAS, engine=engine)
        self.deriver.wanted = ()
        self.bars_from = 0
        """Bars whose interval began before this time (ns) are not whole, so they are left out."""
        self._definitions: dict[bytes, bytes] = {}
        self._statuses: dict[bytes, bytes] = {}

    def apply(self, data: bytes, *, mbo_only: bool = False) -> dict[str, bytes]:
        """Apply whole records; what was derived from them, by wanted schema."""
        for record in _each(b"" if mbo_only else forms.others(data)):
            if record[1] == RType.INSTRUMENT_DEF:
                self._definitions[record[2:8]] = record
            elif record[1] == RType.STATUS:
                self._statuses[record[2:8]] = record
        return self._whole(self.deriver.apply(data))

    def advance(self, ts_recv: int) -> dict[str, bytes]:
        """Time has passed, to this (ns; `ALL_TIME`): intervals that have ended by then."""
        return self._whole(advanced(self.deriver, ts_recv))

    def _whole(self, derived: dict[str, bytes]) -> dict[str, bytes]:
        if self.bars_from:
            for schema in BARS:
                if derived[schema]:
                    derived[schema] = forms.since(derived[schema], self.bars_from)
        return derived

    def definitions(self) -> bytes:
        """The latest definition of each instrument of each publisher."""
        return b"".join(self._definitions.values())

    def head(self) -> bytes:
        """What a new segment begins with."""
        return b"".join((*self._definitions.values(), *self._statuses.values(), self.engine.snapshot()))

    def snapshot(self, instrument_ids: Iterable[int] | None, schema: str = "mbo") -> bytes:
        """What is known of these instruments, at all publishers (`STATES`); of all instruments where None."""
        wanted = None if instrument_ids is None else set(instrument_ids)
        if schema != "mbo":
            latest = self._definitions if schema == "definition" else self._statuses
            ids = None if wanted is None else forms.IdSet(wanted)
            return forms.form(b"".join(latest.values()), instrument_ids=ids)
        if wanted is None:
            return self.engine.snapshot()
        return b"".join(
            self.engine.snapshot(key.instrument_id, key.publisher_id)
            for key in self.engine.books()
            if key.instrument_id in wanted
        )


class BookThread:
    """The thread that keeps `Books` up with the ring.

    Args:
        ring: what it follows; its cursor is one of the ring's gates.
        books: as they are after the records before the ring's head.
        on_progress: called in this thread after it derived something.
        on_failure: called in this thread, once, with what ended it.
        gives_way: whether the loop goes first where both could run; not where the loop waits for the books.
    """

    def __init__(
        self,
        ring: Ring,
        books: Books,
        *,
        on_progress: Callable[[], None],
        on_failure: Callable[[BaseException], None],
        gives_way: bool = True,
    ) -> None:
        self.books = books
        self.position = ring.position
        """Records of the feed that are in the books. This thread alone writes it."""
        self._ring = ring
        self._gate = ring.gate()
        self._on_progress = on_progress
        self._on_failure = on_failure
        self._gives_way = gives_way
        self._wanted: frozenset[str] = frozenset()
        self._questions: deque[tuple[int, Callable[[], None], Callable[[], bool]]] = deque()
        self._stopping = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="books", daemon=True)

    @property
    def index(self) -> int:
        """Every batch before it is in the books."""
        return self._gate.index

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the batches appended so far, and wait for that."""
        self._stopping = True
        self._gate.wake()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def ask(self, question: Callable[[], T], *, at_least: int = 0) -> "Future[T]":
        """Have ``question`` called in the book thread, between two batches, not before index ``at_least``.

        Once the thread has ended the answer is cancelled.
        """
        answer: Future[T] = Future()

        def reply() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(question())
                except BaseException as error:
                    answer.set_exception(error)

        self._questions.append((at_least, reply, answer.cancel))
        self._gate.wake()
        if self._ended:
            self._cancel()
        return answer

    def snapshot(self, instrument_ids: Iterable[int] | None, schema: str = "mbo") -> "Future[Snapshot]":
        """The snapshot of these instruments, as soon as it can be had."""
        return self.ask(lambda: Snapshot(self.index, self.books.snapshot(instrument_ids, schema)))

    def head(self, at_least: int) -> "Future[Head]":
        """What a segment that begins at an index not before ``at_least`` begins with."""

        return self.ask(lambda: Head(self.index, self.position, self.books.head()), at_least=at_least)

    def want(self, schemas: frozenset[str]) -> "Future[int]":
        """Derive these schemas and no others; the index of the first batch that carries them."""

        def question() -> int:
            self._wanted = schemas
            self.books.deriver.wanted = schemas
            return self.index

        return self.ask(question)

    def _run(self) -> None:
        if self._gives_way:
            give_way()
        try:
            while True:
                head = self._gate.wait(EAGER_POLL_S if self._wanted else POLL_S)
                self._answer()
                self._follow(head)
                if self._stopping and self._gate.index == self._ring.head:
                    self._answer()
                    return
        except BaseException as error:
            self._on_failure(error)
        finally:
            self._ended = True
            self._cancel()

    def _cancel(self) -> None:
        """Nobody answers any more."""
        while self._questions:
            self._questions.popleft()[2]()

    def _answer(self) -> None:
        """Answer what can be answered at this index."""
        for _ in range(len(self._questions)):
            question = self._questions.popleft()
            if self._gate.index >= question[0]:
                question[1]()
            else:
                self._questions.append(question)

    def _follow(self, head: int) -> None:
        moved = self._gate.index < head
        while self._gate.index < head:
            self._gate.index += self._derive() if self._wanted else self._apply(head)
            if self._questions:
                self._answer()
        if moved and self._wanted:
            self._on_progress()

    def _derive(self) -> int:
        """Apply one batch and keep what is derived from it."""
        batch = self._batch(self._gate.index)
        derived = self.books.apply(batch.data, mbo_only=batch.mbo_only) if batch.count else _NOTHING
        if batch.advance_ns:
            later = self.books.advance(batch.advance_ns)
            derived = {schema: derived.get(schema, b"") + records for schema, records in later.items()}
        self.position += batch.count
        batch.derived = {schema: records for schema, records in derived.items() if records} or _NOTHING
        self._ring.derived_in += sum(map(len, batch.derived.values()))
        return 1

    def _apply(self, head: int) -> int:
        """Apply several batches at once: nobody wants to know what is derived from which."""
        begin = self._gate.index
        batches: list[Batch] = []
        size = 0
        while begin + len(batches) < head and size < _JOIN_BYTES:
            batch = self._batch(begin + len(batches))
            batches.append(batch)
            size += len(batch.data)
            if batch.advance_ns:
                break
        data = batches[0].data if len(batches) == 1 else b"".join(batch.data for batch in batches)
        if data:
            self.books.apply(data, mbo_only=all(batch.mbo_only for batch in batches))
        if batches[-1].advance_ns:
            self.books.advance(batches[-1].advance_ns)
        for batch in batches:
            self.position += batch.count
            batch.derived = _NOTHING
        return len(batches)

    def _batch(self, index: int) -> Batch:
        batch = self._ring.get(index)
        if batch is None:
            raise AssertionError(f"batch {index} was let go before it reached the books")
        return batch


def advanced(deriver: DeriverSet, ts_recv: int) -> dict[str, bytes]:
    """What a deriver gives when time has passed to this (ns); when it is `ALL_TIME`, all that is open."""
    return deriver.flush() if ts_recv == ALL_TIME else deriver.advance(ts_recv)


def _each(records: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(records):
        end = at + 4 * records[at]
        yield records[at:end]
        at = end
