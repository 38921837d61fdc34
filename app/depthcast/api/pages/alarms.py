"""What is wrong now, and what to do about it."""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from depthcast.api.pages.gauges import HISTORY_S, Gauges
from depthcast.api.pages.numbers import clock_text, lasting_text
from depthcast.api.runtime import Runtime
from depthcast.api.services import Stage
from depthcast.live.replica import Replica
from depthcast.live.replica_types import FeedState

__all__ = ["Alarm", "alarms"]

LATE_MS: Final = 250.0
FULL: Final = 0.9
MOST_BOOKS: Final = 5_000
"""Looked at for books that cannot be trusted; of more the first."""
NAMED: Final = 3
_MINUTES: Final = HISTORY_S // 60


class Alarm(NamedTuple):
    """Something that is wrong. ``bad``: data is lost or old; ``warn``: it may be soon."""

    tone: Literal["bad", "warn"]
    what: str
    do: str


def alarms(runtime: Runtime, gauges: Gauges) -> list[Alarm]:
    """All that is wrong now, or was in the last minutes; what matters most first."""
    found = [*_feeds(runtime), *_books(runtime), *_lags(runtime), *_clients(runtime), *_troubles(gauges)]
    return sorted(found, key=lambda alarm: alarm.tone)


def _feeds(runtime: Runtime) -> Iterator[Alarm]:
    services = runtime.services
    if services.stage is Stage.DRAINING:
        yield Alarm("warn", "The service is going down.", "Nothing: its clients are told to come back.")
    for replica in services.market.replicas:
        address = f"{replica.name}/{replica.dataset}"
        if replica.state is FeedState.STALE:
            since = replica.stale_since_ns or 0
            lasted = lasting_text(services.clock() - since)
            yield Alarm(
                "bad",
                f"The feed {address} is lost since {clock_text(since)[:8]} UTC, {lasted}: {replica.reason}.",
                "Books and trades are those of then. Look whether the feed runs, and its log; this server "
                "comes back by itself.",
            )
        elif replica.state is FeedState.CONNECTING:
            yield Alarm(
                "bad",
                f"There are no books of {address} yet: {replica.reason}.",
                f"Start a feed there: depthcast feed sim://cme --listen {replica.name}. If one runs, look "
                "whether key and dataset are those it has.",
            )


def _books(runtime: Runtime) -> Iterator[Alarm]:
    for replica in runtime.services.market.replicas:
        suspect, incomplete, number = _untrusted(replica)
        if suspect:
            yield Alarm(
                "bad",
                f"Of {replica.name} {_count(len(suspect), 'book')} cannot be trusted: {_names(suspect)}.",
                "Records were lost, or the venue said so. A snapshot or a clear of the book mends it; a new "
                "session with the gateway brings one.",
            )
        if incomplete:
            yield Alarm(
                "warn",
                f"Of {replica.name} {_count(len(incomplete), 'book')} of {number} were followed from the "
                f"middle: {_names(incomplete)}.",
                "Levels may be missing until the venue sends a snapshot or clears the book. Feeds from "
                "files begin whole where the file does.",
            )


def _untrusted(replica: Replica) -> tuple[list[str], list[str], int]:
    """The names of suspect and of incomplete books, and how many books there are."""
    keys = replica.engine.books()
    suspect: list[str] = []
    incomplete: list[str] = []
    for key in keys[:MOST_BOOKS]:
        status = replica.engine.status(key.instrument_id, key.publisher_id)
        if status.suspect or not status.complete:
            name = replica.symbols.get(key.instrument_id) or str(key.instrument_id)
            (suspect if status.suspect else incomplete).append(name)
    return suspect, incomplete, len(keys)


def _lags(runtime: Runtime) -> Iterator[Alarm]:
    for replica in runtime.services.market.replicas:
        late = runtime.rates.of(replica).lag_p99_ms
        if late is not None and late > LATE_MS and replica.state is FeedState.LIVE:
            yield Alarm(
                "warn",
                f"Records of {replica.name} are {late:,.0f} ms old when applied (p99 of ten seconds).",
                "This process or the line to the feed is too slow: give it a core of its own, fewer clients "
                "(api.workers), or a machine nearer to the feed.",
            )


def _clients(runtime: Runtime) -> Iterator[Alarm]:
    hub, most = runtime.services.hub, runtime.services.settings.api.max_clients
    if hub is not None and hub.counters.clients >= FULL * most:
        yield Alarm(
            "warn",
            f"{hub.counters.clients:,} of at most {most:,} streams are open.",
            "Further ones are refused. Start another server, or raise api.max_clients.",
        )


_SAID: Final[dict[str, tuple[Literal["bad", "warn"], str, str]]] = {
    "gaps": (
        "bad",
        "Records were missing {n} within a session",
        "The books were taken anew from snapshots; between, they were suspect. Look at the feed's log.",
    ),
    "order_heals": (
        "bad",
        "A book of the orders channel differed {n} from the others and was begun anew",
        "This should not happen: please report it with the server's log.",
    ),
    "failed": ("bad", "Requests failed {n} within the server", "Its log has each with its request id."),
    "slow_closed": (
        "warn",
        "Streams were closed {n} because their reader was too slow",
        "The reader's line or machine does not keep up: a lower rate, fewer levels or instruments help.",
    ),
    "limit_closed": (
        "warn",
        "Streams were refused or closed {n} at a limit",
        "docs/settings.md has the limits (api.connections_per_…, api.subscriptions_per_connection).",
    ),
    "rate_limited": (
        "warn",
        "Requests were refused {n} because of their rate",
        "Somebody asks too often: use the stream, or raise api.requests_per_s.",
    ),
}


def _troubles(gauges: Gauges) -> Iterator[Alarm]:
    for name, count in gauges.troubles().items():
        tone, what, do = _SAID[name]
        times = "once" if count == 1 else f"{count:,} times"
        yield Alarm(tone, f"{what.format(n=times)} in the last {_MINUTES} minutes.", do)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _names(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
