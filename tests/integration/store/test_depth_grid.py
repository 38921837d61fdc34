"""Depth on a grid finer than a second: row for row, however segments come; and one grid a database."""

import asyncio
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthcast.dbn import layout, open_dbn
from depthcast.dbn.framing import record_starts
from depthcast.errors import StoreError
from depthcast.journal.names import Journal
from depthcast.journal.objects import FolderObjects
from depthcast.journal.segments import ClosedSegment
from depthcast.store.compact import Outcome, compact
from depthcast.store.connect import connected
from depthcast.store.grid import grid_of
from depthcast.store.history.fields import Kind
from depthcast.store.history.query import STEPS, Key, Query, fetch, key_of, page_end, stream
from depthcast.store.migrate import kind_of_server, migrate
from depthcast.store.worker import Worker, clear
from tests.support.command import command
from tests.support.journals import DATASET, SHARD, simulated_feed
from tests.support.postgres import Server, run
from tests.support.stored import expected_contents, recorded
from tests.support.whole_rows import TABLES, Row, expected_rows, stored_rows

RECORDS = 5_000
JOURNAL = Journal(DATASET, SHARD)

Rows = dict[str, list[Row]]


def _slower(data: bytes, times: int) -> bytes:
    """The same records, received further apart."""
    fields: Mapping[str, Any] = layout.MBO.fields or {}
    kind, place = fields["ts_recv"][:2]
    slower = bytearray(data)
    begun: int | None = None
    for at in record_starts(np.frombuffer(data, np.uint8), 0, len(data)).tolist():
        if data[at + 1] == layout.RType.MBO:
            ts_recv = np.ndarray((), kind, slower, at + place)
            begun = int(ts_recv) if begun is None else begun
            ts_recv[...] = begun + (int(ts_recv) - begun) * times
    return bytes(slower)


class Day:
    """A day's records, and the rows they must become on each grid."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._expected: dict[int, Rows] = {}

    def expected(self, grid_ms: int) -> Rows:
        if grid_ms not in self._expected:
            self._expected[grid_ms] = expected_rows(expected_contents(self.data, grid_ms=grid_ms))
        return self._expected[grid_ms]


@pytest.fixture(scope="module")
def clx5(data_dir: Path) -> Day:
    with open_dbn(data_dir / "CLX5_mbo.dbn") as reader:
        return Day(b"".join(bytes(chunk) for chunk in reader.chunks()))


@pytest.fixture(scope="module")
def simulated() -> Day:
    """A tenth of a second of several books at two venues, made a hundred seconds."""
    return Day(_slower(simulated_feed(RECORDS), 1_000))


@pytest.fixture(params=["clx5", "simulated"])
def day(request: pytest.FixtureRequest) -> Day:
    found: Day = request.getfixturevalue(request.param)
    return found


async def _deliver(url: str, segments: Iterable[ClosedSegment], grid_ms: int) -> list[Outcome]:
    async with connected(url) as connection:
        return [(await compact(connection, each, grid_ms=grid_ms)).outcome for each in segments]


async def _stored(url: str) -> Rows:
    async with connected(url) as connection:
        return await stored_rows(connection)


def _is_what(url: str, expected: Rows) -> None:
    found = run(_stored(url))
    for table in TABLES:
        assert found[table] == expected[table], table


@pytest.mark.parametrize(("grid_ms", "seed"), [(100, 1), (100, 2), (250, 3), (10, 4)])
def test_rows_of_a_finer_grid_cut_at_random_in_any_order_and_twice(
    grid_ms: int, seed: int, day: Day, database: str, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    segments = recorded(tmp_path, day.data, records=chance.randint(300, 2_500))
    assert len(segments) > 1
    order = chance.sample(segments * 2, 2 * len(segments))
    outcomes = run(_deliver(database, order, grid_ms))
    assert outcomes.count(Outcome.COMPACTED) == len(segments)
    expected = day.expected(grid_ms)
    assert len(expected["depth"]) > len(day.expected(1_000)["depth"])
    for table in ("trades", "bbo", "bbo_1s", "ohlcv_1s"):
        assert expected[table] == day.expected(1_000)[table]
    _is_what(database, expected)


def test_workers_at_once(simulated: Day, database: str, tmp_path: Path) -> None:
    segments = recorded(tmp_path, simulated.data, records=400)

    async def together() -> None:
        orders = [random.Random(seed).sample(segments, len(segments)) for seed in range(4)]
        await asyncio.gather(*(_deliver(database, order, 50) for order in orders))

    run(together())
    _is_what(database, simulated.expected(50))


def test_another_grid_is_refused_and_changes_nothing(simulated: Day, database: str, tmp_path: Path) -> None:
    segments = recorded(tmp_path, simulated.data, records=2_000)
    run(_deliver(database, segments[:1], 200))
    before = run(_stored(database))
    both = "the database has depth every 200 ms, database.depth_grid_ms is 1000"
    with pytest.raises(StoreError, match=both):
        run(_deliver(database, segments[1:], 1_000))

    async def work() -> None:
        async with connected(database) as connection:
            await Worker(FolderObjects(tmp_path), JOURNAL, lambda _: None).run_once(connection)

    with pytest.raises(StoreError, match=both):
        run(work())
    assert run(_stored(database)) == before
    run(_deliver(database, segments, 200))
    with pytest.raises(StoreError, match=both):  # also where there is nothing left to do
        run(work())
    _is_what(database, simulated.expected(200))


def test_rebuild_changes_the_grid(
    simulated: Day, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHCAST_DATABASE_URL", database)
    recorded(tmp_path, simulated.data, records=1_500)
    fine = ("--quiet", "--set", "database.depth_grid_ms=100")
    assert command("compact", tmp_path, "--quiet").code == 0
    _is_what(database, simulated.expected(1_000))
    refused = command("compact", tmp_path, *fine)
    assert refused.code != 0
    assert "depth every 1000 ms, database.depth_grid_ms is 100: set it to the same" in refused.err
    assert command("rebuild", tmp_path, *fine).code == 0
    _is_what(database, simulated.expected(100))
    assert command("compact", tmp_path, "--quiet").code != 0
    assert command("rebuild", tmp_path, "--quiet").code == 0
    _is_what(database, simulated.expected(1_000))
    assert command("compact", tmp_path, "--set", "database.depth_grid_ms=30").code != 0


def test_a_rebuild_waits_for_a_segment_that_is_under_way(
    simulated: Day, database: str, tmp_path: Path
) -> None:
    """Else its rows would be of the grid before."""
    segments = recorded(tmp_path, simulated.data, records=1_000)

    async def together() -> None:
        async with connected(database) as connection:
            await compact(connection, segments[0], grid_ms=1_000)
            working = asyncio.gather(
                *(_deliver(database, segments[n::3], 1_000) for n in range(3)), return_exceptions=True
            )
            await asyncio.sleep(0.05)
            await clear(connection, [JOURNAL], grid_ms=100)
            for each in await working:
                assert not isinstance(each, BaseException) or "depth every 100 ms" in str(each), each
        await _deliver(database, segments, 100)

    run(together())
    _is_what(database, simulated.expected(100))


@pytest.fixture(scope="module")
def of_100_ms(postgres: Server, simulated: Day, tmp_path_factory: pytest.TempPathFactory) -> str:
    url = postgres.fresh()
    segments = recorded(tmp_path_factory.mktemp("grid"), simulated.data, records=1_000)
    run(_deliver(url, segments, 100))
    return url


@pytest.mark.parametrize("step", ["100ms", "200ms", "500ms", "1s", "5s", "1m", "1h", "1d"])
@pytest.mark.parametrize("descending", [False, True])
def test_history_has_the_last_row_of_each_step(
    step: str, descending: bool, simulated: Day, of_100_ms: str
) -> None:
    step_ns = STEPS[step] * 1_000_000
    rows = simulated.expected(100)["depth"]
    instrument_id = rows[0]["instrument_id"]
    last: dict[tuple[int, int], Row] = {}
    for row in sorted(rows, key=lambda each: each["ts"]):
        if row["instrument_id"] == instrument_id:
            ns = int(row["ts"].timestamp() * 1_000) * 1_000_000
            last[-(-ns // step_ns) * step_ns // 1_000, row["publisher_id"]] = row
    expected = [(key, last[key]["position"], last[key]["ts_recv"]) for key in sorted(last)]

    async def main() -> None:
        query = Query(
            kind=Kind.DEPTH, dataset=DATASET, instrument_id=instrument_id, publisher_id=None,
            start_ns=0, end_ns=4 * 10**18, step_ms=STEPS[step], descending=descending, grid_ms=100,
        )  # fmt: skip
        place = {field.name: number for number, field in enumerate(query.fields)}
        async with connected(of_100_ms) as connection:
            assert await grid_of(connection) == 100
            found = await fetch(connection, query, None, 100_000)
            shown = [(key_of(query, r)[:2], r[place["position"]], r[place["ts_recv"]]) for r in found]
            assert shown == (expected[::-1] if descending else expected)
            assert [r async for some in stream(connection, query, 100) for r in some] == found
            paged, after = [], _NOTHING
            while True:
                page = await fetch(connection, query, after, 37)
                paged += page
                following = await page_end(connection, query, after, 37)
                if following is None:
                    break
                after = key_of(query, page[-1])
                assert following == after
            assert paged == found

    run(main())


_NOTHING: Key | None = None


def test_a_database_of_the_older_schema_has_rows_at_full_seconds(
    simulated: Day, database: str, tmp_path: Path
) -> None:
    """Whose rows are of another grid is emptied on the way back: the older schema means seconds."""
    segments = recorded(tmp_path, simulated.data, records=2_000)

    async def back() -> None:
        async with connected(database) as connection:
            await migrate(connection, "0001", may_go_down=True)
            assert await kind_of_server(connection)
            await migrate(connection)

    run(_deliver(database, segments, 1_000))
    run(back())
    with pytest.raises(StoreError, match="depth every 1000 ms"):
        run(_deliver(database, segments, 100))
    _is_what(database, simulated.expected(1_000))

    async def finer() -> None:
        async with connected(database) as connection:
            await clear(connection, [JOURNAL], grid_ms=100)

    run(finer())
    run(_deliver(database, segments, 100))
    run(back())
    run(_deliver(database, segments, 1_000))
    _is_what(database, simulated.expected(1_000))
