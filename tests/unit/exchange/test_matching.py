"""The matching engine: who trades with whom, at what price, and who stands where afterwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.exchange.matching import ASK, BID, Fill, MatchingEngine, Order, OrderIds, Outcome


def book(*orders: Order, refill_ids: OrderIds | None = None) -> MatchingEngine:
    engine = MatchingEngine(refill_ids)
    for order in orders:
        engine.rest(order)
    return engine


def bid(order_id: int, price: int, size: int, hidden: int = 0) -> Order:
    return Order(order_id, BID, price, size, hidden)


def ask(order_id: int, price: int, size: int, hidden: int = 0) -> Order:
    return Order(order_id, ASK, price, size, hidden)


def queue(engine: MatchingEngine, side: int) -> list[tuple[int, list[tuple[int, int]]]]:
    """Of each level, best first: its price and (order_id, size) in priority order."""
    return [
        (price, [(order.order_id, order.size) for order in orders]) for price, orders in engine.queues(side)
    ]


def traded(fills: list[Fill]) -> list[tuple[int, int, int]]:
    return [(fill.order_id, fill.price, fill.size) for fill in fills]


# -- Price, then time


def test_the_better_price_trades_first_and_at_its_own_price() -> None:
    engine = book(ask(1, 102, 5), ask(2, 101, 5), ask(3, 103, 5))
    assert traded(engine.match(BID, 103, 12)) == [(2, 101, 5), (1, 102, 5), (3, 103, 2)]
    assert queue(engine, ASK) == [(103, [(3, 3)])]


def test_at_one_price_the_earlier_order_trades_first() -> None:
    engine = book(bid(1, 100, 2), bid(2, 100, 2), bid(3, 100, 2))
    assert traded(engine.match(ASK, 100, 5)) == [(1, 100, 2), (2, 100, 2), (3, 100, 1)]
    assert queue(engine, BID) == [(100, [(3, 1)])]


def test_a_partly_filled_order_stays_in_front() -> None:
    engine = book(bid(1, 100, 5), bid(2, 100, 5))
    engine.match(ASK, 100, 2)
    assert queue(engine, BID) == [(100, [(1, 3), (2, 5)])]


def test_an_order_trades_up_to_its_limit_and_no_further() -> None:
    engine = book(ask(1, 101, 1), ask(2, 102, 1), ask(3, 103, 1))
    assert traded(engine.match(BID, 102, 9)) == [(1, 101, 1), (2, 102, 1)]
    assert not engine.can_trade(BID, 102)
    assert engine.can_trade(BID, 103)


def test_a_sell_limit_holds_too() -> None:
    engine = book(bid(1, 101, 1), bid(2, 100, 1), bid(3, 99, 1))
    assert traded(engine.match(ASK, 100, 9)) == [(1, 101, 1), (2, 100, 1)]


def test_prices_below_zero_match_like_any_other() -> None:
    engine = book(ask(1, -3, 1), ask(2, 0, 1), bid(3, -5, 1))
    assert traded(engine.match(BID, -1, 5)) == [(1, -3, 1)]
    assert traded(engine.match(ASK, -6, 5)) == [(3, -5, 1)]


# -- Kinds of incoming orders


def test_a_limit_order_rests_with_what_did_not_trade() -> None:
    engine = book(ask(1, 100, 3), bid(2, 99, 1))
    fills = engine.submit(bid(9, 100, 5), 100, rests=True)
    assert traded(fills) == [(1, 100, 3)]
    assert queue(engine, BID) == [(100, [(9, 2)]), (99, [(2, 1)])]
    assert not engine.is_crossed()


def test_a_market_order_takes_any_price_and_never_rests() -> None:
    engine = book(ask(1, 100, 3), ask(2, 500, 3))
    order = bid(9, 0, 10)
    assert traded(engine.submit(order, None, rests=False)) == [(1, 100, 3), (2, 500, 3)]
    assert order.size == 4
    assert queue(engine, BID) == queue(engine, ASK) == []


def test_an_ioc_order_cancels_what_does_not_trade_at_once() -> None:
    engine = book(ask(1, 100, 3), ask(2, 101, 3))
    assert traded(engine.submit(bid(9, 100, 5), 100, rests=False)) == [(1, 100, 3)]
    assert queue(engine, BID) == []


def test_an_order_that_cannot_trade_changes_nothing_if_it_does_not_rest() -> None:
    engine = book(ask(1, 100, 3))
    assert engine.submit(bid(9, 99, 5), 99, rests=False) == []
    assert queue(engine, ASK) == [(100, [(1, 3)])]


def test_fills_can_be_taken_one_by_one() -> None:
    engine = book(ask(1, 100, 3), ask(2, 100, 3))
    assert traded(engine.match(BID, 100, 5, max_fills=1)) == [(1, 100, 3)]
    assert traded(engine.match(BID, 100, 2, max_fills=1)) == [(2, 100, 2)]


# -- Icebergs


def test_a_filled_slice_is_replaced_at_the_end_of_the_queue() -> None:
    engine = book(ask(1, 100, 5, hidden=12), ask(2, 100, 5))
    (fill,) = engine.match(BID, 100, 5)
    assert (fill.outcome, fill.before, fill.refill_id, fill.refill_size) == (Outcome.REFILLED, 5, 1, 5)
    assert queue(engine, ASK) == [(100, [(2, 5), (1, 5)])]
    assert engine.orders[1].hidden == 7


def test_an_iceberg_trades_slice_by_slice_behind_the_others() -> None:
    engine = book(ask(1, 100, 5, hidden=8), ask(2, 100, 4))
    fills = engine.match(BID, 100, 16)
    assert traded(fills) == [(1, 100, 5), (2, 100, 4), (1, 100, 5), (1, 100, 2)]
    assert queue(engine, ASK) == [(100, [(1, 1)])]
    assert engine.orders[1].hidden == 0


def test_its_last_slice_is_what_is_left() -> None:
    engine = book(ask(1, 100, 5, hidden=2))
    engine.match(BID, 100, 5)
    assert queue(engine, ASK) == [(100, [(1, 2)])]
    assert traded(engine.match(BID, 100, 5)) == [(1, 100, 2)]
    assert not engine.live


def test_a_partly_filled_slice_keeps_its_place() -> None:
    engine = book(ask(1, 100, 5, hidden=12), ask(2, 100, 5))
    engine.match(BID, 100, 4)
    assert queue(engine, ASK) == [(100, [(1, 1), (2, 5)])]


def test_a_new_slice_has_a_new_order_id_where_the_venue_says_so() -> None:
    engine = book(ask(1, 100, 5, hidden=12), refill_ids=OrderIds(70))
    first, second = engine.match(BID, 100, 8)
    assert (first.order_id, first.refill_id) == (1, 71)
    assert (second.order_id, second.outcome) == (71, Outcome.PARTIAL)
    assert list(engine.orders) == [71]


def test_two_icebergs_take_turns() -> None:
    engine = book(ask(1, 100, 2, hidden=4), ask(2, 100, 2, hidden=4))
    fills = engine.match(BID, 100, 7)
    assert [fill.order_id for fill in fills] == [1, 2, 1, 2]
    assert queue(engine, ASK) == [(100, [(2, 1), (1, 2)])]


# -- Cancel and replace


def test_a_cancelled_order_is_gone_with_its_hidden_part() -> None:
    engine = book(bid(1, 100, 5, hidden=50), bid(2, 100, 5))
    assert engine.cancel(1).size == 5
    assert queue(engine, BID) == [(100, [(2, 5)])]
    assert [order.order_id for order in engine.live] == [2]
    with pytest.raises(KeyError):
        engine.cancel(1)


def test_cancelling_the_last_order_of_a_level_leaves_the_levels_around_it() -> None:
    engine = book(bid(1, 100, 5), bid(2, 99, 5), bid(3, 98, 5))
    engine.cancel(2)
    assert queue(engine, BID) == [(100, [(1, 5)]), (98, [(3, 5)])]
    engine.cancel(1)
    assert engine.best(BID) == 98


def test_an_order_that_shrinks_keeps_its_place() -> None:
    engine = book(bid(1, 100, 5), bid(2, 100, 5))
    engine.reduce(1, 2)
    engine.replace(1, 100, 1)
    assert queue(engine, BID) == [(100, [(1, 1), (2, 5)])]


@pytest.mark.parametrize("size", [0, 5, 6])
def test_a_reduction_must_reduce(size: int) -> None:
    engine = book(bid(1, 100, 5))
    with pytest.raises(ValueError, match="reduce to"):
        engine.reduce(1, size)


@pytest.mark.parametrize(("price", "size"), [(100, 6), (101, 5), (99, 5), (101, 1)])
def test_an_order_that_grows_or_moves_loses_its_place(price: int, size: int) -> None:
    engine = book(bid(1, 100, 5), bid(2, 100, 5), bid(3, price, 7) if price != 100 else bid(3, 100, 7))
    engine.replace(1, price, size)
    levels = dict(queue(engine, BID))
    assert levels[price][-1] == (1, size)


def test_a_replaced_order_may_trade_on_its_way() -> None:
    engine = book(ask(1, 101, 3), bid(2, 100, 5))
    order, fills = engine.replace(2, 101, 5)
    assert traded(fills) == [(1, 101, 3)]
    assert (order.order_id, order.size) == (2, 2)
    assert queue(engine, BID) == [(101, [(2, 2)])]


def test_a_replaced_order_that_trades_whole_is_gone() -> None:
    engine = book(ask(1, 101, 9), bid(2, 100, 5))
    order, _ = engine.replace(2, 101, 5)
    assert order.size == 0
    assert queue(engine, BID) == []
    assert 2 not in engine.orders


def test_in_an_auction_a_replaced_order_does_not_trade() -> None:
    engine = book(ask(1, 101, 9), bid(2, 100, 5))
    _, fills = engine.replace(2, 105, 5, matching=False)
    assert fills == []
    assert engine.is_crossed()


# -- Auctions


@pytest.mark.parametrize(
    ("orders", "reference", "price", "volume"),
    [
        # Most volume: 8 at 100, and only 5 elsewhere.
        ([bid(1, 101, 5), bid(2, 100, 3), ask(3, 99, 5), ask(4, 100, 3)], 0, 100, 8),
        # 5 at 99, 100 and 101; least imbalance is 0 at 100 and 101, where nobody else wants any.
        ([bid(1, 101, 5), bid(2, 99, 3), ask(3, 100, 5)], 0, 100, 5),
        ([bid(1, 101, 5), bid(2, 99, 3), ask(3, 100, 5)], 500, 101, 5),
        # Volume and imbalance alike from 99 to 103: the nearest to the reference.
        ([bid(1, 103, 5), ask(2, 99, 5)], 98, 99, 5),
        ([bid(1, 103, 5), ask(2, 99, 5)], 102, 103, 5),
        # As near below as above: the lower.
        ([bid(1, 103, 5), ask(2, 99, 5)], 101, 99, 5),
        # Imbalance goes before the reference.
        ([bid(1, 103, 5), bid(2, 101, 2), ask(3, 99, 5)], 99, 103, 5),
        # Hidden parts count.
        ([bid(1, 101, 1, hidden=9), ask(2, 99, 5), ask(3, 100, 5)], 99, 100, 10),
        # Locked is crossed enough.
        ([bid(1, 100, 5), ask(2, 100, 2)], 0, 100, 2),
    ],
)
def test_the_auction_price(orders: list[Order], reference: int, price: int, volume: int) -> None:
    engine = book(*(Order(one.order_id, one.side, one.price, one.size, one.hidden) for one in orders))
    auction = engine.uncross(reference)
    assert auction is not None
    assert (auction.price, auction.volume) == (price, volume)
    for fills in (auction.bids, auction.asks):
        assert sum(fill.size for fill in fills) == volume
        assert {fill.price for fill in fills} == {price}
    assert not engine.is_crossed()


def test_an_auction_fills_by_price_then_time() -> None:
    engine = book(bid(1, 100, 2), bid(2, 102, 2), bid(3, 100, 2), ask(4, 100, 5))
    auction = engine.uncross(100)
    assert auction is not None
    assert [(fill.order_id, fill.size) for fill in auction.bids] == [(2, 2), (1, 2), (3, 1)]
    assert queue(engine, BID) == [(100, [(3, 1)])]


def test_nothing_crossed_means_no_auction() -> None:
    assert book(bid(1, 99, 5), ask(2, 100, 5)).uncross(100) is None
    assert book(bid(1, 99, 5)).uncross(100) is None


orders = st.lists(
    st.tuples(st.sampled_from([BID, ASK]), st.integers(-3, 4), st.integers(1, 6), st.integers(0, 4)),
    max_size=12,
)


@given(rows=orders, reference=st.integers(-6, 6))
def test_no_price_is_better_than_the_auctions(rows: list[tuple[int, int, int, int]], reference: int) -> None:
    engine = book(*(Order(number, *row) for number, row in enumerate(rows, 1)))

    def merit(price: int) -> tuple[int, int, int, int]:
        demand = sum(size + hidden for side, limit, size, hidden in rows if side == BID and limit >= price)
        supply = sum(size + hidden for side, limit, size, hidden in rows if side == ASK and limit <= price)
        return -min(demand, supply), abs(demand - supply), abs(price - reference), price

    prices = {limit for _, limit, _, _ in rows}
    best = min(map(merit, prices), default=(0, 0, 0, 0))
    auction = engine.uncross(reference)
    if best[0] == 0:
        assert auction is None
    else:
        assert auction is not None
        assert (-auction.volume, auction.price) == (best[0], best[3])
        assert not engine.is_crossed()


actions = st.lists(
    st.tuples(
        st.sampled_from(["submit", "ioc", "cancel", "reduce", "replace"]),
        st.sampled_from([BID, ASK]),
        st.integers(-4, 4),
        st.integers(1, 6),
        st.integers(0, 10),
    ),
    max_size=60,
)


@given(steps=actions)
def test_the_engine_stays_sound_whatever_is_sent(steps: list[tuple[str, int, int, int, int]]) -> None:
    engine = MatchingEngine()
    for number, (action, side, price, size, extra) in enumerate(steps, 1):
        target = engine.live[extra % len(engine.live)] if engine.live else None
        match action:
            case "submit" | "ioc":
                engine.submit(Order(number, side, price, size, extra), price, rests=action == "submit")
            case "cancel" if target:
                engine.cancel(target.order_id)
            case "reduce" if target and target.size > 1:
                engine.reduce(target.order_id, 1 + extra % (target.size - 1))
            case "replace" if target:
                engine.replace(target.order_id, price, size)
        assert not engine.is_crossed()
    for side in (BID, ASK):
        assert engine.ranks[side] == sorted(engine.levels[side])
        assert all(engine.levels[side].values())
    queued = [order for side in (BID, ASK) for _, level in engine.queues(side) for order in level]
    assert {order.order_id for order in queued} == set(engine.orders)
    assert all(engine.live[order.slot] is order and order.size > 0 for order in queued)
    assert len(engine.live) == len(queued)
