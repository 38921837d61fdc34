"""uvicorn's WebSocket protocol, with a way round for frames that are ready: straight to the transport.

The hub makes a message's frame once and gives the same bytes to every client. Frames of a server are not
masked, and whole data frames leave no trace in the state of the connection, so they may pass it by as long as
it is open: whatever begins to close it tells the hub first. All else (handshake, pings) is uvicorn's.
"""

import socket
from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from depthcast.api.hub.ports import SinkListener

__all__ = ["EXTENSION", "TCP_NOTSENT_LOWAT", "UNSENT_BYTES", "FrameProtocol"]

EXTENSION: Final = "depthcast.frames"
"""The name in the scope's ``extensions`` under which a connection offers itself as a `Sink`."""

CLOSING_S: Final = 10.0
"""After so long a connection that was closed in order, but does not end, is cut off."""
MAX_FRAGMENTS: Final = 256
"""Frames that a message may be in."""
MAX_PONGS_BYTES: Final = 65_536
"""Pings are not answered while so much waits to be sent: who takes nothing needs no answer."""
UNSENT_BYTES: Final = 32_768
"""What the kernel may hold that was never sent: what waits longer waits where it can be counted."""
TCP_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", 25)


class FrameProtocol(WebSocketsSansIOProtocol):
    """A connection that takes ready frames too."""

    _listener: SinkListener | None = None
    _attached: SinkListener | None = None
    _left = False
    _abort_timer: TimerHandle | None = None

    # -- for the hub

    def attach(self, listener: SinkListener, buffer_bytes: int) -> Callable[[bytes], Any]:
        """Have the listener told; what takes a ready frame, until `on_gone`."""
        transport = self.transport
        if self._left or transport.is_closing():
            self.loop.call_soon(listener.on_gone)
            self.loop.call_soon(listener.on_lost)
            return _nowhere
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        transport.set_write_buffer_limits(high=buffer_bytes, low=buffer_bytes // 4)
        self._listener = self._attached = listener
        return cast("Callable[[bytes], Any]", transport.write)

    def end(self, code: int, reason: str) -> None:
        """Close with this code; cut off if the other side does not answer."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self._leave()
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CLOSING_S, self.transport.abort)

    def _leave(self) -> None:
        """From here on nothing may pass by: say so, and see that the connection ends."""
        if self._left:
            return
        self._left = True
        self._abort_timer = self.loop.call_later(CLOSING_S, self.transport.abort)
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.on_gone()

    # -- what the transport tells

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._listener is not None:
            self._listener.on_pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._listener is not None:
            self._listener.on_drain()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        if self._abort_timer is not None:
            self._abort_timer.cancel()
            self._abort_timer = None
        attached, self._attached = self._attached, None
        if attached is not None:
            attached.on_lost()
        super().connection_lost(exc)

    # -- what closes the connection

    def handle_close(self, event: Frame) -> None:
        self._leave()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        self._leave()
        super().handle_parser_exception()

    def keepalive_timeout(self) -> None:
        self._leave()
        super().keepalive_timeout()

    def shutdown(self) -> None:
        self._leave()
        super().shutdown()

    # -- what the application sends

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # answered in full: uvicorn would log an error for each

    # -- what comes in

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][EXTENSION] = self

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self._refuse(1009, "too many fragments")
            return
        super().handle_cont(event)

    def _refuse(self, code: int, reason: str) -> None:
        if not self.close_sent:
            self.frames = []
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:  # no fault of ours: a close code says it, and no log
                self._refuse(1007, "not UTF-8")
                return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > MAX_PONGS_BYTES:
            self.conn.data_to_send()
            return
        super().handle_ping()


def _nowhere(frame: bytes) -> None:
    """Takes what comes too late."""
