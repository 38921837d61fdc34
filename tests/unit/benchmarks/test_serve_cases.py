"""The API's benchmark on a small scale: real feed, API and clients, a second long."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving.cases import StreamCase, run_stream
from benchmarks.serving.inputs import instruments_of, several
from benchmarks.streaming.inputs import Input
from benchmarks.whole_file import write_repeated
from benchmarks.workloads import simulated
from depthcast import Engine
from depthcast.dbn import read_dbn


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Input:
    """One simulated instrument, again and again."""
    path = tmp_path_factory.mktemp("inputs") / "one.dbn"
    write_repeated(simulated(4_000), path, 20_000)
    return Input("one", "a simulated instrument", path, 20_000)


@pytest.fixture(scope="module")
def four(source: Input) -> Input:
    return several(source, 30_000, source.path.parent)


def test_several_instruments_play_the_same_at_shares_of_their_own(source: Input, four: Input) -> None:
    records = read_dbn(four.path).records()
    played = read_dbn(source.path).records()
    first = int(played["instrument_id"][0])
    assert instruments_of(four.path, 4) == [first, first + 1, first + 2, first + 3]
    assert bool(np.all(np.diff(records["ts_recv"].astype(np.int64)) > 0))
    for number, share in enumerate((0.4, 0.3, 0.2, 0.1)):
        mine = records[records["instrument_id"] == first + number]
        assert len(mine) == share * len(records)
        for field in ("order_id", "action", "side", "price", "size", "flags"):
            assert np.array_equal(mine[field], played[field][: len(mine)])


def test_the_books_of_several_instruments_are_as_whole_as_that_of_one(source: Input, four: Input) -> None:
    alone, mixed = Engine(), Engine()
    played = read_dbn(source.path).records()
    alone.apply(played[: int(0.4 * four.records)].tobytes())
    mixed.apply(read_dbn(four.path).records().tobytes())
    first = int(played["instrument_id"][0])
    assert len(mixed.books()) == 4
    assert mixed.checksum(first) == alone.checksum(first)


def test_a_file_of_fewer_instruments_is_an_error(tmp_path: Path, source: Input) -> None:
    with pytest.raises(ValueError, match="1 instruments in the first"):
        instruments_of(source.path, 2)


def test_clients_of_several_classes_get_what_they_asked_for_and_the_feed_is_checked(four: Input) -> None:
    case = StreamCase("40 clients", 40, 20, 20_000, instruments=4, depths=(1, 5, 10, 25, 50))
    run = run_stream(case, four, 1.0)
    assert case.classes == 20
    assert run.streamed.frames > 40 * 20 * 0.3
    assert (run.streamed.gaps, run.streamed.closed, run.streamed.others.get("error", 0)) == (0, 0, 0)
    assert run.seen.feed_rate == pytest.approx(20_000, rel=0.5)
    assert run.ready_s is not None
    assert run.seen.memory_kib > 1_000


def test_a_feed_that_cannot_keep_its_rate_is_found_out(source: Input) -> None:
    """Nothing plays 10^9 records a second."""
    run = run_stream(StreamCase("2 clients", 2, 20, 1_000_000_000), source, 0.5)
    assert run.seen.feed_rate is not None
    assert 0 < run.seen.feed_rate < 500_000_000
