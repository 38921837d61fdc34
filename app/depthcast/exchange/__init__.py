"""A simulated exchange: matching engines and an order flow that emit MBO records, the truth beside them."""

from depthcast.exchange.catalogue import make_instruments, stream_metadata
from depthcast.exchange.exchange import Exchange
from depthcast.exchange.params import (
    FULL_DAY,
    OPEN_END_NS,
    ExchangeParams,
    FlowParams,
    InstrumentParams,
    Phase,
    PhaseSpan,
    SnapshotParams,
    Style,
    VenueParams,
)
from depthcast.exchange.truth import TrueBook, TrueLevel, TrueOrder

__all__ = [
    "FULL_DAY",
    "OPEN_END_NS",
    "Exchange",
    "ExchangeParams",
    "FlowParams",
    "InstrumentParams",
    "Phase",
    "PhaseSpan",
    "SnapshotParams",
    "Style",
    "TrueBook",
    "TrueLevel",
    "TrueOrder",
    "VenueParams",
    "make_instruments",
    "stream_metadata",
]
