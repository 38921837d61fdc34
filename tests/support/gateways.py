"""Gateways for tests: a real one on a free port of the loopback, and clients that are closed with it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import structlog
import uvloop

from depthcast.live.flow import Flow
from depthcast.live.gateway import Gateway, GatewayLimits
from depthcast.live.keys import KeyRing
from tests.support.live_client import LiveClient, Received, key_ring
from tests.support.recorded_feed import RecordedFeed

T = TypeVar("T")

LOOPS: dict[str, Callable[..., Any]] = {"asyncio": asyncio.run, "uvloop": uvloop.run}
PATIENCE_S = 20.0
"""No test waits longer for anything."""


def run(main: Coroutine[Any, Any, T], loop: str = "uvloop") -> T:
    """Run a test's coroutine; structlog says nothing meanwhile."""
    with structlog.testing.capture_logs():
        found: T = LOOPS[loop](asyncio.wait_for(main, PATIENCE_S))
        return found


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    while not condition():
        await asyncio.sleep(0.002)


class Served:
    """A gateway that runs, with its feed."""

    def __init__(self, gateway: Gateway, feed: RecordedFeed, address: tuple[str, int]) -> None:
        self.gateway = gateway
        self.feed = feed
        self.address = address
        self.clients: list[LiveClient] = []

    async def client(self, *, receive_buffer: int | None = None) -> LiveClient:
        """A connection that has been greeted by nobody yet."""
        client = await LiveClient.connect(self.address, receive_buffer=receive_buffer)
        self.clients.append(client)
        return client

    async def session(
        self, *subscriptions: str, fields: tuple[str, ...] = (), receive_buffer: int | None = None
    ) -> LiveClient:
        """A session that has sent its start."""
        client = await self.client(receive_buffer=receive_buffer)
        await client.begin(*subscriptions, fields=fields)
        return client

    async def started(self, count: int) -> None:
        """Wait until so many sessions are sent what is published."""
        await until(lambda: self.gateway.started >= count)

    def flows(self) -> list[Flow]:
        """Where the started sessions are in the feed, oldest session first."""
        return [each.flow for each in self.gateway._streams()]

    async def all_of(self, *clients: LiveClient) -> list[Received]:
        """End the feed; what these clients received."""
        readers = [asyncio.ensure_future(client.rest()) for client in clients]
        self.feed.end()
        return await asyncio.gather(*readers)


@contextlib.asynccontextmanager
async def serve(
    feed: RecordedFeed,
    *,
    keys: Callable[[], KeyRing] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    listener: socket.socket | None = None,
    **limits: Any,
) -> AsyncIterator[Served]:
    """A gateway that serves ``feed``, on a free port, or as a listener says that somebody keeps."""
    ring = key_ring()
    allowed = GatewayLimits(**{"accepts_per_s": 10_000, "subscriptions_per_s": 1000, **limits})
    gateway = Gateway(feed, keys or (lambda: ring), allowed, ssl_context=ssl_context)
    feed.on_news = gateway.wake
    addresses = await gateway.start("127.0.0.1", 0, listeners=[listener.dup()] if listener else [])
    served = Served(gateway, feed, addresses[0])
    try:
        yield served
    finally:
        for client in served.clients:
            client.sock.close()
        await gateway.close()
