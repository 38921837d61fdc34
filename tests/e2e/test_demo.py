"""The demo: it comes up, says where it is, shows what it does, and leaves nothing running."""

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.command import finish, spawn


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port: int = place.getsockname()[1]
    return port


def start(port: int, tmp_path: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return spawn("demo", "--listen", f"127.0.0.1:{port}", *arguments, cwd=tmp_path)


def until_it_serves(demo: subprocess.Popen[bytes]) -> None:
    """Wait for the line that says where it is."""
    assert demo.stdout is not None
    line = demo.stdout.readline()
    assert line.startswith(b"Depthcast is at http://localhost:"), line


def children_of(pid: int) -> list[int]:
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [each for child in found for each in children_of(child)]


def all_gone(pids: list[int], within_s: float = 15) -> bool:
    """Whether no process of these is left (one that waits to be buried is none)."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        states = [Path(f"/proc/{pid}/stat") for pid in pids]
        if all(not path.exists() or path.read_text().rpartition(")")[2].split()[0] == "Z" for path in states):
            return True
        time.sleep(0.05)
    return False


def test_it_runs_for_as_long_as_it_is_told_and_sums_up(tmp_path: Path) -> None:
    port = free_port()
    result = finish(start(port, tmp_path, "--seconds", "5"))
    assert result.code == 0, result.err
    assert f"http://localhost:{port}" in result.out
    lines = [line for line in result.out.splitlines() if line.startswith("live")]
    assert lines
    assert re.search(r"[\d,]+ records/s  4 books of [\d,]+ orders  1 client ", lines[-1])
    records = re.search(r"^records +([\d,]+)", result.out, re.M)
    messages = re.search(r"^stream +([\d,]+) messages of \w+, 0 resyncs$", result.out, re.M)
    assert records is not None
    assert messages is not None
    assert int(records[1].replace(",", "")) > 10_000
    assert int(messages[1].replace(",", "")) > 10
    assert result.err.splitlines() == ["starting a simulated exchange, its feed and the API ..."]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_of_it(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    demo = start(port, tmp_path)
    until_it_serves(demo)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/status", timeout=5) as answer:
        assert answer.status == 200
    children = children_of(demo.pid)
    assert len(children) >= 3, "feed, exchange and API"
    demo.send_signal(number)
    result = finish(demo)
    assert result.code == 0, result.err
    assert re.search(r"^served +4 books", result.out, re.M)
    assert all_gone(children)


def test_nothing_is_left_where_the_demo_itself_is_killed(tmp_path: Path) -> None:
    demo = start(free_port(), tmp_path)
    until_it_serves(demo)
    children = children_of(demo.pid)
    os.kill(demo.pid, signal.SIGKILL)
    finish(demo)
    assert all_gone(children)


def test_a_signal_while_it_comes_up_ends_it(tmp_path: Path) -> None:
    demo = start(free_port(), tmp_path)
    assert demo.stderr is not None
    assert demo.stderr.readline().startswith(b"starting")
    time.sleep(0.2)
    children = children_of(demo.pid)
    demo.send_signal(signal.SIGINT)
    result = finish(demo)
    assert (result.code, result.err) == (0, "")
    assert all_gone(children)


def test_a_port_in_use_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = finish(start(port, tmp_path))
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith(f"depthcast: error: 127.0.0.1:{port}: address already in use: give another")
