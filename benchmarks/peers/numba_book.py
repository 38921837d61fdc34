"""A plain book compiled by numba: a hash table of orders, linked queues, sorted arrays of prices.

What a careful Python programmer writes for speed. It keeps levels, sizes, counts and priority of one
instrument, and leaves out what the rules ask beyond that (counters, events, refills, states, checks).
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import Book, Levels, Peer
from benchmarks.workloads import Records, Workload
from depthcast.dbn.layout import MBO

MAX_LEVELS: Final = 16_384
NONE: Final = -1
HASH: Final = np.uint64(0x9E3779B97F4A7C15)

# Actions and sides as numbers: numba is slow with bytes.
NUMBERED: Final = np.dtype(
    [(name, "u1" if name in {"action", "side"} else MBO[name]) for name in MBO.names or ()]
)
ADD, CANCEL, MODIFY, CLEAR, BID = (ord(letter) for letter in "ACMRB")

ORDER: Final = np.dtype(
    [
        ("order_id", "u8"),
        ("price", "i8"),
        ("size", "i8"),
        ("level", "i4"),
        ("before", "i4"),
        ("after", "i4"),
        ("side", "i4"),
    ]
)
LEVEL: Final = np.dtype([("size", "i8"), ("count", "i8"), ("first", "i4"), ("last", "i4")])


class State(NamedTuple):
    """The arrays of a book; side 0 is the bids, 1 the asks."""

    orders: NDArray[np.void]
    levels: NDArray[np.void]
    table: NDArray[np.int32]
    """Orders by hash of their id, linear probing, at most half full; -1 is empty."""
    free_orders: NDArray[np.int32]
    free_levels: NDArray[np.int32]
    prices: NDArray[np.int64]
    """By side the prices that have a level, ascending."""
    at_price: NDArray[np.int32]
    """By side their levels."""
    lengths: NDArray[np.int64]
    """Levels of side 0, of side 1; free orders; free levels."""


def empty_state(orders: int) -> State:
    """No orders, and room for so many."""
    return State(
        orders=np.zeros(orders, ORDER),
        levels=np.zeros(2 * MAX_LEVELS, LEVEL),
        table=np.full(1 << (2 * orders).bit_length(), NONE, np.int32),
        free_orders=np.arange(orders, dtype=np.int32)[::-1].copy(),
        free_levels=np.arange(2 * MAX_LEVELS, dtype=np.int32)[::-1].copy(),
        prices=np.zeros((2, MAX_LEVELS), np.int64),
        at_price=np.zeros((2, MAX_LEVELS), np.int32),
        lengths=np.array([0, 0, orders, 2 * MAX_LEVELS]),
    )


# Inlined by numba itself: an array passed in a tuple costs two atomic operations.
@numba.njit(inline="always")
def home(table: Any, order_id: Any) -> Any:
    """Where an order id is looked for first."""
    return np.int64((np.uint64(order_id) * HASH) >> np.uint64(32)) & (len(table) - 1)


@numba.njit(inline="always")
def place_of(table: Any, orders: Any, order_id: Any) -> Any:
    """The place in the table that holds an order id, or the empty one where it would go."""
    at = home(table, order_id)
    while table[at] != NONE and orders[table[at]].order_id != order_id:
        at = (at + 1) & (len(table) - 1)
    return at


@numba.njit(inline="always")
def vacate(table: Any, orders: Any, hole: Any) -> None:
    """Empty a place, and move up what then could not be found any more."""
    mask = len(table) - 1
    at = hole
    while True:
        at = (at + 1) & mask
        slot = table[at]
        if slot == NONE:
            break
        if (at - home(table, orders[slot].order_id)) & mask >= (at - hole) & mask:
            table[hole] = slot
            hole = at
    table[hole] = NONE


@numba.njit(inline="always")
def find(prices: Any, length: Any, price: Any) -> Any:
    """Where a price stands, or would stand, among the first ``length`` of ascending prices."""
    low, high = 0, length
    while low < high:
        middle = (low + high) >> 1
        if prices[middle] < price:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(inline="always")
def append(state: Any, slot: Any) -> None:
    """Put an order at the tail of its level, which is made if there is none."""
    order = state.orders[slot]
    prices, at_price, length = state.prices[order.side], state.at_price[order.side], state.lengths[order.side]
    at = find(prices, length, order.price)
    if at == length or prices[at] != order.price:
        for i in range(length, at, -1):
            prices[i], at_price[i] = prices[i - 1], at_price[i - 1]
        state.lengths[3] -= 1
        prices[at], at_price[at] = order.price, state.free_levels[state.lengths[3]]
        made = state.levels[at_price[at]]
        made.first, made.last, made.size, made.count = NONE, NONE, 0, 0
        state.lengths[order.side] += 1
    level = state.levels[at_price[at]]
    order.level, order.before, order.after = at_price[at], level.last, NONE
    if level.last == NONE:
        level.first = slot
    else:
        state.orders[level.last].after = slot
    level.last = slot
    level.size += order.size
    level.count += 1


@numba.njit(inline="always")
def unlink(state: Any, slot: Any) -> None:
    """Take an order out of its queue, and its level out of the book if nothing is left."""
    order = state.orders[slot]
    level = state.levels[order.level]
    if order.before == NONE:
        level.first = order.after
    else:
        state.orders[order.before].after = order.after
    if order.after == NONE:
        level.last = order.before
    else:
        state.orders[order.after].before = order.before
    level.size -= order.size
    level.count -= 1
    if level.count == 0:
        prices, at_price = state.prices[order.side], state.at_price[order.side]
        state.lengths[order.side] -= 1
        length = state.lengths[order.side]
        for i in range(find(prices, length + 1, order.price), length):
            prices[i], at_price[i] = prices[i + 1], at_price[i + 1]
        state.free_levels[state.lengths[3]] = order.level
        state.lengths[3] += 1


@numba.njit(inline="always")
def clear(state: Any) -> None:
    """Empty both sides."""
    state.table[:] = NONE
    state.lengths[:] = (0, 0, len(state.free_orders), len(state.free_levels))
    state.free_orders[:] = np.arange(len(state.free_orders))[::-1]
    state.free_levels[:] = np.arange(len(state.free_levels))[::-1]


@numba.njit(inline="always")
def put(state: Any, place: Any, record: Any) -> None:
    """An add or a modify."""
    slot = state.table[place]
    side = 0 if record.side == BID else 1
    if slot == NONE:
        state.lengths[2] -= 1
        slot = state.free_orders[state.lengths[2]]
        state.table[place] = slot
        state.orders[slot].order_id = record.order_id
    else:
        order = state.orders[slot]
        if side == order.side and record.price == order.price and record.size <= order.size:
            state.levels[order.level].size += record.size - order.size
            order.size = record.size
            return
        unlink(state, slot)
    order = state.orders[slot]
    order.side, order.price, order.size = side, record.price, record.size
    append(state, slot)


@numba.njit(inline="always")
def cancel(state: Any, place: Any, size: Any) -> None:
    """Take ``size`` from an order, or all of it."""
    slot = state.table[place]
    if slot == NONE:
        return
    order = state.orders[slot]
    if size < order.size:
        order.size -= size
        state.levels[order.level].size -= size
        return
    unlink(state, slot)
    vacate(state.table, state.orders, place)
    state.free_orders[state.lengths[2]] = slot
    state.lengths[2] += 1


@numba.njit
def apply(state: Any, records: Any) -> None:
    """Apply records in order."""
    for record in records:
        action = record.action
        if action in (ADD, MODIFY):
            put(state, place_of(state.table, state.orders, record.order_id), record)
        elif action == CANCEL:
            cancel(state, place_of(state.table, state.orders, record.order_id), record.size)
        elif action == CLEAR:
            clear(state)


class NumbaBook:
    """The state and the records to apply."""

    def __init__(self, setup: Records, timed: Records) -> None:
        self.state = empty_state(len(setup) + len(timed))
        apply(self.state, setup)
        self.timed = timed

    def run(self) -> None:
        apply(self.state, self.timed)

    def levels(self) -> tuple[Levels, Levels]:
        state = self.state
        bids, asks = (
            list(
                zip(prices[:length].tolist(), levels["size"].tolist(), levels["count"].tolist(), strict=True)
            )
            for prices, levels, length in (
                (
                    state.prices[side],
                    state.levels[state.at_price[side, : state.lengths[side]]],
                    state.lengths[side],
                )
                for side in (0, 1)
            )
        )
        return bids[::-1], asks


class Numba:
    """The compiled book, its compilation not timed."""

    name = "numba book"
    about = "a plain book compiled by numba, levels and queues only"
    max_records = 2_000_000
    max_setup = 1_000_000

    def load(self, workload: Workload) -> Callable[[], Book]:
        setup, timed = workload.setup.view(NUMBERED), workload.timed.view(NUMBERED)
        NumbaBook(setup[:0], timed[:1]).run()
        return lambda: NumbaBook(setup, timed)


PEERS: list[Peer] = [Numba()]
