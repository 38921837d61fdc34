"""The open HTTP connections of a process: how many an address may have, and who goes to make room.

A connection that waits for nobody's answer can be closed without harm: its client opens another. So nobody is
refused while there is one, and whoever opens thousands closes his own.
"""

from collections import Counter, OrderedDict
from typing import Final, Protocol

from depthcast.api.headers import Addresses, client_key

__all__ = ["Connection", "Connections"]

UNBOUNDED: Final = 1 << 62


class Connection(Protocol):
    """What is counted."""

    def make_room(self) -> None:
        """Close; nothing is being answered on it."""


class Connections:
    """Counts connections.

    Args:
        per_address: how many one address (IPv6: a /64) may have.
        most: how many all may have, WebSockets included.
        addresses: knows the proxies that are trusted. Theirs are neither bounded nor closed: many clients
            share one, and a proxy that finds its connection closed answers somebody with an error.
    """

    def __init__(
        self, per_address: int = UNBOUNDED, most: int = UNBOUNDED, addresses: Addresses | None = None
    ) -> None:
        self.closed = self.refused = 0
        self._per_address = per_address
        self._most = most
        self._addresses = addresses or Addresses()
        self._keys: dict[Connection, str] = {}
        self._counts: Counter[str] = Counter()
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._idle_of: dict[str, OrderedDict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def enter(self, connection: Connection, address: str | None, open_now: int) -> bool:
        """Count a new connection, which waits for its first request.

        Args:
            address: the peer's; None where it has none.
            open_now: all connections that are open, this one included.

        Returns:
            Whether there is room for it, or was made. Where not, nothing but probes is to be answered.
        """
        if address is None or self._addresses.trusts(address):
            return True
        key = client_key(address)
        self._keys[connection] = key
        self._counts[key] += 1
        room = True
        if self._counts[key] > self._per_address:
            room = self._make_room(self._idle_of.get(key))
        elif open_now > self._most:
            room = self._make_room(self._idle)
        self.idle(connection)
        self.refused += not room
        return room

    def idle(self, connection: Connection) -> None:
        """Nothing is being answered on it from now on: it may be closed."""
        key = self._keys.get(connection)
        if key is not None and connection not in self._idle:
            self._idle[connection] = None
            self._idle_of.setdefault(key, OrderedDict())[connection] = None

    def busy(self, connection: Connection) -> None:
        """A request is being answered on it."""
        if connection not in self._idle:
            return
        del self._idle[connection]
        key = self._keys[connection]
        waiting = self._idle_of[key]
        del waiting[connection]
        if not waiting:
            del self._idle_of[key]

    def leave(self, connection: Connection) -> None:
        """It is closed, or has become a WebSocket."""
        self.busy(connection)
        key = self._keys.pop(connection, None)
        if key is not None:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]

    def _make_room(self, idle: OrderedDict[Connection, None] | None) -> bool:
        """Close the one that has been idle longest."""
        if not idle:
            return False
        oldest = next(iter(idle))
        self.busy(oldest)
        self.closed += 1
        oldest.make_room()
        return True
