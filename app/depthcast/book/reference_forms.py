"""What a reference book is written as: a snapshot, a checksum; and the check that it is a book at all."""

import zlib
from struct import pack
from typing import Final

from depthcast.book.reference_book import ReferenceBook
from depthcast.book.reference_records import (
    BAD_TS_RECV,
    LAST,
    MAYBE_BAD,
    MBO_STRUCT,
    SNAPSHOT,
    TOB,
    MboRecord,
)
from depthcast.book.reference_side import BookSide, RestingOrder
from depthcast.dbn.layout import LENGTH_WORD, MBO_SIZE, UNDEF_PRICE, RType

SNAPSHOT_FLAGS: Final = SNAPSHOT | BAD_TS_RECV


def snapshot(book: ReferenceBook, ts_recv: int) -> bytes:
    """The book as MBO records: R, bids best first, asks best first; inside an event, its fills after them.

    Source: docs/book.md § Snapshots that are written; the form is that of Databento's "MBO snapshots".
    """
    flags = SNAPSHOT_FLAGS
    if book.suspect or not book.complete:
        flags |= MAYBE_BAD

    def record(
        action: bytes, side: bytes, price: int, size: int, order_id: int, priority: tuple[int, int]
    ) -> MboRecord:
        return MboRecord(
            length=MBO_SIZE // LENGTH_WORD,
            rtype=RType.MBO,
            publisher_id=book.key.publisher_id,
            instrument_id=book.key.instrument_id,
            ts_event=priority[0],
            order_id=order_id,
            price=price,
            size=size,
            flags=flags,
            channel_id=0,
            action=action,
            side=side,
            ts_recv=ts_recv,
            ts_in_delta=0,
            sequence=priority[1],
        )

    def order_record(action: bytes, order: RestingOrder, size: int, priority: tuple[int, int]) -> MboRecord:
        return record(action, order.side, order.price, size, order.order_id, priority)

    records = [record(b"R", b"N", UNDEF_PRICE, 0, 0, book.version)]
    for side in book.sides.values():
        if side.tob is not None:
            level = record(b"A", side.code, side.tob.price, side.tob.size, 0, book.version)
            records.append(level._replace(flags=flags | TOB))
        records += [
            order_record(b"A", order, order.size, (order.ts_event, order.sequence)) for order in side.orders()
        ]
    if book.in_event:
        for side in book.sides.values():
            for order in side.orders():
                filled = book.fills.get(order.order_id, 0)
                if filled:
                    records.append(order_record(b"F", order, filled, book.version))
    else:
        records[-1] = records[-1]._replace(flags=records[-1].flags | LAST)
    return b"".join(MBO_STRUCT.pack(*record) for record in records)


def checksum(book: ReferenceBook, levels: int) -> int:
    """CRC-32 of the first levels of both sides; of every level and its queue when ``levels`` is 0.

    Source: docs/book.md § Checksum.
    """
    crc = 0
    for side in book.sides.values():
        for level in side.depth()[: levels or None]:
            crc = zlib.crc32(pack("<cqQI", side.code, level.price, level.size, level.count), crc)
            if levels == 0 and level.count:
                for order in side.queue(level.price):
                    crc = zlib.crc32(pack("<QI", order.order_id, order.size), crc)
    return crc


def check_invariants(book: ReferenceBook) -> None:
    """Raise AssertionError naming the first of § Invariants 1 to 5 that the book breaks."""
    queued: dict[int, RestingOrder] = {}
    for side in book.sides.values():
        _check_side(book, side, queued)
    _hold(queued == book.orders, book, "2: an order is known but not queued, or queued but not known")


def _check_side(book: ReferenceBook, side: BookSide, queued: dict[int, RestingOrder]) -> None:
    _hold(side.tob is None or not side.levels, book, "1: a TOB level stands beside orders")
    for price, queue in side.levels.items():
        _hold(len(queue) > 0, book, f"1: the level {price} is empty")
        for order_id, order in queue.items():
            _hold(order_id == order.order_id, book, f"2: the order {order_id} is queued under another id")
            _hold(order_id not in queued, book, f"2: the order {order_id} is in two queues")
            placed = (order.side, order.price) == (side.code, price)
            _hold(placed, book, f"2: the order {order_id} is at another side or price than its own")
            _hold(order.size > 0, book, f"2: the order {order_id} has no size")
            queued[order_id] = order
        ranks = [order.rank for order in queue.values()]
        _hold(ranks == sorted(ranks), book, f"4: the queue at {price} is not in priority order")
    prices = side.prices()
    in_order = sorted(set(prices), reverse=side.code == b"B")
    _hold(prices == in_order, book, "3: prices do not run strictly from the touch")
    resting = sum(level.size for level in side.depth() if level.count)
    _hold(side.added == resting + side.removed, book, f"5: volume is not conserved on side {side.code!r}")


def _hold(condition: bool, book: ReferenceBook, invariant: str) -> None:
    if not condition:
        raise AssertionError(f"book {tuple(book.key)} breaks invariant {invariant}")
