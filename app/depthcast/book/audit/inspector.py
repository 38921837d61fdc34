"""Whole books held to the rules while an engine is walked: after all events of a small file, else samples."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.book.audit.checks import (
    EventRecord,
    Image,
    check_image,
    check_transition,
    image_of,
    self_check,
)
from depthcast.book.audit.records import Batch, Place, book_key
from depthcast.book.audit.rules import RuleBook
from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey
from depthcast.errors import UnknownBookError

CHECK_VISITS: Final = 1_000_000
"""What checks of whole books by their answers may cost (see `Budget`)."""
SELF_CHECK_VISITS: Final = 20_000_000
"""What the engine's checks of itself may cost: a compiled one walks its books some twenty times as fast."""
PLAIN_SELF_CHECK: Final = 20
"""How much more an order costs in a plain one."""

PATIENCE_EVENTS: Final = 1_000
"""How many events of other books may end before a chosen one does. Some never do: an `R` without F_LAST
opens the day of an instrument that nobody quotes."""


class Budget:
    """Spreads a cost evenly over so many records: the more was spent, the later the next may come.

    ``visits`` orders and levels may be walked, and one more for each record. So a small file can be looked at
    after every event, and a large one as often as this allows.
    """

    def __init__(self, visits: int, records: int) -> None:
        self._visits = visits + records
        self._records = records
        self._spent = 0

    def spend(self, visits: int) -> int:
        """Note a cost; the number of records after which the next may come."""
        self._spent += visits
        return self._spent * self._records // self._visits


@dataclass(slots=True)
class _Event:
    """An event that will be checked when it ends: its book, the book before it, and its records so far."""

    key: BookKey
    before: Image | None
    records: list[EventRecord] = field(default_factory=list)


class Inspector:
    """Chooses events, and holds their books to the rules when they end.

    Attributes:
        checked_events: how many event ends had their whole book checked.
        checked_transitions: how many of them with what the event did.
        self_checks: after how many event ends the engine checked itself.
        final: all books at the end.
        wants_event: whether to `choose` the next event, before its first record is applied.
        chosen: the number of the book whose event was chosen (`book_numbers`); `follow` its records.
    """

    def __init__(self, engine: BookEngine, rules: RuleBook, *, records: int, books: int) -> None:
        self.checked_events = self.checked_transitions = self.self_checks = 0
        self.final: dict[BookKey, Image] = {}
        self.wants_event = True
        self.chosen: int | None = None
        self._engine = engine
        self._rules = rules
        self._one_book = books == 1
        self._event: _Event | None = None
        self._patience = 0
        self._recent: tuple[BookKey, Image] | None = None
        self._budget = Budget(CHECK_VISITS, records)
        self._next_check = 0
        self._self_check_budget = Budget(SELF_CHECK_VISITS, records)
        self._next_self_check = 0

    def choose(self, book: int) -> None:
        """Check the event that the next record, of ``book``, begins; if it begins none, do nothing."""
        key = book_key(book)
        before = None
        try:
            status = self._engine.status(key.instrument_id, key.publisher_id)
        except UnknownBookError:
            pass
        else:
            if status.in_event:
                return
            if self._recent is not None and self._recent[0] == key and self._recent[1].status == status:
                before = self._recent[1]
            else:
                before = image_of(self._engine, key)
                self._budget.spend(before.size)
        self._event = _Event(key, before)
        self._patience = PATIENCE_EVENTS
        self.chosen = book
        self.wants_event = False

    def follow(self, mbo: NDArray[np.void], index: int) -> None:
        """A record of the chosen event was applied."""
        if self._event is not None:
            record = mbo[index]
            self._event.records.append(
                EventRecord(
                    bytes(record["action"]),
                    bytes(record["side"]),
                    int(record["order_id"]),
                    int(record["price"]),
                    int(record["size"]),
                    int(record["flags"]),
                )
            )

    def event_ended(self, key: BookKey, applied: int, batch: Batch, index: int) -> None:
        """An event of a book ended with record ``index``, the file's number ``applied``."""
        if applied >= self._next_self_check:
            self._check_structures(batch.place(index))
            self.self_checks += 1
        if self._event is not None:
            self._patience -= 1
            if self._event.key == key:
                self._check(self._event, batch.place(index))
            elif self._patience == 0:
                self._event = self.chosen = None
        if self._event is None and applied >= self._next_check:
            self.wants_event = True

    def mark(self, at: Place) -> None:
        """What is only looked at now and then, where there are many books."""
        if not self._one_book:
            self._check_volume(at)

    def finish(self) -> None:
        """Every book once more, at the end."""
        for key in self._engine.books():
            image = image_of(self._engine, key)
            self.final[key] = image
            for rule, faults in check_image(self._engine, key, image).items():
                self._rules.check(rule, faults, None, key)
        self._check_volume(None)
        self._check_structures(None)

    def _check(self, event: _Event, at: Place) -> None:
        """The chosen event has ended: hold its book to the rules."""
        image = image_of(self._engine, event.key)
        found = check_image(self._engine, event.key, image)
        moved = check_transition(event.before, image, event.records)
        if moved is not None:
            found["priority"] += moved
            self.checked_transitions += 1
        for rule, faults in found.items():
            self._rules.check(rule, faults, at, event.key)
        self.checked_events += 1
        if self._one_book:
            self._check_volume(at)
        self._next_check = self._budget.spend(image.size)
        self._recent = event.key, image
        self._event = self.chosen = None

    def _check_structures(self, at: Place | None) -> None:
        """Let the engine check itself."""
        self._rules.check("structures", self_check(self._engine), at)
        self._next_self_check = self._self_check_budget.spend(_cost_of_walking(self._engine))

    def _check_volume(self, at: Place | None) -> None:
        """Invariant 5 over all books. Volumes count modulo 2**64."""
        resting = [0, 0]
        for publisher_id, instrument_id in self._engine.books():
            for side, levels in enumerate(self._engine.depth(instrument_id, 0, publisher_id)):
                resting[side] += sum(level.size for level in levels if level.count)
        counters = self._engine.counters
        faults = []
        for name, rests in zip(("bid", "ask"), resting, strict=True):
            added, removed = counters[f"volume_added_{name}"], counters[f"volume_removed_{name}"]
            if (added - removed - rests) % 2**64:
                faults.append(f"{name}s: {added} added and {removed} removed, but {rests} rest")
        self._rules.check("volume", faults, at)


def _cost_of_walking(engine: BookEngine) -> int:
    """What a walk over all orders costs."""
    counted: int | None = getattr(engine, "live_orders", None)
    if counted is not None:
        return counted
    books = engine.books()
    orders = sum(engine.status(instrument_id, publisher_id).orders for publisher_id, instrument_id in books)
    return orders * PLAIN_SELF_CHECK
