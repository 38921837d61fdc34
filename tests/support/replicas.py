"""Replicas for tests: what listens to one, and a replica that is told records and events by hand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.dbn import forms
from depthcast.live.control import SystemCode
from depthcast.live.events import Connected, Disconnected, Ending, SystemNotice
from depthcast.live.lifecycle import Policy
from depthcast.live.replica import Replica
from depthcast.live.replica_types import FeedState, ResetReason
from tests.support.records import BAD_TS_RECV, LAST, SNAPSHOT, add, clear
from tests.support.scripted_gateway import KEY

DATASET: Final = "TEST.SIM"
NOW_NS: Final = 1_700_000_000_000_000_000
PRICE: Final = 100_000_000_000
FAST: Final = Policy(backoff_first_s=0.005, backoff_max_s=0.02)
OF_SNAPSHOT: Final = SNAPSHOT | BAD_TS_RECV


class HandClock:
    """A clock that goes when a test says so."""

    def __init__(self) -> None:
        self.s = 0.0

    def monotonic(self) -> float:
        return self.s

    def time_ns(self) -> int:
        return NOW_NS + int(self.s * 1e9)


class Listener:
    """Notes all that a replica tells, and follows its books by what it is told alone.

    Attributes:
        books: an engine of its own, begun anew from the replica's at each reset.
        trades: since the last reset, as they came.
        seen: of each book the checksum when it was last told.
    """

    wants_records = True

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.books = Engine()
        self.trades = b""
        self.seen: dict[BookKey, int] = {}
        self.states: list[FeedState] = []
        self.resets: list[ResetReason] = []
        self.told: list[str] = []
        replica.add_listener(self)

    def on_records(self, records: memoryview) -> None:
        self.told.append("records")
        self.books.apply(records)

    def on_trades(self, records: bytes) -> None:
        self.told.append("trades")
        self.trades += records

    def on_changed(self, keys: list[BookKey]) -> None:
        self.told.append("changed")
        for key in keys:
            self._see(key)

    def on_reset(self, reason: ResetReason) -> None:
        self.told.append("reset")
        self.resets.append(reason)
        self.trades = b""
        self.books = Engine()
        self.books.apply(self.replica.engine.snapshot())
        self.seen.clear()
        for key in self.replica.engine.books():
            self._see(key)

    def on_state(self, state: FeedState) -> None:
        self.told.append("state")
        self.states.append(state)

    def _see(self, key: BookKey) -> None:
        self.seen[key] = self.replica.engine.checksum(key.instrument_id, publisher_id=key.publisher_id)


class Told:
    """A replica without a network: a test tells it what a subscriber would."""

    def __init__(self, dataset: str = DATASET) -> None:
        self.clock = HandClock()
        self.replica = Replica(
            "127.0.0.1", 1, key=KEY, dataset=dataset, gather_ms=0, clock=self.clock, random=lambda: 0.5
        )
        self.listener = Listener(self.replica)

    def connect(self) -> None:
        self.replica.on_event(Connected(1, "1", "0.9.4", "127.0.0.1:1"))

    def disconnect(self, reason: str = "connection reset by peer") -> None:
        self.replica.on_event(Disconnected(Ending.RESET, reason, None, 0.1))

    def completed(self) -> None:
        """The gateway says that the snapshot was all."""
        self.replica.on_event(SystemNotice(SystemCode.REPLAY_COMPLETED, "Snapshot of mbo completed"))

    def records(self, *records: bytes, ts_out: int = NOW_NS) -> None:
        """Whole records, in one chunk."""
        data = b"".join(records)
        if data:
            with memoryview(bytearray(forms.form(data, ts_out=ts_out))) as view:
                self.replica.on_records(view)

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.clock.s += seconds
        self.replica.check()


def checksums(engine: Engine, keys: Iterable[BookKey] | None = None) -> dict[BookKey, int]:
    """Of these books, or all."""
    return {
        key: engine.checksum(key.instrument_id, publisher_id=key.publisher_id)
        for key in (engine.books() if keys is None else keys)
    }


def snapshot(*order_ids: int, instrument_id: int = 7) -> bytes:
    """A book of one bid an order, as a snapshot."""
    out = clear(OF_SNAPSHOT if order_ids else OF_SNAPSHOT | LAST, instrument_id=instrument_id)
    for n, order_id in enumerate(order_ids, 1):
        flags = OF_SNAPSHOT | (LAST if n == len(order_ids) else 0)
        out += add(order_id, "B", PRICE - order_id, 5, flags, instrument_id=instrument_id)
    return out


def told_live() -> Told:
    """A replica with one book of two bids, of instrument 7."""
    told = Told()
    told.connect()
    told.records(snapshot(1, 2))
    told.completed()
    return told


def state(told: Told) -> FeedState:
    """The state as it is now (to the eyes of a type checker an attribute never changes by itself)."""
    return told.replica.state


def replica_of(port: int, **options: Any) -> Replica:
    """A replica of a gateway on this machine, which loses no time."""
    return Replica("127.0.0.1", port, **{"dataset": DATASET, "policy": FAST, **options})


@contextlib.asynccontextmanager
async def running(replica: Replica) -> AsyncIterator[None]:
    """Run it; it ends when it is closed, and not before."""
    task = asyncio.create_task(replica.run())
    try:
        yield
        assert not task.done()
    finally:
        replica.close()
        await task
