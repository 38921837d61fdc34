"""What a load generator is told to do, and what it says when it has."""

import msgspec

__all__ = ["Read", "ReadTask", "StreamTask", "Streamed"]


class StreamTask(msgspec.Struct, frozen=True, kw_only=True):
    """So many clients that each say one thing, then listen."""

    port: int
    clients: int
    path: str = "/v1/stream"
    says: list[str]
    """What they say once connected: the first client the first of these, and so on, round and round."""
    all_of_it: bool = False
    """Each client says all of these instead."""
    events: bool = False
    """They are readers of events (SSE): the path has what they subscribe to."""
    warm_s: float = 1.0
    """How long is not counted, once all are there."""
    seconds: float
    stamp: str = '"ts_send":"'
    """What comes in a frame before the wall-clock ns that its latency counts from."""
    only_count: bool = False
    """Frames are counted and not looked into: of one in `SAMPLED` the latency is taken."""


class Streamed(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients got in the time that counts."""

    frames: int
    """Frames of data, of all clients together."""
    bytes: int
    seconds: float
    milliseconds: dict[str, float]
    """From the stamp to the arrival, by percentile."""
    others: dict[str, int]
    """Other frames by type: heartbeats, resyncs, errors, closes with their codes."""
    gaps: int | None
    """Frames whose prev_seq is not the seq before; None where nobody looked, or nothing is numbered."""
    least: int
    """Frames of the client that got fewest."""
    closed: int
    """Connections that the server ended."""
    connect_s: float
    """Until all were connected and had their first frame."""
    cpu: float
    """Of the generator itself, as a share of a core."""


class ReadTask(msgspec.Struct, frozen=True, kw_only=True):
    """So many connections that each ask again as soon as they are answered."""

    port: int
    connections: int
    path: str
    warm_s: float = 0.5
    seconds: float


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it in the time that counts."""

    requests: int
    seconds: float
    milliseconds: dict[str, float]
    wrong: int
    """Answers that were not 200."""
    body_bytes: int
    """Of one answer."""
    cpu: float
