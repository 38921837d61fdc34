"""What a simulated exchange is told: venues, instruments, session, order flow. Typed and checked.

Prices are integers in 1e-9 units, times ns. Every class checks itself when it is made and raises `UsageError`
that names the parameter and its bounds.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

from depthcast.errors import UsageError

__all__ = [
    "FULL_DAY",
    "OPEN_END_NS",
    "ExchangeParams",
    "FlowParams",
    "InstrumentParams",
    "Phase",
    "PhaseSpan",
    "SnapshotParams",
    "Style",
    "VenueParams",
]

MS: Final = 1_000_000
OPEN_END_NS: Final = 0
"""The duration of a phase that never ends."""
MAX_DATASET_LENGTH: Final = 15
MAX_SYMBOL_LENGTH: Final = 70


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name} must be between {low} and {high}, not {value}")


def _unique(name: str, values: list[int] | list[str]) -> None:
    if len(set(values)) != len(values):
        raise UsageError(f"{name} must differ between all of them: {values}")


class Style(StrEnum):
    """How a venue reports what its matching engine did (docs/exchange.md has an example of each)."""

    CME = "cme"
    """One event an incoming order: ``T``, ``F``s, then ``C`` for each order filled, ``M`` for the last."""
    NASDAQ = "nasdaq"
    """One event an execution: ``T``, ``F``, ``C`` by the size filled. A replaced order has a new order id."""
    TOP = "top"
    """Best level of each side only, as ``A`` with ``F_TOB``; trades as ``T``; no orders."""


class Phase(IntEnum):
    """A part of the session, by the ``action`` of the Status record that opens it."""

    PRE_OPEN = 1
    """Orders are entered, changed and cancelled; nothing matches; the book may be crossed."""
    PRE_CROSS = 2
    """The same, before an auction that ends a halt or a session."""
    CROSS = 4
    """The auction: what is crossed trades at one price."""
    TRADING = 7
    """Continuous matching by price and time."""
    HALT = 8
    """Orders may only be cancelled."""
    CLOSE = 12
    """The same; what follows is a new session."""


AUCTION: Final = frozenset({Phase.PRE_OPEN, Phase.PRE_CROSS})
CANCEL_ONLY: Final = frozenset({Phase.HALT, Phase.CLOSE})


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """A phase and how long it lasts, `OPEN_END_NS` for one that never ends."""

    phase: Phase
    duration_ns: int

    def __post_init__(self) -> None:
        _check("duration_ns", self.duration_ns, 0, 10**18)


FULL_DAY: Final = (
    PhaseSpan(Phase.PRE_OPEN, 250 * MS),
    PhaseSpan(Phase.CROSS, 1 * MS),
    PhaseSpan(Phase.TRADING, 20_000 * MS),
    PhaseSpan(Phase.HALT, 200 * MS),
    PhaseSpan(Phase.PRE_CROSS, 200 * MS),
    PhaseSpan(Phase.CROSS, 1 * MS),
    PhaseSpan(Phase.TRADING, 30_000 * MS),
    PhaseSpan(Phase.CLOSE, 100 * MS),
)
"""Every phase there is in under a minute of simulated time; then a new session begins."""


@dataclass(frozen=True, slots=True)
class InstrumentParams:
    """One instrument, listed at every venue.

    Args:
        instrument_id: its number in every record.
        symbol: its name in the metadata.
        tick: the smallest step of its price, 1e-9 units.
        reference_price: where its first session is centred, a multiple of ``tick``; may be zero or negative
            (a spread).
        lot: the step of order sizes.
        activity: its share of the order flow, relative to the others'.
    """

    instrument_id: int
    symbol: str
    tick: int
    reference_price: int
    lot: int = 1
    activity: float = 1.0

    def __post_init__(self) -> None:
        _check("instrument_id", self.instrument_id, 1, 2**32 - 1)
        if not self.symbol or len(self.symbol.encode()) > MAX_SYMBOL_LENGTH:
            raise UsageError(f"symbol must have 1 to {MAX_SYMBOL_LENGTH} bytes, not {self.symbol!r}")
        _check("tick", self.tick, 1, 10**15)
        _check("reference_price", self.reference_price, -(10**18), 10**18)
        if self.reference_price % self.tick:
            raise UsageError(f"reference_price {self.reference_price} is not a multiple of tick {self.tick}")
        _check("lot", self.lot, 1, 10_000)
        _check("activity", self.activity, 1e-6, 1e6)


@dataclass(frozen=True, slots=True)
class VenueParams:
    """One venue: a publisher, and how it reports.

    Args:
        publisher_id: its number in every record.
        style: how it normalises.
        channel_id: the channel in every record.
    """

    publisher_id: int
    style: Style = Style.CME
    channel_id: int = 0

    def __post_init__(self) -> None:
        _check("publisher_id", self.publisher_id, 1, 2**16 - 1)
        _check("channel_id", self.channel_id, 0, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowParams:
    """The order flow. Shares are of all order messages in continuous trading unless said otherwise.

    Args:
        live_orders: the number of resting orders that each book tends to.
        levels: how many ticks from the opposite best price limit orders arrive, at most.
        distance_exponent: arrivals at distance d ticks are proportional to ``(1 + d) ** -distance_exponent``.
        size_exponent: sizes s, in lots, are proportional to ``s ** -size_exponent``.
        max_size: the greatest size, lots.
        market_share: market orders, which stop ``protection_ticks`` behind the best price.
        ioc_share: limit orders that cancel what does not trade at once.
        marketable_share: limit orders that trade at once and rest with what remains.
        replace_share: changes of price, size or both.
        reduce_share: changes that only make the order smaller.
        iceberg_share: of the limit orders that arrive, those that show only a part.
        iceberg_slices: the full size of an iceberg over what it shows, at most.
        near_cancel_share: of the cancels, those that take the order nearer to the market of two candidates;
            the others take any order. Cancels near the touch are so up to twice as frequent as far from it.
        protection_ticks: how far through the book an order may trade.
        orders_per_second: order messages a second, of all books together.
        burst_share: the share of order messages that begin a burst.
        burst_length: how many order messages a burst has, on average.
        burst_speed: how much faster they come, a power of two.
    """

    live_orders: int = 400
    levels: int = 50
    distance_exponent: float = 0.7
    size_exponent: float = 1.9
    max_size: int = 400
    market_share: float = 0.025
    ioc_share: float = 0.015
    marketable_share: float = 0.02
    replace_share: float = 0.1
    reduce_share: float = 0.03
    iceberg_share: float = 0.03
    iceberg_slices: int = 8
    near_cancel_share: float = 0.6
    protection_ticks: int = 12
    orders_per_second: int = 20_000
    burst_share: float = 0.0005
    burst_length: int = 80
    burst_speed: int = 16

    def __post_init__(self) -> None:
        _check("live_orders", self.live_orders, 8, 10_000_000)
        _check("levels", self.levels, 2, 10_000)
        _check("distance_exponent", self.distance_exponent, 0, 8)
        _check("size_exponent", self.size_exponent, 0, 8)
        _check("max_size", self.max_size, 1, 10_000)
        names = ("market_share", "ioc_share", "marketable_share", "replace_share", "reduce_share")
        for name in (*names, "iceberg_share", "near_cancel_share", "burst_share"):
            _check(name, getattr(self, name), 0, 1)
        if sum(getattr(self, name) for name in names) > 0.9:
            raise UsageError(
                f"{' + '.join(names)} must be at most 0.9, to leave room for arrivals and cancels"
            )
        _check("iceberg_slices", self.iceberg_slices, 2, 1_000)
        _check("protection_ticks", self.protection_ticks, 0, 10_000)
        _check("orders_per_second", self.orders_per_second, 1, 10**9)
        _check("burst_length", self.burst_length, 1, 10_000)
        _check("burst_speed", self.burst_speed, 1, 1024)
        if self.burst_speed & (self.burst_speed - 1):
            raise UsageError(f"burst_speed must be a power of two, not {self.burst_speed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotParams:
    """The venue's own snapshots of its books.

    Args:
        interval_ns: the time between two of one book, 1 ms or more; 0 for none but those that open a session.
        no_clear_share: the share that has no ``R`` in front.
        shuffled_share: the share whose levels come in any order (orders within a level always in priority
            order).
    """

    interval_ns: int = 10_000 * MS
    no_clear_share: float = 0.25
    shuffled_share: float = 0.5

    def __post_init__(self) -> None:
        if self.interval_ns:
            _check("interval_ns", self.interval_ns, MS, 10**18)
        _check("no_clear_share", self.no_clear_share, 0, 1)
        _check("shuffled_share", self.shuffled_share, 0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeParams:
    """A whole simulated exchange. Equal parameters give equal bytes.

    Args:
        instruments: what is traded, each at every venue.
        venues: where, each with its own books.
        seed: any integer from 0 to 2**64-1.
        dataset: the dataset code of the metadata.
        start_ns: when the first session begins.
        session: its phases, repeated; a session that ends is followed by a new one.
        stagger_ns: how much later than the one before each book goes through its phases.
        flow: the order flow.
        snapshots: the venue's own snapshots.
        status_records: whether phases are announced by Status records (the stream is then of mixed schema).
        carry_share: the share of orders that outlive a session (good till cancelled).
        initial_orders: orders a book holds before the first record. The stream then begins with a snapshot of
            them, in the first trading phase; with 0 it begins with a clear, in the first phase.
        interleave: how many books' events may be open at once; 1 writes each event whole.
    """

    instruments: tuple[InstrumentParams, ...]
    venues: tuple[VenueParams, ...] = (VenueParams(65_001, Style.CME),)
    seed: int = 1
    dataset: str = "XSIM.MBO"
    start_ns: int = 1_767_623_400_000_000_000
    session: tuple[PhaseSpan, ...] = FULL_DAY
    stagger_ns: int = 5 * MS
    flow: FlowParams = field(default_factory=FlowParams)
    snapshots: SnapshotParams = field(default_factory=SnapshotParams)
    status_records: bool = True
    carry_share: float = 0.3
    initial_orders: int = 0
    interleave: int = 1

    def __post_init__(self) -> None:
        _check("seed", self.seed, 0, 2**64 - 1)
        if not self.dataset or len(self.dataset.encode()) > MAX_DATASET_LENGTH:
            raise UsageError(f"dataset must have 1 to {MAX_DATASET_LENGTH} bytes, not {self.dataset!r}")
        _check("start_ns", self.start_ns, 0, 2**62)
        _check("stagger_ns", self.stagger_ns, 0, 10**15)
        _check("carry_share", self.carry_share, 0, 1)
        _check("initial_orders", self.initial_orders, 0, 10_000_000)
        _check("interleave", self.interleave, 1, 1024)
        _check("instruments times venues", len(self.instruments) * len(self.venues), 1, 10_000)
        _unique("instrument_id", [item.instrument_id for item in self.instruments])
        _unique("symbol", [item.symbol for item in self.instruments])
        _unique("publisher_id", [item.publisher_id for item in self.venues])
        self._check_sizes()
        self._check_session()

    def _check_sizes(self) -> None:
        largest = self.flow.max_size * self.flow.iceberg_slices * max(item.lot for item in self.instruments)
        if largest >= 2**32:
            raise UsageError(
                f"max_size * iceberg_slices * lot is {largest}, which does not fit a 32-bit size"
            )

    def _check_session(self) -> None:
        phases = [span.phase for span in self.session]
        if Phase.TRADING not in phases:
            raise UsageError("session must hold a trading phase")
        if any(span.duration_ns == OPEN_END_NS for span in self.session[:-1]):
            raise UsageError("only the last phase of a session can have no end")
        if phases[-1] != Phase.TRADING and self.session[-1].duration_ns == OPEN_END_NS:
            raise UsageError("a phase without end must be a trading phase")
        if self.session[-1].duration_ns != OPEN_END_NS and not sum(
            span.duration_ns for span in self.session if span.phase not in CANCEL_ONLY
        ):
            raise UsageError("session must last")
