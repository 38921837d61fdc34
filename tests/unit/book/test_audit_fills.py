"""Fills at the front: which trades are judged, which are at the front, and why the others are not."""

import pytest

from depthcast.book.audit.report import AuditReport, TradeExample
from tests.support.audit import audited, observation, parts
from tests.support.records import LAST, add, cancel, clear, fill, modify, trade

P, Q = 100, 101

BOOK = [
    clear(),
    *(add(order, "B", P, 5) for order in (1, 2, 3, 4, 5, 6, 7)),
    add(8, "B", P - 1, 5),
    add(11, "A", Q, 5),
    add(12, "A", Q, 5),
    add(13, "A", Q + 1, 5),
]


def judged(*event: bytes) -> tuple[int, int, dict[str, int]]:
    """Of an event on top of `BOOK`: trades at the front, trades judged, causes of the others."""
    found = observation(audited(*BOOK, *event, cancel(8, "B", P - 1, 5)), "fills_at_front")
    return found.count, found.total, parts(found)


def unjudged(report: AuditReport) -> dict[str, int | str]:
    measures = observation(report, "fills_at_front").measures
    return {name.removeprefix("not_judged_"): count for name, count in measures.items() if count}


def end() -> bytes:
    return cancel(1, "B", P, 5)


def test_the_first_order_of_the_queue() -> None:
    assert judged(trade("A", P, 5), fill(1, "B", P, 5), end()) == (1, 1, {})


def test_the_first_orders_of_the_queue_partly_filled_at_last() -> None:
    event = trade("A", P, 7), fill(1, "B", P, 5), fill(2, "B", P, 2), end()
    assert judged(*event) == (1, 1, {})


def test_fills_over_two_levels_are_the_front_of_the_side() -> None:
    event = trade("B", Q, 12), fill(11, "A", Q, 5), fill(12, "A", Q, 5), fill(13, "A", Q + 1, 2), end()
    assert judged(*event) == (1, 1, {})


def test_the_order_in_which_fills_are_listed_is_counted_and_does_not_decide() -> None:
    listed = audited(*BOOK, trade("A", P, 9), fill(2, "B", P, 4), fill(1, "B", P, 5), end())
    found = observation(listed, "fills_at_front")
    assert (found.count, found.total, found.measures["listed_in_queue_order"]) == (1, 1, 0)
    listed = audited(*BOOK, trade("A", P, 9), fill(1, "B", P, 5), fill(2, "B", P, 4), end())
    assert observation(listed, "fills_at_front").measures["listed_in_queue_order"] == 1


def test_an_order_that_is_filled_twice_in_a_trade_counts_once() -> None:
    event = trade("A", P, 5), fill(1, "B", P, 3), fill(1, "B", P, 2), end()
    assert judged(*event) == (1, 1, {})


def test_each_trade_of_an_event_meets_the_queue_without_the_orders_of_the_earlier() -> None:
    event = (
        trade("A", P, 5),
        fill(1, "B", P, 5),
        trade("A", P, 10),
        fill(2, "B", P, 5),
        fill(3, "B", P, 5),
        end(),
    )
    assert judged(*event) == (2, 2, {})


def test_the_queue_is_that_of_the_events_beginning() -> None:
    """What the event itself takes out before its trade was still there."""
    gone = cancel(1, "B", P, 5, 0)
    assert judged(gone, trade("A", P, 5), fill(2, "B", P, 5), end()) == (0, 1, {"behind_1": 1})
    assert judged(cancel(1, "B", P, 5), trade("A", P, 5), fill(2, "B", P, 5), end()) == (1, 1, {})


@pytest.mark.parametrize(
    ("order", "cause"),
    [(2, "behind_1"), (3, "behind_2_to_4"), (5, "behind_2_to_4"), (6, "behind_5_or_more")],
)
def test_orders_at_the_price_were_passed_over(order: int, cause: str) -> None:
    assert judged(trade("A", P, 5), fill(order, "B", P, 5), end()) == (0, 1, {cause: 1})


def test_only_orders_that_were_not_filled_count_as_passed_over() -> None:
    event = trade("A", P, 5), fill(1, "B", P, 5), fill(3, "B", P, 5), end()
    assert judged(*event) == (0, 1, {"behind_1": 1})


def test_a_better_price_was_passed_over() -> None:
    assert judged(trade("A", P, 5), fill(8, "B", P - 1, 5), end()) == (0, 1, {"behind_better_price": 1})


def test_the_aggressors_own_order_is_named() -> None:
    """An order that rested on the other side was moved to cross; the venue names it among the fills."""
    event = trade("A", P, 5), fill(11, "A", P, 5), fill(1, "B", P, 5), modify(11, "A", P, 5), end()
    assert judged(*event) == (0, 1, {"names_the_aggressor": 1})


def test_only_orders_of_the_aggressors_side_are_named() -> None:
    assert judged(trade("A", P, 5), fill(11, "A", P, 5), end()) == (0, 1, {"other_side": 1})


def test_an_order_came_in_with_the_event() -> None:
    event = add(9, "B", P + 1, 5, 0), trade("A", P + 1, 5), fill(9, "B", P + 1, 5), end()
    assert judged(*event) == (0, 1, {"entered_in_event": 1})


def test_an_order_was_filled_by_an_earlier_trade_of_the_event() -> None:
    event = trade("A", P, 2), fill(1, "B", P, 2), trade("A", P, 3), fill(1, "B", P, 3), end()
    assert judged(*event) == (1, 2, {"filled_earlier_in_event": 1})


def test_trades_that_are_not_judged() -> None:
    report = audited(
        *BOOK,
        trade("N", P, 5),
        fill(1, "B", P, 5),
        trade("A", P, 5),
        trade("A", P, 5),
        fill(99, "B", P, 5),
        trade("A", P, 5, LAST),
        fill(1, "B", P, 5, LAST),
    )
    assert observation(report, "fills_at_front").total == 0
    assert observation(report, "fills_at_front").share is None
    assert unjudged(report) == {"side_none": 1, "no_fills": 2, "unknown_fills": 1}
    assert observation(report, "fills_without_trade").count == 1
    assert observation(report, "unknown_fills").count == 1


def test_the_orders_of_trades_that_are_not_judged_are_taken_from_the_queue_too() -> None:
    event = trade("N", P, 5), fill(1, "B", P, 5), trade("A", P, 5), fill(2, "B", P, 5), end()
    assert judged(*event) == (1, 1, {})


def test_an_unknown_fill_spoils_its_own_trade_only() -> None:
    event = trade("A", P, 5), fill(99, "B", P, 5), trade("A", P, 5), fill(1, "B", P, 5), end()
    assert judged(*event) == (1, 1, {})


def test_an_order_known_at_the_fill_is_known() -> None:
    event = trade("A", P, 5), add(1, "B", P, 5, 0), fill(1, "B", P, 5), end()
    assert judged(*event) == (1, 1, {})


def test_a_fill_belongs_to_the_trade_of_its_own_event_and_book() -> None:
    event = (
        trade("A", P, 5),
        add(1, "B", P, 5, instrument_id=8),
        trade("A", P, 5, instrument_id=8),
        fill(1, "B", P, 5),
        fill(1, "B", P, 5, instrument_id=8),
        end(),
        cancel(1, "B", P, 5, instrument_id=8),
    )
    assert judged(*event) == (2, 2, {})


def test_after_a_clear_the_event_begins_anew() -> None:
    """The orders from before it are not those that the trade met."""
    anew = clear(0), add(1, "B", P, 5, 0), trade("A", P, 5), fill(1, "B", P, 5), end()
    assert judged(*anew) == (0, 1, {"entered_in_event": 1})
    both = trade("A", P, 5), fill(1, "B", P, 5), clear(0), trade("A", P, 5), fill(2, "B", P, 5), end()
    found = observation(audited(*BOOK, *both), "fills_at_front")
    assert (found.count, found.total) == (1, 1)
    assert found.measures["not_judged_unknown_fills"] == 1


def test_an_event_that_the_end_of_the_data_leaves_open_is_judged() -> None:
    found = observation(audited(*BOOK, trade("A", P, 5), fill(1, "B", P, 5)), "fills_at_front")
    assert (found.count, found.total) == (1, 1)


def test_a_queue_deeper_than_is_looked_at() -> None:
    levels = [add(1_000 + depth, "A", Q + 10 + depth, 5) for depth in range(300)]
    event = trade("B", Q + 300, 5), fill(1_290, "A", Q + 300, 5), end()
    found = observation(audited(*BOOK, *levels, *event), "fills_at_front")
    assert parts(found) == {"behind_better_price": 1}


def test_an_example_shows_who_was_filled_and_who_was_in_front() -> None:
    feed = [*BOOK, trade("A", P, 5, ts_recv=1_000), fill(3, "B", P, 5), end()]
    example = observation(audited(*feed), "fills_at_front").examples[0]
    assert isinstance(example, TradeExample)
    assert (example.at.record, example.at.iso) == (12, "1970-01-01T00:00:00.000001000Z")
    assert (example.side, example.price, example.size, example.cause) == (
        "A",
        "0.0000001",
        5,
        "behind_2_to_4",
    )
    assert example.filled == ["3"]
    assert example.front == ["1", "2", "3", "4", "5", "6", "7"]


def test_the_share_first_and_last_are_of_the_trades_at_the_front() -> None:
    feed = [
        *BOOK,
        *(trade("A", P, 5, ts_recv=5), fill(1, "B", P, 5), cancel(1, "B", P, 5)),
        *(trade("A", P, 5, ts_recv=6), fill(3, "B", P, 5), cancel(3, "B", P, 5)),
        *(trade("A", P, 5, ts_recv=7), fill(2, "B", P, 5), cancel(2, "B", P, 5)),
    ]
    found = observation(audited(*feed), "fills_at_front")
    assert (found.count, found.total, found.share) == (2, 3, 0.666667)
    assert found.first is not None
    assert found.last is not None
    assert (found.first.ts_recv, found.last.ts_recv) == ("5", "7")
    assert [(part.name, part.share) for part in found.parts if part.count] == [("behind_1", 0.333333)]
