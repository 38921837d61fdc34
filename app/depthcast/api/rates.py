"""How fast the feeds are at the moment: samples of the last seconds."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from depthcast.dbn.ages import Ages
from depthcast.live.replica import Replica

__all__ = ["Rate", "Rates"]

WINDOW_S: Final = 10
SAMPLE_S: Final = 1.0
_HOP: Final = "gateway_to_applied"


class Rate(NamedTuple):
    """Of the last `WINDOW_S` seconds; lags are None where no record came."""

    records_per_s: float
    bytes_per_s: float
    lag_p50_ms: float | None
    lag_p99_ms: float | None


class _Sample(NamedTuple):
    at_s: float
    records: int
    received: int
    ages: Ages


class Rates:
    """Samples each replica once a second, from `start` to `stop`.

    Args:
        replicas: what is sampled.
        monotonic: a clock in seconds.
    """

    def __init__(
        self, replicas: Sequence[Replica], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._samples: dict[int, deque[_Sample]] = {}
        self._replicas = replicas
        self._timer: asyncio.TimerHandle | None = None
        for replica in replicas:
            self._samples[id(replica)] = deque([self._sample(replica)], maxlen=int(WINDOW_S / SAMPLE_S))

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._timer = asyncio.get_running_loop().call_later(SAMPLE_S, self._again)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def of(self, replica: Replica) -> Rate:
        """How fast a replica's feed was, from the oldest sample until now."""
        oldest, now = self._samples[id(replica)][0], self._sample(replica)
        seconds = max(now.at_s - oldest.at_s, 1e-3)
        ages = now.ages.since(oldest.ages)
        return Rate(
            round((now.records - oldest.records) / seconds, 1),
            round((now.received - oldest.received) / seconds, 1),
            ages.percentile(0.5) / 1e6 if ages.count else None,
            ages.percentile(0.99) / 1e6 if ages.count else None,
        )

    def _sample(self, replica: Replica) -> _Sample:
        return _Sample(self._monotonic(), replica.records, replica.received, replica.hops[_HOP].copy())

    def _again(self) -> None:
        for replica in self._replicas:
            self._samples[id(replica)].append(self._sample(replica))
        self.start()
