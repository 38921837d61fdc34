"""One process of the API: the replicas, the hub and the routes on one event loop, from start to drain.

uvicorn speaks HTTP and WebSocket here; when to begin, to be ready and to end is said by `ApiServer`.
"""

import asyncio
import contextlib
import gc
import resource
import signal
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Final

import structlog
import uvicorn
import uvloop

from depthcast.api.app import create_app
from depthcast.api.connections import Connections
from depthcast.api.database import HistoryDatabase
from depthcast.api.exports import open_exporter
from depthcast.api.frames import FrameProtocol
from depthcast.api.gateways import Gateway
from depthcast.api.headers import Addresses
from depthcast.api.http import Bounds, bounded_http
from depthcast.api.hub.hub import Hub
from depthcast.api.hub.options import HubOptions
from depthcast.api.key_database import FollowedApiKeys
from depthcast.api.key_file import ApiKeyFile, ApiKeys
from depthcast.api.key_store import KnownKeys
from depthcast.api.market import Market
from depthcast.api.past.gate import open_past
from depthcast.api.request_log import RequestLog
from depthcast.api.services import Services, Stage
from depthcast.api.trades import Tape
from depthcast.live.replica import Replica
from depthcast.settings import ApiSettings, Settings

__all__ = ["ApiServer", "raise_open_files", "serve"]

PING_S: Final = 20.0
"""WebSocket pings; who does not answer for as long is gone. Load balancers drop what is idle for 60 s."""
REQUESTS_S: Final = 5
"""How long answers that are under way may take when all else is closed."""
LOOK_S: Final = 0.02
WAITING_S: Final = 2.0
"""A start that takes longer is told, and why; so is every other reason, no more often."""
MAX_LINE: Final = 16_384
"""What the first line of a request may take beside its headers."""
SPARE_FILES: Final = 256
"""Descriptors that are no clients."""
SPARE_CONNECTIONS: Final = 1_000
"""Connections beside the streams: requests, health checks."""
PER_STREAM: Final = 2
"""An address may have so many HTTP connections for each stream it may have."""

log = structlog.get_logger("depthcast.api")


class _Uvicorn(uvicorn.Server):
    """uvicorn's server, without its own idea of signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop_accepting(self) -> None:
        """Refuse new connections; those that are there go on."""
        for server in self.servers:
            server.close()


class ApiServer:
    """One process of the API. Made and used on one loop.

    Args:
        settings: all of them; its own section is ``api``.
        gateways: what to follow, at least one.
        key: for the gateways.
        worker: its number among several; None for one alone.

    Raises:
        KeyStoreError: the file of keys is not what it should be.
        SettingsError: limits that cannot be.
    """

    def __init__(
        self, settings: Settings, gateways: Sequence[Gateway], key: str, *, worker: int | None = None
    ) -> None:
        api = settings.api
        tls = ssl.create_default_context() if api.feeds_tls else None
        followed = [
            Replica(*gateway.address, key=key, dataset=gateway.dataset, tls=tls, gather_ms=api.gather_ms)
            for gateway in gateways
        ]
        self.market = Market(followed)
        loop = asyncio.get_running_loop()
        self.hub = Hub(self.market, clock=time.time_ns, loop=loop, options=_hub_options(api))
        self.services = Services(
            settings=settings,
            market=self.market,
            hub=self.hub,
            tape=Tape(self.market, api.retain_trades),
            keys=_keys(settings),
            version=version("depthcast"),
            past=open_past(settings),
            history=HistoryDatabase(settings),
            exporter=open_exporter(settings),
        )
        self._api = api
        self._log = log if worker is None else log.bind(worker=worker)
        self._server = _Uvicorn(_config(api, create_app(self.services)))
        self._stop = asyncio.Event()
        self._at_once = asyncio.Event()

    def stop(self, reason: str) -> None:
        """Drain and end; a second time: end at once. On the loop."""
        self._log.info("stopping", reason=reason, at_once=self._stop.is_set())
        if self._stop.is_set():
            self._at_once.set()
        self._stop.set()

    async def run(self, listener: socket.socket) -> None:
        """Serve until `stop`; then everybody has been told and everything is closed.

        Raises:
            DepthcastError: a feed cannot be followed at all (a wrong dataset, a wrong name).
        """
        feeds = asyncio.create_task(self.market.run())
        serving = asyncio.create_task(self._server.serve([listener]))
        telling = asyncio.create_task(self._tell_when_ready())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({feeds, serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                await self._unless_at_once(self._drain(serving))
        finally:
            self._server.should_exit = self._server.force_exit = True
            for task in (stopping, telling):
                task.cancel()
            self.market.close()
            for task in (feeds, serving):
                task.cancel() if self._at_once.is_set() else None
            results = await asyncio.gather(feeds, serving, return_exceptions=True)
            self.services.tape.close()
            if self.services.history is not None:
                await self.services.history.close()
            if self.services.past is not None:
                self.services.past.close()
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise _only(result)
        self._log.info("stopped")

    async def _drain(self, serving: "asyncio.Task[None]") -> None:
        """Not ready; accept for a while; part from the streams; let requests end."""
        self.services.lifecycle.drain()
        await asyncio.sleep(self._api.drain_accept_s)
        self._server.stop_accepting()
        await self.hub.close(self._api.drain_spread_s)
        self._server.should_exit = True
        await asyncio.wait({serving}, timeout=REQUESTS_S + 1)

    async def _unless_at_once(self, work: Any) -> None:
        working, at_once = asyncio.ensure_future(work), asyncio.create_task(self._at_once.wait())
        await asyncio.wait({working, at_once}, return_when=asyncio.FIRST_COMPLETED)
        at_once.cancel()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    async def _tell_when_ready(self) -> None:
        """Say once that all is there; what lives from then on is not gone through again and again."""
        told: dict[str, str] = {}
        due_s = time.monotonic() + WAITING_S
        while self.services.stage is not Stage.RUNNING:
            await asyncio.sleep(LOOK_S)
            waiting = {each.name: each.reason for each in self.market.replicas if not each.ready}
            if waiting != told and time.monotonic() >= due_s:
                told, due_s = waiting, time.monotonic() + WAITING_S
                self._log.warning("waiting for feeds", feeds=waiting)
        gc.collect()
        gc.freeze()
        feeds = {replica.name: len(replica.engine.books()) for replica in self.market.replicas}
        self._log.info("ready", after_s=round(self.services.lifecycle.uptime_s, 3), books=feeds)


def serve(
    settings: Settings,
    gateways: Sequence[Gateway],
    key: str,
    listener: socket.socket,
    *,
    worker: int | None = None,
    parent: int | None = None,
) -> None:
    """Run a server to its end. SIGINT and SIGTERM drain it, the second one ends it at once.

    Args:
        worker, parent: in one of several processes its number, and a descriptor that becomes readable when
            the parent is gone.
    """

    async def run() -> None:
        server = ApiServer(settings, gateways, key, worker=worker)
        loop = asyncio.get_running_loop()
        signals = [signal.SIGTERM] if worker is not None else [signal.SIGTERM, signal.SIGINT]
        for number in signals:
            loop.add_signal_handler(number, server.stop, f"received {number.name}")
        if parent is not None:
            loop.add_reader(parent, _orphaned, server, loop, parent)
        await server.run(listener)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def _orphaned(server: ApiServer, loop: asyncio.AbstractEventLoop, parent: int) -> None:
    loop.remove_reader(parent)
    server.stop("the parent process is gone")


def raise_open_files(clients: int) -> None:
    """Let the process open as many descriptors as the system allows it; say so if that is too few."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if least < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < clients + SPARE_FILES:
        log.warning("few open files are allowed", allowed=most, max_clients=clients)


def _config(api: ApiSettings, app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        RequestLog(app, api.log_requests) if api.log_requests != "none" else app,
        interface="asgi3",
        # The application says what is wrong with a head that is too large; this is for those without end.
        http=bounded_http(
            Bounds(2 * api.header_bytes + MAX_LINE, api.request_s, connections=_connections(api))
        ),
        ws=FrameProtocol,
        ws_max_size=4 * api.message_bytes,  # the stream says what is wrong with a longer one than it takes
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the application believes its own list of proxies
        server_header=False,
        backlog=api.backlog,
        timeout_keep_alive=api.keep_alive_s,
        timeout_graceful_shutdown=REQUESTS_S,
    )


def _keys(settings: Settings) -> KnownKeys:
    """From where they are kept. Raises KeyStoreError if that is a file that is not what it should be."""
    api = settings.api
    if api.keys_store == "database":
        return FollowedApiKeys(settings)
    return ApiKeys(ApiKeyFile(api.keys_file), reload_s=api.keys_reload_s)


def _connections(api: ApiSettings) -> Connections:
    """So many as there may be, and files for them."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = api.max_clients + SPARE_CONNECTIONS
    if files != resource.RLIM_INFINITY:
        most = min(most, max(files - SPARE_FILES // 2, 1))
    return Connections(PER_STREAM * api.connections_per_address, most, Addresses(api.trusted_proxies))


def _hub_options(api: ApiSettings) -> HubOptions:
    return HubOptions(
        heartbeat_s=api.heartbeat_s,
        client_buffer_bytes=api.client_buffer_bytes,
        ring_frames=api.retain_updates,
        max_clients=api.max_clients,
        subscriptions_per_connection=api.subscriptions_per_connection,
        connections_per_address=api.connections_per_address,
        connections_per_key=api.connections_per_key,
        message_bytes=api.message_bytes,
        messages_per_s=api.messages_per_s,
    )


def _only(error: BaseException) -> BaseException:
    """The one error in a group of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
