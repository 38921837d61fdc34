"""A subscription as the command runs it: where its records go, what is counted, what is told."""

import asyncio
import contextlib
import time
from typing import Final, Protocol

from depthcast.book.protocol import BookEngine
from depthcast.book.views import iso
from depthcast.cli._failures import no_session
from depthcast.cli._interrupts import Interrupts
from depthcast.cli._latency import Latency
from depthcast.cli._live_display import Display, duration
from depthcast.dbn import forms
from depthcast.live.control import ErrorCode, SystemCode
from depthcast.live.events import (
    Connected,
    Disconnected,
    Ending,
    Event,
    Gap,
    GatewayError,
    Live,
    Resumed,
    Stale,
    SymbolMapped,
    SystemNotice,
)
from depthcast.live.lifecycle import State
from depthcast.live.subscriber import Subscriber

__all__ = ["Following", "Sink"]

_REFRESH_S: Final = 0.2
_SHARES: Final = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
_QUIET_NOTICES: Final = frozenset({SystemCode.SUBSCRIPTION_ACK, SystemCode.END_OF_INTERVAL, SystemCode.UNSET})
_GOES_ON: Final = frozenset(
    {ErrorCode.SYMBOL_RESOLUTION_FAILED, ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING}
)
"""Errors that no end of the session follows."""
_ERROR_WAITS_S: Final = 1.0
"""So long is another error kept back: the end of the session, if it follows, says the same."""


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

    Attributes:
        last_ending: how the last connection ended, or did not come about; None before.
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
        self.last_ending: Ending | None = None
        self.display = Display(self, wanted=not quiet)
        self._sink = sink
        self._most = most
        self._subscriber: Subscriber | None = None
        self._state = "connecting"
        self._shown = (self.begin, 0)
        self._interrupted = False
        self._connected = False
        self._error: tuple[GatewayError, float] | None = None  # not told yet, and when it came

    async def follow(self, subscriber: Subscriber, seconds: float | None, interrupts: Interrupts) -> None:
        """Run a subscriber to its end: the source's, ``seconds``, or an interrupt (SIGINT, SIGTERM).

        Raises:
            DepthcastError, OSError: see `Subscriber.run`.
        """
        self._subscriber = subscriber
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            interrupts.ask(lambda: loop.call_soon_threadsafe(self._interrupt))
            stack.callback(interrupts.ask, None)
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

    def check_session(self, seconds: float | None) -> None:
        """Raise an error if it was ended before any session came about."""
        subscriber = self._subscriber
        if subscriber is None or subscriber.lifecycle.sessions:
            return
        if self._interrupted or seconds is None:
            raise KeyboardInterrupt
        raise no_session(subscriber.address, seconds, connected=self._connected, received=subscriber.received)

    def on_records(self, records: memoryview) -> None:
        """Records came."""
        count = forms.count(records)
        left = count if self._most is None else self._most - self.records
        if left > count or self._most is None:
            self._take(records, count)
        elif left > 0:
            with records[: forms.prefix(records, left)] as rest:
                self._take(rest, left)
            self._stop(f"{_counted(self.records, 'record')} came")

    def on_event(self, event: Event) -> None:
        """Something else happened."""
        say = self.display.say
        self._tell_error(unless=event.code if isinstance(event, Disconnected) else None)
        match event:
            case Connected():
                self.sessions += 1
                self._state = "live"
                if self.sessions > 1:
                    say(f"connected again (session {event.session_id})")
            case Disconnected(ending, reason, _, retry_in_s):
                self._state = "disconnected"
                self.last_ending = ending
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
            case SystemNotice(SystemCode.REPLAY_COMPLETED, message):
                self.display.note(f"the gateway says: {message}")
            case SystemNotice(code, message) if code not in _QUIET_NOTICES:
                say(f"the gateway says: {message}")
            case GatewayError(code, _):
                self._error = event, time.monotonic()
                if code in _GOES_ON:
                    self._tell_error()
            case SymbolMapped(instrument_id, symbol):
                self.symbols[instrument_id] = symbol

    def line(self) -> str:
        """How it goes."""
        now = time.monotonic()
        then, before = self._shown
        self._shown = now, self.records
        rate = (self.records - before) / max(now - then, 1e-9)
        parts = [self._state, _counted(self.records, "record"), f"{rate:,.0f}/s"]
        if self.latency.since is not None:
            parts.append(self.percentiles())
        if self.sessions > 1:
            parts.append(_counted(self.sessions - 1, "reconnect"))
        if self.gaps:
            parts.append(_counted(self.gaps, "gap"))
        return "  ".join(parts)

    def percentiles(self) -> str:
        """Latency, from what and in percentiles."""
        ages = self.latency.ages
        figures = [f"{name} {duration(ages.percentile(share))}" for name, share in _SHARES]
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
        if self.latency.since is not None and self.latency.ages.count:
            longest = duration(self.latency.ages.longest)
            rows.append(("latency", f"{self.percentiles()}, max {longest}"))
        elif self.records:
            rows.append(("latency", "not known: the records' times are of the past; ask with --ts-out"))
        again = _counted(max(self.sessions - 1, 0), "reconnect")
        rows.append(("sessions", f"{self.sessions} ({again}, {_counted(self.stale, 'silence')})"))
        rows.append(("gaps", f"{self.gaps}"))
        return rows

    def _take(self, records: memoryview, count: int) -> None:
        self._sink(records)
        self.records += count
        self.latency.applied(records)
        self.last = time.monotonic()
        if self.first is None:
            self.first = self.last

    def _tell_error(self, *, unless: int | None = None) -> None:
        """Tell the error that was kept back, unless the end of the session bears its code."""
        if self._error is not None:
            (code, message), _ = self._error
            self._error = None
            if code != unless:
                self.display.say(f"the gateway reports error {code}: {message}")

    def _interrupt(self) -> None:
        self._interrupted = True
        self._stop("interrupted")

    def _stop(self, why: str) -> None:
        self.ending = why
        if self._subscriber is not None:
            self._connected = self._subscriber.lifecycle.state not in (State.WAITING, State.CONNECTING)
            self._subscriber.close()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S)
            if self._error is not None and time.monotonic() - self._error[1] > _ERROR_WAITS_S:
                self._tell_error()
            await self.display.refresh()


def _counted(number: int, noun: str) -> str:
    """``1 gap``, ``2 gaps``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _when(ns: int | None) -> str:
    return "an unknown time" if ns is None else iso(ns)
