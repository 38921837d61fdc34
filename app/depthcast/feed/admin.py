"""The admin port: ``/healthz``, ``/readyz`` and ``/metrics`` over HTTP, in a thread of its own.

A few requests at a time, each with a time limit: it answers also while the loop is busy or a client is slow.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["AdminServer", "Health"]

REQUEST_TIMEOUT_S: Final = 5.0
STOP_POLL_S: Final = 0.1
MAX_REQUESTS: Final = 8
_JSON: Final = "application/json"


class Health(NamedTuple):
    """Whether something is well, and what is to be said of it."""

    ok: bool
    details: dict[str, object]


class AdminServer:
    """Serves a registry of metrics and two health checks.

    Args:
        host, port: where; port 0 takes a free one.
        registry: what ``/metrics`` shows.
        healthy: whether the process works; asked in the server's thread.
        ready: whether it should be given work.

    Raises:
        OSError: the address cannot be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        *,
        healthy: Callable[[], Health],
        ready: Callable[[], Health],
    ) -> None:
        def answers() -> dict[str, Callable[[], tuple[HTTPStatus, str, bytes]]]:
            return {
                "/healthz": lambda: _health(healthy()),
                "/readyz": lambda: _health(ready()),
                "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry)),
            }

        class Handler(_Handler):
            routes = answers()

        self._server = _Server((host, port), Handler)
        self.address: tuple[str, int] = (host, self._server.server_port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(STOP_POLL_S,), name="admin", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A thread a request, not too many of them; nobody waits for one that hangs."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_port = False  # another feed's port is not shared, but refused

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._free = threading.Semaphore(MAX_REQUESTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(REQUEST_TIMEOUT_S, _cut_off, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that goes away is its own business."""


def _cut_off(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    routes: dict[str, Callable[[], tuple[HTTPStatus, str, bytes]]]
    timeout = REQUEST_TIMEOUT_S
    server_version = "depthcast"
    sys_version = ""

    def do_GET(self) -> None:
        answer = self.routes.get(self.path.partition("?")[0])
        if answer is None:
            status, kind, body = HTTPStatus.NOT_FOUND, _JSON, b'{"paths":["/healthz","/readyz","/metrics"]}\n'
        else:
            status, kind, body = answer()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nothing: health checks would fill the log."""


def _health(health: Health) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.OK if health.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return status, _JSON, json.dumps({"ok": health.ok, **health.details}).encode() + b"\n"
