"""How many connections there are, in all, from an address and with a key; and how many there may be."""

from collections import Counter

from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.options import HubOptions

__all__ = ["Connections"]


class Connections:
    """The connections that are open. An empty address or key is not counted by itself."""

    __slots__ = ("_addresses", "_all", "_keys", "_options")

    def __init__(self, options: HubOptions) -> None:
        self._options = options
        self._all = 0
        self._addresses: Counter[str] = Counter()
        self._keys: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._all

    def enter(self, address: str, key: str) -> None:
        """Count another one.

        Raises:
            RequestError: there may be no other; it is not counted.
        """
        options = self._options
        if self._all >= options.max_clients:
            raise RequestError("server_full", "no further connection now: try again later", fatal=True)
        if address and self._addresses[address] >= options.connections_per_address:
            most = options.connections_per_address
            raise RequestError(
                "too_many_connections", f"at most {most} connections from one address", fatal=True
            )
        if key and self._keys[key] >= options.connections_per_key:
            most = options.connections_per_key
            raise RequestError("too_many_connections", f"at most {most} connections with one key", fatal=True)
        self._all += 1
        if address:
            self._addresses[address] += 1
        if key:
            self._keys[key] += 1

    def leave(self, address: str, key: str) -> None:
        """One of those that were counted has ended."""
        self._all -= 1
        for counts, name in ((self._addresses, address), (self._keys, key)):
            if name:
                counts[name] -= 1
                if not counts[name]:
                    del counts[name]
