"""A book as a picture in the terminal: asks above, bids below, the best in the middle, bars for sizes."""

from collections.abc import Sequence
from typing import Final, TextIO

from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey, BookStatus, Level
from depthcast.book.views import iso, price_str
from depthcast.cli._console import bold, colour
from depthcast.dbn.layout import UNDEF_TIMESTAMP

__all__ = ["draw", "ladder"]

ROWS: Final = 10
"""Levels a side unless asked otherwise."""
MAX_WIDTH: Final = 100

_GREEN, _RED, _DIM = "32", "31", "2"
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def draw(engine: BookEngine, key: BookKey, *, title: str, rows: int, width: int, stream: TextIO) -> str:
    """The first ``rows`` levels of each side of a book, within ``width`` columns, as text for ``stream``."""
    status = engine.status(key.instrument_id, key.publisher_id)
    bids, asks = engine.depth(key.instrument_id, rows, key.publisher_id)
    return "\n".join(
        [*_heading(status, title, stream), "", *ladder(bids, asks, width=width, stream=stream), ""]
    )


def ladder(bids: Sequence[Level], asks: Sequence[Level], *, width: int, stream: TextIO) -> list[str]:
    """Levels, best first each, as lines of text within ``width`` columns."""
    if not bids and not asks:
        return ["  the book is empty"]
    drawing = _Drawing([*bids, *asks], min(width, MAX_WIDTH), stream)
    lines = [drawing.ask(level) for level in reversed(asks)]
    lines.append(drawing.middle(bids, asks))
    return lines + [drawing.bid(level) for level in bids]


def _heading(status: BookStatus, title: str, stream: TextIO) -> list[str]:
    words = [status.top, "complete" if status.complete else "incomplete"]
    if status.phase:
        words.insert(0, status.phase.replace("_", "-"))
    if status.suspect:
        words.append("suspect")
    if status.in_event:
        words.append("inside an event")
    when = "" if status.ts_event == UNDEF_TIMESTAMP else f"  {iso(status.ts_event)}"
    facts = f"  {_count(status.orders, 'order')} at {_count(status.levels, 'price')}, {', '.join(words)}"
    return ["", bold(f"  {title}", stream) + when, colour(facts, _DIM, stream)]


class _Drawing:
    """Rows of one width: bid bar, bid size, price, ask size, ask bar."""

    def __init__(self, levels: Sequence[Level], width: int, stream: TextIO) -> None:
        prices = [price_str(level.price) for level in levels]
        self._decimals = max(len(price.partition(".")[2]) for price in prices)
        self._price_width = max(len(self._price(level.price)) for level in levels)
        self._amount_width = max(len(_amount(level)) for level in levels)
        self._bar_width = max((width - self._price_width - 2 * self._amount_width - 10) // 2, 4)
        self._largest = max(level.size for level in levels)
        self._stream = stream
        self._blocks = "█" in _printable(stream)

    def bid(self, level: Level) -> str:
        bar = colour(self._bar(level.size, leftwards=True).rjust(self._bar_width), _GREEN, self._stream)
        amount = _amount(level).rjust(self._amount_width)
        return f"  {bar} {amount}  {self._price_cell(level.price)}"

    def ask(self, level: Level) -> str:
        blank = " " * (self._bar_width + 1 + self._amount_width)
        amount = _amount(level).ljust(self._amount_width)
        bar = colour(self._bar(level.size, leftwards=False), _RED, self._stream)
        return f"  {blank}  {self._price_cell(level.price)}  {amount} {bar}"

    def middle(self, bids: Sequence[Level], asks: Sequence[Level]) -> str:
        """The line between the sides, with the spread where both are there."""
        text = f" {self._price(asks[0].price - bids[0].price)} " if bids and asks else ""
        half = self._bar_width + self._amount_width + 3
        rule = "─" if self._blocks else "-"
        line = text.center(2 * half + self._price_width, rule)
        return "  " + colour(line, _DIM, self._stream)

    def _price_cell(self, price: int) -> str:
        return bold(self._price(price).rjust(self._price_width), self._stream)

    def _price(self, price: int) -> str:
        """A price with as many decimals as the longest has, so that the points are in line."""
        whole, _, fraction = price_str(price).partition(".")
        return f"{whole}.{fraction:0<{self._decimals}}" if self._decimals else whole

    def _bar(self, size: int, *, leftwards: bool) -> str:
        eighths = max(size * self._bar_width * 8 // self._largest, 1) if size else 0
        full, rest = divmod(eighths, 8)
        if not self._blocks:
            return "#" * max(full, 1 if size else 0)
        if leftwards:  # there are no blocks that grow from the right but the half
            return ("▐" if rest >= 4 or not full else "") + "█" * full
        return "█" * full + _EIGHTHS[rest].strip()


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _amount(level: Level) -> str:
    """``12 (3)``: size, and of how many orders; a top-of-book level has none."""
    return f"{level.size:,} ({level.count:,})" if level.count else f"{level.size:,}"


def _printable(stream: TextIO) -> str:
    """The blocks, if the stream can encode them."""
    try:
        "█─▐▏".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ""
    return "█"
