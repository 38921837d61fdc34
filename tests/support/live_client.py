"""A client of the Live protocol for tests, of the plainest kind: a socket, lines, and the bytes that came."""

import asyncio
import socket
import struct
from dataclasses import dataclass, field

import zstandard

from depthcast.dbn import forms
from depthcast.live.control import Error, SymbolMapping, System, read_control
from depthcast.live.cram import response
from depthcast.live.keys import KeyRing, make_key
from tests.support.recorded_feed import DATASET

SECRET = "db-0123456789abcdefghijklmnopqrst"[:32]
METADATA_BYTES = 128


def key_ring(*, max_sessions: int = 1000, secret: str = SECRET) -> KeyRing:
    """One key that is good for everything."""
    return KeyRing([make_key("test", secret, now_ns=1, max_sessions=max_sessions)])


@dataclass
class Received:
    """A session's binary stream, taken apart."""

    raw: bytes
    ts_out: bool = False
    control: list[System | Error | SymbolMapping] = field(default_factory=list)
    rest: bytes = b""

    def __post_init__(self) -> None:
        body = self.raw[METADATA_BYTES:]
        self.rest = body[forms.prefix(body, 1 << 40) :] if whole(body) else b"?"
        view = memoryview(body)
        at = 0
        for at, size in starts(body):
            found = read_control(view[at : at + size])
            if found is not None:
                self.control.append(found)

    @property
    def data(self) -> bytes:
        """The data records, without control records and ts_out."""
        return forms.plain(self.raw[METADATA_BYTES:], ts_out=self.ts_out)

    def of(self, rtype: int) -> bytes:
        """The data records of one rtype."""
        return forms.form(self.data, rtypes=[rtype])

    @property
    def errors(self) -> list[tuple[int, str]]:
        return [(each.code, each.msg) for each in self.control if isinstance(each, Error)]

    @property
    def said(self) -> list[tuple[int, str]]:
        return [(each.code, each.msg) for each in self.control if isinstance(each, System)]

    @property
    def symbols(self) -> dict[int, str]:
        return {
            each.instrument_id: each.stype_out_symbol
            for each in self.control
            if isinstance(each, SymbolMapping)
        }


def starts(body: bytes) -> list[tuple[int, int]]:
    """(offset, size) of each whole record."""
    found = []
    at = 0
    while at < len(body) and body[at] >= 4 and at + body[at] * 4 <= len(body):
        found.append((at, body[at] * 4))
        at += body[at] * 4
    return found


def whole(body: bytes) -> bool:
    """Whether these are whole records."""
    records = starts(body)
    return (records[-1][0] + records[-1][1] if records else 0) == len(body)


class LiveClient:
    """One connection. Use `connect`."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.text = b""
        self.ts_out = False
        self.zstd = False
        self.loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, address: tuple[str, int], *, receive_buffer: int | None = None) -> "LiveClient":
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(0)
        client = cls(sock)
        try:
            await client.loop.sock_connect(sock, address)
        except OSError:
            sock.close()
            raise
        return client

    async def line(self) -> str:
        """The next line of text; empty at the end."""
        while b"\n" not in self.text:
            more = await self.loop.sock_recv(self.sock, 4096)
            if not more:
                break
            self.text += more
        line, _, self.text = self.text.partition(b"\n")
        return line.decode()

    async def send(self, *lines: str) -> None:
        await self.loop.sock_sendall(self.sock, "".join(f"{line}\n" for line in lines).encode())

    async def challenge(self) -> str:
        assert (await self.line()).startswith("lsg_version=")
        return (await self.line()).removeprefix("cram=")

    async def authenticate(self, *fields: str, secret: str = SECRET, dataset: str = DATASET) -> str:
        """The gateway's answer."""
        self.ts_out = "ts_out=1" in fields
        self.zstd = "compression=zstd" in fields
        auth = response(await self.challenge(), secret)
        await self.send("|".join((f"auth={auth}", f"dataset={dataset}", "encoding=dbn", *fields)))
        return await self.line()

    async def begin(self, *subscriptions: str, fields: tuple[str, ...] = ()) -> None:
        """Authenticate, subscribe, start, all at once."""
        assert (await self.authenticate(*fields)).startswith("success=1|session_id=")
        await self.send(*subscriptions, "start_session=0")

    async def read(self, size: int = 1 << 16) -> bytes:
        """Some bytes of the stream; empty at its end."""
        return await self.loop.sock_recv(self.sock, size)

    async def rest(self, before: bytes = b"") -> Received:
        """Everything up to the end of the stream, after what was read of it before."""
        chunks = [before, self.text]
        while chunk := await self.read(1 << 18):
            chunks.append(chunk)
        self.sock.close()
        return self.received(b"".join(chunks))

    def received(self, raw: bytes) -> Received:
        """These bytes of the stream, taken apart."""
        if self.zstd:
            raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
        return Received(raw, self.ts_out)

    def reset(self) -> None:
        """End the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def subscription(
    schema: str = "mbo", symbols: str = "ALL_SYMBOLS", *, stype_in: str = "raw_symbol", **fields: int
) -> str:
    """A subscription line."""
    return "|".join(
        (
            f"schema={schema}",
            f"stype_in={stype_in}",
            f"symbols={symbols}",
            *(f"{name}={value}" for name, value in fields.items()),
        )
    )


def same(found: bytes, expected: bytes) -> bool:
    """Whether they are equal; a test that asks this does not show megabytes."""
    return found == expected


def starts_alike(found: bytes, expected: bytes) -> bool:
    """Whether all that was found is how the expected begins."""
    return expected.startswith(found)
