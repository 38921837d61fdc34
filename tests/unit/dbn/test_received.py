"""The front of a receive buffer: how far whole data records go."""

import pytest

from depthcast.dbn.received import data_prefix, first_time
from depthcast.errors import RecordError
from depthcast.live.control import error, heartbeat
from tests.support.records import LAST, SNAPSHOT, add, other, status

ONE = add(1, "B", 1, 1, ts_event=5, ts_recv=6)
MIXED = ONE + status(7) + ONE + other(0x20, 56) + add(2, "B", 1, 1, ts_event=12, ts_out=3)


def test_all_of_a_run_is_taken() -> None:
    assert data_prefix(ONE * 1_000) == (56_000, 1_000, 5)


def test_mixed_records_of_any_length_are_taken() -> None:
    assert data_prefix(MIXED) == (len(MIXED), 5, 12)


def test_nothing_is_an_empty_prefix() -> None:
    assert data_prefix(b"") == (0, 0, 0)


@pytest.mark.parametrize("cut", range(1, 56))
def test_a_record_cut_short_is_left(cut: int) -> None:
    assert data_prefix(MIXED + ONE[:cut]) == (len(MIXED), 5, 12)
    assert data_prefix(ONE[:cut]) == (0, 0, 0)


@pytest.mark.parametrize("control", [heartbeat(ts_event=1), error(6, "no", ts_event=1), other(0x16, 176)])
def test_it_stops_before_a_control_record(control: bytes) -> None:
    assert data_prefix(ONE * 3 + control + ONE) == (168, 3, 5)
    assert data_prefix(control + ONE) == (0, 0, 0)


def test_what_comes_before_a_broken_record_is_taken_first() -> None:
    broken = b"\3\x01" + bytes(54)
    assert data_prefix(ONE + broken) == (56, 1, 5)
    with pytest.raises(RecordError, match="12 bytes"):
        data_prefix(broken)


def test_an_mbo_record_of_another_size_is_broken() -> None:
    with pytest.raises(RecordError, match="60 bytes"):
        data_prefix(b"\x0f" + ONE[1:] + bytes(4))


def test_the_time_of_a_snapshot_record_is_when_it_was_made() -> None:
    record = add(1, "B", 1, 1, LAST | SNAPSHOT, ts_event=5, ts_recv=60)
    assert data_prefix(record)[2] == first_time(record) == 60


def test_the_time_of_a_bbo_record_is_its_interval() -> None:
    record = bytearray(other(0xC3, 80))
    record[32:40] = (70).to_bytes(8, "little")
    assert first_time(record) == 70


def test_a_part_of_a_record_has_no_time() -> None:
    with pytest.raises(RecordError, match="no whole record"):
        first_time(ONE[:40])
