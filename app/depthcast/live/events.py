"""What a subscriber tells its user beside the records."""

from enum import Enum
from typing import NamedTuple

__all__ = [
    "Connected",
    "Disconnected",
    "Ending",
    "Event",
    "Gap",
    "GatewayError",
    "Live",
    "Resumed",
    "Stale",
    "SymbolMapped",
    "SystemNotice",
]


class Ending(Enum):
    """How a connection ended, or did not begin."""

    CONNECT = "connect"
    """No connection came about: refused, no such host, no answer in time."""
    TIMEOUT = "timeout"
    """The gateway did not answer the handshake in time, or fell silent."""
    FIN = "fin"
    RESET = "reset"
    ERROR = "error"
    """The gateway ended it with an error record."""
    AUTHENTICATION = "authentication"
    PROTOCOL = "protocol"
    """The gateway sent what the protocol has not."""
    END = "end"
    """The gateway said that its source ended, and closed."""
    CALLBACK = "callback"
    """A callback of the user's raised."""
    CLOSED = "closed"
    """`Subscriber.close` was called."""


class Connected(NamedTuple):
    """A session began: its metadata came. ``attempt`` counts connections, from 1."""

    attempt: int
    session_id: str
    gateway_version: str
    address: str


class Disconnected(NamedTuple):
    """A connection ended, or did not come about. ``retry_in_s`` None: there will be no other."""

    ending: Ending
    reason: str
    code: int | None
    """The gateway's error code, if it gave one."""
    retry_in_s: float | None


class Gap(NamedTuple):
    """Records are missing: after ``start`` and before ``end`` (ns; the records' own times).

    None is not known. In mode ``snapshot`` the books are whole again; what happened in between is not seen.
    """

    start: int | None
    end: int | None
    reason: str


class Stale(NamedTuple):
    """Nothing has come for ``silent_s`` seconds, not even a heartbeat; the connection still stands."""

    silent_s: float


class Live(NamedTuple):
    """Something came again after `Stale`."""


class Resumed(NamedTuple):
    """A replay has caught up with what was seen before: no record was lost or handed on twice.

    ``mismatched`` instruments had another past in the replay than was seen (a `Gap` says so too).
    """

    dropped: int
    """Records of the replay that were seen before."""
    mismatched: int


class SystemNotice(NamedTuple):
    """A system record of the gateway, heartbeats aside. Its ``code`` may be one not known here."""

    code: int
    message: str


class GatewayError(NamedTuple):
    """An error record of the gateway. A fatal one is followed by `Disconnected`."""

    code: int
    message: str


class SymbolMapped(NamedTuple):
    """What an instrument id stands for."""

    instrument_id: int
    symbol: str


Event = Connected | Disconnected | Gap | GatewayError | Live | Resumed | Stale | SymbolMapped | SystemNotice
