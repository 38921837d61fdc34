"""What a file holds, counted."""

import io

import numpy as np
import pytest

from depthcast.dbn import open_dbn
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.dbn.summary import Span, Summary, summarize
from depthcast.errors import DBNError
from tests.support.dbn_files import head
from tests.support.records import mbo, other, status

MANY = 7_000  # more than one chunk holds


def summary_of(*records: bytes, partial: bool = False) -> Summary:
    with open_dbn(io.BytesIO(head() + b"".join(records))) as reader:
        return summarize(reader, partial=partial)


def test_records_are_counted_by_type_and_instrument() -> None:
    orders = [
        mbo("A", "B", 1, 1, n, publisher_id=1 + n % 2, instrument_id=2**32 - 1 - n % 3) for n in range(MANY)
    ]
    found = summary_of(*orders, status(7), other(0x7F, 16))
    assert (found.records, found.bytes) == (MANY + 2, MANY * 56 + 40 + 16)
    assert found.rtypes == {0xA0: MANY, 0x12: 1, 0x7F: 1}
    expected: dict[tuple[int, int], int] = {(1, 7): 2}
    for n in range(MANY):
        key = 1 + n % 2, 2**32 - 1 - n % 3
        expected[key] = expected.get(key, 0) + 1
    assert found.instruments == expected
    assert found.error is None


def test_times_are_the_earliest_and_latest_of_all_chunks() -> None:
    draw = np.random.default_rng(5)
    times = draw.integers(1, 2**63, size=(MANY, 2)).tolist()
    found = summary_of(*(mbo("N", ts_event=event, ts_recv=recv) for event, recv in times))
    events, recvs = zip(*times, strict=True)
    assert found.ts_event == Span(min(events), max(events))
    assert found.ts_recv == Span(min(recvs), max(recvs))


def test_undefined_times_do_not_count() -> None:
    undefined = mbo("N", ts_event=UNDEF_TIMESTAMP, ts_recv=UNDEF_TIMESTAMP)
    found = summary_of(undefined, mbo("N", ts_event=5, ts_recv=6), undefined)
    assert (found.ts_event, found.ts_recv) == (Span(5, 5), Span(6, 6))
    assert summary_of(undefined).ts_event == Span(None, None)


def test_a_file_without_records() -> None:
    assert summary_of() == Summary()


def test_part_of_a_broken_file() -> None:
    good = mbo("N")
    with pytest.raises(DBNError):
        summary_of(good, bytes(56))
    found = summary_of(good, bytes(56), partial=True)
    assert found.records == 1
    assert found.error is not None
    assert found.error.offset == len(head()) + 56
