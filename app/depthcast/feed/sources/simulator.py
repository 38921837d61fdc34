"""The simulated exchange in a process of its own: it would take the interpreter's lock from the feed's loop.

Run as a module it reads one frame, what to simulate, from standard input, and writes frames to standard
output for ever. It ends when nobody reads them. A frame is a byte that tells its kind, 4 bytes of length,
and so many bytes.
"""

import os
import signal
import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from depthcast.errors import DepthcastError
from depthcast.exchange import Exchange, ExchangeParams

__all__ = ["Task", "read_frame", "write_frame"]

HEAD: Final = struct.Struct("<cI")
RECORDS: Final = b"R"
CHECKPOINT: Final = b"C"
"""A checkpoint, taken before the next record."""
FAILED: Final = b"E"
NICENESS: Final = 5
"""It works ahead of the feed's loop, which must not wait for it where cores are few."""


class Task(msgspec.Struct, frozen=True):
    """What to simulate: from the beginning, or from a checkpoint."""

    params: ExchangeParams
    checkpoint: bytes | None
    batch_bytes: int
    checkpoint_every: int
    """Records between two checkpoints."""


def write_frame(stream: BinaryIO, kind: bytes, data: bytes) -> None:
    """Write a frame, and see it on its way."""
    stream.write(HEAD.pack(kind, len(data)))
    stream.write(data)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next frame's kind and bytes; None if the stream ended."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    kind, size = HEAD.unpack(head)
    data = stream.read(size)
    return None if len(data) < size else (kind, data)


def frames(task: Task) -> Iterator[tuple[bytes, bytes]]:
    """The records for ever, in batches of whole events, with checkpoints between them."""
    exchange = Exchange(task.params) if task.checkpoint is None else Exchange.restore(task.checkpoint)
    following = exchange.records + task.checkpoint_every
    for batch in exchange.run(batch_bytes=task.batch_bytes):
        yield RECORDS, batch
        if exchange.records >= following:
            following = exchange.records + task.checkpoint_every
            yield CHECKPOINT, exchange.checkpoint()


def main() -> int:
    """Do what standard input says, until standard output is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's, meant for the feed: it closes the pipe
    os.nice(NICENESS)
    frame = read_frame(sys.stdin.buffer)
    if frame is None:
        return 2
    stream = sys.stdout.buffer
    try:
        for kind, data in frames(msgspec.msgpack.decode(frame[1], type=Task)):
            write_frame(stream, kind, data)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left goes nowhere
    except DepthcastError as error:
        write_frame(stream, FAILED, str(error).encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
