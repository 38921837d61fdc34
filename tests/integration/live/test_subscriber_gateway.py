"""Our subscriber and our gateway: over a line that breaks, after restarts, in every kind of session."""

import asyncio
from contextlib import closing
from typing import Any

import pytest

from depthcast.book.engine import Engine
from depthcast.dbn import forms
from depthcast.dbn.layout import RType
from depthcast.live.events import Gap, GatewayError, Resumed
from depthcast.live.gateway import Gateway, GatewayLimits
from depthcast.live.lifecycle import Policy
from tests.support.breaking_line import BreakingLine
from tests.support.followed import Followed
from tests.support.gateways import LOOPS, Served, run, serve, until
from tests.support.live_client import SECRET, key_ring
from tests.support.market import INSTRUMENTS, market, symbology
from tests.support.recorded_feed import DATASET, RecordedFeed, cut

FAST = Policy(backoff_first_s=0.005, backoff_max_s=0.02, until_end=True)
RECORDS = market(600)
MBO = forms.form(RECORDS, rtypes=[RType.MBO])


def feed(**options: Any) -> RecordedFeed:
    return RecordedFeed(cut(RECORDS, records=7), symbology=symbology(), **options)


def follower(port: int, **options: Any) -> Followed:
    return Followed(port, **{"key": SECRET, "dataset": DATASET, "policy": FAST, **options})


async def play(served: Served, pace: int = 3) -> None:
    """Publish the whole feed, a little at a time, and end it."""
    while served.feed.left:
        served.feed.publish(pace)
        await asyncio.sleep(0.0005)
    served.feed.end()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_it_receives_what_the_feed_has(loop: str, compression: str) -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            followed = follower(served.address[1], compression=compression)
            followed.subscriber.subscribe("mbo")
            following = asyncio.create_task(followed.subscriber.run())
            await served.started(1)
            await play(served)
            assert await following == "The source has ended."
            assert followed.data == MBO
            assert followed.subscriber.symbols == INSTRUMENTS

    run(main(), loop)


def test_with_ts_out_each_record_bears_its_time() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            followed = follower(served.address[1], ts_out=True)
            followed.subscriber.subscribe("mbo", ["AAA", "NOPE"])
            following = asyncio.create_task(followed.subscriber.run())
            await served.started(1)
            await play(served)
            await following
            of_aaa = forms.form(MBO, instrument_ids=forms.IdSet([101]))
            assert forms.plain(followed.data, ts_out=True) == of_aaa
            assert [event.code for event in followed.of(GatewayError)] == [4]

    run(main())


@pytest.mark.parametrize("ts_out", [False, True])
@pytest.mark.parametrize("limit", [700, 3_001, 20_000])
def test_over_a_line_that_breaks_nothing_is_lost_or_repeated(limit: int, ts_out: bool) -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            with closing(BreakingLine(served.address[1], limit, growth=limit)) as line:
                followed = follower(line.port, ts_out=ts_out)
                followed.subscriber.subscribe("mbo", start=0)
                following = asyncio.create_task(followed.subscriber.run())
                await served.started(1)
                await play(served, 1)
                await following
                data = forms.plain(followed.data, ts_out=ts_out)
                for number in INSTRUMENTS:
                    ids = forms.IdSet([number])
                    assert forms.form(data, instrument_ids=ids) == forms.form(MBO, instrument_ids=ids)
                assert line.broken > 0
                assert followed.of(Gap) == []
                assert all(event.mismatched == 0 for event in followed.of(Resumed))

    run(main())


def test_several_schemas_resume_each_from_where_it_was() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            with closing(BreakingLine(served.address[1], 4_000, growth=4_000)) as line:
                followed = follower(line.port)
                for schema in ("mbo", "trades", "status"):
                    followed.subscriber.subscribe(schema, start=0)
                following = asyncio.create_task(followed.subscriber.run())
                await served.started(1)
                await play(served, 1)
                await following
                assert forms.form(followed.data, rtypes=[RType.MBO]) == MBO
                statuses = forms.form(followed.data, rtypes=[RType.STATUS])
                assert statuses == forms.form(RECORDS, rtypes=[RType.STATUS])
                assert line.broken > 0

    run(main())


def test_books_are_equal_after_every_break() -> None:
    engine = Engine()

    async def main() -> None:
        async with serve(feed()) as served:
            with closing(BreakingLine(served.address[1], 5_000, growth=5_000)) as line:
                followed = follower(line.port, resume="snapshot", on_records=engine.apply)
                followed.subscriber.subscribe("mbo", snapshot=True)
                following = asyncio.create_task(followed.subscriber.run())
                await served.started(1)
                await play(served, 1)
                await following
                assert line.broken > 0

    run(main())
    whole = Engine()
    whole.apply(RECORDS)
    for key in whole.books():
        assert engine.checksum(key.instrument_id) == whole.checksum(key.instrument_id)


def test_a_gateway_that_comes_back_is_found_again() -> None:
    async def main() -> None:
        recorded = feed()
        first = Gateway(recorded, key_ring, GatewayLimits())
        [address] = await first.start("127.0.0.1", 0)
        recorded.on_news = first.wake
        followed = follower(address[1])
        followed.subscriber.subscribe("mbo")
        following = asyncio.create_task(followed.subscriber.run())
        await until(lambda: first.started == 1)
        recorded.publish(30)
        await until(lambda: followed.subscriber.records > 0)
        await first.close()
        second = Gateway(recorded, key_ring, GatewayLimits())
        await second.start("127.0.0.1", address[1])
        recorded.on_news = second.wake
        await until(lambda: second.started == 1)
        recorded.end()
        assert await following is not None
        await second.close()
        assert followed.data == MBO
        assert followed.of(Gap) == []

    run(main())
