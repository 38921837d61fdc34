"""The gateway that a URL names, and what to ask it for."""

from dataclasses import dataclass
from typing import Final

from depthcast.errors import UsageError
from depthcast.feed.sources.url import parse_source_url, parse_time
from depthcast.live.address import Address, databento_address, parse_address

__all__ = ["Upstream", "parse_upstream"]

SCHEMAS: Final = ("mbo", "definition", "status", "statistics", "imbalance")
"""What a feed takes: it derives the other schemas itself."""
DEFAULT_SCHEMAS: Final = ("mbo", "definition", "status")
_OPTIONS: Final = ("dataset", "symbols", "stype_in", "schemas", "start", "snapshot", "tls", "ca")


@dataclass(frozen=True, slots=True)
class Upstream:
    """A gateway and a subscription.

    Attributes:
        name: as it was asked for.
        start: ns, from which on to replay at first; None to begin with what comes.
        snapshot: begin books by snapshots, now and after every lost connection, instead of replaying.
        ca: a file of certificates to trust instead of the system's.
    """

    name: str
    address: Address
    dataset: str
    schemas: tuple[str, ...]
    symbols: tuple[str, ...]
    stype_in: str
    start: int | None
    snapshot: bool
    tls: bool
    ca: str | None


def parse_upstream(text: str) -> Upstream:
    """``live://HOST:PORT?dataset=GLBX.MDP3&...`` or ``databento://GLBX.MDP3?...``.

    Raises:
        UsageError: naming the option that is wrong or missing.
    """
    example = "live://HOST:PORT?dataset=GLBX.MDP3 or databento://GLBX.MDP3"
    scheme, place, options = parse_source_url(text, _OPTIONS, example)
    if "@" in place:
        raise UsageError("a gateway's key does not belong in its address: use DATABENTO_API_KEY")
    dataset = options.get("dataset", "") if scheme == "live" else place
    if not dataset or (scheme != "live" and "dataset" in options):
        raise UsageError(f"{text}: say which dataset: {example}")
    try:
        address = parse_address(place) if scheme == "live" else databento_address(dataset)
        start = options.get("start")
        start_ns = None if start is None else parse_time(start, "start")
        snapshot, tls = _flag(options, "snapshot"), _flag(options, "tls")
    except (UsageError, ValueError) as error:
        raise UsageError(f"{text}: {error}") from None
    if snapshot and start is not None:
        raise UsageError(f"{text}: a snapshot is of the present: start does not go with it")
    schemas = tuple(_list(options.get("schemas", ",".join(DEFAULT_SCHEMAS))))
    unknown = [schema for schema in schemas if schema not in SCHEMAS]
    if unknown or not schemas:
        raise UsageError(f"{text}: schemas: expected some of {', '.join(SCHEMAS)}, got {', '.join(unknown)}")
    return Upstream(
        name=text,
        address=address,
        dataset=dataset,
        schemas=schemas,
        symbols=tuple(_list(options.get("symbols", "ALL_SYMBOLS"))),
        stype_in=options.get("stype_in", "raw_symbol"),
        start=start_ns,
        snapshot=snapshot,
        tls=tls or "ca" in options,
        ca=options.get("ca"),
    )


def _flag(options: dict[str, str], name: str) -> bool:
    value = options.get(name, "0")
    if value not in ("0", "1"):
        raise UsageError(f"{name}: expected 0 or 1, got {value!r}")
    return value == "1"


def _list(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
