"""Ready-made instruments of several kinds, and the metadata of a simulated stream."""

from typing import Final, NamedTuple

import databento_dbn

from depthcast.dbn import make_metadata
from depthcast.exchange.params import ExchangeParams, InstrumentParams

__all__ = ["make_instruments", "stream_metadata"]

FIRST_ID: Final = 1001


class Kind(NamedTuple):
    """What is alike in instruments of a kind."""

    root: str
    tick: int
    reference_price: int
    lot: int


KINDS: Final = (
    Kind("XES", 250_000_000, 6_000_000_000_000, 1),
    Kind("XCL", 10_000_000, 64_800_000_000, 1),
    Kind("XZN", 15_625_000, 112_500_000_000, 1),
    Kind("XSP", 50_000_000, -150_000_000, 1),
    Kind("XEQ", 10_000_000, 185_250_000_000, 100),
)
"""An index future, oil, a bond in 64ths, a spread with prices below zero, a share traded in hundreds."""


def make_instruments(count: int) -> tuple[InstrumentParams, ...]:
    """``count`` instruments, the kinds in turn: XES1, XCL1, ... XES2, ...; the first is the most active."""
    instruments = []
    for number in range(count):
        series, kind = divmod(number, len(KINDS))
        root, tick, reference_price, lot = KINDS[kind]
        instruments.append(
            InstrumentParams(
                instrument_id=FIRST_ID + number,
                symbol=f"{root}{series + 1}",
                tick=tick,
                reference_price=reference_price + series * 40 * tick,
                lot=lot,
                activity=4 / (4 + number),
            )
        )
    return tuple(instruments)


def stream_metadata(params: ExchangeParams, end_ns: int | None = None) -> databento_dbn.Metadata:
    """The metadata of the exchange's stream: DBN version 3, its symbols mapped to their instrument ids.

    The schema is ``mbo``, or mixed if there are Status records.
    """
    return make_metadata(
        params.dataset,
        None if params.status_records else "mbo",
        params.start_ns,
        end=end_ns,
        mappings={item.symbol: item.instrument_id for item in params.instruments},
    )
