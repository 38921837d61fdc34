"""Segments in, rows out: the database equals what the records give, however the segments come."""

import asyncio
import random
from pathlib import Path

import pytest

from depthcast.dbn import open_dbn
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.errors import SegmentError
from depthcast.journal.segments import ClosedSegment
from depthcast.store.compact import Outcome, compact
from depthcast.store.connect import connected
from tests.support.definitions import definition
from tests.support.journals import simulated_feed
from tests.support.postgres import Server, run
from tests.support.records import mbo
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


def test_the_ledger_counts_the_rows_that_a_segment_gives_whether_they_were_merged_or_not(
    database: str, simulated: list[ClosedSegment], tmp_path: Path
) -> None:
    async def counts() -> list[tuple[int, ...]]:
        async with connected(database) as connection:
            rows = await connection.fetch(
                "SELECT epoch, position, records, trades, bbo, depth FROM depthcast.segments "
                "ORDER BY position"
            )
            return [tuple(row) for row in rows]

    run(deliver(database, simulated))
    found = run(counts())
    (whole,) = recorded(tmp_path, simulated_feed(RECORDS), records=RECORDS)
    expected = expected_contents(simulated_feed(RECORDS))
    for number, table in enumerate(("trades", "bbo"), start=3):
        assert sum(each[number] for each in found) == len(expected[table])
    ends = [row[0] for row in expected["depth"]]
    assert len(ends) <= sum(each[5] for each in found) <= len(ends) + 10 * len(simulated)

    async def forget() -> None:
        async with connected(database) as connection:
            await connection.execute("DELETE FROM depthcast.segments")

    run(forget())
    assert set(run(deliver(database, simulated))) == {Outcome.COMPACTED}  # with rows that are there
    assert run(counts()) == found
    run(forget())
    run(deliver(database, [whole]))
    (all_of_it,) = run(counts())
    assert all_of_it[3:] == (len(expected["trades"]), len(expected["bbo"]), len(ends))


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


def test_workers_that_have_the_same_records_in_other_segments_do_not_stand_in_each_others_way(
    database: str,
    simulated: list[ClosedSegment],
    in_order: dict[str, list[tuple[object, ...]]],
    tmp_path: Path,
) -> None:
    """Each may wait for rows of the other: who gives way begins anew, and finds them there."""
    others = recorded(tmp_path, simulated_feed(RECORDS), records=1_100)

    async def together() -> None:
        halves = [simulated, others, simulated[::-1], others[::-1]]
        await asyncio.gather(*(deliver(database, half) for half in halves))

    run(together())
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


def test_the_greatest_and_least_values_are_held_without_loss(database: str, tmp_path: Path) -> None:
    last: dict[str, int] = {"publisher_id": 2**16 - 1, "instrument_id": 2**32 - 1, "sequence": 2**32 - 1}
    times = {"ts_event": 2**63 + 5, "ts_recv": 2**64 - 2}
    undefined = {"ts_event": UNDEF_TIMESTAMP, "ts_recv": UNDEF_TIMESTAMP}
    records = [
        mbo("A", "B", price=-(2**63), size=2**32 - 1, order_id=2**64 - 1, **last, **times),
        mbo("A", "A", price=2**63 - 2, size=2**32 - 1, order_id=2**64 - 2, **last, **times),
        mbo("T", "B", price=2**63 - 2, size=2**32 - 1, order_id=2**64 - 1, **last, **times),
        mbo("T", "N", size=2**32 - 2, order_id=2**63, **last, **undefined),
        mbo("T", "A", price=0, size=0, order_id=2**63 - 1, **last, ts_event=0, ts_recv=0),
    ]
    run(deliver(database, recorded(tmp_path, b"".join(records), records=10)))
    found, expected = run(contents(database)), expected_contents(b"".join(records))
    signed = {2**63 + 5: -(2**63) + 5, 2**64 - 2: -2}  # the 64 bits of a time
    for table in ("trades", "bbo"):
        rows = [tuple(signed.get(value, value) for value in row[:6]) + row[6:] for row in expected[table]]
        assert found[table] == rows

    async def decimals() -> list[tuple[object, ...]]:
        async with connected(database) as connection:
            rows = await connection.fetch(
                "SELECT order_id::text, price::text, size, extract(year FROM ts)::int FROM history.trades "
                "ORDER BY position"
            )
            return [tuple(row) for row in rows]

    assert run(decimals()) == [
        (str(2**64 - 1), "9223372036.854775806", None, 2554),
        (str(2**63), None, 2**32 - 2, 1970),
        (str(2**63 - 1), "0.000000000", 0, 1970),
    ]


@pytest.mark.parametrize("backwards", [False, True])
def test_an_instrument_is_what_its_newest_definition_says(
    backwards: bool, database: str, tmp_path: Path
) -> None:
    flow = [mbo("A", "B", price=5, size=1, order_id=order) for order in range(1, 4)]
    data = b"".join([definition(7, "OLD", ts_event=5), flow[0], definition(7, "NEW", ts_event=9), *flow[1:]])
    segments = recorded(tmp_path, data, records=2)
    assert len(segments) > 1
    run(deliver(database, segments[::-1] if backwards else segments))

    async def instruments() -> list[tuple[object, ...]]:
        async with connected(database) as connection:
            rows = await connection.fetch(
                "SELECT instrument_id, publisher_id, raw_symbol, asset, min_price_increment::text, "
                "expiration "
                "FROM history.instruments ORDER BY instrument_id"
            )
            return [tuple(row) for row in rows]

    assert run(instruments()) == [
        (7, 1, "NEW", "CL", "0.010000000", None),
        (432669, None, "CLX5", None, None, None),
    ]
