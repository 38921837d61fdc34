"""What the hub has done, counted: the proof that a change is encoded once, whoever reads it."""

from dataclasses import dataclass

__all__ = ["HubCounters"]


@dataclass(slots=True)
class HubCounters:
    """Counts since the hub began, and how many there are now of what comes and goes."""

    encodes: int = 0
    """Changes of a class made into JSON, once each."""
    snapshots: int = 0
    """Snapshots made into JSON, for those who join: once for each version of a class that is asked for."""
    frames: int = 0
    """Messages of a class made into bytes for a kind of connection."""
    sends: int = 0
    """Writes of such bytes to a client."""
    control: int = 0
    """Messages to one client: acknowledgements, errors."""
    heartbeats: int = 0
    """Heartbeats sent."""
    pauses: int = 0
    """Times that a client's buffer was full."""
    conflated: int = 0
    """Classes of which a client got the present state instead of what it had missed."""
    caught_up: int = 0
    """Messages sent again from a ring, to those who resumed or fell behind."""
    resyncs: int = 0
    """Classes begun anew for all subscribers: the feed came back, or the book was recovered."""
    held_back: int = 0
    """Times that a class had to wait for the end of an event."""
    slow_closed: int = 0
    limit_closed: int = 0
    write_errors: int = 0
    requests: int = 0
    errors: int = 0
    trades: int = 0
    order_records: int = 0
    """Records told one by one on the orders channel."""
    order_overruns: int = 0
    """Times that a book had too many of them for that."""
    order_heals: int = 0
    """Times that a book of the orders channel was another than the replica's, and was begun anew."""
    clients: int = 0
    subscriptions: int = 0
    classes: int = 0
