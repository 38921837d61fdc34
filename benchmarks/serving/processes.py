"""The processes of a measurement: the API itself, the bare server beside it, and who asks."""

import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from benchmarks.serving.tasks import Read, ReadTask, Streamed, StreamTask
from benchmarks.streaming.processes import Logging, Process, cpu_s, memory_mib
from benchmarks.streaming.tasks import DATASET, HOST, KEY

__all__ = ["ApiProcess", "BareServer", "Generator", "Progress", "Seen", "watch"]

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


class Progress(NamedTuple):
    """How far a server's feeds were at a time of its own clock."""

    ts_ns: int
    records: int


class ApiProcess(Logging):
    """``depthcast api`` on a port of its own, following a feed; ready when this is made.

    Attributes:
        ready_s: from its start until /readyz said so.
    """

    def __init__(self, feed_port: int, *, workers: int = 1) -> None:
        program = str(Path(sys.executable).with_name("depthcast"))
        options = [part for each in OPEN for part in ("--set", f"api.{each}")]
        where = ["--feed", f"{HOST}:{feed_port}/{DATASET}", "--key", KEY, "--listen", f"{HOST}:0"]
        self._answer = b"no answer"
        begin = time.perf_counter()
        super().__init__([program, "api", *where, "--workers", str(workers), *options], says="stderr")
        self.port = int(self.event("listening")["address"].rpartition(":")[2])
        while not self._is_ready():
            if time.perf_counter() - begin > START_S:
                raise RuntimeError(f"the API was not ready within {START_S:g} s: {self._answer!r}")
            time.sleep(0.005)
        self.ready_s = time.perf_counter() - begin

    def _is_ready(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=5) as asking:
            asking.sendall(READY)
            self._answer = b"".join(iter(lambda: asking.recv(1 << 16), b""))
            return b" 200 " in self._answer.partition(b"\r\n")[0]
        return False

    def progress(self) -> Progress:
        """The records it has received, as /v1/status says."""
        status = self._get("/v1/status")
        return Progress(int(status["ts"]), sum(feed["records"] for feed in status["feeds"]))

    def _get(self, path: str) -> Any:
        with socket.create_connection((HOST, self.port), timeout=10) as asking:
            asking.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: asking.recv(1 << 16), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(f"{path}: {answer[:300]!r}")
        return msgspec.json.decode(body)

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

    def progress(self) -> None:
        """It has no feed."""

    def cpu_s(self) -> float:
        """CPU time so far."""
        return cpu_s(self.pid)

    def memory_kib(self) -> float:
        """What it has in RAM now."""
        return memory_mib(self.pid, "VmRSS") * 1024


class Generator(Process):
    """A load generator, in a process of its own."""

    def __init__(self, task: StreamTask | ReadTask) -> None:
        streams = isinstance(task, StreamTask)
        program = "benchmarks.serving.stream_load" if streams else "benchmarks.serving.read_load"
        super().__init__([sys.executable, "-m", program, msgspec.json.encode(task).decode()])

    def reached(self, point: Literal["counting", "counted"]) -> None:
        """Wait until it begins to count, or has counted.

        Raises:
            RuntimeError: it ended without.
        """
        if self.pipe("stdout").readline().strip() != point:
            raise RuntimeError("a load generator failed: see above")

    def found(self, kind: type[R]) -> R:
        """What it found, once it has counted. Its clients are still connected.

        Raises:
            RuntimeError: it ended without.
        """
        said = self.pipe("stdout").readline()
        if not said:
            raise RuntimeError("a load generator failed: see above")
        return msgspec.json.decode(said, type=kind)


class Seen(NamedTuple):
    """What a server did while a load generator counted."""

    cpu: float
    """As a share of a core."""
    memory_kib: float
    """At the end, all clients there."""
    feed_rate: float | None
    """Records a second that it received; None without a feed."""


def watch(server: ApiProcess | BareServer, generator: Generator) -> Seen:
    """Look at a server when the generator begins to count, and when it has counted.

    Raises:
        RuntimeError: the generator ended without.
    """
    generator.reached("counting")
    began_s, cpu_began_s, before = time.perf_counter(), server.cpu_s(), server.progress()
    generator.reached("counted")
    cpu = (server.cpu_s() - cpu_began_s) / (time.perf_counter() - began_s)
    memory_kib, after = server.memory_kib(), server.progress()
    if before is None or after is None:
        return Seen(cpu, memory_kib, None)
    rate = (after.records - before.records) / (after.ts_ns - before.ts_ns) * 1e9
    return Seen(cpu, memory_kib, rate)
