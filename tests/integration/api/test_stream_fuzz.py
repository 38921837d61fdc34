"""Whatever a client sends, the others go on, and nothing of it stays."""

import asyncio
import contextlib
import os
import random
import struct

import pytest

from depthcast.api.hub.options import HubOptions
from tests.support.gateways import run
from tests.support.stream_service import StreamService, page, stream_service

OPENING = (
    b"GET /v1/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
REQUESTS = [
    b'{"op":"subscribe","channel":"book","instruments":["7"]}',
    b'{"op":"subscribe","channel":"orders","instruments":["8"],"since":{"epoch":"x","seq":1}}',
    b'{"op":"unsubscribe","class":"book:7:1:10:20"}',
    b'{"op":"resync","class":"book:7:1:10:20"}',
    b'{"op":"status","instruments":["7"]}',
    b'{"op":"ping","id":"a"}',
]


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, size: int | None = None
) -> bytes:
    """A client's frame; ``size`` to lie about its length."""
    length = len(payload) if size is None else size
    head = bytes([(0x80 if fin else 0) | opcode])
    mask_bit = 0x80 if masked else 0
    if length < 126:
        head += bytes([mask_bit | length])
    elif length < 65_536:
        head += bytes([mask_bit | 126]) + struct.pack(">H", length)
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", length)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def garbage(rng: random.Random) -> bytes:
    """One thing that a bad client may send."""
    request = bytearray(rng.choice(REQUESTS))
    what = rng.randrange(14)
    if what == 0:
        return rng.randbytes(rng.randrange(1, 200))
    if what == 1:
        return frame(1, rng.randbytes(rng.randrange(300)))
    if what == 2:
        return frame(2, bytes(request))
    if what == 3:
        return frame(1, b"{" * rng.randrange(1, 5_000))
    if what == 4:
        return frame(1, b"x", size=2**40)
    if what == 5:
        return frame(1, b"a" * 100_000)
    if what == 6:
        cut = rng.randrange(len(request))
        return frame(1, bytes(request[:cut]), fin=False) + frame(0, bytes(request[cut:]))
    if what == 7:
        return frame(1, b"", fin=False) + frame(0, b"", fin=False) * rng.randrange(1, 400)
    if what == 8:
        return frame(rng.choice([3, 5, 11, 15]), b"?")
    if what == 9:
        return frame(1, bytes(request), masked=False)
    if what == 10:
        return frame(9, rng.randbytes(rng.randrange(130))) * rng.randrange(1, 50)
    if what == 11:
        return frame(8, rng.choice([b"", b"\x03", b"\x03\xe8", b"\x0f\xa8bye", b"\x00\x01", b"\xff\xff\xff"]))
    if what == 12:
        request[rng.randrange(len(request))] = rng.randrange(256)
        return frame(1, bytes(request))
    return b"".join(frame(1, rng.choice(REQUESTS)) for _ in range(rng.randrange(1, 60)))


async def attack(service: StreamService, seed: int) -> None:
    """One connection that sends anything, reads or does not, and goes away somehow."""
    rng = random.Random(seed)
    incoming, outgoing = await asyncio.open_connection("127.0.0.1", service.port)
    reading = asyncio.create_task(incoming.read()) if rng.random() < 0.7 else None
    with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):  # it was cut off meanwhile
        outgoing.write(OPENING)
        if rng.random() < 0.8:
            await asyncio.sleep(0.005)
        for _ in range(rng.randrange(1, 12)):
            outgoing.write(garbage(rng))
            if rng.random() < 0.3:
                await asyncio.sleep(0.002)
        async with asyncio.timeout(0.3):
            await outgoing.drain()
    if rng.random() < 0.5:
        await asyncio.sleep(0.05)
    if reading is not None:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    if rng.random() < 0.7:
        outgoing.transport.abort()
    outgoing.close()
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(5):
            await outgoing.wait_closed()


def test_bad_clients_harm_nobody() -> None:
    async def main() -> None:
        options = HubOptions(connections_per_address=10_000, messages_per_s=20, linger_s=0.1)
        async with stream_service(options=options) as service, page(service) as good:
            name = await good.subscribe("book", depth=10, rate=100)
            orders = await good.subscribe("orders")
            for seed in range(0, 300, 10):
                await asyncio.gather(*(attack(service, seed + each) for each in range(10)))
                service.change(ticks=seed % 7 - 3, size=seed + 1)
                await good.next("update")
            while good.reader.books[orders].checksum() != service.engine.checksum(7):
                await good.next("order")
            assert good.reader.books[name].checksum() == service.engine.checksum(7, 10)
            assert good.reader.errors == []
            assert good.reader.resyncs == []
            async with asyncio.timeout(15):
                while len(service.server.server_state.connections) > 1:
                    await asyncio.sleep(0.05)
            assert service.hub.counters.clients == 1
            assert service.hub.counters.write_errors == 0

    run(main())


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"a" * 70_000), 1009),
        (frame(1, b"", fin=False) + frame(0, b"", fin=False) * 300, 1009),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(3, b""), 1002),
        (frame(1, b"{}", masked=False), 1002),
    ],
    ids=["a huge message", "fragments without end", "no text", "no opcode", "unmasked"],
)
def test_what_is_no_websocket_is_closed_with_its_code(sent: bytes, code: int) -> None:
    async def main() -> None:
        async with stream_service() as service, page(service) as bad:
            await bad.subscribe("book")
            bad.connection.transport.write(sent)
            assert (await bad.closed())[0] == code
            await service.until_nobody_is_there()

    run(main())
