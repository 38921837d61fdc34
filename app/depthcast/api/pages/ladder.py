"""The ladder: a row a tick, or a group of ticks, and what of a book a reader chose to see."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Self, TypeVar

from depthcast.api.pages.numbers import Grid
from depthcast.book.types import Level

__all__ = ["CARRIED", "DEPTHS", "GROUPS", "MINUTES", "Choices", "Rung", "grouped", "ladder"]

_T = TypeVar("_T", int, int | None)

GROUPS: Final = (1, 2, 4, 5, 10, 20, 25, 50, 100)
"""Ticks that may be shown as one."""
DEPTHS: Final = (10, 25, 50, 100)
"""Rows of each side."""
MINUTES: Final = (1, 5, 15, 60)
"""Of the pictures; the heat map has fifteen at most."""
CARRIED: Final = (10, 25, 50, 100, 500)
"""Levels of each side that the stream is asked for."""


class Choices(NamedTuple):
    """What a reader chose; what the address has no sense in is as if it were not there."""

    group: int = 1
    depth: int = 50
    minutes: int = 5
    publisher: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], publishers: list[int]) -> Self:
        """From a page's query."""
        plain = cls()
        return cls(
            group=_among(GROUPS, query.get("group"), plain.group),
            depth=_among(DEPTHS, query.get("depth"), plain.depth),
            minutes=_among(MINUTES, query.get("minutes"), plain.minutes),
            publisher=_among(publishers, query.get("publisher"), None),
        )

    @property
    def rows(self) -> int:
        """Of the ladder."""
        return 2 * self.depth + 1

    @property
    def carried(self) -> int:
        """Levels of each side that the stream is asked for: enough for as many groups of ticks, the last of
        which may be cut."""
        wanted = self.depth if self.group == 1 else (self.depth + 1) * self.group
        return next((each for each in CARRIED if each >= wanted), CARRIED[-1])


class Rung(NamedTuple):
    """A row of the ladder."""

    price: int
    bid: Level | None
    ask: Level | None


def grouped(levels: list[Level], step: int, *, ask: bool) -> list[Level]:
    """Levels with their sizes and orders added up by multiples of a step (1e-9), best first.

    A bid is shown under the multiple at or below its price, an ask under that at or above: two orders never
    seem nearer to each other than they are.
    """
    sums: list[Level] = []
    for level in levels:
        price = -(-level.price // step * step) if ask else level.price // step * step
        if sums and sums[-1].price == price:
            last = sums[-1]
            sums[-1] = Level(price, last.size + level.size, last.count + level.count)
        else:
            sums.append(Level(price, level.size, level.count))
    return sums


def ladder(grid: Grid, bids: list[Level], asks: list[Level], rows: int) -> list[Rung]:
    """The rows around the middle of a book, a tick apart, the highest price first.

    An empty side counts as the other one; of an empty book there are no rows.
    """
    best = [side[0].price for side in (bids, asks) if side]
    if not best:
        return []
    middle = sum(best) // len(best) // grid.tick
    by_price = ({level.price: level for level in bids}, {level.price: level for level in asks})
    prices = [(middle + rows // 2 - index) * grid.tick for index in range(rows)]
    return [Rung(price, by_price[0].get(price), by_price[1].get(price)) for price in prices]


def _among(known: tuple[int, ...] | list[int], text: str | None, default: _T) -> int | _T:
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 6):
        return default
    return int(text) if int(text) in known else default
