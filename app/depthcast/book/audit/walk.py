"""The second reading of an audit: the engine takes the file record by record and is asked after each.

It is asked for its counters after every record (what was unknown, too much, twice), for its touch after every
event, for the queues before an event with trades, and for whole books at sampled events.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from depthcast.book.audit.checks import top_of
from depthcast.book.audit.fills import FillJudge
from depthcast.book.audit.inspector import Budget, Inspector
from depthcast.book.audit.records import (
    Batch,
    Place,
    Tally,
    book_key,
    book_numbers,
)
from depthcast.book.audit.rules import RuleBook
from depthcast.book.audit.scan import Scan
from depthcast.book.audit.tops import Tops
from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey, BookStatus
from depthcast.dbn.layout import Flags

WATCHED: Final = (
    "unknown_cancels",
    "unknown_modifies",
    "unknown_fills",
    "over_cancels",
    "cancel_mismatches",
    "duplicate_adds",
    "zero_size_adds",
    "zero_size_modifies",
    "side_changes",
    "refills",
    "unknown_actions",
    "bad_side",
    "bad_price",
    "mbp_records",
    "tob_modifies",
    "maybe_bad_book",
    "snapshots_without_clear",
    "long_events",
)
"""The counters that are observations: each growth is noted with its record."""

_LAST: Final = int(Flags.LAST)

MARKS: Final = 128
"""Positions at which the books are kept for the rebuild, or fewer:"""
MARK_VISITS: Final = 1_000_000
"""What they may cost (see `Budget`)."""
BOOK_VISITS: Final = 64
"""What even an empty book costs: its state is kept at every mark."""


class Mark(NamedTuple):
    """All books' states and full checksums, and the counters, after so many MBO records."""

    records: int
    at: Place
    books: dict[BookKey, tuple[BookStatus, int]]
    counters: dict[str, int]


class Walk:
    """Walks an engine through a file. `run`, then read the results.

    Attributes:
        tallies: the watched counters' growths.
        tops, fills: crossed and locked intervals; fills at the front.
        marks: the books at sampled positions, for the rebuild to be held to.
        inspector: the checks of whole books, and all books at the end.
    """

    def __init__(self, engine: BookEngine, scan: Scan, rules: RuleBook) -> None:
        self.tallies = {name: Tally() for name in WATCHED}
        self.tops = Tops()
        self.fills = FillJudge(engine, scan.trades)
        self.marks: list[Mark] = []
        self.inspector = Inspector(engine, rules, records=scan.records, books=scan.books)
        self._engine = engine
        self._watch: Callable[[dict[str, int]], Sequence[int]] = itemgetter(*WATCHED)
        self._seen: Sequence[int] = (0,) * len(WATCHED)
        self._applied = 0
        self._last = Place(0, 0)
        self._keys: dict[int, BookKey] = {}
        self._grown: set[int] = set()
        self._mark_budget = Budget(MARK_VISITS, scan.records)
        self._mark_step = max(scan.records // MARKS, 1)
        self._next_mark = self._mark_step

    def run(self, batches: Iterable[Batch]) -> None:
        """Walk through all records."""
        for batch in batches:
            self._take(batch)
        self.fills.finish()
        self.tops.finish()
        self.inspector.finish()
        if not self.marks or self.marks[-1].records != self._applied:
            statuses = {key: image.status for key, image in self.inspector.final.items()}
            self._keep(statuses, self._last)

    def _take(self, batch: Batch) -> None:
        """The hot loop: everything in it is paid for once a record."""
        engine, data, mbo = self._engine, batch.data, batch.mbo
        apply, watch, seen, grown, keys = engine.apply, self._watch, self._seen, self._grown, self._keys
        inspector, done = self.inspector, 0
        actions = mbo["action"]
        rows = zip(
            batch.ends.tolist(),
            batch.positions.tolist(),
            book_numbers(mbo).tolist(),
            (mbo["flags"] & _LAST).tolist(),
            ((actions == b"A") | (actions == b"M")).tolist(),
            strict=True,
        )
        next_capture = self.fills.next_position
        for index, (end, position, book, last, grows) in enumerate(rows):
            if position == next_capture:
                self.fills.capture()
                next_capture = self.fills.next_position
            if inspector.wants_event:
                inspector.choose(book)
            apply(data[done:end])
            done = end
            self._applied += 1
            now = watch(engine.counters)
            if now != seen:
                self._notice(seen, now, batch, index)
                seen = now
            if inspector.chosen == book:
                inspector.follow(mbo, index)
            if grows:
                grown.add(book)
            if last:
                key = keys.get(book) or keys.setdefault(book, book_key(book))
                self._event_ended(key, book in grown, batch, index)
                grown.discard(book)
            if self._applied == self._next_mark:
                self._mark(batch.place(index))
        if done < len(data):
            apply(data[done:])
        self._seen = seen
        if len(mbo):
            self._last = batch.place(-1)

    def _notice(self, seen: Sequence[int], now: Sequence[int], batch: Batch, index: int) -> None:
        """Some watched counters grew with this record."""
        for name, before, after in zip(WATCHED, seen, now, strict=True):
            if before != after:
                self.tallies[name].see_record(batch, index)
                if name == "unknown_fills":
                    self.fills.unknown_fill(int(batch.positions[index]))

    def _event_ended(self, key: BookKey, grown: bool, batch: Batch, index: int) -> None:
        """Judge the event's trades, look at the touch, and let the inspector look.

        Only an add or a modify (``grown``) can cross a book.
        """
        self.fills.event_ended(key)
        if grown or key in self.tops.open:
            self._look_at_touch(key, batch, index)
        self.inspector.event_ended(key, self._applied, batch, index)

    def _look_at_touch(self, key: BookKey, batch: Batch, index: int) -> None:
        bid, ask = self._engine.bbo(key.instrument_id, key.publisher_id)
        crossed = bid is not None and ask is not None and bid.price >= ask.price
        if not crossed and key not in self.tops.open:
            return
        at = batch.place(index)
        if bid is None or ask is None or not crossed:
            self.tops.over(key, at)
            return
        phase = self._engine.status(key.instrument_id, key.publisher_id).phase
        self.tops.see(key, top_of(bid.price, ask.price), at, bid.price, ask.price, phase)

    # -- Sampled positions

    def _mark(self, at: Place) -> None:
        """Keep all books' checksums for the rebuild, if this is not too soon for what that costs."""
        self._next_mark += self._mark_step
        engine = self._engine
        statuses = {key: engine.status(key.instrument_id, key.publisher_id) for key in engine.books()}
        cost = sum(status.orders + status.levels + BOOK_VISITS for status in statuses.values())
        allowed = self._mark_budget.spend(cost)
        while self._next_mark < allowed:
            self._next_mark += self._mark_step
        self._keep(statuses, at)

    def _keep(self, statuses: dict[BookKey, BookStatus], at: Place) -> None:
        books = {
            key: (status, self._engine.checksum(key.instrument_id, 0, key.publisher_id))
            for key, status in statuses.items()
        }
        self.marks.append(Mark(self._applied, at, books, self._engine.counters))
        self.inspector.mark(at)
