"""Segments in, rows out: the database equals what the records give, however the segments come."""

import asyncio
import random
from pathlib import Path

import pytest

from depthcast.dbn import open_dbn
from depthcast.errors import SegmentError
from depthcast.journal.segments import ClosedSegment
from depthcast.store.compact import Outcome, compact
from depthcast.store.connect import connected
from tests.support.journals import simulated_feed
from tests.support.postgres import Server, run
from tests.support.stored import Contents, contents_of, everything, expected_contents, recorded

RECORDS = 6_000


async def deliver(url: str, segments: list[ClosedSegment]) -> list[Outcome]:
    async with connected(url) as connection:
        return [(await compact(connection, segment)).outcome for segment in segments]


async def contents(url: str) -> Contents:
    async with connected(url) as connection:
        return await contents_of(connection)


async def all_rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    async with connected(url) as connection:
        return await everything(connection)


@pytest.fixture(scope="module")
def clx5(data_dir: Path) -> bytes:
    with open_dbn(data_dir / "CLX5_mbo.dbn") as reader:
        return b"".join(bytes(chunk) for chunk in reader.chunks())


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> list[ClosedSegment]:
    """Several books at two venues through short days, in segments of some 700 records."""
    return recorded(tmp_path_factory.mktemp("simulated"), simulated_feed(RECORDS), records=700)


@pytest.fixture(scope="module")
def in_order(postgres: Server, simulated: list[ClosedSegment]) -> dict[str, list[tuple[object, ...]]]:
    """The rows of the simulated segments, each delivered once, in order."""
    url = postgres.fresh()
    run(deliver(url, simulated))
    return run(all_rows(url))


def _compare(found: Contents, expected: Contents) -> None:
    for table, rows in expected.items():
        assert len(found[table]) == len(rows), table
        for ours, theirs in zip(found[table], rows, strict=True):
            assert ours == theirs, table


def test_a_real_day_is_in_the_database_row_for_row(database: str, clx5: bytes, tmp_path: Path) -> None:
    segments = recorded(tmp_path, clx5, records=5_000)
    assert len(segments) == 8
    assert set(run(deliver(database, segments))) == {Outcome.COMPACTED}
    found = run(contents(database))
    assert (len(found["trades"]), len(found["bbo"])) == (1_599, 18_821)
    _compare(found, expected_contents(clx5))


def test_a_simulated_day_is_in_the_database_row_for_row(
    database: str, simulated: list[ClosedSegment]
) -> None:
    run(deliver(database, simulated))
    expected = expected_contents(simulated_feed(RECORDS))
    assert min(len(expected["trades"]), len(expected["bbo"])) > 100
    _compare(run(contents(database)), expected)


def test_a_segment_that_comes_twice_is_known(database: str, simulated: list[ClosedSegment]) -> None:
    run(deliver(database, simulated[:2]))
    before = run(all_rows(database))
    assert run(deliver(database, simulated[:2])) == [Outcome.KNOWN, Outcome.KNOWN]
    assert run(all_rows(database)) == before


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_segments_does_not_matter(
    seed: int, database: str, simulated: list[ClosedSegment], in_order: dict[str, list[tuple[object, ...]]]
) -> None:
    shuffled = simulated * 2
    random.Random(seed).shuffle(shuffled)
    run(deliver(database, shuffled))
    assert run(all_rows(database)) == in_order


def test_several_workers_at_once_make_the_same(
    database: str, simulated: list[ClosedSegment], in_order: dict[str, list[tuple[object, ...]]]
) -> None:
    async def together() -> list[list[Outcome]]:
        orders = [random.Random(seed).sample(simulated, len(simulated)) for seed in range(8)]
        return list(await asyncio.gather(*(deliver(database, order) for order in orders)))

    outcomes = [each for worker in run(together()) for each in worker]
    assert outcomes.count(Outcome.COMPACTED) == len(simulated)
    assert run(all_rows(database)) == in_order


def test_the_same_records_in_other_segments_make_the_same(
    database: str,
    simulated: list[ClosedSegment],
    in_order: dict[str, list[tuple[object, ...]]],
    tmp_path: Path,
) -> None:
    others = recorded(tmp_path, simulated_feed(RECORDS), records=1_100)
    assert [each.position for each in others] != [each.position for each in simulated][: len(others)]
    run(deliver(database, others[:3]))
    run(deliver(database, simulated[2:]))
    assert run(all_rows(database)) == in_order


def test_a_damaged_segment_is_named_and_leaves_nothing_behind(database: str, tmp_path: Path) -> None:
    good, bad = recorded(tmp_path, simulated_feed(2_000), records=1_000)[:2]
    path = Path(bad.path)
    stored = bytearray(path.read_bytes())
    stored[bad.index.frames[-1].offset + 40] ^= 0xFF
    path.write_bytes(stored)
    run(deliver(database, [good]))
    before = run(all_rows(database))
    with pytest.raises(SegmentError, match=r"the frame at byte .* is damaged") as caught:
        run(deliver(database, [bad]))
    assert caught.value.path == bad.path
    assert run(all_rows(database)) == before
