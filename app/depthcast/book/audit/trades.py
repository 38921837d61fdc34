"""The trades of a file with the fills that each owns."""

from array import array
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.book.audit.records import Place, Tally

NEVER: Final = 2**63 - 1
"""A position after every record."""


@dataclass(frozen=True, slots=True)
class Trade:
    """A `T`, and the order ids, sides and positions of the `F`s up to the next `T` of its event.

    ``origin`` is the position of the event's first record (after an `R`, of the one that follows it).
    """

    position: int
    origin: int
    book: int
    side: bytes
    price: int
    size: int
    ts_recv: int
    fill_ids: list[int]
    fill_sides: list[bytes]
    fill_positions: list[int]


class Trades:
    """All trades in the file's order, held in flat arrays: a day has millions of fills."""

    def __init__(self) -> None:
        self.positions = array("q")
        self.origins = array("q")
        self.books = array("Q")
        self.prices = array("q")
        self.sizes = array("Q")
        self.times = array("Q")
        self.sides = bytearray()
        self.orphans = Tally()
        """Fills of an event before its first trade: they belong to none."""
        self._fill_trades = array("q")
        self._fill_ids = array("Q")
        self._fill_positions = array("q")
        self._fill_sides = bytearray()
        self._newest: dict[int, int] = {}
        self._bounds: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._fill_order: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._by_origin: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._next = 0

    def __len__(self) -> int:
        return len(self.positions)

    def add(
        self,
        mbo: NDArray[np.void],
        books: NDArray[np.uint64],
        positions: NDArray[np.int64],
        origins: NDArray[np.int64],
    ) -> None:
        """Take the `T` and `F` records of ``mbo``, in order."""
        rows = zip(
            mbo["action"].tolist(),
            mbo["side"].tolist(),
            mbo["order_id"].tolist(),
            mbo["price"].tolist(),
            mbo["size"].tolist(),
            mbo["ts_recv"].tolist(),
            books.tolist(),
            positions.tolist(),
            origins.tolist(),
            strict=True,
        )
        for action, side, order_id, price, size, ts_recv, book, position, origin in rows:
            if action == b"T":
                self._newest[book] = len(self.positions)
                self.positions.append(position)
                self.origins.append(origin)
                self.books.append(book)
                self.prices.append(price)
                self.sizes.append(size)
                self.times.append(ts_recv)
                self.sides.append(side[0] if side else 0)
                continue
            trade = self._newest.get(book)
            if trade is None or self.origins[trade] != origin:
                self.orphans.see(Place(position, ts_recv))
                continue
            self._fill_trades.append(trade)
            self._fill_ids.append(order_id)
            self._fill_positions.append(position)
            self._fill_sides.append(side[0] if side else 0)

    def finish(self) -> None:
        """Order the fills by trade and the trades by event: call it once, when all were added."""
        owners = np.array(self._fill_trades, dtype=np.int64)
        self._fill_order = np.argsort(owners, kind="stable")
        self._bounds = np.searchsorted(owners[self._fill_order], np.arange(len(self) + 1))
        self._by_origin = np.argsort(np.array(self.origins, dtype=np.int64), kind="stable")
        self._next = 0

    def __getitem__(self, index: int) -> Trade:
        fills = self._fill_order[self._bounds[index] : self._bounds[index + 1]].tolist()
        return Trade(
            position=self.positions[index],
            origin=self.origins[index],
            book=self.books[index],
            side=bytes(self.sides[index : index + 1]),
            price=self.prices[index],
            size=self.sizes[index],
            ts_recv=self.times[index],
            fill_ids=[self._fill_ids[fill] for fill in fills],
            fill_sides=[bytes(self._fill_sides[fill : fill + 1]) for fill in fills],
            fill_positions=[self._fill_positions[fill] for fill in fills],
        )

    @property
    def next_origin(self) -> int:
        """Where the next event that holds a trade begins; `NEVER` if there is none."""
        if self._next == len(self):
            return NEVER
        return self.origins[int(self._by_origin[self._next])]

    def take_event(self) -> list[Trade]:
        """The trades of the event at `next_origin`, in order."""
        origin = self.next_origin
        event = []
        while self.next_origin == origin and self._next < len(self):
            event.append(self[int(self._by_origin[self._next])])
            self._next += 1
        return event
