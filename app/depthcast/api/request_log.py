"""What is logged of requests: those that failed or were slow, or all; a line each."""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Literal

import structlog

__all__ = ["RequestLog"]

SLOW_S: Final = 1.0
_FAILED: Final = 500
_NOT_NOW: Final = 503
"""Said while starting or draining: probes ask again and again, and it is no failure."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

log = structlog.get_logger("depthcast.api.requests")


class RequestLog:
    """An ASGI application around another. WebSockets are logged with ``all`` alone, when they end.

    Neither queries nor headers are logged: they may hold what is nobody else's business.
    """

    def __init__(self, application: Application, which: Literal["failed", "all"]) -> None:
        self._application = application
        self._all = which == "all"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "websocket" and not self._all):
            await self._application(scope, receive, send)
            return
        status, first_s, begin_s = 0, 0.0, time.monotonic()

        async def noting(message: Message) -> None:
            nonlocal status, first_s
            if message["type"].endswith("response.start"):
                status, first_s = message["status"], time.monotonic() - begin_s
            await send(message)

        try:
            await self._application(scope, receive, noting if scope["type"] == "http" else send)
        finally:
            failed = status >= _FAILED and status != _NOT_NOW
            if self._all or failed or first_s > SLOW_S:
                client = scope.get("client")
                log.log(
                    logging.WARNING if failed else logging.INFO,
                    "request",
                    method=scope.get("method", "WEBSOCKET"),
                    path=scope["path"],
                    status=status or None,
                    client=None if client is None else client[0],
                    first_ms=round(first_s * 1e3, 1),
                    took_ms=round((time.monotonic() - begin_s) * 1e3, 1),
                )
