"""The compiled engine against the reference: the same records, the same answers, after every event."""

from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from depthcast.errors import BookError, RecordError
from tests.property.strategies import broken_records, record_lists, tries
from tests.support.compare import assert_same_answers, assert_sound
from tests.support.domains import DOMAINS, EDGES, SMALL, TIGHT, Domain
from tests.support.engines import AnyEngine
from tests.support.records import LAST, listing

FLAGS_OFFSET = 36


def events(records: list[bytes]) -> list[list[bytes]]:
    """The records cut after each one that ends an event of its book."""
    cut: list[list[bytes]] = [[]]
    for record in records:
        cut[-1].append(record)
        if record[1] == 0xA0 and record[FLAGS_OFFSET] & LAST:
            cut.append([])
    return [event for event in cut if event]


def outcome(engine: AnyEngine, buffer: bytes) -> tuple[Any, ...]:
    """What a call of apply comes to: a number of records, or where and after how many it was refused."""
    try:
        return ("applied", engine.apply(buffer))
    except RecordError as error:
        return ("refused", error.offset, error.applied)


def boundary(engine: AnyEngine, buffer: bytes, *, new_only: bool = False) -> tuple[Any, ...]:
    try:
        return ("boundary", engine.boundary(buffer, new_only=new_only))
    except RecordError as error:
        return ("refused", error.offset, error.applied)


class TwoEngines(RuleBasedStateMachine):
    """Whatever is done to the one is done to the other."""

    engine: Engine
    reference: ReferenceEngine
    domain: Domain

    @initialize(domain=st.sampled_from(DOMAINS), limit=st.sampled_from([65_536, 3, 8]))
    def start(self, domain: Domain, limit: int) -> None:
        self.domain = domain
        self.limits = {"max_event_records": limit, "max_event_ns": 60_000_000_000 if limit > 8 else 30}
        self.engine = Engine(**self.limits)
        self.reference = ReferenceEngine(**self.limits)

    @rule(data=st.data())
    def apply_event_by_event(self, data: st.DataObject) -> None:
        records = data.draw(record_lists(self.domain, 12))
        note(listing(records))
        for event in events(records):
            chunk = b"".join(event)
            assert outcome(self.engine, chunk) == outcome(self.reference, chunk)
            assert_same_answers(self.engine, self.reference)

    @rule(data=st.data())
    def apply_in_one_chunk(self, data: st.DataObject) -> None:
        records = data.draw(record_lists(self.domain, 40))
        note(listing(records))
        applied = sum(self.reference.apply(record) for record in records)
        assert self.engine.apply(b"".join(records)) == applied

    @rule(data=st.data(), broken=broken_records())
    def apply_broken_bytes(self, data: st.DataObject, broken: bytes) -> None:
        chunk = b"".join(data.draw(record_lists(self.domain, 4))) + broken
        assert boundary(self.engine, chunk) == boundary(self.reference, chunk)
        assert outcome(self.engine, chunk) == outcome(self.reference, chunk)

    @rule(data=st.data(), cut=st.integers(0, 70), new_only=st.booleans())
    def ask_for_the_boundary(self, data: st.DataObject, cut: int, new_only: bool) -> None:
        chunk = b"".join(data.draw(record_lists(self.domain, 6)))
        chunk = chunk[: max(0, len(chunk) - cut)]
        of_engine = boundary(self.engine, chunk, new_only=new_only)
        assert of_engine == boundary(self.reference, chunk, new_only=new_only)

    @rule()
    def ask_what_changed(self) -> None:
        assert self.engine.changed() == self.reference.changed()

    @rule(data=st.data())
    def mark_suspect(self, data: st.DataObject) -> None:
        instrument_id = data.draw(st.sampled_from([None, *self.domain.instruments[:3]]))
        publisher_id = data.draw(st.sampled_from([None, *self.domain.publishers]))
        marked = []
        for engine in (self.engine, self.reference):
            try:
                engine.mark_suspect(instrument_id, publisher_id)
            except (BookError, ValueError) as error:
                marked.append(type(error).__name__)
            else:
                marked.append("marked")
        assert marked[0] == marked[1]

    @rule()
    def go_on_from_each_others_snapshots(self) -> None:
        engine, reference = Engine(**self.limits), ReferenceEngine(**self.limits)
        engine.apply(self.reference.snapshot())
        reference.apply(self.engine.snapshot())
        self.engine, self.reference = engine, reference

    @invariant()
    def same(self) -> None:
        if hasattr(self, "engine"):
            assert_same_answers(self.engine, self.reference)
            assert_sound(self.engine)
            assert_sound(self.reference)


TwoEngines.TestCase.settings = settings(tries(40), stateful_step_count=20)
TestTwoEngines = TwoEngines.TestCase


@given(st.data())
@tries(100)
def test_small_books_stay_equal_record_by_record(data: st.DataObject) -> None:
    domain = data.draw(st.sampled_from([TIGHT, SMALL, EDGES]))
    engine, reference = Engine(), ReferenceEngine()
    records = data.draw(record_lists(domain, 60))
    note(listing(records))
    for record in records:
        assert engine.apply(record) == reference.apply(record)
        assert_same_answers(engine, reference)
    assert engine.changed() == reference.changed()
    assert_sound(engine)
    assert_sound(reference)
