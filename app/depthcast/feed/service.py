"""The feed service: a source, its pace, the ring, the books, the journal and the gateway, in one process."""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from enum import Enum
from typing import Any, Final

import databento_dbn
import structlog

from depthcast.book.engine import Engine
from depthcast.dbn import forms
from depthcast.errors import JournalError, SourceError, UsageError
from depthcast.feed.books import Books, BookThread
from depthcast.feed.keys import KeyWatch
from depthcast.feed.listening import gateway_limits, gateway_listeners, tls_context
from depthcast.feed.metrics import feed_admin
from depthcast.feed.options import FeedOptions
from depthcast.feed.pacing import Pacer
from depthcast.feed.recorder import JournalThread, segment_metadata
from depthcast.feed.recovery import Recovery, open_journal
from depthcast.feed.ring import Ring
from depthcast.feed.schedule import AtOnce
from depthcast.feed.scheduling import run_promptly
from depthcast.feed.sources.base import Source
from depthcast.feed.view import LiveFeed
from depthcast.journal.reader import JournalReader
from depthcast.live.address import Address
from depthcast.live.feed_view import ALL_TIME
from depthcast.live.gateway import Gateway
from depthcast.live.key_stores import open_key_store
from depthcast.settings import Settings

__all__ = ["FeedService", "Stage"]

SWITCH_INTERVAL_S: Final = 0.0005
"""How long a thread keeps the interpreter while another waits for it: the hot loop must not wait long."""
ROOM_POLL_S: Final = 0.001
WAIT_POLL_S: Final = 0.02
LEAD_BYTES: Final = 8 << 20
"""With ``--max``, how far the feed runs ahead of its slowest session: what is sent is still in the cache."""
REST_S: Final = 120.0
"""How long sessions may take for the rest of a feed that has ended."""

log = structlog.get_logger("depthcast.feed")


class Stage(Enum):
    """Where a feed is in its life."""

    STARTING = "starting"
    WAITING = "waiting"
    """For the sessions of ``--wait``."""
    RUNNING = "running"
    ENDED = "ended"
    """The source has ended; sessions receive the rest."""
    DRAINING = "draining"
    CLOSED = "closed"


class FeedService:
    """One feed, from its source to its sessions. Made and used on one loop.

    When it is made it takes its addresses, then its journal: one that is not to be has taken no journal from
    a feed that runs. Who connects from then on waits. Nothing else is served meanwhile, so that takes its
    time: what is kept is read, the books are brought to where the journal ends.

    Args:
        source: looked at, not begun. Closed if the feed cannot be made.
        options, settings: what was asked for.

    Raises:
        DepthcastError: keys, the journal or the source are not what they should be.
        OSError: an address cannot be had.
    """

    def __init__(self, source: Source, options: FeedOptions, settings: Settings) -> None:
        self.source = source
        self.options = options
        self.settings = settings
        self.stage = Stage.STARTING
        self.addresses: list[Address] = []
        self.dataset = source.dataset
        self.symbology = source.symbology
        self.failure: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._source_over = asyncio.Event()
        self._stop = asyncio.Event()
        self._reason = ""
        with ExitStack() as undo:
            undo.callback(source.close)
            if source.live and (options.rate is not None or options.speed is not None):
                raise UsageError(f"--rate and --speed: {source.name} sets the pace itself")
            at_once = AtOnce(settings.feed.batch_bytes)
            self.schedule = at_once if source.live else options.schedule(settings.feed)
            store = open_key_store(
                settings.keys.store, file=settings.keys.file, secret_id=settings.keys.secret_id
            )
            self.keys = KeyWatch(store, options.keys, settings.keys.reload_s)
            limits, tls = gateway_limits(settings.gateway, options), tls_context(settings.gateway)
            self._take_addresses(undo)
            reader = self._recover(undo)
            self.view = LiveFeed(self.dataset, self.symbology, self.ring, self.book_thread, reader)
            self.gateway = Gateway(self.view, lambda: self.keys.ring, limits, ssl_context=tls)
            self.pacer = Pacer(self._loop, self.publish, self.schedule, self._source_ended)
            undo.pop_all()

    def _take_addresses(self, undo: ExitStack) -> None:
        """Listen; nobody is answered yet."""
        self._listeners = gateway_listeners(self.options.listen)
        for listener in self._listeners:
            undo.callback(listener.close)
        self.admin = None if self.options.admin is None else feed_admin(self, *self.options.admin)
        if self.admin is not None:
            undo.callback(self.admin.close)

    def _recover(self, undo: ExitStack) -> Callable[[], JournalReader] | None:
        """Take the journal over, if there is to be one, and go on where it ends; what opens it to read."""
        engine = Engine(self.settings.engine.max_event_records, self.settings.engine.max_event_ns)
        books = Books(engine)
        self.recovery: Recovery | None = None
        position = 0
        if self.options.journal is None:
            self.source.open(self._loop, self._source_wakes)
        else:
            recovery = open_journal(
                self.options.journal, self.dataset, self.options.shard, self.settings.journal
            )
            undo.callback(recovery.writer.abandon)
            recovery.restore(books, self.source, self._loop, self._source_wakes)
            self.symbology.learn(books.definitions())
            self.recovery, position = recovery, recovery.position
        self.ring = Ring(self.settings.feed.ring_bytes, position=position)
        self.book_thread = BookThread(
            self.ring,
            books,
            on_progress=lambda: self._on_loop(self.gateway.wake),
            on_failure=self._failed,
            gives_way=not self.options.unlimited,
        )
        self.journal_thread: JournalThread | None = None
        if self.recovery is None:
            return None
        writer = self.recovery.writer
        metadata = segment_metadata(self.dataset, self.symbology)
        writer.begin(position, metadata, books.head(), self.source.state(position))
        self.journal_thread = JournalThread(
            self.ring,
            self.book_thread,
            writer,
            metadata=self.segment_metadata,
            source_state=self.source.state,
            on_failure=self._failed,
        )
        return writer.reader

    async def run(self) -> None:
        """Serve until the source has ended and its sessions have the rest, or `stop` is called.

        Raises:
            DepthcastError: the source failed, the journal was taken over, ...
        """
        switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        run_promptly()
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not go through it again and again
        try:
            await self._serve()
        finally:
            self.stage = Stage.CLOSED
            sys.setswitchinterval(switch_interval)
            gc.unfreeze()
        if self.failure is not None:
            raise self.failure

    def stop(self, reason: str) -> None:
        """Drain and end. On the loop; more than once does no harm."""
        if not self._reason:
            self._reason = reason
            log.info("stopping", reason=reason)
            self._stop.set()

    @property
    def ready(self) -> bool:
        """Whether it listens and will go on to."""
        return self.stage in (Stage.WAITING, Stage.RUNNING, Stage.ENDED)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return bool(self._reason)

    # -- Its life

    async def _serve(self) -> None:
        try:
            self.keys.start()
            if self.admin is not None:
                self.admin.start()
            self.book_thread.start()
            if self.journal_thread is not None:
                self.journal_thread.start()
            listen = self.options.listen
            found = await self.gateway.start(listen.host, listen.port, listeners=self._listeners)
            self.addresses = [Address(*address) for address in found]
            admin = None if self.admin is None else str(Address(*self.admin.address))
            log.info("listening", addresses=[str(address) for address in self.addresses], admin=admin)
            await self._wait_for_sessions()
            if not self._stop.is_set():
                self.stage = Stage.RUNNING
                log.info("running", source=self.source.name, position=self.ring.position)
                self.pacer.start(self.source)
                await _unless(self._stop, self._source_over.wait())
            await self._finish()
        finally:
            await self._close()

    async def _wait_for_sessions(self) -> None:
        """Until as many sessions have started as `--wait` says: nobody shall miss the first record."""
        if self.options.wait:
            self.stage = Stage.WAITING
            log.info("waiting", sessions=self.options.wait)
        while self.gateway.started < self.options.wait and not self._stop.is_set():
            await asyncio.sleep(WAIT_POLL_S)

    async def _finish(self) -> None:
        """Give sessions the rest, if the source has ended by itself; then part from them."""
        if not self._stop.is_set():
            self.stage = Stage.ENDED
            if await _unless(self._stop, self._give_the_rest()):
                return
        self.stage = Stage.DRAINING
        await self.gateway.drain()  # records go on meanwhile: nobody's are stale before its turn

    async def _give_the_rest(self) -> None:
        """Books and journal have every batch, then sessions are told of the end, each once it has all."""
        while self._is_behind():
            await asyncio.sleep(ROOM_POLL_S)
        self.view.end_reason = f"the source has ended: {self.source.name}"
        log.info("source_ended", position=self.ring.position, linger_s=self.options.linger_s)
        if self.ring.bytes_in == 0 and self.ring.position:
            log.warning("nothing_new", hint="the journal has all of the source: give another one")
        await asyncio.sleep(self.options.linger_s)
        await self.gateway.wait_empty(REST_S)

    def _is_behind(self) -> bool:
        """Whether books or journal have yet to see a batch."""
        threads = (self.book_thread, self.journal_thread)
        return any(thread is not None and thread.index < self.ring.head for thread in threads)

    async def _close(self) -> None:
        self.pacer.close()
        self.source.close()
        self.keys.close()
        await self.gateway.close()
        if self.admin is not None:
            await asyncio.to_thread(self.admin.close)
        self.view.close()
        if self.journal_thread is not None and not await asyncio.to_thread(
            self.journal_thread.stop, self.settings.journal.close_s
        ):
            missing = self.ring.position - self.journal_thread.writer.position
            error = JournalError(f"{missing:,} records at the feed's end could not be written to the journal")
            log.error("journal_not_closed", error=str(error), cause=str(self.journal_thread.error))
            self.failure = self.failure or error
        await asyncio.to_thread(self.book_thread.stop)

    def _failed(self, error: BaseException) -> None:
        """A thread has ended. Called in it."""

        def fail() -> None:
            if self.failure is None:
                self.failure = error
                log.error("failed", error=str(error))
            self._stop.set()

        self._on_loop(fail)

    def _on_loop(self, function: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed: nobody needs it any more
            return

    # -- Records in

    def publish(
        self, data: bytes, count: int, due_ns: int, advance_ns: int = 0, *, mbo_only: bool = False
    ) -> bool:
        """Take what the source has due (`depthcast.feed.pacing.Publish`)."""
        if not self._room(len(data)):
            self._loop.call_later(ROOM_POLL_S, self.pacer.resume)
            return False
        if not mbo_only:
            others = forms.others(data)
            if others:
                self.symbology.learn(others)  # before anybody is sent a record of a new instrument
            mbo_only = not others
        self.ring.append(data, count, due_ns, advance_ns, mbo_only=mbo_only)
        self.gateway.wake()
        return True

    def _room(self, size: int) -> bool:
        """Whether nobody who must see every record would lose one."""
        if not self.ring.room(size):
            return False
        if not self.options.unlimited:
            return True
        slowest = self.gateway.slowest(self.settings.feed.stall_s)
        lead = min(LEAD_BYTES, self.ring.max_bytes // 2)
        return slowest is None or self.ring.pending_bytes(slowest) + size <= lead

    def _source_wakes(self) -> None:
        self.pacer.wake()

    def _source_ended(self, error: SourceError | None) -> None:
        if error is not None:
            self.failure = error
            log.error("source_failed", error=str(error), position=self.ring.position)
            self._source_over.set()
            self._stop.set()
        elif self.ring.room(0):
            self.ring.append(b"", 0, time.monotonic_ns(), ALL_TIME)  # the last intervals end too
            self.gateway.wake()
            self._source_over.set()
        else:
            self._loop.call_later(ROOM_POLL_S, self._source_ended, None)

    def segment_metadata(self) -> databento_dbn.Metadata:
        """What a segment that begins now says of itself. From another thread: symbols are the loop's."""

        async def made() -> databento_dbn.Metadata:
            return segment_metadata(self.dataset, self.symbology)

        return asyncio.run_coroutine_threadsafe(made(), self._loop).result()


async def _unless(stopped: asyncio.Event, work: Coroutine[Any, Any, object]) -> bool:
    """Wait for some work; whether it was done before it was stopped."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stopped.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    return False
