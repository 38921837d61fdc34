"""The figures of a run's summary."""

import pytest

from depthcast.book.engine import Engine
from depthcast.cli._summary import Meter, _latency, _percentile, print_summary
from tests.support.records import add


def test_percentiles_are_weighted_by_records() -> None:
    each = [(10.0, 90), (20.0, 9), (1000.0, 1)]
    assert _percentile(each, 100, 0.5) == 10
    assert _percentile(each, 100, 0.9) == 10
    assert _percentile(each, 100, 0.91) == 20
    assert _percentile(each, 100, 0.99) == 20
    assert _percentile(each, 100, 1) == 1000


def test_latency_is_of_calls_and_says_so() -> None:
    assert _latency([]) == "-"
    assert _latency([(1_000, 10)]) == "100 ns a record"
    calls = [(100 * n, 10) for n in range(1, 101)]
    assert _latency(calls) == "505 ns a record (means of 100 calls: p50 500, p99 990, max 1,000)"


def test_a_meter_counts_what_the_engine_takes() -> None:
    meter = Meter(Engine())
    records = add(1, "B", 5, 1) * 3
    assert meter.apply(memoryview(records)) == 3
    assert meter.apply(memoryview(b"")) == 0
    assert meter.records == 3
    assert [count for _, count in meter.taken] == [3]


def test_a_run_without_records_has_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine()
    print_summary(Meter(engine), engine.counters, books=0)
    assert capsys.readouterr().err.count("no records") == 2
