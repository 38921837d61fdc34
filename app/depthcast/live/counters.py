"""What a gateway counts."""

from dataclasses import dataclass

__all__ = ["Counters", "GatewayStats"]


@dataclass(slots=True)
class Counters:
    """What has happened since the start.

    Attributes:
        accepted: connections.
        dropped: of them, those reset at once: too many of one address, or in all.
        refused: those that were not authenticated.
        errors: sessions ended with an error.
        failures: those that met a fault of the gateway's own.
        slow_warnings: how often a session was told that it is far behind.
        skips: how often one skipped records.
        cut_off: sessions ended for being too slow.
        sent_bytes: to sessions that are over.
    """

    accepted: int = 0
    dropped: int = 0
    refused: int = 0
    errors: int = 0
    failures: int = 0
    slow_warnings: int = 0
    skips: int = 0
    cut_off: int = 0
    sent_bytes: int = 0


@dataclass(frozen=True, slots=True)
class GatewayStats:
    """A gateway at a moment, and what has happened since its start.

    Attributes:
        connections: all there are; of them
        sessions: have authenticated,
        started: receive a stream,
        compressed: compressed,
        blocked: and wait until their client takes what it was sent.
        max_lag_batches: how far the session furthest behind is behind the feed.
        forms_bytes: held of filtered and stamped records.
        sent_bytes: to all sessions.

    The others are those of `Counters`.
    """

    connections: int
    sessions: int
    started: int
    compressed: int
    blocked: int
    max_lag_batches: int
    forms_bytes: int
    accepted: int
    dropped: int
    refused: int
    errors: int
    failures: int
    slow_warnings: int
    skips: int
    cut_off: int
    sent_bytes: int
