"""A reader of the stream that knows nothing of the hub: it holds what the messages say, and verifies it.

It is written from docs/stream.md as a page's script would be: plain objects by price, prices as text.
"""

import functools
import json
import struct
import zlib
from decimal import Decimal
from typing import Any

Levels = dict[str, list[int]]


@functools.lru_cache(maxsize=1 << 16)
def units(price: str) -> int:
    """A decimal price in 1e-9 units, exactly."""
    value = Decimal(price) * 10**9
    assert value == value.to_integral_value()
    return int(value)


def sorted_levels(levels: Levels, *, bids: bool, depth: int) -> list[tuple[int, int, int]]:
    ordered = sorted(((units(price), *level) for price, level in levels.items()), reverse=bids)
    return [(price, size, count) for price, size, count in ordered[:depth]]


def checksum(bids: list[tuple[int, int, int]], asks: list[tuple[int, int, int]]) -> int:
    crc = 0
    for side, levels in ((b"B", bids), (b"A", asks)):
        for price, size, count in levels:
            crc = zlib.crc32(struct.pack("<cqQI", side, price, size, count), crc)
    return crc


class OutOfSequenceError(AssertionError):
    """A message does not follow the last one."""


class HeldBook:
    """One class of book, bbo or orders, as its messages tell it.

    Attributes:
        message: the last one that was verified.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.channel, _, _, depth, _ = name.rpartition("/")[2].split(":")
        self.depth = int(depth)
        self.seq: int | None = None
        self.epoch = ""
        self.bids: Levels = {}
        self.asks: Levels = {}
        self.queues: dict[str, dict[str, list[tuple[str, int]]]] = {"B": {}, "A": {}}
        self.tops: dict[str, dict[str, int]] = {"B": {}, "A": {}}
        self.message: dict[str, Any] = {}
        self.verified = 0
        self.void = False

    def take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "resync":
            self.void = True
            return
        if kind == "snapshot":
            self._replace(message)
        elif kind == "bbo":
            if self.seq is not None and message["seq"] <= self.seq and not self.void:
                return
            self.bids = {message["bid"][0]: message["bid"][1:]} if message["bid"] else {}
            self.asks = {message["ask"][0]: message["ask"][1:]} if message["ask"] else {}
        else:
            if self.seq is not None and message["seq"] <= self.seq:
                return  # told again, to one who resumes
            if self.void or message["prev_seq"] != self.seq:
                raise OutOfSequenceError(f"{self.name}: {message['prev_seq']} after {self.seq}: {message}")
            if kind == "update":
                self._update(message)
            else:
                for change in message["orders"]:
                    self._change(change)
        self.void = False
        self.seq = message["seq"]
        self.message = message
        self._verify()

    def _replace(self, message: dict[str, Any]) -> None:
        self.epoch = message["epoch"]
        if self.channel == "orders":
            for side, key in (("B", "bids"), ("A", "asks")):
                self.queues[side] = {
                    price: [(order, size) for order, size in orders] for price, _, orders in message[key]
                }
                self.tops[side] = {price: size for price, size, orders in message[key] if not orders}
        else:
            self.bids = {price: [size, count] for price, size, count in message["bids"]}
            self.asks = {price: [size, count] for price, size, count in message["asks"]}

    def _update(self, message: dict[str, Any]) -> None:
        for held, changed in ((self.bids, message["bids"]), (self.asks, message["asks"])):
            for price, size, count in changed:
                if size:
                    held[price] = [size, count]
                else:
                    del held[price]
        for held, is_bids in ((self.bids, True), (self.asks, False)):
            for price in sorted(held, key=units, reverse=is_bids)[self.depth :]:
                del held[price]

    def _change(self, change: dict[str, Any]) -> None:
        if change["action"] == "fill":
            return
        order_id = change["order_id"]
        found = [
            (side, price)
            for side, levels in self.queues.items()
            for price, queue in levels.items()
            if any(order == order_id for order, _ in queue)
        ]
        assert len(found) == (0 if change["action"] == "add" else 1), change
        for side, price in found:
            queue = self.queues[side][price]
            queue[:] = [each for each in queue if each[0] != order_id]
            if not queue:
                del self.queues[side][price]
        if change["action"] != "cancel":
            queue = self.queues[change["side"]].setdefault(change["price"], [])
            assert change["position"] <= len(queue), change
            queue.insert(change["position"], (order_id, change["size"]))

    def _verify(self) -> None:
        wanted = self.message["checksum"]
        if wanted is not None:
            assert self.checksum() == wanted, (self.name, self.message)
            self.verified += 1

    def checksum(self) -> int:
        if self.channel == "orders":
            return self._queues_checksum()
        return checksum(
            sorted_levels(self.bids, bids=True, depth=self.depth),
            sorted_levels(self.asks, bids=False, depth=self.depth),
        )

    def _queues_checksum(self) -> int:
        crc = 0
        for side in "BA":
            for price in sorted(self.queues[side], key=units, reverse=side == "B"):
                queue = self.queues[side][price]
                size = self.tops[side].get(price, 0) if not queue else sum(each for _, each in queue)
                crc = zlib.crc32(struct.pack("<cqQI", side.encode(), units(price), size, len(queue)), crc)
                for order_id, each in queue:
                    crc = zlib.crc32(struct.pack("<QI", int(order_id), each), crc)
        return crc


class Reader:
    """All classes of one connection.

    Attributes:
        books: by class name.
        trades: by class name, all that came.
    """

    def __init__(self) -> None:
        self.books: dict[str, HeldBook] = {}
        self.trades: dict[str, list[dict[str, Any]]] = {}
        self.trades_seq: dict[str, int] = {}
        self.statuses: dict[str, dict[str, Any]] = {}
        self.subscribed: dict[str, dict[str, Any]] = {}
        self.heartbeats: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.others: list[dict[str, Any]] = []
        self.resyncs: list[dict[str, Any]] = []
        self.messages = 0
        self.epoch = ""

    def text(self, text: str | bytes) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(text)
        self.message(message)
        return message

    def message(self, message: dict[str, Any]) -> None:
        self.messages += 1
        kind, name = message["type"], message.get("class", "")
        if kind == "subscribed":
            self._subscribed(message)
        elif kind == "unsubscribed":
            for held in (self.books, self.trades, self.subscribed, self.statuses):
                held.pop(name, None)
        elif kind == "heartbeat":
            self._heartbeat(message)
        elif kind == "error":
            self.errors.append(message)
        elif kind == "trade":
            if message["seq"] <= self.trades_seq[name]:
                return
            assert message["prev_seq"] == self.trades_seq[name], message
            self.trades_seq[name] = message["seq"]
            self.trades[name] += message["trades"]
        elif kind == "status":
            self.statuses[name] = message
        elif name in self.books:
            if kind == "resync":
                self.resyncs.append(message)
            self.books[name].take(message)
        elif kind == "resync":
            self.resyncs.append(message)
            if "seq" in message:  # of a replay that was sought
                self.trades_seq[name] = message["seq"]
        else:
            self.others.append(message)

    def held(self, name: str) -> int | None:
        """The number of the last message of a class: what to resume it from. None if there is nothing."""
        if name in self.books:
            return self.books[name].seq
        return self.trades_seq.get(name)

    def _subscribed(self, message: dict[str, Any]) -> None:
        name = message["class"]
        self.subscribed[name] = message
        self.epoch = message["epoch"]
        if message["channel"] in ("book", "bbo", "orders"):
            if not message["resumed"] or name not in self.books:
                self.books[name] = HeldBook(name)
            self.books[name].void = False
        elif message["channel"] == "trades" and (not message["resumed"] or name not in self.trades):
            self.trades[name] = []
            self.trades_seq[name] = message["seq"]

    def _heartbeat(self, message: dict[str, Any]) -> None:
        self.heartbeats.append(message)
        for name, seq in message["seq"].items():
            book = self.books.get(name)
            if book is not None and book.seq is not None:
                assert book.seq == seq, (name, book.seq, seq)
            if name in self.trades:
                assert self.trades_seq[name] == seq, (name, seq)
