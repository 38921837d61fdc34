"""The grammar of the Live protocol's control lines, in both directions.

A line is ``key=value`` fields joined by ``|`` and ended by LF. There is no escaping. A field without ``=`` is
a key alone (``start_session``). What the keys mean is in `depthcast.live.requests` and
`depthcast.live.replies`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from depthcast.errors import ProtocolError

__all__ = ["MAX_LINE_BYTES", "format_line", "line_value", "parse_line", "shown"]

MAX_LINE_BYTES: Final = 64 * 1024
"""The longest line, with its LF: five hundred symbols of 71 bytes fit."""

_SHOWN: Final = 40
"""Characters of a peer's text that an error repeats."""


def parse_line(line: bytes | bytearray | memoryview) -> dict[str, str]:
    """The fields of one line, with or without its LF (a CR before it is dropped), in their order.

    Empty fields are passed over; a key alone has the value ``""``.

    Raises:
        ProtocolError: longer than `MAX_LINE_BYTES`, not UTF-8, a NUL or a line end inside, no field at all, a
            value without a key, or a key given twice.
    """
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(f"a line of {len(line):,} bytes; the longest is {MAX_LINE_BYTES:,}")
    try:
        text = bytes(line).decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"a line that is not UTF-8: byte {error.start}") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if "\0" in text or "\n" in text or "\r" in text:
        raise ProtocolError("a line with a NUL or a line end inside")
    fields: dict[str, str] = {}
    for field in text.split("|"):
        key, equals, value = field.partition("=")
        if not key:
            if equals:
                raise ProtocolError(f"a value without a key: {shown(field)}")
            continue
        if key in fields:
            raise ProtocolError(f"{shown(key)} is given twice in one line")
        fields[key] = value
    if not fields:
        raise ProtocolError("an empty line")
    return fields


def format_line(
    fields: Mapping[str, str | int | None] | Iterable[tuple[str, str | int | None]],
) -> bytes:
    """The line of these fields, LF included. None is a key alone; a bool is written ``0`` or ``1``.

    Raises:
        ProtocolError: no field, a key or value that the grammar cannot carry, or a line too long.
    """
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    line = "|".join(_field(key, value) for key, value in pairs)
    try:
        encoded = line.encode() + b"\n"
    except UnicodeEncodeError:
        raise ProtocolError(f"text that UTF-8 cannot carry: {shown(line)}") from None
    if len(encoded) == 1:
        raise ProtocolError("a line needs a field")
    if len(encoded) > MAX_LINE_BYTES:
        raise ProtocolError(f"a line of {len(encoded):,} bytes; the longest is {MAX_LINE_BYTES:,}")
    return encoded


def line_value(text: str) -> str:
    """``text`` made fit to be a value: ``|`` becomes ``/``, control characters become blanks."""
    return "".join("/" if letter == "|" else letter if letter.isprintable() else " " for letter in text)


def shown(text: str) -> str:
    """A peer's text as an error may repeat it: quoted, escaped, not long."""
    return ascii(text) if len(text) <= _SHOWN else ascii(text[:_SHOWN]) + "..."


def _field(key: str, value: str | int | None) -> str:
    if not key or any(letter in key for letter in "=|\r\n\0"):
        raise ProtocolError(f"not a key: {shown(key)}")
    if value is None:
        return key
    text = value if isinstance(value, str) else str(int(value))
    if any(letter in text for letter in "|\r\n\0"):
        raise ProtocolError(f"{key}: a value cannot hold |, NUL or a line end: {shown(text)}")
    return f"{key}={text}"
