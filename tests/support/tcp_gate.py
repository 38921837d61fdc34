"""A port in front of a server, that can be shut, opened again, or fall silent as where a machine is gone."""

import select
import socket
import threading
from contextlib import suppress

__all__ = ["TcpGate"]


class TcpGate:
    """Passes what comes to its port on to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._server = port
        self.port = 0
        self.connections = 0
        self._generation = 0
        self._silent = -1
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        """Accept connections, on the same port as ever."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._generation += 1
        threading.Thread(target=self._accept, args=(self._listener, self._generation), daemon=True).start()

    def shut(self) -> None:
        """End all connections, and refuse new ones."""
        self._generation += 1
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def fall_silent(self) -> None:
        """Pass nothing more on the connections there are, and say nothing of it. New ones are as ever."""
        self._silent = self.connections

    def _accept(self, listener: socket.socket, generation: int) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.connections += 1
                threading.Thread(
                    target=self._pass, args=(client, generation, self.connections), daemon=True
                ).start()

    def _pass(self, client: socket.socket, generation: int, number: int) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._server)) as upstream:
            while generation == self._generation:
                for side in select.select([client, upstream], [], [], 0.05)[0]:
                    if number <= self._silent:
                        return self._wait(generation)
                    data = side.recv(65_536)
                    if not data:
                        return None
                    (upstream if side is client else client).sendall(data)
        return None

    def _wait(self, generation: int) -> None:
        while generation == self._generation:
            threading.Event().wait(0.05)
