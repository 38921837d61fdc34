"""Another gateway as a source: ours or Databento's."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from depthcast.dbn import forms
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.dbn.metadata import DBN_VERSION
from depthcast.errors import DepthcastError, SessionError, SourceError
from depthcast.feed.sources.base import Chunk, SourceKind, decode_state
from depthcast.feed.sources.records import is_mbo_only, plain_records
from depthcast.feed.sources.retained import KEEP_BYTES, Place, Retained, Unseen
from depthcast.feed.sources.upstream_url import Upstream
from depthcast.live.address import is_databento
from depthcast.live.events import Connected, Disconnected, Event, Gap, GatewayError, Stale, SymbolMapped
from depthcast.live.lifecycle import Policy, State
from depthcast.live.resume import RTYPE_OF
from depthcast.live.subscriber import Subscriber
from depthcast.live.symbology import Symbology

__all__ = ["UpstreamSource"]

HIGH_BYTES: Final = 4 << 20
LOW_BYTES: Final = 1 << 20
"""Between these, of what waits to be taken, the gateway is paused and resumed."""
LIVE_NS: Final = 60_000_000_000
"""Records no older than this when they come are of the present time, not of a replay."""
QUIET_NS: Final = 1_000_000_000
"""A record may come so much later than others of its time."""

log = structlog.get_logger("depthcast.feed")


class UpstreamState(msgspec.Struct, frozen=True, tag="gateway", array_like=True):
    """``place`` is right before the record at ``position``; None: it can only be begun anew."""

    position: int
    place: Place | None


class UpstreamSource:
    """``live://HOST:PORT?OPTIONS`` or ``databento://DATASET?OPTIONS``. See `Source`, and docs/feed.md.

    It loses nothing: after a lost connection, and after a restart of the feed, it asks for a replay from a
    little before, and drops what it had. Where the gateway cannot give that, or snapshots were asked for, it
    begins every book anew by a snapshot.
    """

    kind: SourceKind = "gateway"
    live = True
    finite = False

    def __init__(self, upstream: Upstream, key: str, *, keep_bytes: int = KEEP_BYTES) -> None:
        self.name = upstream.name
        self.dataset = upstream.dataset
        self.symbology = Symbology()
        self._upstream = upstream
        self._key = key
        self._by_ts_recv = not is_databento(upstream.address.host)
        self._snapshots = upstream.snapshot
        self._keep_bytes = keep_bytes
        self._retained = self._retain(None, 0)
        self._unseen: Unseen | None = None
        self._resumed = False
        self._deaf = False
        self._subscriber: Subscriber | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready: deque[Chunk] = deque()
        self._held = 0
        self._paused = False
        self._position = 0
        self._known = self._opened = 0
        self._last_ts_recv = 0
        self._came_ns = 0
        self._error: SourceError | None = None
        self._over = False
        self._wake: Callable[[], None] = lambda: None
        self.gaps = 0
        """Times that records were lost."""

    @property
    def ended(self) -> bool:
        return self._over and not self._ready and self._error is None

    @property
    def advance_ns(self) -> int:
        """The present time by the clock of the records, less a second, while the gateway is heard."""
        subscriber = self._subscriber
        if subscriber is None or self._ready or not self._last_ts_recv:
            return 0
        if subscriber.lifecycle.state is not State.STREAMING or subscriber.lifecycle.stale:
            return 0
        return self._last_ts_recv + time.monotonic_ns() - self._came_ns - QUIET_NS

    def open(
        self,
        loop: asyncio.AbstractEventLoop,
        wake: Callable[[], None],
        state: bytes | None = None,
        position: int = 0,
    ) -> None:
        self._wake = wake
        self._position = self._known = self._opened = position
        base = None
        if state is not None and position > 0:
            found = decode_state(UpstreamState, state, self.name)
            if found.position > position:
                raise SourceError(f"{self.name}: a state of record {found.position:,}, after {position:,}")
            self._resumed = True
            self._known, base = found.position, found.place
        elif self._upstream.start is not None:
            base = Place({RTYPE_OF[schema]: self._upstream.start for schema in self._upstream.schemas}, [])
        if self._resumed and base is not None:
            self._unseen = Unseen(base, by_ts_recv=self._by_ts_recv)
        self._retained = self._retain(base, self._known)
        self._task = loop.create_task(self._run())

    def recovered(self, data: bytes, position: int) -> None:
        count = forms.count(data)
        if not self._resumed or not position <= self._known < position + count:
            return
        data = data[forms.prefix(data, self._known - position) :]
        if self._unseen is not None:
            self._unseen.received(data)
        else:
            self._retained.add(data, position + count - self._known, self._known)
        self._known = position + count

    def take(self) -> Chunk | None:
        if self._ready:
            chunk = self._ready.popleft()
            self._held -= len(chunk.data)
            if self._paused and self._held <= LOW_BYTES and self._subscriber is not None:
                self._paused = False
                self._subscriber.resume()
            return chunk
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return None

    def state(self, position: int) -> bytes:
        place = None
        if not self._snapshots:
            place = self._begin() if position == self._opened else self._retained.place(position)
        return msgspec.msgpack.encode(UpstreamState(position, place))

    def close(self) -> None:
        if self._subscriber is not None:
            self._subscriber.close()
        if self._task is not None:
            self._task.cancel()
        self._ready.clear()

    # -- The sessions

    async def _run(self) -> None:
        """Subscribe until the gateway's source ends; by snapshots from then on where records were lost."""
        try:
            place = self._resume() if self._resumed else self._retained.place(self._position)
            self._retained = self._retain(place, self._position)
            while True:
                try:
                    await self._subscribe(place).run()
                except SessionError as error:
                    if place is None or not self._resumed or self._snapshots:
                        raise
                    self._lost(f"the gateway does not replay it: {error}")
                if not self._deaf:
                    break
        except DepthcastError as error:
            self._error = SourceError(f"{self.name}: {error}")
        except OSError as error:
            self._error = SourceError(f"{self.name}: {error.strerror or error}")
        except Exception as error:  # a fault of ours must not leave a feed that stands still
            self._error = SourceError(f"{self.name}: {type(error).__name__}: {error}")
        self._over = True
        self._wake()

    def _retain(self, base: Place | None, position: int) -> Retained:
        return Retained(base, position, by_ts_recv=self._by_ts_recv, keep_bytes=self._keep_bytes)

    def _begin(self) -> Place | None:
        """Where in the gateway's stream the feed is when it is opened."""
        if self._known != self._position:
            return None
        return self._retained.place(self._position) if self._unseen is None else self._unseen.place

    def _resume(self) -> Place | None:
        """Get ready to drop what was received before."""
        place = None if self._snapshots else self._begin()
        if place is None:
            if not self._snapshots:
                self._lost("the journal does not say where in the gateway's stream it ends")
        else:
            self._unseen = Unseen(place, by_ts_recv=self._by_ts_recv)
        return place

    def _subscribe(self, place: Place | None) -> Subscriber:
        """A subscriber that begins at a place; by snapshots if these are wanted, else with what comes."""
        upstream = self._upstream
        self._deaf = False
        self._subscriber = subscriber = Subscriber(
            *upstream.address,
            key=self._key,
            dataset=upstream.dataset,
            on_records=self._came,
            on_event=self._tell,
            resume="snapshot" if self._snapshots else "start",
            ssl_context=ssl.create_default_context(cafile=upstream.ca) if upstream.tls else None,
            policy=Policy(heartbeat_s=5 if is_databento(upstream.address.host) else 1, until_end=True),
        )
        starts = {} if place is None or self._snapshots else place.starts
        earliest = min(starts.values(), default=None)
        for schema in upstream.schemas:
            subscriber.subscribe(
                schema,
                upstream.symbols,
                stype_in=upstream.stype_in,
                start=starts.get(RTYPE_OF[schema], earliest),
                snapshot=self._snapshots and schema == "mbo",
            )
        return subscriber

    def _lost(self, reason: str) -> None:
        """Records are missing: from now on books begin by snapshots."""
        self.gaps += 1
        self._unseen = None
        self._snapshots = self._deaf = True
        log.error("source_gap", source=self.name, reason=reason, position=self._position)

    # -- What the subscriber tells

    def _came(self, records: memoryview) -> None:
        subscriber = self._subscriber
        if subscriber is None or self._deaf:
            return
        now_ns = time.monotonic_ns()
        metadata = subscriber.metadata
        data = plain_records(records, DBN_VERSION if metadata is None else metadata.version, ts_out=False)
        if self._unseen is not None and self._unseen.pending:
            data = self._unseen.take(data)
        if not data:
            return
        count = forms.count(data)
        if not self._snapshots:
            self._retained.add(data, count, self._position)
        self._ready.append(Chunk(data, count, self._position, now_ns, is_mbo_only(data)))
        self._position += count
        self._held += len(data)
        last = forms.last_ts_recv(data)
        fresh = last != UNDEF_TIMESTAMP and abs(time.time_ns() - last) < LIVE_NS
        self._last_ts_recv, self._came_ns = (last, now_ns) if fresh else (0, 0)
        if self._held > HIGH_BYTES and not self._paused:
            self._paused = True
            subscriber.pause()
        self._wake()

    def _tell(self, event: Event) -> None:
        match event:
            case SymbolMapped(instrument_id, symbol):
                if self.symbology.symbol(instrument_id) != symbol:
                    self.symbology.add(instrument_id, symbol)
            case Gap(_, _, reason):
                if self._snapshots:
                    self.gaps += 1
                    log.warning("source_gap", source=self.name, reason=reason, position=self._position)
                elif self._subscriber is not None:
                    self._lost(reason)
                    self._subscriber.close()
            case Connected():
                log.info("source_connected", source=self.name, session_id=event.session_id)
            case Disconnected():
                log.warning(
                    "source_disconnected",
                    source=self.name,
                    reason=event.reason,
                    code=event.code,
                    retry_in_s=event.retry_in_s,
                )
            case Stale(silent_s):
                log.warning("source_stale", source=self.name, silent_s=silent_s)
            case GatewayError(code, message):
                log.warning("source_error", source=self.name, code=code, message=message)
