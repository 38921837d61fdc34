"""A line to a server of this machine that breaks again and again."""

import select
import socket
import threading
from contextlib import suppress


class BreakingLine:
    """A port in front of a server whose connections break once the server has answered so many bytes.

    Each lasts ``growth`` bytes longer than the one before.
    """

    def __init__(self, port: int, limit: int, growth: int = 0) -> None:
        self._server = port
        self._limit = limit
        self._growth = growth
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port = self._listener.getsockname()[1]
        self.broken = 0
        self._closing = False
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while not self._closing:
            with suppress(OSError):  # nobody came; or the server is not there now
                client, _ = self._listener.accept()
                with client, socket.create_connection(("127.0.0.1", self._server)) as upstream:
                    self._pass(client, upstream)

    def _pass(self, client: socket.socket, upstream: socket.socket) -> None:
        """One connection, to its end."""
        passed = 0
        while not self._closing:
            for side in select.select([client, upstream], [], [], 0.1)[0]:
                data = side.recv(16_384)
                if not data:
                    return
                (upstream if side is client else client).sendall(data)
                passed += len(data) if side is upstream else 0
                if passed > self._limit:
                    self.broken += 1
                    self._limit += self._growth
                    return

    def close(self) -> None:
        self._closing = True
        self._thread.join()
        self._listener.close()
