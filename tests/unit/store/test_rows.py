"""What becomes of a segment's bytes, without a database."""

from pathlib import Path

import msgspec
import pytest

from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.errors import SegmentError
from depthcast.journal.segments import ClosedSegment
from depthcast.store.instruments import Instrument, merged
from depthcast.store.rows import Piece, segment_rows
from depthcast.store.tables import COPIED, TABLES
from tests.support.journals import simulated_feed
from tests.support.records import mbo
from tests.support.stored import recorded


@pytest.fixture
def segments(tmp_path: Path) -> list[ClosedSegment]:
    return recorded(tmp_path, simulated_feed(3_000), records=1_000)


def _all(segment: ClosedSegment, until: int | None = None) -> list[Piece]:
    return list(segment_rows(segment, 1, until))


def test_the_same_segment_gives_the_same_bytes(segments: list[ClosedSegment]) -> None:
    assert _all(segments[1]) == _all(segments[1])


def test_the_head_gives_instruments_and_no_rows(segments: list[ClosedSegment]) -> None:
    names, head, *rest = _all(segments[1])
    assert (names.rows, head) == ({}, Piece({}, {}))
    assert names.instruments == {432669: Instrument(-1, -1, "CLX5")}
    assert all(set(piece.rows) <= set(COPIED) for piece in rest)
    assert sum(piece.rows["bbo"].number for piece in rest if "bbo" in piece.rows) > 0


def test_what_a_server_gathers_by_itself_is_left_out(segments: list[ClosedSegment]) -> None:
    found = {table for piece in segment_rows(segments[1], 1, seconds=False) for table in piece.rows}
    assert found == {*TABLES, "new_depth"}


def test_records_from_a_position_on_are_left_out(segments: list[ClosedSegment]) -> None:
    segment = segments[1]
    assert all(piece.rows == {} for piece in _all(segment, segment.position))
    whole, part = (
        sum(piece.rows["bbo"].number for piece in _all(segment, until) if "bbo" in piece.rows)
        for until in (None, segment.position + segment.index.records // 2)
    )
    assert 0 < part < whole
    assert _all(segment, segment.end + 5) == _all(segment)


def test_a_segment_with_fewer_records_than_its_index_says_is_named(segments: list[ClosedSegment]) -> None:
    index = msgspec.structs.replace(segments[1].index, frames=[])
    shorter = ClosedSegment(segments[1].objects, segments[1].key, index)
    with pytest.raises(SegmentError, match=r"it ends at position .*, not at .* as its index says") as caught:
        _all(shorter)
    assert caught.value.path == segments[1].path


def test_rows_without_any_time_are_of_1970(tmp_path: Path) -> None:
    record = mbo("T", "A", price=5, size=1, ts_event=UNDEF_TIMESTAMP, ts_recv=UNDEF_TIMESTAMP)
    (segment,) = recorded(tmp_path, record, records=1)
    (trades,) = (piece.rows["trades"] for piece in _all(segment)[1:] if "trades" in piece.rows)
    assert (trades.number, trades.first_us, trades.days) == (1, -946_684_800_000_000, frozenset({-10_957}))


def test_the_newest_definition_of_an_instrument_stays_whatever_comes_first() -> None:
    symbol, old, new = Instrument(-1, -1, "X"), Instrument(5, 5, "X", 1), Instrument(9, 1, "Y", 1)
    for first, second in ((old, new), (new, old)):
        assert merged(merged({1: symbol}, {1: first}), {1: second}) == {1: new}
    assert merged({1: old}, {2: new}) == {1: old, 2: new}
