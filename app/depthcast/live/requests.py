"""The lines a client sends: authentication, subscriptions, start.

Each is a frozen dataclass whose instances are valid: `from_fields` makes one of a parsed line (unknown keys
are ignored, order is free), `to_line` writes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from depthcast.book.derive_schemas import SCHEMAS as DERIVED
from depthcast.errors import ProtocolError, SessionError
from depthcast.live.control import STYPES, ErrorCode
from depthcast.live.cram import split_answer
from depthcast.live.feed_view import STATES
from depthcast.live.lines import format_line, shown

__all__ = [
    "ALL_SYMBOLS",
    "DEFAULT_HEARTBEAT_S",
    "MAX_SYMBOLS",
    "SCHEMAS",
    "Authentication",
    "Start",
    "SubscriptionRequest",
    "parse_request",
    "subscription_requests",
]

SCHEMAS: Final = (
    "mbo",
    *DERIVED,
    "definition",
    "statistics",
    "status",
    "imbalance",
    "cmbp-1",
    "cbbo-1s",
    "cbbo-1m",
    "tcbbo",
)
"""The schemas the protocol knows; a gateway may serve fewer."""

ALL_SYMBOLS: Final = "ALL_SYMBOLS"
MAX_SYMBOLS: Final = 500
"""Symbols in one line; longer lists are cut into several lines."""
DEFAULT_HEARTBEAT_S: Final = 30
MAX_HEARTBEAT_S: Final = 1800

_UNDEF_TIMESTAMP: Final = 2**64 - 1
_MAX_TEXT: Final = 1024


@dataclass(frozen=True, slots=True)
class Authentication:
    """The first line of a client.

    Attributes:
        auth: the challenge's response and the key's bucket id, ``hex64-bucket``.
        dataset: ``GLBX.MDP3``; one a connection.
        encoding: always ``dbn``.
        ts_out: whether every record is to be followed by its send time.
        compression: of everything after the start.
        heartbeat_interval_s: 1 to 1800.
        slow_reader_behavior: what is asked for when the client falls behind; None leaves it to the gateway.
            ``drop``, an old name of ``skip``, is read as that.
        client, details: free text about the program.
    """

    auth: str
    dataset: str
    encoding: str = "dbn"
    ts_out: bool = False
    compression: Literal["none", "zstd"] = "none"
    heartbeat_interval_s: int = DEFAULT_HEARTBEAT_S
    slow_reader_behavior: Literal["skip", "warn"] | None = None
    client: str = ""
    details: str = ""

    def __post_init__(self) -> None:
        split_answer(self.auth)
        if not self.dataset or len(self.dataset) > 15 or not self.dataset.isascii():
            raise ProtocolError(f"dataset: expected a code such as GLBX.MDP3, got {shown(self.dataset)}")
        if self.encoding != "dbn":
            raise ProtocolError(f"encoding: the only one is dbn, got {shown(self.encoding)}")
        if self.compression not in ("none", "zstd"):
            raise ProtocolError(f"compression: expected none or zstd, got {shown(self.compression)}")
        if not 1 <= self.heartbeat_interval_s <= MAX_HEARTBEAT_S:
            raise ProtocolError(
                f"heartbeat_interval_s: expected 1 to {MAX_HEARTBEAT_S}, got {self.heartbeat_interval_s}"
            )
        if self.slow_reader_behavior not in (None, "skip", "warn"):
            raise ProtocolError(
                f"slow_reader_behavior: expected skip or warn, got {shown(self.slow_reader_behavior)}"
            )
        for name, text in (("client", self.client), ("details", self.details)):
            if len(text) > _MAX_TEXT:
                raise ProtocolError(f"{name}: {len(text):,} characters; at most {_MAX_TEXT:,}")

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "Authentication":
        """Raises ProtocolError naming the field that is missing or wrong."""
        behavior = fields.get("slow_reader_behavior") or None
        heartbeat = _number(fields, "heartbeat_interval_s")
        return cls(
            auth=_required(fields, "auth"),
            dataset=_required(fields, "dataset"),
            encoding=fields.get("encoding", "dbn"),
            ts_out=_flag(fields, "ts_out", default=False),
            compression=fields.get("compression", "none"),  # type: ignore[arg-type]  # checked above
            heartbeat_interval_s=DEFAULT_HEARTBEAT_S if heartbeat is None else heartbeat,
            slow_reader_behavior="skip" if behavior == "drop" else behavior,  # type: ignore[arg-type]
            client=fields.get("client", ""),
            details=fields.get("details", ""),
        )

    def to_line(self) -> bytes:
        """The line, LF included; the fields in the official Python client's order."""
        pairs: list[tuple[str, str | int]] = [
            ("auth", self.auth),
            ("dataset", self.dataset),
            ("encoding", self.encoding),
        ]
        if self.details:
            pairs.append(("details", self.details))
        pairs += [
            ("ts_out", self.ts_out),
            ("compression", self.compression),
            ("heartbeat_interval_s", self.heartbeat_interval_s),
        ]
        if self.slow_reader_behavior is not None:
            pairs.append(("slow_reader_behavior", self.slow_reader_behavior))
        if self.client:
            pairs.append(("client", self.client))
        return format_line(pairs)


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """One subscription line. A fault in one is a `SessionError` with code 5, invalid subscription.

    Attributes:
        schema: one of `SCHEMAS`.
        symbols: 1 to 500, without repetition, in order; or `ALL_SYMBOLS` alone.
        stype_in: their symbology.
        start: replay from this time on, ns since the epoch, inclusive; 0 for all there is; None for live
            data.
        snapshot: begin with the book, or the latest record of each instrument (`STATES` only, never with
            ``start``). Databento's own gateways have it for ``mbo`` alone.
        id: the client's number for it, u32, repeated in the acknowledgement; None if it gave none.
        is_last: whether it is the last line of one logical subscription.
    """

    schema: str
    symbols: tuple[str, ...]
    stype_in: str = "raw_symbol"
    start: int | None = None
    snapshot: bool = False
    id: int | None = None
    is_last: bool = True

    def __post_init__(self) -> None:
        if self.schema not in SCHEMAS:
            _invalid(f"schema: expected one of {', '.join(SCHEMAS)}, got {shown(self.schema)}")
        if self.stype_in not in STYPES:
            _invalid(f"stype_in: expected one of {', '.join(STYPES)}, got {shown(self.stype_in)}")
        self._check_symbols()
        if self.start is not None and not 0 <= self.start < _UNDEF_TIMESTAMP:
            _invalid(f"start: expected ns since the epoch, got {self.start}")
        if self.snapshot and self.schema not in STATES:
            _invalid(f"snapshot: only {', '.join(STATES)} have snapshots, not {self.schema}")
        if self.snapshot and self.start is not None:
            _invalid("snapshot: not together with start; a replay begins with no book")
        if self.id is not None and not 0 <= self.id < 2**32:
            _invalid(f"id: expected 0 to {2**32 - 1}, got {self.id}")

    def _check_symbols(self) -> None:
        if not self.symbols:
            _invalid(f"symbols: none; for all there are, {ALL_SYMBOLS}")
        if len(self.symbols) > MAX_SYMBOLS:
            _invalid(
                f"symbols: {len(self.symbols):,} in one line; at most {MAX_SYMBOLS}, the rest in more lines"
            )
        if ALL_SYMBOLS in self.symbols and len(self.symbols) > 1:
            _invalid(f"symbols: {ALL_SYMBOLS} stands alone, here it is one of {len(self.symbols)}")
        for symbol in self.symbols:
            if not symbol or "," in symbol:
                _invalid(f"symbols: not a symbol: {shown(symbol)}")

    @property
    def all_symbols(self) -> bool:
        """Whether every instrument is meant."""
        return self.symbols == (ALL_SYMBOLS,)

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "SubscriptionRequest":
        """Raises SessionError (code 5) naming the field that is missing or wrong."""
        try:
            symbols = _required(fields, "symbols").split(",")
            return cls(
                schema=_required(fields, "schema"),
                stype_in=fields.get("stype_in") or "raw_symbol",
                symbols=tuple(dict.fromkeys(symbols) if len(symbols) <= MAX_SYMBOLS else symbols),
                start=_number(fields, "start"),
                snapshot=_flag(fields, "snapshot", default=False),
                id=_number(fields, "id"),
                is_last=_flag(fields, "is_last", default=True),
            )
        except ProtocolError as error:
            _invalid(str(error))

    def to_line(self) -> bytes:
        """The line, LF included; the fields in the official Python client's order."""
        pairs: list[tuple[str, str | int]] = [
            ("schema", self.schema),
            ("stype_in", self.stype_in),
            ("symbols", ",".join(self.symbols)),
        ]
        if self.start is not None:
            pairs.append(("start", self.start))
        pairs.append(("snapshot", self.snapshot))
        if self.id is not None:
            pairs.append(("id", self.id))
        pairs.append(("is_last", self.is_last))
        return format_line(pairs)


@dataclass(frozen=True, slots=True)
class Start:
    """The line that starts the stream: ``start_session`` or ``start_session=0``."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "Start":
        """Raises ProtocolError where the line is not that, or carries a value that is no number."""
        value = fields.get("start_session")
        if value is None or (value and not _is_number(value)):
            raise ProtocolError(f"start_session: expected no value or 0, got {shown(value or '')}")
        return cls()

    def to_line(self) -> bytes:
        """The line, LF included, as the official Python client writes it."""
        return format_line({"start_session": "0"})


def parse_request(fields: Mapping[str, str]) -> Authentication | SubscriptionRequest | Start:
    """Whatever a client's line is, told by its keys.

    Raises:
        ProtocolError: none of the three, or a field of an authentication or start is wrong.
        SessionError: a field of a subscription is wrong (code 5).
    """
    if "auth" in fields:
        return Authentication.from_fields(fields)
    if "start_session" in fields:
        return Start.from_fields(fields)
    if "schema" in fields or "symbols" in fields:
        return SubscriptionRequest.from_fields(fields)
    raise ProtocolError(f"a line that is no request: {shown('|'.join(fields))}")


def subscription_requests(
    schema: str,
    symbols: Sequence[str] = (ALL_SYMBOLS,),
    *,
    stype_in: str = "raw_symbol",
    start: int | None = None,
    snapshot: bool = False,
    id: int | None = None,  # noqa: A002 - the protocol's name
) -> Iterator[SubscriptionRequest]:
    """One subscription as its lines: at most 500 symbols each, ``is_last`` on the last alone.

    Raises:
        SessionError: see `SubscriptionRequest`.
    """
    asked = list(dict.fromkeys(symbols))
    for begin in range(0, len(asked) or 1, MAX_SYMBOLS):
        part = tuple(asked[begin : begin + MAX_SYMBOLS])
        last = begin + MAX_SYMBOLS >= len(asked)
        yield SubscriptionRequest(schema, part, stype_in, start, snapshot, id, last)


def _invalid(message: str) -> NoReturn:
    raise SessionError(message, code=ErrorCode.INVALID_SUBSCRIPTION)


def _required(fields: Mapping[str, str], key: str) -> str:
    value = fields.get(key)
    if not value:
        raise ProtocolError(f"{key}: missing")
    return value


def _flag(fields: Mapping[str, str], key: str, *, default: bool) -> bool:
    value = fields.get(key)
    if value is None:
        return default
    if value not in ("0", "1"):
        raise ProtocolError(f"{key}: expected 0 or 1, got {shown(value)}")
    return value == "1"


def _number(fields: Mapping[str, str], key: str) -> int | None:
    value = fields.get(key)
    if value is None:
        return None
    if not _is_number(value):
        raise ProtocolError(f"{key}: expected a number, got {shown(value)}")
    return int(value)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20
