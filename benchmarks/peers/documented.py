"""A book of the structure that Databento's documentation shows for Python.

Source: the example of its page "Limit order book construction": a dict of the records that rest, and a
SortedDict a side, from price to a list of them in priority order. This is written anew, with one difference:
records that refer to orders from before the data began are let through (the example stops at them).
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from databento_dbn import UNDEF_PRICE, DBNDecoder, MBOMsg
from sortedcontainers import SortedDict

from benchmarks.peers import Book, Levels, Peer
from benchmarks.workloads import Records, Workload
from depthcast.dbn import Flags


@dataclass(slots=True)
class Level:
    """One price: the records that rest there, first in priority first."""

    price: int
    orders: list[MBOMsg] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.orders)


@dataclass(slots=True)
class InstrumentBook:
    """Both sides of one instrument at one publisher."""

    by_id: dict[int, MBOMsg] = field(default_factory=dict)
    bids: SortedDict = field(default_factory=SortedDict)
    asks: SortedDict = field(default_factory=SortedDict)

    def apply(self, record: MBOMsg) -> None:
        if record.action in ("T", "F", "N"):
            return
        if record.action == "R":
            self.by_id.clear()
            self.bids.clear()
            self.asks.clear()
            return
        if record.price == UNDEF_PRICE and record.flags & Flags.TOB:
            self.levels(record.side).clear()
        elif record.action == "A":
            self.add(record)
        elif record.action == "C":
            self.cancel(record)
        elif record.action == "M":
            self.modify(record)

    def levels(self, side: Any) -> SortedDict:
        letter = str(side).upper()
        if letter == "B":
            return self.bids
        if letter == "A":
            return self.asks
        raise ValueError(f"no such side: {side}")

    def level(self, price: int, side: Any) -> Level:
        levels = self.levels(side)
        if price not in levels:
            levels[price] = Level(price)
        return cast(Level, levels[price])

    def add(self, record: MBOMsg) -> None:
        if record.flags & Flags.TOB:
            levels = self.levels(record.side)
            levels.clear()
            levels[record.price] = Level(record.price, [record])
            return
        level = self.level(record.price, record.side)
        self.by_id[record.order_id] = record
        level.orders.append(record)

    def cancel(self, record: MBOMsg) -> None:
        order = self.by_id.get(record.order_id)
        if order is None:
            return
        order.size -= record.size
        if order.size == 0:
            self.by_id.pop(record.order_id)
            self.remove(order)

    def modify(self, record: MBOMsg) -> None:
        order = self.by_id.get(record.order_id)
        if order is None:
            self.add(record)
            return
        level = self.level(order.price, order.side)
        if order.price != record.price:
            self.remove(order)
            self.level(record.price, record.side).orders.append(record)
        elif order.size < record.size:
            level.orders.remove(order)
            level.orders.append(record)
        else:
            level.orders[level.orders.index(order)] = record
        self.by_id[record.order_id] = record

    def remove(self, order: MBOMsg) -> None:
        level = self.level(order.price, order.side)
        level.orders.remove(order)
        if not level:
            self.levels(order.side).pop(order.price)


class DocumentedBook:
    """Books by instrument and publisher, and the decoded records to apply."""

    def __init__(self, setup: list[MBOMsg], timed: list[MBOMsg]) -> None:
        self.books: dict[int, dict[int, InstrumentBook]] = defaultdict(lambda: defaultdict(InstrumentBook))
        self.apply(setup)
        self.timed = timed

    def apply(self, records: list[MBOMsg]) -> None:
        books = self.books
        for record in records:
            books[record.instrument_id][record.publisher_id].apply(record)

    def run(self) -> None:
        self.apply(self.timed)

    def levels(self) -> tuple[Levels, Levels]:
        ((book,),) = (by_publisher.values() for by_publisher in self.books.values())
        return levels_of(reversed(book.bids.values())), levels_of(book.asks.values())


def levels_of(levels: Any) -> Levels:
    """Sums and counts, which this structure keeps nowhere."""
    return [(level.price, sum(order.size for order in level.orders), len(level.orders)) for level in levels]


def decode(records: Records) -> list[MBOMsg]:
    """The records as databento_dbn's objects, new ones each time: the book changes them."""
    decoder = DBNDecoder(has_metadata=False)
    decoder.write(records.tobytes())
    return cast(list[MBOMsg], decoder.decode())


class Documented:
    """The documented structure, its records decoded beforehand."""

    name = "documented Python book"
    about = "dict and SortedDict over databento_dbn's objects, decoded beforehand"
    max_records = 40_000
    max_setup = 1_000_000

    def load(self, workload: Workload) -> Callable[[], Book]:
        return lambda: DocumentedBook(decode(workload.setup), decode(workload.timed))


PEERS: list[Peer] = [Documented()]
