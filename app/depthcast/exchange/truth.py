"""The true book, as the matching engine has it: what a rebuilt book must equal."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["TrueBook", "TrueLevel", "TrueOrder"]

LEVEL: Final = struct.Struct("<cqQI")
ORDER: Final = struct.Struct("<QI")


class TrueOrder(NamedTuple):
    """A resting order: what it shows, and when (ns, message number) it got its present priority."""

    order_id: int
    size: int
    ts_event: int
    sequence: int


class TrueLevel(NamedTuple):
    """A price (1e-9 units), the size shown there, and its orders: 0 where a venue does not publish them."""

    price: int
    size: int
    count: int  # type: ignore[assignment]  # a field, where a tuple has a method


@dataclass(frozen=True, slots=True)
class TrueBook:
    """One book as published: levels best first, and of each level its orders in priority order.

    A venue that publishes only its best prices has at most one level a side, of count 0, and no orders.
    """

    publisher_id: int
    instrument_id: int
    bids: list[TrueLevel]
    asks: list[TrueLevel]
    bid_orders: list[list[TrueOrder]]
    ask_orders: list[list[TrueOrder]]

    def checksum(self, levels: int = 0) -> int:
        """The CRC-32 of docs/book.md: of the best ``levels`` a side, or with 0 of all and their orders."""
        crc = 0
        for side, level, orders in self._levels(levels):
            crc = zlib.crc32(LEVEL.pack(side, *level), crc)
            if not levels:
                crc = zlib.crc32(b"".join(ORDER.pack(order.order_id, order.size) for order in orders), crc)
        return crc

    def _levels(self, count: int) -> Iterator[tuple[bytes, TrueLevel, list[TrueOrder]]]:
        for side, levels, orders in ((b"B", self.bids, self.bid_orders), (b"A", self.asks, self.ask_orders)):
            for level, queue in zip(levels[: count or None], orders, strict=False):
                yield side, level, queue

    def as_json(self) -> dict[str, object]:
        """The book as plain data: levels ``[price, size, count]``, prices in 1e-9 units.

        Of each level its orders ``[order_id, size]`` in priority order, ids as strings.
        """
        return {
            "publisher_id": self.publisher_id,
            "instrument_id": self.instrument_id,
            "checksum": self.checksum(),
            "bids": [[level.price, level.size, level.count] for level in self.bids],
            "asks": [[level.price, level.size, level.count] for level in self.asks],
            "bid_orders": _ids_and_sizes(self.bid_orders),
            "ask_orders": _ids_and_sizes(self.ask_orders),
        }


def _ids_and_sizes(levels: list[list[TrueOrder]]) -> list[list[list[str | int]]]:
    return [[[str(order.order_id), order.size] for order in queue] for queue in levels]
