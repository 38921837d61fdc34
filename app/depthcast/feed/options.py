"""What a feed is asked to do, beside its settings."""

from dataclasses import dataclass
from typing import NamedTuple

from depthcast.errors import UsageError

__all__ = ["FeedOptions", "HostPort", "Pace", "parse_host_port"]


class HostPort(NamedTuple):
    """An address: a name or number, and a TCP port (0 for any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_host_port(text: str, what: str) -> HostPort:
    """``HOST:PORT``, ``[IPv6]:PORT`` or ``:PORT`` (every address of this machine).

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
    return HostPort(host or "0.0.0.0", int(port))  # noqa: S104 - asked for by leaving the host out


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a source that holds its own records is played: at most one of the three.

    Attributes:
        rate: records a second, evenly.
        speed: times original time, by ts_recv; 1 where nothing is said.
        unlimited: as fast as it goes.
    """

    rate: float | None = None
    speed: float | None = None
    unlimited: bool = False

    def __post_init__(self) -> None:
        if (self.rate is not None) + (self.speed is not None) + self.unlimited > 1:
            raise UsageError("--rate, --speed and --max: give one of them")
        if self.rate is not None and not 1 <= self.rate <= 1e9:
            raise UsageError(f"--rate: expected 1 to 1,000,000,000 records a second, got {self.rate:g}")
        if self.speed is not None and not 1e-6 <= self.speed <= 1e9:
            raise UsageError(f"--speed: expected a factor of original time from 0.000001, got {self.speed:g}")


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """What ``depthcast feed`` was told on its command line.

    Attributes:
        sources: files, or one ``sim://`` or gateway.
        listen, admin: where to listen.
        keys: gateway keys beside those that are stored.
        pace: how fast.
        loop: play the files again and again.
        wait: begin when so many sessions have started.
        linger_s: how long sessions may take to receive the rest once the source has ended.
        journal: the folder or the ``s3://`` address of the journal; None for no journal.
        shard: the shard's name in the journal.
    """

    sources: tuple[str, ...]
    listen: HostPort
    admin: HostPort | None
    keys: tuple[str, ...] = ()
    pace: Pace = Pace()
    loop: bool = False
    wait: int = 0
    linger_s: float = 5.0
    journal: str | None = None
    shard: str = "0"
