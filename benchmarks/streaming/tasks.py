"""What a receiving process is told to do, and what it says when it has."""

from typing import Literal

import msgspec

__all__ = ["DATASET", "HOST", "KEY", "Kind", "ReceiveTask", "Received", "SessionResult"]

HOST = "127.0.0.1"
DATASET = "BENCH.XXXX"
KEY = "db-benchmark-on-loopback-only-00"

Kind = Literal["subscriber", "floor", "official"]


class ReceiveTask(msgspec.Struct, frozen=True, kw_only=True):
    """Receive so many records from a port of this machine, then stop."""

    kind: Kind
    """Our subscriber, a bare socket, or the official client."""
    port: int
    records: int
    sessions: int = 1
    apply: bool = True
    """To an engine; else the records are only counted."""
    ts_out: bool = False
    chunks: str | None = None
    """The file to save when each chunk was applied."""


class SessionResult(msgspec.Struct, frozen=True):
    """One session: its records, and CLOCK_MONOTONIC ns of the first one's arrival and the last one's use."""

    records: int
    begin_ns: int
    end_ns: int

    @property
    def per_second(self) -> float:
        return self.records / (self.end_ns - self.begin_ns) * 1e9


class Received(msgspec.Struct, frozen=True):
    """What came."""

    sessions: list[SessionResult]
    book: str | None
    """SHA-256 of the snapshot of all books after the last record; None if there are none."""
