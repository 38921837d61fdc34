"""A client's connection without a network: the test is the event loop, the gateway and the owner."""

import asyncio
from typing import Final

import databento_dbn

from depthcast.live.client import Client
from depthcast.live.control import Error, SymbolMapping, System
from depthcast.live.handshake import Login
from tests.support.scripted_gateway import DATASET

GREETING: Final = b"lsg_version=0.9.4\ncram=t7kNhwj4xqR0QYjzFKtBEG2ec2pXJ4FK\n"
LOGIN: Final = Login("db-AAAAAAAAAAAAAAAAAAAAAAAAbUcKt", DATASET)
ACCEPTED: Final = GREETING + b"success=1|session_id=7\n"


class Owner:
    """Keeps what it is told."""

    def __init__(self, lines: bytes = b"schema=mbo|stype_in=raw_symbol|symbols=ALL_SYMBOLS\n") -> None:
        self.lines = lines
        self.data = b""
        self.calls = 0
        self.control: list[System | Error | SymbolMapping] = []
        self.metadata: databento_dbn.Metadata | None = None
        self.error: Exception | None = None
        self.closed = asyncio.Event()

    def on_authenticated(self, session_id: str, version: str) -> bytes:
        self.session = session_id, version
        return self.lines

    def on_started(self, metadata: databento_dbn.Metadata) -> None:
        self.metadata = metadata

    def on_records(self, records: memoryview) -> None:
        self.calls += 1
        self.data += records

    def on_control(self, record: System | Error | SymbolMapping) -> None:
        self.control.append(record)

    def on_closed(self, error: Exception | None) -> None:
        self.error = error
        self.closed.set()


class Wire(asyncio.Transport):
    """A transport whose other end is the test."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.calls: list[str] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def abort(self) -> None:
        self.aborted = True


def feed(client: Client, data: bytes) -> None:
    """Hand bytes to the client as an event loop does."""
    while data and not client._closed:  # a loop reads nothing more from a connection that was aborted
        room = client.get_buffer(-1)
        assert len(room) > 0
        size = min(len(room), len(data))
        room[:size] = data[:size]
        client.buffer_updated(size)
        data = data[size:]
