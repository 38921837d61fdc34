"""How a book is held to the rules by its own answers.

Each check takes what an engine says of one book in one way and holds it to what it says in another. All give
what is wrong as lines of text; none is right.
"""

from collections.abc import Callable
from itertools import chain, pairwise
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey, BookStatus, Level, Order
from depthcast.dbn.layout import MBO, UNDEF_PRICE, Flags

_Side = Literal["B", "A"]
SIDES: Final[tuple[_Side, _Side]] = "B", "A"
_UNORDERED: Final = int(Flags.SNAPSHOT | Flags.TOB | Flags.MBP)
_TOP_LEVELS: Final = 10


class ImageSide(NamedTuple):
    """One side of a book: its levels, best first, and each level's queue."""

    levels: list[Level]
    queues: list[list[Order]]


class Image(NamedTuple):
    """A whole book, as an engine gives it."""

    status: BookStatus
    bids: ImageSide
    asks: ImageSide

    @property
    def sides(self) -> tuple[tuple[_Side, ImageSide], tuple[_Side, ImageSide]]:
        return ("B", self.bids), ("A", self.asks)

    @property
    def size(self) -> int:
        """Orders and levels: what walking it costs."""
        return self.status.orders + self.status.levels


class EventRecord(NamedTuple):
    """What the transition check needs of a record."""

    action: bytes
    side: bytes
    order_id: int
    price: int
    size: int
    flags: int


def image_of(engine: BookEngine, key: BookKey) -> Image:
    """Walk a book."""
    publisher_id, instrument_id = key
    depth = engine.depth(instrument_id, 0, publisher_id)

    def walk(side: _Side, levels: list[Level]) -> ImageSide:
        return ImageSide(
            levels, [engine.orders(instrument_id, side, level.price, publisher_id) for level in levels]
        )

    return Image(engine.status(instrument_id, publisher_id), walk("B", depth.bids), walk("A", depth.asks))


def check_image(engine: BookEngine, key: BookKey, image: Image) -> dict[str, list[str]]:
    """Invariants 1 to 4 of one book as it stands, by rule."""
    return {
        "levels": _levels(image),
        "orders": _orders(engine, key, image),
        "prices": _prices(engine, key, image),
        "priority": _snapshot(engine, key, image),
    }


def _levels(image: Image) -> list[str]:
    faults = []
    orders = 0
    for name, side in image.sides:
        for (price, size, count), queue in zip(side.levels, side.queues, strict=True):
            orders += len(queue)
            if count == 0 and size > 0 and not queue and len(side.levels) == 1:
                continue  # a top-of-book level
            made = sum([order.size for order in queue])
            if not queue or (size, count) != (made, len(queue)):
                faults.append(
                    f"level {name} {price}: size {size} and count {count}, "
                    f"its orders make {made} and {len(queue)}"
                )
    levels = len(image.bids.levels) + len(image.asks.levels)
    if (image.status.orders, image.status.levels) != (orders, levels):
        faults.append(
            f"the status says {image.status.orders} orders and {image.status.levels} levels, "
            f"the book has {orders} and {levels}"
        )
    return faults


def _orders(engine: BookEngine, key: BookKey, image: Image) -> list[str]:
    faults = []
    seen: set[int] = set()
    for name, side in image.sides:
        for level, queue in zip(side.levels, side.queues, strict=True):
            known = len(seen)
            seen.update([order.order_id for order in queue])
            if len(seen) != known + len(queue):
                faults.append(f"level {name} {level.price}: an order of its queue is in another place too")
            if any(order.size == 0 for order in queue):
                faults.append(f"level {name} {level.price}: an order of its queue has size 0")
        if side.levels:
            turn = image.status.records % len(side.levels)
            faults += _place(engine, key, name, side.levels[turn].price, side.queues[turn])
    return faults


def _place(engine: BookEngine, key: BookKey, side: str, price: int, queue: list[Order]) -> list[str]:
    """The last order of a queue, found by its id, is where the queue says."""
    if not queue:
        return []
    last = queue[-1]
    expected = side, price, last.size, len(queue) - 1, sum([order.size for order in queue[:-1]])
    try:
        found = engine.queue_position(last.order_id, key.instrument_id, key.publisher_id)
    except LookupError:
        return [f"order {last.order_id} is queued at {side} {price} and not found by its id"]
    told = found.side, found.price, found.size, found.orders_ahead, found.size_ahead
    if told == expected:
        return []
    return [f"order {last.order_id}: by its id {told}, by its queue {expected} (side, price, size, ahead)"]


def _prices(engine: BookEngine, key: BookKey, image: Image) -> list[str]:
    faults = []
    for name, side in image.sides:
        prices = [level.price for level in side.levels]
        if name == "B":
            prices.reverse()
        if any(low >= high for low, high in pairwise(prices)):
            faults.append(f"side {name}: prices do not run strictly from the touch")
    bids, asks = image.bids.levels, image.asks.levels
    top = engine.depth(key.instrument_id, _TOP_LEVELS, key.publisher_id)
    if (top.bids, top.asks) != (bids[:_TOP_LEVELS], asks[:_TOP_LEVELS]):
        faults.append(f"the first {_TOP_LEVELS} levels are not those of the full depth")
    bbo = engine.bbo(key.instrument_id, key.publisher_id)
    if (bbo.bid, bbo.ask) != (bids[0] if bids else None, asks[0] if asks else None):
        faults.append("the best bid and offer are not the first levels of the depth")
    expected = top_of(bids[0].price if bids else None, asks[0].price if asks else None)
    if image.status.top != expected:
        faults.append(f"the status says the top is {image.status.top}; it is {expected}")
    return faults


def top_of(bid: int | None, ask: int | None) -> str:
    """``empty``, ``normal``, ``locked`` or ``crossed``."""
    if bid is None or ask is None:
        return "empty"
    if bid == ask:
        return "locked"
    return "crossed" if bid > ask else "normal"


def _snapshot(engine: BookEngine, key: BookKey, image: Image) -> list[str]:
    """A snapshot is an `R`, then each side's levels and queues as the walk found them."""
    records = np.frombuffer(engine.snapshot(key.instrument_id, key.publisher_id), dtype=MBO)
    adds = records[records["action"] == b"A"]
    queues: list[list[Order]] = []
    places: list[tuple[bytes, int, int]] = []
    for name, side in image.sides:
        for level, queue in zip(side.levels, side.queues, strict=True):
            queues.append(queue or [Order(0, level.size, *image.status.version)])  # a top-of-book level
            places.append((name.encode(), level.price, len(queues[-1])))
    listed = adds[["order_id", "size", "ts_event", "sequence"]].tolist()
    expected = list(chain.from_iterable(queues))
    if listed != expected or not _stand_at(adds, places):
        lengths = f"lists {len(listed)} orders, the queues {len(expected)}"
        return [f"the snapshot {lengths}; {_difference(listed, expected)}"]
    good = image.status.complete and not image.status.suspect
    flagged = records["flags"] & Flags.MAYBE_BAD_BOOK != 0
    if flagged.any() == good or flagged.any() != flagged.all():
        return [f"the snapshot of a {'good' if good else 'bad'} book does not say so"]
    return []


def _stand_at(adds: NDArray[np.void], places: list[tuple[bytes, int, int]]) -> bool:
    """Whether records are at these (side, price, count) one after another."""
    sides, prices, counts = zip(*places, strict=True) if places else ((), (), ())
    repeats = np.array(counts, dtype=np.int64)
    return bool(
        np.array_equal(adds["side"], np.repeat(np.array(sides, dtype="S1"), repeats))
        and np.array_equal(adds["price"], np.repeat(np.array(prices, dtype=np.int64), repeats))
    )


def _difference(listed: list[Order], expected: list[Order]) -> str:
    for at, (one, other) in enumerate(zip(listed, expected, strict=False)):
        if one != other:
            return f"they differ from place {at} on"
    return (
        "they stand at other sides or prices"
        if len(listed) == len(expected)
        else "one goes on after the other"
    )


def self_check(engine: BookEngine) -> list[str]:
    """What an engine finds wrong with its own structures, if it can look."""
    verify: Callable[[], list[str]] | None = getattr(engine, "verify", None)
    if verify is not None:
        return list(verify())
    check: Callable[[], None] | None = getattr(engine, "check_invariants", None)
    try:
        if check is not None:
            check()
    except AssertionError as error:
        return [str(error)]
    return []


def check_transition(before: Image | None, after: Image, records: list[EventRecord]) -> list[str] | None:
    """What one event did to the queues, by its records alone; None where it cannot be told that simply.

    Orders that no add, cancel or modify named are as they were, in the same order; an added order stands
    behind them. Cleared books, snapshots and top-of-book records are left to other checks.
    """
    if any(record.action == b"R" or record.flags & _UNORDERED for record in records):
        return None
    named, added = _named(records)
    faults = []
    for name in SIDES:
        old = _by_price(before, name)
        new = _by_price(after, name)
        for price in sorted(old.keys() | new.keys()):
            queue, queue_before = new.get(price, []), old.get(price, [])
            if queue == queue_before:
                continue
            kept = [order for order in queue if order.order_id not in named]
            if kept != [order for order in queue_before if order.order_id not in named]:
                faults.append(f"level {name} {price}: orders that no record named have changed")
            behind = [order.order_id for order in queue]
            first_added = next((at for at, order in enumerate(behind) if order in added), len(behind))
            if any(order not in named for order in behind[first_added:]):
                faults.append(f"level {name} {price}: an added order stands before one that was there")
    return faults


def _named(records: list[EventRecord]) -> tuple[set[int], set[int]]:
    """The orders that an event's records name, and those of them that a good add put in their place."""
    named: set[int] = set()
    added: set[int] = set()
    for record in records:
        if record.action not in {b"A", b"C", b"M"}:
            continue
        named.add(record.order_id)
        good = record.size > 0 and record.price != UNDEF_PRICE and record.side in {b"A", b"B"}
        if record.action == b"A" and good:
            added.add(record.order_id)
    return named, added


def _by_price(image: Image | None, side: _Side) -> dict[int, list[Order]]:
    if image is None:
        return {}
    levels, queues = image.bids if side == "B" else image.asks
    return {level.price: queue for level, queue in zip(levels, queues, strict=True)}
