"""The figures of a run's summary."""

import pytest

from depthcast.book.engine import Engine
from depthcast.cli._summary import _MANY, _PIECE_BYTES, Meter, _latency, _percentile, print_summary
from tests.support.records import add, other, status


def test_percentiles_are_weighted_by_records() -> None:
    each = [(10.0, 90), (20.0, 9), (1000.0, 1)]
    assert _percentile(each, 100, 0.5) == 10
    assert _percentile(each, 100, 0.9) == 10
    assert _percentile(each, 100, 0.91) == 20
    assert _percentile(each, 100, 0.99) == 20
    assert _percentile(each, 100, 1) == 1000


def test_latency_is_of_calls_and_says_so() -> None:
    assert _latency([]) == "-"
    assert _latency([(1_000, 10)]) == "100 ns a record (all in one call, so no percentiles)"
    two = "200 ns a record (means of 2 calls, a chunk each: p50 100, p90 300, p99 300, max 300)"
    assert _latency([(3_000, 10), (1_000, 10)]) == two
    calls = [(100 * n, 10) for n in range(1, 101)]
    many = "505 ns a record (means of 100 calls, a chunk each: p50 500, p90 900, p99 990, max 1,000)"
    assert _latency(calls) == many


def test_a_meter_counts_what_the_engine_takes() -> None:
    meter = Meter(Engine())
    records = add(1, "B", 5, 1) * 3
    assert meter.apply(memoryview(records)) == 3
    assert meter.apply(memoryview(b"")) == 0
    assert meter.records == 3
    assert [count for _, count in meter.taken] == [3]


@pytest.mark.parametrize("between", [b"", status(7), other(0x7F, 255 * 4)])
def test_a_small_file_of_one_chunk_is_many_calls(between: bytes) -> None:
    records = [
        add(number, "B", number % 7, 1) + (between if number % 50 == 0 else b"") for number in range(1_000)
    ]
    engine, whole = Engine(), Engine()
    meter = Meter(engine)
    data = b"".join(records)
    assert meter.apply(memoryview(data)) == whole.apply(data) == meter.records
    assert len(meter.taken) == -(-len(data) // _PIECE_BYTES)
    assert engine.counters == whole.counters
    assert engine.checksum(7) == whole.checksum(7)


def test_chunks_are_whole_once_there_are_calls_enough() -> None:
    meter = Meter(Engine())
    record = add(1, "B", 5, 1)
    chunk = memoryview(record * (3 * _PIECE_BYTES // len(record)))
    meter.taken = [(1, 1)] * (_MANY - 1)
    meter.apply(chunk)
    assert len(meter.taken) == _MANY + 2
    meter.apply(chunk)
    assert len(meter.taken) == _MANY + 3


def test_a_run_without_records_has_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine()
    print_summary(Meter(engine), engine.counters, books=0)
    assert capsys.readouterr().err.count("no records") == 2
