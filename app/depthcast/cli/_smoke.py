"""What a running system is checked for from outside: each check is one thing a user would do."""

import asyncio
import json
import ssl
import struct
import time
import urllib.request
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal
from http.client import HTTPException
from typing import Any, Final, NamedTuple, cast
from urllib.error import HTTPError
from urllib.parse import quote

from depthcast.errors import DepthcastError

__all__ = ["CHECKS", "Failed", "Result", "Target", "carry_out"]

MAX_BYTES: Final = 8 << 20
DEPTH: Final = 10
NANO: Final = 1_000_000_000


class Failed(Exception):  # noqa: N818 - not an error of ours: what was found
    """The check found something wrong, or could not be made."""


@dataclass(slots=True)
class Target:
    """The system, and what one check found that another needs."""

    url: str
    """``https://HOST``, without a path."""
    key: str | None = field(repr=False, default=None)
    """Of the API."""
    gateway: tuple[str, int] | None = None
    gateway_key: str = field(repr=False, default="")
    gateway_tls: bool = False
    timeout_s: float = 20.0
    instrument: str = ""
    dataset: str = ""


class Result(NamedTuple):
    """A check: what it found in a few words, or what is wrong."""

    name: str
    ok: bool
    said: str
    took_ms: float


def carry_out(target: Target, *, leave_out: Collection[str] = ()) -> list[Result]:
    """Make every check, in order; one that fails does not keep the others from being made."""
    return [_result(name, check, target) for name, check in CHECKS.items() if name not in leave_out]


def _result(name: str, check: Callable[[Target], str], target: Target) -> Result:
    begun = time.perf_counter()
    try:
        ok, said = True, check(target)
    except Failed as failed:
        ok, said = False, str(failed)
    except (OSError, HTTPException, DepthcastError, KeyError, TypeError, ValueError) as error:
        ok, said = False, f"{type(error).__name__}: {error}"
    return Result(name, ok, said, (time.perf_counter() - begun) * 1e3)


def ready(target: Target) -> str:
    """The process behind the address takes work."""
    status, _, body = _get(target, "/readyz")
    if status != 200:
        raise Failed(f"/readyz says {status}: {body[:200].decode(errors='replace')}")
    return "ready"


def rest(target: Target) -> str:
    """The first instrument that has a book, its book and whether it is live."""
    listed = _json(target, "/v1/instruments?limit=100")["instruments"]
    if not listed:
        raise Failed("there is no instrument")
    for each in listed:
        target.instrument, target.dataset = each["name"], each["dataset"]
        path = f"/v1/books/{quote(target.instrument)}?depth={DEPTH}"
        book = _json(target, path, accept=(200, 404, 503))
        if book.get("bids") and book.get("asks"):
            state = "stale" if book["feed"]["stale"] else "live"
            return f"{target.instrument}: {book['bids'][0]['price']} / {book['asks'][0]['price']}, {state}"
    raise Failed(f"none of {len(listed)} instruments has a book with two sides")


def stream(target: Target) -> str:
    """A snapshot and an update over WebSocket, both with the checksum of the book they make."""
    _need_instrument(target)
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    url = target.url.replace("http", "ws", 1) + "/v1/stream"
    seen = 0
    levels: dict[str, dict[int, list[int]]] = {"bids": {}, "asks": {}}
    end = time.monotonic() + target.timeout_s
    patience = target.timeout_s
    try:
        with connect(url, additional_headers=headers, compression=None, open_timeout=patience) as socket:
            ask = {"op": "subscribe", "channel": "book", "instruments": [target.instrument], "depth": DEPTH}
            socket.send(json.dumps(ask))
            while seen < 2:
                message = json.loads(socket.recv(timeout=max(end - time.monotonic(), 0)))
                if message["type"] == "error":
                    raise Failed(f"{message['code']}: {message['message']}")
                if message["type"] in ("snapshot", "update"):
                    _apply(levels, message)
                    seen += 1
    except TimeoutError:
        if not seen:
            raise Failed(f"no snapshot in {target.timeout_s:g} s") from None
        return "a snapshot, verified; no change came"
    except WebSocketException as error:
        raise Failed(f"{url}: {error}") from error
    return "a snapshot and an update, verified"


def page(target: Target) -> str:
    """The page, with its content security policy, and the book's page."""
    _need_instrument(target)
    for path in ("/", f"/books/{quote(target.instrument)}"):
        status, headers, body = _get(target, path, accept="text/html")
        if status != 200 or b"<title>" not in body:
            raise Failed(f"{path}: status {status}, {len(body)} bytes")
        if "script-src" not in headers.get("content-security-policy", ""):
            raise Failed(f"{path}: no content security policy")
    return "overview and book"


def history(target: Target) -> str:
    """The last trades that are stored."""
    _need_instrument(target)
    path = f"/v1/history/trades?instrument={quote(target.instrument)}&limit=1"
    status, _, body = _get(target, path)
    if status != 200:
        raise Failed(f"{path}: status {status}: {_title(body)}")
    return "answers"


def gateway(target: Target) -> str:
    """A key, a subscription and records, in the protocol of subscribers."""
    from depthcast.live.subscriber import Subscriber

    if target.gateway is None:
        return "not asked for (--gateway HOST:PORT)"
    tls = ssl.create_default_context() if target.gateway_tls else None
    if not target.dataset:
        raise Failed("its dataset is not known, since REST failed")
    received = [0]

    def count(records: memoryview) -> None:
        received[0] += len(records)
        subscriber.close()

    subscriber = Subscriber(
        *target.gateway,
        key=target.gateway_key,
        dataset=target.dataset,
        on_records=count,
        resume="none",
        ssl_context=tls,
    )
    subscriber.subscribe("mbo", snapshot=True)

    async def receive() -> None:
        async with asyncio.timeout(target.timeout_s):
            await subscriber.run()

    try:
        asyncio.run(receive())
    except TimeoutError:
        raise Failed(f"no record in {target.timeout_s:g} s") from None
    if not received[0]:
        raise Failed("the session ended without a record")
    return f"records of {target.dataset}"


CHECKS: Final[dict[str, Callable[[Target], str]]] = {
    "ready": ready,
    "REST": rest,
    "stream": stream,
    "page": page,
    "history": history,
    "gateway": gateway,
}


def _need_instrument(target: Target) -> None:
    if not target.instrument:
        raise Failed("no instrument is known, since REST failed")


def _apply(levels: dict[str, dict[int, list[int]]], message: dict[str, Any]) -> None:
    """Take a message of channel book, and compare its checksum (docs/stream.md)."""
    packed = b""
    for side, code in (("bids", b"B"), ("asks", b"A")):
        if message["type"] == "snapshot":
            levels[side] = {}
        levels[side] |= {int(Decimal(price) * NANO): rest for price, *rest in message[side]}
        left = sorted((row for row in levels[side].items() if row[1][0]), reverse=side == "bids")[:DEPTH]
        levels[side] = dict(left)
        packed += b"".join(struct.pack("<cqQI", code, price, *rest) for price, rest in left)
    if message["checksum"] not in (None, zlib.crc32(packed)):
        raise Failed(f"the book of message {message['seq']} has another checksum")


def _json(target: Target, path: str, accept: tuple[int, ...] = (200,)) -> dict[str, Any]:
    status, _, body = _get(target, path)
    if status not in accept:
        raise Failed(f"{path}: status {status}: {_title(body)}")
    return cast("dict[str, Any]", json.loads(body))


def _title(body: bytes) -> str:
    """What a problem document is about."""
    try:
        said = json.loads(body)
        return str(said.get("detail") or said.get("title") or said)
    except (ValueError, AttributeError):
        return body[:100].decode(errors="replace")


def _get(target: Target, path: str, accept: str = "application/json") -> tuple[int, dict[str, str], bytes]:
    """The status, the headers in lower case, the body."""
    headers = {"Accept": accept} | ({"Authorization": f"Bearer {target.key}"} if target.key else {})
    request = urllib.request.Request(target.url + path, headers=headers)  # noqa: S310 - http(s) alone
    try:
        answer = urllib.request.urlopen(request, timeout=target.timeout_s)  # noqa: S310 # nosec B310
    except HTTPError as error:
        answer = error
    with answer:
        found = {name.lower(): value for name, value in answer.headers.items()}
        body = answer.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise Failed(f"{path}: the answer has more than {MAX_BYTES >> 20} MiB")
    return answer.status, found, body
