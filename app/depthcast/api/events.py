"""``/v1/events``: the stream as server-sent events. The query says what is subscribed to."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from litestar import asgi
from litestar.connection import ASGIConnection

from depthcast.api.auth import require
from depthcast.api.headers import header
from depthcast.api.hub.classes import CHANNELS
from depthcast.api.hub.clients import Client, CloseCode
from depthcast.api.hub.encoded import Form
from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.requests import Since, Subscribe, error_message, session_over
from depthcast.api.past.problems import no_journal
from depthcast.api.problems import ApiProblem, invalid
from depthcast.api.pump import ABORT, Pump, event_pump
from depthcast.api.replay.desk import ReplayDesk
from depthcast.api.replay.opening import open_replay
from depthcast.api.replay.query import asks_for_replay, has_ended, replay_order
from depthcast.api.runtime import runtime_of
from depthcast.api.stream import Admission, Connection, Receive, Send, hub_of, key_ended, who

__all__ = ["events", "subscriptions"]

RETRY_MS: Final = 2_000
"""After how long a browser comes back when it is cut off."""
COMMENT_S: Final = 15.0
_COMMENT: Final = b":\n\n"
_FAREWELLS: Final = {CloseCode.GOING: "restarting", CloseCode.TOO_SLOW: "too_slow"}
_PARAMETERS: Final = (*CHANNELS, "publisher", "depth", "rate", "since")
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


@asgi("/v1/events", opt={"scope": "read"}, copy_scope=False)
async def events(scope: Any, receive: Any, send: Any) -> None:
    """The stream as server-sent events (docs/stream.md)."""
    connection: Connection = ASGIConnection(scope)
    if scope["type"] != "http":
        raise ApiProblem("not-found", "server-sent events are read over HTTP")
    if scope["method"] != "GET":
        raise ApiProblem("method-not-allowed", "events are read with GET", headers={"Allow": "GET"})
    hub = hub_of(connection)
    query = scope["query_string"].decode("latin-1")
    last = header(scope["headers"], b"last-event-id")
    if asks_for_replay(query):
        await _replay(connection, scope, query, last, receive, send)
        return
    principal = require(connection, "read")
    wanted = subscriptions(query, last)
    address, key = who(scope, principal)
    pump = event_pump(scope.get("extensions"))
    client = _subscribed(
        Admission(hub, address, key, key_ended(connection, key), may_replay=False), pump, wanted
    )
    await _served(scope, client, pump, receive, send)


async def _served(scope: Any, client: Client, pump: Pump, receive: Receive, send: Send) -> None:
    """Answer with what the client gets, until one side ends it."""
    abort: Callable[[], None] | None = (scope.get("extensions") or {}).get(ABORT)
    try:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if not await _run(client, pump, receive, send, _session_left_s(scope)) and abort is not None:
            abort()
            await _until_gone(receive)
    finally:
        client.on_gone()
        client.on_lost()


async def _replay(
    connection: Connection, scope: Any, query: str, last: str | None, receive: Receive, send: Send
) -> None:
    """Answer with a replay. A browser that comes back after the end is told that there is no more (204)."""
    principal = require(connection, "replay")
    order = replay_order(query, last)
    gate, hub = runtime_of(connection).services.past, hub_of(connection)
    desk = hub.replays
    if gate is None or not isinstance(desk, ReplayDesk):
        raise no_journal()
    if has_ended(last):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    address, key = who(scope, principal)
    pump = event_pump(scope.get("extensions"))
    try:
        desk.admit(address, key)
        opened = await open_replay(gate, scope["state"]["limits_key"], order)
        client = Admission(hub, address, key, key_ended(connection, key), may_replay=True).connect(
            pump, pump.form
        )
        opened.on_end = lambda: hub.end(client, 1000, "the replay has ended")
        desk.play(client, opened)
    except RequestError as error:
        raise _problem(error) from None
    await _served(scope, client, pump, receive, send)


def subscriptions(query: str, last_event_id: str | None) -> list[Subscribe]:
    """What the query asks for: ``book=ESZ5,CLX5&bbo=ESZ5&depth=10&rate=20``.

    Raises:
        ApiProblem: it is not understood, or asks for nothing.
    """
    given = parse_qs(query, keep_blank_values=True)
    unknown = [name for name in given if name not in _PARAMETERS]
    if unknown:
        raise invalid(unknown[0], f"there is no such parameter: {', '.join(_PARAMETERS)}")
    repeated = [name for name, values in given.items() if len(values) > 1]
    if repeated:
        raise invalid(repeated[0], "is given more than once: instruments are parted by commas")
    numbers = {name: _number(given, name) for name in ("publisher", "depth", "rate")}
    since = _since(last_event_id or (given.get("since") or [""])[-1])
    wanted = []
    for channel in CHANNELS:
        if channel not in given:
            continue
        names = [name for value in given[channel] for name in value.split(",") if name]
        asked: dict[str, Any] = {"op": "subscribe", "channel": channel, "instruments": names}
        asked |= {name: value for name, value in numbers.items() if value is not None}
        if channel != "book":
            asked.pop("depth", None)
        if channel == "orders":
            asked.pop("rate", None)
        try:
            request = msgspec.convert(asked, Subscribe)
        except msgspec.ValidationError as error:
            raise invalid(channel, str(error)) from None
        wanted.append(msgspec.structs.replace(request, since=since))
    if not wanted:
        raise invalid("book", f"nothing is asked for: name instruments for one of {', '.join(CHANNELS)}")
    return wanted


def _subscribed(admission: Admission, pump: Pump, wanted: list[Subscribe]) -> Client:
    """The hub's client, with all it asked for; a problem if it cannot have that."""
    client = None
    try:
        client = admission.connect(pump, pump.form)
        for request in wanted:
            admission.hub.subscribe(client, request)
    except RequestError as error:
        if client is not None:
            client.on_gone()
            client.on_lost()
        raise _problem(error) from None
    return client


async def _run(client: Client, pump: Pump, receive: Receive, send: Send, left_s: float | None) -> bool:
    """Send until the browser has gone, the hub has ended the connection, or ``left_s`` seconds are over.

    Returns:
        False if it was ended, but does not take what was to be sent before.
    """

    async def forward(data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})

    async def write() -> None:
        await forward(f"retry: {RETRY_MS}\n\n".encode())
        code, reason = await pump.run(forward)
        if code in _FAREWELLS:  # else an error has said it
            farewell = error_message(None, RequestError(_FAREWELLS[code], reason, fatal=True))
            await forward(farewell.form(Form.EVENT))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    overdue = asyncio.create_task(pump.overdue())
    others = [write(), _until_gone(receive), _comments(client)]
    if left_s is not None:
        others.append(_session_over(client, left_s))
    tasks = [overdue, *(asyncio.create_task(each) for each in others)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done != {overdue}
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _session_left_s(scope: Any) -> float | None:
    """For how long a browser's session counts; None of a reader who has none."""
    ends_ns = scope["state"]["principal"].session_ends_ns
    return None if ends_ns is None else max(0.0, (ends_ns - time.time_ns()) / 1e9)


async def _session_over(client: Client, left_s: float) -> None:
    """Part from the reader when its session runs out; what it is told goes out as ever."""
    await asyncio.sleep(left_s)
    client.hub.refuse(client, None, session_over())
    await asyncio.Event().wait()


async def _comments(client: Client) -> None:
    """Keep what lies between from thinking that the connection is idle."""
    while True:
        await asyncio.sleep(COMMENT_S)
        if client.paused_at is None and not client.closed:
            client.send_text(_COMMENT)


def _number(given: dict[str, list[str]], name: str) -> int | None:
    if name not in given:
        return None
    text = given[name][-1]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid(name, "not a whole number")
    return int(text)


def _since(text: str) -> Since | None:
    """``EPOCH:SEQ``, as an event's id; anything else is no place to resume from, and no error."""
    epoch, colon, seq = text.rpartition(":")
    if not (colon and epoch and seq.isascii() and seq.isdigit() and len(seq) < 17):
        return None
    return Since(epoch=epoch[:64], seq=int(seq))


_PROBLEMS: Final = {
    "unknown_instrument": "unknown-instrument",
    "ambiguous_instrument": "ambiguous-instrument",
    "no_book_yet": "unknown-book",
    "unknown_publisher": "unknown-book",
    "publisher_required": "ambiguous-book",
    "book_too_large": "book-too-large",
    "too_many_connections": "rate-limited",
    "too_many_replays": "rate-limited",
    "too_many_subscriptions": "rate-limited",
    "starting": "starting",
    "server_full": "overloaded",
    "restarting": "overloaded",
    "too_many_classes": "overloaded",
    "too_many_order_books": "overloaded",
}
"""The hub's refusals as the problems that the other operations answer with."""
_COME_BACK: Final = frozenset({"rate-limited", "starting", "overloaded"})


def _problem(error: RequestError) -> ApiProblem:
    """A refusal of the hub's, as the answer to an HTTP request."""
    name = _PROBLEMS.get(error.code)
    if name is None:
        return invalid({"bad_depth": "depth", "bad_rate": "rate"}.get(error.code, "publisher"), str(error))
    return ApiProblem(
        name,
        str(error),
        headers={"Retry-After": "1"} if name in _COME_BACK else {},
        **({"candidates": error.candidates} if error.candidates else {}),
        **({"publishers": error.publishers} if error.publishers else {}),
    )
