"""What the system page shows of the last minutes: a sample a second, of one process, in bounded memory."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from depthcast.api.runtime import Runtime
from depthcast.dbn.ages import Ages

__all__ = ["Gauges", "Hop", "Second"]

HISTORY_S: Final = 600
WINDOW_S: Final = 10
SAMPLE_S: Final = 1.0
LAG: Final = "gateway_to_applied"


class Hop(NamedTuple):
    """A stretch of the way: how long it took, since the start and in the last `WINDOW_S` seconds."""

    feed: str
    name: str
    whole: Ages
    window: Ages


class Second(NamedTuple):
    """One second of the service: all feeds together, lags of the worst; None where no record came."""

    ts_ms: int
    records_per_s: float
    sends_per_s: float
    lag_p50_ms: float | None
    lag_p99_ms: float | None


class _Counts(NamedTuple):
    at_s: float
    records: int
    sends: int
    requests: int
    troubles: tuple[int, ...]


class Gauges:
    """Samples an application, from `start` to `stop`.

    Args:
        runtime: what is sampled.
        monotonic: a clock in seconds.
    """

    def __init__(self, runtime: Runtime, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._runtime = runtime
        self._monotonic = monotonic
        self._ages: deque[dict[tuple[str, str], Ages]] = deque([self._copies()], maxlen=WINDOW_S + 1)
        self._counts: deque[_Counts] = deque([self._count()], maxlen=HISTORY_S + 1)
        self.seconds: deque[Second] = deque(maxlen=HISTORY_S)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._timer = asyncio.get_running_loop().call_later(SAMPLE_S, self._again)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def hops(self) -> list[Hop]:
        """The data's way, in its order, and last the answers to requests."""
        oldest = self._ages[0]
        none = Ages()
        return [
            Hop(feed, name, ages, ages.since(oldest.get((feed, name), none)))
            for (feed, name), ages in self._now().items()
        ]

    def requests_per_s(self) -> float:
        """Answers a second, of the last seconds."""
        first, last = self._recent()
        return (last.requests - first.requests) / max(last.at_s - first.at_s, 1e-3)

    def sends_per_s(self) -> float:
        """Messages a second that went to the readers of the stream, of the last seconds."""
        first, last = self._recent()
        return (last.sends - first.sends) / max(last.at_s - first.at_s, 1e-3)

    def troubles(self) -> dict[str, int]:
        """How often something went wrong in the last minutes, by what; nothing else is in it."""
        first, last = self._counts[0].troubles, self._trouble()
        grown = (after - before for before, after in zip(first, last, strict=True))
        return {name: count for name, count in zip(_TROUBLES, grown, strict=True) if count > 0}

    def sample(self) -> None:
        """Take a sample now."""
        runtime, before, now = self._runtime, self._counts[-1], self._count()
        seconds = max(now.at_s - before.at_s, 1e-3)
        copies, earlier = self._copies(), self._ages[-1]
        none = Ages()
        lags = [ages.since(earlier.get(key, none)) for key, ages in copies.items() if key[1] == LAG]
        heard = [each for each in lags if each.count]
        self._ages.append(copies)
        self._counts.append(now)
        self.seconds.append(
            Second(
                runtime.services.clock() // 1_000_000,
                round((now.records - before.records) / seconds, 1),
                round((now.sends - before.sends) / seconds, 1),
                max((each.percentile(0.5) / 1e6 for each in heard), default=None),
                max((each.percentile(0.99) / 1e6 for each in heard), default=None),
            )
        )

    def _again(self) -> None:
        self.sample()
        self.start()

    def _recent(self) -> tuple[_Counts, _Counts]:
        return self._counts[max(0, len(self._counts) - 1 - WINDOW_S)], self._count()

    def _now(self) -> dict[tuple[str, str], Ages]:
        services = self._runtime.services
        found = {
            (replica.name, hop): replica.hops[hop]
            for hop in ("venue_to_applied", "gateway_to_applied")
            for replica in services.market.replicas
        }
        if services.hub is not None:
            found |= {("", hop): ages for hop, ages in services.hub.hops.items()}
        return found | {("", "request_to_answer"): self._runtime.traffic.all_durations}

    def _copies(self) -> dict[tuple[str, str], Ages]:
        return {key: ages.copy() for key, ages in self._now().items()}

    def _count(self) -> _Counts:
        services, traffic = self._runtime.services, self._runtime.traffic
        records = sum(replica.records for replica in services.market.replicas)
        sends = 0 if services.hub is None else services.hub.counters.sends
        return _Counts(self._monotonic(), records, sends, traffic.all_durations.count, self._trouble())

    def _trouble(self) -> tuple[int, ...]:
        """The counters of `_TROUBLES`, in that order."""
        services, traffic = self._runtime.services, self._runtime.traffic
        failed = sum(n for (_, status), n in traffic.answers.items() if status >= 500 and status != 503)
        gaps = sum(replica.gaps for replica in services.market.replicas)
        refused = self._runtime.buckets.refused
        hub = services.hub
        if hub is None:
            return gaps, failed, refused, 0, 0, 0
        counters = hub.counters
        return gaps, failed, refused, counters.slow_closed, counters.limit_closed, counters.order_heals


_TROUBLES: Final = ("gaps", "failed", "rate_limited", "slow_closed", "limit_closed", "order_heals")
