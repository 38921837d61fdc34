"""``/v1/stream``: the WebSocket endpoint. It reads requests; everything else is the hub's."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from litestar import asgi
from litestar.connection import ASGIConnection

from depthcast.api.auth import SUBPROTOCOL, Principal, require
from depthcast.api.edge import refuse_websocket
from depthcast.api.frames import EXTENSION
from depthcast.api.headers import client_key
from depthcast.api.hub.clients import Client, CloseCode, KeyEnded, good
from depthcast.api.hub.encoded import Form
from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.hub import Hub
from depthcast.api.hub.ports import Sink
from depthcast.api.hub.requests import error_message, handle, not_text
from depthcast.api.problems import ApiProblem
from depthcast.api.pump import Pump
from depthcast.api.runtime import runtime_of

__all__ = ["Admission", "Connection", "Receive", "Send", "hub_of", "key_ended", "stream", "who"]

Connection = ASGIConnection[Any, Any, Any, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_DISCONNECT: Final = "websocket.disconnect"


@asgi("/v1/stream", opt={"scope": "read"}, copy_scope=False)
async def stream(scope: Any, receive: Any, send: Any) -> None:
    """The stream over WebSocket (docs/stream.md)."""
    connection: Connection = ASGIConnection(scope)
    if scope["type"] != "websocket":
        raise ApiProblem("malformed-request", "this is a WebSocket: connect with ws:// or wss://")
    hub = hub_of(connection)
    try:
        principal = require(connection, "read")
    except ApiProblem as problem:
        await refuse_websocket(scope, receive, send, problem, "")
        return
    await receive()
    offered = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": offered, "headers": []})
    address, key = who(scope, principal)
    admission = Admission(hub, address, key, key_ended(connection, key), principal.allows("replay"))
    ready: Sink | None = (scope.get("extensions") or {}).get(EXTENSION)
    del connection, scope
    if ready is not None:
        client = await _admitted(admission, ready, Form.FRAME, send)
        if client is not None:
            await _read(client, receive)
        return
    pump = Pump()
    client = await _admitted(admission, pump, Form.TEXT, send)
    if client is not None:
        try:
            await _pumped(client, pump, receive, send)
        finally:
            client.on_lost()


def hub_of(connection: Connection) -> Hub:
    """The hub of the application that a connection came to."""
    hub = runtime_of(connection).services.hub
    if hub is None:
        raise ApiProblem("not-found", "there is no stream here")
    return hub


def who(scope: dict[str, Any], principal: Principal) -> tuple[str, str]:
    """What connections are counted by: the address, and the key if there is one."""
    address: str = scope["state"].get("address") or ""
    return client_key(address) if address else "", "" if principal.anonymous else principal.id


def key_ended(connection: Connection, key: str) -> KeyEnded:
    """What tells why the key is not accepted any more, None while it is."""
    if not key:
        return good
    services = runtime_of(connection).services
    return lambda: services.keys.ring.ended(key, services.clock())


class Admission(NamedTuple):
    """Where a connection came to, from where, and with which key."""

    hub: Hub
    address: str
    key: str
    key_ended: KeyEnded
    may_replay: bool

    def connect(self, sink: Sink, form: Form) -> Client:
        """The hub's client for it; raises RequestError if there may be no other."""
        client = self.hub.connect(sink, form, address=self.address, key=self.key, key_ended=self.key_ended)
        client.may_replay = self.may_replay
        return client


async def _admitted(admission: Admission, sink: Sink, form: Form, send: Send) -> Client | None:
    """The hub's client for this connection; None if there may be no other, and the connection is closed."""
    try:
        return admission.connect(sink, form)
    except RequestError as error:
        hub = admission.hub
        hub.counters.limit_closed += 1
        message = error_message(None, error)
        await send({"type": "websocket.send", "text": message.payload.decode(), "bytes": None})
        code = CloseCode.GOING if hub.closing else CloseCode.LIMIT
        await send({"type": "websocket.close", "code": code, "reason": error.code})
        return None


async def _read(client: Client, receive: Receive) -> None:
    """Carry out what the client asks for, until it has gone. While it takes nothing, nothing is read."""
    try:
        while not client.closed:
            message = await receive()
            if message["type"] == _DISCONNECT:
                break
            text = message.get("text")
            if text is None:
                not_text(client)
            else:
                handle(client, text)
            if client.paused_at is not None:
                await client.until_drained()
    finally:
        client.on_gone()


async def _pumped(client: Client, pump: Pump, receive: Receive, send: Send) -> None:
    """The same for a server that does not offer its connections."""

    async def forward(data: bytes) -> None:
        await send({"type": "websocket.send", "text": data.decode(), "bytes": None})

    async def write() -> None:
        code, reason = await pump.run(forward)
        await send({"type": "websocket.close", "code": code, "reason": reason})

    writing = asyncio.create_task(write())
    reading = asyncio.create_task(_read(client, receive))
    overdue = asyncio.create_task(pump.overdue())
    try:
        await asyncio.wait({writing, reading, overdue}, return_when=asyncio.FIRST_COMPLETED)
        if pump.ended is not None:
            await asyncio.wait({writing, overdue}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (writing, reading, overdue):
            task.cancel()
        await asyncio.gather(writing, reading, overdue, return_exceptions=True)
