"""Listening sockets, and who may connect."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import structlog

from depthcast.live.address import Address
from depthcast.live.connection import RESET_ON_CLOSE

__all__ = ["Acceptor", "open_listeners"]

BACKLOG: Final = 1024
ACCEPTS_A_TURN: Final = 64
PAUSE_S: Final = 0.5
"""How long nobody is accepted once the process has no descriptor left."""

_log = structlog.get_logger()


class Acceptor:
    """Accepts connections and hands them over.

    Args:
        greet: takes a connected socket and its peer's address; owns the socket unless it raises OSError.
    """

    def __init__(self, greet: Callable[[socket.socket, str], None]) -> None:
        self._greet = greet
        self._listeners: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def listen(self, host: str | None, port: int) -> list[tuple[str, int]]:
        """Listen on every address of ``host``, or of the machine; the (address, port) pairs.

        Raises:
            OSError: it cannot listen on one of them (its ``filename``); then it listens on none.
        """
        self._loop = loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self._listeners = _listeners((each[0], each[4]) for each in found)
        return self._begin(loop)

    def take(self, listeners: Sequence[socket.socket]) -> list[tuple[str, int]]:
        """Accept from these, which listen already; the (address, port) pairs.

        Who made them may keep duplicates. Then a client that connects while no gateway runs waits in the
        system's queue for the next one, and is not refused.
        """
        self._loop = loop = asyncio.get_running_loop()
        for listener in listeners:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            listener.settimeout(0)
            self._listeners.append(listener)
        return self._begin(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> list[tuple[str, int]]:
        for listener in self._listeners:
            loop.add_reader(listener.fileno(), self._accept, listener)
        return [listener.getsockname()[:2] for listener in self._listeners]

    def close(self) -> None:
        """Accept no more."""
        for listener in self._listeners:
            if self._loop is not None:
                self._loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners.clear()

    def _accept(self, listener: socket.socket) -> None:
        """Accept what waits, some of it: sessions have their turn too."""
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(listener, error)
                return
            try:
                self._greet(sock, str(address[0]) if address else "")
            except OSError:
                sock.close()  # its peer has gone already

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        """The process is short of something: who waits is accepted when there is some of it again."""
        _log.error("gateway.accept", reason=str(error))
        if self._loop is not None:
            self._loop.remove_reader(listener.fileno())
            self._loop.call_later(PAUSE_S, self._go_on, listener)

    def _go_on(self, listener: socket.socket) -> None:
        if self._loop is not None and listener in self._listeners:
            self._loop.add_reader(listener.fileno(), self._accept, listener)


def open_listeners(host: str | None, port: int) -> list[socket.socket]:
    """Sockets for `Acceptor.take` on every address of ``host``, or of the machine.

    Nobody is accepted yet: who connects waits in the system's queue. For the time before the loop runs: it
    waits for the resolver.

    Raises:
        OSError: it cannot listen on one of them (its ``filename``); then it listens on none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return _listeners((each[0], each[4]) for each in found)


def _listeners(addresses: Iterable[tuple[int, tuple[Any, ...]]]) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    for family, address in dict.fromkeys(addresses):
        try:
            listeners.append(_listener(family, address))
        except OSError as error:
            for listener in listeners:
                listener.close()
            raise OSError(error.errno, error.strerror, str(Address(*address[:2]))) from error
    return listeners


def _listener(family: int, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Inherited: a connection that is closed before it was greeted is reset.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        listener.settimeout(0)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
