"""What a feed is asked to do, beside its settings."""

import time
from dataclasses import dataclass
from typing import Final

from depthcast.errors import UsageError
from depthcast.feed.schedule import AtOnce, Even, Original, Pace
from depthcast.live.address import Address
from depthcast.settings import FeedSettings

__all__ = ["FeedOptions", "parse_listen"]

PACED_CHUNK_BYTES: Final = 256 << 10


def parse_listen(text: str, what: str) -> Address:
    """Where to listen: ``HOST:PORT``, ``[IPv6]:PORT`` or ``:PORT`` (every address); port 0 is a free one.

    Raises:
        UsageError: naming ``what`` the text was given for.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"{what}: expected HOST:PORT, got {text!r}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise UsageError(f"{what}: an IPv6 address is written [{host}]:{port}")
    return Address(host or "0.0.0.0", int(port))  # noqa: S104 # nosec B104


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """What ``depthcast feed`` was told on its command line.

    Attributes:
        sources: files, or one ``sim://`` or gateway.
        listen, admin: where to listen.
        keys: gateway keys beside those that are stored.
        rate, speed, unlimited: how fast a source that holds its records is played; at most one is given:
            records a second; times original time (1 if nothing is given); as fast as it goes.
        loop: play the files again and again.
        wait: begin when so many sessions have started.
        linger_s: how long sessions may take to receive the rest once the source has ended.
        journal: the folder or the ``s3://`` address of the journal; None for no journal.
        shard: the shard's name in the journal.
    """

    sources: tuple[str, ...]
    listen: Address
    admin: Address | None
    keys: tuple[str, ...] = ()
    rate: float | None = None
    speed: float | None = None
    unlimited: bool = False
    loop: bool = False
    wait: int = 0
    linger_s: float = 5.0
    journal: str | None = None
    shard: str = "0"

    def __post_init__(self) -> None:
        if (self.rate is not None) + (self.speed is not None) + self.unlimited > 1:
            raise UsageError("--rate, --speed and --max: give one of them")

    def chunk_bytes(self, settings: FeedSettings) -> int:
        """How much of a source is taken at a time; with a pace less: bursts wait while a chunk is made."""
        return settings.batch_bytes if self.unlimited else min(settings.batch_bytes, PACED_CHUNK_BYTES)

    def schedule(self, settings: FeedSettings) -> Pace:
        """The schedule that was asked for.

        Raises:
            UsageError: a rate or a speed that cannot be.
        """
        if self.unlimited:
            return AtOnce(settings.batch_bytes)
        if self.rate is not None:
            return Even(self.rate, settings.burst_us * 1_000, settings.batch_bytes)
        wall_ns = time.time_ns() - time.monotonic_ns()
        return Original(1.0 if self.speed is None else self.speed, settings.batch_bytes, wall_ns)
