"""One side of a reference book: queues of orders by price.

Nothing is kept twice: sizes and counts of levels are summed when they are asked for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sortedcontainers import SortedDict

from depthcast.book.types import Level


@dataclass(slots=True)
class RestingOrder:
    """An order in its queue. ``ts_event`` and ``sequence`` are of the record that gave it its priority.

    ``rank`` grows with every append in the book: a queue whose ranks ascend is in priority order.
    """

    order_id: int
    side: bytes
    price: int
    size: int
    ts_event: int
    sequence: int
    rank: int


class BookSide:
    """The bids or the asks: by price a queue of orders (by id, in priority order), or one TOB level."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.levels: SortedDict[int, dict[int, RestingOrder]] = SortedDict()
        self.tob: Level | None = None
        self.added = 0
        self.removed = 0

    def prices(self) -> list[int]:
        """Prices of the levels that hold orders, best first."""
        return list(reversed(self.levels)) if self.code == b"B" else list(self.levels)

    def queue(self, price: int) -> list[RestingOrder]:
        """The orders at a price in priority order."""
        return list(self.levels.get(price, {}).values())

    def orders(self) -> Iterator[RestingOrder]:
        """All orders, best level first, each level in priority order."""
        for price in self.prices():
            yield from self.levels[price].values()

    def depth(self) -> list[Level]:
        """Every level, best first."""
        if self.tob is not None:
            return [self.tob]
        return [
            Level(price, sum(order.size for order in self.levels[price].values()), len(self.levels[price]))
            for price in self.prices()
        ]

    def best_price(self) -> int | None:
        """The price of the touch, None on an empty side."""
        if self.tob is not None:
            return self.tob.price
        if not self.levels:
            return None
        price: int = self.levels.peekitem(-1 if self.code == b"B" else 0)[0]
        return price

    def append(self, order: RestingOrder) -> None:
        """Put an order at the tail of its level. A TOB level gives way to real orders (§ Top of book)."""
        self.tob = None
        self.levels.setdefault(order.price, {})[order.order_id] = order
        self.added += order.size

    def remove(self, order: RestingOrder) -> None:
        """Take an order out of its queue; an empty level goes with it."""
        queue = self.levels[order.price]
        del queue[order.order_id]
        if not queue:
            del self.levels[order.price]
        self.removed += order.size

    def resize(self, order: RestingOrder, size: int) -> None:
        """Make a resting order smaller, or leave it, in its place."""
        self.removed += order.size - size
        order.size = size


def consolidated(sides: Iterable[BookSide], *, descending: bool) -> list[Level]:
    """§ Depth and BBO: sizes and counts added per price, best first."""
    sizes: Counter[int] = Counter()
    counts: Counter[int] = Counter()
    for side in sides:
        for price, size, count in side.depth():
            sizes[price] += size
            counts[price] += count
    prices = sorted(sizes, reverse=descending)
    return [Level(price, sizes[price], counts[price]) for price in prices]
