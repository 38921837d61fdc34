"""A feed of recorded bytes for the gateway's tests: a real ring that lets go, real books, a real past.

All is in memory and happens when a test says so: `publish` the next batches, let the `books` follow.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

from depthcast.book.derive import SCHEMAS, DeriverSet
from depthcast.book.engine import Engine
from depthcast.dbn import forms
from depthcast.dbn.layout import LENGTH_WORD, RType
from depthcast.errors import ReplayError
from depthcast.live.feed_view import Batch, ReplayRequest, Snapshot
from depthcast.live.symbology import Symbology

DATASET = "TEST.SIM"
BY_HAND = 1 << 30
"""As `RecordedFeed.lag`: only `RecordedFeed.books` lets the books follow."""
CARRIED = {"mbo": RType.MBO, "status": RType.STATUS, "definition": RType.INSTRUMENT_DEF}


def cut(data: bytes, *, records: int) -> list[bytes]:
    """``data`` in batches of so many records, the last one of what is left."""
    batches = []
    while data:
        size = forms.prefix(data, records)
        batches.append(data[:size])
        data = data[size:]
    return batches


def derived(data: Iterable[bytes], schema: str) -> bytes:
    """What is derived from these records, as far as their own time goes."""
    deriver = DeriverSet([schema])
    return b"".join(deriver.apply(piece)[schema] for piece in data)


class RecordedFeed:
    """A `FeedView` over ``batches``, of which the newest ``ring`` are held; of these derived ``schemas``.

    Attributes:
        on_news: called after each publication and each progress of the books: the gateway's `wake`.
        lag: batches that the books stay behind the head; `BY_HAND` for books that follow when told to.
        kept_from: the first batch that a replay still has.
    """

    def __init__(
        self,
        batches: Sequence[bytes],
        *,
        ring: int = 1 << 30,
        symbology: Symbology | None = None,
        dataset: str = DATASET,
        lag: int = 0,
        schemas: Iterable[str] = SCHEMAS,
    ) -> None:
        self.dataset = dataset
        self.schemas: Collection[str] = (*CARRIED, *schemas)
        self.symbology = Symbology() if symbology is None else symbology
        self.head = self.tail = self.derived = 0
        self.end_reason: str | None = None
        self.on_news: Callable[[], None] = lambda: None
        self.lag = lag
        self.kept_from = 0
        self.snapshot_delay_s = 0.0
        self.wanted: dict[str, int] = {}
        self._batches = [Batch(n, 0, forms.count(data), data, 0) for n, data in enumerate(batches)]
        self._ring = ring
        self._deriver = DeriverSet(schemas, engine=Engine())

    @property
    def left(self) -> int:
        """Batches not published yet."""
        return len(self._batches) - self.head

    def publish(self, count: int = 1) -> None:
        """Publish the next batches, and let the books follow up to `lag` behind."""
        for _ in range(min(count, self.left)):
            definitions = forms.others(self._batches[self.head].data)
            if definitions:
                self.symbology.learn(definitions)
            self.head += 1
            self.books(self.head - self.lag)
            self.tail = max(self.tail, min(self.head - self._ring, self.derived))
            self.on_news()

    def books(self, upto: int) -> None:
        """Apply the batches before ``upto`` to the books."""
        while self.derived < min(upto, self.head):
            batch = self._batches[self.derived]
            made = self._deriver.apply(batch.data)
            batch.derived = {schema: made[schema] for schema in self.wanted if made[schema]}
            self.derived += 1
        self.on_news()

    def end(self, reason: str = "The source has ended.") -> None:
        """Publish what is left, and end."""
        self.publish(self.left)
        self.lag = 0
        self.books(self.head)
        self.end_reason = reason
        self.on_news()

    # ------------------------------------------------------------------------------------------ FeedView

    def batch(self, index: int) -> Batch | None:
        return self._batches[index] if self.tail <= index < self.head else None

    async def snapshot(self, instrument_ids: frozenset[int] | None, schema: str = "mbo") -> Snapshot:
        index = self.derived
        if schema != "mbo":
            data = self._latest(index, CARRIED[schema], instrument_ids)
            await asyncio.sleep(self.snapshot_delay_s)
            return Snapshot(index, data)
        engine = self._deriver.engine
        data = b"".join(
            engine.snapshot(key.instrument_id, key.publisher_id)
            for key in engine.books()
            if instrument_ids is None or key.instrument_id in instrument_ids
        )
        await asyncio.sleep(self.snapshot_delay_s)
        return Snapshot(index, data)

    def _latest(self, index: int, rtype: int, instrument_ids: frozenset[int] | None) -> bytes:
        """The latest record of each instrument before an index."""
        found: dict[bytes, bytes] = {}
        for batch in self._batches[:index]:
            data = forms.form(batch.data, rtypes=[rtype])
            while data:
                size = data[0] * LENGTH_WORD
                if instrument_ids is None or int.from_bytes(data[4:8], "little") in instrument_ids:
                    found[data[2:8]] = data[:size]
                data = data[size:]
        return b"".join(found.values())

    async def want(self, schema: str) -> int:
        self.wanted[schema] = self.wanted.get(schema, 0) + 1
        begin = self.derived
        await asyncio.sleep(0)
        return begin

    def unwant(self, schema: str) -> None:
        self.wanted[schema] -= 1
        if self.wanted[schema] == 0:
            del self.wanted[schema]

    def replay(self, request: ReplayRequest) -> "RecordedReplay":
        if self.kept_from and request.start == 1:
            raise ReplayError("start: older than what is kept")
        return RecordedReplay(self, request)

    def past(self, index: int) -> bytes:
        """A batch's records, held or not."""
        return self._batches[index].data


class RecordedReplay:
    """A `Replay` of what was published, a batch at a time; of a derived schema as far as the books are."""

    def __init__(self, feed: RecordedFeed, request: ReplayRequest) -> None:
        self.index = 0
        self.closed = False
        self._feed = feed
        self._request = request
        schema = request.schema
        self._deriver = None if schema in CARRIED else DeriverSet([schema])
        self._ids = None if request.instrument_ids is None else forms.IdSet(request.instrument_ids)

    async def read(self) -> bytes | None:
        await asyncio.sleep(0)
        feed = self._feed
        if self.index == (feed.head if self._deriver is None else feed.derived):
            return None
        data = feed.past(self.index)
        self.index += 1
        request = self._request
        if self._deriver is None:
            wanted = forms.form(data, instrument_ids=self._ids, rtypes=[CARRIED[request.schema]])
            return forms.since(wanted, request.start)
        made = self._deriver.apply(data)[request.schema]
        return forms.since(
            forms.form(made, instrument_ids=self._ids),
            request.start,
            by_ts_recv=request.schema.startswith("bbo"),
        )

    def close(self) -> None:
        self.closed = True
