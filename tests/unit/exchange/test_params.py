"""Parameters are checked when they are made, and say what is wrong with them."""

from typing import Any

import pytest

from depthcast.errors import UsageError
from depthcast.exchange import (
    Exchange,
    ExchangeParams,
    FlowParams,
    InstrumentParams,
    Phase,
    PhaseSpan,
    SnapshotParams,
    VenueParams,
    make_instruments,
)

ONE = InstrumentParams(1, "ONE", 10, 100)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InstrumentParams(0, "A", 10, 0), "instrument_id must be between 1 and"),
        (lambda: InstrumentParams(1, "", 10, 0), "symbol must have 1 to 70 bytes"),
        (lambda: InstrumentParams(1, "A", 10, 5), "not a multiple of tick"),
        (lambda: VenueParams(70_000), "publisher_id must be"),
        (lambda: FlowParams(live_orders=1), "live_orders must be"),
        (lambda: FlowParams(burst_speed=3), "power of two"),
        (lambda: FlowParams(market_share=0.5, replace_share=0.5), "must be at most 0.9"),
        (lambda: SnapshotParams(interval_ns=5), "interval_ns"),
        (lambda: ExchangeParams(instruments=()), "instruments times venues"),
        (lambda: ExchangeParams(instruments=(ONE, ONE)), "instrument_id must differ"),
        (lambda: ExchangeParams(instruments=(ONE,), dataset="MUCH.TOO.LONG.NAME"), "dataset must have"),
        (lambda: ExchangeParams(instruments=(ONE,), seed=-1), "seed must be between"),
        (lambda: ExchangeParams(instruments=(ONE,), session=()), "hold a trading phase"),
        (lambda: _session((Phase.TRADING, 0), (Phase.CLOSE, 5)), "only the last phase"),
        (lambda: _session((Phase.TRADING, 5), (Phase.CLOSE, 0)), "must be a trading phase"),
        (
            lambda: ExchangeParams(
                instruments=(InstrumentParams(1, "A", 1, 0, lot=10_000),),
                flow=FlowParams(max_size=10_000, iceberg_slices=1_000),
            ),
            "does not fit",
        ),
    ],
)
def test_bad_parameters_are_refused_with_a_reason(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def _session(*spans: tuple[Phase, int]) -> ExchangeParams:
    return ExchangeParams(instruments=(ONE,), session=tuple(PhaseSpan(*span) for span in spans))


def test_ready_made_instruments_differ_and_run() -> None:
    instruments = make_instruments(12)
    assert (
        len({item.symbol for item in instruments}) == len({item.instrument_id for item in instruments}) == 12
    )
    exchange = Exchange(ExchangeParams(instruments=instruments))
    assert sum(map(len, exchange.run(2_000))) > 0
