"""The floor: ``python -m benchmarks.serving.floor CLIENTS RATE BYTES`` says its port and sends.

A bare ASGI application on uvicorn with its own WebSocket layer: no framework, no feed, no books. Every tick
it makes one text of so many bytes, with the time in it, and sends it to everyone, one after another; ticks
that cannot be kept follow at once.
"""

import asyncio
import resource
import socket
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
import uvloop

from benchmarks.streaming.tasks import HOST

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

HEAD = '{"type":"update","class":"book:1:1:10:20","ts_send":"'


class Floor:
    """The application, and who is connected to it."""

    def __init__(self, clients: int, rate: float, size: int) -> None:
        self.clients = clients
        self.rate = rate
        self.size = size
        self.sends: set[Send] = set()

    async def __call__(self, _scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.sends.add(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        self.sends.discard(send)

    async def tick(self) -> None:
        """Send for ever, at the rate."""
        loop = asyncio.get_running_loop()
        while len(self.sends) < self.clients:
            await asyncio.sleep(0.01)
        due = loop.time()
        while True:
            head = f'{HEAD}{time.time_ns()}","fill":"'
            message = {"type": "websocket.send", "text": head + "x" * (self.size - len(head) - 2) + '"}'}
            for send in list(self.sends):
                await send(message)
            due = max(due + 1 / self.rate, loop.time())
            await asyncio.sleep(due - loop.time())


async def serve(floor: Floor) -> None:
    """Serve on a free port, which is printed."""
    config = uvicorn.Config(
        floor,
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="error",
        backlog=4096,
    )
    with socket.create_server((HOST, 0), backlog=4096) as listener:
        print(listener.getsockname()[1], flush=True)
        ticking = asyncio.create_task(floor.tick())
        await uvicorn.Server(config).serve([listener])
        ticking.cancel()


def main() -> None:
    """Serve as the command line says."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clients, rate, size = sys.argv[1:]
    uvloop.run(serve(Floor(int(clients), float(rate), int(size))))


if __name__ == "__main__":
    main()
