"""The audit's hard rules: each holds on good engines, and each catches an engine that breaks it."""

from typing import Any

import pytest

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from tests.support import erring_engines as erring
from tests.support.audit import Wrapped, audited, broken, faults
from tests.support.engines import ENGINES, AnyEngine
from tests.support.records import LAST, SNAPSHOT, TOB, add, cancel, clear, fill, modify, status, trade

P, Q = 100, 101

FEED = [
    clear(),
    add(1, "B", P, 5, ts_event=1),
    add(2, "B", P, 9, ts_event=2),
    add(3, "B", P - 1, 4, ts_event=3),
    add(4, "A", Q, 7, ts_event=4),
    add(5, "A", Q + 1, 2, ts_event=5),
    trade("A", P, 5),
    fill(1, "B", P, 5),
    modify(1, "B", P, 5, ts_event=6),
    cancel(4, "A", Q, 3),
    add(6, "B", P, 1, ts_event=7),
    cancel(2, "B", P, 9),
    modify(3, "B", P - 1, 6, ts_event=8),
]
"""A little of everything; the refill of order 1 decides a place."""


@pytest.mark.parametrize("kind", ENGINES, ids=lambda kind: kind.__name__)
def test_every_rule_holds_on_good_engines(kind: type[AnyEngine]) -> None:
    other = ReferenceEngine if kind is Engine else Engine
    report = audited(*FEED, engine=kind, other=other)
    assert report.valid
    assert report.trusted
    assert broken(report) == set()
    checks = {rule.id: rule.checks for rule in report.rules}
    events = 11
    assert checks == {
        "counted": 1,
        "levels": events + 1,
        "orders": events + 1,
        "prices": events + 1,
        "priority": events + 1,
        "volume": events + 1,
        "chunking": len(FEED),
        "snapshots": 2 * len(FEED) - 1,
        "engines": len(FEED),
        "structures": events + 1,
    }


def test_what_was_checked_is_said() -> None:
    hows = {rule.id: rule.how for rule in audited(*FEED).rules}
    assert hows["levels"] == "at the end and every event end (11)"
    assert hows["priority"] == "at the end and every event end (11), with what the event did at 10 of these"
    assert hows["engines"] == "the book at 13 positions, spread evenly"
    assert hows["snapshots"].endswith("12 of them reached from the restart before")


def test_books_of_every_kind_are_sound() -> None:
    """Top of book, snapshots with and without R, bad books, several books and publishers: no false alarm."""
    flags = SNAPSHOT | LAST
    report = audited(
        clear(),
        add(0, "B", P, 5, TOB | LAST),
        add(0, "A", Q, 5, TOB | LAST),
        add(1, "A", Q + 1, 5),
        add(1, "B", P, 5, SNAPSHOT, instrument_id=8),
        add(2, "A", Q, 5, flags, instrument_id=8),
        clear(SNAPSHOT, instrument_id=8, publisher_id=2),
        add(1, "B", P, 5, flags, instrument_id=8, publisher_id=2),
        status(1),
        add(3, "B", P, 4, flags, instrument_id=8),
        add(4, "B", P, 4, LAST | 0x04, instrument_id=8),
        cancel(99, "B", P, 4),
        add(9, "B", Q + 4, 2, 0),
    )
    assert broken(report) == set()
    assert [(book.publisher_id, book.instrument_id, book.trusted) for book in report.books] == [
        (1, 7, True),
        (1, 8, False),
        (2, 8, True),
    ]
    assert report.books[0].in_event
    assert report.books[0].phase == "pre_open"
    assert not report.trusted


# -- Engines that err in what they answer


@pytest.mark.parametrize(
    ("engine", "rule", "said"),
    [
        (erring.MiscountsRecords, "counted", "counter records: 14, the file has 13"),
        (erring.IgnoresInSilence, "counted", "11 records were applied or ignored under a counter, of 13"),
        (erring.InflatesALevel, "levels", "level B 100: size 16 and count 3, its orders make 15 and 3"),
        (erring.KeepsAnEmptyLevel, "levels", "level A 500: size 0 and count 0, its orders make 0 and 0"),
        (erring.MiscountsOrders, "levels", "the status says 7 orders and 4 levels, the book has 6 and 4"),
        (erring.QueuesAnOrderTwice, "orders", "level B 100: an order of its queue is in another place too"),
        (erring.ShowsAnOrderWithoutSize, "orders", "level B 100: an order of its queue has size 0"),
        (
            erring.FindsAnOrderElsewhere,
            "orders",
            "order 1: by its id ('B', 101, 5, 0, 0), by its queue ('B',",
        ),
        (erring.LosesAnId, "orders", "order 1 is queued at B 100 and not found by its id"),
        (erring.MixesUpLevels, "prices", "side B: prices do not run strictly from the touch"),
        (erring.HasAnotherTouch, "prices", "the best bid and offer are not the first levels of the depth"),
        (erring.CutsDepthShort, "prices", "the first 10 levels are not those of the full depth"),
        (erring.MisjudgesTheTop, "prices", "the status says the top is locked; it is empty"),
        (
            erring.SnapshotsInAnotherOrder,
            "priority",
            "the snapshot lists 6 orders, the queues 6; they differ",
        ),
        (
            erring.SnapshotsElsewhere,
            "priority",
            "the snapshot lists 6 orders, the queues 6; they stand",
        ),
        (
            erring.LosesTheLastOfASnapshot,
            "priority",
            "the snapshot lists 5 orders, the queues 6; one goes",
        ),
        (erring.LosesVolume, "volume", "asks: 9 added and 0 removed, but 6 rest"),
        (erring.KnowsItIsUnsound, "structures", "a link leads nowhere"),
    ],
)
def test_an_engine_that_answers_wrongly_is_caught(engine: type[Wrapped], rule: str, said: str) -> None:
    report = audited(*FEED, engine=engine)
    assert not report.valid
    assert not report.trusted
    assert rule in broken(report)
    assert faults(report, rule)[0].startswith(said)


def test_a_snapshot_that_launders_a_bad_book_is_caught() -> None:
    report = audited(*FEED[1:], engine=erring.LaundersABook)
    assert broken(report) == {"priority", "snapshots"}
    assert faults(report, "priority")[0] == "the snapshot of a bad book does not say so"
    assert "whether it is complete and not suspect differs" in faults(report, "snapshots")[0]


def test_the_plain_engine_is_asked_to_check_itself_too() -> None:
    class BreaksAnInvariant(ReferenceEngine):
        def check_invariants(self) -> None:
            raise AssertionError("book (1, 7) breaks invariant 3: some reason")

    report = audited(*FEED, engine=BreaksAnInvariant, other=Engine)
    assert broken(report) == {"structures"}
    assert faults(report, "structures")[0] == "book (1, 7) breaks invariant 3: some reason"


# -- Engines that err in what they do


def test_an_engine_that_puts_orders_before_those_that_wait_is_caught_without_another_engine() -> None:
    feed = [clear(), add(1, "B", P, 5), add(2, "B", P, 9)]
    report = audited(*feed, engine=erring.JumpsTheQueue, other=erring.JumpsTheQueue)
    assert "priority" in broken(report)
    assert faults(report, "priority") == ["level B 100: an added order stands before one that was there"]
    assert report.rules[4].examples[0].at is not None
    assert report.rules[4].examples[0].at.record == 2


def test_an_engine_that_changes_an_order_that_no_record_named_is_caught() -> None:
    report = audited(*FEED, engine=erring.TouchesAnother, other=erring.TouchesAnother)
    assert {"priority", "counted"} <= broken(report)
    assert faults(report, "priority") == ["level B 100: orders that no record named have changed"]


def test_an_engine_to_which_chunks_matter_is_caught() -> None:
    report = audited(*FEED * 20, engine=erring.LosesTheEndOfAChunk)
    assert broken(report) == {"chunking", "snapshots"}
    assert faults(report, "chunking")[0] == "book (1, 7): its status differs"


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        (erring.ForgetsTheTail, "the checksum differs"),
        (erring.ForgetsPriorityTime, "its orders, their priority or their fills differ"),
        (erring.ForgetsFills, "its orders, their priority or their fills differ"),
    ],
)
def test_an_engine_that_does_not_survive_a_restart_is_caught(engine: type[Wrapped], said: str) -> None:
    report = audited(*FEED, engine=engine)
    assert broken(report) == {"snapshots"}
    assert said in faults(report, "snapshots")[0]


def test_an_engine_that_reads_the_rules_otherwise_is_caught() -> None:
    report = audited(*FEED, other=erring.KnowsNoRefills)
    assert broken(report) == {"engines"}
    said = "\n".join(faults(report, "engines"))
    assert "book (1, 7): checksum" in said
    assert "counter refills: 0 instead of 1" in said


def test_an_engine_that_misses_a_book_is_caught() -> None:
    class KnowsOneBook(Wrapped):
        def books(self) -> Any:
            return self.real.books()[:1]

    report = audited(*FEED, add(1, "B", P, 1, instrument_id=8), other=KnowsOneBook)
    assert broken(report) == {"engines"}
    assert faults(report, "engines") == ["1 books instead of 2"]


def test_violations_name_their_record_and_book() -> None:
    report = audited(*FEED, engine=erring.InflatesALevel)
    first = next(rule for rule in report.rules if rule.id == "levels").examples[0]
    assert first.at is not None
    assert (first.at.record, first.publisher_id, first.instrument_id) == (10, 1, 7)


def test_few_examples_are_kept_of_many_violations() -> None:
    report = audited(*FEED * 3, engine=erring.KnowsItIsUnsound)
    rule = next(rule for rule in report.rules if rule.id == "structures")
    assert (rule.violations, len(rule.examples)) == (34, 3)


# -- What may rightly differ


def test_a_snapshot_without_a_clear_is_no_fault_of_restarts() -> None:
    """An incomplete book is restored as suspect too; such a snapshot makes it good only without a restart."""
    flags = SNAPSHOT | LAST
    feed = [add(1, "B", P, 5), add(2, "B", P, 5), add(3, "B", P, 6, flags), add(4, "A", Q, 5)]
    report = audited(*feed)
    assert broken(report) == set()
    assert report.trusted


def test_a_long_event_cut_in_two_is_no_fault_of_restarts() -> None:
    feed = [clear(), *(add(order, "B", P, 5, 0) for order in range(1, 6)), add(9, "B", P, 5)]
    report = audited(
        *feed,
        engine=lambda: Engine(max_event_records=4),
        other=lambda: ReferenceEngine(max_event_records=4),
    )
    assert broken(report) == set()
    assert report.books[0].suspect


def test_orders_named_by_odd_adds_raise_no_alarm() -> None:
    """Adds that are ignored do not move an order; duplicate ones do."""
    report = audited(
        clear(),
        add(1, "B", P, 5),
        add(2, "B", P, 5),
        add(1, "B", P, 0),
        add(1, "N", P, 4),
        add(1, "B", 2**63 - 1, 4),
        add(1, "B", P, 6),
        modify(2, "B", P, 0),
        add(3, "B", P, 5, 0),
        cancel(3, "B", P, 5),
    )
    assert broken(report) == set()


def test_an_event_that_never_ends_does_not_stop_the_checks() -> None:
    """An `R` without F_LAST opens the day of an instrument that nobody quotes."""
    feed = [clear(0, instrument_id=9), clear(), *(add(order, "B", P, 5) for order in range(1, 2_200))]
    report = audited(*feed, cancel(1, "B", P, 5))
    checks = next(rule.checks for rule in report.rules if rule.id == "levels")
    assert broken(report) == set()
    assert checks > 50


def test_of_a_large_file_samples_are_checked_evenly() -> None:
    """A deep book costs more to look at than the budget allows after each event."""
    feed = [clear(), *(add(order, "B", P + order % 50, 5) for order in range(1, 8_000))]
    report = audited(*feed)
    checks = {rule.id: rule.checks for rule in report.rules}
    hows = {rule.id: rule.how for rule in report.rules}
    assert broken(report) == set()
    assert 50 < checks["levels"] < 1_000
    assert hows["levels"] == f"at the end and {checks['levels'] - 1:,} of 8,000 event ends"
    assert 20 < checks["engines"] < 200
