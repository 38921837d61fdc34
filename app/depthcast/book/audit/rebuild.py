"""The third reading of an audit: the same books by other ways, held to the marks of the walk.

Three engines take the file in large chunks: one of another implementation, one like the walk's, and one like
it that is replaced at every mark by a fresh engine filled from its snapshot.
"""

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.book.audit.records import Batch
from depthcast.book.audit.rules import RuleBook
from depthcast.book.audit.walk import Mark
from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey
from depthcast.dbn.layout import MBO, Flags

_FAULTS_MAX: Final = 20
"""Faults named of one comparison; a broken engine has no end of them."""
RESTART_EXEMPT: Final = "snapshots_without_clear", "long_events"
"""Where one of these grew since the last mark a restart may rightly matter: a snapshot makes the reader
forget how long the open event is, and runs on into a venue's own snapshot that starts without an `R`."""


class Rebuild:
    """Rebuilds a file's books; `run`, then read ``restarts``: how many marks were reached by restarts."""

    def __init__(
        self,
        make: Callable[[], BookEngine],
        make_other: Callable[[], BookEngine],
        marks: list[Mark],
        rules: RuleBook,
    ) -> None:
        self.restarts = 0
        self.applied = 0
        """MBO records taken."""
        self._make = make
        self._marks = marks
        self._rules = rules
        self._whole = make()
        self._other = make_other()
        self._relay = make()
        self._exempt = (0,) * len(RESTART_EXEMPT)
        self._next = 0

    def run(self, batches: Iterable[Batch]) -> None:
        """Take all records, stopping at the marks."""
        for batch in batches:
            done, first = 0, self.applied
            self.applied += len(batch.mbo)
            while self._next < len(self._marks) and self._marks[self._next].records <= self.applied:
                mark = self._marks[self._next]
                end = int(batch.ends[mark.records - first - 1])
                self._apply(batch.data[done:end])
                done = end
                self._compare(mark)
                self._next += 1
            self._apply(batch.data[done:])

    def _apply(self, data: memoryview) -> None:
        for engine in (self._whole, self._other, self._relay):
            engine.apply(data)

    def _compare(self, mark: Mark) -> None:
        self._rules.check("chunking", _against_mark(self._whole, mark), mark.at)
        self._rules.check("engines", _against_mark(self._other, mark), mark.at)
        counters = self._whole.counters
        exempt = tuple(counters[name] for name in RESTART_EXEMPT)
        if exempt != self._exempt:
            self._relay = _restarted(self._whole, self._make)
            self._exempt = exempt
            return
        if self._next > 0:
            self._rules.check("snapshots", _against_whole(self._relay, self._whole), mark.at)
            self.restarts += 1
        self._relay = _restarted(self._relay, self._make)
        faults = _against_whole(self._relay, self._whole)
        self._rules.check("snapshots", [f"right after a restart: {fault}" for fault in faults], mark.at)


def _restarted(engine: BookEngine, make: Callable[[], BookEngine]) -> BookEngine:
    fresh = make()
    fresh.apply(engine.snapshot())
    return fresh


def _against_mark(engine: BookEngine, mark: Mark) -> list[str]:
    """What an engine that never stopped says otherwise than the walk's did."""
    faults = []
    books = engine.books()
    if books != list(mark.books):
        faults.append(f"{len(books)} books instead of {len(mark.books)}")
    for key in mark.books.keys() & set(books):
        status, checksum = mark.books[key]
        if engine.status(key.instrument_id, key.publisher_id) != status:
            faults.append(f"book {tuple(key)}: its status differs")
        found = engine.checksum(key.instrument_id, 0, key.publisher_id)
        if found != checksum:
            faults.append(f"book {tuple(key)}: checksum {found:#010x} instead of {checksum:#010x}")
    counters = engine.counters
    faults += [
        f"counter {name}: {counters.get(name)} instead of {value}"
        for name, value in mark.counters.items()
        if counters.get(name) != value
    ]
    return faults[:_FAULTS_MAX]


def _against_whole(relay: BookEngine, whole: BookEngine) -> list[str]:
    """What a restarted engine holds otherwise: orders, their priority, trust, open events and their fills."""
    books = whole.books()
    if relay.books() != books:
        return [f"{len(relay.books())} books instead of {len(books)}"]
    return [
        f"book {tuple(key)}: {fault}" for key in books for fault in _book_against_whole(relay, whole, key)
    ][:_FAULTS_MAX]


def _book_against_whole(relay: BookEngine, whole: BookEngine, key: BookKey) -> list[str]:
    publisher_id, instrument_id = key
    faults = []
    if relay.checksum(instrument_id, 0, publisher_id) != whole.checksum(instrument_id, 0, publisher_id):
        faults.append("the checksum differs")
    ours, theirs = relay.status(instrument_id, publisher_id), whole.status(instrument_id, publisher_id)
    if (ours.complete and not ours.suspect) != (theirs.complete and not theirs.suspect):
        faults.append("whether it is complete and not suspect differs")
    if ours.in_event != theirs.in_event:
        faults.append("whether it is inside an event differs")
    if not np.array_equal(
        _resting(relay.snapshot(instrument_id, publisher_id)),
        _resting(whole.snapshot(instrument_id, publisher_id)),
    ):
        faults.append("its orders, their priority or their fills differ")
    return faults


def _resting(snapshot: bytes) -> NDArray[np.void]:
    """A snapshot's orders and fills, without what a restart inside an event forgets: the version."""
    records = np.frombuffer(snapshot, dtype=MBO).copy()
    versioned = (records["action"] != b"A") | (records["flags"] & Flags.TOB != 0)
    records["ts_event"][versioned] = 0
    records["sequence"][versioned] = 0
    return records
