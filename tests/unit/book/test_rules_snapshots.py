"""docs/book.md § Snapshots that come in, § Snapshots that are written."""

import pytest

from tests.support.engines import AnyEngine
from tests.support.records import (
    BAD_TS_RECV,
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
    trade,
)
from tests.support.views import counted, health, levels, queue, rows, volumes

P, Q = 100, 101
SNAP = SNAPSHOT | BAD_TS_RECV


# -- Runs of snapshot records


def test_a_snapshot_with_a_clear_replaces_the_book(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + clear(SNAP) + add(2, "B", Q, 6, SNAP) + add(3, "B", Q, 7, SNAP | LAST))
    assert levels(engine) == ([(Q, 13, 2)], [])
    assert health(engine) == (True, False)
    assert counted(engine) == {"adds": 3, "clears": 1, "snapshot_records": 3}


def test_a_snapshot_without_a_clear_leaves_no_ghost_orders(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "B", Q, 6, SNAP) + add(3, "B", Q, 7, SNAP | LAST))
    assert levels(engine) == ([(Q, 13, 2)], [])
    assert health(engine) == (True, False)
    assert counted(engine) == {"adds": 3, "snapshot_records": 2, "snapshots_without_clear": 1}
    assert volumes(engine) == (18, 5, 0, 0)


def test_a_book_whose_first_record_is_of_a_snapshot_is_complete(engine: AnyEngine) -> None:
    engine.apply(add(2, "B", Q, 6, SNAP | LAST))
    assert health(engine) == (True, False)
    assert counted(engine)["snapshots_without_clear"] == 1


def test_a_snapshot_without_a_clear_does_not_make_a_suspect_book_good(engine: AnyEngine) -> None:
    engine.apply(clear() + trade("A", P, 1, LAST | MAYBE_BAD) + add(2, "B", Q, 6, SNAP | LAST))
    assert health(engine) == (True, True)


def test_a_snapshot_without_a_clear_that_may_be_bad_leaves_the_book_incomplete(engine: AnyEngine) -> None:
    engine.apply(clear() + trade("A", P, 1, LAST) + add(2, "B", Q, 6, SNAP | LAST | MAYBE_BAD))
    assert levels(engine) == ([(Q, 6, 1)], [])
    assert health(engine) == (False, True)


def test_a_clear_without_the_flag_right_before_the_run_is_its_clear(engine: AnyEngine) -> None:
    engine.apply(clear(8) + add(2, "B", Q, 6, SNAP) + add(3, "B", Q, 7, SNAP | LAST))
    assert levels(engine) == ([(Q, 13, 2)], [])
    assert "snapshots_without_clear" not in counted(engine)


def test_a_clear_that_is_not_right_before_the_run_is_not_its_clear(engine: AnyEngine) -> None:
    engine.apply(clear() + add(1, "B", P, 5) + add(2, "B", Q, 6, SNAP | LAST))
    assert levels(engine) == ([(Q, 6, 1)], [])
    assert counted(engine)["snapshots_without_clear"] == 1


def test_an_event_end_ends_a_run_for_later_records(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, SNAP, ts_recv=5) + add(2, "B", P, 6, SNAP | LAST, ts_recv=5))
    engine.apply(add(3, "A", Q, 7, SNAP | LAST, ts_recv=6))
    assert levels(engine) == ([], [(Q, 7, 1)])
    assert counted(engine)["snapshots_without_clear"] == 2


@pytest.mark.parametrize("start", [clear(SNAP), b""], ids=["with a clear", "without a clear"])
def test_a_snapshot_that_ends_an_event_at_every_record_is_one_snapshot(
    engine: AnyEngine, start: bytes
) -> None:
    engine.apply(start + b"".join(add(order_id, "B", P, 1, SNAP | LAST) for order_id in (1, 2, 3)))
    assert queue(engine, "B", P) == [(1, 1), (2, 1), (3, 1)]
    assert counted(engine).get("snapshots_without_clear", 0) == (not start)


def test_time_may_pass_inside_a_snapshot(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 1, SNAP | LAST, ts_recv=5) + add(2, "B", P, 1, SNAP, ts_recv=5))
    engine.apply(add(3, "B", P, 1, SNAP | LAST, ts_recv=6))
    assert queue(engine, "B", P) == [(1, 1), (2, 1), (3, 1)]


def test_without_an_event_end_the_times_of_a_run_do_not_matter(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, SNAP, ts_recv=5) + add(2, "B", P, 6, SNAP, ts_recv=6))
    engine.apply(add(3, "A", Q, 7, SNAP | LAST, ts_recv=7))
    assert levels(engine) == ([(P, 11, 2)], [(Q, 7, 1)])
    assert counted(engine)["snapshots_without_clear"] == 1


@pytest.mark.parametrize("action", ["X", "T", "F", "N"])
def test_any_snapshot_record_that_ends_an_event_closes_the_run_at_its_time(
    engine: AnyEngine, action: str
) -> None:
    closing = mbo(action, "B", P, 1, 1, SNAP | LAST, ts_recv=6)
    engine.apply(add(1, "B", P, 5, SNAP, ts_recv=5) + closing + add(2, "B", P, 6, SNAP, ts_recv=6))
    assert queue(engine, "B", P) == [(1, 5), (2, 6)]
    engine.apply(closing + add(3, "B", P, 7, SNAP, ts_recv=5))
    assert queue(engine, "B", P) == [(3, 7)]


@pytest.mark.parametrize("action", ["X", "T", "F", "N"])
def test_a_record_that_changes_no_book_does_not_open_a_closed_run(engine: AnyEngine, action: str) -> None:
    engine.apply(add(1, "B", P, 5, SNAP | LAST, ts_recv=5) + mbo(action, "B", P, 1, 1, SNAP, ts_recv=6))
    engine.apply(add(2, "B", P, 6, SNAP | LAST, ts_recv=5) + mbo(action, "B", P, 1, 1, SNAP, ts_recv=6))
    assert queue(engine, "B", P) == [(1, 5), (2, 6)]
    engine.apply(add(3, "B", P, 7, SNAP, ts_recv=6))
    assert queue(engine, "B", P) == [(3, 7)]


def test_a_second_snapshot_without_a_clear_replaces_the_first(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, SNAP) + add(2, "A", Q, 6, SNAP | LAST))
    engine.apply(add(1, "B", P, 4, SNAP, ts_recv=2) + add(3, "B", P, 7, SNAP | LAST, ts_recv=2))
    assert levels(engine) == ([(P, 11, 2)], [])
    assert "duplicate_adds" not in counted(engine)


def test_a_clear_that_ends_its_event_is_still_the_clear_of_the_run_after_it(engine: AnyEngine) -> None:
    engine.apply(clear(ts_recv=4) + add(1, "B", P, 5, SNAP, ts_recv=5) + add(2, "B", P, 6, SNAP | LAST))
    assert levels(engine) == ([(P, 11, 2)], [])
    assert "snapshots_without_clear" not in counted(engine)


def test_a_live_record_ends_a_run(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, SNAP) + trade("A", P, 1) + add(2, "B", P, 6, SNAP | LAST))
    assert levels(engine) == ([(P, 6, 1)], [])
    assert counted(engine)["snapshots_without_clear"] == 2


def test_an_ignored_live_record_ends_a_run_too(engine: AnyEngine) -> None:
    engine.apply(clear(SNAP) + add(1, "B", P, 5, SNAP) + mbo("X", flags=0) + add(2, "B", P, 6, SNAP))
    assert levels(engine) == ([(P, 6, 1)], [])


def test_records_of_another_book_do_not_end_a_run(engine: AnyEngine) -> None:
    engine.apply(clear(SNAP) + add(1, "B", P, 5, SNAP) + add(9, "B", P, 1, instrument_id=8))
    engine.apply(add(2, "B", P, 6, SNAP | LAST))
    assert levels(engine) == ([(P, 11, 2)], [])


def test_an_aggregated_clear_that_ends_its_event_ends_the_run(engine: AnyEngine) -> None:
    engine.apply(clear(SNAP) + add(1, "B", P, 5, SNAP) + clear(SNAP | MBP | LAST))
    assert queue(engine, "B", P) == [(1, 5)]
    engine.apply(add(2, "B", P, 6, SNAP | LAST, ts_recv=2))
    assert queue(engine, "B", P) == [(2, 6)]


@pytest.mark.parametrize("action", ["T", "F", "N"])
def test_a_trade_flagged_snapshot_implies_no_clear(engine: AnyEngine, action: str) -> None:
    engine.apply(add(1, "B", P, 5) + mbo(action, "B", P, 1, 1, SNAP))
    assert queue(engine, "B", P) == [(1, 5)]
    engine.apply(add(2, "B", P, 6, SNAP))
    assert queue(engine, "B", P) == [(2, 6)]


@pytest.mark.parametrize("action", ["T", "F", "N"])
def test_a_trade_flagged_snapshot_does_not_end_a_run(engine: AnyEngine, action: str) -> None:
    engine.apply(add(1, "B", P, 5, SNAP) + mbo(action, "B", P, 1, 1, SNAP) + add(2, "B", P, 6, SNAP))
    assert queue(engine, "B", P) == [(1, 5), (2, 6)]


@pytest.mark.parametrize(
    "ignored",
    [
        mbo("X", flags=SNAP),
        add(2, "N", P, 5, SNAP),
        add(2, "B", P, 0, SNAP),
        add(2, "B", UNDEF_PRICE, 5, SNAP),
        add(2, "B", P, 5, SNAP | MBP),
        clear(SNAP | MBP),
    ],
    ids=["unknown action", "no side", "no size", "no price", "aggregated", "aggregated clear"],
)
def test_an_ignored_snapshot_record_neither_starts_nor_ends_a_run(engine: AnyEngine, ignored: bytes) -> None:
    engine.apply(add(1, "B", P, 5) + ignored)
    assert queue(engine, "B", P) == [(1, 5)]
    assert "snapshots_without_clear" not in counted(engine)
    engine.apply(add(3, "B", P, 7, SNAP) + ignored + add(4, "B", P, 8, SNAP))
    assert queue(engine, "B", P) == [(3, 7), (4, 8)]
    assert counted(engine)["snapshots_without_clear"] == 1


def test_a_cancel_may_start_a_run(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + cancel(1, "B", P, 5, SNAP))
    assert levels(engine) == ([], [])
    assert counted(engine) == {
        "adds": 1,
        "cancels": 1,
        "unknown_cancels": 1,
        "snapshot_records": 1,
        "snapshots_without_clear": 1,
    }


def test_a_modify_may_start_a_run(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + modify(2, "B", P, 5, SNAP))
    assert queue(engine, "B", P) == [(2, 5)]
    assert counted(engine)["unknown_modifies"] == 1


def test_quotes_may_make_up_a_run(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + add(2, "A", Q, 5))
    engine.apply(mbo("A", "B", P, 9, 0, SNAP | TOB) + mbo("A", "A", Q, 8, 0, SNAP | TOB | LAST))
    assert levels(engine) == ([(P, 9, 0)], [(Q, 8, 0)])
    assert counted(engine)["snapshots_without_clear"] == 1


def test_an_ignored_modify_of_a_quote_starts_a_run(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5) + mbo("M", "B", P, 9, 0, SNAP | TOB))
    assert levels(engine) == ([], [])
    assert counted(engine)["snapshots_without_clear"] == counted(engine)["tob_modifies"] == 1


def test_the_version_after_a_snapshot_is_that_of_its_newest_record(engine: AnyEngine) -> None:
    engine.apply(clear(SNAP, ts_event=50, sequence=5) + add(1, "B", P, 5, SNAP, ts_event=90, sequence=8))
    engine.apply(add(2, "B", P, 5, SNAP, ts_event=90, sequence=9))
    assert engine.status(7).version == (0, 0)
    engine.apply(add(3, "B", P, 5, SNAP | LAST, ts_event=60, sequence=10))
    assert engine.status(7).version == (90, 8)


def test_the_version_looks_at_the_snapshot_records_of_its_own_event_only(engine: AnyEngine) -> None:
    engine.apply(
        clear(SNAP | LAST, ts_event=90, sequence=5) + add(1, "B", P, 5, SNAP, ts_event=20, sequence=2)
    )
    engine.apply(trade("B", P, 5, ts_event=99, sequence=7))
    engine.apply(add(2, "B", P, 5, SNAP | LAST, ts_event=10, sequence=1))
    assert engine.status(7).version == (20, 2)


def test_a_live_record_that_ends_a_snapshots_event_gives_its_own_version(engine: AnyEngine) -> None:
    engine.apply(clear(SNAP, ts_event=90, sequence=5) + trade("B", P, 5, LAST, ts_event=20, sequence=2))
    assert engine.status(7).version == (20, 2)


# -- Snapshots written


def test_a_snapshot_lists_clear_bids_and_asks_best_first_in_priority_order(engine: AnyEngine) -> None:
    engine.apply(
        clear()
        + add(1, "B", P, 5, ts_event=30, sequence=3)
        + add(2, "A", Q + 1, 6, ts_event=31, sequence=4)
        + add(3, "A", Q, 7, ts_event=32, sequence=5)
        + add(4, "B", P + 1, 8, ts_event=33, sequence=6)
        + add(5, "B", P, 9, ts_event=29, sequence=7)
        + trade("A", P, 1, LAST, ts_event=40, ts_recv=41, sequence=8)
    )
    taken = engine.snapshot(7)
    assert rows(taken) == [
        ("R", "N", UNDEF_PRICE, 0, 0, 0x28),
        ("A", "B", P + 1, 8, 4, 0x28),
        ("A", "B", P, 5, 1, 0x28),
        ("A", "B", P, 9, 5, 0x28),
        ("A", "A", Q, 7, 3, 0x28),
        ("A", "A", Q + 1, 6, 2, 0xA8),
    ]
    assert taken == (
        clear(0x28, ts_event=40, ts_recv=41, sequence=8)
        + add(4, "B", P + 1, 8, 0x28, ts_event=33, ts_recv=41, sequence=6)
        + add(1, "B", P, 5, 0x28, ts_event=30, ts_recv=41, sequence=3)
        + add(5, "B", P, 9, 0x28, ts_event=29, ts_recv=41, sequence=7)
        + add(3, "A", Q, 7, 0x28, ts_event=32, ts_recv=41, sequence=5)
        + add(2, "A", Q + 1, 6, 0xA8, ts_event=31, ts_recv=41, sequence=4)
    )


def test_a_snapshot_of_an_empty_book_is_its_clear(engine: AnyEngine) -> None:
    engine.apply(clear(ts_event=5, ts_recv=6, sequence=7))
    assert engine.snapshot(7) == clear(0xA8, ts_event=5, ts_recv=6, sequence=7)


def test_a_snapshot_of_an_engine_without_books_is_empty(engine: AnyEngine) -> None:
    assert engine.snapshot() == b""


@pytest.mark.parametrize("bad", ["incomplete", "suspect"])
def test_a_snapshot_of_a_bad_book_says_so_on_every_record_and_stays_bad(
    engine_class: type[AnyEngine], bad: str
) -> None:
    engine = engine_class()
    engine.apply((clear() if bad == "suspect" else b"") + add(1, "B", P, 5) + add(2, "A", Q, 5))
    if bad == "suspect":
        engine.mark_suspect(7)
    taken = engine.snapshot(7)
    assert [flags for *_, flags in rows(taken)] == [0x2C, 0x2C, 0xAC]
    restored = engine_class()
    restored.apply(taken)
    assert health(restored) == (False, True)
    assert [flags for *_, flags in rows(restored.snapshot(7))] == [0x2C, 0x2C, 0xAC]


def test_a_snapshot_lists_quotes_as_quotes(engine: AnyEngine) -> None:
    engine.apply(clear() + mbo("A", "B", P, 9, 77, TOB | LAST, ts_event=3, sequence=4))
    engine.apply(add(1, "A", Q, 5, ts_event=8, ts_recv=9, sequence=6))
    assert engine.snapshot(7) == (
        clear(0x28, ts_event=8, ts_recv=9, sequence=6)
        + mbo("A", "B", P, 9, 0, 0x68, ts_event=8, ts_recv=9, sequence=6)
        + add(1, "A", Q, 5, 0xA8, ts_event=8, ts_recv=9, sequence=6)
    )


def test_a_snapshot_inside_an_event_lists_its_fills_and_leaves_it_open(engine_class: type[AnyEngine]) -> None:
    engine = engine_class()
    engine.apply(clear(ts_event=2, sequence=1))
    engine.apply(add(1, "B", P, 5, ts_event=3, sequence=2) + add(2, "B", P, 6, ts_event=4, sequence=3))
    engine.apply(add(3, "A", Q, 7, ts_event=5, sequence=4))
    engine.apply(
        fill(3, "A", Q, 7, ts_event=6) + fill(1, "N", 0, 2, ts_event=6) + fill(9, "B", P, 1, ts_event=6)
    )
    engine.apply(fill(1, "B", P, 3, ts_event=6, ts_recv=8, sequence=5))
    taken = engine.snapshot(7)
    at = {"ts_event": 5, "ts_recv": 8, "sequence": 4}
    assert taken == (
        clear(0x28, **at)
        + add(1, "B", P, 5, 0x28, ts_event=3, ts_recv=8, sequence=2)
        + add(2, "B", P, 6, 0x28, ts_event=4, ts_recv=8, sequence=3)
        + add(3, "A", Q, 7, 0x28, **at)
        + fill(1, "B", P, 5, 0x28, **at)
        + fill(3, "A", Q, 7, 0x28, **at)
    )
    restored = engine_class()
    restored.apply(taken)
    assert restored.status(7).in_event
    rest = modify(1, "B", P, 5, 0) + modify(3, "A", Q, 7)
    engine.apply(rest)
    restored.apply(rest)
    assert queue(engine, "B", P) == queue(restored, "B", P) == [(2, 6), (1, 5)]
    assert not restored.status(7).in_event


def test_fills_that_an_order_has_forgotten_are_not_listed(engine: AnyEngine) -> None:
    engine.apply(clear() + add(1, "B", P, 5) + fill(1, "B", P, 5, LAST))
    engine.apply(trade("A", P, 1))
    assert [action for action, *_ in rows(engine.snapshot(7))] == ["R", "A"]
    engine.apply(fill(1, "B", P, 2) + modify(1, "B", P, 3, 0))
    assert [action for action, *_ in rows(engine.snapshot(7))] == ["R", "A"]


def test_a_fill_of_size_zero_is_not_listed(engine: AnyEngine) -> None:
    engine.apply(clear() + add(1, "B", P, 5) + fill(1, "B", P, 0))
    assert [action for action, *_ in rows(engine.snapshot(7))] == ["R", "A"]


def test_saturated_fills_are_listed_as_the_greatest_size(engine: AnyEngine) -> None:
    engine.apply(clear() + add(1, "B", P, 5) + fill(1, "B", P, 2**32 - 1) + fill(1, "B", P, 2**32 - 1))
    assert rows(engine.snapshot(7))[-1] == ("F", "B", P, 2**32 - 1, 1, 0x28)


def test_a_snapshot_of_an_empty_book_inside_an_event_leaves_it_open(engine: AnyEngine) -> None:
    engine.apply(clear(ts_event=2, sequence=1) + trade("A", P, 1, ts_event=5, ts_recv=6, sequence=2))
    assert engine.snapshot(7) == clear(0x28, ts_event=2, ts_recv=6, sequence=1)


def test_a_snapshot_of_all_books_goes_by_publisher_and_instrument(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, publisher_id=2, instrument_id=3) + clear(publisher_id=1, instrument_id=9))
    engine.apply(clear(publisher_id=2, instrument_id=1) + clear(publisher_id=1, instrument_id=4, ts_recv=77))
    parts = [engine.snapshot(key.instrument_id, key.publisher_id) for key in sorted(engine.books())]
    assert engine.snapshot() == b"".join(parts)
    assert parts[0] == clear(0xA8, publisher_id=1, instrument_id=4, ts_recv=77)
    assert parts[2] == clear(0xA8, publisher_id=2, instrument_id=1, ts_recv=77)
    assert rows(parts[3])[0][-1] == 0x2C
    assert engine.snapshot(publisher_id=2) == parts[2] + parts[3]
    assert engine.snapshot(publisher_id=3) == b""


def test_a_restored_book_gives_the_same_snapshot(engine_class: type[AnyEngine]) -> None:
    engine = engine_class()
    engine.apply(clear() + add(1, "B", P, 5) + add(2, "B", P, 5) + modify(1, "B", P, 6) + add(3, "A", Q, 1))
    engine.apply(mbo("A", "A", Q, 9, 0, TOB | LAST, instrument_id=8) + trade("A", P, 1, LAST))
    restored = engine_class()
    restored.apply(engine.snapshot())
    assert restored.snapshot() == engine.snapshot()
    assert restored.checksum(7) == engine.checksum(7)


def test_a_snapshot_is_accepted_in_any_order_across_levels(engine: AnyEngine) -> None:
    engine.apply(
        clear(SNAP) + add(1, "A", Q + 5, 5, SNAP) + add(2, "B", P - 7, 5, SNAP) + add(3, "A", Q, 5, SNAP)
    )
    engine.apply(add(4, "B", P, 5, SNAP) + add(5, "A", Q + 5, 6, SNAP | LAST))
    assert levels(engine) == ([(P, 5, 1), (P - 7, 5, 1)], [(Q, 5, 1), (Q + 5, 11, 2)])
