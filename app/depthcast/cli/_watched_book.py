"""A book kept from the stream, as any client keeps it, with what the messages tell of latency."""

import threading
import time
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from depthcast.book.types import Level
from depthcast.dbn.layout import PRICE_SCALE

__all__ = ["WatchedBook"]

KEPT: Final = 2_000
"""Latencies that count: those of the last messages."""


class WatchedBook(threading.Thread):
    """Subscribes to a book and follows it until `close`.

    Attributes:
        messages: how many came with changes or a whole book.
        resyncs: how often the book was begun anew.
        state: what the last message said of the book.
    """

    def __init__(self, url: str, instrument: str, *, depth: int, rate: int) -> None:
        super().__init__(name="watched book", daemon=True)
        self.instrument = instrument
        self.messages = 0
        self.resyncs = 0
        self.state: dict[str, Any] = {}
        self._url = url
        self._depth = depth
        self._rate = rate
        self._shown: tuple[list[Level], list[Level]] = ([], [])
        self._late_ns: list[int] = []
        self._closing = threading.Event()

    def levels(self) -> tuple[list[Level], list[Level]]:
        """Bids and asks, best first."""
        return self._shown

    def late_ms(self, share: float) -> float | None:
        """From when a message's newest change was applied until the message was here; None before any."""
        late = sorted(self._late_ns)
        return late[min(int(share * len(late)), len(late) - 1)] / 1e6 if late else None

    def close(self) -> None:
        """End soon."""
        self._closing.set()

    def run(self) -> None:
        """Follow the stream; connect again whenever it ends."""
        while not self._closing.is_set():
            with suppress(OSError, WebSocketException, TimeoutError):
                self._follow()
            self._closing.wait(0.5)

    def _follow(self) -> None:
        order = {
            "op": "subscribe",
            "id": 1,
            "channel": "book",
            "instruments": [self.instrument],
            "depth": self._depth,
            "rate": self._rate,
        }
        with connect(self._url, compression=None, close_timeout=1) as connection:
            connection.send(msgspec.json.encode(order).decode())
            while not self._closing.is_set():
                self._take(msgspec.json.decode(connection.recv(timeout=5)))

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "resync":
            self.resyncs += 1
        if kind not in ("snapshot", "update"):
            return
        self.messages += 1
        self._late_ns.append(time.time_ns() - int(message["ts_applied"]))
        del self._late_ns[:-KEPT]
        self.state = {name: message[name] for name in ("top", "phase", "complete", "suspect", "stale")}
        before: tuple[list[Level], list[Level]] = ([], []) if kind == "snapshot" else self._shown
        bids = _changed(before[0], message["bids"])
        asks = _changed(before[1], message["asks"])
        self._shown = (bids[: -self._depth - 1 : -1], asks[: self._depth])


def _changed(side: list[Level], changes: list[tuple[str, int, int]]) -> list[Level]:
    """A side with what a message changes of it, by ascending price."""
    levels = {level.price: level for level in side}
    for text, size, count in changes:
        price = int(Decimal(text) * PRICE_SCALE)
        levels.pop(price, None)
        if size:
            levels[price] = Level(price, size, count)
    return [levels[price] for price in sorted(levels)]
