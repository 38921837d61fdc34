"""What a replay should tell, worked out from the source event by event; and a reader that notes it."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from depthcast.book.replay import replay
from depthcast.book.types import BookKey
from depthcast.dbn.columns import split
from depthcast.dbn.layout import RType
from tests.support.api_service import api_settings
from tests.support.journals import METADATA
from tests.support.stream_service import WAIT_S, Page, StreamService, page, stream_service

__all__ = [
    "Source",
    "SourceEvent",
    "Watcher",
    "held_to",
    "replaying",
    "replays_of",
    "told_of",
    "watching",
]


class SourceEvent(NamedTuple):
    """An event as the source has it: its place, its time, what the book is after it, its trades."""

    key: BookKey
    position: int
    ts_recv: int
    ts_event: int
    levels: int
    queues: int
    trades: list[tuple[str, int, int]]


class Source:
    """All events of a source, by the position after each."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        columns = split(memoryview(data))
        rtypes = np.frombuffer(data, np.uint8)[columns.starts + 1]
        self.statuses = {int(each) + 1 for each in np.flatnonzero(rtypes == RType.STATUS)}
        """The positions after status records: they may change what is said of a book, not its orders."""
        self.events: list[SourceEvent] = []
        latest = 0
        for event in replay(io.BytesIO(METADATA.encode() + data)):
            if not event.complete:
                continue
            latest = max(latest, event.ts_recv)
            key, engine = event.key, event.engine
            status = engine.status(key.instrument_id, key.publisher_id)
            trades = event.records[event.records["action"] == b"T"]
            self.events.append(
                SourceEvent(
                    key,
                    event.index + 1,
                    latest,
                    status.version[0],
                    engine.checksum(key.instrument_id, 10, key.publisher_id),
                    engine.checksum(key.instrument_id, 0, key.publisher_id),
                    [(str(t["ts_event"]), int(t["size"]), int(t["sequence"])) for t in trades],
                )
            )

    def of(self, *instruments: int, after: int = 0) -> list[SourceEvent]:
        """Those of some instruments, from a position on."""
        return [
            each for each in self.events if each.key.instrument_id in instruments and each.position > after
        ]


def told_of(messages: list[dict[str, Any]], source: Source) -> list[dict[str, Any]]:
    """The messages that tell events; the others tell a phase, and change nothing, or are from the start."""
    events = {event.position for event in source.events}
    for message in messages:
        if message["seq"] not in events and message["seq"]:
            assert message["seq"] in source.statuses
            assert not message.get("orders")
    return [message for message in messages if message["seq"] in events]


def held_to(messages: list[dict[str, Any]], events: list[SourceEvent], *, queues: bool) -> None:
    """Each message is of the event at its position, and its book is the one after that event."""
    by_position = {event.position: event for event in events}
    for message in messages:
        event = by_position[message["seq"]]
        assert message["replay"] is True
        assert message["ts_replay"] == str(event.ts_recv)
        assert message["ts_event"] == str(event.ts_event)
        assert message["checksum"] == (event.queues if queues else event.levels)


class Watcher(Page):
    """A page that plays a replay, and keeps what it was told of each channel."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.told: list[dict[str, Any]] = []
        self.name = ""
        self.asked = 0
        self.rebuilds = 1 << 30
        """How many messages the reader follows, and verifies; all are kept."""

    async def play(self, *instruments: str, **fields: Any) -> dict[str, Any]:
        """Begin a replay; the answer."""
        given = {"speed": "max", "channels": ["orders"], **fields}
        self.asked += 1
        asked = f"play {self.asked}"
        await self.ask("subscribe", id=asked, channel="replay", instruments=list(instruments), **given)
        answer = await self.answer(asked)
        self.name = answer.get("class", "")
        return answer

    async def message(self) -> dict[str, Any]:
        """The next one."""
        async with asyncio.timeout(WAIT_S):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        return self.take(message)

    def take(self, message: dict[str, Any]) -> dict[str, Any]:
        if len(self.told) <= self.rebuilds:
            self.reader.message(message)
        if message.get("class", "").startswith("replay:") and "/" in message["class"]:
            self.told.append(message)
        return message

    async def until(self, state: str, **values: Any) -> dict[str, Any]:
        """The next message that says this of the replay; what comes before it is kept."""
        while True:
            message = await self.message()
            assert message["type"] != "error", message
            if (
                message["type"] == "replay"
                and message["state"] == state
                and values.items() <= message.items()
            ):
                return message

    async def answer(self, asked: int | str) -> dict[str, Any]:
        """What a request is answered with."""
        while True:
            message = await self.message()
            if message.get("id") == asked:
                return message

    def channel(self, name: str, *types: str) -> list[dict[str, Any]]:
        """What was told of a channel; of these types, if any are given."""
        return [
            each
            for each in self.told
            if each["class"].partition("/")[2].startswith(f"{name}:") and (not types or each["type"] in types)
        ]


def replays_of(service: StreamService) -> int:
    """How many there are."""
    replays = service.hub.replays
    return 0 if replays is None else len(replays)


@asynccontextmanager
async def watching(journal: Path, **settings: Any) -> AsyncIterator[tuple[StreamService, Watcher]]:
    """A service with a journal, and a page that is connected to it."""
    async with replaying(journal, **settings) as service, page(service) as one:
        yield service, Watcher(one.connection)


@asynccontextmanager
async def replaying(journal: Path, **settings: Any) -> AsyncIterator[StreamService]:
    """A service with a journal."""
    async with stream_service(settings=api_settings(journal=str(journal), **settings)) as service:
        yield service
