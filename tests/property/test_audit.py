"""Audits of random and adversarial records: no false alarm, one report whatever the chunks and the engine."""

from hypothesis import given, note, settings
from hypothesis import strategies as st

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from depthcast.dbn.layout import RType
from tests.property.strategies import record_lists
from tests.support.audit import audited
from tests.support.domains import EDGES, LADDER, SMALL, TIGHT, VENUES
from tests.support.records import clear, listing


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_good_engines_raise_no_alarm_and_chunks_change_no_word(data: st.DataObject) -> None:
    domain = data.draw(st.sampled_from([TIGHT, SMALL, EDGES, LADDER, VENUES]))
    records = data.draw(record_lists(domain, 30))
    if not any(record[1] == RType.MBO for record in records):
        records = [clear(), *records]
    note(listing(records))
    report = audited(*records)
    assert report.valid, [(rule.id, rule.examples) for rule in report.rules if not rule.holds]
    assert audited(*records, chunk=data.draw(st.integers(1, 7))) == report
    swapped = audited(*records, engine=ReferenceEngine, other=Engine)
    assert swapped == report
