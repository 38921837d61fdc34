"""An API for tests on a real port, served by uvicorn in a thread, for clients that know nothing of loops."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
import uvloop

from depthcast.api.http import Bounds, bounded_http
from tests.support.api_service import api_over
from tests.support.api_world import feed_of_the_world

__all__ = ["served_world"]

START_S = 20.0


@contextlib.contextmanager
def served_world(**arguments: Any) -> Iterator[str]:
    """The world's API at the URL given; ``arguments`` are those of `api_over`."""
    with socket.create_server(("127.0.0.1", 0)) as listener, _serving(listener, arguments):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def _serving(listener: socket.socket, arguments: dict[str, Any]) -> Iterator[None]:
    started, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        async with api_over(feed_of_the_world(), **arguments) as api:
            limits = api.services.settings.api
            config = uvicorn.Config(
                api.app,
                http=bounded_http(Bounds(limits.header_bytes, limits.request_s)),
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server._serve([listener]))
            while not server.started:
                await asyncio.sleep(0.01)
            started.set()
            await stop.wait()
            server.should_exit = True
            await serving

    thread = threading.Thread(target=uvloop.run, args=(main(),), name="api", daemon=True)
    thread.start()
    assert started.wait(START_S), "the API has not started"
    try:
        yield
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(START_S)
