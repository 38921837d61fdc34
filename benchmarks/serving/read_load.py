"""Readers over HTTP: ``python -m benchmarks.serving.read_load TASK``.

Each connection asks, takes the whole answer, and asks again: a closed loop, so the latency is that of so many
readers at once. One epoll; of an answer its status and length are read.
"""

import resource
import select
import socket
import sys
from array import array
from time import perf_counter, perf_counter_ns

import msgspec
import numpy as np

from benchmarks.serving.tasks import Read, ReadTask
from benchmarks.streaming.results import PERCENTILES
from benchmarks.streaming.tasks import HOST

__all__ = ["Readers"]

LENGTH = b"content-length: "
GOOD = b"HTTP/1.1 200"


class Reader:
    """One connection."""

    __slots__ = ("asked", "part", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.part = b""
        self.asked = 0


class Readers:
    """All connections of one task."""

    def __init__(self, task: ReadTask) -> None:
        self.task = task
        self.request = f"GET {task.path} HTTP/1.1\r\nHost: {HOST}:{task.port}\r\n\r\n".encode()
        self.took = array("q")
        self.wrong = 0
        self.body_bytes = 0

    def run(self) -> Read:
        """Ask, warm up, count."""
        readers = {}
        epoll = select.epoll()
        for _ in range(self.task.connections):
            reader = Reader(self.task.port)
            readers[reader.socket.fileno()] = reader
            epoll.register(reader.socket.fileno(), select.EPOLLIN)
            self._ask(reader)
        self._listen(readers, epoll, self.task.warm_s)
        del self.took[:]
        self.wrong = 0
        print("counting", flush=True)
        cpu, begin = _cpu_s(), perf_counter()
        self._listen(readers, epoll, self.task.seconds)
        seconds = perf_counter() - begin
        print("counted", flush=True)
        cpu = (_cpu_s() - cpu) / seconds
        for reader in readers.values():
            reader.socket.close()
        epoll.close()
        values = np.percentile(np.frombuffer(self.took, dtype=np.int64), list(PERCENTILES.values())) / 1e6
        return Read(
            requests=len(self.took),
            seconds=seconds,
            milliseconds=dict(zip(PERCENTILES, values.tolist(), strict=True)),
            wrong=self.wrong,
            body_bytes=self.body_bytes,
            cpu=cpu,
        )

    def _ask(self, reader: Reader) -> None:
        reader.asked = perf_counter_ns()
        reader.socket.sendall(self.request)

    def _listen(self, readers: dict[int, Reader], epoll: select.epoll, seconds: float) -> None:
        end = perf_counter() + seconds
        while (left := end - perf_counter()) > 0:
            for number, _ in epoll.poll(left, 1024):
                reader = readers[number]
                data = reader.part + reader.socket.recv(1 << 18)
                if not data:
                    raise ConnectionError("the server ended a connection")
                if self._is_whole(data):
                    self.took.append(perf_counter_ns() - reader.asked)
                    self.wrong += not data.startswith(GOOD)
                    reader.part = b""
                    self._ask(reader)
                else:
                    reader.part = data

    def _is_whole(self, data: bytes) -> bool:
        head = data.find(b"\r\n\r\n")
        at = data.find(LENGTH, 0, head)
        if head < 0 or at < 0:
            return False
        size = int(data[at + len(LENGTH) : data.index(b"\r", at)])
        self.body_bytes = size
        return len(data) == head + 4 + size


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Do the task on the command line."""
    print(msgspec.json.encode(Readers(msgspec.json.decode(sys.argv[1], type=ReadTask)).run()).decode())


if __name__ == "__main__":
    main()
