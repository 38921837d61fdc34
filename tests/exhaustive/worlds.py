"""The small worlds of the exhaustive search. A world is its records; they lead to finitely many states."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from tests.support.records import LAST, MAYBE_BAD, MBP, SNAPSHOT, TOB, UNDEF_PRICE, clear, mbo

FIRST_PRICE: Final = 100
TIMES: Final = (1, 2)
"""The values of ts_recv that there are."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A record but for its time."""

    action: str
    side: str
    price: int
    size: int
    order_id: int
    flags: int
    ts_recv: int = 1

    def record(self, ts_event: int) -> bytes:
        fields = (self.action, self.side, self.price, self.size, self.order_id, self.flags)
        return mbo(*fields, ts_event=ts_event, ts_recv=self.ts_recv)

    def __str__(self) -> str:
        return (
            f"{self.action} {self.side} id={self.order_id} price={self.price} size={self.size} "
            f"flags={self.flags:#04x} ts_recv={self.ts_recv}"
        )


@dataclass(frozen=True, slots=True)
class World:
    """Everything that may happen to one book, from its first record on."""

    name: str
    start: bytes
    kinds: tuple[Kind, ...]


def plain_world(name: str, *, orders: int, prices: int, max_size: int) -> World:
    """Orders and fills: every action, each record with and without F_LAST. The book begins with an R."""
    sizes = range(1, max_size + 1)
    plain: list[tuple[str, str, int, int, int]] = []
    for order_id, side, price in product(range(1, orders + 1), "BA", _prices(prices)):
        plain += [("A", side, price, size, order_id) for size in (0, *sizes)]
        plain += [("M", side, price, size, order_id) for size in (0, *sizes)]
        plain += [("C", side, price, size, order_id) for size in (0, *sizes, max_size + 1)]
    plain += [("F", "N", UNDEF_PRICE, size, order) for order in range(1, orders + 1) for size in (0, *sizes)]
    plain += [(action, side, FIRST_PRICE, 1, 1) for action in "AM" for side in "N?"]
    plain += [(action, "B", UNDEF_PRICE, 1, 1) for action in "AM"]
    plain += [(action, "B", FIRST_PRICE, 1, 1) for action in "TNRX"]
    kinds = [Kind(*fields, flags=flags) for fields in plain for flags in (0, LAST)]
    return World(name, clear(), tuple(kinds))


def flags_world(name: str, *, orders: int, prices: int, sides: str = "BA") -> World:
    """Quotes, snapshots and bad books among orders of size 1. The book begins mid-session, with an N.

    Snapshot records come at two times: by them it is told which of them belong together after an F_LAST.
    """
    plain: list[tuple[str, str, int, int, int]] = []
    for order_id, side, price in product(range(1, orders + 1), sides, _prices(prices)):
        plain += [("A", side, price, 1, order_id), ("M", side, price, 1, order_id)]
    plain += [(action, side, FIRST_PRICE, 0, 1) for action in "AM" for side in sides]
    plain += [("A", side, UNDEF_PRICE, 1, 1) for side in sides]
    plain += [("C", "B", FIRST_PRICE, 1, order_id) for order_id in range(1, orders + 1)]
    plain += [("F", "B", FIRST_PRICE, 1, order_id) for order_id in range(1, orders + 1)]
    plain += [(action, "N", FIRST_PRICE, 1, 1) for action in "ATNRX"]
    kinds = [
        Kind(*fields, flags=flags, ts_recv=ts_recv)
        for fields in plain
        for flags in _flag_sets()
        for ts_recv in (TIMES if flags & SNAPSHOT else TIMES[:1])
    ]
    return World(name, mbo("N"), tuple(kinds))


def _prices(count: int) -> range:
    return range(FIRST_PRICE, FIRST_PRICE + count)


def _flag_sets() -> Iterator[int]:
    """Every combination of the flags that mean something to a book."""
    for parts in product((0, LAST), (0, TOB), (0, SNAPSHOT), (0, MBP), (0, MAYBE_BAD)):
        yield sum(parts)


WORLDS: Final = {
    "plain": lambda: plain_world("plain", orders=3, prices=2, max_size=2),
    "flags": lambda: flags_world("flags", orders=2, prices=2),
    "plain-small": lambda: plain_world("plain-small", orders=2, prices=1, max_size=2),
    "flags-small": lambda: flags_world("flags-small", orders=1, prices=1, sides="B"),
}
