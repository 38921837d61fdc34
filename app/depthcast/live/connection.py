"""One client's socket on the event loop: lines in, buffers out, without a copy or a queue of its own.

It uses the loop's readiness (``add_reader``, ``add_writer``) and not its transports: what is sent goes from
the feed's own batches to the kernel, and a session asks for more only when all of that was taken.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Sequence
from typing import Final, Protocol

__all__ = ["RESET_ON_CLOSE", "Buffer", "Connection", "Owner", "reason_of"]

MAX_LINE_BYTES: Final = 64 * 1024
CLOSE_TIMEOUT_S: Final = 5.0
"""How long a peer has to take the last bytes, and to close its side, before it is reset."""

RECEIVE_BYTES: Final = 64 * 1024
_MAX_BUFFERS: Final = 512
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""As SO_LINGER: closing the socket, or dying, resets the connection."""
_SEND_ON_CLOSE: Final = struct.pack("ii", 0, 0)
_KEEPALIVE_S: Final = 20

Buffer = bytes | memoryview


class Owner(Protocol):
    """Who a connection reports to. An exception of one of these ends this connection and no other."""

    def on_open(self) -> None:
        """Bytes can be sent: at once, or after TLS's handshake."""

    def on_line(self, line: bytes) -> None:
        """A line came, without its LF."""

    def on_bad_input(self, reason: str) -> None:
        """The peer sent what is no line."""

    def on_writable(self) -> None:
        """All that was to be sent has been taken, more may be sent."""

    def on_lost(self, reason: str) -> None:
        """The connection is over. Called once, whoever ended it."""

    def on_failure(self, error: Exception) -> None:
        """One of the others raised."""


class Connection:
    """A non-blocking TCP socket.

    Until `finish` has sent everything the socket carries SO_LINGER(1, 0): should the process die, its peers
    see a reset, which official clients take for what it is, and not the orderly end of the stream.

    Attributes:
        ready: whether `send` may be called: all that was given has been taken.
        sent_bytes: what the kernel has taken so far.
        open: whether it can still be used.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, owner: Owner) -> None:
        self.ready = True
        self.sent_bytes = 0
        self.open = True
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._owner = owner
        self._rest: list[Buffer] = []
        self._writing = False
        self._reading = False
        self._input = bytearray()
        self._finishing = False
        self._fin_sent = False
        self._timeout: asyncio.TimerHandle | None = None

    def start(self, send_buffer_bytes: int = 0) -> None:
        """Begin: from here on the owner is called. 0 leaves the size of the system's buffer to it."""
        sock = self._sock
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        if send_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_S // 2)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        self._read(wanted=True)
        self._opened()

    def _opened(self) -> None:
        self._guarded(self._owner.on_open)

    # -- sending

    def send(self, buffers: list[Buffer]) -> bool:
        """Send these buffers, none of them empty; whether it is still ready. Only while `ready`.

        What the kernel does not take now is kept, and `ready` is false until it has taken it. The list and
        the buffers must not be changed any more.
        """
        try:
            sent = self._transmit(buffers)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        except OSError as error:
            self.abort(reason_of(error))
            return False
        self.sent_bytes += sent
        for n, buffer in enumerate(buffers):
            size = len(buffer)
            if sent < size:
                self._keep([memoryview(buffer)[sent:] if sent else buffer, *buffers[n + 1 :]])
                return False
            sent -= size
        self.ready = True
        return True

    def _keep(self, rest: list[Buffer]) -> None:
        """Send the rest when the socket has room."""
        self._rest = rest
        self.ready = False
        if not self._writing:
            self._writing = True
            self._loop.add_writer(self._fd, self._on_writable)

    def _transmit(self, buffers: Sequence[Buffer]) -> int:
        if len(buffers) == 1:
            return self._sock.send(buffers[0])
        return self._sock.sendmsg(buffers[:_MAX_BUFFERS] if len(buffers) > _MAX_BUFFERS else buffers)

    def _on_writable(self) -> None:
        rest, self._rest = self._rest, []
        if rest and not self.send(rest):
            return
        if self._finishing:
            self._send_fin()
        else:
            self._guarded(self._owner.on_writable)
        if self.ready and self._writing:
            self._writing = False
            self._loop.remove_writer(self._fd)

    # -- receiving

    def _on_readable(self) -> None:
        try:
            data = self._receive()
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self.abort(reason_of(error))
            return
        if not data:
            self._end("the peer closed")
        elif not self._finishing:
            self._input += data
            self._guarded(self._deliver)

    def _receive(self) -> bytes:
        return self._sock.recv(RECEIVE_BYTES)

    def _deliver(self) -> None:
        """Hand over the whole lines that came, as long as the owner wants lines."""
        start = 0
        while self._reading and not self._finishing and self.open:
            end = self._input.find(b"\n", start)
            if (len(self._input) if end < 0 else end) - start > MAX_LINE_BYTES:
                self._owner.on_bad_input(f"a line of more than {MAX_LINE_BYTES} bytes")
                break
            if end < 0:
                break
            line = bytes(self._input[start:end])
            start = end + 1
            self._owner.on_line(line)
        del self._input[:start]

    def pause_lines(self) -> None:
        """Take no more lines for now: the peer's further ones wait in its own buffers."""
        self._read(wanted=False)

    def resume_lines(self) -> None:
        """Take lines again, first those that have come already."""
        if self.open and not self._finishing:
            self._read(wanted=True)
            self._guarded(self._deliver)

    def _read(self, *, wanted: bool) -> None:
        if wanted and not self._reading:
            self._loop.add_reader(self._fd, self._on_readable)
        elif not wanted and self._reading:
            self._loop.remove_reader(self._fd)
        self._reading = wanted

    # -- ending

    def finish(self) -> None:
        """Send what is still to be sent, then close in order. The owner is called only once more."""
        if self._finishing or not self.open:
            return
        self._finishing = True
        self._timeout = self._loop.call_later(CLOSE_TIMEOUT_S, self._on_timeout)
        self._read(wanted=True)
        if self.ready:
            self._send_fin()

    def _send_fin(self) -> None:
        if self._fin_sent:
            return
        self._fin_sent = True
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _SEND_ON_CLOSE)
            self._say_goodbye()
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.abort(reason_of(error))

    def _say_goodbye(self) -> None:
        """What a protocol below sends before the end."""

    def _on_timeout(self) -> None:
        self._end("closed" if self._fin_sent else "the peer did not take the last bytes")

    def abort(self, reason: str) -> None:
        """Reset it at once."""
        if self.open:
            with contextlib.suppress(OSError):  # it is gone already
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._end(reason)

    def _end(self, reason: str) -> None:
        if not self.open:
            return
        self.open = self.ready = False
        self._rest = []
        self._input.clear()
        self._read(wanted=False)
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._fd)
        if self._timeout is not None:
            self._timeout.cancel()
        self._sock.close()
        try:
            self._owner.on_lost(reason)
        except Exception as error:
            self._owner.on_failure(error)

    def _guarded(self, function: "Callback") -> None:
        try:
            function()
        except Exception as error:
            self._owner.on_failure(error)


class Callback(Protocol):
    """A function without arguments."""

    def __call__(self) -> None: ...


def reason_of(error: OSError) -> str:
    """What the system says went wrong."""
    return error.strerror or str(error) or type(error).__name__
