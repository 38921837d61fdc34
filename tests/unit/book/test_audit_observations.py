"""What the audit says of a venue: each observation triggered by hand, with exact numbers."""

import pytest

from depthcast.book.audit.report import IntervalExample, Moment, OrderExample, RecordExample
from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from depthcast.errors import DBNError, UnknownBookError
from tests.support.audit import Records, audited, broken, observation, parts, seen
from tests.support.records import (
    LAST,
    MAYBE_BAD,
    MBP,
    SNAPSHOT,
    TOB,
    UNDEF_PRICE,
    add,
    cancel,
    clear,
    fill,
    mbo,
    modify,
    other,
    status,
    trade,
)

P, Q = 100, 101
CALM = [clear(), add(1, "B", P, 5), add(2, "A", Q, 5), cancel(1, "B", P, 5), cancel(2, "A", Q, 5)]


def test_a_calm_day_has_nothing_to_tell() -> None:
    assert seen(audited(*CALM)) == {}


@pytest.mark.parametrize(
    ("record", "name", "of", "total"),
    [
        (cancel(9, "B", P, 5), "unknown_cancels", "cancels", 3),
        (modify(9, "B", P, 0), "zero_size_modifies", "modifies", 1),
        (add(9, "B", P, 0), "zero_size_adds", "records", 6),
        (add(9, "N", P, 5), "bad_side", "records", 6),
        (add(9, "B", UNDEF_PRICE, 5), "bad_price", "records", 6),
        (mbo("X"), "unknown_actions", "records", 6),
        (add(9, "B", P, 5, LAST | MBP), "mbp_records", "records", 6),
        (modify(9, "B", P, 5, LAST | TOB), "tob_modifies", "records", 6),
        (trade("N", P, 5, LAST | MAYBE_BAD), "maybe_bad_book", "records", 6),
        (modify(1, "B", P - 1, 5), "modifies", "modifies", 1),
        (modify(1, "A", Q, 5), "side_changes", "modifies", 1),
        (cancel(1, "B", P, 6), "over_cancels", "cancels", 3),
        (cancel(1, "B", P - 1, 5), "cancel_mismatches", "cancels", 3),
        (cancel(1, "A", P, 5), "cancel_mismatches", "cancels", 3),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_oddity_is_counted_with_its_record(record: bytes, name: str, of: str, total: int) -> None:
    feed = [*CALM[:3], record, cancel(1, "B", P, 5), cancel(2, "A", Q, 5)]
    report = audited(*feed)
    told = {key: count for key, count in seen(report).items() if key != "unknown_cancels"}
    if name == "modifies":  # a change of price is ordinary
        assert told == {"cancel_mismatches": 1}
        return
    found = observation(report, name)
    assert found.count == 1
    assert (found.of, found.total, found.share) == (of, total, round(1 / total, 6))
    assert found.first == found.last == Moment(3, "1", "1970-01-01T00:00:00.000000001Z")
    example = found.examples[0]
    assert isinstance(example, RecordExample)
    assert example.at.record == 3
    assert broken(report) == set()


def test_unknown_modifies_bring_an_order_in() -> None:
    report = audited(modify(9, "B", P, 5), modify(9, "B", P, 4), modify(8, "A", Q, 4))
    found = observation(report, "unknown_modifies")
    assert (found.count, found.total, found.share) == (2, 3, 0.666667)
    assert observation(report, "orders_alive").count == 2
    assert observation(report, "orders_alive").total == 2


def test_duplicate_adds() -> None:
    found = observation(audited(*CALM[:2], add(1, "B", P, 5)), "duplicate_adds")
    assert (found.count, found.of, found.total) == (1, "adds", 2)


def test_refills() -> None:
    feed = [*CALM[:2], trade("A", P, 5), fill(1, "B", P, 5), modify(1, "B", P, 5)]
    assert observation(audited(*feed), "refills").count == 1


def test_snapshots_without_a_clear() -> None:
    report = audited(add(1, "B", P, 5, SNAPSHOT), add(2, "B", P, 5, SNAPSHOT | LAST))
    found = observation(report, "snapshots_without_clear")
    assert (found.count, found.of, found.total) == (1, "snapshot records", 2)


def test_long_events_and_the_longest() -> None:
    def engine() -> Engine:
        return Engine(max_event_records=3)

    feed = [
        clear(0),
        *(add(order, "B", P, 5, 0) for order in range(1, 5)),
        add(5, "B", P, 5),
        add(6, "B", P, 5),
    ]
    report = audited(*feed, engine=engine, other=lambda: ReferenceEngine(max_event_records=3))
    found = observation(report, "long_events")
    assert (found.count, found.of, found.total) == (1, "events", 2)
    assert found.measures == {"longest_event": 5}
    assert found.first is not None
    assert found.first.record == 4
    assert report.books[0].suspect
    assert not report.trusted


def test_the_longest_event_counts_live_records_of_its_own_book_over_chunks() -> None:
    feed = [
        clear(),
        *(add(order, "B", P, 5, SNAPSHOT) for order in range(1, 9)),
        add(9, "B", P, 5, SNAPSHOT | LAST),
        add(10, "B", P, 5, 0),
        add(1, "B", P, 5, instrument_id=8),
        add(11, "B", P, 5, 0),
        add(12, "B", P, 5),
    ]
    for chunk in (1, 2, 3, 100):
        found = observation(audited(*feed, chunk=chunk), "long_events")
        assert found.measures == {"longest_event": 3}


def test_several_oddities_of_one_record_are_all_counted() -> None:
    report = audited(*CALM[:3], cancel(1, "A", P, 7, LAST | MAYBE_BAD), cancel(2, "A", Q, 5))
    assert seen(report) == {"over_cancels": 1, "cancel_mismatches": 1, "maybe_bad_book": 1}


def test_first_last_and_the_first_examples_of_many() -> None:
    feed = [clear(), *(cancel(order, "B", P, 1, ts_recv=100 + order) for order in range(1, 8))]
    found = observation(audited(*feed), "unknown_cancels")
    assert (found.count, found.share) == (7, 1.0)
    assert found.first is not None
    assert found.last is not None
    assert (found.first.record, found.first.ts_recv) == (1, "101")
    assert (found.last.record, found.last.ts_recv) == (7, "107")
    assert [example.order_id for example in found.examples if isinstance(example, RecordExample)] == [
        "1",
        "2",
        "3",
    ]


def test_an_example_is_the_record_as_it_stands() -> None:
    record = mbo("\x01", 0, -1, 3, 2**64 - 1, LAST, ts_event=5, ts_recv=2**64 - 1, sequence=9)
    found = observation(audited(clear(), record), "unknown_actions")
    assert found.examples == [
        RecordExample(
            at=Moment(1, "18446744073709551615", None),
            publisher_id=1,
            instrument_id=7,
            ts_event="5",
            sequence=9,
            flags=0x80,
            action="0x01",
            side="0x00",
            order_id="18446744073709551615",
            price="-0.000000001",
            size=3,
        )
    ]


# -- Crossed and locked


def test_a_crossed_interval_with_the_trades_around_it() -> None:
    feed = [
        clear(),
        trade("N", P, 1, LAST, ts_recv=10),
        add(1, "B", P, 5, ts_recv=20),
        add(2, "A", P - 2, 5, ts_recv=30),
        trade("N", P, 2, LAST, ts_recv=35),
        add(3, "A", P + 5, 5, ts_recv=40),
        cancel(2, "A", P - 2, 5, ts_recv=50),
        trade("B", P, 3, LAST, ts_recv=60),
    ]
    report = audited(*feed)
    found = observation(report, "crossed")
    assert (found.count, found.of, found.total) == (3, "event ends", 8)
    assert found.first is not None
    assert found.last is not None
    assert (found.first.ts_recv, found.last.ts_recv) == ("30", "40")
    assert parts(found) == {"no_status": 3}
    assert found.measures == {"intervals": 1, "total_ns": "20", "longest_ns": "20"}
    (interval,) = found.examples
    assert isinstance(interval, IntervalExample)
    assert interval.over is not None
    assert (interval.first.record, interval.last.record, interval.over.record) == (3, 5, 6)
    assert (interval.bid, interval.ask, interval.event_ends) == ("0.0000001", "0.000000098", 3)
    assert interval.phase is None
    assert interval.trades_inside == 1
    assert interval.trade_before is not None
    assert interval.trade_after is not None
    assert (interval.trade_before.at.ts_recv, interval.trade_before.size) == ("10", 1)
    assert (interval.trade_after.at.ts_recv, interval.trade_after.side) == ("60", "B")
    assert observation(report, "locked").count == 0


def test_crossed_event_ends_are_counted_by_the_venues_phase() -> None:
    feed = [
        status(1),
        clear(),
        add(1, "B", P, 5),
        add(2, "A", P - 1, 5),
        add(3, "A", P - 1, 5),
        status(7),
        add(4, "A", P - 1, 5),
    ]
    found = observation(audited(*feed), "crossed")
    assert parts(found) == {"pre_open": 2, "trading": 1}
    (interval,) = found.examples
    assert isinstance(interval, IntervalExample)
    assert (interval.phase, interval.over, interval.trade_before, interval.trade_after) == (
        "pre_open",
        None,
        None,
        None,
    )


def test_a_book_that_is_locked_and_then_crossed_has_an_interval_of_each() -> None:
    feed = [
        clear(),
        add(1, "B", P, 5, ts_recv=10),
        add(2, "A", P, 5, ts_recv=20),
        add(3, "A", P - 1, 5, ts_recv=30),
        clear(ts_recv=35),
        add(4, "B", P, 5, ts_recv=40),
        add(5, "A", P - 1, 5, ts_recv=50),
    ]
    report = audited(*feed)
    locked, crossed = observation(report, "locked"), observation(report, "crossed")
    assert (locked.count, locked.measures["intervals"], locked.measures["total_ns"]) == (1, 1, "10")
    assert (crossed.count, crossed.measures["intervals"], crossed.measures["total_ns"]) == (2, 2, "5")


def test_a_book_that_is_crossed_only_inside_an_event_is_not_crossed() -> None:
    feed = [clear(), add(1, "B", P, 5), add(2, "A", P - 1, 5, 0), cancel(1, "B", P, 5)]
    assert observation(audited(*feed), "crossed").count == 0


def test_each_book_has_its_own_intervals() -> None:
    feed = [
        add(1, "B", P, 5, instrument_id=7),
        add(1, "B", P, 5, instrument_id=8),
        add(2, "A", P - 1, 5, instrument_id=7),
        add(2, "A", P + 1, 5, instrument_id=8),
        add(3, "A", P - 1, 5, instrument_id=8),
        cancel(2, "A", P - 1, 5, instrument_id=7),
    ]
    found = observation(audited(*feed), "crossed")
    assert (found.count, found.measures["intervals"]) == (2, 2)
    books = [each.instrument_id for each in found.examples if isinstance(each, IntervalExample)]
    assert books == [7, 8]


# -- Order of time


def test_ts_recv_going_back_outside_snapshots() -> None:
    feed = [
        clear(ts_recv=50),
        add(1, "B", P, 5, SNAPSHOT | LAST, ts_recv=5),
        add(2, "B", P, 5, ts_recv=60),
        add(3, "B", P, 5, ts_recv=59, instrument_id=8),
        add(4, "B", P, 5, ts_recv=59),
        add(5, "B", P, 5, ts_recv=58),
    ]
    for chunk in (1, 2, 100):
        found = observation(audited(*feed, chunk=chunk), "ts_recv_back")
        assert (found.count, found.of, found.total) == (2, "live records", 5)
        assert [each.at.record for each in found.examples if isinstance(each, RecordExample)] == [3, 5]


def test_sequence_going_back_within_a_book_outside_snapshots() -> None:
    feed = [
        clear(sequence=10),
        add(1, "B", P, 5, SNAPSHOT | LAST, sequence=1),
        add(2, "B", P, 5, sequence=10),
        add(3, "B", P, 5, sequence=2, instrument_id=8),
        add(4, "B", P, 5, sequence=11),
        add(5, "B", P, 5, sequence=1, instrument_id=8),
        add(6, "B", P, 5, sequence=2),
        add(7, "B", P, 5, sequence=3, publisher_id=2),
    ]
    for chunk in (1, 2, 3, 100):
        found = observation(audited(*feed, chunk=chunk), "sequence_back")
        assert (found.count, found.total) == (2, 7)
        assert [each.at.record for each in found.examples if isinstance(each, RecordExample)] == [5, 6]


# -- The end


def test_orders_alive_at_the_end_oldest_first() -> None:
    feed = [
        clear(),
        add(1, "B", P, 5, ts_event=30),
        add(2, "A", Q, 5, ts_event=20),
        add(3, "A", Q, 6, ts_event=10),
        cancel(3, "A", Q, 6),
        add(0, "B", 7, 5, TOB | LAST, instrument_id=8),
    ]
    found = observation(audited(*feed), "orders_alive")
    assert (found.count, found.of, found.total) == (2, "orders", 3)
    assert found.measures == {"oldest_ts_event": "20", "newest_ts_event": "30"}
    first = found.examples[0]
    assert isinstance(first, OrderExample)
    assert (first.order_id, first.side, first.price, first.ts_event) == ("2", "A", "0.000000101", "20")


# -- What is read


def test_records_of_other_types_are_passed_over_and_counted() -> None:
    feed = [
        other(0x17),
        clear(),
        other(0xEE, 64),
        add(1, "B", P, 5),
        status(7),
        other(0x17),
        cancel(9, "B", P, 1),
    ]
    report = audited(*feed, status(1))
    assert broken(report) == set()
    assert (report.records, report.events) == (3, 3)
    assert (report.counters["skipped_records"], report.counters["status_records"]) == (3, 2)
    assert observation(report, "unknown_cancels").first == Moment(2, "1", "1970-01-01T00:00:00.000000001Z")
    assert report.books[0].phase == "pre_open"


def test_records_with_ts_out() -> None:
    report = audited(mbo("R", ts_out=1), mbo("A", "B", P, 5, 1, ts_out=2), mbo("C", "B", P, 5, 2, ts_out=3))
    assert report.valid
    assert observation(report, "unknown_cancels").count == 1


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_one_instrument_of_several(chunk: int) -> None:
    feed = [
        clear(),
        clear(instrument_id=8),
        add(1, "B", P, 5),
        other(0x17),
        status(7, instrument_id=8),
        mbo("A", "B", P, 5, 1, instrument_id=8, ts_out=5),
        cancel(9, "B", P, 1),
        cancel(9, "B", P, 1, instrument_id=8),
    ]
    report = audited(*feed, instrument_ids={8}, chunk=chunk)
    assert report.valid
    assert report.records == 3
    assert [(book.instrument_id, book.phase, book.symbol) for book in report.books] == [(8, "trading", None)]
    found = observation(report, "unknown_cancels")
    assert found.count == 1
    assert found.first is not None
    assert found.first.record == 5


def test_nothing_to_audit_is_an_error() -> None:
    with pytest.raises(DBNError, match="no MBO records"):
        audited(status(7))
    with pytest.raises(UnknownBookError, match="of this instrument"):
        audited(clear(), instrument_ids={9})


def test_a_source_that_changes_is_an_error() -> None:
    from depthcast.book.audit import EngineChoice, audit

    class Grows(Records):
        def read(self):  # type: ignore[no-untyped-def]
            self.records.append(clear())
            return super().read()

    engines = EngineChoice("one", Engine), EngineChoice("two", ReferenceEngine)
    with pytest.raises(DBNError, match="changed while it was audited"):
        audit(Grows([clear()]), *engines)
