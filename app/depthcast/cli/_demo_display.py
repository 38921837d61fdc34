"""What the demo shows: a book from the stream, and a line of rates and latencies."""

import http.client
import shutil
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from depthcast.cli._console import bold, is_terminal
from depthcast.cli._demo_history import History
from depthcast.cli._live_display import duration
from depthcast.cli._picture import ladder
from depthcast.cli._watched_book import WatchedBook
from depthcast.live.address import Address

if TYPE_CHECKING:
    from rich.live import Live

__all__ = ["DemoDisplay", "Watch"]

DEPTH: Final = 10
RATE: Final = 10
LINE_S: Final = 2.0
"""Where no terminal is, a line comes so often."""


class Watch:
    """Looks at an API: its status, and one book from its stream.

    Raises:
        OSError: it does not answer.
    """

    def __init__(self, address: Address, dataset: str, history: History) -> None:
        host = "127.0.0.1" if address.host == "0.0.0.0" else address.host  # noqa: S104 # nosec B104
        self._http = http.client.HTTPConnection(host, address.port, timeout=5)
        self.begin_s = time.monotonic()
        self.dataset = dataset
        self._history = history
        listed = self._get("/v1/instruments?limit=1")["instruments"]
        self.instrument = str(listed[0]["symbol"])
        self.first = self.status = self._get("/v1/status")
        self.book = WatchedBook(
            f"ws://{Address(host, address.port)}/v1/stream", self.instrument, depth=DEPTH, rate=RATE
        )
        self.book.start()

    def look(self) -> None:
        """Ask for the status anew; where no answer comes, the last one stays."""
        with suppress(OSError, http.client.HTTPException, msgspec.DecodeError):
            self.status = self._get("/v1/status")

    def lines(self) -> tuple[str, str, str]:
        """How it goes: what there is, how fast it gets there, what the database has of it."""
        feed = self.status["feeds"][0]
        clients = self.status["streams"].get("clients", 0)
        there = [
            feed["state"],
            f"{feed['records_per_s']:,.0f} records/s",
            f"{feed['books']:,} books of {feed['live_orders']:,} orders",
            f"{clients:,} client{'' if clients == 1 else 's'}",
        ]
        fast = [
            f"gateway to book {_percentiles(feed['lag_ms'], feed['lag_p99_ms'])}",
            f"book to client {_percentiles(self.book.late_ms(0.5), self.book.late_ms(0.99))}",
        ]
        return "  ".join(there), "  ".join(fast), self._history.line

    def summary(self) -> list[tuple[str, str]]:
        """The final table's rows."""
        self.look()
        took_s = max(time.monotonic() - self.begin_s, 1e-9)
        feed, before = self.status["feeds"][0], self.first["feeds"][0]
        records, trades = feed["records"] - before["records"], feed["trades"] - before["trades"]
        applied = _percentiles(feed["lag_ms"], feed["lag_p99_ms"])
        late = _percentiles(self.book.late_ms(0.5), self.book.late_ms(0.99))
        return [
            ("served", f"{feed['books']:,} books for {took_s:,.1f} s"),
            ("records", f"{records:,} ({records / took_s:,.0f}/s), {trades:,} of them trades"),
            ("stream", f"{self.book.messages:,} messages of {self.instrument}, {self.book.resyncs} resyncs"),
            ("latency", f"gateway to book {applied}; book to client {late}"),
            ("history", self._history.line.removeprefix("history: ")),
        ]

    def close(self) -> None:
        """Look no more."""
        self.book.close()
        self._http.close()

    def _get(self, path: str) -> dict[str, Any]:
        try:
            self._http.request("GET", path)
            return msgspec.json.decode(self._http.getresponse().read(), type=dict[str, Any])
        except (OSError, http.client.HTTPException):
            self._http.close()  # the next request connects again
            raise


class DemoDisplay:
    """The book and the line, drawn again and again on a terminal; elsewhere the line every two seconds."""

    def __init__(self, watch: Watch, *, wanted: bool) -> None:
        self._watch = watch
        self._wanted = wanted
        self._live: Live | None = None
        self._line_due_s = 0.0

    def __enter__(self) -> Self:
        if self._wanted and is_terminal(sys.stdout):
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(), auto_refresh=False, redirect_stdout=False)
            self._live.start()
        self._line_due_s = time.monotonic() + LINE_S
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def refresh(self) -> None:
        """Show what is now."""
        self._watch.look()
        if self._live is not None:
            from rich.text import Text

            shown = [*self._book(), *(f"  {line}" for line in self._watch.lines())]
            self._live.update(Text.from_ansi("\n".join(shown)), refresh=True)
        elif self._wanted and time.monotonic() >= self._line_due_s:
            self._line_due_s += LINE_S
            print("  ".join(self._watch.lines()), flush=True)

    def _book(self) -> list[str]:
        bids, asks = self._watch.book.levels()
        state = self._watch.book.state
        words = [
            str(state.get("phase") or ""),
            str(state.get("top") or ""),
            "stale" if state.get("stale") else "",
        ]
        name = bold(f"  {self._watch.instrument}", sys.stdout)
        title = f"{name}  {', '.join(word for word in words if word)}"
        width = shutil.get_terminal_size().columns
        return [title, "", *ladder(bids, asks, width=width, stream=sys.stdout), ""]


def _percentiles(median_ms: float | None, p99_ms: float | None) -> str:
    """``p50 0.4 ms, p99 2.1 ms``."""
    if median_ms is None or p99_ms is None:
        return "-"
    return f"p50 {duration(round(median_ms * 1e6))}, p99 {duration(round(p99_ms * 1e6))}"
