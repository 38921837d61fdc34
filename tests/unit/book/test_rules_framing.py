"""docs/book.md § Framing: which records are taken, which skipped, and where broken bytes stop the engine."""

import numpy as np
import pytest

from depthcast.dbn.layout import MBO
from depthcast.errors import RecordError
from tests.support.engines import AnyEngine
from tests.support.records import LAST, MBP, add, clear, mbo, other, status, trade
from tests.support.views import counted, levels

P = 100


def framed(words: int, rtype: int, size: int) -> bytes:
    """Bytes that claim to be a record of ``words`` 4-byte words."""
    return bytes([words, rtype]).ljust(size, b"\1")


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_buffer_is_taken(engine: AnyEngine, wrap: type[bytes]) -> None:
    assert engine.apply(wrap(add(1, "B", P, 5) + add(2, "B", P, 5))) == 2
    assert levels(engine) == ([(P, 10, 2)], [])


def test_an_array_of_records_and_a_slice_of_it_are_taken(engine: AnyEngine) -> None:
    records = np.frombuffer(add(1, "B", P, 5) + add(2, "B", P, 5) + add(3, "B", P, 5), MBO)
    assert engine.apply(records[1:]) == 2
    assert levels(engine) == ([(P, 10, 2)], [])


def test_bytes_with_gaps_are_refused(engine: AnyEngine) -> None:
    records = np.frombuffer(add(1, "B", P, 5) + add(2, "B", P, 5) + add(3, "B", P, 5), MBO)
    with pytest.raises(BufferError, match="contiguous"):
        engine.apply(records[::2])
    with pytest.raises(BufferError, match="contiguous"):
        engine.boundary(memoryview(records.tobytes())[::2])
    assert engine.books() == []


def test_no_bytes_are_no_records(engine: AnyEngine) -> None:
    assert engine.apply(b"") == 0
    assert engine.boundary(b"") == 0
    assert engine.books() == []
    assert not any(engine.counters.values())


def test_a_record_with_ts_out_is_the_same_record(engine: AnyEngine) -> None:
    stream = add(1, "B", P, 5, ts_out=99) + add(2, "B", P, 5) + add(3, "B", P, 5, ts_out=2**64 - 1)
    assert len(stream) == 64 + 56 + 64
    assert engine.apply(stream) == 3
    assert levels(engine) == ([(P, 15, 3)], [])


@pytest.mark.parametrize(
    "rtype", [0x00, 0x01, 0x0A, 0x13, 0x15, 0x16, 0x17, 0x18, 0x20, 0xB1, 0xC3, 0x7F, 0xFF]
)
@pytest.mark.parametrize("size", [16, 40, 56, 1020])
def test_records_of_other_types_are_skipped_by_their_length(engine: AnyEngine, rtype: int, size: int) -> None:
    assert engine.apply(add(1, "B", P, 5) + other(rtype, size) + add(2, "B", P, 5)) == 2
    assert levels(engine) == ([(P, 10, 2)], [])
    assert counted(engine) == {"adds": 2, "skipped_records": 1}


@pytest.mark.parametrize(("size", "taken"), [(16, 0), (20, 0), (24, 0), (28, 1), (40, 1), (48, 1)])
def test_a_status_record_too_short_for_its_action_is_skipped(
    engine: AnyEngine, size: int, taken: int
) -> None:
    assert engine.apply(clear() + status(7, size=size)) == 1 + taken
    assert engine.status(7).phase == ("trading" if taken else None)
    assert engine.counters["status_records"] == taken
    assert engine.counters["skipped_records"] == 1 - taken


def test_apply_counts_mbo_and_status_records(engine: AnyEngine) -> None:
    assert engine.apply(other(0x17) + status(7) + mbo("X") + other(0x13) + clear()) == 3
    assert engine.counters["records"] == 2
    assert engine.counters["status_records"] == 1
    assert engine.counters["skipped_records"] == 2


@pytest.mark.parametrize(
    "broken",
    [
        framed(0, 0xA0, 56),
        framed(3, 0xA0, 56),
        framed(3, 0x17, 56),
        framed(0, 0, 1),
        framed(13, 0xA0, 52),
        framed(15, 0xA0, 60),
        framed(17, 0xA0, 68),
        framed(255, 0xA0, 1020),
        framed(14, 0xA0, 55),
        framed(16, 0xA0, 56),
        framed(10, 0x17, 39),
        framed(255, 0x17, 16),
        framed(14, 0xA0, 2),
        framed(14, 0xA0, 1),
    ],
    ids=lambda broken: f"{broken[0]} words {len(broken)} bytes",
)
def test_broken_framing_is_refused_where_it_begins_after_what_came_before(
    engine: AnyEngine, broken: bytes
) -> None:
    good = add(1, "B", P, 5) + other(0x17) + status(7) + add(2, "B", P, 6, ts_out=5)
    with pytest.raises(RecordError) as refused:
        engine.apply(good + broken)
    assert refused.value.offset == len(good)
    assert refused.value.applied == 3
    assert f"byte {len(good)}" in str(refused.value)
    assert levels(engine) == ([(P, 11, 2)], [])
    assert engine.counters["records"] == 2
    assert engine.counters["skipped_records"] == engine.counters["status_records"] == 1


def test_the_engine_goes_on_after_broken_framing(engine: AnyEngine) -> None:
    with pytest.raises(RecordError):
        engine.apply(add(1, "B", P, 5) + b"\0")
    assert engine.apply(add(2, "B", P, 6)) == 1
    assert levels(engine) == ([(P, 11, 2)], [])


# -- boundary


def test_the_boundary_is_after_the_last_record_that_leaves_no_event_open(engine: AnyEngine) -> None:
    first = add(1, "B", P, 5, 0) + add(2, "B", P, 5)
    assert engine.boundary(first + add(3, "B", P, 5, 0)) == len(first)
    assert engine.boundary(first) == len(first)
    assert engine.boundary(add(3, "B", P, 5, 0)) == 0


def test_the_boundary_changes_nothing(engine: AnyEngine) -> None:
    engine.boundary(add(1, "B", P, 5) + status(7))
    assert engine.books() == []
    assert not any(engine.counters.values())
    assert engine.changed() == []


def test_the_boundary_starts_from_the_books_that_are_inside_an_event_now(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, 0) + add(1, "B", P, 5, 0, publisher_id=2))
    first = add(2, "B", P, 5) + add(2, "B", P, 5, instrument_id=9)
    assert engine.boundary(first) == 0
    second = first + add(2, "B", P, 5, publisher_id=2)
    assert engine.boundary(second + add(3, "B", P, 5, 0)) == len(second)


def test_the_boundary_waits_for_every_book_of_the_buffer(engine: AnyEngine) -> None:
    first = add(1, "B", P, 5)
    both = add(1, "B", P, 5, 0) + add(1, "B", P, 5, 0, instrument_id=8) + add(2, "B", P, 5)
    assert engine.boundary(first + both) == len(first)
    closed = first + both + add(2, "B", P, 5, instrument_id=8)
    assert engine.boundary(closed) == len(closed)


def test_events_that_are_open_already_can_be_left_out_of_the_boundary(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, 0) + add(1, "B", P, 5, 0, publisher_id=2))
    going_on = add(2, "B", P, 5, 0) + add(2, "B", P, 5, instrument_id=9)
    assert engine.boundary(going_on) == 0
    assert engine.boundary(going_on, new_only=True) == len(going_on)
    ended = going_on + add(3, "B", P, 5)
    assert engine.boundary(ended, new_only=True) == len(ended)
    begun_anew = ended + add(4, "B", P, 5, 0)
    assert engine.boundary(begun_anew, new_only=True) == len(ended)
    assert engine.boundary(going_on + add(1, "B", P, 5, 0, instrument_id=9), new_only=True) == len(going_on)


def test_ignored_records_count_for_the_boundary(engine: AnyEngine) -> None:
    first = mbo("X", flags=0) + mbo("A", "B", P, 5, 1, MBP | LAST)
    assert engine.boundary(first + mbo("X", flags=0)) == len(first)


def test_status_and_other_records_follow_the_record_before_them(engine: AnyEngine) -> None:
    lead = status(7) + other(0x17)
    assert engine.boundary(lead) == len(lead)
    closed = lead + add(1, "B", P, 5) + status(7) + other(0x17)
    assert engine.boundary(closed + trade("A", P, 1) + status(7)) == len(closed)
    engine.apply(trade("A", P, 1))
    assert engine.boundary(lead) == 0


def test_a_last_record_cut_short_is_outside_the_boundary(engine: AnyEngine) -> None:
    first = add(1, "B", P, 5)
    for size in range(1, 64):
        assert engine.boundary(first + add(2, "B", P, 5, ts_out=1)[:size]) == len(first)


@pytest.mark.parametrize(
    "broken", [framed(0, 0xA0, 56), framed(3, 0x17, 12), framed(15, 0xA0, 60), framed(17, 0xA0, 9)]
)
def test_the_boundary_of_broken_framing_is_refused(engine: AnyEngine, broken: bytes) -> None:
    with pytest.raises(RecordError) as refused:
        engine.boundary(add(1, "B", P, 5) + broken)
    assert refused.value.offset == 56
    assert refused.value.applied == 0
