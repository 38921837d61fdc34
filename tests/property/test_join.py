"""Joining a stream at a random point: what came before, and what comes after, is the feed, exactly."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from depthcast.book.engine import Engine
from depthcast.dbn.layout import RType
from tests.support.gateways import Served, run, serve
from tests.support.live_client import LiveClient, Received, subscription
from tests.support.market import INSTRUMENTS, market, not_snapshot, of, symbology
from tests.support.recorded_feed import RecordedFeed, cut, derived

DATA = market(250)
MBO = of(DATA, RType.MBO)
IDS = tuple(INSTRUMENTS)
EVERYTHING = {"mbo": MBO, "trades": derived([DATA], "trades"), "mbp-1": derived([DATA], "mbp-1")}
RTYPES = {"mbo": RType.MBO, "trades": RType.MBP_0, "mbp-1": RType.MBP_1}

instruments = st.one_of(st.none(), st.sets(st.sampled_from(IDS), min_size=1, max_size=4).map(sorted))
HOW: dict[str, dict[str, Any]] = {"live": {}, "snapshot": {"snapshot": 1}, "start": {"start": 0}}

ways = st.sampled_from(sorted(HOW))
settings_of_clients = st.sampled_from([(), ("ts_out=1",), ("compression=zstd",)])


@st.composite
def joins(draw: st.DrawFn) -> tuple[int, str, str, list[int] | None, tuple[str, ...], float]:
    """When, how, what, of which, for whom, and how long the client sleeps between reads."""
    way = draw(ways)
    schema = "mbo" if way == "snapshot" else draw(st.sampled_from(sorted(EVERYTHING)))
    when = draw(st.integers(0, 40))
    pause = draw(st.sampled_from([0.0, 0.0, 0.002]))
    return when, way, schema, draw(instruments), draw(settings_of_clients), pause


def symbols(ids: list[int] | None) -> str:
    return "ALL_SYMBOLS" if ids is None else ",".join(INSTRUMENTS[each] for each in ids)


async def read(client: LiveClient, pause_s: float) -> Received:
    """Read to the end, a little at a time if it is a slow one."""
    chunks = []
    while pause_s and (chunk := await client.read(2000)):
        chunks.append(chunk)
        await asyncio.sleep(pause_s)
    return await client.rest(b"".join(chunks))


def check(got: Received, way: str, schema: str, ids: list[int] | None) -> None:
    """Per instrument: with the past everything; else the end of it; with a snapshot the same books."""
    assert got.errors == []
    assert got.rest == b""
    whole, joined = Engine(), Engine()
    whole.apply(MBO)
    for instrument_id in IDS if ids is None else ids:
        expected = of(EVERYTHING[schema], RTYPES[schema], ids=(instrument_id,))
        mine = of(got.data, RTYPES[schema], ids=(instrument_id,))
        if way == "start":
            assert mine == expected
        elif way == "live":
            assert expected.endswith(mine)
        else:
            joined.apply(mine)
            live = not_snapshot(mine)
            assert expected.endswith(live)
            assert joined.checksum(instrument_id) == whole.checksum(instrument_id)
            assert joined.status(instrument_id).complete
    others = set(IDS) - set(IDS if ids is None else ids)
    assert of(got.data, RTYPES[schema], ids=tuple(others)) == b""


@settings(max_examples=25)
@given(
    st.lists(joins(), min_size=1, max_size=6),
    st.integers(1, 9),
    st.integers(0, 6),
    st.sampled_from([0.0, 0.004]),
)
def test_whenever_and_however_a_session_joins_it_gets_what_it_should(
    asked: list[tuple[int, str, str, list[int] | None, tuple[str, ...], float]],
    records: int,
    lag: int,
    snapshot_delay_s: float,
) -> None:
    async def join(served: Served, way: str, schema: str, ids: list[int] | None, *fields: str) -> LiveClient:
        return await served.session(subscription(schema, symbols(ids), **HOW[way]), fields=fields)

    async def main() -> None:
        recorded = RecordedFeed(cut(DATA, records=records), symbology=symbology(), lag=lag)
        recorded.snapshot_delay_s = snapshot_delay_s
        step_size = max(1, recorded.left // 45)
        async with serve(recorded) as served:
            readers = []
            for step in range(42):
                for when, way, schema, ids, fields, pause in asked:
                    if when == step:
                        client = await join(served, way, schema, ids, *fields)
                        readers.append((asyncio.ensure_future(read(client, pause)), way, schema, ids))
                recorded.publish(step_size)
                await asyncio.sleep(0)
            await served.started(len(readers))
            recorded.end()
            for reader, way, schema, ids in readers:
                check(await reader, way, schema, ids)

    run(main())


@settings(max_examples=15)
@given(
    st.lists(st.tuples(ways, instruments, st.integers(0, 30)), min_size=2, max_size=5),
    st.integers(2, 9),
    st.integers(0, 4),
)
def test_subscriptions_of_one_session_that_overlap_add_up(
    asked: list[tuple[str, list[int] | None, int]], records: int, lag: int
) -> None:
    """Each instrument's records come once, in order, from the first moment that any of them covers."""

    async def main() -> None:
        recorded = RecordedFeed(
            cut(DATA, records=records), symbology=symbology(), lag=lag, schemas=["trades"]
        )
        async with serve(recorded) as served:
            recorded.publish(10)
            before = [subscription("mbo", symbols(ids), **HOW[way]) for way, ids, when in asked if when < 10]
            client = await served.session(*before)
            while served.gateway.started == 0:
                recorded.books(recorded.head)
                await asyncio.sleep(0.001)
            reader = asyncio.ensure_future(client.rest())
            for step in range(10, 32):
                after = [
                    subscription("mbo", symbols(ids), **HOW[way])
                    for way, ids, when in asked
                    if when == step and way != "start"
                ]
                await client.send(*after)
                recorded.publish(1)
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            recorded.end()
            got = await reader
            assert got.errors == []
            for instrument_id in IDS:
                covers = [(way, when) for way, ids, when in asked if ids is None or instrument_id in ids]
                mine = of(got.data, RType.MBO, ids=(instrument_id,))
                live = not_snapshot(mine)
                expected = of(MBO, RType.MBO, ids=(instrument_id,))
                assert expected.endswith(live)
                if any(way == "start" and when < 10 for way, when in covers):
                    assert live == expected
                if not [cover for cover in covers if cover[0] != "start" or cover[1] < 10]:
                    assert mine == b""
                if any(way == "snapshot" for way, _ in covers):
                    whole, joined = Engine(), Engine()
                    whole.apply(MBO)
                    joined.apply(mine)
                    assert joined.checksum(instrument_id) == whole.checksum(instrument_id)

    run(main())


@settings(max_examples=12)
@given(st.integers(2, 12), st.integers(0, 8), st.integers(1, 9), ways)
def test_with_a_tiny_ring_a_session_gets_everything_or_is_told(
    ring: int, pause: int, records: int, way: str
) -> None:
    async def main() -> None:
        recorded = RecordedFeed(
            cut(DATA * 4, records=records), ring=ring, symbology=symbology(), schemas=["trades"]
        )
        async with serve(recorded, send_buffer_bytes=4096, turn_bytes=4096) as served:
            recorded.publish(20)
            client = await served.session(subscription("mbo", **HOW[way]), receive_buffer=4096)
            await served.started(1)
            reader = asyncio.ensure_future(read(client, pause / 2000))
            while recorded.left:
                recorded.publish(1)
                await asyncio.sleep(0)
            recorded.end()
            got = await reader
            assert got.rest == b""
            live = got.data
            if way == "snapshot":
                live = not_snapshot(live)
            if got.errors:
                assert [code for code, _ in got.errors] == [6]
                assert live in MBO * 4
            else:
                assert (MBO * 4).endswith(live)
                assert way != "start" or live == MBO * 4

    run(main())
