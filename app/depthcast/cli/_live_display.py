"""What a person sees while a subscription runs: one line, and the tops of the books."""

import asyncio
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey, Level
from depthcast.book.views import price_str
from depthcast.cli._console import is_terminal, printable, warn

if TYPE_CHECKING:
    from rich.live import Live

__all__ = ["Display", "duration"]

_ROWS: Final = 12
"""Books shown at most: those that changed last."""
_SWITCH_S: Final = 0.0002
"""So long at most does drawing keep the loop from the interpreter."""


class Follower(Protocol):
    """What is shown of a running subscription."""

    @property
    def engine(self) -> BookEngine | None:
        """Whose books are shown; None for none."""

    @property
    def symbols(self) -> Mapping[int, str]:
        """The symbol of each instrument id known."""

    def line(self) -> str:
        """How it goes, in one line."""


class Display:
    """A line drawn again and again on a terminal's standard error, nowhere else. A context manager."""

    def __init__(self, follower: Follower, *, wanted: bool) -> None:
        self._follower = follower
        self._wanted = wanted
        self._live: Live | None = None
        self._interval_s = 0.0
        self._recent: dict[BookKey, None] = {}

    def __enter__(self) -> Self:
        if self._wanted and is_terminal(sys.stderr):
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
            self._interval_s = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH_S)
            # what drawing needs is loaded now, not amid the records
            self._draw("connecting", [] if self._follower.engine is None else [("-",) * 7])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            sys.setswitchinterval(self._interval_s)
            self._live.stop()

    async def refresh(self) -> None:
        """Draw what is now. The drawing itself is done beside the loop, which goes on receiving meanwhile."""
        if self._live is not None:
            await asyncio.to_thread(self._draw, self._follower.line(), self._tops())

    def say(self, text: str) -> None:
        """A line that stays: something happened. A display that is not wanted says it too."""
        if self._live is None:
            warn(text)
        else:
            self._print(text)

    def note(self, text: str) -> None:
        """A line that stays, about something good: a display that is not wanted does not say it."""
        if self._live is not None:
            self._print(text)
        elif self._wanted:
            print(f"depthcast: {printable(text)}", file=sys.stderr, flush=True)

    def _print(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(f"depthcast: {printable(text)}", markup=False, highlight=False)

    def _tops(self) -> list[tuple[str, ...]]:
        """The best levels of the books that changed last, as a table's rows."""
        engine = self._follower.engine
        if engine is None:
            return []
        for key in engine.changed():
            self._recent.pop(key, None)
            self._recent[key] = None
        for old in list(self._recent)[:-_ROWS]:
            del self._recent[old]
        return [self._top(engine, key) for key in sorted(self._recent)]

    def _top(self, engine: BookEngine, key: BookKey) -> tuple[str, ...]:
        publisher_id, instrument_id = key
        bid, ask = engine.bbo(instrument_id, publisher_id)
        status = engine.status(instrument_id, publisher_id)
        words = [status.top, "" if status.complete else "incomplete", "suspect" if status.suspect else ""]
        symbol = printable(self._follower.symbols.get(instrument_id, str(instrument_id)))
        sides = (*reversed(_cells(bid)), *_cells(ask))
        return (symbol, str(publisher_id), *sides, ", ".join(word for word in words if word))

    def _draw(self, line: str, tops: list[tuple[str, ...]]) -> None:
        from rich.console import Group, RenderableType
        from rich.table import Table
        from rich.text import Text

        text: RenderableType = Text(line, no_wrap=True, overflow="ellipsis")
        if tops:
            table = Table(box=None, pad_edge=False)
            for heading in ("instrument", "publisher", "bid size", "bid", "ask", "ask size", ""):
                table.add_column(heading, justify="left" if heading in ("instrument", "") else "right")
            for row in tops:
                table.add_row(*map(Text, row))
            text = Group(table, text)
        if self._live is not None:
            self._live.update(text, refresh=True)


def duration(ns: int) -> str:
    """A duration as people read it: ``87 us``, ``4.2 ms``, ``1.30 s``."""
    if ns < 1_000_000:
        return f"{ns / 1e3:,.0f} us"
    if ns < 1_000_000_000:
        return f"{ns / 1e6:,.1f} ms"
    return f"{ns / 1e9:,.2f} s"


def _cells(level: Level | None) -> tuple[str, str]:
    return ("-", "-") if level is None else (price_str(level.price), f"{level.size:,}")
