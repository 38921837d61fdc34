"""Readers that are too slow: warned, then skipped or ended; nobody else notices."""

import asyncio
from typing import Any, Final

import pytest

from depthcast.dbn.layout import RType
from depthcast.live.control import ErrorCode, SystemCode
from tests.support.gateways import Served, run, serve, until
from tests.support.live_client import LiveClient, Received, same, starts, starts_alike, subscription
from tests.support.market import mbo_records, symbology
from tests.support.recorded_feed import RecordedFeed, cut, derived

RING = 40
BATCH = 200
DATA = mbo_records(200 * BATCH)
SMALL: Final[dict[str, Any]] = {"send_buffer_bytes": 1 << 15, "turn_bytes": 1 << 15}
"""Buffers that are full soon."""


def feed(*schemas: str) -> RecordedFeed:
    return RecordedFeed(
        cut(DATA, records=BATCH), ring=RING, symbology=symbology(), schemas=schemas or ["mbp-1"]
    )


async def flood(served: Served) -> None:
    """Publish everything that is left, letting who can keep up do so."""
    while served.feed.left:
        served.feed.publish(1)
        await asyncio.sleep(0.0005)


async def slow_and_fast(
    served: Served, *subscriptions: str, fields: tuple[str, ...] = ()
) -> tuple[LiveClient, "asyncio.Task[Received]"]:
    """A session that does not read, and one of mbo that does."""
    slow = await served.session(*subscriptions, fields=fields, receive_buffer=1 << 15)
    fast = await served.session(subscription())
    await served.started(2)
    return slow, asyncio.create_task(fast.rest())


async def finish(served: Served, fast: "asyncio.Task[Received]") -> None:
    served.feed.end()
    assert same((await fast).data, DATA)


@pytest.mark.parametrize("fields", [(), ("ts_out=1",), ("compression=zstd",)])
@pytest.mark.parametrize("subscriptions", [("mbo",), ("mbo", "mbp-1")])
def test_mbo_is_warned_then_ended_with_error_6_at_whole_records(
    fields: tuple[str, ...], subscriptions: tuple[str, ...]
) -> None:
    async def main() -> None:
        async with serve(feed(), **SMALL) as served:
            slow, fast = await slow_and_fast(served, *map(subscription, subscriptions), fields=fields)
            await flood(served)
            await until(lambda: served.gateway.stats().cut_off == 1)
            got = await slow.rest()
            assert got.rest == b""
            assert got.errors[-1][0] == ErrorCode.INTERNAL_ERROR
            assert "slow" in got.errors[-1][1]
            assert SystemCode.SLOW_READER_WARNING in [code for code, _ in got.said]
            assert starts_alike(got.of(RType.MBO), DATA)
            await finish(served, fast)

    run(main())


@pytest.mark.parametrize(
    "fields", [(), ("slow_reader_behavior=skip", "ts_out=1"), ("slow_reader_behavior=drop",)]
)
def test_mbp_1_skips_to_now_with_error_7(fields: tuple[str, ...]) -> None:
    async def main() -> None:
        async with serve(feed(), **SMALL) as served:
            slow, fast = await slow_and_fast(served, subscription("mbp-1"), fields=fields)
            await flood(served)
            assert served.gateway.stats().cut_off == 0
            reader = asyncio.create_task(slow.rest())
            await until(
                lambda: served.gateway.stats().skips >= 1 and served.gateway.stats().max_lag_batches == 0
            )
            await finish(served, fast)
            got = await reader
            expected = derived([DATA], "mbp-1")
            assert got.rest == b""
            assert {code for code, _ in got.errors} == {ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING}
            assert len(got.data) < len(expected)
            assert set(records(got.data)) < set(records(expected))
            assert got.said[-1][0] == SystemCode.UNSET

    run(main())


def records(data: bytes) -> list[bytes]:
    return [data[at : at + size] for at, size in starts(data)]


def test_mbp_1_that_must_not_skip_is_ended() -> None:
    async def main() -> None:
        async with serve(feed(), **SMALL) as served:
            slow, fast = await slow_and_fast(
                served, subscription("mbp-1"), fields=("slow_reader_behavior=warn",)
            )
            await flood(served)
            got = await slow.rest()
            assert [code for code, _ in got.errors] == [ErrorCode.INTERNAL_ERROR]
            assert starts_alike(got.data, derived([DATA], "mbp-1"))
            await finish(served, fast)

    run(main())


def test_a_reader_slow_for_a_while_is_warned_and_gets_everything() -> None:
    async def main() -> None:
        async with serve(feed(), **SMALL) as served:
            slow = await served.session(subscription(), receive_buffer=1 << 15)
            await served.started(1)
            chunks = []
            while served.feed.left:
                served.feed.publish(1)
                await asyncio.sleep(0)
                while served.gateway.stats().max_lag_batches > RING * 0.8:
                    chunks.append(await slow.read())
                    assert chunks[-1]
                    await asyncio.sleep(0)
            reader = asyncio.create_task(slow.rest(b"".join(chunks)))
            served.feed.end()
            got = await reader
            assert same(got.data, DATA)
            assert SystemCode.SLOW_READER_WARNING in [code for code, _ in got.said]
            assert got.errors == []

    run(main())


def test_who_takes_nothing_at_all_is_reset_in_the_end() -> None:
    async def main() -> None:
        whole = RecordedFeed(cut(DATA, records=BATCH), symbology=symbology())  # its ring lets nothing go
        async with serve(whole, stall_timeout_s=0.3, **SMALL) as served:
            slow, fast = await slow_and_fast(served, subscription())
            await flood(served)
            await until(lambda: served.gateway.stats().connections == 1)
            with pytest.raises(ConnectionResetError):
                await slow.rest()
            await finish(served, fast)

    run(main())


def test_a_slow_reader_of_the_past_holds_up_nobody() -> None:
    async def main() -> None:
        recorded = feed()
        async with serve(recorded, **SMALL) as served:
            recorded.publish(120)
            slow, fast = await slow_and_fast(served, subscription(start=0))
            await flood(served)
            await until(lambda: served.gateway.stats().max_lag_batches == 0)
            reader = asyncio.create_task(slow.rest())
            recorded.end()
            got = await reader
            assert got.errors == []
            assert same(got.data, DATA)
            assert same((await fast).data, DATA[120 * BATCH * 56 :])

    run(main())
