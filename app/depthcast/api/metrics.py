"""What the API counts, and how Prometheus reads it. Everything is read when it is asked for."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from depthcast.dbn.ages import Ages
from depthcast.live.replica_types import FeedState

if TYPE_CHECKING:
    from depthcast.api.runtime import Runtime

__all__ = ["Traffic", "make_registry"]

_BOUNDS_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_STREAM_GAUGES: Final = frozenset({"clients", "subscriptions", "classes"})


class Traffic:
    """Requests and how long their answers took, by route."""

    def __init__(self) -> None:
        self.answers: defaultdict[tuple[str, int], int] = defaultdict(int)
        """By the path's template (empty for what is no route) and the status; 0 where no answer began."""
        self.durations: defaultdict[str, Ages] = defaultdict(Ages)
        self.all_durations = Ages()

    def count(self, path: str, status: int, seconds: float | None) -> None:
        """Count an answer; ``seconds`` is None for one that goes on for as long as its reader stays."""
        self.answers[path, status] += 1
        if seconds is not None:
            self.durations[path].add(int(seconds * 1e9))
            self.all_durations.add(int(seconds * 1e9))


def make_registry(runtime: "Runtime") -> CollectorRegistry:
    """The metrics of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_ApiCollector(runtime))
    return registry


class _ApiCollector(Collector):
    """Metrics of the API: they cost the hot paths nothing but plain counters."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield from self._feeds()
        yield from self._hops()
        yield from self._past()
        hub = self._runtime.services.hub
        if hub is not None:
            for name, value in asdict(hub.counters).items():
                family = GaugeMetricFamily if name in _STREAM_GAUGES else CounterMetricFamily
                yield family(f"depthcast_stream_{name}", f"Stream: {name.replace('_', ' ')}", value)

    def _requests(self) -> Iterator[Metric]:
        traffic, runtime = self._runtime.traffic, self._runtime
        answers = CounterMetricFamily(
            "depthcast_api_requests", "Answers by route and status", labels=["path", "status"]
        )
        for (path, status), number in traffic.answers.items():
            answers.add_metric([path or "none", str(status) if status else "none"], number)
        yield answers
        took = HistogramMetricFamily(
            "depthcast_api_request_seconds", "From a request to the end of its answer", labels=["path"]
        )
        for path, ages in traffic.durations.items():
            buckets = [(str(bound), ages.at_most(int(bound * 1e9))) for bound in _BOUNDS_S]
            took.add_metric([path or "none"], [*buckets, ("+Inf", ages.count)], ages.total / 1e9)
        yield took
        yield CounterMetricFamily(
            "depthcast_api_rate_limited", "Requests over the allowance", runtime.buckets.refused
        )
        yield GaugeMetricFamily("depthcast_api_buckets", "Clients whose rate is known", len(runtime.buckets))
        yield CounterMetricFamily(
            "depthcast_api_bodies_reused", "Books not encoded anew", runtime.bodies.hits
        )
        yield CounterMetricFamily("depthcast_api_bodies_encoded", "Books encoded", runtime.bodies.misses)
        yield GaugeMetricFamily("depthcast_api_bodies_bytes", "Bytes of books kept", runtime.bodies.bytes)
        stage = GaugeMetricFamily("depthcast_api_stage", "1 for the present stage", labels=["stage"])
        stage.add_metric([runtime.services.stage.value], 1)
        yield stage

    def _feeds(self) -> Iterator[Metric]:
        now_ns = self._runtime.services.clock()
        labels = ["feed", "dataset"]
        gauges = {
            "live": "1 while the books are those of now",
            "age_seconds": "For how long the feed has been lost; 0 if it is not",
            "generation": "How often fresh books were put in place",
            "books": "Books",
            "live_orders": "Resting orders",
            "memory_bytes": "Bytes in use by the engine",
        }
        counters = {
            "records": "Records received",
            "bytes": "Bytes received",
            "sessions": "Sessions that came to stream",
            "gaps": "Times that records were missing within a session",
        }
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for name, text in gauges.items():
            families[name] = GaugeMetricFamily(f"depthcast_replica_{name}", text, labels=labels)
        for name, text in counters.items():
            families[name] = CounterMetricFamily(f"depthcast_replica_{name}", text, labels=labels)
        for replica in self._runtime.services.market.replicas:
            since = replica.stale_since_ns
            values = {
                "live": float(replica.state is FeedState.LIVE),
                "age_seconds": 0.0 if since is None else max(0, now_ns - since) / 1e9,
                "generation": replica.generation,
                "books": len(replica.engine.books()),
                "live_orders": replica.engine.live_orders,
                "memory_bytes": replica.engine.memory_bytes,
                "records": replica.records,
                "bytes": replica.received,
                "sessions": replica.sessions,
                "gaps": replica.gaps,
            }
            for name, value in values.items():
                families[name].add_metric([replica.name, replica.dataset], value)
        yield from families.values()

    def _past(self) -> Iterator[Metric]:
        """Books at a time, and replays."""
        gate, hub = self._runtime.services.past, self._runtime.services.hub
        if gate is None:
            return
        frames = gate.past.frames
        yield GaugeMetricFamily("depthcast_past_questions", "Questions about the past", gate.under_way)
        yield CounterMetricFamily("depthcast_past_refused", "Questions that were too many", gate.refused)
        yield CounterMetricFamily("depthcast_past_frames_kept", "Frames that were kept", frames.hits)
        yield CounterMetricFamily("depthcast_past_frames_read", "Frames that were read", frames.misses)
        if hub is not None and hub.replays is not None:
            yield GaugeMetricFamily("depthcast_replays", "Replays under way", len(hub.replays))

    def _hops(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "depthcast_replica_hop_seconds", "How old records were, by hop", labels=["feed", "hop"]
        )
        for replica in self._runtime.services.market.replicas:
            for hop, ages in replica.hops.items():
                buckets = [(str(bound), ages.at_most(int(bound * 1e9))) for bound in _BOUNDS_S]
                family.add_metric([replica.name, hop], [*buckets, ("+Inf", ages.count)], ages.total / 1e9)
        yield family
        hub = self._runtime.services.hub
        if hub is None:
            return
        family = HistogramMetricFamily(
            "depthcast_stream_hop_seconds", "How long messages took in the hub, by hop", labels=["hop"]
        )
        for hop, ages in hub.hops.items():
            buckets = [(str(bound), ages.at_most(int(bound * 1e9))) for bound in _BOUNDS_S]
            family.add_metric([hop], [*buckets, ("+Inf", ages.count)], ages.total / 1e9)
        yield family
