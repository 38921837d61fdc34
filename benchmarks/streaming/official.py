"""The official client receives: ``python -m benchmarks.streaming.official TASK``, used as `receive` is.

It makes an object of every record and hands it to a callback, which counts.
"""

import os
import sys
import threading
from time import monotonic_ns

import databento
import msgspec

from benchmarks.streaming.tasks import DATASET, HOST, KEY, Received, ReceiveTask, SessionResult


def receive(task: ReceiveTask) -> Received:
    """Receive the records of one session."""
    over = threading.Event()
    times: list[int] = []
    count = 0

    def on_record(record: object) -> None:
        nonlocal count
        if isinstance(record, databento.MBOMsg):
            count += 1
            if count in (1, task.records):
                times.append(monotonic_ns())
            if count == task.records:
                over.set()

    client = databento.Live(key=KEY, gateway=HOST, port=task.port)
    client.subscribe(dataset=DATASET, schema="mbo", symbols="ALL_SYMBOLS")
    client.add_callback(on_record)
    client.start()
    over.wait()
    client.terminate()
    return Received([SessionResult(task.records, *times)], None)


if __name__ == "__main__":
    received = receive(msgspec.json.decode(sys.argv[1], type=ReceiveTask))
    print(msgspec.json.encode(received).decode(), flush=True)
    os._exit(0)  # the client's thread may still hold the connection
