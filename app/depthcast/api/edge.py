"""The outermost layer of the API, around all routes and around what is no route.

It tells who asks, holds clients to their limits, sees that every answer has its headers, that every failure
is a problem document, and counts. It is one plain ASGI application: a request passes it in some microseconds.
"""

import time
from collections.abc import Awaitable, Callable, Collection
from itertools import count
from typing import Any, Final

import structlog

from depthcast.api.auth import Authenticator, Principal, check, session_cookie
from depthcast.api.headers import Addresses, Origins, client_key, header, security_headers
from depthcast.api.http import PROBES
from depthcast.api.limits import Allowance
from depthcast.api.problems import MEDIA_TYPE, ApiProblem, as_problem, document
from depthcast.api.runtime import Runtime

__all__ = ["Edge"]

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

COST_BYTES: Final = 65_536
"""An answer costs one token, and one more for each full 64 KiB."""
COST: Final = "cost"
"""The name in a request's state under which a route says what its answer costs beside."""
MAX_URI: Final = 8_192

_log = structlog.get_logger(__name__)


class Edge:
    """Wraps the routes.

    Args:
        app: the routes, as an ASGI application. What it raises is answered here.
        runtime: its settings, and where it counts.
        authenticator: tells who asks.
        streams: the paths of what goes on for as long as the client stays: WebSockets, events.
    """

    def __init__(
        self, app: App, *, runtime: Runtime, authenticator: Authenticator, streams: Collection[str]
    ) -> None:
        settings = runtime.services.settings.api
        self._app = app
        self._settings = settings
        self._authenticator = authenticator
        self._traffic = runtime.traffic
        self._addresses = Addresses(settings.trusted_proxies)
        self._origins = Origins(settings.cors_origins)
        self.buckets = runtime.buckets
        self._streams = streams
        self._policy = self.buckets.policy.encode()
        self._epoch = runtime.epoch
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        address = self._addresses.client(scope)
        headers = scope["headers"]
        https = self._addresses.is_https(scope)
        # A browser's session may look, and nothing else; a WebSocket has no business with it.
        cookie = session_cookie(https=https) if scope.get("method") in ("GET", "HEAD") else ""
        principal = self._authenticator.principal(
            headers, scope.get("subprotocols") or (), cookie=cookie if scope["type"] == "http" else ""
        )
        state = scope.setdefault("state", {})
        state["https"] = https
        state["principal"] = principal
        state["address"] = address
        state["limits_key"] = key = _limits_key(principal, address)
        if scope["type"] == "http":
            await _Exchange(self, scope, send, key).run(receive)
        else:
            await self._websocket(scope, receive, send, key)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send, key: str) -> None:
        try:
            self._admit_websocket(scope, key)
        except ApiProblem as problem:
            await refuse_websocket(scope, receive, send, problem, self.new_request_id())
        else:
            await self._app(scope, receive, send)

    def _admit_websocket(self, scope: Scope, key: str) -> None:
        """Raises ApiProblem: browsers let any page open one, so origin and key are looked at before it is."""
        if scope["path"].rstrip("/") not in self._streams:
            raise ApiProblem("not-found", "no WebSocket has this path")
        if not self._origins.may_connect(scope["headers"]):
            raise ApiProblem("origin-refused", "pages of this origin may not open a stream here")
        allowance = self.buckets.take(key)
        if not allowance.granted:
            raise rate_limited(allowance)
        check(scope["state"]["principal"], "read")

    def new_request_id(self) -> str:
        return f"{self._epoch}-{next(self._numbers):x}"


class _Exchange:
    """One request and its answer."""

    __slots__ = (
        "_allowance", "_edge", "_head", "_key", "_origin", "_request_id",
        "_scope", "_send", "_started_s", "_status", "_streams",
    )  # fmt: skip

    def __init__(self, edge: Edge, scope: Scope, send: Send, key: str) -> None:
        self._edge = edge
        self._scope = scope
        self._send = send
        self._key = key
        self._streams = scope["path"].rstrip("/") in edge._streams
        self._head = scope["method"] == "HEAD" and not self._streams
        self._origin = header(scope["headers"], b"origin")
        self._request_id = edge.new_request_id()
        self._allowance: Allowance | None = None
        self._started_s = time.perf_counter()
        self._status = 0
        scope["state"]["request_id"] = self._request_id

    async def run(self, receive: Receive) -> None:
        # A HEAD is answered as a GET of the whole whose body is left out. The scope stays the server's own.
        scope = self._scope
        if self._head:
            headers = [each for each in scope["headers"] if each[0] != b"range"]
            scope = {**scope, "method": "GET", "headers": headers}
        try:
            if self._is_preflight():
                await self._answer(204, self._edge._origins.preflight_headers(self._origin or ""), b"")
            else:
                self._admit()
                await self._edge._app(scope, receive, self.send)
        except Exception as error:
            await self._fail(error)
        finally:
            self._count(scope)

    def _is_preflight(self) -> bool:
        return (
            self._scope["method"] == "OPTIONS"
            and self._origin is not None
            and header(self._scope["headers"], b"access-control-request-method") is not None
        )

    def _admit(self) -> None:
        """Raises ApiProblem for a request that is too large or one too many."""
        scope, edge = self._scope, self._edge
        if scope["path"] not in PROBES:
            self._allowance = edge.buckets.take(self._key)
            if not self._allowance.granted:
                raise rate_limited(self._allowance)
        length = 0
        size = 0
        for name, value in scope["headers"]:
            size += len(name) + len(value) + 4
            if name == b"content-length":
                length = int(value) if value.isdigit() else 0
        settings = edge._settings
        if size > settings.header_bytes:
            raise ApiProblem(
                "headers-too-large",
                f"the headers have {size:,} bytes; {settings.header_bytes:,} are the most",
            )
        if length > settings.body_bytes:
            raise ApiProblem(
                "content-too-large",
                f"the content has {length:,} bytes; {settings.body_bytes:,} are the most",
                headers={"Connection": "close"},
            )
        if len(scope["path"]) + len(scope.get("query_string", b"")) > MAX_URI:
            raise ApiProblem("uri-too-long", f"an address has at most {MAX_URI:,} characters here")

    async def send(self, message: Message) -> None:
        """The application's messages, on their way to the server."""
        if message["type"] == "http.response.start":
            self._start(message)
        elif self._head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def _start(self, message: Message) -> None:
        self._status = message["status"]
        headers = list(message.get("headers", ()))
        names = [name for name, _ in headers]
        if self._allowance is not None:
            length = headers[names.index(b"content-length")][1] if b"content-length" in names else 0
            self._charge(int(length))
        headers += security_headers(names)
        headers.append((b"x-request-id", self._request_id.encode()))
        if self._allowance is not None:
            left = self._allowance
            headers.append((b"ratelimit-policy", self._edge._policy))
            headers.append((b"ratelimit", b'"requests";r=%d;t=%d' % (left.remaining, left.reset_s)))
        headers += self._edge._origins.answer_headers(self._origin)
        message["headers"] = headers

    def _charge(self, size: int) -> None:
        more = size // COST_BYTES + self._scope["state"].get(COST, 0)
        if more:
            self._allowance = self._edge.buckets.charge(self._key, more)

    async def _answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        if status != 204:
            headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def _fail(self, error: Exception) -> None:
        problem = as_problem(error)
        if problem.type.status >= 500 and problem is not error:
            _log.error("api.failed", path=self._scope["path"], request_id=self._request_id, exc_info=error)
        if self._status:
            return  # the answer is under way: the server cuts it off
        body = document(problem, instance=self._scope["path"], request_id=self._request_id)
        await self._answer(problem.type.status, problem_headers(problem), body)

    def _count(self, scope: Scope) -> None:
        path = scope.get("path_template", "") if "route_handler" in scope else ""
        took_s = None if self._streams else time.perf_counter() - self._started_s
        self._edge._traffic.count(path, self._status, took_s)


def rate_limited(allowance: Allowance) -> ApiProblem:
    """The problem of a request that is one too many."""
    return ApiProblem(
        "rate-limited",
        f"the allowance is used up; the next request is taken in {allowance.retry_s} s",
        headers={"Retry-After": str(allowance.retry_s)},
    )


def problem_headers(problem: ApiProblem) -> list[tuple[bytes, bytes]]:
    """The headers of a problem's answer, but for its length."""
    named = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    return [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store"), *named]


async def refuse_websocket(
    scope: Scope, receive: Receive, send: Send, problem: ApiProblem, request_id: str
) -> None:
    """Answer a WebSocket's opening request with a problem, where the server can; else with plain 403."""
    await receive()
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": problem.type.name})
        return
    body = document(problem, instance=scope["path"], request_id=request_id)
    headers = [*problem_headers(problem), (b"content-length", str(len(body)).encode())]
    headers += security_headers(())
    start = {"type": "websocket.http.response.start", "status": problem.type.status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body})


def _limits_key(principal: Principal, address: str) -> str:
    """Whose bucket: the key's; without one that is accepted, the address's."""
    if principal.anonymous or principal.refusal is not None:
        return "address " + client_key(address)
    return "key " + principal.id
