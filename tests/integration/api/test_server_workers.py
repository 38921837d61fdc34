"""Several processes on one port: who dies is replaced, who is told to end ends, none outlives its parent."""

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from depthcast.api.workers import listen
from depthcast.live.address import Address

PARENT = """
import os, select, signal, sys
from depthcast.api.workers import Supervisor, listen
from depthcast.live.address import Address
from depthcast.telemetry.logs import configure_logs

how = sys.argv[2]

def work(number, listener, parent):
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
    if how == "broken":
        return 3
    if how == "short":
        os.abort()
    listener.setblocking(False)
    while (len(told) < 2 if how == "stubborn" else not told):
        try:
            ready, _, _ = select.select([listener, parent], [], [], 0.05)
        except InterruptedError:
            continue
        if parent in ready:
            return 0
        for _ in ready:
            try:
                peer, _ = listener.accept()
            except BlockingIOError:
                continue
            peer.sendall(f"{number} {os.getpid()}".encode())
            peer.close()
    if how == "deaf":
        signal.pause()
    return 0

configure_logs(for_people=False)
sockets = listen(Address("127.0.0.1", 0), int(sys.argv[1]), 64)
print(sockets[0].getsockname()[1], flush=True)
raise SystemExit(Supervisor(sockets, work, end_s=1.0).run())
"""


class Parent:
    """A parent of workers that each say their number and pid to who connects."""

    def __init__(self, workers: int, how: str = "good") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(workers), how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def ask(self) -> tuple[int, int]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as asking:
            number, pid = asking.makefile().read().split()
            return int(number), int(pid)

    def workers(self, count: int) -> dict[int, int]:
        """The pid of each worker, once so many have answered."""
        found: dict[int, int] = {}
        deadline = time.monotonic() + 10
        while len(found) < count:
            assert time.monotonic() < deadline, found
            number, pid = self.ask()
            found[number] = pid
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


@contextlib.contextmanager
def parent(workers: int, how: str = "good") -> Iterator[Parent]:
    made = Parent(workers, how)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def is_gone(pid: int, within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_connections_are_spread_over_all_workers() -> None:
    with parent(3) as family:
        family.workers(3)
        counts = Counter(family.ask()[0] for _ in range(150))
        assert set(counts) == {0, 1, 2}
        assert min(counts.values()) > 15
        assert family.stop() == 0


def test_a_worker_that_is_killed_is_replaced_and_nobody_is_refused() -> None:
    with parent(2) as family:
        before = family.workers(2)
        os.kill(before[0], signal.SIGKILL)
        seen = Counter(family.ask()[1] for _ in range(60))  # what waits for the dead one waits for the next
        assert before[0] not in seen or seen[before[0]] == 0
        after = family.workers(2)
        assert after[1] == before[1]
        assert after[0] != before[0]
        assert family.stop() == 0
    assert all(is_gone(pid) for pid in after.values())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all(number: signal.Signals) -> None:
    with parent(2) as family:
        pids = family.workers(2)
        assert family.stop(number) == 0
        assert all(is_gone(pid) for pid in pids.values())


def test_a_second_signal_ends_those_that_go_on() -> None:
    with parent(2, "stubborn") as family:
        pids = family.workers(2)
        family.process.terminate()
        time.sleep(0.3)
        assert family.process.poll() is None
        assert family.stop() == 0
        assert all(is_gone(pid) for pid in pids.values())


def test_workers_that_do_not_end_are_killed_when_their_time_is_over() -> None:
    with parent(2, "deaf") as family:
        pids = family.workers(2)
        begin = time.monotonic()
        family.stop()
        assert 0.9 < time.monotonic() - begin < 4
        assert all(is_gone(pid) for pid in pids.values())


def test_workers_end_when_their_parent_is_killed() -> None:
    with parent(2) as family:
        pids = family.workers(2)
        family.process.kill()
        assert all(is_gone(pid) for pid in pids.values())


def test_an_orderly_error_of_a_worker_is_that_of_the_whole() -> None:
    with parent(2, "broken") as family:
        assert family.process.wait(10) == 3


def test_workers_that_die_at_once_are_tried_again_ever_more_slowly() -> None:
    with parent(1, "short") as family:
        time.sleep(2.0)
        assert family.process.poll() is None
        family.stop()
        assert family.process.stderr is not None
        deaths = [line for line in family.process.stderr.read().splitlines() if "worker died" in line]
        assert 3 <= len(deaths) <= 6
        assert "SIGABRT" in deaths[0]


def test_a_port_that_is_taken_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for count in (1, 2):
            with pytest.raises(OSError, match=f"127.0.0.1:{port}") as error:
                listen(Address("127.0.0.1", port), count, 8)
            assert error.value.errno == errno.EADDRINUSE


def test_two_programs_with_workers_do_not_share_a_port_unknowingly() -> None:
    first = listen(Address("127.0.0.1", 0), 2, 8)
    try:
        with pytest.raises(OSError, match="in use"):
            listen(Address("127.0.0.1", first[0].getsockname()[1]), 2, 8)
    finally:
        for each in first:
            each.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_name_is_listened_on_by_ipv4(host: str) -> None:
    (bound,) = listen(Address(host, 0), 1, 8)
    with bound, socket.create_connection(("127.0.0.1", bound.getsockname()[1]), timeout=5):
        assert bound.family == socket.AF_INET


def test_a_name_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(OSError, match=r"no-such-host\.invalid:80"):
        listen(Address("no-such-host.invalid", 80), 1, 8)
