"""The subscriber and what a gateway refuses, does not know, or does not answer."""

import asyncio

import pytest

from depthcast.errors import AuthenticationError, ProtocolError, SessionError
from depthcast.live import control
from depthcast.live.events import (
    Disconnected,
    Ending,
    Gap,
    GatewayError,
    Live,
    Stale,
    SymbolMapped,
    SystemNotice,
)
from depthcast.live.lifecycle import Policy
from depthcast.live.mappings import mapping_records
from tests.support.followed import (
    END,
    FAST,
    RECORDS,
    Followed,
    follow,
    refusing,
    run,
    serve_rest,
    to_the_end,
)
from tests.support.scripted_gateway import Peer, gateway


def test_a_wrong_key_is_final() -> None:
    with pytest.raises(AuthenticationError, match=r"User authentication failed\."):
        run(follow(refusing("User authentication failed.")))


def test_a_key_that_is_revoked_in_a_session_is_final() -> None:
    async def revoked(peer: Peer) -> None:
        await serve_rest(peer, 10, tail=control.error(2, "The key is revoked.", ts_event=1))

    with pytest.raises(AuthenticationError, match="revoked") as caught:
        run(follow(revoked))
    assert caught.value.code == 2


@pytest.mark.parametrize(
    "text", ["The key has its 10 sessions already.", "Connection limit exceeded", "The gateway is full."]
)
def test_too_many_sessions_are_waited_for(text: str) -> None:
    followed, peers = run(follow(refusing(text), refusing(text), to_the_end))
    assert followed.data == RECORDS
    assert len(peers) == 3
    assert followed.endings == [Ending.AUTHENTICATION, Ending.AUTHENTICATION, Ending.END]


@pytest.mark.parametrize(("code", "text"), [(5, "There is no schema imbalance."), (8, "Aged out.")])
def test_a_refused_subscription_is_final(code: int, text: str) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.begin()
        await peer.send(control.error(code, text, ts_event=1))

    with pytest.raises(SessionError, match=text) as caught:
        run(follow(refuse, subscribe={"start": 0}))
    assert caught.value.code == code


def test_an_unknown_symbol_is_told_and_the_rest_goes_on() -> None:
    async def script(peer: Peer) -> None:
        await peer.begin()
        await peer.send(control.error(4, "No symbol NOPE.", ts_event=1))
        await peer.send(mapping_records({7: "CLX5"}, {7: "CLX5"}, "raw_symbol", ts_event=1) + RECORDS + END)

    followed, _ = run(follow(script))
    assert followed.data == RECORDS
    assert followed.of(GatewayError) == [GatewayError(4, "No symbol NOPE.")]
    assert followed.of(SymbolMapped) == [SymbolMapped(7, "CLX5")]
    assert followed.subscriber.symbols == {7: "CLX5"}


def test_what_it_does_not_know_is_passed_on() -> None:
    async def script(peer: Peer) -> None:
        await peer.begin()
        unknown = bytes([5, 0xEE]) + bytes(18)
        await peer.send(
            control.system(77, "News.", ts_event=1) + unknown + control.error(99, "Odd.", ts_event=1)
        )
        await peer.send(RECORDS + END)

    followed, _ = run(follow(script))
    assert followed.data == bytes([5, 0xEE]) + bytes(18) + RECORDS
    assert followed.of(SystemNotice)[0] == SystemNotice(77, "News.")
    assert followed.of(GatewayError) == [GatewayError(99, "Odd.")]


def test_skipped_records_are_a_gap() -> None:
    async def script(peer: Peer) -> None:
        await serve_rest(peer, 30, tail=control.error(7, "Skipped 12.", ts_event=1) + END)

    followed, _ = run(follow(script))
    assert followed.of(Gap) == [Gap(109, None, "skipped by the gateway: Skipped 12.")]


def test_silence_is_told_and_its_end_too() -> None:
    async def script(peer: Peer) -> None:
        await peer.begin()
        await peer.send(RECORDS[:560])
        await asyncio.sleep(0.5)
        await peer.send(control.heartbeat(ts_event=1))
        await asyncio.sleep(0.15)
        await peer.send(RECORDS[560:] + END)

    followed, _ = run(follow(script, policy=Policy(stale_margin_s=-0.8)))
    assert followed.data == RECORDS
    assert [type(event) for event in followed.events[1:3]] == [Stale, Live]
    assert followed.of(Stale)[0].silent_s == pytest.approx(0.25, abs=0.1)


def test_a_handshake_that_takes_too_long_is_given_up() -> None:
    async def mute(peer: Peer) -> None:
        await peer.greet()
        await peer.gone()

    followed, _ = run(follow(mute, to_the_end, policy=Policy(auth_timeout_s=0.1, backoff_first_s=0.01)))
    assert followed.endings == [Ending.TIMEOUT, Ending.END]
    assert "no answer to the authentication in 0.1 s" in followed.of(Disconnected)[0].reason


def test_nobody_there_is_tried_again() -> None:
    async def main() -> None:
        async with gateway(to_the_end) as running:
            port = running.port
        followed = Followed(port, policy=FAST)
        followed.until = lambda _: len(followed.events) == 4
        followed.subscriber.subscribe("mbo")
        await followed.subscriber.run()
        assert followed.endings == [Ending.CONNECT] * 4
        assert followed.of(Disconnected)[0].reason == "connection refused"
        waits = [event.retry_in_s for event in followed.of(Disconnected)]
        assert waits == [0.005, 0.01, 0.02, 0.025]

    run(main())


def test_nobody_there_is_an_error_for_who_asked_for_that() -> None:
    with pytest.raises(ConnectionRefusedError):
        run(Followed(1, policy=Policy(retry_first=False)).subscriber.run())


def test_a_server_of_another_kind_is_a_protocol_error() -> None:
    async def web(peer: Peer) -> None:
        await peer.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(ProtocolError, match="expected a greeting"):
        run(follow(web, policy=Policy(retry_first=False)))
