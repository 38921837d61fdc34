"""The admin port: ``/healthz``, ``/readyz`` and ``/metrics`` over HTTP, in a thread of its own.

One request at a time, each with a time limit: it answers also while the loop is busy, and costs nothing else.
"""

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["AdminServer", "Health"]

REQUEST_TIMEOUT_S: Final = 5.0
STOP_POLL_S: Final = 0.1
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

        self._server = HTTPServer((host, port), Handler)
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
