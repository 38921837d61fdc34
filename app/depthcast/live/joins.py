"""How a subscription joins a session's flow: at once, from a snapshot, or from the past.

Whatever the way, nothing is missing and nothing comes twice: what comes first is as of an index, and the
records from that index to the session's cursor are given out for the new part alone before it joins the rest.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Final, NamedTuple

from depthcast.dbn.layout import LENGTH_WORD
from depthcast.errors import ReplayError, SessionError
from depthcast.live.connection import Buffer
from depthcast.live.control import ErrorCode, SystemCode
from depthcast.live.feed_view import FeedView, ReplayRequest, Snapshot
from depthcast.live.flow import Flow
from depthcast.live.selection import NONE, Selection
from depthcast.live.snapshots import SnapshotDesk
from depthcast.live.stream import CARRIED, select, stamped

__all__ = ["SNAPSHOT_COMPLETED", "Joins", "Part", "Talk"]

PIECE_BYTES: Final = 256 * 1024
"""Of a snapshot, what is given out at a time at most: whole records."""
SNAPSHOT_COMPLETED: Final = "Snapshot of {schema} completed"
"""Said, with code 3, after a snapshot and the records that came while it was made: what follows is live."""
ATTEMPTS: Final = 5
_POLL_S: Final = 0.002


class Part(NamedTuple):
    """What one subscription asks for."""

    schema: str
    selection: Selection
    start: int | None = None
    snapshot: bool = False


class Talk(NamedTuple):
    """What joins need of their session."""

    stamp: Callable[[], int] | None
    """The time for ts_out; None where the session has none."""
    system: Callable[[int, str], bytes]
    """A system record as this session is sent it."""
    kick: Callable[[], None]
    """There is more to give out."""
    fail: Callable[[Exception], None]
    """End the session."""


class Joins:
    """The subscriptions of one session that have not joined its flow yet.

    Attributes:
        settling: how many of them have not found the index yet from which they are complete. Replays do not
            count: they know from where.
    """

    def __init__(
        self, view: FeedView, flow: Flow, desk: SnapshotDesk, replays: asyncio.Semaphore, talk: Talk
    ) -> None:
        self.settling = 0
        self._view = view
        self._flow = flow
        self._desk = desk
        self._replays = replays
        self._talk = talk
        self._wanted: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._replayed: dict[str, Selection] = {}
        self._snapshots_in_turn = asyncio.Lock()
        self._replays_in_turn = asyncio.Lock()

    @property
    def pending(self) -> bool:
        """Whether some are still on the way."""
        return bool(self._tasks)

    def start(self, parts: list[Part]) -> None:
        """Join what was subscribed to before the stream started.

        An instrument that is replayed joins from there, whatever else asks for the same schema of it.
        """
        for part in parts:
            if part.start is not None:
                before = self._replayed.get(part.schema, NONE)
                self._begin(self._replay(part._replace(selection=part.selection.minus(before))))
                self._replayed[part.schema] = before.union(part.selection)
        for part in parts:
            if part.start is None:
                self.add(part)

    def add(self, part: Part) -> None:
        """Join one subscription without a start."""
        if part.snapshot:
            self._settle(self._snapshot(part))
            return
        part = part._replace(selection=part.selection.minus(self._replayed.get(part.schema, NONE)))
        if part.selection.empty:
            return
        if part.schema in CARRIED:
            self._flow.activate(part.schema, part.selection)
            self._talk.kick()
        else:
            self._settle(self._live(part))

    def close(self) -> None:
        """Give up what is on the way."""
        for task in self._tasks:
            task.cancel()
        for schema in self._wanted:
            self._view.unwant(schema)
        self._wanted.clear()

    # -- tasks

    def _settle(self, join: Coroutine[None, None, None]) -> None:
        self.settling += 1
        self._begin(join)

    def _settled(self) -> None:
        self.settling -= 1
        self._talk.kick()

    def _begin(self, join: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(join)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._talk.fail(error if isinstance(error, Exception) else RuntimeError(repr(error)))
        else:
            self._talk.kick()

    async def _want(self, schema: str) -> int:
        """The index from which batches carry a derived schema; it is kept up until the session ends."""
        asked = asyncio.ensure_future(self._view.want(schema))
        try:
            begin = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(lambda _: self._view.unwant(schema))
            raise
        self._wanted.append(schema)
        return begin

    async def _live(self, part: Part) -> None:
        begin = await self._want(part.schema)
        self._flow.enter_at(begin, self._activation(part))
        self._settled()

    def _activation(self, part: Part) -> Iterator[Buffer]:
        self._flow.activate(part.schema, part.selection)
        yield from ()

    # -- snapshots

    async def _snapshot(self, part: Part) -> None:
        """Join from a snapshot.

        Where the session is sent some of these instruments already, the snapshot must not be older than what
        it was sent: the flow is held until there is one.
        """
        turn = self._snapshots_in_turn
        if part.selection.overlaps(self._replayed.get(part.schema, NONE)):
            turn = self._replays_in_turn
        async with turn:
            settled = False
            for _ in range(ATTEMPTS):
                snapshot = await self._snapshot_for(part)
                joined: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                done = self._talk.system(
                    SystemCode.REPLAY_COMPLETED, SNAPSHOT_COMPLETED.format(schema=part.schema)
                )
                entry = self._entry(part, snapshot.index, joined, snapshot.data, done)
                self._flow.enter_at(snapshot.index, entry)
                if not settled:
                    settled = True
                    self._settled()
                self._talk.kick()
                if await joined:
                    return
        raise SessionError(
            "Too slow: the feed went on faster than the snapshot was read.", code=ErrorCode.INTERNAL_ERROR
        )

    async def _snapshot_for(self, part: Part) -> Snapshot:
        flow, view = self._flow, self._view
        ids = None if part.selection.inverted else part.selection.ids
        holding = False
        try:
            while True:
                known = part.selection.overlaps(flow.active(part.schema))
                if known != holding:
                    flow.held += 1 if known else -1
                    holding = known
                while known and view.derived < flow.cursor:
                    await asyncio.sleep(_POLL_S)
                snapshot = await self._desk.get(ids, flow.cursor if known else 0, schema=part.schema)
                if snapshot.index >= flow.cursor:
                    return snapshot
                if snapshot.index >= view.tail and not part.selection.overlaps(flow.active(part.schema)):
                    return snapshot
        finally:
            flow.held -= holding

    def _entry(
        self, part: Part, index: int, joined: "asyncio.Future[bool]", data: bytes, last: bytes = b""
    ) -> Iterator[Buffer]:
        """``data`` as of an index, the part's records from there to the cursor, and it is active.

        It says whether that was possible: a batch may have left the ring meanwhile.
        """
        flow = self._flow
        form = flow.form_of(part.schema, part.selection)
        try:
            yield from self._pieces(data)
            while index < flow.cursor:
                batch = self._view.batch(index)
                if batch is None:
                    _answer(joined, done=False)
                    return
                records = form.of(batch)
                if records:
                    yield records
                index += 1
            flow.activate(part.schema, part.selection)
            if last:
                yield last
            _answer(joined, done=True)
        finally:
            flow.give_back(form)

    def _pieces(self, data: bytes) -> Iterator[Buffer]:
        stamp = self._talk.stamp
        if len(data) <= PIECE_BYTES:
            if data:
                yield data if stamp is None else stamped(data, stamp())
            return
        view = memoryview(data)
        size = data[0] * LENGTH_WORD
        size *= PIECE_BYTES // size
        for at in range(0, len(data), size):
            piece = view[at : at + size]
            yield piece if stamp is None else stamped(bytes(piece), stamp())

    # -- the past

    async def _replay(self, part: Part) -> None:
        """Join from the past. One at a time in a session, in the order asked for."""
        if part.selection.empty or part.start is None:
            return
        begin = 0 if part.schema in CARRIED else await self._want(part.schema)
        async with self._replays_in_turn, self._replays:
            replay = self._view.replay(ReplayRequest(part.schema, _named(part.selection), part.start))
            try:
                while (data := await replay.read()) is not None:
                    if data:
                        await self._give(self._chosen(part, data))
                index = replay.index
            finally:
                replay.close()
            if index < begin:
                raise ReplayError(f"The replay of {part.schema} ends before its live records begin.")
            joined: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            done = self._talk.system(SystemCode.REPLAY_COMPLETED, f"Replay of {part.schema} completed")
            flow = self._flow
            flow.held += 1
            try:
                # What lies between is to be derived already: the flow may be ahead of the books.
                while part.schema not in CARRIED and max(index, self._view.derived) < flow.cursor:
                    await asyncio.sleep(_POLL_S)
            finally:
                flow.held -= 1
            flow.enter_at(index, self._entry(part, index, joined, b"", done))
            self._talk.kick()
            if not await joined:
                text = "Too slow: the feed went on faster than the replay was read."
                raise SessionError(text, code=ErrorCode.INTERNAL_ERROR)

    def _chosen(self, part: Part, data: bytes) -> bytes:
        """Of a replay of all instruments, those that were asked for."""
        if not (part.selection.inverted and part.selection.ids):
            return data
        return select(data, part.selection)

    async def _give(self, data: bytes) -> None:
        """Give this out; returns when more may be read, while the last of it is on the way."""
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def entry() -> Iterator[Buffer]:
            _answer(taken, done=True)
            stamp = self._talk.stamp
            if data:
                yield data if stamp is None else stamped(data, stamp())

        self._flow.enter(entry())
        self._talk.kick()
        await taken


def _named(selection: Selection) -> frozenset[int] | None:
    return None if selection.inverted else selection.ids


def _answer(future: "asyncio.Future[bool]", *, done: bool) -> None:
    if not future.done():
        future.set_result(done)
