"""A gateway that does what a test tells it: a real TCP server that speaks the Live protocol's server side.

Each connection is played by the next script (the last one again and again): a coroutine that is given a
`Peer`. A script that returns leaves the connection to be closed in an orderly way (FIN).
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, Self

import zstandard

from depthcast.live.control import session_metadata
from depthcast.live.cram import new_challenge, verify
from depthcast.live.lines import parse_line
from depthcast.live.replies import AuthenticationReply, Challenge, Greeting
from depthcast.live.requests import Authentication, Start, SubscriptionRequest, parse_request

KEY: Final = "db-ScriptedGatewayKey00000000abcde"[:32]
DATASET: Final = "TEST.SET"

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One client, as a script sees it.

    Attributes:
        number: connections before this one.
        authentication: its line, once `authenticate` was called.
        subscriptions: its subscription lines so far.
    """

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.authentication: Authentication | None = None
        self.subscriptions: list[SubscriptionRequest] = []
        self._reader = reader
        self._writer = writer
        self._packer: zstandard.ZstdCompressionObj | None = None

    async def begin(self, *, metadata: bool = True) -> Self:
        """The whole handshake, up to the metadata."""
        challenge = await self.greet()
        await self.authenticate(challenge)
        await self.raw(AuthenticationReply(session_id=str(self.number + 1)).to_line())
        await self.read_requests()
        if metadata:
            await self.send(session_metadata(DATASET, 1, ts_out=self.ts_out))
        return self

    async def greet(self) -> str:
        """Greeting and challenge; gives the challenge."""
        challenge = new_challenge(bytes(range(16)))
        await self.raw(Greeting().to_line() + Challenge(challenge).to_line())
        return challenge

    async def authenticate(self, challenge: str) -> bool:
        """Read the authentication; whether it was made with `KEY`."""
        request = parse_request(parse_line(await self.line()))
        assert isinstance(request, Authentication)
        self.authentication = request
        return verify(challenge, request.auth, KEY)

    async def read_requests(self) -> None:
        """Read subscriptions up to the start."""
        while True:
            request = parse_request(parse_line(await self.line()))
            if isinstance(request, Start):
                return
            assert isinstance(request, SubscriptionRequest)
            self.subscriptions.append(request)

    async def line(self) -> bytes:
        return await self._reader.readuntil(b"\n")

    @property
    def ts_out(self) -> bool:
        return self.authentication is not None and self.authentication.ts_out

    async def send(self, data: bytes) -> None:
        """Send a part of the stream, packed if the client asked for that."""
        if self.authentication is not None and self.authentication.compression == "zstd":
            if self._packer is None:
                self._packer = zstandard.ZstdCompressor().compressobj()
            data = self._packer.compress(data) + self._packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        await self.raw(data)

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def send_split(self, data: bytes, sizes: Iterator[int]) -> None:
        """Send bytes in segments of these sizes."""
        at = 0
        while at < len(data):
            size = next(sizes)
            await self.raw(data[at : at + size])
            await asyncio.sleep(0)
            at += size

    def reset(self) -> None:
        """End the connection with a reset (RST)."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client has left."""
        with contextlib.suppress(OSError):
            while await self._reader.read(4096):
                pass


class ScriptedGateway:
    """The server; an async context manager.

    Attributes:
        port: where it listens.
        peers: every client so far.
        errors: what scripts raised (a client that left is none).
    """

    def __init__(self, *scripts: Script, ssl_context: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.peers: list[Peer] = []
        self.errors: list[Exception] = []
        self._scripts = scripts
        self._ssl = ssl_context
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._ssl)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        assert not self.errors, self.errors

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(self.peers), reader, writer)
        self.peers.append(peer)
        task = asyncio.get_running_loop().create_task(self._play(peer, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _play(self, peer: Peer, writer: asyncio.StreamWriter) -> None:
        try:
            await self._scripts[min(peer.number, len(self._scripts) - 1)](peer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                writer.close()
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def gateway(
    *scripts: Script, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedGateway]:
    """`ScriptedGateway` on the running loop."""
    async with ScriptedGateway(*scripts, ssl_context=ssl_context) as running:
        yield running


@contextlib.contextmanager
def gateway_thread(*scripts: Script, ssl_context: ssl.SSLContext | None = None) -> Iterator[ScriptedGateway]:
    """The same on a loop in a thread of its own, for tests of commands."""
    running = ScriptedGateway(*scripts, ssl_context=ssl_context)
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running:
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield running
    finally:
        stop.set()
        thread.join()
