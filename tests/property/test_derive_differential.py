"""Derived schemas: both derivers agree, however a feed is cut; and what holds of what any feed gives."""

import struct
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from depthcast.book.derive import SCHEMAS, DeriverSet
from depthcast.book.reference_derive import ReferenceDeriver
from depthcast.dbn.layout import MBP_1, MBP_10, RType
from tests.property.strategies import RecordList, record_lists
from tests.support.derived import derived, records
from tests.support.domains import EDGES, LADDER, SMALL, TIGHT, VENUES, Domain
from tests.support.records import MBP, SNAPSHOT, clear, listing, mbo

TS_RECV_OFFSET = 40
S = 1_000_000_000
T0 = 20_355 * 86_400 * S
PACES_NS = [1, S // 7, S, 40 * S, 1_800 * S]


@st.composite
def feeds(draw: st.DrawFn, domain: Domain) -> RecordList:
    """Records whose small times are spread out, so that they cross intervals of every length."""
    feed = draw(record_lists(domain))
    pace = draw(st.sampled_from(PACES_NS))
    return [paced(record, pace) for record in feed]


def paced(record: bytes, pace_ns: int) -> bytes:
    if record[1] != RType.MBO:
        return record
    (ts_recv,) = struct.unpack_from("<Q", record, TS_RECV_OFFSET)
    if ts_recv > 60:
        return record
    moved = struct.pack("<Q", T0 + ts_recv * pace_ns)
    return record[:TS_RECV_OFFSET] + moved + record[TS_RECV_OFFSET + 8 :]


def assert_same_records(found: dict[str, bytes], expected: dict[str, bytes], feed: RecordList) -> None:
    for schema in SCHEMAS:
        if found[schema] != expected[schema]:
            note(listing(feed))
            ours, theirs = records(schema, found[schema]), records(schema, expected[schema])
            note(f"{schema}: {len(ours)} records, the reference has {len(theirs)}")
            for one, other in zip(ours, theirs, strict=False):
                assert one == other, schema
        assert found[schema] == expected[schema], schema


@pytest.mark.parametrize("domain", [TIGHT, SMALL, EDGES, VENUES, LADDER], ids=lambda domain: domain.name)
def test_the_compiled_deriver_equals_the_reference(domain: Domain) -> None:
    @settings(max_examples=settings().max_examples // 2)
    @given(feed=feeds(domain))
    def check(feed: RecordList) -> None:
        found = derived(DeriverSet(SCHEMAS), b"".join(feed))
        assert_same_records(found, derived(ReferenceDeriver(SCHEMAS), b"".join(feed)), feed)
        event(f"mbp-10 records: {min(len(found['mbp-10']) // MBP_10.itemsize, 10)}")
        event(f"minutes: {min(len(found['bbo-1m']) // MBP_1.itemsize, 3)}")

    check()


@given(
    feed=feeds(VENUES),
    cuts=st.lists(st.integers(0, 60)),
    chosen=st.sets(st.sampled_from(list(SCHEMAS)), min_size=1),
)
def test_neither_cuts_nor_other_schemas_change_what_is_derived(
    feed: RecordList, cuts: list[int], chosen: set[str]
) -> None:
    whole = derived(DeriverSet(SCHEMAS), b"".join(feed))
    edges = sorted({0, *(min(cut, len(feed)) for cut in cuts), len(feed)})
    cut = derived(DeriverSet(chosen), *(b"".join(feed[begin:end]) for begin, end in pairwise(edges)))
    for schema in chosen:
        assert cut[schema] == whole[schema], schema


@given(
    feed=feeds(VENUES),
    publisher=st.sampled_from([None, *VENUES.publishers]),
    instrument=st.sampled_from([None, *VENUES.instruments]),
)
def test_a_filter_picks_records_and_changes_none(
    feed: RecordList, publisher: int | None, instrument: int | None
) -> None:
    whole = derived(DeriverSet(SCHEMAS), b"".join(feed))
    picked = derived(DeriverSet(SCHEMAS, publisher_id=publisher, instrument_id=instrument), b"".join(feed))
    for schema in SCHEMAS:
        every = records(schema, whole[schema])
        wanted = np.ones(len(every), bool)
        if publisher is not None:
            wanted &= every["publisher_id"] == publisher
        if instrument is not None:
            wanted &= every["instrument_id"] == instrument
        assert picked[schema] == every[wanted].tobytes(), schema


@given(feed=feeds(SMALL))
def test_mbp_1_is_the_first_level_of_those_mbp_10_records_that_concern_it(feed: RecordList) -> None:
    out = derived(DeriverSet(["mbp-1", "mbp-10", "tbbo", "trades"]), b"".join(feed))
    deep = records("mbp-10", out["mbp-10"])
    top = records("mbp-1", out["mbp-1"])
    left = iter(deep)
    for record in top:
        match = next(one for one in left if same_but_for_levels(one, record))
        assert match["levels"][0] == record["levels"][0]
    trades = deep[deep["action"] == b"T"]
    tbbo, sales = records("tbbo", out["tbbo"]), records("trades", out["trades"])
    assert len(trades) == len(tbbo) == len(sales)
    for name in ("ts_event", "ts_recv", "price", "size", "side", "depth", "sequence"):
        assert (trades[name] == tbbo[name]).all(), name
        assert (trades[name] == sales[name]).all(), name
    assert (tbbo["levels"][:, 0] == trades["levels"][:, 0]).all()


def same_but_for_levels(deep: np.void, top: np.void) -> bool:
    return all(
        deep[name] == top[name] for name in MBP_1.names or () if name not in {"length", "rtype", "levels"}
    )


@given(feed=feeds(VENUES))
def test_bars_hold_all_trades_and_nothing_else(feed: RecordList) -> None:
    out = derived(DeriverSet(SCHEMAS), b"".join(feed))
    trades = records("trades", out["trades"])
    taken = [r for r in feed if r[1] == RType.MBO and r[38] == ord("T") and not r[36] & (MBP | SNAPSHOT)]
    assert len(trades) == len(taken)
    sizes = trades["size"].astype(np.uint64)
    volume = int(sizes[sizes < 2**32 - 1].sum())
    for schema in ("ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d"):
        bars = records(schema, out[schema])
        assert int(bars["volume"].sum()) == volume, schema
        for price in ("open", "close"):
            assert (bars["low"] <= bars[price]).all()
            assert (bars[price] <= bars["high"]).all()


@pytest.mark.parametrize("domain", [SMALL, VENUES], ids=lambda domain: domain.name)
def test_a_deriver_that_starts_from_a_snapshot_goes_on_as_one_that_never_stopped(domain: Domain) -> None:
    schemas = ["mbp-1", "mbp-10", "tbbo", "trades"]

    @given(feed=feeds(domain), at=st.integers(0, 60))
    def check(feed: RecordList, at: int) -> None:
        running, started = DeriverSet(schemas), DeriverSet(schemas)
        for publisher_id, instrument_id in product(domain.publishers, domain.instruments):
            # A snapshot cannot say that a book is incomplete but not suspect (decision 0001).
            running.apply(clear(publisher_id=publisher_id, instrument_id=instrument_id))
        running.apply(b"".join(feed[:at]))
        for publisher_id, instrument_id in running.engine.books():
            if running.engine.status(instrument_id, publisher_id).in_event:
                running.apply(mbo("N", publisher_id=publisher_id, instrument_id=instrument_id))
        started.apply(running.engine.snapshot())
        rest = b"".join(feed[at:])
        event(f"records after the cut: {min(len(feed[at:]), 5)}")
        assert started.apply(rest) == running.apply(rest)

    check()
