"""The server-sent events in the OpenAPI document. Their route reads its query itself: it says so here."""

from typing import Any, Final

from depthcast.api.hub.classes import CHANNELS, DEFAULT_DEPTH, DEFAULT_RATE, DEPTHS, RATES
from depthcast.api.replay.order import CHANNELS as REPLAYED
from depthcast.dbn.times import TIME_PATTERN

__all__ = ["EVENTS_PATH", "events_operation"]

EVENTS_PATH: Final = "/v1/events"
_PROBLEMS: Final = (
    "invalid-parameter",
    "key-required",
    "key-invalid",
    "key-ended",
    "scope-missing",
    "unknown-instrument",
    "unknown-book",
    "ambiguous-instrument",
    "ambiguous-book",
    "book-too-large",
    "no-journal",
    "time-not-kept",
    "journal-damaged",
    "journal-away",
    "rate-limited",
    "starting",
    "overloaded",
    "internal-error",
)
_TIME: Final = {"type": "string", "pattern": TIME_PATTERN}
_SPEED: Final = {"type": "string", "pattern": "^(max|[1-9][0-9]{0,2}|0\\.[1-9])$", "default": "1"}
_SHOWN: Final = "|".join(REPLAYED)
_CHANNELS: Final = {"type": "string", "pattern": f"^({_SHOWN})(,({_SHOWN}))?$", "default": "book"}
_DESCRIPTION: Final = """\
The stream as server-sent events: the messages that `/v1/stream` sends over a WebSocket (docs/stream.md). Name
instruments for at least one channel, or for `replay`, which plays the past. Each event's `id` resumes the
stream where it was, as browsers do by themselves.
"""
_EXAMPLE: Final = """\
id: 5f0c2a91:811
event: snapshot
data: {"type":"snapshot","class":"book:432669:1:10:20","seq":811,"bids":[["64.79",12,3]],"asks":[]}

"""


def events_operation() -> tuple[dict[str, Any], tuple[str, ...]]:
    """The operation but for its answers to problems, and the names of those."""
    instruments = {"type": "string", "pattern": "[^,]", "description": "Symbols or ids, separated by commas."}
    parameters = [
        _parameter(name, instruments, f"Instruments of the channel `{name}`, separated by commas.")
        for name in CHANNELS
    ]
    parameters[0]["example"] = "CLX5"
    parameters += [
        _parameter(
            "replay",
            instruments,
            "Instruments of a replay of the past, instead of live channels; it needs the scope `replay`.",
        ),
        _parameter("start", _TIME, "Of a replay: the time (ts_recv, ns or ISO 8601) at which it begins."),
        _parameter("end", _TIME, "Of a replay: the time after which it ends."),
        _parameter("speed", _SPEED, "Of a replay: feed time in a second, or `max`."),
        _parameter("channels", _CHANNELS, "Of a replay: what is shown, separated by commas."),
        _parameter("publisher", {"type": "integer", "minimum": 0, "maximum": 65_535}, "Whose book is meant."),
        _parameter("depth", _one_of(DEPTHS, DEFAULT_DEPTH), "Levels of each side, of the channel `book`."),
        _parameter("rate", _one_of(RATES, DEFAULT_RATE), "Messages a second at most."),
        _parameter("since", {"type": "string"}, "The `id` of the last event: what came after it is sent."),
        {**_parameter("Last-Event-ID", {"type": "string"}, "The same, as browsers send it."), "in": "header"},
    ]
    content = {
        "text/event-stream": {
            "schema": {"type": "string"},
            "examples": {"answer": {"summary": "An event", "value": _EXAMPLE}},
        }
    }
    operation = {
        "operationId": "get_events",
        "summary": "Server-sent events",
        "description": _DESCRIPTION,
        "tags": ["Stream"],
        "security": [{"key": []}, {}],
        "parameters": parameters,
        "responses": {"200": {"description": "Events, until one side ends it.", "content": content}},
    }
    return operation, _PROBLEMS


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _one_of(values: tuple[int, ...], default: int) -> dict[str, Any]:
    return {"type": "integer", "enum": list(values), "default": default}
