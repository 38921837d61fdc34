"""Heartbeats: every second each client hears the numbers of its classes, a part of the clients at a time."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from depthcast.api.hub.encoded import Encoded
from depthcast.api.hub.messages import Heartbeat, encode
from depthcast.api.hub.stream import Numbering, Stream

if TYPE_CHECKING:
    from depthcast.api.hub.clients import Client

__all__ = ["SLOTS", "Heartbeats"]

SLOTS: Final = 20
"""Parts of a heartbeat's interval: so many clients' heartbeats never are one long burst."""

Group = tuple[Stream, ...]


class Heartbeats:
    """The clients by the part of the interval in which they are told, and by what they have subscribed to.

    Clients of the same subscriptions share their heartbeats' bytes.
    """

    __slots__ = ("_groups", "_joined", "_next", "_numbering", "_slots")

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._slots: list[dict[Group, dict[Client, None]]] = [{} for _ in range(SLOTS)]
        self._groups: dict[Client, Group] = {}
        self._joined = 0
        self._next = 0

    def join(self, client: "Client") -> None:
        client.slot = self._joined % SLOTS
        self._joined += 1
        self._put(client, ())

    def regroup(self, client: "Client") -> None:
        """The client's subscriptions are others."""
        if client in self._groups:
            self._take(client)
            self._put(client, tuple(sorted(client.streams, key=id)))

    def leave(self, client: "Client") -> None:
        if client in self._groups:
            self._take(client)

    def beat(self) -> None:
        """Tell the next part of the clients; those whose connection is full are left out."""
        numbering = self._numbering
        slot = self._slots[self._next]
        self._next = (self._next + 1) % SLOTS
        for group, clients in slot.items():
            message = self._encoded(group, f"{numbering.epoch}:{numbering.last}")
            for client in list(clients):
                if client.paused_at is None and not client.closed:
                    own = message if client.is_live else self._encoded(client.live_streams, "")
                    client.write(own.form(client.form))
                    numbering.counters.heartbeats += 1

    def _encoded(self, streams: Iterable[Stream], event_id: str) -> Encoded:
        heartbeat = Heartbeat(
            ts_send=str(self._numbering.clock()),
            epoch=self._numbering.epoch,
            seq={stream.name: stream.seq for stream in streams},
        )
        return Encoded("heartbeat", encode(heartbeat), 0, event_id)

    def _put(self, client: "Client", group: Group) -> None:
        slot = self._slots[client.slot]
        slot.setdefault(group, {})[client] = None
        self._groups[client] = group

    def _take(self, client: "Client") -> None:
        group = self._groups.pop(client)
        slot = self._slots[client.slot]
        members = slot[group]
        del members[client]
        if not members:
            del slot[group]
