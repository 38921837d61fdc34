"""The API on a real port, over a replica that is told its records by hand: for the stream's endpoints."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from depthcast.api.app import create_app
from depthcast.api.frames import FrameProtocol
from depthcast.api.http import Bounds, bounded_http
from depthcast.api.hub.hub import Hub
from depthcast.api.hub.options import HubOptions
from depthcast.api.key_file import ApiKeyFile, ApiKeys
from depthcast.api.market import Market
from depthcast.api.past.gate import open_past
from depthcast.api.services import Services
from depthcast.api.trades import Tape
from depthcast.settings import Settings
from tests.support.api_service import api_settings
from tests.support.records import LAST, add, clear, mbo
from tests.support.replicas import Told
from tests.support.stream_reader import Reader

__all__ = ["Events", "Page", "StreamService", "events", "page", "stream_service"]

PRICE = 64_790_000_000
TICK = 10_000_000
WAIT_S = 10.0


class StreamService:
    """A served stream.

    Attributes:
        told: the replica; tell it records.
        hub: what serves them.
        server: uvicorn's.
    """

    def __init__(self, told: Told, hub: Hub, server: uvicorn.Server, port: int) -> None:
        self.told = told
        self.hub = hub
        self.server = server
        self.port = port
        self._orders = 1_000

    async def until_nobody_is_there(self) -> None:
        """Wait until the hub has forgotten every client."""
        async with asyncio.timeout(WAIT_S):
            while self.hub.counters.clients:
                await asyncio.sleep(0.01)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    @property
    def engine(self) -> Any:
        return self.told.replica.engine

    def fill(self) -> None:
        """Books 7 and 8, with ten levels a side."""
        self.told.connect()
        self.told.records(*[clear(instrument_id=number) for number in (7, 8)])
        self.told.completed()
        for number in (7, 8):
            for level in range(10):
                self.change(instrument_id=number, ticks=level, size=level + 1)
                self.change(instrument_id=number, ticks=-level - 1, size=level + 1)

    def change(self, *, instrument_id: int = 7, ticks: int = 0, size: int = 1) -> None:
        """One more order, as one event."""
        self._orders += 1
        side, price = ("B", PRICE - ticks * TICK) if ticks >= 0 else ("A", PRICE + (1 - ticks) * TICK)
        self.told.records(add(self._orders, side, price, size, instrument_id=instrument_id))

    def trade(self, *, instrument_id: int = 7, size: int = 1, sequence: int = 0) -> None:
        self.told.records(mbo("T", "B", PRICE, size, 0, LAST, instrument_id=instrument_id, sequence=sequence))


@contextlib.asynccontextmanager
async def stream_service(
    *,
    options: HubOptions | None = None,
    settings: Settings | None = None,
    ready_frames: bool = True,
    keys_file: Path | None = None,
    ping_s: float | None = 20.0,
    port: int = 0,
    filled: bool = True,
) -> AsyncIterator[StreamService]:
    """Serve books 7 and 8 with ten levels a side.

    Args:
        ready_frames: through our own protocol; else through uvicorn's as it is.
        port: to listen on; 0 for any.
        filled: whether there are books yet; else a test calls `StreamService.fill`.
    """
    settings = settings or api_settings()
    told = Told()
    told.clock.time_ns = time.time_ns  # type: ignore[method-assign]
    market = Market([told.replica])
    loop = asyncio.get_running_loop()
    hub = Hub(market, time.time_ns, loop, options or HubOptions(linger_read_s=0.0))
    services = Services(
        settings=settings,
        market=market,
        hub=hub,
        tape=Tape(market),
        keys=ApiKeys(ApiKeyFile(keys_file or Path("no-such-file.json")), reload_s=0.0),
        version="0.0.test",
        past=open_past(settings),
    )
    config = uvicorn.Config(
        create_app(services),
        interface="asgi3",
        http=bounded_http(Bounds(16_384, 10.0)),
        ws=FrameProtocol if ready_frames else "websockets-sansio",
        ws_max_size=4 * settings.api.message_bytes,
        ws_ping_interval=ping_s,
        ws_ping_timeout=ping_s,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
    listener = socket.create_server(("127.0.0.1", port))
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    service = StreamService(told, hub, server, listener.getsockname()[1])
    if filled:
        service.fill()
    try:
        yield service
    finally:
        hub.stop()
        server.should_exit = True
        await serving
        if services.past is not None:
            services.past.close()


class Page:
    """A program that reads the stream, and verifies what it holds."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.reader = Reader()

    async def ask(self, op: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"op": op, **fields}))

    async def next(self, *kinds: str) -> dict[str, Any]:
        """The next message of these types; those before it are read too."""
        async with asyncio.timeout(WAIT_S):
            while True:
                message = self.reader.text(await self.connection.recv())
                if message["type"] in kinds:
                    return message

    async def subscribe(self, channel: str, *instruments: str, **fields: Any) -> str:
        """Subscribe; the name of the (last) class."""
        await self.ask("subscribe", channel=channel, instruments=list(instruments) or ["7"], **fields)
        message = await self.next("subscribed", "error")
        assert message["type"] == "subscribed", message
        name: str = message["class"]
        return name

    async def closed(self) -> tuple[int, str]:
        """Read on until the server closes it: code and reason."""
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(ConnectionClosed):
                async for text in self.connection:
                    self.reader.text(text)
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""


class Events:
    """A browser's `EventSource`, as far as a test needs it.

    Attributes:
        comments: how many came.
        last_id: what it would send as Last-Event-ID.
        retry_ms: what the server asked for.
    """

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.reader = Reader()
        self.comments = 0
        self.last_id = ""
        self.retry_ms = 0

    async def next(self, *kinds: str) -> dict[str, Any]:
        """The next event of these types; those before it are read too."""
        async with asyncio.timeout(WAIT_S):
            fields: dict[str, str] = {}
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                    continue
                message = self._event(fields)
                fields = {}
                if message is not None and message["type"] in kinds:
                    return message
        raise EOFError

    def _event(self, fields: dict[str, str]) -> dict[str, Any] | None:
        self.last_id = fields.get("id", self.last_id)
        self.comments += "" in fields
        self.retry_ms = int(fields.get("retry", self.retry_ms))
        if "data" not in fields:
            return None
        message = self.reader.text(fields["data"])
        assert message["type"] == fields["event"]
        return message


@contextlib.asynccontextmanager
async def events(
    service: StreamService, query: str, *, last_id: str = "", **headers: str
) -> AsyncIterator[Events]:
    """An open event stream."""
    if last_id:
        headers["Last-Event-ID"] = last_id
    url = f"http://127.0.0.1:{service.port}/v1/events?{query}"
    async with (
        httpx.AsyncClient(timeout=WAIT_S) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Events(answer.aiter_lines())


@contextlib.asynccontextmanager
async def page(service: StreamService, **options: Any) -> AsyncIterator[Page]:
    """A connected one."""
    async with connect(service.url, compression=None, **options) as connection:
        yield Page(connection)
