"""Readers of the stream by the thousand: ``python -m benchmarks.serving.stream_load TASK``.

A program that shares two cores with what it measures has to be cheap: one epoll, one buffer, ``recv_into``;
of a frame its header is read, and the digits after the stamp. Nothing decodes JSON.

It says ``counting`` when the time that counts begins, ``counted`` when that is over, then what it found. Its
clients stay and go on reading until it is ended, so that the server can be looked at with all of them there.
"""

import resource
import select
import socket
import sys
from array import array
from collections import Counter
from time import perf_counter, time_ns
from typing import Final

import msgspec
import numpy as np

from benchmarks.serving.tasks import Streamed, StreamTask
from benchmarks.streaming.results import PERCENTILES
from benchmarks.streaming.tasks import HOST

__all__ = ["Load", "masked"]

BUFFER: Final = 1 << 20
TOGETHER: Final = 64
"""Connections that shake hands at a time."""
SAMPLED: Final = 16
DATA: Final = (b'{"type":"update"', b'{"type":"snapshot"')
FIN_TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
STAMP_DIGITS: Final = 19
PATIENCE_S: Final = 60.0
STAY_S: Final = 30.0
"""Who started this ends it sooner; if nobody does, it ends by itself."""


def masked(opcode: int, payload: bytes) -> bytes:
    """A short frame of a client; the mask is zero, so that the payload stays as it is."""
    size = len(payload)
    head = bytes([opcode, 0x80 | size]) if size < 126 else bytes([opcode, 0xFE]) + size.to_bytes(2)
    return head + b"\0\0\0\0" + payload


class Client:
    """One connection: what it got, and the part of a frame that came so far."""

    __slots__ = ("frames", "open", "part", "seq", "socket")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.part = b""
        self.frames = 0
        self.seq = b""
        self.open = True


class Load:
    """All clients of one task."""

    def __init__(self, task: StreamTask) -> None:
        self.task = task
        self.clients: dict[int, Client] = {}
        self.epoll = select.epoll()
        self.frames = 0
        self.bytes = 0
        self.gaps = 0
        self.closed = 0
        self.others: Counter[str] = Counter()
        self.late = array("q")
        self._stamp = task.stamp.encode()
        self._every = SAMPLED if task.only_count else 1
        self._numbered = False
        self._buffer = bytearray(BUFFER)
        self._take = self._take_chunks if task.events else self._take_frames

    def run(self) -> Streamed:
        """Connect, warm up, count."""
        begin = perf_counter()
        self._connect()
        while any(not client.frames for client in self.clients.values() if client.open):
            self._listen(0.05)
            if perf_counter() - begin > PATIENCE_S:
                raise TimeoutError(f"not all clients had a frame in time: {dict(self.others)}")
        connect_s = perf_counter() - begin
        self._listen(self.task.warm_s)
        self._reset()
        print("counting", flush=True)
        cpu, begin = _cpu_s(), perf_counter()
        self._listen(self.task.seconds)
        seconds = perf_counter() - begin
        print("counted", flush=True)
        cpu = (_cpu_s() - cpu) / seconds
        late = np.frombuffer(self.late, dtype=np.int64) if self.late else np.zeros(1, dtype=np.int64)
        values = np.percentile(late, list(PERCENTILES.values())) / 1e6
        return Streamed(
            frames=self.frames,
            bytes=self.bytes,
            seconds=seconds,
            milliseconds=dict(zip(PERCENTILES, values.tolist(), strict=True)),
            others=dict(self.others),
            gaps=self.gaps if self._numbered else None,
            least=min(client.frames for client in self.clients.values()),
            closed=self.closed,
            connect_s=connect_s,
            cpu=cpu,
        )

    def stay(self, seconds: float) -> None:
        """Go on reading."""
        self._listen(seconds)

    def close(self) -> None:
        """Leave."""
        for client in self.clients.values():
            client.socket.close()
        self.epoll.close()

    def _reset(self) -> None:
        self.frames = self.bytes = self.gaps = self.closed = 0
        self.others.clear()
        del self.late[:]
        for client in self.clients.values():
            client.frames = 0

    def _connect(self) -> None:
        task = self.task
        ask = (
            f"GET {task.path} HTTP/1.1\r\nHost: {HOST}:{task.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
        if task.events:
            ask = f"GET {task.path} HTTP/1.1\r\nHost: {HOST}:{task.port}\r\n\r\n".encode()
        says = [masked(FIN_TEXT, each.encode()) for each in task.says]
        if task.all_of_it:
            says = [b"".join(says)]
        for begin in range(0, task.clients, TOGETHER):
            together = []
            for _ in range(min(TOGETHER, task.clients - begin)):
                connection = socket.create_connection((HOST, task.port), timeout=PATIENCE_S)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(ask)
                together.append(connection)
            for connection in together:
                self._shake_hands(connection)
        # Only now: nobody is sent anything while this process does not read.
        for number, client in enumerate(list(self.clients.values()) if says else ()):
            client.socket.sendall(says[number % len(says)])
            self._listen(0)

    def _shake_hands(self, connection: socket.socket) -> None:
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = connection.recv(4096)
            if not more:
                raise ConnectionError(f"the server ended the connection: {answer!r}")
            answer += more
        head, _, rest = answer.partition(b"\r\n\r\n")
        if (b" 200 " if self.task.events else b" 101 ") not in head.partition(b"\r\n")[0]:
            raise ConnectionError(f"no stream: {answer!r}")
        connection.setblocking(False)  # noqa: FBT003 - it takes no keyword
        client = Client(connection)
        self.clients[connection.fileno()] = client
        self.epoll.register(connection.fileno(), select.EPOLLIN)
        if rest:
            self._take(client, rest, time_ns())

    def _listen(self, seconds: float) -> None:
        """Take what comes for so long."""
        end = perf_counter() + seconds
        clients, buffer, poll = self.clients, self._buffer, self.epoll.poll
        while True:
            left = end - perf_counter()
            for number, _ in poll(max(left, 0.0), 1024):
                client = clients[number]
                try:
                    size = client.socket.recv_into(buffer)
                except BlockingIOError:
                    continue
                except ConnectionResetError:
                    size = 0
                if not size:
                    self._lose(client)
                    continue
                now = time_ns()
                # The usual: one whole frame of more than 125 and less than 65,536 bytes.
                if not client.part and buffer[0] == FIN_TEXT and buffer[1] == 126:  # no chunk begins so
                    length = buffer[2] << 8 | buffer[3]
                    if size == length + 4:
                        self._frame(client, buffer, 4, size, now)
                        continue
                self._take(client, client.part + buffer[:size], now)
            if left <= 0:
                return

    def _take_chunks(self, client: Client, data: bytes, now: int) -> None:
        """Several chunks of events, one each, or parts of them."""
        at = 0
        while True:
            head = data.find(b"\r\n", at)
            if head < 0:
                break
            begin, end = head + 2, head + 2 + int(data[at:head], 16)
            if len(data) < end + 2:
                break
            if end == begin:
                self.others["end"] += 1
                self._lose(client)
                return
            payload = data.find(b'data: {"type"', begin, end)
            if payload >= 0:
                self._frame(client, data, payload + 6, end, now)
            at = end + 2
        client.part = bytes(data[at:])

    def _take_frames(self, client: Client, data: bytes, now: int) -> None:
        """Several frames, or parts of them."""
        at = 0
        while len(data) - at >= 2:
            size, head = data[at + 1] & 0x7F, 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4]), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2 : at + 10]), 10
            end = at + head + size
            if len(data) < end or len(data) < at + head:
                break
            if data[at] == FIN_TEXT:
                self._frame(client, data, at + head, end, now)
            elif data[at] == PING:
                client.socket.send(masked(PONG, data[at + head : end]))
            elif data[at] == CLOSE:
                self.others[f"close {int.from_bytes(data[at + head : at + head + 2])}"] += 1
                self._lose(client)
                return
            at = end
        client.part = bytes(data[at:])

    def _frame(self, client: Client, data: bytes | bytearray, begin: int, end: int, now: int) -> None:
        """One frame of text."""
        if not data.startswith(DATA, begin):
            self.others[bytes(data[begin : begin + 40]).split(b'"')[3].decode()] += 1
            return
        client.frames += 1
        self.frames += 1
        self.bytes += end - begin
        if self.frames % self._every:
            return
        stamp = data.find(self._stamp, begin, end) + len(self._stamp)
        self.late.append(now - int(data[stamp : stamp + STAMP_DIGITS]))
        if self._every == 1:
            self._check_seq(client, data, begin, end)

    def _check_seq(self, client: Client, data: bytes | bytearray, begin: int, end: int) -> None:
        at = data.find(b'"seq":', begin, end)
        if at < 0:
            return  # the floor numbers nothing
        self._numbered = True
        before = data.find(b'"prev_seq":', begin, end)
        if before >= 0 and client.seq and not data.startswith(client.seq, before + 11):
            self.gaps += 1
        stop = data.find(b",", at, end)
        client.seq = bytes(data[at + 6 : stop + 1])

    def _lose(self, client: Client) -> None:
        self.epoll.unregister(client.socket.fileno())
        client.socket.close()
        client.open = False
        self.closed += 1


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Do the task on the command line."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    task = msgspec.json.decode(sys.argv[1], type=StreamTask)
    load = Load(task)
    print(msgspec.json.encode(load.run()).decode(), flush=True)
    load.stay(STAY_S)
    load.close()


if __name__ == "__main__":
    main()
