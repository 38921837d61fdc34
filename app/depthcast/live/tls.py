"""A connection over TLS: the same as without, below the lines and records."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence

from depthcast.live.connection import RECEIVE_BYTES, Buffer, Connection, Owner, reason_of

__all__ = ["TlsConnection", "make_connection"]


class TlsConnection(Connection):
    """A `Connection` over TLS. The handshake counts towards the time a client has to authenticate."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, owner: Owner, context: ssl.SSLContext
    ) -> None:
        sock.settimeout(0)
        self._tls = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._shaken = False
        super().__init__(loop, self._tls, owner)

    def _opened(self) -> None:
        self._shake()

    def _shake(self) -> None:
        """Go on with the handshake: called when the socket is ready for what it waited for."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._wait_to_write(wanted=False)
        except ssl.SSLWantWriteError:
            self._wait_to_write(wanted=True)
        except OSError as error:
            self.abort(reason_of(error))
        else:
            self._wait_to_write(wanted=False)
            self._shaken = True
            super()._opened()

    def _wait_to_write(self, *, wanted: bool) -> None:
        if wanted and not self._writing:
            self._loop.add_writer(self._fd, self._shake)
        elif not wanted and self._writing:
            self._loop.remove_writer(self._fd)
        self._writing = wanted

    def _on_readable(self) -> None:
        if not self._shaken:
            self._shake()
        else:
            super()._on_readable()

    def _receive(self) -> bytes:
        data = self._tls.recv(RECEIVE_BYTES)
        while pending := self._tls.pending():  # decrypted already: the socket will not announce it
            data += self._tls.recv(pending)
        return data

    def _transmit(self, buffers: Sequence[Buffer]) -> int:
        sent = 0
        with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
            for buffer in buffers:
                rest = memoryview(buffer)
                while rest:
                    taken = self._tls.send(rest)
                    sent += taken
                    rest = rest[taken:]
        return sent

    def _say_goodbye(self) -> None:
        if self._shaken:
            with contextlib.suppress(ssl.SSLError):  # wants the peer's close_notify: nobody waits for that
                self._tls.unwrap()


def make_connection(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, owner: Owner, context: ssl.SSLContext | None
) -> Connection:
    """A connection over an accepted socket; over TLS if there is a context."""
    return Connection(loop, sock, owner) if context is None else TlsConnection(loop, sock, owner, context)
