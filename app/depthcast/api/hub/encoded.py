"""One message, encoded once, in each form that a kind of connection takes."""

from enum import IntEnum
from time import perf_counter_ns
from typing import Final

__all__ = ["EVENTS", "FORMS", "Encoded", "Form", "http_chunk", "ws_frame"]

_SMALL: Final = 126
_MEDIUM: Final = 65_536


class Form(IntEnum):
    """How a connection takes a message."""

    FRAME = 0
    """A whole WebSocket frame, header and all: servers do not mask, so all clients get the same bytes."""
    TEXT = 1
    """The JSON text alone, for a connection that makes its own frames."""
    EVENT = 2
    """A server-sent event."""
    CHUNK = 3
    """The same as a chunk of an HTTP/1.1 answer, for a connection that takes such straight."""


FORMS: Final = len(Form)
EVENTS: Final = frozenset({Form.EVENT, Form.CHUNK})
"""The forms of readers of events."""


def http_chunk(data: bytes) -> bytes:
    """A chunk (RFC 9112, section 7.1); of nothing, nothing: an empty one would be the last."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def ws_frame(payload: bytes) -> bytes:
    """A final, unmasked text frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < _SMALL:
        return bytes((0x81, size)) + payload
    if size < _MEDIUM:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class Encoded:
    """A message's JSON, and the forms of it that were asked for.

    Args:
        event: the message's type, the name of the server-sent event.
        payload: the JSON.
        seq: its number in the class, 0 for messages that belong to none.
        event_id: what a reader of events resumes from, empty if this message is no place to resume from.

    Attributes:
        made_ns: when the JSON was there, by `time.perf_counter_ns`.
    """

    __slots__ = ("_forms", "event", "event_id", "made_ns", "payload", "seq")

    def __init__(self, event: str, payload: bytes, seq: int = 0, event_id: str = "") -> None:
        self.event = event
        self.payload = payload
        self.seq = seq
        self.event_id = event_id
        self.made_ns = perf_counter_ns()
        self._forms: list[bytes | None] = [None, payload, None, None]

    def form(self, form: Form) -> bytes:
        """The message in that form: the same object each time."""
        made = self._forms[form]
        if made is None:
            made = self._forms[form] = self._make(form, self.event_id)
        return made

    def aside(self, form: Form) -> bytes:
        """The same, but for a reader that lacks older messages: it must not resume from this one."""
        if form not in EVENTS or not self.event_id:
            return self.form(form)
        return self._make(form, "")

    def _make(self, form: Form, event_id: str) -> bytes:
        if form is Form.FRAME:
            return ws_frame(self.payload)
        mark = f"id: {event_id}\n" if event_id else ""
        event = f"{mark}event: {self.event}\ndata: ".encode() + self.payload + b"\n\n"
        return http_chunk(event) if form is Form.CHUNK else event
