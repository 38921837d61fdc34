"""Small worlds for random records: few enough ids and prices that records meet, odd enough to find edges."""

from dataclasses import dataclass
from typing import Final

from depthcast.dbn.layout import UNDEF_PRICE

MAX_U32: Final = 2**32 - 1
MAX_U64: Final = 2**64 - 1
MIN_I64: Final = -(2**63)
TICK: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Domain:
    """What the fields of a random record are drawn from.

    An order has a home, a side and price that most of its records name, so that changes in place, refills and
    full cancels are as common as they are in real data.
    """

    name: str
    order_ids: tuple[int, ...]
    prices: tuple[int, ...]
    sizes: tuple[int, ...]
    instruments: tuple[int, ...] = (7,)
    publishers: tuple[int, ...] = (1,)
    dense: bool = False
    """Adds outnumber removals, and little empties a side at once, so that books grow deep."""

    def home(self, order_id: int) -> tuple[str, int]:
        """The side and price of an order."""
        place = self.order_ids.index(order_id)
        return "BA"[place % 2], self.prices[place // 2 % len(self.prices)]


TIGHT: Final = Domain("tight", (1, 2, 3, 4), (100, 101), (1, 2, 3))
SMALL: Final = Domain("small", tuple(range(1, 9)), (98, 99, 100, 101, 102), (1, 2, 3, 5, 9))
EDGES: Final = Domain(
    "edges",
    (0, 1, 2**31, 2**32, 2**63 - 1, 2**63, MAX_U64 - 1, MAX_U64),
    (MIN_I64, MIN_I64 + 1, -TICK, -1, 0, 1, TICK, UNDEF_PRICE - 1),
    (1, 2, 2**31, MAX_U32 - 1, MAX_U32),
    instruments=(0, 1, MAX_U32),
    publishers=(0, 65_535),
)
LADDER: Final = Domain(
    "ladder",
    tuple(range(1_000, 1_040)),
    (
        *(64_790_000_000 + TICK * step for step in range(-8, 9)),
        64_790_000_001,
        64_794_999_999,
        64_790_000_000 + TICK * 70_000,
        64_790_000_000 - TICK * 6_000,
        -37_630_000_000,
        MIN_I64,
        UNDEF_PRICE - 1,
    ),
    (1, 2, 3, 10, 100),
    dense=True,
)
BOOKS: Final = Domain(
    "books",
    tuple(range(1, 7)),
    (100, 101, 102),
    (1, 2, 3),
    instruments=(*range(1, 300), 2**31, MAX_U32),
    publishers=(1, 2, 3),
)
VENUES: Final = Domain("venues", (1, 2, 3, 4), (100, 101, 102), (1, 2), (7, 8), (1, 2, 9))
DEEP: Final = Domain(
    "deep",
    tuple(range(10**12, 10**12 + 3 * 500, 3)),
    tuple(64_000_000_000 + TICK * step for step in range(120)),
    (1, 2, 3, 10),
    dense=True,
)

DOMAINS: Final = (TIGHT, SMALL, EDGES, LADDER, BOOKS, VENUES, DEEP)
