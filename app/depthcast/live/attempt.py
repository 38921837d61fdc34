"""One attempt of a subscriber: a connection from its beginning to its end, and why it ended."""

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from typing import Final

import databento_dbn

from depthcast.errors import AuthenticationError, DepthcastError, SessionError
from depthcast.live.address import Address
from depthcast.live.client import CallbackError, Client
from depthcast.live.control import Error, ErrorCode, SymbolMapping, System, SystemCode
from depthcast.live.events import (
    Connected,
    Ending,
    Event,
    Gap,
    GatewayError,
    SymbolMapped,
    SystemNotice,
)
from depthcast.live.handshake import Login, is_busy
from depthcast.live.lifecycle import Lifecycle, Loss
from depthcast.live.requests import SubscriptionRequest
from depthcast.live.resume import REFUSALS, Resumption

__all__ = ["Attempt", "reason_of"]

_CHECK_S: Final = 0.05
_KEY_ERRORS: Final = frozenset({ErrorCode.AUTH_FAILED, ErrorCode.API_KEY_DEACTIVATED})
_HARMLESS: Final = frozenset(
    {ErrorCode.SYMBOL_RESOLUTION_FAILED, ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING}
)


class Attempt:
    """A connection, its owner; used once.

    Args:
        subscriptions: what is asked for, as it is when the gateway has accepted.
        on_started: is given the session's metadata.
    """

    def __init__(
        self,
        address: Address,
        login: Login,
        *,
        subscriptions: Sequence[SubscriptionRequest],
        resumption: Resumption,
        lifecycle: Lifecycle,
        buffer: bytearray,
        clock: Callable[[], float],
        use_records: Callable[[memoryview], object],
        tell: Callable[[Event], object],
        started: Callable[[databento_dbn.Metadata], object],
    ) -> None:
        self.client = Client(login, self, buffer)
        self._address = address
        self._subscriptions = subscriptions
        self._resumption = resumption
        self._lifecycle = lifecycle
        self._clock = clock
        self._use_records = use_records
        self._tell = tell
        self._started = started
        self._connecting: asyncio.Task[object] | None = None
        self._over: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._closing = False
        self._session_id = self._version = ""
        self._last_error: tuple[Error, int] | None = None  # with the records that had come before
        self._last_words: tuple[str, int] | None = None

    async def run(self, ssl_context: ssl.SSLContext | None, connect_timeout_s: float) -> Loss:
        """Connect, and stay until the end."""
        self._lifecycle.connecting(self._clock())
        loss = await self._connect(ssl_context, connect_timeout_s)
        if loss is not None:
            return loss
        self._lifecycle.connected(self._clock())
        watch = asyncio.create_task(self._watch())
        try:
            return self._why(await self._over)
        except asyncio.CancelledError:
            self.client.abort()
            raise
        finally:
            watch.cancel()

    def close(self) -> None:
        """End it soon."""
        self._closing = True
        if self._connecting is not None:
            self._connecting.cancel()
        self.client.abort()

    # ---------------------------------------------------------------- what the client tells

    def on_authenticated(self, session_id: str, version: str) -> bytes:
        """See `ClientOwner`."""
        self._lifecycle.authenticated(self._clock())
        self._session_id, self._version = session_id, version
        lines = self._resumption.requests(self._subscriptions, first=self._lifecycle.sessions == 0)
        return b"".join(line.to_line() for line in lines)

    def on_started(self, metadata: databento_dbn.Metadata) -> None:
        """See `ClientOwner`."""
        self._lifecycle.started(self._clock())
        self._started(metadata)
        self._tell(Connected(self._lifecycle.attempts, self._session_id, self._version, str(self._address)))

    def on_records(self, records: memoryview) -> None:
        """See `ClientOwner`."""
        resumption = self._resumption
        if resumption.in_gap:
            self._tell(resumption.gap_to(records))
        if resumption.catching_up:
            new = resumption.unseen(records)
            if new:
                self._use_records(memoryview(new))
            for event in resumption.caught_up():
                self._tell(event)
        else:
            self._use_records(records)
            if resumption.mode == "start":
                resumption.see(records)

    def on_control(self, record: System | Error | SymbolMapping) -> None:
        """See `ClientOwner`."""
        match record:
            case System(SystemCode.HEARTBEAT):
                return
            case System(code, msg):
                if code == SystemCode.UNSET:
                    self._last_words = msg, self.client.records
                self._tell(SystemNotice(code, msg))
                if code == SystemCode.REPLAY_COMPLETED:
                    for event in self._resumption.completed():
                        self._tell(event)
            case Error(code, msg):
                if code not in _HARMLESS:
                    self._last_error = record, self.client.records
                self._tell(GatewayError(code, msg))
                if code == ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING:
                    self._tell(Gap(self.client.last_time or None, None, f"skipped by the gateway: {msg}"))
            case SymbolMapping():
                self._tell(SymbolMapped(record.instrument_id, record.stype_out_symbol))

    def on_closed(self, error: Exception | None) -> None:
        """See `ClientOwner`."""
        if not self._over.done():
            self._over.set_result(error)

    # ------------------------------------------------------------------------------ inside

    async def _connect(self, ssl_context: ssl.SSLContext | None, timeout_s: float) -> Loss | None:
        loop = asyncio.get_running_loop()
        host, port = self._address
        self._connecting = loop.create_task(
            loop.create_connection(lambda: self.client, host, port, ssl=ssl_context)
        )
        try:
            async with asyncio.timeout(timeout_s):
                await self._connecting
        except TimeoutError as error:
            reason = error.strerror or f"no connection within {timeout_s:g} s"
            return Loss(Ending.CONNECT, reason, TimeoutError(f"{self._address}: {reason}"))
        except OSError as error:  # TLS errors too
            return Loss(Ending.CONNECT, reason_of(error), error)
        except asyncio.CancelledError:
            self._connecting.cancel()
            if not self._closing:
                raise
            return Loss(Ending.CLOSED, "closed")
        finally:
            self._connecting = None
        return None

    async def _watch(self) -> None:
        """Look at the clock while the connection stands."""
        client = self.client
        try:
            while True:
                await asyncio.sleep(_CHECK_S)
                found = self._lifecycle.check(self._clock(), client.received, paused=client.paused)
                if isinstance(found, Loss):
                    client.abort(found.error)
                elif found is not None:
                    self._tell(found)
        except Exception as error:
            failure = CallbackError()
            failure.__cause__ = error
            client.abort(failure)

    def _why(self, error: Exception | None) -> Loss:
        """What ended the connection."""
        if isinstance(error, CallbackError):
            cause = error.__cause__
            return Loss(Ending.CALLBACK, str(cause), cause if isinstance(cause, Exception) else error)
        if self._closing:
            return Loss(Ending.CLOSED, "closed")
        records = self.client.records
        if self._last_error is not None and self._last_error[1] == records:
            return self._error_loss(self._last_error[0])
        ended = error is None or isinstance(error, ConnectionError)
        if self._last_words is not None and self._last_words[1] == records and ended:
            return Loss(Ending.END, self._last_words[0])
        match error:
            case None:
                return Loss(Ending.FIN, "the gateway closed the connection")
            case AuthenticationError():
                return Loss(Ending.AUTHENTICATION, str(error), error, final=not is_busy(error))
            case TimeoutError():
                return Loss(Ending.TIMEOUT, str(error), error)
            case OSError():
                return Loss(Ending.RESET, reason_of(error), error)
            case DepthcastError():
                return Loss(Ending.PROTOCOL, str(error), error)
        return Loss(Ending.CALLBACK, str(error), error)

    def _error_loss(self, record: Error) -> Loss:
        """The end of a session by an error record."""
        reason, code = f"the gateway ended the session: {record.msg} (error {record.code})", record.code
        if code in _KEY_ERRORS:
            refusal = AuthenticationError(reason, code=code)
            return Loss(Ending.AUTHENTICATION, reason, refusal, code, final=True)
        # The same subscription would be refused again; a replay that was our own idea can be left out.
        final = code in REFUSALS and not self._resumption.asked
        return Loss(Ending.ERROR, reason, SessionError(reason, code=code), code, final=final)


def reason_of(error: OSError) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}".replace("_", " ").lower().replace("tls", "TLS", 1)
    number = error.errno or 0
    # asyncio's own words are of calls, not of causes
    text = os.strerror(number) if number > 0 else error.strerror or str(error) or type(error).__name__
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]  # DNS stays what it is
