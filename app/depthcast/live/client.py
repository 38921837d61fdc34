"""One connection to a gateway: the handshake, then whole records out of a reused buffer.

Bytes are received into one buffer and handed on from there; nothing is done per record. Policy (time-outs,
reconnecting, resuming) is `depthcast.live.subscriber`'s.
"""

import asyncio
from typing import Final, Protocol, cast

import databento_dbn
import zstandard

from depthcast.dbn.layout import HEADER_SIZE, LENGTH_WORD
from depthcast.dbn.metadata import DBN_VERSION
from depthcast.dbn.received import data_prefix
from depthcast.errors import ProtocolError
from depthcast.live.control import CONTROL_RTYPES, Error, SymbolMapping, System, read_control
from depthcast.live.handshake import Handshake, Login
from depthcast.live.lines import MAX_LINE_BYTES
from depthcast.live.requests import Start

__all__ = ["BUFFER_BYTES", "CallbackError", "Client", "ClientOwner"]

BUFFER_BYTES: Final = 1024 * 1024
"""The receive buffer: what one read can take."""

_PREFIX_BYTES: Final = 8
_PIECE_BYTES: Final = 8 * 1024
"""Compressed bytes unpacked at a time: a hostile stream can make some thousand times as many of them."""


class CallbackError(Exception):
    """What a callback raised, as its cause: no fault of the connection."""


class ClientOwner(Protocol):
    """Who is told what a connection brings. All are called on its event loop."""

    def on_authenticated(self, session_id: str, version: str) -> bytes:
        """The gateway accepted; the subscription lines to send. The start follows them."""

    def on_started(self, metadata: databento_dbn.Metadata) -> None:
        """The stream began."""

    def on_records(self, records: memoryview) -> None:
        """Whole data records, one or many. The view is valid only during the call."""

    def on_control(self, record: System | Error | SymbolMapping) -> None:
        """A control record; it came after the records handed on before."""

    def on_closed(self, error: Exception | None) -> None:
        """The connection is over, for this reason; None for an orderly end (FIN)."""


class Client(asyncio.BufferedProtocol):
    """One connection, for ``loop.create_connection``; used once.

    A broken protocol, a refusal and an error in a callback (as `CallbackError`) end it with that error.

    Attributes:
        received: bytes received so far.
        records: data records handed on so far.
        last_time: the time of the last of them (`depthcast.dbn.received.data_prefix`), ns; 0 before.
        paused: whether reading is paused.
    """

    def __init__(self, login: Login, owner: ClientOwner, buffer: bytearray | None = None) -> None:
        self.received = 0
        self.records = 0
        self.last_time = 0
        self.paused = False
        self._login = login
        self._owner = owner
        self._on_records = owner.on_records
        self._handshake = Handshake(login)
        self._transport: asyncio.Transport | None = None
        self._view = memoryview(bytearray(BUFFER_BYTES) if buffer is None else buffer)
        self._begin = self._end = 0
        self._take = self._take_lines
        self._busy = False
        self._started = False
        self._unpacker: zstandard.ZstdDecompressionObj | None = None
        self._unpacked = b""
        self._error: Exception | None = None
        self._closed = False

    # ------------------------------------------------------------------ for whoever has it

    def send(self, data: bytes) -> None:
        """Send lines: further subscriptions, once the stream began."""
        if self._transport is not None and not self._closed:
            self._transport.write(data)

    def pause(self) -> None:
        """Hand on nothing more until `resume`; the gateway feels it as back-pressure."""
        if not self.paused and self._transport is not None:
            self.paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Go on after `pause`, first with what was received before."""
        if self.paused and self._transport is not None and not self._closed:
            self.paused = False
            self._transport.resume_reading()
            self._work()

    def abort(self, error: Exception | None = None) -> None:
        """End the connection at once; `ClientOwner.on_closed` is told ``error``."""
        if not self._closed:
            self._closed = True
            self._error = error
            if self._transport is not None:
                self._transport.abort()

    # --------------------------------------------------------------- for the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._closed:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio names it
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        self.received += nbytes
        self._work()

    def eof_received(self) -> None:
        """The gateway sent FIN: the transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        cut = self._error is None and exc is None and not self._closed and self._begin != self._end
        self._closed = True
        if cut:
            self._error = ProtocolError("the gateway closed the connection inside a record or line")
        self._owner.on_closed(self._error or exc)

    # ------------------------------------------------------------------------------ inside

    def _work(self) -> None:
        """Take what is in the buffer, in the way of the phase the connection is in."""
        if self._busy:  # a callback that pauses and resumes: the call below goes on
            return
        self._busy = True
        try:
            self._take()
        except Exception as error:
            self.abort(error)
        finally:
            self._busy = False

    def _take_lines(self) -> None:
        while not self._closed and self._handshake.session_id is None:
            held = bytes(self._view[self._begin : self._end])
            length = held.find(b"\n") + 1
            if length == 0:
                if len(held) >= MAX_LINE_BYTES:
                    raise ProtocolError(f"no line end in {len(held):,} bytes: the peer is no Live gateway")
                self._compact()
                return
            self._begin += length
            answer = self._handshake.take(held[:length])
            if answer:
                self.send(answer)
        if self._closed:
            return
        lines = self._owner.on_authenticated(str(self._handshake.session_id), str(self._handshake.version))
        self.send(lines + Start().to_line())
        if self._login.compression == "zstd":
            self._unpacker = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True)
            self._take = self._take_packed
        else:
            self._take = self._take_plain
        self._take()

    def _take_plain(self) -> None:
        begin = self._begin + self._consume(self._view[self._begin : self._end])
        if begin == self._end:
            self._begin = self._end = 0
        else:
            self._begin = begin
            self._compact()

    def _take_packed(self) -> None:
        if self._unpacker is None:
            raise AssertionError("it is made before this becomes the way")
        while not self.paused and not self._closed:
            used = self._consume(memoryview(self._unpacked))
            if used:
                self._unpacked = self._unpacked[used:]
            if self._begin == self._end:
                break
            piece = bytes(self._view[self._begin : min(self._end, self._begin + _PIECE_BYTES)])
            self._begin += len(piece)
            try:
                more = self._unpacker.decompress(piece)
            except zstandard.ZstdError as error:
                raise ProtocolError(f"the gateway's zstd stream is broken: {error}") from None
            self._unpacked = self._unpacked + more if self._unpacked else more
        self._compact()

    def _consume(self, view: memoryview) -> int:
        """Hand on what is whole at the front of ``view``; the bytes that took."""
        at = 0 if self._started else self._take_metadata(view)
        end = len(view)
        while at < end and self._started and not self.paused and not self._closed:
            size, records, time = data_prefix(view[at:])
            if size:
                self.records += records
                self.last_time = time
                self._hand_on(view[at : at + size])
            else:
                size = self._take_control(view[at:])
                if not size:
                    break
            at += size
        return at

    def _hand_on(self, chunk: memoryview) -> None:
        try:
            self._on_records(chunk)
            chunk.release()  # a view kept against the rule fails where it is used, instead of changing
        except BufferError:
            raise CallbackError from BufferError(
                "a callback kept a view of the records it was given: copy what is to stay"
            )
        except Exception as error:
            raise CallbackError from error

    def _take_control(self, view: memoryview) -> int:
        """Take the control record at the front, if it is one and whole; its size."""
        if len(view) < HEADER_SIZE or view[1] not in CONTROL_RTYPES:
            return 0
        size = view[0] * LENGTH_WORD
        if len(view) < size:
            return 0
        record = read_control(view[:size])
        if record is not None:
            self._tell(record)
        return size

    def _tell(self, record: System | Error | SymbolMapping) -> None:
        try:
            self._owner.on_control(record)
        except Exception as error:
            raise CallbackError from error

    def _take_metadata(self, view: memoryview) -> int:
        """Take the metadata at the front, once it is whole; its size."""
        if len(view) < _PREFIX_BYTES:
            return 0
        if bytes(view[:3]) != b"DBN":
            raise ProtocolError(f"expected DBN after the start, got {bytes(view[:8])!r}")
        if view[3] != DBN_VERSION:
            raise ProtocolError(f"the gateway sends DBN version {view[3]}; known is {DBN_VERSION}")
        size = _PREFIX_BYTES + int.from_bytes(view[4:8], "little")
        if size > len(self._view) // 2:
            raise ProtocolError(f"metadata of {size:,} bytes; at most {len(self._view) // 2:,} are taken")
        if len(view) < size:
            return 0
        try:
            metadata = databento_dbn.Metadata.decode(bytes(view[:size]))
        except databento_dbn.DBNError as error:
            raise ProtocolError(f"the gateway's metadata cannot be read: {error}") from None
        if bool(metadata.ts_out) != self._login.ts_out:
            raise ProtocolError("the gateway's metadata and what was asked for differ in ts_out")
        if metadata.dataset != self._login.dataset:
            raise ProtocolError(f"the gateway sends {metadata.dataset}, not {self._login.dataset}")
        self._started = True
        try:
            self._owner.on_started(metadata)
        except Exception as error:
            raise CallbackError from error
        return size

    def _compact(self) -> None:
        """Move what is left to the front of the buffer, so that there is room to receive."""
        left = self._end - self._begin
        if self._begin and (left < self._begin or self._end == len(self._view)):
            self._view[:left] = self._view[self._begin : self._end]
            self._begin, self._end = 0, left
