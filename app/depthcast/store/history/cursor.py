"""Where a page begins, as a text that clients keep and send back.

It is not secret and not signed: it says nothing that whoever sends it could not ask for. It is checked:
against damage by a checksum, against another question by that question's digest, each value by its limits.
"""

import base64
import binascii
import contextlib
from hashlib import blake2b
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from depthcast.store.history.query import Key

__all__ = ["Cursor", "decode_cursor", "encode_cursor", "question"]

MAX_TEXT: Final = 400
_SUM_BYTES: Final = 8
_STEP_KEY: Final = 3
_UNKNOWN: Final = "is none that was given out: send it as it was"
_MAX: Final = 2**63 - 1
_Time = Annotated[int, Meta(ge=0, le=_MAX // 1_000)]
_Integer = Annotated[int, Meta(ge=0, le=_MAX)]
_Medium = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Small = Annotated[int, Meta(ge=0, le=2**15 - 1)]
_Text = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00]*\Z")]


class Cursor(Struct, frozen=True):
    """A place in the rows of a query.

    Attributes:
        end_ns: the end that the query's first page had: what comes later is not in its pages.
        after: the key of the last row before the page.
    """

    end_ns: int
    after: Key


class _OfRecords(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    question: bytes
    end_ns: _Integer
    after: tuple[_Time, _Medium, _Integer, _Small, _Text]


class _OfSteps(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    question: bytes
    end_ns: _Integer
    after: tuple[_Time, _Medium, _Text]


def question(*asked: object) -> bytes:
    """What stands for a question: its parameters, as they were sent."""
    return blake2b(msgspec.msgpack.encode(asked), digest_size=_SUM_BYTES).digest()


def encode_cursor(asked: bytes, cursor: Cursor) -> str:
    """The text that stands for a place in the answers to a `question`."""
    kind: type[_OfSteps | _OfRecords] = _OfSteps if len(cursor.after) == _STEP_KEY else _OfRecords
    packed = msgspec.msgpack.encode(kind(asked, cursor.end_ns, cursor.after))  # type: ignore[arg-type]
    return base64.urlsafe_b64encode(_sum(packed) + packed).decode().rstrip("=")


def decode_cursor(asked: bytes, text: str, *, steps: bool) -> Cursor:
    """The place that a text stands for.

    Args:
        asked: the question.
        text: as it was sent.
        steps: whether the question is about steps, or about single records.

    Raises:
        ValueError: it stands for none, or for one in the answers to another question; says which.
    """
    packed = _unpacked(text)
    read: _OfSteps | _OfRecords | None = None
    with contextlib.suppress(msgspec.DecodeError):
        kind: type[_OfSteps | _OfRecords] = _OfSteps if steps else _OfRecords
        read = msgspec.msgpack.decode(packed, type=kind)
    if read is None or read.question != asked:
        raise ValueError("belongs to other parameters: all but limit and format must stay as they were")
    return Cursor(read.end_ns, read.after)


def _unpacked(text: str) -> bytes:
    try:
        if len(text) > MAX_TEXT or not text.isascii():
            raise ValueError
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(_UNKNOWN) from None
    whole = base64.urlsafe_b64encode(data).decode().rstrip("=") == text
    if not whole or data[:_SUM_BYTES] != _sum(data[_SUM_BYTES:]):
        raise ValueError(_UNKNOWN)
    return data[_SUM_BYTES:]


def _sum(packed: bytes) -> bytes:
    return blake2b(packed, digest_size=_SUM_BYTES, person=b"depthcast.cursor").digest()
