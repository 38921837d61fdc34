"""What is said about a segment: the index of a closed one, the header of an open one. Both are JSON.

As everywhere in JSON, times (ns) are strings there: they do not fit a double.
"""

import zlib
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from depthcast.dbn.forms import Span
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.errors import JournalError
from depthcast.journal.names import SegmentName

__all__ = ["Before", "Block", "Frame", "OpenHeader", "SegmentIndex", "Times", "decode", "encode"]

FORMAT: Final = 1

S = TypeVar("S", bound=Struct)


class Times(Struct, frozen=True):
    """Bounds of some records' times; a minimum is 2^64-1, a maximum 0, where none is defined."""

    min_ts_event: int = UNDEF_TIMESTAMP
    max_ts_event: int = 0
    min_ts_recv: int = UNDEF_TIMESTAMP
    max_ts_recv: int = 0
    max_snapshot_ts_recv: int = 0

    @classmethod
    def of(cls, span: Span) -> "Times":
        return cls(*span[1:])

    def __or__(self, other: "Times") -> "Times":
        return Times(
            min(self.min_ts_event, other.min_ts_event),
            max(self.max_ts_event, other.max_ts_event),
            min(self.min_ts_recv, other.min_ts_recv),
            max(self.max_ts_recv, other.max_ts_recv),
            max(self.max_snapshot_ts_recv, other.max_snapshot_ts_recv),
        )

    @property
    def latest_event(self) -> int:
        """The latest of what a replay's start is compared with."""
        return max(self.max_ts_event, self.max_snapshot_ts_recv)


class Before(Struct, frozen=True):
    """The latest times of all records of the journal before a segment, so that a search can halve it."""

    latest_event: int = 0
    """See `Times.latest_event`."""
    latest_ts_recv: int = 0

    def then(self, times: Times) -> "Before":
        """And after records of these times."""
        return Before(max(self.latest_event, times.latest_event), max(self.latest_ts_recv, times.max_ts_recv))


class Block(Struct, frozen=True):
    """One zstd frame of a segment's file: where it is, and what it unpacks to."""

    offset: int
    stored_bytes: int
    unpacked_bytes: int
    records: int


class Frame(Struct, frozen=True):
    """One zstd frame of the feed's records."""

    offset: int
    stored_bytes: int
    unpacked_bytes: int
    records: int
    position: int
    times: Times


class SegmentIndex(Struct, frozen=True, kw_only=True):
    """The index of a closed segment.

    Attributes:
        epoch, position: its name.
        records: of the feed; the head's are ``head_records``.
        begun_ns, closed_ns: by the writer's clock; ``begun_ns`` never before the day of an earlier segment.
        unpacked_bytes: of metadata, head and records.
        stored_bytes, sha256: of the file.
        metadata, head, frames: what it is made of, in this order.
        times: of its records.
        before: of all records before it.
        source_state: the source's, at ``position`` or before.
        end_state: the source's after the last record, where the writer closed in good order.
    """

    format: int = FORMAT
    created_by: str
    dataset: str
    shard: str
    epoch: int
    position: int
    records: int
    head_records: int
    begun_ns: int
    closed_ns: int
    unpacked_bytes: int
    stored_bytes: int
    sha256: str
    times: Times
    before: Before
    source_state: bytes
    end_state: bytes | None
    metadata: Block
    head: list[Block]
    frames: list[Frame]

    @property
    def name(self) -> SegmentName:
        return SegmentName(self.epoch, self.position)

    @property
    def end(self) -> int:
        """The position after its last record."""
        return self.position + self.records

    @property
    def after(self) -> Before:
        """`before`, as it is for the segment that follows."""
        return self.before.then(self.times)


class OpenHeader(Struct, frozen=True, kw_only=True):
    """What an open segment begins with, beside its file: the file itself is plain DBN. See `SegmentIndex`."""

    format: int = FORMAT
    created_by: str
    dataset: str
    shard: str
    epoch: int
    position: int
    begun_ns: int
    metadata_bytes: int
    head_bytes: int
    head_records: int
    before: Before
    source_state: bytes

    @property
    def name(self) -> SegmentName:
        return SegmentName(self.epoch, self.position)

    @property
    def records_offset(self) -> int:
        """Where the feed's records begin in the file."""
        return self.metadata_bytes + self.head_bytes


def encode(value: Struct) -> bytes:
    """As JSON, indented, with a CRC-32 of itself."""
    said = _with_text_times(msgspec.to_builtins(value))
    said["crc32"] = _crc32(said)
    return msgspec.json.format(msgspec.json.encode(said)) + b"\n"


def decode(kind: type[S], data: bytes, path: str) -> S:
    """Read JSON that `encode` made.

    Raises:
        JournalError: it is none, it was changed, or it is of a newer format.
    """
    try:
        said = msgspec.json.decode(data, type=dict[str, Any])
        version = said.get("format")
        if isinstance(version, int) and version > FORMAT:
            raise JournalError(
                f"format {version}; this Depthcast reads up to {FORMAT}: use a newer one", path=path
            )
        if said.pop("crc32", None) != _crc32(said):
            raise JournalError("damaged: its bytes are not those that were written", path=path)
        return msgspec.convert(said, kind, strict=False)
    except (msgspec.MsgspecError, ValueError) as error:
        raise JournalError(f"not what a segment's index is ({error})", path=path) from None


def _crc32(said: dict[str, Any]) -> int:
    return zlib.crc32(msgspec.json.encode(said))


def _with_text_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: str(item) if _is_time(name) and isinstance(item, int) else _with_text_times(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_with_text_times(item) for item in value]
    return value


def _is_time(name: str) -> bool:
    return "_ts_" in name or name.endswith("_ns") or name == "latest_event"
