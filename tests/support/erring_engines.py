"""Engines that break one rule each, for the audit to catch."""

from dataclasses import replace
from typing import Any

import numpy as np

from depthcast.book.reference import ReferenceEngine
from depthcast.book.reference_side import BookSide, RestingOrder
from depthcast.book.types import Bbo, BookStatus, Depth, Level, QueuePosition
from depthcast.dbn.layout import MBO
from depthcast.errors import UnknownOrderError
from tests.support.audit import Wrapped
from tests.support.records import cancel

P = 100


class AnswersWrongly(Wrapped):
    """Errs in its answers once the book has order 6 in it."""

    def errs(self) -> bool:
        try:
            self.real.queue_position(6, 7, 1)
        except LookupError:
            return False
        return True


class MiscountsRecords(Wrapped):
    @property
    def counters(self) -> dict[str, int]:
        return self.real.counters | {"records": self.real.counters["records"] + 1}


class IgnoresInSilence(Wrapped):
    @property
    def counters(self) -> dict[str, int]:
        return self.real.counters | {"cancels": 0}


class InflatesALevel(AnswersWrongly):
    def depth(self, instrument_id: int, levels: int = 10, publisher_id: int | None = None) -> Depth:
        bids, asks = self.real.depth(instrument_id, levels, publisher_id)
        if self.errs() and bids:
            bids[0] = Level(bids[0].price, bids[0].size + 1, bids[0].count)
        return Depth(bids, asks)


class KeepsAnEmptyLevel(AnswersWrongly):
    def depth(self, instrument_id: int, levels: int = 10, publisher_id: int | None = None) -> Depth:
        bids, asks = self.real.depth(instrument_id, levels, publisher_id)
        return Depth(bids, [*asks, Level(500, 0, 0)] if self.errs() else asks)


class MiscountsOrders(AnswersWrongly):
    def status(self, instrument_id: int, publisher_id: int | None = None) -> BookStatus:
        found = self.real.status(instrument_id, publisher_id)
        return replace(found, orders=found.orders + self.errs())


class QueuesAnOrderTwice(AnswersWrongly):
    def orders(self, instrument_id: int, side: Any, price: int, publisher_id: int | None = None) -> Any:
        queue = self.real.orders(instrument_id, side, price, publisher_id)
        return [*queue, queue[0]] if self.errs() and queue else queue


class ShowsAnOrderWithoutSize(AnswersWrongly):
    def orders(self, instrument_id: int, side: Any, price: int, publisher_id: int | None = None) -> Any:
        queue = self.real.orders(instrument_id, side, price, publisher_id)
        return [queue[0]._replace(size=0), *queue[1:]] if self.errs() and queue else queue


class FindsAnOrderElsewhere(AnswersWrongly):
    def queue_position(
        self, order_id: int, instrument_id: int, publisher_id: int | None = None
    ) -> QueuePosition:
        found = self.real.queue_position(order_id, instrument_id, publisher_id)
        return found._replace(price=found.price + 1)


class LosesAnId(Wrapped):
    def queue_position(self, order_id: int, *book: int) -> QueuePosition:
        raise UnknownOrderError(f"no order {order_id} in {book}")


class MixesUpLevels(AnswersWrongly):
    def depth(self, instrument_id: int, levels: int = 10, publisher_id: int | None = None) -> Depth:
        bids, asks = self.real.depth(instrument_id, levels, publisher_id)
        return Depth(bids[::-1] if self.errs() else bids, asks)


class HasAnotherTouch(AnswersWrongly):
    def bbo(self, instrument_id: int, publisher_id: int | None = None) -> Bbo:
        found = self.real.bbo(instrument_id, publisher_id)
        return Bbo(found.bid, None) if self.errs() else found


class CutsDepthShort(AnswersWrongly):
    def depth(self, instrument_id: int, levels: int = 10, publisher_id: int | None = None) -> Depth:
        bids, asks = self.real.depth(instrument_id, levels, publisher_id)
        return Depth(bids, asks[:-1]) if levels and self.errs() else Depth(bids, asks)


class MisjudgesTheTop(AnswersWrongly):
    def status(self, instrument_id: int, publisher_id: int | None = None) -> BookStatus:
        return replace(self.real.status(instrument_id, publisher_id), top="locked")


class SnapshotsInAnotherOrder(AnswersWrongly):
    def snapshot(self, instrument_id: int | None = None, publisher_id: int | None = None) -> bytes:
        records = np.frombuffer(self.real.snapshot(instrument_id, publisher_id), MBO).copy()
        if self.errs():
            bids = np.flatnonzero(records["side"] == b"B")
            records[bids] = records[bids[::-1]]
        return records.tobytes()


class SnapshotsElsewhere(AnswersWrongly):
    def snapshot(self, instrument_id: int | None = None, publisher_id: int | None = None) -> bytes:
        records = np.frombuffer(self.real.snapshot(instrument_id, publisher_id), MBO).copy()
        records["price"] += self.errs()
        return records.tobytes()


class LosesTheLastOfASnapshot(AnswersWrongly):
    def snapshot(self, instrument_id: int | None = None, publisher_id: int | None = None) -> bytes:
        whole = self.real.snapshot(instrument_id, publisher_id)
        return whole[:-56] if self.errs() else whole


class LaundersABook(Wrapped):
    def snapshot(self, instrument_id: int | None = None, publisher_id: int | None = None) -> bytes:
        records = np.frombuffer(self.real.snapshot(instrument_id, publisher_id), MBO).copy()
        records["flags"] &= 0xFB
        return records.tobytes()


class LosesVolume(Wrapped):
    @property
    def counters(self) -> dict[str, int]:
        return self.real.counters | {"volume_removed_ask": 0}


class KnowsItIsUnsound(Wrapped):
    def verify(self) -> list[str]:
        return ["a link leads nowhere"]


class JumpsTheQueue(ReferenceEngine):
    """Puts new orders at the head of their level."""

    def _take_mbo(self, record: Any) -> None:
        super()._take_mbo(record)
        for book in self._books.values():
            for side in book.sides.values():
                side.__class__ = HeadFirst


class HeadFirst(BookSide):
    def append(self, order: RestingOrder) -> None:
        super().append(order)
        queue = self.levels[order.price]
        others = {order_id: queue.pop(order_id) for order_id in list(queue) if order_id != order.order_id}
        queue.update(others)


class TouchesAnother(Wrapped):
    """A cancel of order 2 also takes the order after it."""

    def apply(self, buffer: Any) -> int:
        taken = self.real.apply(buffer)
        records = np.frombuffer(buffer, MBO)
        if ((records["action"] == b"C") & (records["order_id"] == 2)).any():
            self.real.apply(cancel(1, "B", P, 5))
        return taken


class LosesTheEndOfAChunk(Wrapped):
    """Forgets the last record of a chunk of several."""

    def apply(self, buffer: Any) -> int:
        return self.real.apply(buffer[:-56] if len(buffer) > 56 else buffer)


class ForgetsTheTail(Wrapped):
    """Its snapshot of everything leaves the last ask out."""

    def snapshot(self, instrument_id: int | None = None, publisher_id: int | None = None) -> bytes:
        whole = self.real.snapshot(instrument_id, publisher_id)
        return whole if instrument_id is not None or len(whole) < 120 else whole[:-56]


class ForgetsPriorityTime(Wrapped):
    """Its snapshot of everything has another time for every order."""

    def snapshot(self, instrument_id: int | None = None, publisher_id: int | None = None) -> bytes:
        records = np.frombuffer(self.real.snapshot(instrument_id, publisher_id), MBO).copy()
        if instrument_id is None:
            records["ts_event"] += 1
        return records.tobytes()


class ForgetsFills(Wrapped):
    """Its snapshot of everything has no fills, so a refill after a restart keeps its place."""

    def snapshot(self, instrument_id: int | None = None, publisher_id: int | None = None) -> bytes:
        records = np.frombuffer(self.real.snapshot(instrument_id, publisher_id), MBO)
        return records[records["action"] != b"F"].tobytes() if instrument_id is None else records.tobytes()


class KnowsNoRefills(ReferenceEngine):
    """A refill keeps its place."""

    def _take_mbo(self, record: Any) -> None:
        super()._take_mbo(record)
        for book in self._books.values():
            book.fills.clear()


class IgnoresFills(Wrapped):
    """Takes every fill for a record without effect: so it knows no refills."""

    def apply(self, buffer: Any) -> int:
        records = np.frombuffer(buffer, MBO).copy()
        records["action"][records["action"] == b"F"] = b"N"
        return self.real.apply(records.tobytes())
