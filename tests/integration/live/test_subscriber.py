"""The subscriber against a gateway that breaks off in every way: what it asks for, tells and loses."""

import asyncio
import itertools
import random
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from depthcast.book.engine import Engine
from depthcast.errors import ProtocolError, SessionError
from depthcast.live import control
from depthcast.live.events import (
    Connected,
    Disconnected,
    Ending,
    Gap,
    Resumed,
    Stale,
    SystemNotice,
)
from depthcast.live.lifecycle import Policy
from tests.support.certificates import make_certificate
from tests.support.followed import (
    END,
    RECORDS,
    Followed,
    follow,
    half,
    run,
    serve_rest,
    to_the_end,
)
from tests.support.records import BAD_TS_RECV, LAST, SNAPSHOT, add, clear
from tests.support.scripted_gateway import DATASET, Peer, Script, gateway
from tests.support.simulated import records_of


@pytest.mark.parametrize("loop", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_it_receives_to_an_explained_end(loop: Callable[..., Any], compression: str) -> None:
    followed, peers = run(follow(to_the_end, compression=compression), loop)
    assert followed.data == RECORDS
    assert followed.subscriber.records == 300
    assert followed.events == [
        Connected(1, "1", "0.9.4", str(followed.subscriber.address)),
        SystemNotice(255, "That is all."),
        Disconnected(Ending.END, "That is all.", None, None),
    ]
    [asked] = peers[0].subscriptions
    assert (asked.schema, asked.all_symbols, asked.id, asked.start) == ("mbo", True, 0, None)
    assert peers[0].authentication is not None
    assert peers[0].authentication.heartbeat_interval_s == 1


def test_a_handshake_split_at_every_byte_is_understood() -> None:
    async def script(peer: Peer) -> None:
        ones = itertools.repeat(1)
        await peer.send_split(b"lsg_version=0.9.4\ncram=abc\n", ones)
        await peer.authenticate("abc")
        await peer.send_split(b"success=1|session_id=3\n", ones)
        await peer.read_requests()
        sizes = itertools.cycle([1, 2, 3, 50, 56, 57])
        stream = control.session_metadata(DATASET, 1) + RECORDS[:5600] + END
        await peer.send_split(stream, sizes)

    followed, _ = run(follow(script))
    assert followed.data == RECORDS[:5600]


def endings_of(kind: str) -> Script:
    """A session of half the records that ends in some way."""

    async def script(peer: Peer) -> None:
        match kind:
            case "fin":
                await half(peer)
            case "reset":
                await half(peer)
                await asyncio.sleep(0.05)
                peer.reset()
            case "half a record":
                await serve_rest(peer, 150, tail=RECORDS[150 * 56 : 150 * 56 + 20])
            case "garbage":
                await serve_rest(peer, 150, tail=b"\1\1garbage" * 20)
            case "drain":
                await serve_rest(peer, 150, tail=control.error(6, "Draining.", ts_event=1))
            case "silence":
                await half(peer)
                await peer.gone()

    return script


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("fin", Ending.FIN),
        ("reset", Ending.RESET),
        ("half a record", Ending.PROTOCOL),
        ("garbage", Ending.PROTOCOL),
        ("drain", Ending.ERROR),
        ("silence", Ending.TIMEOUT),
    ],
)
def test_however_a_session_ends_nothing_is_lost_and_nothing_comes_twice(kind: str, ending: Ending) -> None:
    async def whole(peer: Peer) -> None:
        await serve_rest(peer, 300, tail=END)

    policy = Policy(backoff_first_s=0.01, stale_margin_s=-0.9, idle_margin_s=-0.7)
    followed, peers = run(follow(endings_of(kind), whole, policy=policy))
    assert followed.data == RECORDS
    assert followed.endings == [ending, Ending.END]
    assert peers[1].subscriptions[0].start is not None
    assert followed.of(Resumed) == [Resumed(150, 0)]
    assert followed.of(Gap) == []


def test_many_cuts_at_random_bytes_lose_nothing() -> None:
    dice = random.Random(5)
    seen = 0

    async def cut(peer: Peer) -> None:
        nonlocal seen
        await peer.begin()
        start = peer.subscriptions[0].start
        upto = 300 if peer.number == 25 else min(300, seen + dice.randrange(40))
        seen = max(seen, upto)
        sent = b"".join(
            r
            for r in records_of(RECORDS)[:upto]
            if start is None or int.from_bytes(r[8:16], "little") >= start
        )
        if peer.number == 25:
            await peer.send(sent + END)
        else:
            await peer.send(sent[: dice.randrange(len(sent) + 1)])
            if dice.random() < 0.5:
                peer.reset()

    followed, _ = run(follow(cut))
    assert followed.data == RECORDS
    assert len(followed.of(Connected)) == 26


def test_a_refused_replay_is_a_gap() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.begin()
        await peer.send(control.error(8, "Replay data has aged out.", ts_event=1))

    async def rest(peer: Peer) -> None:
        await peer.begin()
        await peer.send(RECORDS[200 * 56 :] + END)

    followed, peers = run(follow(half, refuse, rest))
    assert followed.data == RECORDS[: 150 * 56] + RECORDS[200 * 56 :]
    assert [peer.subscriptions[0].start is None for peer in peers] == [True, False, True]
    [gap] = followed.of(Gap)
    assert (gap.start, gap.end) == (149, 166)
    assert "aged out" in gap.reason


def test_books_begin_anew_by_a_snapshot() -> None:
    engine = Engine()
    flags = SNAPSHOT | BAD_TS_RECV

    async def first(peer: Peer) -> None:
        await peer.begin()
        await peer.send(clear(instrument_id=1, ts_recv=100, ts_event=100) + RECORDS[56 : 50 * 56])

    async def then(peer: Peer) -> None:
        await peer.begin()
        snapshot = clear(flags, instrument_id=1, ts_recv=500) + add(
            9, "A", 101, 7, flags | LAST, instrument_id=1, ts_event=400, ts_recv=500
        )
        await peer.send(snapshot + END)

    followed, peers = run(follow(first, then, resume="snapshot", on_records=engine.apply))
    assert [peer.subscriptions[0].snapshot for peer in peers] == [False, True]
    assert [tuple(level) for level in engine.depth(1).asks] == [(101, 7, 1)]
    assert engine.depth(1).bids == []
    [gap] = followed.of(Gap)
    assert (gap.start, gap.end) == (116, 500)


def test_without_resuming_the_gap_is_told() -> None:
    async def rest(peer: Peer) -> None:
        await peer.begin()
        await peer.send(RECORDS[200 * 56 :] + END)

    followed, peers = run(follow(half, rest, resume="none"))
    assert peers[1].subscriptions[0].start is None
    assert followed.of(Gap) == [Gap(149, 166, "the gateway closed the connection")]


def test_what_a_callback_raises_ends_it() -> None:
    def broken(_: memoryview) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        run(follow(to_the_end, on_records=broken))


def test_close_ends_a_session_and_a_wait() -> None:
    followed, _ = run(follow(to_the_end, until=lambda event: isinstance(event, Connected)))
    assert followed.endings == [Ending.CLOSED]
    patient = Policy(backoff_first_s=3600, backoff_max_s=3600)
    followed, _ = run(follow(half, until=lambda event: isinstance(event, Disconnected), policy=patient))
    assert followed.endings == [Ending.FIN]


def test_a_cancelled_run_leaves_no_connection() -> None:
    async def main() -> None:
        left = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.begin()
            await peer.gone()
            left.set()

        async with gateway(script) as running:
            followed = Followed(running.port)
            followed.subscriber.subscribe("mbo")
            task = asyncio.create_task(followed.subscriber.run())
            while not followed.events:
                await asyncio.sleep(0.005)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await left.wait()

    run(main())


def test_paused_it_lets_the_gateway_feel_it() -> None:
    megabytes = RECORDS * 1200  # 20 MB: more than the sockets hold

    async def main() -> None:
        sent = 0

        async def script(peer: Peer) -> None:
            nonlocal sent
            await peer.begin()
            for at in range(0, len(megabytes), 65_536):
                await peer.send(megabytes[at : at + 65_536])
                sent = at
            await peer.send(END)

        async with gateway(script) as running:
            count = 0

            def take(records: memoryview) -> None:
                nonlocal count
                count += len(records)
                if count == len(records):
                    followed.subscriber.pause()

            policy = Policy(until_end=True, stale_margin_s=-0.9, idle_margin_s=-0.8)
            followed = Followed(running.port, on_records=take, policy=policy, resume="none")
            followed.subscriber.subscribe("mbo")
            task = asyncio.create_task(followed.subscriber.run())
            await asyncio.sleep(0.6)
            assert count < len(megabytes) // 2
            assert sent < len(megabytes) - 1_000_000
            followed.subscriber.resume()
            await task
            assert count == len(megabytes)
            assert followed.of(Stale) == []

    run(main())


def test_a_subscription_may_be_added_while_it_runs() -> None:
    async def script(peer: Peer) -> None:
        await peer.begin()
        assert b"schema=trades|" in await peer.line()
        await peer.send(RECORDS + END)

    async def main() -> None:
        async with gateway(script) as running:
            followed = Followed(running.port, policy=Policy(until_end=True))
            followed.subscriber.subscribe("mbo")
            followed.until = lambda event: (
                isinstance(event, Connected) and followed.subscriber.subscribe("trades") != 1
            )
            await followed.subscriber.run()
            assert followed.data == RECORDS

    run(main())


def test_what_cannot_work_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ProtocolError, match="dataset"):
        Followed(1, dataset="")
    subscriber = Followed(1, resume="start").subscriber
    with pytest.raises(SessionError, match="snapshot"):
        subscriber.subscribe("mbo", snapshot=True)
    with pytest.raises(SessionError, match="schema"):
        subscriber.subscribe("mbp-3")
    subscriber.subscribe("tbbo")
    with pytest.raises(SessionError, match="look alike"):
        subscriber.subscribe("mbp-1")


def test_long_lists_of_symbols_are_cut_into_lines() -> None:
    _, peers = run(follow(to_the_end, subscribe={"symbols": [f"S{n}" for n in range(1201)]}))
    assert [len(line.symbols) for line in peers[0].subscriptions] == [500, 500, 201]
    assert [line.is_last for line in peers[0].subscriptions] == [False, False, True]


def test_tls(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)

    async def main() -> None:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(files.certificate, files.key)
        trusting = ssl.create_default_context(cafile=files.certificate)
        async with gateway(to_the_end, ssl_context=server) as running:
            for context, expected in ((trusting, RECORDS), (ssl.create_default_context(), b"")):
                followed = Followed(
                    running.port, ssl_context=context, policy=Policy(until_end=True, retry_first=False)
                )
                followed.subscriber.subscribe("mbo")
                with suppress(ssl.SSLError):
                    await followed.subscriber.run()
                assert followed.data == expected

    run(main())
