"""A subscription as the command runs it: where its records go, what is counted, what is told."""

import asyncio
import contextlib
import signal
import time
from typing import Final, Protocol

from depthcast.book.protocol import BookEngine
from depthcast.book.views import iso
from depthcast.cli._latency import Latency
from depthcast.cli._live_display import Display, duration
from depthcast.dbn import forms
from depthcast.live.control import SystemCode
from depthcast.live.events import (
    Connected,
    Disconnected,
    Event,
    Gap,
    GatewayError,
    Live,
    Resumed,
    Stale,
    SymbolMapped,
    SystemNotice,
)
from depthcast.live.subscriber import Subscriber

__all__ = ["Following", "Sink"]

_REFRESH_S: Final = 0.2
_SHARES: Final = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
_QUIET_NOTICES: Final = frozenset({SystemCode.SUBSCRIPTION_ACK, SystemCode.END_OF_INTERVAL, SystemCode.UNSET})


class Sink(Protocol):
    """Where records go."""

    def __call__(self, records: memoryview, /) -> object: ...


class Following:
    """What comes of a subscription, counted.

    Args:
        sink: is given the records.
        symbols: is filled with the symbol of each instrument id that the gateway maps.
        engine: whose books become suspect where records are missing, and are shown.
        most: end after so many records.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        symbols: dict[int, str],
        engine: BookEngine | None,
        ts_out: bool,
        most: int | None,
        quiet: bool,
    ) -> None:
        self.engine = engine
        self.symbols = symbols
        self.records = 0
        self.gaps = 0
        self.stale = 0
        self.sessions = 0
        self.latency = Latency(ts_out=ts_out)
        self.begin = time.monotonic()
        self.first: float | None = None
        self.last = self.begin
        self.ending = "ended"
        self.display = Display(self, wanted=not quiet)
        self._sink = sink
        self._most = most
        self._subscriber: Subscriber | None = None
        self._state = "connecting"
        self._shown = (self.begin, 0)

    async def follow(self, subscriber: Subscriber, seconds: float | None) -> None:
        """Run a subscriber to its end: the source's, ``seconds``, or an interrupt (SIGINT, SIGTERM).

        Raises:
            DepthcastError, OSError: see `Subscriber.run`.
        """
        self._subscriber = subscriber
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        with contextlib.ExitStack() as stack:
            for number in signals:
                with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
                    loop.add_signal_handler(number, self._stop, "interrupted")
                    stack.callback(loop.remove_signal_handler, number)
            if seconds is not None:
                stack.callback(loop.call_later(seconds, self._stop, f"{seconds:g} s are over").cancel)
            stack.enter_context(self.display)
            refreshing = asyncio.create_task(self._refresh())
            try:
                said = await subscriber.run()
            finally:
                refreshing.cancel()
        if said is not None:
            self.ending = f"the gateway says: {said}"

    def on_records(self, records: memoryview) -> None:
        """Records came."""
        count = forms.count(records)
        left = count if self._most is None else self._most - self.records
        if left > count or self._most is None:
            self._take(records, count)
        elif left > 0:
            with records[: forms.prefix(records, left)] as rest:
                self._take(rest, left)
            self._stop(f"{self._most:,} records came")

    def on_event(self, event: Event) -> None:
        """Something else happened."""
        say = self.display.say
        match event:
            case Connected():
                self.sessions += 1
                self._state = "live"
                if self.sessions > 1:
                    say(f"connected again (session {event.session_id})")
            case Disconnected(_, reason, _, retry_in_s):
                self._state = "disconnected"
                if retry_in_s is not None:
                    say(f"connection lost: {reason}; again in {retry_in_s:.1f} s")
            case Gap(start, end, reason):
                self.gaps += 1
                if self.engine is not None:
                    self.engine.mark_suspect()
                say(f"records are missing between {_when(start)} and {_when(end)}: {reason}")
            case Stale(silent_s):
                self.stale += 1
                self._state = "stale"
                say(f"stale: nothing came for {silent_s:.1f} s")
            case Live():
                self._state = "live"
                say("live again")
            case Resumed(dropped, _):
                say(f"resumed; {dropped:,} records of the replay had come before")
            case SystemNotice(code, message) if code not in _QUIET_NOTICES:
                say(f"the gateway says: {message}")
            case GatewayError(code, message):
                say(f"the gateway reports error {code}: {message}")
            case SymbolMapped(instrument_id, symbol):
                self.symbols[instrument_id] = symbol

    def line(self) -> str:
        """How it goes."""
        now = time.monotonic()
        then, before = self._shown
        self._shown = now, self.records
        rate = (self.records - before) / max(now - then, 1e-9)
        parts = [self._state, f"{self.records:,} records", f"{rate:,.0f}/s"]
        if self.latency.since is not None:
            parts.append(self.percentiles())
        if self.sessions > 1:
            parts.append(f"{self.sessions - 1} reconnects")
        if self.gaps:
            parts.append(f"{self.gaps} gaps")
        return "  ".join(parts)

    def percentiles(self) -> str:
        """Latency, from what and in percentiles."""
        histogram = self.latency.histogram
        figures = [f"{name} {duration(histogram.percentile(share))}" for name, share in _SHARES]
        return f"{self.latency.since} to applied: {', '.join(figures)}"

    def summary(self) -> list[tuple[str, str]]:
        """The final table's rows."""
        subscriber = self._subscriber
        received = 0 if subscriber is None else subscriber.received
        took = max(self.last - (self.first or self.last), 0.0)
        rate = f", {self.records / took:,.0f} records/s from the first to the last" if took > 0 else ""
        rows = [
            ("ended", self.ending),
            ("records", f"{self.records:,} ({received / (1 << 20):,.1f} MiB received){rate}"),
        ]
        if self.latency.since is not None and self.latency.histogram.count:
            longest = duration(self.latency.histogram.longest)
            rows.append(("latency", f"{self.percentiles()}, max {longest}"))
        elif self.records:
            rows.append(("latency", "not known: the records' times are of the past; ask with --ts-out"))
        rows.append(
            ("sessions", f"{self.sessions} ({max(self.sessions - 1, 0)} reconnects, {self.stale} silences)")
        )
        rows.append(("gaps", f"{self.gaps}"))
        return rows

    def _take(self, records: memoryview, count: int) -> None:
        self._sink(records)
        self.records += count
        self.latency.applied(records)
        self.last = time.monotonic()
        if self.first is None:
            self.first = self.last

    def _stop(self, why: str) -> None:
        self.ending = why
        if self._subscriber is not None:
            self._subscriber.close()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S)
            await self.display.refresh()


def _when(ns: int | None) -> str:
    return "an unknown time" if ns is None else iso(ns)
