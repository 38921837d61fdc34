"""The processes of a measurement: the feed itself, the bare sender, and who receives."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Self
from urllib.request import urlopen

import msgspec

from benchmarks.streaming.tasks import HOST, KEY, Received, ReceiveTask
from benchmarks.workloads import ROOT

__all__ = ["REAL_TIME", "FeedProcess", "Logging", "Process", "Receiver", "Sender", "cpu_s", "memory_mib"]

REAL_TIME: Final = ("chrt", "-f", "20")
PROGRAMS: Final = {"official": "benchmarks.streaming.official"}
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Process:
    """A process that ends with its ``with`` block."""

    def __init__(self, command: Sequence[str], *, real_time: bool = False, says: str = "stdout") -> None:
        self._process = subprocess.Popen(
            [*REAL_TIME, *command] if real_time else list(command),
            stdout=subprocess.PIPE if says == "stdout" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if says == "stderr" else None,
            cwd=ROOT,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # it has said what it had to, and what it wrote is for nobody
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def pipe(self, says: str) -> IO[str]:
        """What it says, on ``stdout`` or ``stderr``."""
        pipe = self._process.stdout if says == "stdout" else self._process.stderr
        if pipe is None:
            raise AssertionError("the process was started without this pipe")
        return pipe

    def wait(self) -> int:
        """The exit code, when it has ended."""
        return self._process.wait()


class Logging(Process):
    """A process that logs lines of JSON on standard error."""

    def event(self, name: str) -> dict[str, Any]:
        """Wait until it logs an event of this name.

        Raises:
            RuntimeError: it has ended, with what it said.
        """
        said = []
        for line in self.pipe("stderr"):
            said.append(line)
            with suppress(json.JSONDecodeError):
                event: dict[str, Any] = json.loads(line)
                if event.get("event") == name:
                    return event
        raise RuntimeError(f"the process ended before {name!r}:\n{''.join(said)}")


class FeedProcess(Logging):
    """``depthcast feed`` of a file on a port of its own.

    Args:
        source: the file.
        pace: ``--max``, or ``--rate`` and the rate.
        wait: how many sessions it waits for.
        journal: the journal's folder; None for no journal.
        real_time: under ``chrt``.
    """

    def __init__(
        self, source: Path, pace: Sequence[str], *, wait: int, journal: Path | None, real_time: bool = False
    ) -> None:
        program = str(Path(sys.executable).with_name("depthcast"))
        where = ["--listen", f"{HOST}:0", "--key", KEY, "--journal", str(journal or "none")]
        port = _free_port()
        admin = ["--admin", f"{HOST}:{port}"]
        self._admin = f"http://{HOST}:{port}"
        command = [program, "feed", str(source), *pace, "--wait", str(wait), "--linger", "1", *where, *admin]
        super().__init__(command, real_time=real_time, says="stderr")
        self.port = int(self.event("listening")["addresses"][0].rpartition(":")[2])

    def metric(self, name: str) -> float:
        """A metric of its admin port."""
        with urlopen(f"{self._admin}/metrics", timeout=10) as answer:  # noqa: S310 - http, of this machine
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.split()[1])
        raise KeyError(name)

    def cpu_s(self) -> float:
        """CPU time of all its threads so far."""
        return cpu_s(self.pid)

    def memory_mib(self) -> float:
        """The most memory it had in RAM so far."""
        return memory_mib(self.pid, "VmHWM")


class Sender(Process):
    """The bare sender of a file."""

    def __init__(self, source: Path, *, real_time: bool = False) -> None:
        super().__init__(
            [sys.executable, "-m", "benchmarks.streaming.floor", str(source)], real_time=real_time
        )
        self.port = int(self.pipe("stdout").readline())


class Receiver(Process):
    """Who receives, in a process of its own."""

    def __init__(self, task: ReceiveTask, *, real_time: bool = False) -> None:
        order = msgspec.json.encode(task).decode()
        command = [sys.executable, "-m", PROGRAMS.get(task.kind, "benchmarks.streaming.receive"), order]
        super().__init__(command, real_time=real_time)

    def received(self) -> Received:
        """Wait until it has what it was told to receive.

        Raises:
            RuntimeError: it ended without.
        """
        said = self.pipe("stdout").read()
        if self.wait() != 0:
            raise RuntimeError("a receiver failed: see above")
        return msgspec.json.decode(said, type=Received)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
    return port


def cpu_s(pid: int) -> float:
    """CPU time of all threads of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def memory_mib(pid: int, name: str) -> float:
    """A value of a process's memory: ``VmRSS`` is what it has in RAM, ``VmHWM`` the most it had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise KeyError(name)
