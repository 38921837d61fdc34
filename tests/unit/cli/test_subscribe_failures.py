"""``depthcast subscribe`` where it fails: what is asked for, who is there, what they answer."""

import signal
import time
from pathlib import Path

import pytest

from depthcast.cli._errors import Exit
from depthcast.live import control
from tests.support.command import command, finish, spawn
from tests.support.followed import RECORDS, refusing, to_the_end
from tests.support.scripted_gateway import DATASET, KEY, Peer, Script, gateway_thread

OPTIONS = ("--key", KEY, "--dataset", DATASET)


async def silent(peer: Peer) -> None:
    await peer.gone()


async def closing(peer: Peer) -> None:
    """Something that is no gateway: it has nothing to say."""


async def resetting(peer: Peer) -> None:
    peer.reset()


def test_an_interrupt_before_any_session_leaves_no_file(tmp_path: Path) -> None:
    with gateway_thread(silent) as gateway:
        process = spawn("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "-o", tmp_path / "out.dbn")
        while not gateway.peers:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        result = finish(process)
    assert (result.code, result.err) == (Exit.INTERRUPTED, "depthcast: interrupted\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("script", [closing, resetting])
def test_what_hangs_up_without_a_word_is_no_gateway(script: Script) -> None:
    with gateway_thread(script) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS)
        address = f"127.0.0.1:{gateway.port}"
    assert result.code == Exit.DATA
    assert result.err.startswith(f"depthcast: error: {address}: no session came about: ")
    assert "is it a Live gateway" in result.err
    assert result.err.count("\n") == result.err.count(address) == 1


def test_silence_until_the_time_is_over_is_an_error(tmp_path: Path) -> None:
    with gateway_thread(silent) as gateway:
        arguments = ("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--seconds", "0.2")
        result = command(*arguments, "-o", tmp_path / "out.dbn")
    assert result.code == Exit.DATA
    assert "no session came about in 0.2 s (nothing came from there" in result.err
    assert result.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_gateway_that_does_not_get_to_a_session_in_time_is_an_error_too() -> None:
    async def slow(peer: Peer) -> None:
        await peer.greet()
        await peer.gone()

    with gateway_thread(slow) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--seconds", "0.2")
    assert result.code == Exit.DATA
    assert result.err.endswith("no session came about in 0.2 s\n")


def test_no_gateway_there_is_one_clear_line() -> None:
    with gateway_thread(to_the_end) as gateway:
        port = gateway.port
    result = command("subscribe", f"127.0.0.1:{port}", *OPTIONS)
    assert result.code == Exit.FILE
    assert result.err == f"depthcast: error: 127.0.0.1:{port}: connection refused\n"


def test_a_host_that_is_not_there_is_one_clear_line() -> None:
    result = command("subscribe", "no-such-host.invalid:13000", *OPTIONS)
    assert result.code == Exit.FILE
    assert result.err.startswith("depthcast: error: no-such-host.invalid:13000: no gateway there: ")


def test_a_server_of_another_kind_is_bad_data() -> None:
    async def web(peer: Peer) -> None:
        await peer.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with gateway_thread(web) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS)
    assert result.code == Exit.DATA
    assert "expected a greeting" in result.err


def test_a_wrong_key_is_wrong_usage() -> None:
    with gateway_thread(refusing("User authentication failed.")) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS)
    assert result.code == Exit.USAGE
    assert result.err.count("\n") == 1
    assert "User authentication failed (is --key right, and --dataset?)" in result.err
    assert KEY not in result.err


@pytest.mark.parametrize("text", ["The key is revoked.", "The key has its one session already."])
def test_a_refusal_that_says_why_gets_no_hint(text: str) -> None:
    with gateway_thread(refusing(text)) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS)
    assert result.code == Exit.USAGE
    assert result.err.endswith(f"the gateway refused the session: {text.rstrip('.')}\n")


def test_an_error_that_ends_the_session_is_told_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.begin()
        await peer.send(control.error(5, "No such schema.", ts_event=1))

    with gateway_thread(script) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS)
    assert result.code == Exit.USAGE
    assert result.err.count("No such schema.") == result.err.count("\n") == 1


def test_an_error_that_nothing_follows_is_told_all_the_same() -> None:
    async def script(peer: Peer) -> None:
        await peer.begin()
        await peer.send(control.error(99, "Odd.", ts_event=1) + RECORDS)
        await peer.gone()

    with gateway_thread(script) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--seconds", "0.3", "-q")
    assert result.code == Exit.OK
    assert result.err == "depthcast: warning: the gateway reports error 99: Odd.\n"


def test_a_failing_tls_connection_keeps_its_acronym() -> None:
    async def web(peer: Peer) -> None:
        await peer.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with gateway_thread(web) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--tls")
    assert result.code == Exit.FILE
    assert f"127.0.0.1:{gateway.port}: TLS: " in result.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("127.0.0.1:99999",), "expected a port from 1 to 65535"),
        (("http://127.0.0.1",), "expected HOST:PORT"),
        (("127.0.0.1", "--schema", "mbp-3"), "schema: expected one of"),
        (("127.0.0.1", "--stype-in", "isbn"), "stype_in: expected one of"),
        (("127.0.0.1", "--symbols", "A,,B"), "not a symbol"),
        (("127.0.0.1", "--start", "yesterday"), "--start: expected"),
        (("127.0.0.1", "--start", "0", "--snapshot"), "not together with start"),
        (("127.0.0.1", "--snapshot", "--resume", "start"), "use resume"),
        (("127.0.0.1", "--book", "-o", "x.dbn"), "exclude each other"),
        (("127.0.0.1", "-o", "x.csv"), "a name that ends in .dbn or .dbn.zst"),
        (("127.0.0.1", "--key", "bad"), "--key: a key is 32 printable ASCII characters, got 3"),
        (("127.0.0.1", "--key", "db-" + "ä" * 29), "--key: a key is 32 printable ASCII characters"),
        (("127.0.0.1", "--records", "0"), "above 0"),
        (("127.0.0.1", "--seconds", "0"), "above 0"),
        (("127.0.0.1", "--dataset", "FAR.TOO.LONG.A.NAME"), "dataset"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is(options: tuple[str, ...], reason: str) -> None:
    keyed = options if "--key" in options else (*options, "--key", KEY)
    result = command("subscribe", *keyed)
    assert result.code == Exit.USAGE
    assert reason in result.err
    assert result.err.count("\n") == 1


def test_without_a_key_it_says_where_one_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    result = command("subscribe", "127.0.0.1")
    assert result.code == Exit.USAGE
    assert "--key, or set the variable DEPTHCAST_KEY or DATABENTO_API_KEY" in result.err
