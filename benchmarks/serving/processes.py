"""The processes of a measurement: the API itself, the bare server beside it, and who asks."""

import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from benchmarks.serving.tasks import Read, ReadTask, Streamed, StreamTask
from benchmarks.streaming.processes import Logging, Process, cpu_s, memory_mib
from benchmarks.streaming.tasks import DATASET, HOST, KEY

__all__ = ["ApiProcess", "BareServer", "Generator"]

START_S: Final = 20.0
OPEN: Final = (
    "anonymous_read=true",
    "requests_per_s=1000000",
    "burst=1000000",
    "connections_per_address=100000",
    "max_clients=15000",
    "drain_accept_s=0",
    "drain_spread_s=0",
)
"""All clients are of one address, and none has a key."""
READY: Final = b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"

R = TypeVar("R", Read, Streamed)


class ApiProcess(Logging):
    """``depthcast api`` on a port of its own, following a feed; ready when this is made.

    Attributes:
        ready_s: from its start until /readyz said so.
    """

    def __init__(self, feed_port: int, *, workers: int = 1) -> None:
        program = str(Path(sys.executable).with_name("depthcast"))
        options = [part for each in OPEN for part in ("--set", f"api.{each}")]
        where = ["--feed", f"{HOST}:{feed_port}/{DATASET}", "--key", KEY, "--listen", f"{HOST}:0"]
        begin = time.perf_counter()
        super().__init__([program, "api", *where, "--workers", str(workers), *options], says="stderr")
        self.port = int(self.event("listening")["address"].rpartition(":")[2])
        while not self._is_ready():
            if time.perf_counter() - begin > START_S:
                raise RuntimeError(f"the API was not ready within {START_S:g} s")
            time.sleep(0.005)
        self.ready_s = time.perf_counter() - begin

    def _is_ready(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=5) as asking:
            asking.sendall(READY)
            return b" 200 " in asking.recv(64)
        return False

    def get(self, path: str) -> Any:
        """The JSON that a path answers with."""
        with socket.create_connection((HOST, self.port), timeout=10) as asking:
            asking.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: asking.recv(1 << 16), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(f"{path}: {answer[:300]!r}")
        return msgspec.json.decode(body)

    def metrics(self, prefix: str) -> dict[str, float]:
        """The metrics whose names begin so, by name and labels."""
        with socket.create_connection((HOST, self.port), timeout=10) as asking:
            asking.sendall(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            text = b"".join(iter(lambda: asking.recv(1 << 16), b"")).decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(prefix))
        return {name: float(value) for name, _, value in lines}

    def cpu_s(self) -> float:
        """CPU time so far."""
        return cpu_s(self.pid)

    def memory_kib(self) -> float:
        """What it has in RAM now."""
        return memory_mib(self.pid, "VmRSS") * 1024


class BareServer(Process):
    """The floor: see `benchmarks.serving.floor`."""

    def __init__(self, clients: int, rate: float, size: int) -> None:
        order = [str(clients), str(rate), str(size)]
        super().__init__([sys.executable, "-m", "benchmarks.serving.floor", *order])
        self.port = int(self.pipe("stdout").readline())

    def cpu_s(self) -> float:
        """CPU time so far."""
        return cpu_s(self.pid)


class Generator(Process):
    """A load generator, in a process of its own."""

    def __init__(self, task: StreamTask | ReadTask) -> None:
        streams = isinstance(task, StreamTask)
        program = "benchmarks.serving.stream_load" if streams else "benchmarks.serving.read_load"
        super().__init__([sys.executable, "-m", program, msgspec.json.encode(task).decode()])

    def counting(self) -> None:
        """Wait until it begins to count.

        Raises:
            RuntimeError: it ended without.
        """
        if self.pipe("stdout").readline().strip() != "counting":
            raise RuntimeError("a load generator failed: see above")

    def found(self, kind: type[R]) -> R:
        """What it found, once it has."""
        said = self.pipe("stdout").read()
        if self.wait() != 0:
            raise RuntimeError("a load generator failed: see above")
        return msgspec.json.decode(said, type=kind)
