"""What the matching engines of the simulated exchange say is what the engines rebuild from its records."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthcast.dbn.layout import Flags
from depthcast.exchange import (
    Exchange,
    ExchangeParams,
    FlowParams,
    Phase,
    PhaseSpan,
    SnapshotParams,
    Style,
)
from tests.support.engines import ENGINES, AnyEngine
from tests.support.simulated import (
    LIVELY,
    MS,
    SHORT_DAY,
    assert_all_true,
    assert_checksum,
    assert_true,
    books_in,
    mbo_of,
    small_exchange,
)

NOTHING_WRONG = (
    "skipped_records",
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
    "tob_modifies",
    "mbp_records",
    "maybe_bad_book",
    "long_events",
)
"""Counters that a venue's own feed never moves."""

sessions = st.lists(
    st.builds(PhaseSpan, st.sampled_from(list(Phase)), st.integers(1, 12).map(lambda ms: ms * MS)),
    max_size=6,
).map(lambda spans: (*spans, PhaseSpan(Phase.TRADING, 10 * MS)))

flows = st.builds(
    FlowParams,
    live_orders=st.integers(8, 120),
    levels=st.integers(2, 30),
    distance_exponent=st.floats(0, 3),
    size_exponent=st.floats(0, 3),
    max_size=st.integers(1, 60),
    market_share=st.floats(0, 0.2),
    ioc_share=st.floats(0, 0.1),
    marketable_share=st.floats(0, 0.2),
    replace_share=st.floats(0, 0.3),
    reduce_share=st.floats(0, 0.1),
    iceberg_share=st.floats(0, 1),
    iceberg_slices=st.integers(2, 20),
    protection_ticks=st.integers(0, 20),
    burst_share=st.floats(0, 0.02),
)

exchanges = st.builds(
    lambda styles, **changes: small_exchange(*styles, **changes),
    st.lists(st.sampled_from(list(Style)), min_size=1, max_size=3),
    seed=st.integers(0, 2**64 - 1),
    session=st.one_of(st.just(SHORT_DAY), sessions),
    flow=st.one_of(st.just(LIVELY), flows),
    snapshots=st.builds(
        SnapshotParams,
        interval_ns=st.sampled_from([0, 3 * MS, 20 * MS]),
        no_clear_share=st.floats(0, 1),
        shuffled_share=st.floats(0, 1),
    ),
    status_records=st.booleans(),
    carry_share=st.floats(0, 1),
    initial_orders=st.sampled_from([0, 0, 40]),
    interleave=st.integers(1, 4),
)


@given(params=exchanges, engine=st.sampled_from(ENGINES), skipped=st.integers(0, 4_000))
@settings(max_examples=60, deadline=None)
def test_every_engine_rebuilds_the_true_book_at_every_event(
    params: ExchangeParams, engine: type[AnyEngine], skipped: int
) -> None:
    exchange, rebuilt = Exchange(params), engine()
    for batch in exchange.run(skipped):
        rebuilt.apply(batch)
    for step in range(250):
        data = exchange.step()
        rebuilt.apply(data)
        for publisher_id, instrument_id in books_in(data):
            assert_checksum(rebuilt, exchange.truth(instrument_id, publisher_id))
        if step % 25 == 0:
            assert_all_true(rebuilt, exchange)
    assert_all_true(rebuilt, exchange)
    counters = rebuilt.counters
    assert {name: counters[name] for name in NOTHING_WRONG} == dict.fromkeys(NOTHING_WRONG, 0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("interleave", [1, 3])
def test_whole_sessions_of_every_style_are_rebuilt_truly(engine: type[AnyEngine], interleave: int) -> None:
    exchange = Exchange(small_exchange(*Style, seed=5, interleave=interleave))
    rebuilt = engine()
    while exchange.records < 9_000:
        data = exchange.step()
        rebuilt.apply(data)
        for publisher_id, instrument_id in books_in(data):
            assert_true(rebuilt, exchange.truth(instrument_id, publisher_id))
    counters = rebuilt.counters
    assert counters["refills"] > 20
    assert counters["snapshots_without_clear"] > 5
    assert counters["tob_adds"] > 100
    phases = {
        rebuilt.status(instrument_id, publisher_id).phase for publisher_id, instrument_id in exchange.books()
    }
    assert phases <= {"pre_open", "pre_cross", "cross", "trading", "halt", "close"}


@given(seed=st.integers(0, 2**32), style=st.sampled_from(list(Style)), clear=st.booleans())
@settings(max_examples=12, deadline=None)
def test_a_reader_that_joins_at_a_snapshot_is_right_from_there_on(
    seed: int, style: Style, clear: bool
) -> None:
    snapshots = SnapshotParams(interval_ns=5 * MS, no_clear_share=0 if clear else 1)
    params = small_exchange(style, seed=seed, snapshots=snapshots)
    exchange = Exchange(dataclasses.replace(params, instruments=params.instruments[:1]))
    joined: AnyEngine | None = None
    for _ in range(600):
        data = exchange.step()
        records = mbo_of(data)
        if joined is None and len(records) > 1 and records["flags"][-1] & Flags.SNAPSHOT:
            joined = ENGINES[0]()
        if joined is not None:
            joined.apply(data)
            if joined.books():
                assert_true(joined, exchange.truth(11))
                assert joined.status(11).complete
    assert joined is not None
