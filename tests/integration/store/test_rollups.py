"""Rollups: what compaction gathers as it reads is what SQL makes of the stored rows, row for row."""

import random
from pathlib import Path

import pytest

from depthcast.dbn import forms
from depthcast.dbn.layout import UNDEF_PRICE, UNDEF_TIMESTAMP
from depthcast.journal.segments import ClosedSegment
from depthcast.store import merging
from depthcast.store.compact import compact
from depthcast.store.connect import connected
from tests.support.journals import simulated_feed
from tests.support.postgres import run
from tests.support.records import mbo
from tests.support.stored import ROLLUPS, everything, recorded

AllRows = dict[str, list[tuple[object, ...]]]
RECORDS = 5_000
MADE = ("bbo_1s", "depth_1m", *ROLLUPS)


async def _rows(url: str) -> AllRows:
    async with connected(url) as connection:
        found = await everything(connection)
        return {table: found[table] for table in MADE}


async def _deliver(url: str, segments: list[ClosedSegment]) -> None:
    async with connected(url) as connection:
        for segment in segments:
            await compact(connection, segment)


async def _made_by_sql(url: str) -> AllRows:
    """The rollups, made again by the server from the rows alone."""
    async with connected(url) as connection:
        if not await connection.fetchval(merging.KEEPS_ROLLUPS):
            pytest.skip("a server with TimescaleDB makes rollups by itself")
        await connection.execute(merging.NEW_TABLES + merging.NEW_ROLLUPS)
        async with connection.transaction():
            for table in MADE:
                await connection.execute(f"DELETE FROM depthcast.{table}")  # noqa: S608 - our own names
            after = "date_trunc('second', ts + interval '999999 microseconds')"
            for keys, table, bucket in (
                ("shared_trades", "trades", "date_trunc('second', ts)"),
                ("shared_bbo", "bbo", after),
                ("touched_minutes", "trades", "date_trunc('minute', ts)"),
                ("touched_depth", "depth", "date_trunc('minute', ts)"),
            ):
                await connection.execute(
                    f"INSERT INTO {keys} SELECT DISTINCT instrument_id, publisher_id, {bucket} "  # noqa: S608
                    f"FROM depthcast.{table}"
                )
            feed = await connection.fetchval("SELECT feed_id FROM depthcast.feeds")
            await connection.execute(merging.REFRESH, feed, 1, 0, 2**40, None, None)
        found = await everything(connection)
        return {table: found[table] for table in MADE}


def _hostile(seed: int) -> bytes:
    """Few books, times that go back by seconds and minutes or are not there, trades without price or size."""
    chance = random.Random(seed)
    clock = 1_700_000_000 * 10**9
    flow = []
    for order in range(1, 900):
        clock += chance.choice([0, 10**6, 4 * 10**8, 10**9, -(10**9), 5 * 10**9, 70 * 10**9, -61 * 10**9])
        clock += clock % 7
        price = chance.choice([UNDEF_PRICE, *range(-3, 3), 2**63 - 2, -(2**63)])
        flow.append(
            mbo(
                chance.choice("TTA"),
                chance.choice("AB"),
                price=price,
                size=chance.choice([0, 1, 2**32 - 1, 2**32 - 2]),
                order_id=order,
                instrument_id=chance.choice([1, 2, 2**32 - 1]),
                publisher_id=chance.choice([1, 2**16 - 1]),
                ts_event=clock - 5,
                ts_recv=chance.choice([clock] * 9 + [UNDEF_TIMESTAMP]),
            )
        )
    return b"".join(flow)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_simulated_feed_cut_at_random_and_in_any_order(seed: int, database: str, tmp_path: Path) -> None:
    chance = random.Random(seed)
    segments = recorded(tmp_path, simulated_feed(RECORDS), records=chance.randint(300, 2_500))
    chance.shuffle(segments)
    run(_deliver(database, segments))
    rows = run(_rows(database))
    assert all(rows.values())
    assert rows == run(_made_by_sql(database))


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_feed_whose_times_go_back(seed: int, database: str, tmp_path: Path) -> None:
    data = _hostile(seed)
    assert forms.count(data) == 899
    segments = recorded(tmp_path, data, records=random.Random(seed).randint(100, 900))
    run(_deliver(database, segments))
    rows = run(_rows(database))
    assert all(rows.values())
    assert min(len(rows["bbo_1s"]), len(rows["ohlcv_1s"])) > 50
    assert rows == run(_made_by_sql(database))
