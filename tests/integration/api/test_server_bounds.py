"""The server's own bounds: heads without end, requests that never end, answers nobody takes, connections."""

import asyncio
import contextlib
import functools
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from depthcast.api.connections import Connections
from depthcast.api.headers import Addresses
from depthcast.api.http import Bounds, bounded_http

HEAD_BYTES = 2_000
REQUEST_S = 0.4
STALL_S = 0.3
LARGE = 24 << 20


def on_a_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """A test that is a coroutine, run."""

    @functools.wraps(test)
    def run() -> None:
        asyncio.run(test())  # type: ignore[arg-type]

    return run


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body; ``/wait`` only when the client has gone, ``/large`` largely."""
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = f"{scope['path']} {size}".encode()
    if scope["path"] == "/wait":
        await receive()
    if scope["path"] == "/large":
        body = bytes(LARGE)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def served(connections: Connections | None = None) -> AsyncIterator[int]:
    config = uvicorn.Config(
        application,
        http=bounded_http(Bounds(HEAD_BYTES, REQUEST_S, STALL_S, connections)),
        lifespan="off",
        log_config=None,
        timeout_keep_alive=30,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server._serve([listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def said(reader: asyncio.StreamReader) -> str:
    """All that comes until the server closes."""
    return (await asyncio.wait_for(reader.read(), 5)).decode()


async def answer(reader: asyncio.StreamReader) -> str:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
    length = int(head.lower().partition("content-length: ")[2].split()[0])
    return head.split()[1] + " " + (await reader.readexactly(length)).decode()


@on_a_loop
async def test_requests_within_the_bounds_are_answered_one_after_another() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(3):
            writer.write(f"GET /{number} HTTP/1.1\r\nHost: x\r\nPad: {'p' * 1000}\r\n\r\n".encode())
            assert await answer(reader) == f"200 /{number} 0"
        writer.write(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"b" * 5000)
        assert await answer(reader) == "200 /b 5000"
        writer.write(b"GET /p HTTP/1.1\r\nHost: x\r\n\r\nGET /q HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [await answer(reader), await answer(reader)] == ["200 /p 0", "200 /q 0"]
        writer.close()


@on_a_loop
async def test_an_idle_connection_outlives_the_time_for_a_request() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await answer(reader) == "200 /a 0"
        await asyncio.sleep(2 * REQUEST_S)
        writer.write(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await answer(reader) == "200 /b 0"
        writer.close()


@on_a_loop
async def test_a_head_that_is_too_large_at_once_is_refused() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET / HTTP/1.1\r\nHost: x\r\nPad: {'p' * HEAD_BYTES}\r\n\r\n".encode())
        text = await said(reader)
        assert text.startswith("HTTP/1.1 431 ")
        assert "application/problem+json" in text
        assert text.count("HTTP/1.1") == 1
        writer.close()


@on_a_loop
async def test_what_is_no_http_is_a_problem() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01 what is this\r\n\r\n")
        text = await said(reader)
        assert text.startswith("HTTP/1.1 400 ")
        assert '"type":"/v1/problems/malformed-request"' in text
        writer.close()


@on_a_loop
async def test_a_head_without_end_is_refused_once_it_is_too_large() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nPad: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(HEAD_BYTES // 100 + 2):
                writer.write(b"p" * 100)
                await writer.drain()
                await asyncio.sleep(0.001)
            assert (await said(reader)).startswith("HTTP/1.1 431 ")
        writer.close()


@on_a_loop
async def test_a_request_that_does_not_end_is_given_up() -> None:
    for part in (b"GET / HTTP/1.1\r\nHost:", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"):
        async with served() as port:
            begin = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(part)
            assert (await said(reader)).startswith("HTTP/1.1 408 ")
            assert REQUEST_S * 0.9 <= time.monotonic() - begin < 3
            writer.close()


@on_a_loop
async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await said(reader) == ""
        writer.close()


@on_a_loop
async def test_a_client_that_keeps_its_request_trickling_is_given_up_in_time() -> None:
    async with served() as port:
        begin = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n")
        task = asyncio.create_task(said(reader))
        while not task.done() and time.monotonic() - begin < 3:
            with contextlib.suppress(ConnectionError):
                writer.write(b"A: b\r\n")
                await writer.drain()
            await asyncio.sleep(0.02)
        assert (await task).startswith("HTTP/1.1 408 ")
        writer.close()


@pytest.mark.parametrize("first", ["", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_blank_lines_are_as_good_as_silence(first: str) -> None:
    async def main() -> None:
        async with served() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if first:
                writer.write(first.encode())
                assert await answer(reader) == "200 /a 0"
            begin = time.monotonic()
            task = asyncio.create_task(reader.read())
            while not task.done() and time.monotonic() - begin < 3:
                with contextlib.suppress(ConnectionError):
                    writer.write(b"\r\n")
                    await writer.drain()
                await asyncio.sleep(0.02)
            assert await task == b""
            writer.close()

    asyncio.run(main())


class Client:
    """A connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def ask(self, path: str) -> None:
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    async def get(self, path: str) -> str:
        self.ask(path)
        return await answer(self.reader)

    async def is_closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 5) == b""


@contextlib.asynccontextmanager
async def clients(port: int, count: int) -> AsyncIterator[list[Client]]:
    """So many connections, each of which has been answered once."""
    opened: list[Client] = []
    try:
        for number in range(count):
            opened.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
            assert await opened[-1].get(f"/{number}") == f"200 /{number} 0"
        yield opened
    finally:
        for each in opened:
            each.writer.close()


@on_a_loop
async def test_of_an_address_with_too_many_connections_the_one_idle_longest_goes() -> None:
    connections = Connections(per_address=3)
    async with served(connections) as port, clients(port, 3) as [first, second, third]:
        assert await first.get("/again") == "200 /again 0"  # now the second is idle longest
        async with clients(port, 1) as [fourth]:
            assert await second.is_closed()
            for each in (first, third, fourth):
                assert await each.get("/x") == "200 /x 0"
            assert (connections.closed, connections.refused) == (1, 0)
    assert len(connections) == 0


@on_a_loop
async def test_of_all_connections_too_the_one_idle_longest_goes() -> None:
    async with served(Connections(most=2)) as port, clients(port, 3) as [first, second, third]:
        assert await first.is_closed()
        for each in (second, third):
            assert await each.get("/x") == "200 /x 0"


@on_a_loop
async def test_beginnings_of_requests_make_room_too() -> None:
    async with served(Connections(per_address=2)) as port:
        begun = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for _, writer in begun:
            writer.write(b"GET / HTTP/1.1\r\nHo")
        async with clients(port, 2) as both:
            assert [await said(reader) for reader, _ in begun] == ["", ""]
            assert [await each.get("/x") for each in both] == ["200 /x 0"] * 2
        for _, writer in begun:
            writer.close()


@on_a_loop
async def test_where_all_connections_are_at_work_others_than_probes_are_refused() -> None:
    connections = Connections(per_address=2)
    async with served(connections) as port, clients(port, 2) as busy:
        for each in busy:
            each.ask("/wait")
        await asyncio.sleep(0.1)
        one_more = Client(*await asyncio.open_connection("127.0.0.1", port))
        one_more.ask("/x")
        text = await said(one_more.reader)
        assert text.startswith("HTTP/1.1 503 ")
        assert "retry-after: 1\r\n" in text
        assert '"type":"/v1/problems/overloaded"' in text
        one_more.writer.close()
        for path in ("/healthz", "/readyz", "/v1/healthz?x=1"):
            probe = Client(*await asyncio.open_connection("127.0.0.1", port))
            assert (await probe.get(path)).startswith("200 ")
            probe.writer.close()
        assert connections.refused >= 2


@on_a_loop
async def test_connections_of_a_trusted_proxy_are_neither_counted_nor_closed() -> None:
    connections = Connections(1, 1, Addresses(["127.0.0.0/8"]))
    async with served(connections) as port, clients(port, 4) as all_of_them:
        for each in all_of_them:
            assert await each.get("/x") == "200 /x 0"
        assert len(connections) == 0


@on_a_loop
async def test_an_answer_that_nobody_takes_is_given_up_in_time() -> None:
    connections = Connections()
    async with served(connections) as port, clients(port, 1) as [client]:
        begin = time.monotonic()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.ask("/large")
        while len(connections):
            await asyncio.sleep(0.02)
            assert time.monotonic() - begin < 5
        assert time.monotonic() - begin >= STALL_S * 0.9


@on_a_loop
async def test_an_answer_that_is_taken_slowly_is_there_in_the_end() -> None:
    async with served() as port, clients(port, 1) as [client]:
        client.ask("/large")
        await client.reader.readuntil(b"\r\n\r\n")
        left, begin = LARGE, time.monotonic()
        while left:
            left -= len(await client.reader.readexactly(min(left, 1 << 20)))
            await asyncio.sleep(0.05)
        assert time.monotonic() - begin > 2 * STALL_S
        assert await client.get("/x") == "200 /x 0"
