"""A snapshot at every cut, inside events too: the restored book is equal, and goes on as if never stopped.

What a snapshot cannot carry is written in docs/decisions/0001-book-rulings.md; those cases are left out here.
"""

from dataclasses import dataclass, replace

from hypothesis import given, note
from hypothesis import strategies as st

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from depthcast.book.reference_records import mbo_at
from depthcast.book.types import BookKey
from depthcast.dbn.layout import RType
from tests.property.strategies import record_lists, tries
from tests.support.compare import assert_same_answers, content
from tests.support.domains import EDGES, LADDER, SMALL, TIGHT, VENUES
from tests.support.engines import AnyEngine
from tests.support.records import clear, listing
from tests.support.runs import same_run

NO_LIMIT = {"max_event_records": 2**31 - 1, "max_event_ns": 2**62}


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a feed is cut: the engine as it stands there, and the records that follow."""

    before: ReferenceEngine
    rest: list[bytes]

    def next_record(self, key: BookKey) -> bytes | None:
        """The book's next record."""
        for record in self.rest:
            if record[1] == RType.MBO and book_of(record) == key:
                return record
        return None

    def joins_two_runs(self, key: BookKey, restored: ReferenceEngine) -> bool:
        """What follows goes on with the snapshot taken here and not with what came before, or vice versa."""
        record = self.next_record(key)
        if record is None:
            return False
        return not same_run(self.before._books[key], restored._books[key], mbo_at(record, 0))

    def is_merely_incomplete(self, key: BookKey) -> bool:
        status = self.before.status(key.instrument_id, key.publisher_id)
        return not status.complete and not status.suspect


def book_of(record: bytes) -> BookKey:
    return BookKey(int.from_bytes(record[2:4], "little"), int.from_bytes(record[4:8], "little"))


def fed(engine: AnyEngine, records: list[bytes]) -> AnyEngine:
    engine.apply(b"".join(records))
    return engine


def check_cut(cut: Cut, whole: ReferenceEngine) -> None:
    """Restore both kinds of engine from a snapshot at the cut; compare there, go on, compare at the end."""
    snapshot = cut.before.snapshot()
    reference = ReferenceEngine(**NO_LIMIT)
    engines: list[AnyEngine] = [Engine(**NO_LIMIT), reference]
    for engine in engines:
        engine.apply(snapshot)
    assert_same_answers(*engines)
    for engine in engines:
        assert engine.books() == cut.before.books()
        for key in engine.books():
            assert content(engine, key) == content(cut.before, key)
    implied = whole.counters["snapshots_without_clear"] - cut.before.counters["snapshots_without_clear"]
    exempt = {key for key in cut.before.books() if cut.joins_two_runs(key, reference)}
    for engine in engines:
        fed(engine, cut.rest)
        assert engine.books() == whole.books()
        for key in set(engine.books()) - exempt:
            ours, expected = content(engine, key), content(whole, key)
            if implied and key in cut.before.books() and cut.is_merely_incomplete(key):
                ours, expected = replace(ours, good=True), replace(expected, good=True)
            assert ours == expected
    assert_same_answers(*engines)


@given(st.data())
@tries(120)
def test_going_on_from_a_snapshot_at_any_cut_equals_never_having_stopped(data: st.DataObject) -> None:
    domain = data.draw(st.sampled_from([TIGHT, SMALL, EDGES, LADDER, VENUES]))
    records = data.draw(record_lists(domain, 25))
    note(listing(records))
    if data.draw(st.booleans()):
        records = [clear(publisher_id=domain.publishers[0], instrument_id=domain.instruments[0]), *records]
    whole = ReferenceEngine(**NO_LIMIT)
    fed(whole, records)
    before = ReferenceEngine(**NO_LIMIT)
    for position in range(len(records) + 1):
        check_cut(Cut(before, records[position:]), whole)
        fed(before, records[position : position + 1])
