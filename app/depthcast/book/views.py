"""Books as JSON: the forms that the command line writes and the REST API serves (docs/book.schema.json).

Prices are exact decimal strings; timestamps and order ids are strings too, since a JSON number may lose bits.
"""

from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey, BookStatus, Order
from depthcast.dbn.layout import PRICE_SCALE, UNDEF_PRICE, UNDEF_TIMESTAMP

__all__ = [
    "BookMetadata",
    "BookState",
    "BookView",
    "LevelView",
    "OrderView",
    "VersionView",
    "book_view",
    "iso",
    "price_str",
]

_NS: Final = 1_000_000_000


class OrderView(Struct, frozen=True):
    """A resting order; a level lists them in priority order."""

    order_id: str
    size: int
    ts_event: str
    sequence: int


class LevelView(Struct, frozen=True):
    """One price on one side; ``orders`` only where they were asked for."""

    price: str
    size: int
    count: int
    orders: list[OrderView] | UnsetType = UNSET


class VersionView(Struct, frozen=True):
    """Time and sequence of the last completed event."""

    ts_event: str
    sequence: int


class BookMetadata(Struct, frozen=True):
    """Which book, and how far its data goes: time and sequence are those of its last record."""

    dataset: str
    symbol: str | None
    instrument_id: int
    publisher_id: int
    ts_event: str
    ts_event_iso: str | None
    ts_recv: str
    ts_recv_iso: str | None
    sequence: int
    records: int
    events: int


class BookState(Struct, frozen=True):
    """Whether the book can be trusted, and in what state its market is."""

    in_event: bool
    complete: bool
    suspect: bool
    top: str
    phase: str | None
    version: VersionView


class BookView(Struct, frozen=True):
    """One book, best levels first.

    ``checksum`` is the engine's: of the levels listed, and where all are, of their orders too (docs/book.md).
    """

    metadata: BookMetadata
    status: BookState
    bids: list[LevelView]
    asks: list[LevelView]
    checksum: int


def book_view(
    engine: BookEngine,
    key: BookKey,
    *,
    dataset: str,
    symbol: str | None,
    levels: int = 0,
    orders: bool = False,
) -> BookView:
    """The book ``key`` of ``engine``.

    Args:
        engine: an engine that holds the book.
        key: the book.
        dataset: the dataset's code, as in the file's metadata.
        symbol: the instrument's symbol, None if not known.
        levels: how many levels of each side; 0 is all.
        orders: list each level's orders too.

    Raises:
        UnknownBookError: the engine has no such book.
    """
    publisher_id, instrument_id = key
    status = engine.status(instrument_id, publisher_id)
    depth = engine.depth(instrument_id, levels, publisher_id)

    def queue(side: Literal["B", "A"], price: int) -> list[OrderView] | UnsetType:
        if not orders:
            return UNSET
        return [_order_view(order) for order in engine.orders(instrument_id, side, price, publisher_id)]

    return BookView(
        metadata=_metadata(status, dataset, symbol),
        status=_state(status),
        bids=[LevelView(price_str(px), size, count, queue("B", px)) for px, size, count in depth.bids],
        asks=[LevelView(price_str(px), size, count, queue("A", px)) for px, size, count in depth.asks],
        checksum=engine.checksum(instrument_id, levels, publisher_id),
    )


def price_str(price: int) -> str:
    """A price of 1e-9 units as an exact decimal: no exponent, no trailing zeros (``"64.79"``, ``"-3.25"``).

    Raises:
        ValueError: the undefined price, which has no decimal form.
    """
    if price == UNDEF_PRICE:
        raise ValueError("the undefined price has no decimal form")
    whole, fraction = divmod(abs(price), PRICE_SCALE)
    sign = "-" if price < 0 else ""
    return f"{sign}{whole}.{fraction:09d}".rstrip("0").rstrip(".")


def iso(ns: int) -> str:
    """A time in ns since the epoch as ISO 8601 in UTC with nine decimals: ``2025-09-24T19:30:00.000000001Z``.

    Raises:
        ValueError: the undefined timestamp, or a negative one.
    """
    if ns == UNDEF_TIMESTAMP or ns < 0:
        raise ValueError(f"{ns} is not a time")
    seconds, rest = divmod(ns, _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _iso_or_none(ns: int) -> str | None:
    return None if ns == UNDEF_TIMESTAMP else iso(ns)


def _order_view(order: Order) -> OrderView:
    return OrderView(str(order.order_id), order.size, str(order.ts_event), order.sequence)


def _metadata(status: BookStatus, dataset: str, symbol: str | None) -> BookMetadata:
    return BookMetadata(
        dataset=dataset,
        symbol=symbol,
        instrument_id=status.instrument_id,
        publisher_id=status.publisher_id,
        ts_event=str(status.ts_event),
        ts_event_iso=_iso_or_none(status.ts_event),
        ts_recv=str(status.ts_recv),
        ts_recv_iso=_iso_or_none(status.ts_recv),
        sequence=status.sequence,
        records=status.records,
        events=status.events,
    )


def _state(status: BookStatus) -> BookState:
    ts_event, sequence = status.version
    return BookState(
        in_event=status.in_event,
        complete=status.complete,
        suspect=status.suspect,
        top=status.top,
        phase=status.phase,
        version=VersionView(str(ts_event), sequence),
    )
