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

__all__ = ["REAL_TIME", "FeedProcess", "Receiver", "Sender"]

REAL_TIME: Final = ("chrt", "-f", "20")
PROGRAMS: Final = {"official": "benchmarks.streaming.official"}
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class _Process:
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

    def _pipe(self, pipe: IO[str] | None) -> IO[str]:
        if pipe is None:
            raise AssertionError("the process was started without this pipe")
        return pipe


class FeedProcess(_Process):
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

    def event(self, name: str) -> dict[str, Any]:
        """Wait until the feed logs an event of this name.

        Raises:
            RuntimeError: it has ended, with what it said.
        """
        said = []
        for line in self._pipe(self._process.stderr):
            said.append(line)
            with suppress(json.JSONDecodeError):
                event: dict[str, Any] = json.loads(line)
                if event.get("event") == name:
                    return event
        raise RuntimeError(f"the feed ended before {name!r}:\n{''.join(said)}")

    def metric(self, name: str) -> float:
        """A metric of its admin port."""
        with urlopen(f"{self._admin}/metrics", timeout=10) as answer:  # noqa: S310 - http, of this machine
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.split()[1])
        raise KeyError(name)

    def cpu_s(self) -> float:
        """CPU time of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def memory_mib(self) -> float:
        """The most memory it had in RAM so far."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        raise KeyError("VmHWM")


class Sender(_Process):
    """The bare sender of a file."""

    def __init__(self, source: Path, *, real_time: bool = False) -> None:
        super().__init__(
            [sys.executable, "-m", "benchmarks.streaming.floor", str(source)], real_time=real_time
        )
        self.port = int(self._pipe(self._process.stdout).readline())


class Receiver(_Process):
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
        said = self._pipe(self._process.stdout).read()
        if self._process.wait() != 0:
            raise RuntimeError("a receiver failed: see above")
        return msgspec.json.decode(said, type=Received)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
    return port
