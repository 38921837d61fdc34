"""Two hundred sessions of all kinds, clients that come, go and break things: every complete one is exact."""

import asyncio
import contextlib
import random
import struct
import tracemalloc

import pytest

from depthcast.book.derive import SCHEMAS
from depthcast.dbn.layout import RType
from depthcast.live.control import SystemCode
from depthcast.live.cram import response
from tests.support.gateways import Served, run, serve, until
from tests.support.live_client import SECRET, LiveClient, Received, subscription
from tests.support.market import INSTRUMENTS, market, of, symbology
from tests.support.recorded_feed import DATASET, RecordedFeed, cut, derived

DATA = market(1500)
MBO = of(DATA, RType.MBO)
DERIVED = {schema: derived([DATA], schema) for schema in ("mbp-1", "mbp-10", "trades", "bbo-1s", "ohlcv-1s")}
SESSIONS = 200


def feed() -> RecordedFeed:
    return RecordedFeed(cut(DATA, records=20), symbology=symbology(), schemas=DERIVED)


def expected(schema: str, ids: tuple[int, ...] | None) -> bytes:
    if schema == "mbo":
        return of(MBO, RType.MBO, ids=ids)
    return of(DERIVED[schema], SCHEMAS[schema].rtype, ids=ids)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_two_hundred_sessions_with_random_disconnects(loop: str) -> None:
    draw = random.Random(7)

    async def one(served: Served) -> tuple[LiveClient, list[tuple[str, tuple[int, ...] | None]]]:
        asked: dict[str, tuple[int, ...] | None] = {}
        for schema in draw.sample(["mbo", *DERIVED], draw.choice([1, 1, 2, 3])):
            asked[schema] = draw.choice([None, tuple(sorted(draw.sample(sorted(INSTRUMENTS), 2)))])
        lines = [
            subscription(
                schema, "ALL_SYMBOLS" if ids is None else ",".join(map(str, ids)), stype_in="instrument_id"
            )
            for schema, ids in asked.items()
        ]
        fields = draw.choice([(), (), ("ts_out=1",), ("compression=zstd",) if draw.random() < 0.3 else ()])
        return await served.session(*lines, fields=fields), list(asked.items())

    async def main() -> None:
        async with serve(feed(), max_unauthenticated=1000) as served:
            sessions = [await one(served) for _ in range(SESSIONS)]
            await served.started(SESSIONS)
            gone = set(draw.sample(range(SESSIONS), 60))
            readers = [
                asyncio.ensure_future(client.rest())
                for n, (client, _) in enumerate(sessions)
                if n not in gone
            ]
            leaving = list(gone)
            while served.feed.left:
                served.feed.publish(1)
                if leaving:
                    sessions[leaving.pop()][0].reset()
                await asyncio.sleep(0)
            served.feed.end()
            got = iter(await asyncio.gather(*readers))
            for n, (_, asked) in enumerate(sessions):
                if n not in gone:
                    check(next(got), asked)
            stats = served.gateway.stats()
            assert (stats.failures, stats.errors, stats.forms_bytes <= 64 << 20) == (0, 0, True)

    def check(got: Received, asked: list[tuple[str, tuple[int, ...] | None]]) -> None:
        assert got.errors == []
        assert got.rest == b""
        assert got.said[-1][0] == SystemCode.UNSET
        assert len(got.data) == sum(len(expected(schema, ids)) for schema, ids in asked)
        for schema, ids in asked:
            assert expected(schema, ids) == taken(got, schema)

    def taken(got: Received, schema: str) -> bytes:
        return got.of(RType.MBO if schema == "mbo" else SCHEMAS[schema].rtype)

    run(main(), loop)


def test_memory_is_bounded_by_the_ring_and_not_by_slow_sessions() -> None:
    batches = cut(MBO * 60, records=2000)

    async def main() -> None:
        recorded = RecordedFeed(batches, ring=6, symbology=symbology(), schemas=["trades"])
        async with serve(recorded, send_buffer_bytes=1 << 14) as served:
            for n in range(40):
                await served.session(
                    subscription("mbo", list(INSTRUMENTS.values())[n % 5]),
                    fields=("ts_out=1",),
                    receive_buffer=1 << 13,
                )
            await served.started(40)
            tracemalloc.start()
            while recorded.left:
                recorded.publish(1)
                await asyncio.sleep(0)
            used, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert used < 16 << 20
            await until(lambda: served.gateway.stats().cut_off == 40)

    run(main())


def mutated(line: bytes, draw: random.Random) -> bytes:
    """A line with some of its bytes changed, left out, doubled or put in."""
    made = bytearray(line)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(made) + 1)
        match draw.randrange(4):
            case 0:
                made[at:at] = draw.randbytes(draw.randint(1, 9))
            case 1:
                del made[at : at + draw.randint(1, 9)]
            case 2:
                made[at:at] = made[at : at + 20]
            case _:
                made[at : at + 1] = draw.choice([b"|", b"=", b"\n", b"\0", b",", b"\xff", b"\r"])
    return bytes(made)


async def attack(served: Served, seed: int) -> None:
    """One hostile client: it may be refused, closed or ignored, whatever it does."""
    draw = random.Random(seed)
    with contextlib.suppress(OSError, AssertionError, TimeoutError):
        client = await served.client()
        auth = response(await asyncio.wait_for(client.challenge(), 1), SECRET)
        lines = [
            f"auth={auth}|dataset={DATASET}|ts_out=0|compression=none|heartbeat_interval_s=30\n".encode(),
            *(
                f"{subscription(symbols='AAA,BBB', id=n, is_last=draw.randrange(2))}\n".encode()
                for n in range(3)
            ),
            b"start_session=0\n",
            f"{subscription('trades', start=0, id=9)}\n".encode(),
            draw.randbytes(200),
        ]
        target = draw.randrange(len(lines))
        lines[target] = mutated(lines[target], draw)
        if draw.random() < 0.3:
            draw.shuffle(lines)
        data = b"".join(lines)
        match draw.randrange(4):
            case 0:  # a byte at a time
                for at in range(0, len(data), 11):
                    await client.loop.sock_sendall(client.sock, data[at : at + 11])
                    await asyncio.sleep(0)
            case 1:  # never ends its line
                await asyncio.wait_for(client.loop.sock_sendall(client.sock, data[:-1] + b"x" * 200_000), 1)
            case _:
                await client.loop.sock_sendall(client.sock, data)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.read(), 0.05)
        if draw.random() < 0.5:
            client.reset()
        elif draw.random() < 0.5:
            client.sock.close()


@pytest.mark.parametrize("seed", range(3))
def test_nothing_a_client_sends_reaches_a_good_session(seed: int) -> None:
    async def main() -> None:
        async with serve(feed(), subscriptions_per_s=10) as served:
            good = await served.session(subscription(), fields=("ts_out=1",))
            await served.started(1)
            reader = asyncio.ensure_future(good.rest())
            attacks = [asyncio.ensure_future(attack(served, seed * 1000 + n)) for n in range(60)]
            for _ in range(40):
                served.feed.publish(1)
                await asyncio.sleep(0.005)
            await asyncio.gather(*attacks)
            late = await served.session(subscription(start=0))
            late_reader = asyncio.ensure_future(late.rest(await late.read()))
            served.feed.end()
            got, past = await reader, await late_reader
            assert got.data == past.data == MBO
            assert got.errors == []
            assert served.gateway.stats().failures == 0

    run(main())


def test_bytes_that_are_no_lines_from_the_first_one_on() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            for opening in (
                b"\x16\x03\x01\x02\x00\x01",
                b"GET / HTTP/1.1\r\n\r\n",
                b"\n",
                struct.pack("<Q", 7) + b"\n",
            ):
                client = await served.client()
                await client.challenge()
                await client.loop.sock_sendall(client.sock, opening)
                if b"\n" in opening:
                    assert (await client.line()).startswith("success=0|error=")
                    assert await client.line() == ""
            assert served.gateway.stats().failures == 0

    run(main())


def test_a_subscription_flood_does_not_hold_up_a_good_session() -> None:
    async def main() -> None:
        async with serve(feed(), subscriptions_per_s=10) as served:
            good = await served.session(subscription())
            flood = await served.client()
            await flood.authenticate()
            await served.started(1)
            reader = asyncio.ensure_future(good.rest())
            names = ",".join(f"NO{n}" for n in range(500))
            lines = [subscription("mbo", names, id=n) for n in range(40)]
            sending = asyncio.ensure_future(flood.send("start_session", *lines))
            worst = 0.0
            for _ in range(30):
                served.feed.publish(1)
                begun = served.gateway.loop.time()
                await asyncio.sleep(0.002)
                worst = max(worst, served.gateway.loop.time() - begun)
            served.feed.end()
            assert (await reader).data == MBO
            assert worst < 0.5
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending

    run(main())
