"""docs/book.md § Events: what belongs to one, what ends it, and when it is too long."""

from tests.support.engines import AnyEngine
from tests.support.records import (
    LAST,
    MAYBE_BAD,
    MBP,
    SNAPSHOT,
    add,
    cancel,
    clear,
    fill,
    mbo,
    modify,
    status,
    trade,
)
from tests.support.views import counted, health

P = 100


def test_an_event_is_open_from_its_first_record_to_the_flagged_one(engine: AnyEngine) -> None:
    engine.apply(trade("A", P, 5))
    assert engine.status(7).in_event
    engine.apply(fill(1, "B", P, 5))
    assert engine.status(7).in_event
    engine.apply(cancel(1, "B", P, 5))
    assert not engine.status(7).in_event
    assert engine.counters["events"] == engine.status(7).events == 1
    assert engine.counters["records"] == engine.status(7).records == 3


def test_the_end_of_an_event_ends_its_own_book_only(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, 0) + add(1, "B", P, 5, 0, instrument_id=8))
    engine.apply(add(2, "B", P, 5, LAST, instrument_id=8))
    assert engine.status(7).in_event
    assert not engine.status(8).in_event


def test_an_ignored_record_opens_and_ends_events_too(engine: AnyEngine) -> None:
    engine.apply(mbo("X", flags=0))
    assert engine.status(7).in_event
    engine.apply(add(1, "B", P, 0))
    assert not engine.status(7).in_event
    engine.apply(mbo("A", "B", P, 1, 1, MBP))
    assert engine.status(7).in_event


def test_a_clear_does_not_end_an_event(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, 0) + clear(0))
    assert engine.status(7).in_event
    assert engine.counters["events"] == 0


def test_the_version_is_that_of_the_last_record_of_the_last_event(engine: AnyEngine) -> None:
    assert engine.apply(add(1, "B", P, 5, 0, ts_event=90, sequence=9)) == 1
    assert engine.status(7).version == (0, 0)
    engine.apply(add(2, "B", P, 5, LAST, ts_event=80, sequence=8))
    assert engine.status(7).version == (80, 8)
    engine.apply(add(3, "B", P, 5, 0, ts_event=70, sequence=7))
    assert engine.status(7).version == (80, 8)
    engine.apply(clear(0, ts_event=75, sequence=7))
    assert engine.status(7).version == (80, 8)


def test_an_ignored_record_that_ends_an_event_gives_the_version(engine: AnyEngine) -> None:
    engine.apply(mbo("X", ts_event=80, sequence=8))
    assert engine.status(7).version == (80, 8)


def test_the_status_shows_the_last_record_of_the_book(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, 0, ts_event=90, ts_recv=91, sequence=9))
    engine.apply(add(1, "B", P, 5, 0, ts_event=95, ts_recv=96, sequence=10, instrument_id=8))
    now = engine.status(7)
    assert (now.ts_event, now.ts_recv, now.sequence) == (90, 91, 9)
    engine.apply(mbo("X", flags=0, ts_event=70, ts_recv=71, sequence=2))
    now = engine.status(7)
    assert (now.ts_event, now.ts_recv, now.sequence) == (70, 71, 2)


def test_changed_lists_books_in_the_order_in_which_they_first_completed_an_event(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5, 0) + add(1, "B", P, 5, LAST, instrument_id=9))
    engine.apply(add(1, "B", P, 5, LAST, instrument_id=8) + add(2, "B", P, 5) + add(2, "B", P, 5))
    engine.apply(add(2, "B", P, 5, LAST, instrument_id=9) + add(1, "B", P, 5, 0, instrument_id=6))
    assert engine.changed() == [(1, 9), (1, 8), (1, 7)]
    assert engine.changed() == []
    engine.apply(add(3, "B", P, 5) + cancel(3, "B", P, 5))
    assert engine.changed() == [(1, 7)]


def test_marking_a_book_suspect_and_status_records_are_not_changes(engine: AnyEngine) -> None:
    engine.apply(add(1, "B", P, 5))
    engine.changed()
    engine.mark_suspect()
    engine.apply(status(7))
    assert engine.changed() == []


def test_an_event_of_exactly_the_limit_is_not_long(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_records=3)
    engine.apply(clear() + trade("A", P, 1) * 3)
    assert health(engine) == (True, False)
    engine.apply(trade("A", P, 1))
    assert health(engine) == (True, True)
    assert counted(engine)["long_events"] == 1


def test_a_long_event_is_counted_once(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_records=3)
    engine.apply(trade("A", P, 1) * 10 + trade("A", P, 1, LAST))
    assert counted(engine)["long_events"] == 1
    engine.apply(trade("A", P, 1) * 10)
    assert counted(engine)["long_events"] == 2


def test_the_record_that_makes_an_event_long_may_end_it(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_records=2)
    engine.apply(trade("A", P, 1) * 2 + trade("A", P, 1, LAST))
    assert counted(engine)["long_events"] == 1


def test_ignored_records_lengthen_an_event(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_records=3)
    engine.apply(mbo("X", flags=0) * 4)
    assert counted(engine)["long_events"] == 1


def test_snapshot_records_do_not_lengthen_an_event(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_records=3, max_event_ns=10)
    engine.apply(clear(SNAPSHOT, ts_recv=5))
    engine.apply(b"".join(add(i, "B", P, 1, SNAPSHOT, ts_recv=5 + 100 * i) for i in range(9)))
    engine.apply(trade("A", P, 1, ts_recv=9_000) * 3)
    assert health(engine) == (True, False)


def test_records_of_other_books_do_not_lengthen_an_event(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_records=3)
    engine.apply(
        trade("A", P, 1) + trade("A", P, 1, instrument_id=8) * 3 + trade("A", P, 1, publisher_id=2) * 3
    )
    assert "long_events" not in counted(engine)


def test_an_event_that_lasts_exactly_the_limit_is_not_long(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_ns=1_000)
    engine.apply(trade("A", P, 1, ts_recv=500) + trade("A", P, 1, ts_recv=1_500))
    assert health(engine) == (False, False)
    engine.apply(trade("A", P, 1, ts_recv=1_501))
    assert health(engine) == (False, True)
    assert counted(engine)["long_events"] == 1


def test_time_between_events_makes_none_long(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_ns=1_000)
    engine.apply(trade("A", P, 1, LAST, ts_recv=500) + trade("A", P, 1, ts_recv=9_500))
    assert "long_events" not in counted(engine)


def test_time_that_goes_back_makes_no_event_long(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_ns=1_000)
    engine.apply(trade("A", P, 1, ts_recv=50_000) + trade("A", P, 1, ts_recv=500))
    engine.apply(trade("A", P, 1, ts_recv=51_000))
    assert "long_events" not in counted(engine)


def test_an_undefined_time_makes_no_event_long(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_ns=1_000)
    engine.apply(trade("A", P, 1, ts_recv=500) + trade("A", P, 1, ts_recv=2**64 - 1))
    assert "long_events" not in counted(engine)
    engine.apply(trade("A", P, 1, ts_recv=2**64 - 2))
    assert counted(engine)["long_events"] == 1


def test_a_clear_starts_the_measure_of_its_event_anew(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_records=3, max_event_ns=1_000)
    engine.apply(clear(0, ts_recv=0) + trade("A", P, 1, ts_recv=5_000) * 3)
    assert health(engine) == (True, False)
    engine.apply(trade("A", P, 1, ts_recv=5_000))
    assert counted(engine)["long_events"] == 1


def test_an_event_that_is_long_again_after_a_clear_is_counted_once(
    engine_class: type[AnyEngine],
) -> None:
    engine = engine_class(max_event_records=3)
    engine.apply(trade("A", P, 1) * 4 + clear(0))
    assert health(engine) == (True, False)
    engine.apply(trade("A", P, 1) * 4)
    assert health(engine) == (True, True)
    assert counted(engine)["long_events"] == 1


def test_a_clear_that_makes_its_event_long_leaves_a_good_book(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_records=3)
    engine.apply(trade("A", P, 1) * 3 + clear(0))
    assert counted(engine)["long_events"] == 1
    assert health(engine) == (True, False)


def test_an_aggregated_clear_starts_no_measure_anew(engine_class: type[AnyEngine]) -> None:
    engine = engine_class(max_event_records=3)
    engine.apply(trade("A", P, 1) * 2 + clear(MBP) + trade("A", P, 1))
    assert counted(engine)["long_events"] == 1


def test_an_event_of_the_default_limit_is_not_long(engine: AnyEngine) -> None:
    engine.apply(clear() + trade("A", P, 1) * 65_536)
    assert health(engine) == (True, False)
    engine.apply(trade("A", P, 1))
    assert health(engine) == (True, True)


def test_an_event_of_a_minute_is_not_long(engine: AnyEngine) -> None:
    engine.apply(clear() + trade("A", P, 1, ts_recv=1) + trade("A", P, 1, ts_recv=60_000_000_001))
    assert health(engine) == (True, False)
    engine.apply(trade("A", P, 1, ts_recv=60_000_000_002))
    assert health(engine) == (True, True)


def test_any_record_may_say_that_the_book_may_be_bad(engine: AnyEngine) -> None:
    engine.apply(clear() + trade("A", P, 1, MAYBE_BAD))
    assert health(engine) == (True, True)
    assert counted(engine)["maybe_bad_book"] == 1
    engine.apply(modify(1, "B", P, 5) + cancel(1, "B", P, 5))
    assert health(engine) == (True, True)
