"""Equal input gives equal state, however it is cut into buffers (docs/book.md § Invariants, 6)."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from tests.property.strategies import record_lists, tries
from tests.support.compare import assert_same_answers
from tests.support.domains import DOMAINS
from tests.support.engines import ENGINES, AnyEngine
from tests.support.records import listing
from tests.support.samples import records as sample

OIL, INDEX, SHARE = "CLX5_mbo.dbn", "esm4-20240508.mbo.dbn.zst", "lobster_aapl10_first999_mbo.dbn"


@given(st.data())
@tries(60)
def test_chunks_may_end_between_any_two_records(data: st.DataObject) -> None:
    records = data.draw(record_lists(data.draw(st.sampled_from(DOMAINS)), 50))
    note(listing(records))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(records)))))
    engines: list[AnyEngine] = [Engine(), ReferenceEngine()]
    applied = [sum(engine.apply(record) for record in records) for engine in engines]
    for kind in ENGINES:
        chunked = kind()
        pieces = [records[start:end] for start, end in pairwise([0, *cuts, len(records)])]
        applied.append(sum(chunked.apply(b"".join(piece)) for piece in pieces))
        engines.append(chunked)
    assert len(set(applied)) == 1
    for engine in engines[1:]:
        assert_same_answers(engine, engines[0])
    changes = [engine.changed() for engine in engines]
    assert changes.count(changes[0]) == len(changes)


@pytest.mark.parametrize(
    "name", ["CLX5_mbo.dbn", "esm4-20240508.mbo.dbn.zst", "lobster_aapl10_first999_mbo.dbn"]
)
def test_real_files_give_one_state_however_they_are_cut(data_dir: Path, name: str) -> None:
    records = sample(data_dir / name)
    reference = ReferenceEngine()
    reference.apply(records)
    random = np.random.default_rng(20240508)
    for longest in (1, 7, 400, 20_000):
        engine = Engine()
        start = 0
        while start < len(records):
            end = start + int(random.integers(1, longest + 1))
            engine.apply(records[start:end])
            start = end
        assert_same_answers(engine, reference)


@pytest.mark.parametrize("name", [OIL, SHARE])
def test_real_files_give_one_state_after_every_event(data_dir: Path, name: str) -> None:
    records = sample(data_dir / name)
    instrument_id = int(records["instrument_id"][0])
    engine, reference = Engine(), ReferenceEngine()
    ends = np.flatnonzero(records["flags"] & 0x80) + 1
    for event, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
        assert engine.apply(records[start:end]) == reference.apply(records[start:end])
        assert engine.status(instrument_id) == reference.status(instrument_id)
        if event % 8 == 0:
            assert engine.checksum(instrument_id) == reference.checksum(instrument_id)
    assert_same_answers(engine, reference)
