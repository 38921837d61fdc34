"""Where a replica's records come from: one subscriber after another, for ever, and not read too often."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple, Protocol

import structlog

from depthcast.errors import AuthenticationError, ProtocolError, SessionError
from depthcast.live.address import Address, is_databento
from depthcast.live.events import Event
from depthcast.live.lifecycle import Policy
from depthcast.live.limits import Clock
from depthcast.live.resume import REFUSALS
from depthcast.live.subscriber import Subscriber

__all__ = ["RecordsMissingError", "Source", "SourceOwner", "Wanted"]

FIRST_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 15.0
"""After a refusal: the key may be made, or mended, later."""
LARGE_BYTES: Final = 256 << 10
"""When a read brings so much, the next one is not put off."""

_log = structlog.get_logger()


class RecordsMissingError(Exception):
    """The session goes on without some records: books need another one."""


class Wanted(NamedTuple):
    """What to ask of which gateway."""

    address: Address
    key: str
    dataset: str
    symbols: tuple[str, ...]
    tls: ssl.SSLContext | None
    policy: Policy


class SourceOwner(Protocol):
    """Who is given what comes. An exception of one of these ends the session, and there is another."""

    def on_records(self, records: memoryview) -> None:
        """Whole data records with ts_out; the view is valid only during the call."""

    def on_event(self, event: Event) -> None:
        """Something else."""

    def on_refused(self, reason: str) -> None:
        """The session has ended, or there was none, and another one follows after a while."""


class _Past(Enum):
    """How definitions and statuses are asked for. What is refused is asked for in a way further down."""

    SNAPSHOTS = "snapshot"
    """With the latest of each instrument."""
    REPLAYS = "start"
    """With those of the day: for Databento's gateways."""
    NONE = "none"
    """They are known once they change."""
    ALONE = "alone"
    """Not at all: books are followed without."""


class Source:
    """The records of a gateway, whatever happens to it.

    Args:
        wanted: of whom, what.
        owner: is given what comes.
        gather_s: while records come in quick succession, they are read so far apart; 0 for at once.
        clock, random: for the subscribers.
    """

    def __init__(
        self,
        wanted: Wanted,
        owner: SourceOwner,
        *,
        gather_s: float,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._wanted = wanted
        self._owner = owner
        self._gather_s = gather_s
        self._clock = clock
        self._random = random
        self._past = _Past.REPLAYS if is_databento(wanted.address.host) else _Past.SNAPSHOTS
        self._subscriber = self._subscribed()
        self._records = self._received = self._sessions = 0
        self._read_at = 0.0
        self._closing = False
        self._wake = asyncio.Event()

    @property
    def records(self) -> int:
        """Data records received so far, in all sessions."""
        return self._records + self._subscriber.records

    @property
    def received(self) -> int:
        """Bytes received so far, in all sessions."""
        return self._received + self._subscriber.received

    @property
    def sessions(self) -> int:
        """Sessions that came to stream."""
        return self._sessions + self._subscriber.lifecycle.sessions

    async def run(self) -> None:
        """Connect, again and again, until `close`."""
        retry_s = FIRST_RETRY_S
        while not self._closing:
            sessions = self.sessions
            try:
                await self._subscriber.run()
            except Exception as error:
                self._owner.on_refused(self._reason(error))
            if self.sessions != sessions:
                retry_s = FIRST_RETRY_S
            await self._pause(retry_s * (0.5 + self._random() / 2))
            retry_s = min(2 * retry_s, MAX_RETRY_S)
            self._renew()

    def close(self) -> None:
        """End `run` soon."""
        self._closing = True
        self._wake.set()
        self._subscriber.close()

    def _subscribed(self) -> Subscriber:
        address, key, dataset, symbols, tls, policy = self._wanted
        made = Subscriber(
            *address,
            key=key,
            dataset=dataset,
            on_records=self._on_records,
            on_event=self._owner.on_event,
            resume="snapshot",
            ts_out=True,
            ssl_context=tls,
            policy=policy,
            clock=self._clock.monotonic,
            random=self._random,
        )
        start = 0 if self._past is _Past.REPLAYS else None
        for schema in () if self._past is _Past.ALONE else ("definition", "status"):
            made.subscribe(schema, symbols, snapshot=self._past is _Past.SNAPSHOTS, start=start)
        made.subscribe("mbo", symbols, snapshot=True)
        return made

    def _renew(self) -> None:
        """Another subscriber in place of one that has given up."""
        if not self._closing:
            self._records, self._received, self._sessions = self.records, self.received, self.sessions
            self._subscriber = self._subscribed()

    def _reason(self, error: Exception) -> str:
        """Why a subscriber has given up."""
        text = str(error) or type(error).__name__
        if isinstance(error, AuthenticationError):
            return f"{'dataset' if 'dataset' in text.lower() else 'key'} refused: {text}"
        if isinstance(error, SessionError) and error.code in REFUSALS:
            self._past = _Past.ALONE if self._past in (_Past.NONE, _Past.ALONE) else _Past.NONE
        elif not isinstance(error, SessionError | ProtocolError | OSError | RecordsMissingError):
            _log.error("replica.failed", feed=str(self._wanted.address), exc_info=error)
            return f"internal error: {type(error).__name__}: {text}"
        return text

    async def _pause(self, seconds: float) -> None:
        if not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()

    def _on_records(self, records: memoryview) -> None:
        size = len(records)
        self._owner.on_records(records)
        if self._gather_s:
            self._gather(size)

    def _gather(self, size: int) -> None:
        """Read nothing for a moment, where reads are frequent and small: one costs what many records do."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - self._read_at < 2 * self._gather_s and size < LARGE_BYTES:
            self._subscriber.pause()
            loop.call_later(self._gather_s, self._subscriber.resume)
        self._read_at = now
