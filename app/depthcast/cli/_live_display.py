"""What a person sees while a subscription runs: one line, and the tops of the books."""

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey, Level
from depthcast.book.views import price_str
from depthcast.cli._console import is_terminal, printable, warn

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

__all__ = ["Display", "duration"]

_ROWS: Final = 12
"""Books shown at most: those that changed last."""


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
        self._recent: dict[BookKey, None] = {}

    def __enter__(self) -> Self:
        if self._wanted and is_terminal(sys.stderr):
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def refresh(self) -> None:
        """Draw what is now."""
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)

    def say(self, text: str) -> None:
        """A line that stays: something happened. A display that is not wanted says it too."""
        if self._live is None:
            warn(text)
        else:
            self._live.console.print(f"depthcast: {printable(text)}", markup=False, highlight=False)

    def _picture(self) -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        line = Text(self._follower.line(), no_wrap=True, overflow="ellipsis")
        engine = self._follower.engine
        return line if engine is None else Group(self._tops(engine), line)

    def _tops(self, engine: BookEngine) -> "Table":
        from rich.table import Table

        for key in engine.changed():
            self._recent.pop(key, None)
            self._recent[key] = None
        for old in list(self._recent)[: -_ROWS or None]:
            del self._recent[old]
        table = Table(box=None, pad_edge=False)
        for heading in ("instrument", "publisher", "bid size", "bid", "ask", "ask size", ""):
            table.add_column(heading, justify="left" if heading in ("instrument", "") else "right")
        for publisher_id, instrument_id in sorted(self._recent):
            bid, ask = engine.bbo(instrument_id, publisher_id)
            status = engine.status(instrument_id, publisher_id)
            words = [word for word, is_so in (("suspect", status.suspect), (status.top, True)) if is_so]
            if not status.complete:
                words.append("incomplete")
            symbol = self._follower.symbols.get(instrument_id, str(instrument_id))
            bid_cells, ask_cells = _cells(bid), _cells(ask)
            table.add_row(
                printable(symbol), str(publisher_id), bid_cells[1], bid_cells[0], *ask_cells, ", ".join(words)
            )
        return table


def duration(ns: int) -> str:
    """A duration as people read it: ``87 us``, ``4.2 ms``, ``1.30 s``."""
    if ns < 1_000_000:
        return f"{ns / 1e3:,.0f} us"
    if ns < 1_000_000_000:
        return f"{ns / 1e6:,.1f} ms"
    return f"{ns / 1e9:,.2f} s"


def _cells(level: Level | None) -> tuple[str, str]:
    return ("-", "-") if level is None else (price_str(level.price), f"{level.size:,}")
