"""The feed as the gateway sees it: `FeedView` over the ring, the books and the journal."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from depthcast.book.derive import SCHEMAS
from depthcast.errors import ReplayError
from depthcast.feed.books import BookThread
from depthcast.feed.replay import JournalReplay
from depthcast.feed.ring import Ring
from depthcast.journal.reader import JournalReader
from depthcast.live.feed_view import Batch, ReplayRequest, Snapshot
from depthcast.live.symbology import Symbology

__all__ = ["LiveFeed"]

SERVED: Final = ("mbo", *SCHEMAS, "status", "definition")
REPLAY_THREADS: Final = 4


class LiveFeed:
    """A feed in this process.

    Args:
        dataset: its dataset id.
        symbology: what symbols its instruments have; the loop's to change.
        ring, books: its batches and its books.
        open_journal: opens the journal for reading; None where there is none.
    """

    def __init__(
        self,
        dataset: str,
        symbology: Symbology,
        ring: Ring,
        books: BookThread,
        open_journal: Callable[[], JournalReader] | None,
    ) -> None:
        self.dataset = dataset
        self.symbology = symbology
        self.schemas: Collection[str] = SERVED
        self.end_reason: str | None = None
        self._ring = ring
        self._books = books
        self._open_journal = open_journal
        self._wanted: Counter[str] = Counter()
        self._executor = ThreadPoolExecutor(REPLAY_THREADS, thread_name_prefix="replay")

    @property
    def head(self) -> int:
        return self._ring.head

    @property
    def tail(self) -> int:
        return self._ring.tail

    @property
    def derived(self) -> int:
        return self._books.index

    @property
    def wanted(self) -> frozenset[str]:
        """The derived schemas that some session has subscribed to."""
        return frozenset(+self._wanted)

    def batch(self, index: int) -> Batch | None:
        return self._ring.get(index)

    async def snapshot(self, instrument_ids: frozenset[int] | None, schema: str = "mbo") -> Snapshot:
        return await asyncio.wrap_future(self._books.snapshot(instrument_ids, schema))

    async def want(self, schema: str) -> int:
        self._wanted[schema] += 1
        return await asyncio.wrap_future(self._books.want(self.wanted))

    def unwant(self, schema: str) -> None:
        self._wanted[schema] -= 1
        self._books.want(self.wanted)

    def replay(self, request: ReplayRequest) -> JournalReplay:
        if self._open_journal is None:
            raise ReplayError("this feed keeps no journal: subscribe without start")
        return JournalReplay(request, self._open_journal(), self._ring, self._books, self._executor)

    def close(self) -> None:
        """End the replays that are under way."""
        self._executor.shutdown(wait=False, cancel_futures=True)
