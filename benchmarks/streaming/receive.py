"""The receiving process: ``python -m benchmarks.streaming.receive TASK`` does a task and prints what came.

Both the task and the answer are JSON: `ReceiveTask`, `Received`.
"""

import asyncio
import hashlib
import socket
import sys
import threading

import msgspec
import uvloop

from benchmarks.streaming.meter import Meter, save_chunks
from benchmarks.streaming.tasks import DATASET, HOST, KEY, Received, ReceiveTask
from depthcast import Engine
from depthcast.dbn.layout import MBO_SIZE
from depthcast.live.client import BUFFER_BYTES
from depthcast.live.lifecycle import Policy
from depthcast.live.subscriber import Subscriber


async def subscribe(task: ReceiveTask, engine: Engine | None) -> list[Meter]:
    """Our subscriber: as many sessions as asked for, on one loop."""
    subscribers: list[Subscriber] = []
    meters: list[Meter] = []
    for number in range(task.sessions):

        def done(number: int = number) -> None:
            subscribers[number].close()

        use = count if engine is None else engine.apply
        meter = Meter(task.records, use, done, ts_out=task.ts_out)
        subscriber = Subscriber(
            HOST,
            task.port,
            key=KEY,
            dataset=DATASET,
            on_records=meter.take,
            resume="none",
            ts_out=task.ts_out,
            policy=Policy(until_end=True),
        )
        subscriber.subscribe("mbo")
        meters.append(meter)
        subscribers.append(subscriber)
    await asyncio.gather(*(subscriber.run() for subscriber in subscribers))
    return meters


def count(chunk: memoryview) -> None:
    """Use nothing: the subscriber has counted its records."""


def read_bare(task: ReceiveTask, engine: Engine | None) -> list[Meter]:
    """The floor: one blocking socket, one buffer, nothing looked at but where records end."""
    over = threading.Event()
    meter = Meter(task.records, count if engine is None else engine.apply, over.set)
    view = memoryview(bytearray(BUFFER_BYTES))
    held = 0
    with socket.create_connection((HOST, task.port)) as peer:
        while not over.is_set() and (came := peer.recv_into(view[held:])):
            held += came
            whole = held - held % MBO_SIZE
            if whole:
                meter.take(view[:whole])
                view[: held - whole] = view[whole:held]
                held -= whole
    return [meter]


def book_of(engine: Engine) -> str:
    """What all books are, in short."""
    return hashlib.sha256(engine.snapshot()).hexdigest()


def main() -> None:
    """Do the task, say what came."""
    task = msgspec.json.decode(sys.argv[1], type=ReceiveTask)
    engine = Engine() if task.apply else None
    if task.kind == "floor":
        meters = read_bare(task, engine)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            meters = runner.run(subscribe(task, engine))
    if task.chunks is not None:
        save_chunks(meters, task.chunks)
    received = Received([meter.result() for meter in meters], None if engine is None else book_of(engine))
    print(msgspec.json.encode(received).decode())


if __name__ == "__main__":
    main()
