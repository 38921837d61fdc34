"""What is measured, and how each is run once: a feed, an API and a load generator of its own each time."""

import time
from contextlib import ExitStack
from typing import Final, NamedTuple

import msgspec

from benchmarks.serving.inputs import instruments_of
from benchmarks.serving.processes import ApiProcess, BareServer, Generator, Seen, watch
from benchmarks.serving.tasks import Read, ReadTask, Streamed, StreamTask
from benchmarks.streaming.inputs import Input
from benchmarks.streaming.processes import FeedProcess

__all__ = [
    "READS",
    "STREAMS",
    "VIEWERS",
    "ReadCase",
    "ReadRun",
    "StreamCase",
    "StreamRun",
    "run_floor",
    "run_read",
    "run_stream",
]

SETTLE_S: Final = 0.3
APPLIED: Final = '"ts_applied":"'


class StreamCase(NamedTuple):
    """So many clients of one stream class, depth 10, unless it says more; each has one of them."""

    name: str
    clients: int
    rate: int
    feed_rate: int
    floor: str = ""
    """What its floor is called; empty for none."""
    only_count: bool = False
    instruments: int = 1
    depths: tuple[int, ...] = (10,)
    page: bool = False
    """Each has what a book's page subscribes to: the book, trades, status."""
    events: bool = False
    """They are readers of events, as a browser is."""

    @property
    def classes(self) -> int:
        return self.instruments * len(self.depths) * (3 if self.page else 1)


class ReadCase(NamedTuple):
    """So many connections that ask for the book, depth 10."""

    name: str
    connections: int
    feed_rate: int


STREAMS: Final = (
    StreamCase("1,000 clients × 20/s", 1_000, 20, 50_000, floor="floor: 1,000 × 20/s, bare uvicorn, no feed"),
    StreamCase("1,000 clients × 20/s, feed of 500,000 records/s", 1_000, 20, 500_000),
    StreamCase(
        "1,000 clients × 20/s, of 20 classes",
        1_000,
        20,
        50_000,
        instruments=4,
        depths=(1, 5, 10, 25, 50),
    ),
    StreamCase("5,000 clients × 4/s", 5_000, 4, 50_000, floor="floor: 5,000 × 4/s, bare uvicorn, no feed"),
    StreamCase("100 clients × 100/s", 100, 100, 50_000, floor="floor: 100 × 100/s, bare uvicorn, no feed"),
    StreamCase(
        "as much as it can: 2,500 clients ask for 100/s",
        2_500,
        100,
        5_000,
        floor="floor: as much as bare uvicorn can, no feed",
        only_count=True,
    ),
)
VIEWERS: Final = (
    StreamCase("500 WebSockets of what a book's page shows", 500, 20, 5_000, depths=(50,), page=True),
    StreamCase("500 book pages (events)", 500, 20, 5_000, depths=(50,), page=True, events=True),
)
"""What a page's viewer costs, beside a program that asks for the same."""
READS: Final = (ReadCase("GET /v1/books/ID?depth=10, 32 connections", 32, 50_000),)


class StreamRun(NamedTuple):
    """What one run gave."""

    streamed: Streamed
    seen: Seen
    ready_s: float | None = None
    client_kib: float | None = None
    """What the server's memory has grown by with all clients there, a client."""


class ReadRun(NamedTuple):
    """The same of readers."""

    read: Read
    seen: Seen
    ready_s: float


def run_stream(case: StreamCase, source: Input, seconds: float) -> StreamRun:
    """The API under a case, once."""
    with ExitStack() as stack:
        api = stack.enter_context(_served(stack, source, case.feed_rate))
        time.sleep(SETTLE_S)
        before_kib = api.memory_kib()
        task = StreamTask(
            port=api.port,
            clients=case.clients,
            path=_events(case, source) if case.events else "/v1/stream",
            says=[] if case.events else _subscriptions(case, source),
            all_of_it=case.page,
            events=case.events,
            seconds=seconds,
            stamp=APPLIED,
            only_count=case.only_count,
        )
        generator = stack.enter_context(Generator(task))
        seen = watch(api, generator)
        client_kib = (seen.memory_kib - before_kib) / case.clients
        return StreamRun(generator.found(Streamed), seen, api.ready_s, client_kib)


def run_floor(case: StreamCase, size: int, seconds: float) -> StreamRun:
    """A bare server that sends messages of ``size`` bytes to as many, as often; once."""
    with ExitStack() as stack:
        server = stack.enter_context(BareServer(case.clients, case.rate, size))
        task = StreamTask(
            port=server.port, clients=case.clients, says=[], seconds=seconds, only_count=case.only_count
        )
        generator = stack.enter_context(Generator(task))
        seen = watch(server, generator)
        return StreamRun(generator.found(Streamed), seen)


def run_read(case: ReadCase, source: Input, seconds: float) -> ReadRun:
    """The API under readers, once."""
    with ExitStack() as stack:
        api = stack.enter_context(_served(stack, source, case.feed_rate))
        time.sleep(SETTLE_S)
        path = f"/v1/books/{instruments_of(source.path, 1)[0]}?depth=10"
        task = ReadTask(port=api.port, connections=case.connections, path=path, seconds=seconds)
        generator = stack.enter_context(Generator(task))
        seen = watch(api, generator)
        return ReadRun(generator.found(Read), seen, api.ready_s)


def _served(stack: ExitStack, source: Input, feed_rate: int) -> ApiProcess:
    pace = ["--rate", str(feed_rate), "--loop"]
    feed = stack.enter_context(FeedProcess(source.path, pace, wait=0, journal=None))
    feed.event("running")
    return ApiProcess(feed.port)


def _subscriptions(case: StreamCase, source: Input) -> list[str]:
    """A request for each class of the case."""
    if case.page:
        (instrument,) = map(str, instruments_of(source.path, 1))
        asked = {"op": "subscribe", "instruments": [instrument]}
        channels: list[dict[str, object]] = [
            {"channel": "book", "depth": case.depths[0], "rate": case.rate},
            {"channel": "trades", "rate": case.rate},
            {"channel": "status"},
        ]
        return [msgspec.json.encode({**asked, **each}).decode() for each in channels]
    return [
        _subscribe(instrument, depth, case.rate)
        for instrument in instruments_of(source.path, case.instruments)
        for depth in case.depths
    ]


def _events(case: StreamCase, source: Input) -> str:
    """What the page of a book asks for."""
    (name,) = instruments_of(source.path, 1)
    return f"/v1/events?book={name}&trades={name}&status={name}&depth={case.depths[0]}&rate={case.rate}"


def _subscribe(instrument: int, depth: int, rate: int) -> str:
    order = {
        "op": "subscribe",
        "id": 1,
        "channel": "book",
        "instruments": [str(instrument)],
        "depth": depth,
        "rate": rate,
    }
    return msgspec.json.encode(order).decode()
