"""The report of an audit, as it is written as JSON (docs/audit.schema.json).

Prices are exact decimal strings; timestamps and order ids are strings too, since a JSON number may lose bits.
A record is named by its place among the file's MBO records, from 0.
"""

from typing import Final, TypeAlias

from msgspec import Struct

__all__ = [
    "AuditReport",
    "AuditedBook",
    "AuditedFile",
    "AuditedSource",
    "CutShort",
    "Example",
    "IntervalExample",
    "Moment",
    "Observation",
    "OrderExample",
    "Part",
    "RecordExample",
    "Rule",
    "TradeExample",
    "TradeNearby",
    "Violation",
]

FORMAT: Final = "depthcast-audit-1"


class Moment(Struct, frozen=True):
    """A record and its ts_recv (ns; ISO 8601 too, None where that is undefined)."""

    record: int
    ts_recv: str
    iso: str | None


class RecordExample(Struct, frozen=True, tag_field="kind", tag="record"):
    """A record as it stands in the file."""

    at: Moment
    publisher_id: int
    instrument_id: int
    ts_event: str
    sequence: int
    flags: int
    action: str
    side: str
    order_id: str
    price: str | None
    size: int


class TradeNearby(Struct, frozen=True):
    """The trade before or after an interval."""

    at: Moment
    side: str
    price: str | None
    size: int


class IntervalExample(Struct, frozen=True, tag_field="kind", tag="interval"):
    """A time in which every event left the book crossed (or locked).

    ``first`` and ``last`` are its first and last such event end; ``over`` is the event end that ended it,
    None if the data ends first. ``bid`` and ``ask`` are those at ``first``, ``phase`` is the venue's at
    ``first``.
    """

    publisher_id: int
    instrument_id: int
    first: Moment
    last: Moment
    over: Moment | None
    event_ends: int
    phase: str | None
    bid: str
    ask: str
    trades_inside: int
    trade_before: TradeNearby | None
    trade_after: TradeNearby | None


class TradeExample(Struct, frozen=True, tag_field="kind", tag="trade"):
    """A trade whose fills are not the front of the queue: the orders they name, and those in front."""

    at: Moment
    publisher_id: int
    instrument_id: int
    side: str
    price: str | None
    size: int
    cause: str
    filled: list[str]
    front: list[str]


class OrderExample(Struct, frozen=True, tag_field="kind", tag="order"):
    """An order that rests at the end, with the time that gives it its priority."""

    publisher_id: int
    instrument_id: int
    order_id: str
    side: str
    price: str
    size: int
    ts_event: str
    iso: str | None
    sequence: int


Example: TypeAlias = RecordExample | IntervalExample | TradeExample | OrderExample


class Part(Struct, frozen=True):
    """One kind of what an observation counts; ``share`` is of the observation's ``total``."""

    name: str
    count: int
    share: float | None


class Observation(Struct, frozen=True):
    """Something the venue or the vendor did: ``count`` of ``total`` (``of`` says of what)."""

    id: str
    title: str
    what: str
    count: int
    of: str
    total: int
    share: float | None
    first: Moment | None
    last: Moment | None
    parts: list[Part]
    measures: dict[str, int | str]
    examples: list[Example]


class Violation(Struct, frozen=True):
    """What broke a rule: after which record (None: at the end), in which book (None: not in one)."""

    at: Moment | None
    publisher_id: int | None
    instrument_id: int | None
    what: str


class Rule(Struct, frozen=True):
    """A hard rule, how often it was checked and where, and what broke it."""

    id: str
    invariant: int | None
    title: str
    what: str
    how: str
    checks: int
    violations: int
    holds: bool
    examples: list[Violation]


class AuditedBook(Struct, frozen=True):
    """A book at the end of the data. It is ``trusted`` if it is complete and not suspect."""

    publisher_id: int
    instrument_id: int
    symbol: str | None
    trusted: bool
    complete: bool
    suspect: bool
    in_event: bool
    top: str
    phase: str | None
    records: int
    events: int
    orders: int
    levels: int
    checksum: int


class AuditedFile(Struct, frozen=True):
    """A file that was read: its base name, and the SHA-256 of its bytes as they are stored."""

    file: str
    sha256: str


class CutShort(Struct, frozen=True):
    """Where (byte offset, decompressed) and why reading ended early; what came before was audited."""

    file: str
    offset: int | None
    error: str


class AuditedSource(Struct, frozen=True):
    """What was read; of ``instrument_ids`` only, unless that is null."""

    dataset: str
    files: list[AuditedFile]
    partial: CutShort | None
    instrument_ids: list[int] | None


class AuditReport(Struct, frozen=True):
    """Whether the books that a file gives can be trusted.

    ``valid``: no hard rule was broken. ``trusted``: besides, every book is complete and not suspect at the
    end.
    """

    format: str
    source: AuditedSource
    valid: bool
    trusted: bool
    engine: str
    rebuilt_by: str
    records: int
    events: int
    first: Moment | None
    last: Moment | None
    books: list[AuditedBook]
    rules: list[Rule]
    observations: list[Observation]
    counters: dict[str, int]
