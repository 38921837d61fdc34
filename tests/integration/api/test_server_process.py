"""`depthcast api` as it is run: following a feed, ready or not, drained, with workers that die."""

import contextlib
import http.client
import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from depthcast.exchange import make_instruments
from tests.support.api_process import ApiProcess
from tests.support.command import finish, spawn
from tests.support.feed_process import KEY, FeedProcess

SIMULATED = "sim://cme?instruments=2&orders=100&rate=2000"
DATASET = "XSIM.MBO"
INSTRUMENT = make_instruments(1)[0].symbol


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeedProcess]:
    with FeedProcess(SIMULATED, "--journal", "none", cwd=tmp_path_factory.mktemp("feed")) as running:
        yield running


@contextlib.contextmanager
def api(feed: FeedProcess, tmp_path: Path, **options: Any) -> Iterator[ApiProcess]:
    with ApiProcess(f"127.0.0.1:{feed.port}/{DATASET}", cwd=tmp_path, **options) as running:
        yield running


def messages(connection: ClientConnection, kind: str, count: int) -> list[dict[str, Any]]:
    """So many messages of a type."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 15
    while len(found) < count:
        message = json.loads(connection.recv(timeout=deadline - time.monotonic()))
        if message["type"] == kind:
            found.append(message)
    return found


def closing(connection: ClientConnection) -> tuple[int, str]:
    """The code and the reason that the server closes it with."""
    ended = None
    while ended is None:
        try:
            connection.recv(timeout=15)
        except ConnectionClosed as closed:
            ended = closed
    assert ended.rcvd is not None, "no close frame came"
    return ended.rcvd.code, ended.rcvd.reason


def test_books_are_served_and_streamed_until_it_is_told_to_end(feed: FeedProcess, tmp_path: Path) -> None:
    with api(feed, tmp_path) as running:
        running.ready()
        assert running.get("/readyz")[0] == 200
        status, book = running.get(f"/v1/books/{INSTRUMENT}?depth=5")
        assert (status, book["feed"]["stale"]) == (200, False)
        with running.stream(INSTRUMENT, "book") as stream:
            snapshot = messages(stream, "snapshot", 1)[0]
            updates = messages(stream, "update", 3)
            seqs = [snapshot["seq"], *(each["seq"] for each in updates)]
            assert [each["prev_seq"] for each in updates] == seqs[:-1]
            running.process.terminate()
            code, reason = closing(stream)
            assert code == 1012
            assert "reconnect" in reason
        assert running.wait() == 0
        assert not running.errors
        assert [line for line in running.log if line["level"] in ("warning", "error")] == []


def test_draining_is_unready_first_and_accepts_a_while_longer(feed: FeedProcess, tmp_path: Path) -> None:
    settings = ("api.drain_accept_s=1.5", "api.drain_spread_s=0.5")
    with api(feed, tmp_path, settings=settings) as running, contextlib.ExitStack() as stack:
        running.ready()
        streams = running.streams(stack, INSTRUMENT, 10)
        begin = time.monotonic()
        running.process.terminate()
        while running.get("/readyz")[0] == 200:
            assert time.monotonic() - begin < 1
        assert running.get("/readyz")[1]["detail"]
        assert running.get(f"/v1/books/{INSTRUMENT}/bbo")[0] == 200
        with running.stream(INSTRUMENT) as late:
            assert messages(late, "bbo", 1)
        assert {closing(stream)[0] for stream in streams} == {1012}
        assert running.wait() == 0
        assert 1.5 < time.monotonic() - begin < 10


def test_streams_are_parted_from_over_the_time_that_is_set(feed: FeedProcess, tmp_path: Path) -> None:
    settings = ("api.drain_spread_s=2",)
    with api(feed, tmp_path, settings=settings) as running, contextlib.ExitStack() as stack:
        running.ready()
        streams = running.streams(stack, INSTRUMENT, 8)
        running.process.terminate()
        ends = []
        for stream in streams:
            closing(stream)
            ends.append(time.monotonic())
        assert max(ends) - min(ends) > 1
        assert running.wait() == 0


def test_a_second_signal_ends_it_at_once(feed: FeedProcess, tmp_path: Path) -> None:
    with api(feed, tmp_path, settings=("api.drain_accept_s=30", "api.drain_spread_s=30")) as running:
        running.ready()
        with running.stream(INSTRUMENT):
            running.process.terminate()
            running.wait_for("stopping")
            time.sleep(0.2)
            begin = time.monotonic()
            running.stop()
            assert time.monotonic() - begin < 3


def test_clients_that_do_not_answer_do_not_hold_up_the_end(feed: FeedProcess, tmp_path: Path) -> None:
    with api(feed, tmp_path) as running:
        running.ready()
        with socket.create_connection(("127.0.0.1", running.port)) as mute:
            mute.sendall(
                b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert b" 101 " in mute.recv(4096)
            begin = time.monotonic()
            assert running.stop(timeout_s=20) == 0
            assert time.monotonic() - begin < 15


def test_event_streams_end_with_it(feed: FeedProcess, tmp_path: Path) -> None:
    with api(feed, tmp_path) as running:
        running.ready()
        url = f"http://127.0.0.1:{running.port}/v1/events?bbo={INSTRUMENT}"
        with urllib.request.urlopen(url, timeout=10) as events:
            while not events.readline().startswith(b"data: "):
                pass
            running.process.terminate()
            with contextlib.suppress(http.client.IncompleteRead):
                events.read()
        begin = time.monotonic()
        assert running.wait() == 0
        assert time.monotonic() - begin < 5


def test_a_signal_before_it_is_ready_ends_it(tmp_path: Path) -> None:
    with ApiProcess(f"127.0.0.1:9/{DATASET}", cwd=tmp_path) as running:
        waiting = running.wait_for("waiting for feeds")
        assert "refused" in waiting["feeds"]["127.0.0.1:9"]
        assert running.stop() == 0


def test_probes_are_answered_however_many_connections_a_client_keeps(tmp_path: Path) -> None:
    settings = ("api.max_clients=1", "api.connections_per_address=5")
    question = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        ApiProcess(f"127.0.0.1:9/{DATASET}", settings=settings, cwd=tmp_path) as running,
        contextlib.ExitStack() as kept,
    ):
        opened = []
        for _ in range(300):
            connection = kept.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
            opened.append(connection)
            connection.sendall(question)
            assert connection.recv(10_000).startswith(b"HTTP/1.1 200 ")
        for connection in opened[:280]:
            while connection.recv(10_000):  # the rest of its answer, then the end
                pass
        status, body = running.get("/readyz")
        assert (status, body["type"]) == (503, "/v1/problems/not-ready")  # it has no feed, and says so


def test_a_feed_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    with ApiProcess(f"127.0.0.1:{port}/{DATASET}", cwd=tmp_path) as running:
        running.wait_for("listening")
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                assert running.get("/readyz")[0] == 503
                assert running.get("/healthz")[0] == 200
                break
            assert time.monotonic() < deadline
        listen = ("--listen", f"127.0.0.1:{port}")
        with FeedProcess(SIMULATED, "--journal", "none", *listen, cwd=tmp_path):
            running.ready()
            assert running.get("/readyz")[0] == 200
        deadline = time.monotonic() + 10
        while not running.get("/v1/status")[1]["stale"]:
            assert time.monotonic() < deadline
        assert running.get("/readyz")[0] == 200, "a lost feed does not make it unready"
        assert running.stop() == 0


@pytest.mark.long
def test_a_worker_that_is_killed_is_replaced_while_the_others_serve(
    feed: FeedProcess, tmp_path: Path
) -> None:
    workers = ("--workers", "2")
    with api(feed, tmp_path, arguments=workers, alone=True) as running, contextlib.ExitStack() as stack:
        running.wait_for("ready", worker=0)
        running.wait_for("ready", worker=1)
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
        before = children.read_text().split()
        assert len(before) == 2
        os.kill(int(before[0]), signal.SIGKILL)
        assert running.wait_for("worker died")["how"] == "SIGKILL"
        for _ in range(20):
            assert running.get("/healthz", timeout_s=20)[0] == 200
        running.wait_for("ready", worker=running.wait_for("worker died")["worker"], times=2)
        assert len(children.read_text().split()) == 2
        streams = running.streams(stack, INSTRUMENT, 6)
        os.killpg(running.process.pid, signal.SIGINT)  # as Ctrl-C does: all get it
        assert {closing(stream)[0] for stream in streams} == {1012}
        assert running.wait() == 0


def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ("api", "--feed", "127.0.0.1:9/X.Y", "--key", KEY, "--listen", where)
        result = finish(spawn(*arguments, cwd=tmp_path))
    assert (result.code, result.err) == (4, f"depthcast: error: {where}: address already in use\n")


@pytest.mark.parametrize("wait_s", [0.0, 0.1, 0.3, 0.6])
def test_a_signal_while_it_still_starts_ends_it_in_order(wait_s: float, tmp_path: Path) -> None:
    with ApiProcess(f"127.0.0.1:1/{DATASET}", cwd=tmp_path) as starting:
        starting.wait_for("listening")
        time.sleep(wait_s)
        assert starting.stop() == 0
        assert "stopping" in [line["event"] for line in starting.log]
