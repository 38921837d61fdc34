"""The gateway's side of the conversation: greeting, authentication, subscription lines, start, errors."""

import asyncio
import socket
from typing import Any

import pytest

from depthcast.dbn.layout import RType
from depthcast.live.control import ErrorCode, SystemCode
from depthcast.live.cram import response
from depthcast.live.feed_view import Batch
from tests.support.gateways import LOOPS, Served, run, serve, until
from tests.support.live_client import SECRET, Received, key_ring, subscription
from tests.support.market import INSTRUMENTS, definition, market, of, symbology
from tests.support.recorded_feed import DATASET, RecordedFeed, cut

EACH_LOOP = pytest.mark.parametrize("loop", LOOPS)


def feed(events: int = 60, **options: Any) -> RecordedFeed:
    return RecordedFeed(cut(market(events), records=7), symbology=symbology(), **options)


@EACH_LOOP
def test_greeting_and_challenge_come_in_one_piece(loop: str) -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.client()
            await asyncio.sleep(0.05)
            lines = (await client.read()).decode().splitlines()
            assert lines[0] == "lsg_version=0.9.4"
            assert lines[1].startswith("cram=")
            assert "|" not in lines[1]
            other = await served.client()
            assert await other.challenge() != lines[1].removeprefix("cram=")

    run(main(), loop)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("auth={right}|dataset=OTHER.SET", "dataset"),
        (f"auth={{wrong}}|dataset={DATASET}", "User authentication failed."),
        (f"auth={'0' * 64}-zzzzz|dataset={DATASET}", "User authentication failed."),
        (f"auth=nonsense|dataset={DATASET}", "auth"),
        ("auth={right}", "dataset"),
        (f"auth={{right}}|dataset={DATASET}|compression=gzip", "compression"),
        (f"auth={{right}}|dataset={DATASET}|heartbeat_interval_s=0", "heartbeat_interval_s"),
        (f"auth={{right}}|dataset={DATASET}|ts_out=yes", "ts_out"),
        ("schema=mbo|stype_in=raw_symbol|symbols=AAA", "Authenticate first."),
        ("start_session", "Authenticate first."),
        ("what=is|this=", "no request"),
        ("x" * 70_000, "65536 bytes"),
    ],
)
def test_who_does_not_authenticate_is_told_why_and_closed(line: str, reason: str) -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.client()
            challenge = await client.challenge()
            right, wrong = response(challenge, SECRET), response(challenge, "x" + SECRET[1:])
            await client.send(line.format(right=right, wrong=wrong))
            answer = await client.line()
            assert answer.startswith("success=0|error=")
            assert reason in answer
            assert await client.line() == ""
            client.sock.close()
            await until(lambda: served.gateway.stats().connections == 0)
            assert served.gateway.stats().refused == 1

    run(main())


def test_unknown_keys_in_any_order_are_taken() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.client()
            auth = response(await client.challenge(), SECRET)
            await client.send(f"flavour=vanilla|client=x y/z|dataset={DATASET}|a=|auth={auth}|encoding=dbn")
            answer = await client.line()
            assert answer.startswith("success=1|session_id=")
            assert answer.removeprefix("success=1|session_id=").isdigit()

    run(main())


@EACH_LOOP
@pytest.mark.parametrize("start", ["start_session", "start_session=0"])
def test_nothing_binary_before_the_start_and_metadata_once_after_it(loop: str, start: str) -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.client()
            await client.authenticate()
            await client.send(subscription("mbo"))
            served.feed.publish(3)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.read(), 0.05)
            await client.send(start)
            await served.started(1)
            got = (await served.all_of(client))[0]
            assert got.raw[:4] == b"DBN\x03"
            assert len(got.raw[:128]) == 8 + int.from_bytes(got.raw[4:8], "little")
            assert got.raw.count(b"DBN\x03") == 1
            assert got.data == b"".join(of(batch.data, RType.MBO) for batch in batches(served.feed, 3))

    run(main(), loop)


def batches(recorded: RecordedFeed, begin: int) -> list[Batch]:
    return [batch for index in range(begin, recorded.head) if (batch := recorded.batch(index)) is not None]


def test_a_second_authentication_closes() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.client()
            await client.authenticate()
            await client.send(f"auth={'0' * 64}-zzzzz|dataset={DATASET}")
            assert await client.line() == ""

    run(main())


def said_in_order(got: Received) -> list[str]:
    return [type(each).__name__ for each in got.control]


def test_acknowledgement_then_errors_then_mappings_then_data() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.session(
                subscription("mbo", "AAA,NONE,BBB,NIL", id=7), subscription("trades", "BBB,CCC")
            )
            await served.started(1)
            got = (await served.all_of(client))[0]
            order = "System Error Error SymbolMapping SymbolMapping System SymbolMapping System"
            assert said_in_order(got)[:8] == order.split()
            assert got.said[0] == (1, "Subscription request 7 for mbo data succeeded")
            assert got.said[1][0] == SystemCode.SUBSCRIPTION_ACK
            assert [code for code, _ in got.errors] == [ErrorCode.SYMBOL_RESOLUTION_FAILED] * 2
            assert "NONE" in got.errors[0][1]
            assert "NIL" in got.errors[1][1]
            assert got.symbols == {101: "AAA", 102: "BBB", 103: "CCC"}
            assert got.of(RType.MBO) == of(market(60), RType.MBO, ids=(101, 102))

    run(main())


def test_lines_of_one_id_are_one_request() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            many = [f"X{n}" for n in range(499)]
            client = await served.session(
                subscription("mbo", ",".join([*many, "AAA"]), id=1, is_last=0),
                subscription("trades", "EEE", id=2),
                subscription("mbo", "BBB,CCC", id=1, is_last=1),
            )
            await served.started(1)
            got = (await served.all_of(client))[0]
            acknowledged = [text for code, text in got.said if code == SystemCode.SUBSCRIPTION_ACK]
            assert acknowledged == [
                "Subscription request 2 for trades data succeeded",
                "Subscription request 1 for mbo data succeeded",
            ]
            assert len(got.errors) == 499
            assert got.of(RType.MBO) == of(market(60), RType.MBO, ids=(101, 102, 103))

    run(main())


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([subscription("mbo-2")], "schema"),
        ([subscription("statistics")], "not served here"),
        ([subscription("mbo", ",".join(f"S{n}" for n in range(501)))], "at most 500"),
        ([subscription("trades", snapshot=1)], "snapshot"),
        ([subscription("mbo", snapshot=1, start=0)], "snapshot"),
        ([subscription("mbo", stype_in="magic")], "stype_in"),
        (["schema=mbo|stype_in=raw_symbol"], "symbols"),
        (["hello"], "no request"),
        ([subscription("mbo", "AAA", id=1, is_last=0), subscription("trades", "BBB", id=1)], "differ"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_bad_subscription_ends_the_session_with_error_5(
    lines: list[str], reason: str, streaming: bool
) -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.client()
            await client.authenticate()
            if streaming:
                await client.send("start_session", *lines)
            else:
                await client.send(*lines, "start_session")
            got = await client.rest()
            code, text = got.errors[-1]
            assert code == ErrorCode.INVALID_SUBSCRIPTION
            assert reason in text
            assert said_in_order(got)[-1] == "Error"
            assert got.rest == b""

    run(main())


def test_a_bad_subscription_without_a_start_is_closed_soon() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.client()
            await client.authenticate()
            await client.send(subscription("mbo-2"), "nonsense", subscription())
            assert await client.line() == ""

    run(main())


@pytest.mark.parametrize(
    "line", ["start_session", f"auth={'0' * 64}-zzzzz|dataset={DATASET}", "\0", "x" * 70_000]
)
def test_whatever_is_no_subscription_after_the_start_is_fatal(line: str) -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.session(subscription())
            await served.started(1)
            served.feed.publish(2)
            await client.send(line)
            got = await client.rest()
            assert [code for code, _ in got.errors] == [ErrorCode.INVALID_SUBSCRIPTION]

    run(main())


def test_subscriptions_after_the_start_join_and_start_is_refused_there() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            client = await served.session(subscription("mbo", "AAA"))
            await served.started(1)
            served.feed.publish(5)
            await until(lambda: served.gateway.slowest() == 5)
            await client.send(subscription("mbo", "BBB", start=0, id=4), subscription("mbo", "CCC", id=5))
            await until(lambda: len(client_flow(served)) == 2)
            got = (await served.all_of(client))[0]
            assert [code for code, _ in got.errors] == [ErrorCode.INVALID_SUBSCRIPTION]
            assert "start" in got.errors[0][1]
            late = b"".join(batch.data for batch in batches(served.feed, 5))
            assert of(got.data, RType.MBO, ids=(101,)) == of(market(60), RType.MBO, ids=(101,))
            assert of(got.data, RType.MBO, ids=(102,)) == b""
            assert of(got.data, RType.MBO, ids=(103,)) == of(late, RType.MBO, ids=(103,))

    run(main())


def client_flow(served: Served) -> frozenset[int]:
    """The instruments that the only session is sent mbo of."""
    (sender,) = served.gateway._turns.ready.values()
    return sender.flow.active("mbo").ids


def test_an_instrument_learnt_later_is_mapped_before_its_data() -> None:
    new = definition(999, "NEW", asset="NW", ts_event=5)
    more = definition(998, "NEWER", asset="NW", ts_event=6)

    async def main() -> None:
        recorded = RecordedFeed([new, b"", more + of(market(10), RType.MBO)], symbology=symbology())
        async with serve(recorded) as served:
            everything = await served.session(subscription("definition"))
            await served.started(1)
            served.feed.publish(1)
            parent = await served.session(subscription("definition", "NW.FUT", stype_in="parent"))
            await served.started(2)
            one, two = await served.all_of(everything, parent)
            assert one.symbols == {**INSTRUMENTS, 999: "NEW", 998: "NEWER"}
            assert one.data == new + more
            assert two.symbols == {999: "NEW", 998: "NEWER"}
            assert two.data == more

    run(main())


def test_heartbeats_come_when_nothing_else_does() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            quiet = await served.session(subscription(), fields=("heartbeat_interval_s=1", "ts_out=1"))
            slow = await served.session(subscription(), fields=("heartbeat_interval_s=30",))
            await served.started(2)
            await asyncio.sleep(1.6)
            served.feed.publish(1)
            await asyncio.sleep(0.5)
            one, two = await served.all_of(quiet, slow)
            assert [code for code, _ in one.said].count(SystemCode.HEARTBEAT) == 1
            assert SystemCode.HEARTBEAT not in [code for code, _ in two.said]
            assert one.of(RType.MBO) == two.of(RType.MBO)

    run(main())


def test_timeouts_close_who_does_not_go_on() -> None:
    async def main() -> None:
        async with serve(feed(), auth_timeout_s=0.2, start_timeout_s=0.2) as served:
            silent = await served.client()
            trickling = await served.client()
            unstarted = await served.client()
            await unstarted.authenticate()
            for letter in "auth=":
                await served.client()
                await trickling.loop.sock_sendall(trickling.sock, letter.encode())
                await asyncio.sleep(0.02)
            assert await unstarted.line() == ""
            unstarted.sock.close()
            await until(lambda: served.gateway.stats().connections == 0)
            await silent.challenge()
            with pytest.raises(ConnectionResetError):
                await silent.line()

    run(main())


def test_a_client_that_goes_away_is_forgotten() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            one, two, three = [await served.session(subscription()) for _ in range(3)]
            await served.started(3)
            one.reset()
            two.sock.shutdown(socket.SHUT_WR)
            served.feed.publish(2)
            await until(lambda: served.gateway.stats().connections == 1)
            assert (await served.all_of(three))[0].of(RType.MBO) == of(market(60), RType.MBO)

    run(main())


def test_a_failure_in_one_session_does_not_reach_another() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            good, bad = [await served.session(subscription("mbo", symbol)) for symbol in ("AAA", "BBB")]
            await served.started(2)
            sender = served.gateway._turns.ready[2]

            def broken(batch: object) -> bytes:
                raise RuntimeError("broken")

            sender.flow._forms = (type("Broken", (), {"of": staticmethod(broken), "users": 9})(),)
            reader = asyncio.ensure_future(bad.rest())
            (got,) = await served.all_of(good)
            assert got.of(RType.MBO) == of(market(60), RType.MBO, ids=(101,))
            assert [code for code, _ in (await reader).errors] == [ErrorCode.INTERNAL_ERROR]
            assert served.gateway.stats().failures >= 1

    run(main())


def test_a_revoked_key_ends_its_sessions() -> None:
    async def main() -> None:
        ring = key_ring()
        async with serve(feed(), keys=lambda: ring) as served:
            client = await served.session(subscription())
            unstarted = await served.client()
            await unstarted.authenticate()
            await served.started(1)
            served.feed.publish(2)
            ring = ring.revoke(next(iter(ring)), 2 * 10**9)
            got = await client.rest()
            assert [code for code, _ in got.errors] == [ErrorCode.API_KEY_DEACTIVATED]
            assert await unstarted.line() == ""
            late = await served.client()
            assert (await late.authenticate()).startswith("success=0|error=")

    run(main())
