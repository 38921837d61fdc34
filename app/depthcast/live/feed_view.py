"""What the gateway sees of a feed: its batches by index, snapshots, derived schemas and the past.

The gateway serves whatever has these methods; the feed service is one, a test's recorded feed another.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from depthcast.live.symbology import Symbology

__all__ = ["ALL_TIME", "STATES", "Batch", "FeedView", "Replay", "ReplayRequest", "Snapshot"]


ALL_TIME: Final = 2**64 - 1
"""As `Batch.advance_ns`: the data has ended, and so have all intervals."""


STATES: Final = ("mbo", "status", "definition")
"""The schemas that have snapshots: what was said last, or the sum of it, is what is so."""


class Batch:
    """An immutable run of whole records, cut at event ends where the source allows.

    Attributes:
        index: its place in the ring: 0, 1, 2, ... without gaps. Of this process only.
        position: records before it in the feed; with the epoch it names a record exactly.
        count: records in it. 0 is a batch that only says that time has passed.
        data: the records: DBN version 3 layouts without ts_out, no control records.
        mbo_only: its records are known to be mbo, all of them.
        due_ns: when it was due, CLOCK_MONOTONIC ns.
        advance_ns: the time (ts_recv, ns) up to which the source says nothing more will come; 0 if it does
            not say, `ALL_TIME` if nothing more will come at all.
        derived: the records derived from it, by schema, once ``index < FeedView.derived``; before that None.
            Only the schemas that were wanted then.
    """

    __slots__ = ("advance_ns", "count", "data", "derived", "due_ns", "index", "mbo_only", "position")

    def __init__(
        self,
        index: int,
        position: int,
        count: int,
        data: bytes,
        due_ns: int,
        advance_ns: int = 0,
        *,
        mbo_only: bool = False,
    ) -> None:
        self.index = index
        self.position = position
        self.count = count
        self.data = data
        self.due_ns = due_ns
        self.advance_ns = advance_ns
        self.mbo_only = mbo_only
        self.derived: dict[str, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is so after every batch before ``index``.

    Of mbo the books: MBO records flagged F_SNAPSHOT. Of definition and status the latest record of each
    instrument at each publisher. None has ts_out, and all of one snapshot have one length.
    """

    index: int
    data: bytes


class ReplayRequest(NamedTuple):
    """The records of the past from ``start`` (ns, inclusive; 0 for all there are) of one schema.

    Filtered on ts_event; on ts_recv for snapshot records and bbo. ``instrument_ids`` None means all.
    """

    schema: str
    instrument_ids: frozenset[int] | None
    start: int


class Replay(Protocol):
    """The past being read, up to where the ring has it."""

    async def read(self) -> bytes | None:
        """The next run of whole records (without ts_out), a few MiB at most; None when all was given.

        Raises:
            ReplayError: what was asked for is older than what is kept, or there is no journal.
            SessionError: it lies in the future.
        """

    @property
    def index(self) -> int:
        """After `read` gave None: the batches from this index on hold everything that follows."""

    def close(self) -> None:
        """Give up its files and threads; at any time, more than once."""


class FeedView(Protocol):
    """A feed, as the gateway's loop sees it. All methods are called on the loop and return at once."""

    @property
    def dataset(self) -> str: ...

    @property
    def schemas(self) -> Collection[str]:
        """The schemas that can be subscribed to."""

    @property
    def symbology(self) -> Symbology: ...

    @property
    def head(self) -> int:
        """The index of the batch that comes next."""

    @property
    def tail(self) -> int:
        """The oldest index still held."""

    @property
    def derived(self) -> int:
        """Batches before this index have been applied to the books, and carry the schemas wanted then."""

    @property
    def end_reason(self) -> str | None:
        """Why no more batches will come; None while they do."""

    def batch(self, index: int) -> Batch | None:
        """A batch, None if it is no longer held. ``tail <= index < head`` are."""

    async def snapshot(self, instrument_ids: frozenset[int] | None, schema: str = "mbo") -> Snapshot:
        """Of these instruments (None: of all), at some index not before `derived`; one of `STATES`."""

    async def want(self, schema: str) -> int:
        """Ask for a derived schema: the first index from which batches carry it, until `unwant`."""

    def unwant(self, schema: str) -> None:
        """Undo one `want`."""

    def replay(self, request: ReplayRequest) -> Replay:
        """Read the past. Of a derived schema the caller holds a `want` from before, for its whole life."""
