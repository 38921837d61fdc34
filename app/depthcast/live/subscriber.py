"""A subscription that outlives its connections: it reconnects, resumes, and tells what happened.

::

    async def main() -> None:
        engine = depthcast.Engine()
        subscriber = Subscriber("127.0.0.1", 13000, key=key, dataset="GLBX.MDP3", on_records=engine.apply)
        subscriber.subscribe("mbo", ["CLX5"], snapshot=True)
        await subscriber.run()
"""

import asyncio
import random as random_module
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal

import databento_dbn

from depthcast.dbn.layout import RType
from depthcast.errors import SessionError
from depthcast.live.address import DEFAULT_PORT, Address, is_databento
from depthcast.live.attempt import Attempt
from depthcast.live.client import BUFFER_BYTES
from depthcast.live.control import ErrorCode
from depthcast.live.events import Disconnected, Ending, Event, SymbolMapped
from depthcast.live.handshake import Login
from depthcast.live.lifecycle import Lifecycle, Loss, Policy, State
from depthcast.live.requests import ALL_SYMBOLS, SubscriptionRequest, subscription_requests
from depthcast.live.resume import RTYPE_OF, Mode, Resumption

__all__ = ["Subscriber"]

_DATABENTO_HEARTBEAT_S: Final = 5


class Subscriber:
    """A session with a gateway that is made again whenever it is lost.

    Args:
        host, port: the gateway's (`depthcast.live.address.databento_address` knows Databento's).
        key: the API key.
        dataset: ``GLBX.MDP3``.
        on_records: is given whole data records (never control records), in order, as a memoryview that is
            valid only during the call. With ``ts_out`` each record is 8 bytes longer.
        on_event: is told what happens beside them (`depthcast.live.events`), in order with the records.
        resume: after a lost connection, ``start`` replays what was missed, loss-free and without
            repetition; ``snapshot`` begins books anew; ``none`` goes on live. None is ``snapshot`` if a
            subscription asks for snapshots, else ``start``.
        ts_out, compression: of the session.
        ssl_context: for TLS; None for plain TCP, as Databento's own gateways have it.
        policy: how patient it is. By default it asks Databento's gateways for a heartbeat every 5 s, others
            every second.
        clock, random: of the policy; a simulation gives its own.

    Attributes:
        symbols: the symbol of each instrument id that the gateway mapped.
        metadata: of the latest session; None before the first.
        lifecycle: where it is; counts attempts and sessions.
    """

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        *,
        key: str,
        dataset: str,
        on_records: Callable[[memoryview], object],
        on_event: Callable[[Event], object] | None = None,
        resume: Mode | None = None,
        ts_out: bool = False,
        compression: Literal["none", "zstd"] = "none",
        ssl_context: ssl.SSLContext | None = None,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self.address = Address(host, port)
        if policy is None:
            policy = Policy(heartbeat_s=_DATABENTO_HEARTBEAT_S if is_databento(host) else 1)
        self.policy = policy
        self.symbols: dict[int, str] = {}
        self.metadata: databento_dbn.Metadata | None = None
        self.lifecycle = Lifecycle(policy, random, clock())
        self._login = Login(key, dataset, ts_out, compression, policy.heartbeat_s)
        self._login.answer("")  # what the protocol cannot carry is refused here
        self._use_records = on_records
        self._use_event = on_event
        self._resume = resume
        self._ssl = ssl_context
        self._clock = clock
        self._subscriptions: list[SubscriptionRequest] = []
        self._logical = 0
        self._buffer = bytearray(BUFFER_BYTES)
        self._attempted: Attempt | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self._paused = False
        self._records = 0
        self._received = 0
        self._last_time = 0

    # -------------------------------------------------------------------------- for the user

    def subscribe(
        self,
        schema: str,
        symbols: Sequence[str] = (ALL_SYMBOLS,),
        *,
        stype_in: str = "raw_symbol",
        start: int | None = None,
        snapshot: bool = False,
    ) -> int:
        """Add a subscription, before `run` or while it runs; its number, which the acknowledgement repeats.

        Args:
            schema: ``mbo``, ``trades``, ...
            symbols: in the symbology ``stype_in``; ``ALL_SYMBOLS`` alone is everything.
            start: replay from this time on (ns since the epoch, inclusive; 0 for all there is). Only before
                the stream began.
            snapshot: begin with the books, or with the latest ``definition`` or ``status`` of each instrument
                (these two only with our gateways).

        Raises:
            SessionError: something the protocol does not have.
        """
        lines = list(
            subscription_requests(
                schema, symbols, stype_in=stype_in, start=start, snapshot=snapshot, id=self._logical
            )
        )
        self._check(lines[0])
        self._logical += 1
        self._subscriptions += lines
        if self._attempted is not None and self.lifecycle.state in (State.STARTING, State.STREAMING):
            self._attempted.client.send(b"".join(line.to_line() for line in lines))
        return self._logical - 1

    async def run(self) -> str | None:
        """Connect, hand on records, reconnect; until `close`, or an explained end with ``until_end``.

        Returns:
            With ``until_end``, what the gateway said about the end; else None.

        Raises:
            AuthenticationError: the key is refused (too many sessions are waited for instead).
            SessionError: the gateway refuses a subscription or the replay it asks for: it would again.
            ProtocolError, ConnectionError, OSError: with a policy that gives up, why the last attempt failed.
            Exception: whatever a callback raised.
        """
        resumption = Resumption(
            self._mode(),
            snapshots_by_ts_recv=not is_databento(self.address.host),
            ts_out=self._login.ts_out,
        )
        while not self._closing:
            await self._wait()
            loss = await self._attempt(resumption)
            verdict = self.lifecycle.lost(self._clock(), loss)
            if loss.ending is not Ending.CALLBACK:
                self._tell(Disconnected(loss.ending, loss.reason, loss.code, verdict.retry_in_s))
            if verdict.raises:
                raise loss.error or ConnectionError(f"{self.address}: {loss.reason}")
            if verdict.retry_in_s is None:
                return loss.reason if loss.ending is Ending.END else None
        return None

    def close(self) -> None:
        """End `run` soon; from its own loop, also from a callback."""
        self._closing = True
        self._wake.set()
        if self._attempted is not None:
            self._attempted.close()

    def pause(self) -> None:
        """Hand on nothing until `resume`: the gateway feels back-pressure, and may end a session for it."""
        self._paused = True
        if self._attempted is not None:
            self._attempted.client.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._paused = False
        if self._attempted is not None:
            self._attempted.client.resume()

    @property
    def records(self) -> int:
        """Data records received so far, in all sessions; those of a replay that were seen before too."""
        return self._records + (0 if self._attempted is None else self._attempted.client.records)

    @property
    def last_time(self) -> int:
        """The last data record's time (ts_event; ts_recv of bbo and snapshots), ns; 0 before the first."""
        return (0 if self._attempted is None else self._attempted.client.last_time) or self._last_time

    @property
    def received(self) -> int:
        """Bytes received so far, in all sessions."""
        return self._received + (0 if self._attempted is None else self._attempted.client.received)

    # ------------------------------------------------------------------------------ inside

    def _mode(self) -> Mode:
        if self._resume is not None:
            return self._resume
        return "snapshot" if any(each.snapshot for each in self._subscriptions) else "start"

    def _check(self, line: SubscriptionRequest) -> None:
        """Refuse what would not work, before it is sent."""
        if line.start is not None and self.lifecycle.state in (State.STARTING, State.STREAMING):
            raise SessionError(
                "start: only before the stream began; a replay needs a subscriber of its own",
                code=ErrorCode.INVALID_SUBSCRIPTION,
            )
        if self._resume == "start" and line.snapshot:
            raise SessionError(
                "snapshot: a session that resumes with start= cannot begin with one; use resume='snapshot'",
                code=ErrorCode.INVALID_SUBSCRIPTION,
            )
        twins = {"mbp-1", "tbbo"} - {line.schema}
        same = RTYPE_OF[line.schema] == RType.MBP_1 and any(
            each.schema in twins for each in self._subscriptions
        )
        if same and self._mode() == "start":
            raise SessionError(
                "mbp-1 and tbbo records look alike: a session of both cannot resume with start=",
                code=ErrorCode.INVALID_SUBSCRIPTION,
            )

    async def _wait(self) -> None:
        """Until the next attempt is due, or `close`."""
        wait_s = self.lifecycle.due - self._clock()
        if wait_s > 0 and not self._closing:
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _attempt(self, resumption: Resumption) -> Loss:
        """One connection, from its beginning to its end."""
        if self._closing:
            return Loss(Ending.CLOSED, "closed")
        attempt = Attempt(
            self.address,
            self._login,
            subscriptions=self._subscriptions,
            resumption=resumption,
            lifecycle=self.lifecycle,
            buffer=self._buffer,
            clock=self._clock,
            use_records=self._use_records,
            tell=self._tell,
            started=self._started,
        )
        self._attempted = attempt
        loss = await attempt.run(self._ssl, self.policy.connect_timeout_s)
        client = attempt.client
        self._attempted = None
        self._records += client.records
        self._received += client.received
        self._last_time = client.last_time or self._last_time
        streamed = self.lifecycle.state is State.STREAMING
        resumption.lost(streamed=streamed, last_time=self._last_time, code=loss.code, reason=loss.reason)
        return loss

    def _started(self, metadata: databento_dbn.Metadata) -> None:
        self.metadata = metadata
        if self._paused:
            self.pause()

    def _tell(self, event: Event) -> None:
        if isinstance(event, SymbolMapped):
            self.symbols[event.instrument_id] = event.symbol
        if self._use_event is not None:
            self._use_event(event)
