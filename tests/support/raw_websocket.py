"""The opening of a WebSocket, as a server hands it to an application, for those that are refused."""

from collections.abc import Sequence
from typing import Any

import msgspec

__all__ = ["accepts_websocket", "refused_websocket"]


async def refused_websocket(
    app: Any, path: str, headers: Sequence[tuple[str, str]]
) -> tuple[int, dict[str, Any]]:
    """Open a WebSocket that is not accepted: the status and the problem that it is answered with."""
    sent = await _sent(app, path, headers)
    start, *bodies = sent
    assert start["type"] == "websocket.http.response.start", sent
    body: dict[str, Any] = msgspec.json.decode(b"".join(each["body"] for each in bodies))
    return start["status"], body


async def accepts_websocket(app: Any, path: str, headers: Sequence[tuple[str, str]]) -> bool:
    """Open a WebSocket, and leave at once: whether it was accepted."""
    first: str = (await _sent(app, path, headers))[0]["type"]
    return first == "websocket.accept"


async def _sent(app: Any, path: str, headers: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """What a client that opens a WebSocket, and goes, is sent."""
    sent: list[dict[str, Any]] = []
    comes = iter(["websocket.connect"])
    offered = [value for name, value in headers if name == "sec-websocket-protocol"]
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"api.test"), *((name.encode(), v.encode("latin-1")) for name, v in headers)],
        "subprotocols": [each.strip() for value in offered for each in value.split(",")],
        "client": ("203.0.113.7", 40_000),
        "extensions": {"websocket.http.response": {}},
    }

    async def receive() -> dict[str, Any]:
        return {"type": next(comes, "websocket.disconnect")}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent
