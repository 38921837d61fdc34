"""A replay as server-sent events: the query says what is played."""

from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.requests import Since, Subscribe
from depthcast.api.problems import invalid
from depthcast.api.replay.messages import EPOCH
from depthcast.api.replay.order import Order, order_of

__all__ = ["PARAMETERS", "asks_for_replay", "has_ended", "replay_order"]

PARAMETERS: Final = ("replay", "start", "end", "speed", "channels", "depth", "rate", "publisher", "since")
_END: Final = f"{EPOCH}:end"
_FIELDS: Final = {
    "bad_time": "start",
    "bad_speed": "speed",
    "bad_channels": "channels",
    "bad_depth": "depth",
    "bad_rate": "rate",
}


def asks_for_replay(query: str) -> bool:
    """Whether a query asks for a replay rather than for what is live."""
    return "replay" in parse_qs(query, keep_blank_values=True)


def has_ended(last_event_id: str | None) -> bool:
    """Whether a browser that comes back had the end already: it is to be told to stay away."""
    return last_event_id == _END


def replay_order(query: str, last_event_id: str | None) -> Order:
    """What a query asks for: ``replay=CLX5&start=2025-09-24T19:30Z&speed=10&channels=book,trades``.

    Raises:
        ApiProblem: it is not understood.
    """
    given = parse_qs(query, keep_blank_values=True)
    for name, values in given.items():
        if name not in PARAMETERS:
            raise invalid(name, f"there is no such parameter with replay: {', '.join(PARAMETERS)}")
        if len(values) > 1:
            raise invalid(name, "is given more than once: several are parted by commas")
    one = {name: values[0] for name, values in given.items()}
    asked: dict[str, Any] = {"op": "subscribe", "channel": "replay", "instruments": _parts(one["replay"])}
    for name in ("start", "end", "speed"):
        if name in one:
            asked[name] = one[name]
    if "channels" in one:
        asked["channels"] = _parts(one["channels"])
    for name in ("depth", "rate", "publisher"):
        if name in one:
            asked[name] = _number(one, name)
    if "speed" in one and one["speed"] != "max":
        asked["speed"] = _speed(one["speed"])
    try:
        request = msgspec.convert(asked, Subscribe)
    except msgspec.ValidationError as error:
        raise invalid("replay", str(error)) from None
    if "since" in one and "start" in one:
        raise invalid("since", "is instead of start, so give one of them")
    since = _since(last_event_id or one.get("since", ""))
    try:
        return order_of(msgspec.structs.replace(request, since=since), EPOCH, resumed=bool(last_event_id))
    except RequestError as error:
        field, colon, rest = str(error).partition(": ")
        if colon and field in PARAMETERS:
            raise invalid(field, rest) from None
        raise invalid(_FIELDS.get(error.code, "replay"), str(error)) from None


def _parts(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _number(one: dict[str, str], name: str) -> int:
    text = one[name]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid(name, "not a whole number")
    return int(text)


def _speed(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise invalid("speed", "neither a number nor max") from None


def _since(text: str) -> Since | None:
    """``replay:POSITION``, as an event's id; anything else is no place to resume from, and no error."""
    epoch, _, seq = text.rpartition(":")
    if epoch != EPOCH or not (seq.isascii() and seq.isdigit() and len(seq) < 17):
        return None
    return Since(epoch=epoch, seq=int(seq))
