"""The simulated exchange as a whole: same bytes, whole events, phases, a market that looks like one."""

import copy
import hashlib
import pickle
import zlib
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import databento_dbn
import numpy as np
import pytest

from depthcast.book.engine import Engine
from depthcast.dbn import instrument_symbols
from depthcast.dbn.layout import MBO, STATUS, Flags, RType
from depthcast.errors import AmbiguousBookError, UnknownBookError, UsageError
from depthcast.exchange import (
    OPEN_END_NS,
    Exchange,
    ExchangeParams,
    FlowParams,
    Phase,
    PhaseSpan,
    SnapshotParams,
    Style,
    make_instruments,
    stream_metadata,
)
from tests.support.simulated import (
    MS,
    SHORT_DAY,
    assert_all_true,
    books_in,
    mbo_of,
    records_of,
    small_exchange,
)


def run(params: ExchangeParams, records: int) -> bytes:
    return b"".join(Exchange(params).run(records))


# -- The same bytes


@pytest.mark.parametrize("interleave", [1, 3])
def test_the_bytes_do_not_depend_on_how_they_are_asked_for(interleave: int) -> None:
    params = small_exchange(*Style, interleave=interleave)
    whole = run(params, 6_000)
    in_steps, exchange = b"", Exchange(params)
    while exchange.records < 6_000:
        in_steps += exchange.step()
    assert in_steps == whole
    exchange = Exchange(params)
    parts = [part for size in (10, 1, 999, 3_000) for part in exchange.run(size, batch_bytes=500)]
    parts += exchange.run(6_000 - exchange.records, batch_bytes=1)
    assert b"".join(parts) == whole


def test_these_bytes_are_the_same_on_every_machine() -> None:
    """Changes with anything that changes what a seed gives: then say so in the changelog."""
    digest = hashlib.sha256(run(small_exchange(*Style, seed=2**64 - 1, interleave=2), 10_000)).hexdigest()
    assert digest == "7a33b87e4a7952bc48ec95c306dbed4884af3f5fb75262c0b5b53d324c7116bb"


def test_another_seed_gives_another_market() -> None:
    assert run(small_exchange(seed=1), 500) != run(small_exchange(seed=2), 500)


@pytest.mark.parametrize("interleave", [1, 3])
def test_an_exchange_goes_on_from_any_event_as_if_it_had_never_stopped(interleave: int) -> None:
    params = small_exchange(*Style, interleave=interleave)
    unbroken, broken = Exchange(params), Exchange(params)
    for step in range(2_500):
        if step % 11 == 0:
            broken = Exchange.restore(broken.checkpoint())
        elif step % 7 == 0:
            broken = pickle.loads(pickle.dumps(broken))  # noqa: S301 - our own bytes
        assert broken.step() == unbroken.step()
    assert broken.checkpoint() == unbroken.checkpoint() == copy.deepcopy(broken).checkpoint()
    assert (broken.records, broken.now_ns) == (unbroken.records, unbroken.now_ns)


def test_what_is_no_checkpoint_is_refused() -> None:
    data = Exchange(small_exchange()).checkpoint()
    for bad in (b"", b"nonsense", data[:-3], data[:50] + b"?" + data[51:]):
        with pytest.raises(UsageError, match="not a checkpoint"):
            Exchange.restore(bad)
    other = b"\x91\x02"
    with pytest.raises(UsageError, match="a checkpoint of format 2"):
        Exchange.restore(zlib.crc32(other).to_bytes(4, "little") + other)


# -- The records


def test_every_record_is_what_databento_reads() -> None:
    params = small_exchange(*Style)
    decoder = databento_dbn.DBNDecoder()
    data = run(params, 5_000)
    decoder.write(stream_metadata(params).encode() + data)
    decoded = decoder.decode()
    assert [bytes(record) for record in decoded[1:]] == records_of(data)
    kinds = Counter(type(record).__name__ for record in decoded[1:])
    assert set(kinds) == {"MBOMsg", "StatusMsg"}


def test_metadata_maps_symbols_to_instruments() -> None:
    metadata = stream_metadata(small_exchange())
    assert instrument_symbols(metadata) == {11: "FUT", 12: "SPREAD"}
    assert (metadata.version, metadata.schema, metadata.dataset) == (3, None, "XSIM.MBO")
    assert str(stream_metadata(small_exchange(status_records=False)).schema) == "mbo"


def test_no_status_records_where_none_are_wanted() -> None:
    data = run(small_exchange(status_records=False), 3_000)
    assert {record[1] for record in records_of(data)} == {RType.MBO}


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("interleave", [1, 4])
def test_times_and_numbers_go_forward_and_events_end(style: Style, interleave: int) -> None:
    live = mbo_of(run(small_exchange(style, interleave=interleave), 6_000))
    assert (np.diff(live["ts_recv"].astype(np.int64)) >= 0).all()
    live = live[(live["flags"] & Flags.SNAPSHOT) == 0]
    assert (live["ts_recv"] > live["ts_event"]).all()
    assert (live["ts_in_delta"] > 0).all()
    assert (live["ts_in_delta"] <= live["ts_recv"] - live["ts_event"]).all()
    for instrument_id in (11, 12):
        own = live[live["instrument_id"] == instrument_id]
        assert (np.diff(own["sequence"].astype(np.int64)) >= 0).all()
        assert (np.diff(own["ts_event"].astype(np.int64)) >= 0).all()
        assert own["flags"][-1] & Flags.LAST


def test_batches_hold_whole_events() -> None:
    exchange = Exchange(small_exchange())
    for batch in exchange.run(5_000, batch_bytes=1_000):
        last = records_of(batch)[-1]
        mbo = last[1] == RType.MBO
        assert not mbo or last[36] & Flags.LAST or last[38:39] == b"R"
        assert len(batch) >= 1_000 or exchange.records >= 5_000


def test_interleaved_events_are_open_at_once() -> None:
    apart = mbo_of(run(small_exchange(interleave=1), 6_000))
    mixed = mbo_of(run(small_exchange(interleave=2), 6_000))

    def open_at_once(records: np.ndarray) -> int:
        """How often a record follows one of another book whose event is open."""
        return sum(
            before["instrument_id"] != after["instrument_id"] and not before["flags"] & Flags.LAST
            for before, after in pairwise(records)
            if before["action"] != b"R"
        )

    assert open_at_once(apart) == 0
    assert open_at_once(mixed) > 20


# -- Phases


def phases_and_events(style: Style, records: int = 12_000) -> list[tuple[int, bytes]]:
    """Of the first book: each step's bytes and the phase (Status action) that it is in."""
    params = small_exchange(style, stagger_ns=0)
    exchange = Exchange(replace(params, instruments=params.instruments[:1]))
    phase, found = 0, []
    while exchange.records < records:
        data = exchange.step()
        if data[1] == RType.STATUS:
            phase = int(np.frombuffer(data, STATUS)["action"][0])
        else:
            found.append((phase, data))
    return found


@pytest.mark.parametrize("style", [Style.CME, Style.NASDAQ])
def test_each_phase_has_the_events_that_belong_to_it(style: Style) -> None:
    seen: dict[int, Counter[tuple[bytes, bytes]]] = {}
    for phase, data in phases_and_events(style):
        records = mbo_of(data)
        records = records[(records["flags"] & Flags.SNAPSHOT) == 0]
        pairs = zip(records["action"].tolist(), records["side"].tolist(), strict=True)
        seen.setdefault(phase, Counter()).update(pairs)
    actions = {phase: {action for action, _ in pairs} for phase, pairs in seen.items()}
    trade_sides = {phase: {side for action, side in pairs if action == b"T"} for phase, pairs in seen.items()}
    assert trade_sides[Phase.CROSS] == {b"N"}
    assert trade_sides[Phase.TRADING] == {b"A", b"B"}
    assert actions[Phase.HALT] == {b"C"}
    assert actions[Phase.CLOSE] <= {b"C", b"R"}
    for phase in (Phase.PRE_OPEN, Phase.PRE_CROSS):
        assert not trade_sides[phase]
        assert {b"A", b"C"} <= actions[phase]


def test_the_book_is_crossed_in_auctions_and_never_in_trading() -> None:
    engine, tops = Engine(), Counter[tuple[str | None, str]]()
    exchange = Exchange(small_exchange(Style.CME))
    while exchange.records < 12_000:
        engine.apply(exchange.step())
        for key in engine.changed():
            status = engine.status(key.instrument_id, key.publisher_id)
            tops[status.phase, status.top] += 1
    assert tops["pre_open", "crossed"] > 20
    assert tops["pre_cross", "crossed"] > 20
    assert tops["trading", "normal"] > 1_000
    assert not tops["trading", "locked"]
    assert tops["trading", "crossed"] <= 4, "only in the event before the auction that opens trading"


def test_a_session_that_ends_carries_some_orders_into_the_next() -> None:
    opens = [
        (mbo_of(data)["flags"][0], len(mbo_of(data)))
        for phase, data in phases_and_events(Style.CME, 30_000)
        if phase == Phase.CLOSE and mbo_of(data)["action"][0] == b"R"
    ]
    assert opens
    assert all(flags & Flags.SNAPSHOT and count > 5 for flags, count in opens)
    none_carried = small_exchange(carry_share=0.0, snapshots=SnapshotParams(interval_ns=0))
    clears = mbo_of(run(none_carried, 15_000))
    clears = clears[clears["action"] == b"R"]
    assert len(clears) > 2
    assert not (clears["flags"] & Flags.SNAPSHOT).any()


def test_trading_can_go_on_for_ever() -> None:
    session = (*SHORT_DAY[:2], PhaseSpan(Phase.TRADING, OPEN_END_NS))
    exchange = Exchange(small_exchange(session=session))
    data = b"".join(exchange.run(20_000))
    statuses = [record for record in records_of(data) if record[1] == RType.STATUS]
    assert len(statuses) == 3 * 2


def test_a_night_without_orders_passes_at_once() -> None:
    night = (PhaseSpan(Phase.TRADING, 10 * MS), PhaseSpan(Phase.CLOSE, 16 * 3_600_000 * MS))
    exchange = Exchange(small_exchange(session=night, snapshots=SnapshotParams(interval_ns=0)))
    for _ in exchange.run(5_000):
        pass
    assert exchange.now_ns - exchange.params.start_ns > 2 * 16 * 3_600_000 * MS


def test_an_exchange_can_begin_in_mid_session_with_full_books() -> None:
    exchange = Exchange(small_exchange(initial_orders=500))
    records = mbo_of(exchange.step())
    assert records["action"].tolist() == [b"R"] + [b"A"] * 500
    assert (records["flags"] & Flags.SNAPSHOT).all()
    status = exchange.step()
    assert int(np.frombuffer(status, STATUS)["action"][0]) == Phase.TRADING


# -- The market


@pytest.mark.parametrize("style", [Style.CME, Style.NASDAQ])
def test_the_market_looks_like_one(style: Style) -> None:
    session = (PhaseSpan(Phase.PRE_OPEN, 50 * MS), PhaseSpan(Phase.TRADING, OPEN_END_NS))
    params = small_exchange(style, session=session, flow=FlowParams(live_orders=200))
    params = replace(params, instruments=params.instruments[:1])
    exchange, tick = Exchange(params), params.instruments[0].tick
    for _ in exchange.run(4_000):
        pass
    spreads, live, tops = Counter[int](), [], set()
    trades: list[int] = []
    for _ in range(300):
        for batch in exchange.run(100):
            records = mbo_of(batch)
            trades += records["size"][records["action"] == b"T"].tolist()
        truth = exchange.truth(11)
        assert truth.bids
        assert truth.asks
        spreads[(truth.asks[0].price - truth.bids[0].price) // tick] += 1
        live.append(sum(level.count for level in (*truth.bids, *truth.asks)))
        tops.add((truth.bids[0].price, truth.asks[0].price))
    assert spreads[1] + spreads[2] > 0.8 * sum(spreads.values())
    assert 100 < min(live) <= max(live) < 300
    assert len(tops) > 10, "the touch moves"
    assert np.median(trades) < np.mean(trades), "sizes have a heavy tail"
    middle = sum(tops, ())
    assert max(middle) - min(middle) < 400 * tick, "prices wander near the reference"


def test_bursts_come_fast_and_to_one_book() -> None:
    calm = FlowParams(burst_share=0.0)
    wild = FlowParams(burst_share=0.01, burst_speed=64)
    spans, stays = [], []
    for flow in (calm, wild):
        exchange = Exchange(ExchangeParams(instruments=make_instruments(8), flow=flow))
        records = mbo_of(b"".join(exchange.run(8_000)))
        books = records["instrument_id"][(records["action"] == b"A") & (records["flags"] == Flags.LAST)]
        spans.append(exchange.now_ns - exchange.params.start_ns)
        stays.append(np.mean(books[1:] == books[:-1]))
    assert spans[1] < 0.8 * spans[0]
    assert stays[1] > stays[0] + 0.1


def test_prices_of_a_spread_go_below_zero() -> None:
    exchange = Exchange(small_exchange())
    low = 0
    for batch in exchange.run(5_000):
        records = mbo_of(batch)
        low = min(low, int(records["price"][records["instrument_id"] == 12].min(initial=0)))
    assert low < 0


# -- Questions


def test_truth_is_of_a_book_that_is_listed() -> None:
    exchange = Exchange(small_exchange(Style.CME, Style.TOP))
    with pytest.raises(UnknownBookError):
        exchange.truth(99)
    with pytest.raises(AmbiguousBookError):
        exchange.truth(11)
    assert exchange.truth(11, 65_002).bids == []


def test_a_book_is_there_from_its_first_record_on() -> None:
    exchange, begun = Exchange(small_exchange(Style.CME, Style.TOP)), list[tuple[int, int]]()
    while len(begun) < 4:
        assert exchange.books() == sorted(begun)
        begun += [book for book in books_in(exchange.step()) if book not in begun]


def test_hundreds_of_books_are_true() -> None:
    params = ExchangeParams(
        instruments=make_instruments(150), venues=small_exchange(*Style).venues, interleave=8
    )
    exchange, engine = Exchange(params), Engine()
    for batch in exchange.run(20_000):
        engine.apply(batch)
    assert_all_true(engine, exchange)


def test_layouts_have_the_sizes_that_are_written() -> None:
    data = run(small_exchange(), 100)
    sizes = {record[1]: len(record) for record in records_of(data)}
    assert sizes == {RType.MBO: MBO.itemsize, RType.STATUS: STATUS.itemsize}
