"""Numbers as the page shows them: exact, in the fewest decimals that show all of an instrument's prices."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from depthcast.book.types import Level
from depthcast.dbn.layout import PRICE_SCALE

__all__ = [
    "Grid",
    "bytes_text",
    "clock_text",
    "day_text",
    "grid_of",
    "lasting_text",
    "points",
    "price_text",
    "rate_text",
    "signed_text",
    "time_text",
]

DIGITS: Final = 9


class Grid(NamedTuple):
    """An instrument's prices: multiples of ``tick`` (1e-9), shown with so many decimals."""

    tick: int
    decimals: int


def grid_of(tick: int | None, bids: Sequence[Level], asks: Sequence[Level]) -> Grid:
    """The grid of a book: by its definition; without one, the coarsest on which all its levels are.

    Where the levels are not on the definition's tick, theirs counts.
    """
    prices = [level.price for level in (*bids, *asks)]
    step = math.gcd(*prices) if prices else 0
    if tick is not None and step % tick == 0:
        return Grid(tick, decimals_of(tick))
    if len(prices) > 1:
        step = math.gcd(*(price - prices[0] for price in prices))
        # A grid through zero where one is possible: prices are multiples of their tick almost everywhere.
        step = math.gcd(step, prices[0])
    step = step or tick or PRICE_SCALE // 100
    return Grid(step, decimals_of(step))


def decimals_of(step: int) -> int:
    """The decimals that all multiples of a step (1e-9) need."""
    decimals = DIGITS
    while decimals and step % 10 == 0:
        step //= 10
        decimals -= 1
    return decimals


def price_text(price: int | None, decimals: int) -> str:
    """A price of 1e-9 with so many decimals, and more where it needs them."""
    if price is None:
        return "–"
    whole, fraction = divmod(abs(price), PRICE_SCALE)
    text = f"{fraction:09d}"
    shown = text[:decimals] + text[decimals:].rstrip("0")
    return f"{'-' if price < 0 else ''}{whole}{'.' if shown else ''}{shown}"


def signed_text(price: int | None, decimals: int) -> str:
    """A difference, always with its sign (no sign for none)."""
    if not price:
        return price_text(price, decimals)
    return f"{'+' if price > 0 else '-'}{price_text(abs(price), decimals)}"


def rate_text(rate: float | None) -> str:
    """Records a second: a decimal where there are few."""
    if rate is None:
        return "–"
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def clock_text(ns: int) -> str:
    """The time of day, UTC, with milliseconds (cut, not rounded)."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}.{rest // 1_000_000:03d}"


def day_text(ns: int) -> str:
    """The day and the time of day, UTC, to the minute."""
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%d %b %H:%M}"


def lasting_text(ns: int) -> str:
    """How long something has lasted, in its two largest units."""
    seconds = max(0, ns) // 1_000_000_000
    for unit, name, part, rest in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit:
            return f"{seconds // unit} {name} {seconds % unit // part} {rest}"
    return f"{seconds} s"


def time_text(us: float) -> str:
    """A duration of so many microseconds, in three digits and its unit."""
    unit, scale = ("µs", 1.0) if us < 999.5 else ("ms", 1e3) if us < 999_500 else ("s", 1e6)
    value = us / scale
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def bytes_text(size: float) -> str:
    """A number of bytes, in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"


def points(values: Iterable[int | None], width: int, height: int) -> str:
    """A polyline's points, the values over the whole width; empty for fewer than two."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    span = (high - low) or 1
    step = width / (len(known) - 1)
    return " ".join(
        f"{index * step:.1f},{height - (value - low) / span * height:.1f}"
        if high > low
        else f"{index * step:.1f},{height / 2:.1f}"
        for index, value in enumerate(known)
    )
