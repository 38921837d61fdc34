"""Slow readers cost only themselves: conflated, or closed, while everybody else goes on."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from depthcast.api import frames, pump
from depthcast.api.hub.options import HubOptions
from tests.support.gateways import run
from tests.support.records import add
from tests.support.stream_service import PRICE, TICK, Page, StreamService, page, stream_service

SMALL = HubOptions(client_buffer_bytes=16_384, slow_close_s=60.0)
LEVELS = 250


def narrow(service: StreamService) -> socket.socket:
    """A connection whose receiver takes little at a time."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    line.connect(("127.0.0.1", service.port))
    line.settimeout(0)
    return line


class Lazy:
    """Options of a websockets client that reads nothing unless it is asked to."""

    def __init__(self, service: StreamService) -> None:
        self.options = {"sock": narrow(service), "max_queue": 1}


async def busy(service: StreamService, done: Callable[[], bool], *, limit_s: float = 20.0) -> None:
    """Change the whole of book 7 again and again."""
    number = 100_000
    async with asyncio.timeout(limit_s):
        while not done():
            records = []
            for level in range(LEVELS):
                number += 1
                records.append(add(number, "B", PRICE - level * TICK, 1, instrument_id=7))
            service.told.records(*records)
            await asyncio.sleep(0.01)


async def keep_reading(reader: Page) -> None:
    while True:
        await reader.next("update")


def test_a_slow_reader_is_conflated_and_others_do_not_notice() -> None:
    async def main() -> None:
        async with (
            stream_service(options=SMALL) as service,
            page(service) as good,
            page(service, **Lazy(service).options) as slow,
        ):
            counters = service.hub.counters
            name = await good.subscribe("book", depth=500, rate=100)
            assert await slow.subscribe("book", depth=500, rate=100) == name
            reading = asyncio.create_task(keep_reading(good))
            await busy(service, lambda: counters.pauses >= 1)
            before = good.reader.books[name].verified
            await busy(service, lambda: good.reader.books[name].verified > before + 20)
            assert counters.conflated == 0
            assert (await slow.next("resync"))["reason"] == "conflated"
            await slow.next("snapshot")
            assert counters.conflated >= 1
            await slow.next("heartbeat")
            assert slow.reader.books[name].checksum() == service.engine.checksum(7, 500)
            reading.cancel()
            assert counters.slow_closed == 0

    run(main())


def test_who_takes_nothing_is_closed_and_cut_off() -> None:
    options = HubOptions(client_buffer_bytes=16_384, slow_close_s=0.3, heartbeat_s=0.2)

    async def main() -> None:
        async with (
            stream_service(options=options) as service,
            page(service, **Lazy(service).options) as slow,
        ):
            counters = service.hub.counters
            await slow.subscribe("book", depth=500, rate=100)
            await busy(service, lambda: counters.slow_closed == 1)
            assert counters.clients == 0
            assert (await slow.closed())[0] == 4008

    run(main())


def test_a_browser_that_takes_nothing_is_cut_off_and_keeps_its_place_until_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pump, "FAREWELL_S", 1.0)
    options = HubOptions(client_buffer_bytes=16_384, slow_close_s=0.3, heartbeat_s=0.2)

    async def main() -> None:
        async with stream_service(options=options) as service:
            hub, open_now = service.hub, service.server.server_state.connections
            line = narrow(service)
            line.send(b"GET /v1/events?book=7&depth=500&rate=100 HTTP/1.1\r\nHost: x\r\n\r\n")
            await busy(service, lambda: hub.counters.slow_closed == 1)
            assert hub.counters.clients == 0
            assert (len(hub.connections), len(open_now)) == (1, 1)
            async with asyncio.timeout(5):
                while hub.connections or open_now:
                    await asyncio.sleep(0.01)
            line.close()

    run(main())


def test_a_slow_reader_of_websockets_keeps_its_place_until_it_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "CLOSING_S", 1.0)
    options = HubOptions(client_buffer_bytes=16_384, slow_close_s=0.3, heartbeat_s=0.2)

    async def main() -> None:
        async with (
            stream_service(options=options) as service,
            page(service, close_timeout=0.1, **Lazy(service).options) as slow,
        ):
            hub = service.hub
            await slow.subscribe("book", depth=500, rate=100)
            await busy(service, lambda: hub.counters.slow_closed == 1)
            assert (hub.counters.clients, len(hub.connections)) == (0, 1)
            async with asyncio.timeout(5):
                while hub.connections:
                    await asyncio.sleep(0.01)

    run(main())


@pytest.mark.long
def test_without_ready_frames_a_slow_reader_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "FAREWELL_S", 0.5)
    options = HubOptions(client_buffer_bytes=16_384, slow_close_s=0.3, heartbeat_s=0.2)

    async def main() -> None:
        async with (
            stream_service(options=options, ready_frames=False) as service,
            page(service, close_timeout=0.1, **Lazy(service).options) as slow,
        ):
            hub = service.hub
            await slow.subscribe("book", depth=500, rate=100)
            await busy(service, lambda: hub.counters.slow_closed == 1)
            async with asyncio.timeout(5):
                while hub.connections:
                    await asyncio.sleep(0.01)
            slow.connection.transport.abort()

    run(main())


def test_orders_are_never_left_out_so_who_falls_behind_is_closed() -> None:
    options = HubOptions(
        client_buffer_bytes=16_384, lossless_ring_frames=5, slow_close_s=60.0, order_records_per_s=10**9
    )

    async def main() -> None:
        async with (
            stream_service(options=options) as service,
            page(service, **Lazy(service).options) as slow,
            page(service) as good,
        ):
            counters = service.hub.counters
            name = await good.subscribe("orders")
            reading = asyncio.create_task(keep_reading(good))
            await slow.subscribe("orders")
            await busy(service, lambda: counters.pauses >= 1)
            sent = counters.encodes
            await busy(service, lambda: counters.encodes > sent + 6)
            assert (await slow.closed())[0] == 4008
            assert counters.slow_closed == 1
            reading.cancel()
            while good.reader.books[name].checksum() != service.engine.checksum(7):
                await good.next("order", "snapshot")

    run(main())


def test_a_reader_that_lags_a_little_gets_every_order() -> None:
    options = HubOptions(client_buffer_bytes=16_384, order_records_per_s=10**9)

    async def main() -> None:
        async with (
            stream_service(options=options) as service,
            page(service, **Lazy(service).options) as slow,
        ):
            counters = service.hub.counters
            name = await slow.subscribe("orders")
            await busy(service, lambda: counters.pauses >= 1)
            while slow.reader.books[name].checksum() != service.engine.checksum(7):
                await slow.next("order", "snapshot")
            assert counters.conflated == 0
            assert slow.reader.resyncs == []

    run(main())
