"""The load generators of the API's benchmark: what they count is what was sent."""

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.serving.processes import BareServer, Generator, watch
from benchmarks.serving.read_load import Readers
from benchmarks.serving.stream_load import Load, masked
from benchmarks.serving.tasks import ReadTask, Streamed, StreamTask

HANDSHAKE = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def frame(payload: bytes, opcode: int = 0x81) -> bytes:
    """A frame of a server."""
    size = len(payload)
    if size < 126:
        return bytes([opcode, size]) + payload
    if size < 65_536:
        return bytes([opcode, 126]) + size.to_bytes(2) + payload
    return bytes([opcode, 127]) + size.to_bytes(8) + payload


def update(prev_seq: int, seq: int, pad: int = 0) -> bytes:
    message = {"type": "update", "ts_send": str(time.time_ns()), "prev_seq": prev_seq, "seq": seq}
    return frame(json.dumps({**message, "pad": "x" * pad}, separators=(",", ":")).encode())


def loaded(serve: Callable[[socket.socket], None], **task: object) -> Streamed:
    """What one client counts of a server that does this with its connection, once its handshake is done."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            peer, _ = listener.accept()
            with peer:
                received = b""
                while b"\r\n\r\n" not in received:
                    received += peer.recv(4096)
                peer.sendall(HANDSHAKE)
                serve(peer)

        serving = threading.Thread(target=run)
        serving.start()
        order = StreamTask(
            port=listener.getsockname()[1],
            clients=1,
            says=["{}"],
            warm_s=0.1,
            seconds=1.5,
            **task,  # type: ignore[arg-type]
        )
        load = Load(order)
        found = load.run()
        load.close()
        serving.join(10)
    return found


def test_frames_are_counted_however_they_are_cut_up() -> None:
    def serve(peer: socket.socket) -> None:
        peer.sendall(update(0, 1))
        time.sleep(0.6)
        data = b"".join(update(seq, seq + 1, pad) for seq, pad in enumerate((0, 200, 70_000, 30, 5_000), 1))
        data += frame(b'{"type":"heartbeat","seq":{}}') + frame(b'{"type":"resync","class":"book:1:1:10:20"}')
        for begin in range(0, len(data), 777):
            peer.sendall(data[begin : begin + 777])
            time.sleep(0.0005)
        time.sleep(1.2)

    found = loaded(serve)
    assert (found.frames, found.least, found.gaps, found.closed) == (5, 5, 0, 0)
    assert found.others == {"heartbeat": 1, "resync": 1}
    assert 0 < found.milliseconds["p50"] < 1_000, "it slept between the pieces, on a machine that may be busy"


def test_holes_in_a_sequence_and_lost_connections_are_seen() -> None:
    def serve(peer: socket.socket) -> None:
        peer.sendall(update(0, 1))
        time.sleep(0.6)
        peer.sendall(update(1, 2) + update(3, 4) + update(4, 5) + update(9, 10))

    found = loaded(serve)
    assert (found.frames, found.gaps, found.closed) == (4, 2, 1)


def test_pings_are_answered() -> None:
    heard = bytearray()

    def serve(peer: socket.socket) -> None:
        peer.sendall(update(0, 1) + frame(b"are you there", 0x89))
        peer.settimeout(2)
        while b"are you there" not in heard:
            heard.extend(peer.recv(4096))
        time.sleep(1.8)

    loaded(serve)
    assert masked(0x8A, b"are you there") in bytes(heard)


@pytest.mark.parametrize("size", [5, 200])
def test_what_clients_say_is_masked_with_zeros(size: int) -> None:
    said = masked(0x81, b"p" * size)
    assert said[1] & 0x80
    assert said.endswith(b"\0\0\0\0" + b"p" * size)


def test_the_floor_sends_what_is_asked_for_to_everybody() -> None:
    with BareServer(20, 50, 700) as floor:
        task = StreamTask(port=floor.port, clients=20, says=[], warm_s=0.2, seconds=1.0)
        with Generator(task) as generator:
            seen = watch(floor, generator)
            found = generator.found(Streamed)
    assert found.bytes == found.frames * 700
    assert found.frames > 20 * 50 * 0.5
    assert (found.gaps, found.closed) == (None, 0), "it numbers nothing, so nobody can say what was missed"
    assert 0 < seen.cpu < 1
    assert seen.feed_rate is None


def test_clients_stay_until_the_generator_is_ended() -> None:
    with BareServer(5, 50, 700) as floor:
        task = StreamTask(port=floor.port, clients=5, says=[], warm_s=0.1, seconds=0.3)
        with Generator(task) as generator:
            watch(floor, generator)
            generator.found(Streamed)
            time.sleep(0.3)
            assert connections_to(floor.port) == 5
        deadline = time.monotonic() + 5
        while connections_to(floor.port) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert connections_to(floor.port) == 0


def connections_to(port: int) -> int:
    """Established connections of this machine whose local end is that port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_a_closing_frame_is_a_lost_connection_whose_code_is_told() -> None:
    def serve(peer: socket.socket) -> None:
        peer.sendall(update(0, 1))
        time.sleep(0.6)
        peer.sendall(update(1, 2) + frame((4008).to_bytes(2) + b"too slow", 0x88))
        time.sleep(1.2)

    found = loaded(serve)
    assert (found.frames, found.closed) == (1, 1)
    assert found.others == {"close 4008": 1}


def test_gaps_are_unknown_where_frames_are_only_counted_but_resyncs_are_not() -> None:
    def serve(peer: socket.socket) -> None:
        peer.sendall(update(0, 1))
        time.sleep(0.6)
        peer.sendall(update(5, 6) + frame(b'{"type":"resync","class":"book:1:1:10:20"}') + update(8, 9))
        time.sleep(1.2)

    found = loaded(serve, only_count=True)
    assert (found.frames, found.gaps, found.others) == (2, None, {"resync": 1})


def test_readers_ask_again_once_they_are_answered() -> None:
    answers = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        body = b"b" * 1000
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + body

        def run() -> None:
            nonlocal answers
            peer, _ = listener.accept()
            with peer:
                while peer.recv(4096):
                    peer.sendall(answer[:300])
                    time.sleep(0.005)
                    peer.sendall(answer[300:])
                    answers += 1

        threading.Thread(target=run, daemon=True).start()
        port = listener.getsockname()[1]
        found = Readers(ReadTask(port=port, connections=1, path="/", warm_s=0.1, seconds=0.5)).run()
    assert 10 < found.requests <= answers
    assert (found.wrong, found.body_bytes) == (0, 1000)
    assert found.milliseconds["p50"] >= 5
