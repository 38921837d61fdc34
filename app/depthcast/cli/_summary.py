"""What a run did and how fast: the table on standard error, and the clock around the engine."""

import resource
import sys
import time
from collections.abc import Sequence
from typing import Final

from depthcast.book.protocol import BookEngine
from depthcast.cli._console import bold, table

__all__ = ["Meter", "print_summary"]

_MIB: Final = 1 << 20
_MAXRSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024
_MANY: Final = 20
"""Calls below which percentiles would say nothing."""


class Meter:
    """Applies chunks to an engine and keeps the time of each call."""

    def __init__(self, engine: BookEngine) -> None:
        self._engine = engine
        self.begin_ns = time.perf_counter_ns()
        self.taken: list[tuple[int, int]] = []
        """(ns, records) of each call."""

    def apply(self, chunk: memoryview) -> int:
        """As `Engine.apply`."""
        begin = time.perf_counter_ns()
        records = self._engine.apply(chunk)
        if records:
            self.taken.append((time.perf_counter_ns() - begin, records))
        return records

    @property
    def records(self) -> int:
        """Records taken by the engine so far."""
        return sum(records for _, records in self.taken)


def print_summary(meter: Meter, counters: dict[str, int], *, books: int) -> None:
    """The table of a run. Latency percentiles are of calls: each call's time divided by its records."""
    elapsed_s = (time.perf_counter_ns() - meter.begin_ns) / 1e9
    apply_s = sum(ns for ns, _ in meter.taken) / 1e9
    skipped, status = counters["skipped_records"], counters["status_records"]
    rows = [
        ("books", f"{books:,}"),
        ("records", f"{counters['records']:,} MBO" + _also(status, "status") + _also(skipped, "skipped")),
        ("events", f"{counters['events']:,}"),
        ("engine", _rate(meter.records, apply_s)),
        ("apply latency", _latency(meter.taken)),
        ("in all", _rate(meter.records, elapsed_s) + " with reading and hashing"),
        (
            "peak memory",
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT / _MIB:,.0f} MiB",
        ),
    ]
    print(table([(bold(name.ljust(13), sys.stderr), value) for name, value in rows]), end="", file=sys.stderr)


def _also(count: int, what: str) -> str:
    return f", {count:,} {what}" if count else ""


def _rate(records: int, seconds: float) -> str:
    if not records or seconds <= 0:
        return "no records"
    return f"{records / seconds / 1e6:,.2f} M records/s ({_duration(seconds)})"


def _duration(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1e3:,.1f} ms"


def _latency(taken: Sequence[tuple[int, int]]) -> str:
    if not taken:
        return "-"
    records = sum(count for _, count in taken)
    mean = sum(ns for ns, _ in taken) / records
    if len(taken) < _MANY:
        return f"{mean:,.0f} ns a record"
    each = sorted((ns / count, count) for ns, count in taken)
    p50, p99 = (_percentile(each, records, share) for share in (0.5, 0.99))
    most = each[-1][0]
    calls = f"means of {len(each):,} calls: p50 {p50:,.0f}, p99 {p99:,.0f}, max {most:,.0f}"
    return f"{mean:,.0f} ns a record ({calls})"


def _percentile(each: Sequence[tuple[float, int]], records: int, share: float) -> float:
    """The value that ``share`` of all records do not exceed."""
    seen = 0
    for value, count in each:
        seen += count
        if seen >= share * records:
            return value
    return each[-1][0]
