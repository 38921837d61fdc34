"""What clients ask of the stream: `Request` is every message they may send, `handle` carries one out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct

from depthcast.api.hub.classes import (
    DEFAULT_DEPTH,
    DEFAULT_RATE,
    DEPTHS,
    ORDERS_RATE,
    RATES,
    Channel,
)
from depthcast.api.hub.encoded import Encoded
from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.messages import ErrorMessage, Pong, encode

if TYPE_CHECKING:
    from depthcast.api.hub.clients import Client
    from depthcast.api.hub.ports import Replays

__all__ = [
    "Pause",
    "ReplayRequest",
    "Request",
    "Resume",
    "Seek",
    "SetSpeed",
    "Since",
    "Step",
    "Subscribe",
    "depth_and_rate",
    "error_message",
    "handle",
    "key_ended",
    "not_text",
    "session_over",
]

Id = Annotated[str, Meta(max_length=64)] | Annotated[int, Meta(ge=-(2**53), le=2**53)] | None
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Time = Annotated[str, Meta(max_length=64)] | Annotated[int, Meta(ge=0, le=2**63 - 1)]
Speed = Annotated[str, Meta(max_length=8)] | float
_OF_REPLAY: Final = ("start", "end", "speed", "channels", "paused")


class Since(Struct, frozen=True, forbid_unknown_fields=True):
    """The last message that was received: `epoch` and `seq` as messages carry them."""

    epoch: Annotated[str, Meta(max_length=64)]
    seq: Annotated[int, Meta(ge=0, le=2**53)]


class _Request(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", kw_only=True):
    id: Id = None


class Subscribe(_Request, frozen=True, tag="subscribe", kw_only=True):
    """Have a channel's messages of some instruments; ``start`` and what follows are of channel replay."""

    channel: Channel | Literal["replay"]
    instruments: Annotated[list[Name], Meta(min_length=1, max_length=100)]
    publisher: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    depth: int | None = None
    rate: int | None = None
    since: Since | None = None
    start: Time | None = None
    end: Time | None = None
    speed: Speed | None = None
    channels: Annotated[list[Name], Meta(min_length=1, max_length=4)] | None = None
    paused: bool | None = None


class Unsubscribe(_Request, frozen=True, tag="unsubscribe", rename={"stream": "class"}, kw_only=True):
    """Have a class's messages no more."""

    stream: Name


class AskResync(_Request, frozen=True, tag="resync", rename={"stream": "class"}, kw_only=True):
    """Have a class's snapshot anew: for who finds that a checksum does not agree."""

    stream: Name


class AskStatus(_Request, frozen=True, tag="status", kw_only=True):
    """Have the state of instruments once."""

    instruments: Annotated[list[Name], Meta(min_length=1, max_length=100)]


class Pause(_Request, frozen=True, tag="pause", rename={"stream": "class"}, kw_only=True):
    """Have a replay stand still."""

    stream: Name


class Resume(_Request, frozen=True, tag="resume", rename={"stream": "class"}, kw_only=True):
    """Have a replay go on."""

    stream: Name


class Step(_Request, frozen=True, tag="step", rename={"stream": "class"}, kw_only=True):
    """Have the next events of a replay, and have it stand still then."""

    stream: Name
    count: Annotated[int, Meta(ge=1, le=10_000)] = 1


class Seek(_Request, frozen=True, tag="seek", rename={"stream": "class"}, kw_only=True):
    """Have a replay go on from another time."""

    stream: Name
    time: Time


class SetSpeed(_Request, frozen=True, tag="speed", rename={"stream": "class"}, kw_only=True):
    """Have a replay go on at another speed."""

    stream: Name
    speed: Speed


class Ping(_Request, frozen=True, tag="ping", kw_only=True):
    """Have an answer."""


ReplayRequest = Pause | Resume | Step | Seek | SetSpeed
Request = Subscribe | Unsubscribe | AskResync | AskStatus | ReplayRequest | Ping

_decode: Final[Callable[[bytes | str], Request]] = msgspec.json.Decoder(Request).decode


class _IdOnly(Struct, frozen=True):
    id: Id = None


_decode_id: Final = msgspec.json.Decoder(_IdOnly).decode


def handle(client: "Client", data: bytes | str) -> None:
    """Carry out one message of a client, or tell it why not."""
    hub = client.hub
    hub.counters.requests += 1
    asked: int | str | None = None
    try:
        if len(data) > hub.options.message_bytes:
            raise RequestError(
                "message_too_big", f"a message has at most {hub.options.message_bytes} bytes", fatal=True
            )
        if not client.may_ask(hub.loop.time()):
            raise _rate_limited(client)
        why = client.key_ended()
        if why is not None:
            raise key_ended(why)
        request = _request(data)
        asked = request.id
        _carry_out(client, request)
    except RequestError as error:
        asked = asked if asked is not None else _id_of(data)
        hub.refuse(client, asked, error)


def not_text(client: "Client") -> None:
    """Refuse a binary message: it counts as one, whatever is in it."""
    hub = client.hub
    hub.counters.requests += 1
    error = RequestError("bad_json", "a message is a text frame of JSON")
    if not client.may_ask(hub.loop.time()):
        error = _rate_limited(client)
    hub.refuse(client, None, error)


def key_ended(why: str | None) -> RequestError:
    return RequestError("key_ended", f"the key is {why}", fatal=True)


def session_over() -> RequestError:
    return RequestError("key_ended", "the session is over: sign in again", fatal=True)


def _rate_limited(client: "Client") -> RequestError:
    rate = client.hub.options.messages_per_s
    return RequestError("rate_limited", f"at most {rate:g} messages a second", fatal=True)


def error_message(asked: int | str | None, error: RequestError) -> Encoded:
    message = ErrorMessage(
        id=asked,
        code=error.code,
        message=str(error),
        fatal=error.fatal,
        available_from=error.available_from or UNSET,
        available_until=error.available_until or UNSET,
    )
    return Encoded("error", encode(message))


def _request(data: bytes | str) -> Request:
    try:
        return _decode(data)
    except msgspec.ValidationError as error:
        raise RequestError("bad_request", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("bad_json", f"not a JSON message: {error}") from None


def _id_of(data: bytes | str) -> int | str | None:
    """The id of a message that is wrong otherwise, if it has one."""
    if len(data) > 65_536:
        return None
    try:
        return _decode_id(data).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _carry_out(client: "Client", request: Request) -> None:
    hub = client.hub
    if isinstance(request, Subscribe) and request.channel == "replay":
        _replays(client).subscribe(client, request)
    elif isinstance(request, Subscribe):
        _check_live(request)
        hub.subscribe(client, request)
    elif isinstance(request, ReplayRequest):
        _replays(client).carry_out(client, request)
    elif isinstance(request, Unsubscribe):
        hub.unsubscribe(client, request.stream, request.id)
    elif isinstance(request, AskResync):
        hub.resync(client, request.stream)
    elif isinstance(request, AskStatus):
        hub.tell_status(client, request.instruments)
    else:
        client.send(Encoded("pong", encode(Pong(id=request.id, ts_send=str(hub.numbering.clock())))))


def _replays(client: "Client") -> "Replays":
    replays = client.hub.replays
    if replays is None:
        raise RequestError("no_journal", "this service keeps no past")
    return replays


def _check_live(request: Subscribe) -> None:
    """Raises RequestError for what only a replay has."""
    given = [name for name in _OF_REPLAY if getattr(request, name) is not None]
    if given:
        raise RequestError("bad_request", f"{given[0]}: only channel replay has it")


def depth_and_rate(channel: Channel, depth: int | None, rate: int | None) -> tuple[int, int]:
    """The depth and rate of a class, from what was asked.

    Raises:
        RequestError: they are not among the published ones.
    """
    if depth is not None and (channel != "book" or depth not in DEPTHS):
        depths = ", ".join(map(str, DEPTHS))
        why = f"depth is one of {depths}" if channel == "book" else f"channel {channel} takes no depth"
        raise RequestError("bad_depth", why)
    if rate is not None and rate not in RATES:
        raise RequestError("bad_rate", f"rate is one of {', '.join(map(str, RATES))}")
    if channel == "orders" and rate not in (None, ORDERS_RATE):
        raise RequestError("bad_rate", f"channel orders has rate {ORDERS_RATE}")
    shown = {"book": depth or DEFAULT_DEPTH, "bbo": 1}.get(channel, 0)
    return shown, rate or DEFAULT_RATE
