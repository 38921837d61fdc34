"""The report of an audit, as it is written as JSON (docs/audit.schema.json).

Prices are exact decimal strings; timestamps and order ids are strings too, since a JSON number may lose bits.
A record is named by its place among the file's MBO records, from 0.
"""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

__all__ = [
    "AuditReport",
    "AuditedBook",
    "AuditedFile",
    "AuditedSource",
    "CutShort",
    "Example",
    "Form",
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

Price: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]{0,8}[1-9])?$",
        description="An exact decimal: no exponent, no trailing zeros.",
    ),
]
U64: TypeAlias = Annotated[
    str, Meta(pattern=r"^(0|[1-9][0-9]{0,19})$", description="An unsigned 64-bit integer in decimal digits.")
]
Iso: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$",
        description="ISO 8601, UTC, with nine decimals.",
    ),
]
Sha256: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1, description="Rounded to six decimals.")]


class Form(Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts of a report have in common: they are read-only, and have no other fields."""


class Moment(Form, frozen=True):
    """A record and its ts_recv (ns; ISO 8601 too, None where that is undefined)."""

    record: int
    ts_recv: U64
    iso: Iso | None


class RecordExample(Form, frozen=True, tag_field="kind", tag="record"):
    """A record as it stands in the file."""

    at: Moment
    publisher_id: int
    instrument_id: int
    ts_event: U64
    sequence: int
    flags: int
    action: str
    side: str
    order_id: U64
    price: Price | None
    size: int


class TradeNearby(Form, frozen=True):
    """The trade before or after an interval."""

    at: Moment
    side: str
    price: Price | None
    size: int


class IntervalExample(Form, frozen=True, tag_field="kind", tag="interval"):
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
    bid: Price
    ask: Price
    trades_inside: int
    trade_before: TradeNearby | None
    trade_after: TradeNearby | None


class TradeExample(Form, frozen=True, tag_field="kind", tag="trade"):
    """A trade whose fills are not the front of the queue: the orders they name, and those in front."""

    at: Moment
    publisher_id: int
    instrument_id: int
    side: str
    price: Price | None
    size: int
    cause: str
    filled: list[U64]
    front: list[U64]


class OrderExample(Form, frozen=True, tag_field="kind", tag="order"):
    """An order that rests at the end, with the time that gives it its priority."""

    publisher_id: int
    instrument_id: int
    order_id: U64
    side: str
    price: Price
    size: int
    ts_event: U64
    iso: Iso | None
    sequence: int


Example: TypeAlias = RecordExample | IntervalExample | TradeExample | OrderExample


class Part(Form, frozen=True):
    """One kind of what an observation counts; ``share`` is of the observation's ``total``."""

    name: str
    count: int
    share: Share | None


class Observation(Form, frozen=True):
    """Something the venue or the vendor did: ``count`` of ``total`` (``of`` says of what)."""

    id: str
    title: str
    what: str
    count: int
    of: str
    total: int
    share: Share | None
    first: Moment | None
    last: Moment | None
    parts: list[Part]
    measures: dict[str, int | str]
    examples: list[Example]


class Violation(Form, frozen=True):
    """What broke a rule: after which record (None: at the end), in which book (None: not in one)."""

    at: Moment | None
    publisher_id: int | None
    instrument_id: int | None
    what: str


class Rule(Form, frozen=True):
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


class AuditedBook(Form, frozen=True):
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


class AuditedFile(Form, frozen=True):
    """A file that was read: its base name, and the SHA-256 of its bytes as they are stored."""

    file: str
    sha256: Sha256


class CutShort(Form, frozen=True):
    """Where (byte offset, decompressed) and why reading ended early; what came before was audited."""

    file: str
    offset: int | None
    error: str


class AuditedSource(Form, frozen=True):
    """What was read; of ``instrument_ids`` only, unless that is null."""

    dataset: str
    files: list[AuditedFile]
    partial: CutShort | None
    instrument_ids: list[int] | None


class AuditReport(Form, frozen=True):
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
