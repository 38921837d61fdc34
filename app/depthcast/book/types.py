"""What the engine answers with. `Level` and `Depth` are compiled (level.pyx); the rest is plain Python."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from depthcast.book.level import Depth, Level

__all__ = ["COUNTERS", "PHASES", "Bbo", "BookKey", "BookStatus", "Depth", "Level", "Order", "QueuePosition"]


class BookKey(NamedTuple):
    """A book: one instrument at one publisher."""

    publisher_id: int
    instrument_id: int


class Order(NamedTuple):
    """A resting order, in the place its priority gives it.

    ``ts_event`` (ns) and ``sequence`` are those of the record that gave it its present priority.
    """

    order_id: int
    size: int
    ts_event: int
    sequence: int


class QueuePosition(NamedTuple):
    """An order's place in its queue: what stands before it at its price."""

    order_id: int
    side: str
    price: int
    size: int
    orders_ahead: int
    size_ahead: int


class Bbo(NamedTuple):
    """The best level of each side, None where a side is empty."""

    bid: Level | None
    ask: Level | None


@dataclass(frozen=True, slots=True)
class BookStatus:
    """The state of one book (docs/book.md, "State of a book").

    ``version`` is (ts_event, sequence) of the last completed event; the ``ts_event``, ``ts_recv`` and
    ``sequence`` beside it are those of the last record applied. All are 0 before the first. ``records`` and
    ``events`` count this book's MBO records and completed events, ``orders`` and ``levels`` both sides.
    """

    publisher_id: int
    instrument_id: int
    in_event: bool
    complete: bool
    suspect: bool
    top: str
    """``"empty"`` (either side is), ``"normal"``, ``"locked"`` or ``"crossed"``."""
    phase: str | None
    """One of `PHASES`' values, None until the venue sent a Status record."""
    version: tuple[int, int]
    ts_event: int
    ts_recv: int
    sequence: int
    orders: int
    levels: int
    records: int
    events: int


PHASES: Final[dict[int, str]] = {
    1: "pre_open",
    2: "pre_cross",
    3: "quoting",
    4: "cross",
    5: "rotation",
    6: "new_price_indication",
    7: "trading",
    8: "halt",
    9: "pause",
    10: "suspend",
    11: "pre_close",
    12: "close",
    13: "post_close",
    15: "not_available",
}
"""Status ``action`` to phase. 0 (no change) and 14 (short-sell restriction) are no phases: no change."""

COUNTERS: Final = (
    "records",
    "events",
    "status_records",
    "skipped_records",
    "adds",
    "cancels",
    "modifies",
    "clears",
    "trades",
    "fills",
    "nones",
    "unknown_actions",
    "bad_side",
    "bad_price",
    "zero_size_adds",
    "duplicate_adds",
    "over_cancels",
    "cancel_mismatches",
    "unknown_cancels",
    "unknown_fills",
    "unknown_modifies",
    "zero_size_modifies",
    "side_changes",
    "refills",
    "tob_adds",
    "tob_modifies",
    "mbp_records",
    "snapshot_records",
    "snapshots_without_clear",
    "maybe_bad_book",
    "long_events",
    "volume_added_bid",
    "volume_added_ask",
    "volume_removed_bid",
    "volume_removed_ask",
)
"""The engine's counters, in the order in which they are reported. docs/counters.md says what each counts."""
