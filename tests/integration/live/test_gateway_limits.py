"""What a gateway allows, and how it ends: limits, drain, the end of the feed, a process that dies."""

import asyncio
import contextlib
import itertools
import sys
import time
from typing import Any

import pytest

from depthcast.dbn.layout import RType
from depthcast.live.control import ErrorCode, SystemCode
from tests.support.gateways import run, serve, until
from tests.support.live_client import LiveClient, key_ring, subscription
from tests.support.market import market, of, symbology
from tests.support.recorded_feed import RecordedFeed, cut

DATA = market(60)
MBO = of(DATA, RType.MBO)


def feed() -> RecordedFeed:
    return RecordedFeed(cut(DATA, records=7), symbology=symbology())


def test_more_connections_of_one_address_than_allowed_are_reset_at_once() -> None:
    async def main() -> None:
        async with serve(feed(), accepts_per_s=5) as served:
            good = await served.session(subscription())
            await served.started(1)
            greeted = 0
            for _ in range(20):
                with contextlib.suppress(ConnectionResetError, AssertionError):
                    greeted += bool(await (await served.client()).challenge())
            assert 4 <= greeted <= 6
            assert served.gateway.stats().dropped == 20 - greeted
            assert (await served.all_of(good))[0].data == MBO

    run(main())


def test_idle_connections_make_room_for_who_wants_to_authenticate() -> None:
    async def main() -> None:
        async with serve(feed(), max_unauthenticated=5) as served:
            idle = [await served.client() for _ in range(5)]
            for each in idle:
                await each.challenge()
            with pytest.raises((ConnectionResetError, AssertionError)):
                await (await served.client()).challenge()
            await asyncio.sleep(1.1)
            good = await served.session(subscription())
            await served.started(1)
            assert (await served.all_of(good))[0].data == MBO
            with pytest.raises(ConnectionResetError):
                await idle[0].line()
            assert served.gateway.stats().dropped == 2

    run(main())


def test_sessions_of_a_key_of_all_keys_and_compressed_ones_are_counted() -> None:
    async def main() -> None:
        ring = key_ring(max_sessions=3)
        async with serve(feed(), keys=lambda: ring, zstd_sessions=1) as served:
            first = await served.client()
            assert (await first.authenticate("compression=zstd")).startswith("success=1")
            second = await served.client()
            assert "compress" in await second.authenticate("compression=zstd")
            for _ in range(2):
                assert (await (await served.client()).authenticate()).startswith("success=1")
            refusal = await (await served.client()).authenticate()
            assert refusal.endswith("The key has its 3 sessions already.")
            first.reset()
            await until(lambda: served.gateway.stats().sessions == 2)
            assert (await (await served.client()).authenticate("compression=zstd")).startswith("success=1")
        async with serve(feed(), max_sessions=1) as served:
            assert (await (await served.client()).authenticate()).startswith("success=1")
            assert "full" in await (await served.client()).authenticate()

    run(main())


@pytest.mark.parametrize("streaming", [False, True])
def test_more_than_ten_subscriptions_a_second_are_served_later(streaming: bool) -> None:
    async def main() -> None:
        async with serve(feed(), subscriptions_per_s=10) as served:
            client = await served.client()
            await client.authenticate()
            lines = [subscription("mbo", "AAA", id=n) for n in range(15)]
            begun = time.monotonic()
            await client.send(*(("start_session", *lines) if streaming else (*lines, "start_session")))
            other = await served.session(subscription())
            await served.started(1)
            assert time.monotonic() - begun < 0.4
            await served.started(2)
            await until(lambda: served.gateway._sessions[1]._subscriptions._count == 15)
            assert 0.4 <= time.monotonic() - begun < 2
            got, whole = await served.all_of(client, other)
            assert [code for code, _ in got.said].count(SystemCode.SUBSCRIPTION_ACK) == 15
            assert got.data == of(DATA, RType.MBO, ids=(101,))
            assert whole.data == MBO

    run(main())


@pytest.mark.parametrize(
    "limits", [{"subscriptions": 3}, {"symbols": 3}], ids=["subscriptions", "symbols in them"]
)
def test_too_much_in_one_session_is_error_5(limits: dict[str, Any]) -> None:
    async def main() -> None:
        async with serve(feed(), **limits) as served:
            client = await served.session(*[subscription("mbo", "AAA", id=n) for n in range(4)])
            got = await client.rest()
            assert [code for code, _ in got.errors] == [ErrorCode.INVALID_SUBSCRIPTION]
            assert "more than 3" in got.errors[0][1]

    run(main())


def test_drain_ends_sessions_one_by_one_with_error_6_at_whole_records() -> None:
    async def main() -> None:
        async with serve(feed(), drain_accept_s=0.2, drain_spread_s=0.4) as served:
            clients = [await served.session(subscription()) for _ in range(4)]
            await served.started(4)
            served.feed.publish(3)
            readers = [asyncio.ensure_future(timed(client)) for client in clients]
            begun = time.monotonic()
            draining = asyncio.ensure_future(served.gateway.drain())
            await asyncio.sleep(0.05)
            late = await served.client()
            assert (await late.authenticate()).startswith("success=1")
            served.feed.publish(2)
            ends = [await reader for reader in readers]
            assert await late.line() == ""
            late.sock.close()
            await draining
            assert all(before <= after for before, after in itertools.pairwise(ends))
            assert 0.2 <= ends[0] - begun < ends[-1] - begun < 2
            assert ends[-1] - ends[0] >= 0.2
            with pytest.raises(ConnectionRefusedError):
                await served.client()

    async def timed(client: LiveClient) -> float:
        got = await client.rest()
        assert [code for code, _ in got.errors] == [ErrorCode.INTERNAL_ERROR]
        assert MBO.startswith(got.data)
        assert got.data
        return time.monotonic()

    run(main())


def test_the_end_of_the_feed_is_explained_after_the_last_record_and_the_linger() -> None:
    async def main() -> None:
        async with serve(feed(), linger_s=0.4) as served:
            client = await served.session(subscription())
            unstarted = await served.client()
            await unstarted.authenticate()
            await served.started(1)
            reader = asyncio.ensure_future(client.rest())
            begun = time.monotonic()
            served.feed.end("no more")
            late = await served.session(subscription(snapshot=1), fields=("ts_out=1",))
            got, after = await reader, await late.rest()
            assert time.monotonic() - begun >= 0.4
            assert got.data == MBO
            assert got.said[-1] == after.said[-1] == (SystemCode.UNSET, "no more")
            assert after.data
            assert await unstarted.line() == ""
            unstarted.sock.close()
            assert await served.gateway.wait_empty(2)

    run(main())


DYING = """
import asyncio, os, signal
from tests.support.gateways import serve
from tests.support.market import market, symbology
from tests.support.recorded_feed import RecordedFeed, cut

async def main():
    feed = RecordedFeed(cut(market(60), records=7), symbology=symbology())
    async with serve(feed) as served:
        print(served.address[1], flush=True)
        await served.started(1)
        feed.publish(3)
        await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_a_process_that_is_killed_resets_its_sessions() -> None:
    """An orderly end would make official clients stop for good."""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", DYING, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert process.stdout is not None
        while not (line := (await process.stdout.readline()).strip()).isdigit():
            assert line
        client = await LiveClient.connect(("127.0.0.1", int(line)))
        await client.begin(subscription())
        with contextlib.closing(client.sock), pytest.raises(ConnectionResetError):
            await client.rest()
        await process.wait()

    run(main(), "asyncio")


def test_a_gateway_that_is_closed_resets_its_sessions() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.session(subscription())
            await served.started(1)
            await served.gateway.close()
            with pytest.raises(ConnectionResetError):
                await client.rest()

    run(main())
