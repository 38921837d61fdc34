"""What the feed service shows on its admin port: health, readiness and Prometheus metrics."""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from depthcast.feed.admin import AdminServer, Health
from depthcast.feed.listening import addressed
from depthcast.live.address import Address

if TYPE_CHECKING:
    from depthcast.feed.service import FeedService

__all__ = ["feed_admin"]

_GATEWAY_GAUGES: Final = frozenset(
    {"connections", "sessions", "started", "compressed", "blocked", "max_lag_batches", "forms_bytes"}
)
_JOURNAL_COUNTERS: Final = frozenset(
    {"closed_segments", "closed_bytes", "stored_bytes", "uploaded_segments", "upload_failures"}
)

ASK_S: Final = 1.0
"""How long a scrape waits for the book thread."""


def feed_admin(service: "FeedService", host: str, port: int) -> AdminServer:
    """The admin port of a feed service. It reads plain attributes of the service, in a thread of its own.

    It has its address at once, and answers once it is started. Raises OSError where that cannot be had.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(FeedCollector(service))
    with addressed(Address(host, port), "--admin"):
        return AdminServer(
            host, port, registry, healthy=lambda: _healthy(service), ready=lambda: _ready(service)
        )


def _healthy(service: "FeedService") -> Health:
    """Well while the threads that must run do."""
    threads = {"books": service.book_thread.alive}
    if service.journal_thread is not None:
        threads["journal"] = service.journal_thread.alive
    return Health(service.failure is None and all(threads.values()), {"threads": threads, **_state(service)})


def _ready(service: "FeedService") -> Health:
    """Ready from listening to draining."""
    return Health(service.ready, _state(service))


def _state(service: "FeedService") -> dict[str, object]:
    journal = service.journal_thread
    return {
        "stage": service.stage.value,
        "dataset": service.dataset,
        "source": service.source.name,
        "position": service.ring.position,
        "epoch": None if service.recovery is None else service.recovery.epoch,
        "journal_error": None if journal is None or journal.error is None else str(journal.error),
        "addresses": [str(address) for address in service.addresses],
    }


class FeedCollector(Collector):
    """Metrics of the feed, read when they are asked for: they cost the hot path nothing."""

    def __init__(self, service: "FeedService") -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        yield from self._ring()
        yield from self._gateway()
        yield from self._books()
        if self._service.journal_thread is not None:
            yield from self._journal()

    def _ring(self) -> Iterator[Metric]:
        service, ring = self._service, self._service.ring
        yield CounterMetricFamily(
            "depthcast_feed_records", "Records in the feed, those before this start included", ring.position
        )
        yield CounterMetricFamily("depthcast_feed_bytes", "Bytes of records since the start", ring.bytes_in)
        yield CounterMetricFamily("depthcast_feed_batches", "Batches since the start", ring.head)
        yield GaugeMetricFamily("depthcast_feed_ring_bytes", "Bytes held in the ring", ring.held_bytes)
        yield GaugeMetricFamily(
            "depthcast_feed_late_seconds",
            "How late the last burst was published",
            service.pacer.late_ns / 1e9,
        )
        if service.schedule.start_ns >= 0:
            yield GaugeMetricFamily(
                "depthcast_feed_schedule_start_seconds",
                "CLOCK_MONOTONIC time at which the first record was due",
                service.schedule.start_ns / 1e9,
            )
        lag = GaugeMetricFamily(
            "depthcast_feed_lag_batches", "Batches that a consumer has yet to see", labels=["consumer"]
        )
        lag.add_metric(["books"], ring.head - service.book_thread.index)
        if service.journal_thread is not None:
            lag.add_metric(["journal"], ring.head - service.journal_thread.index)
        yield lag

    def _gateway(self) -> Iterator[Metric]:
        stats = self._service.gateway.stats()
        for name in stats.__slots__:
            kind = GaugeMetricFamily if name in _GATEWAY_GAUGES else CounterMetricFamily
            yield kind(
                f"depthcast_gateway_{name}", f"Gateway: {name.replace('_', ' ')}", getattr(stats, name)
            )

    def _books(self) -> Iterator[Metric]:
        books = self._service.book_thread
        engine = books.books.engine
        try:
            counters, orders, size, count = books.ask(
                lambda: (engine.counters, engine.live_orders, engine.memory_bytes, len(engine.books()))
            ).result(ASK_S)
        except (FutureTimeoutError, CancelledError):
            return  # it has ended: /healthz says so
        family = CounterMetricFamily(
            "depthcast_book_records", "What the engine applied and what it ignored", labels=["counter"]
        )
        for name, value in counters.items():
            family.add_metric([name], value)
        yield family
        yield GaugeMetricFamily("depthcast_book_live_orders", "Resting orders in all books", orders)
        yield GaugeMetricFamily("depthcast_book_memory_bytes", "Bytes in use by the engine", size)
        yield GaugeMetricFamily("depthcast_book_count", "Books", count)

    def _journal(self) -> Iterator[Metric]:
        journal = self._service.journal_thread
        if journal is None:
            return
        stats = journal.writer.stats
        failing = journal.error is not None or journal.writer.error is not None
        for name in stats._fields:
            kind = CounterMetricFamily if name in _JOURNAL_COUNTERS else GaugeMetricFamily
            yield kind(
                f"depthcast_journal_{name}", f"Journal: {name.replace('_', ' ')}", getattr(stats, name)
            )
        yield GaugeMetricFamily(
            "depthcast_journal_failing", "1 while something cannot be written or uploaded", float(failing)
        )
