"""What a run did and how fast: the table on standard error, and the clock around the engine."""

import resource
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from depthcast.book.protocol import BookEngine
from depthcast.cli._console import bold, table
from depthcast.dbn.framing import record_starts

__all__ = ["Meter", "print_summary"]

_MIB: Final = 1 << 20
_MAXRSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024
_PIECE_BYTES: Final = 16 * 1024
_MANY: Final = 1_000
"""Calls that are enough for percentiles: from then on chunks are no longer cut up for them."""
_SHARES: Final = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))


class Meter:
    """Applies chunks to an engine and keeps the time of each call.

    The first chunks are applied in pieces, so that a small file has many calls too. Later ones are applied
    whole: a large file has enough of them.
    """

    def __init__(self, engine: BookEngine) -> None:
        self._engine = engine
        self.begin_ns = time.perf_counter_ns()
        self.taken: list[tuple[int, int]] = []
        """(ns, records) of each call."""

    def apply(self, chunk: memoryview) -> int:
        """As `Engine.apply`."""
        if len(chunk) <= _PIECE_BYTES or len(self.taken) >= _MANY:
            return self._time(chunk)
        return sum(self._time(piece) for piece in _pieces(chunk))

    def _time(self, chunk: memoryview) -> int:
        begin = time.perf_counter_ns()
        records = self._engine.apply(chunk)
        if records:
            self.taken.append((time.perf_counter_ns() - begin, records))
        return records

    @property
    def records(self) -> int:
        """Records taken by the engine so far."""
        return sum(records for _, records in self.taken)


def _pieces(chunk: memoryview) -> Iterator[memoryview]:
    """A chunk cut into pieces of whole records, each of `_PIECE_BYTES` or just more, the last one of less."""
    data = np.frombuffer(chunk, dtype=np.uint8)
    starts = record_starts(data, 0, len(data))
    begin = 0
    while (number := int(starts.searchsorted(begin + _PIECE_BYTES))) < len(starts):
        end = int(starts[number])
        yield chunk[begin:end]
        begin = end
    yield chunk[begin:]


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
    if len(taken) == 1:
        return f"{mean:,.0f} ns a record (all in one call, so no percentiles)"
    each = sorted((ns / count, count) for ns, count in taken)
    figures = [f"{name} {_percentile(each, records, share):,.0f}" for name, share in _SHARES]
    calls = ", ".join([*figures, f"max {each[-1][0]:,.0f}"])
    return f"{mean:,.0f} ns a record (means of {len(each):,} calls, a chunk each: {calls})"


def _percentile(each: Sequence[tuple[float, int]], records: int, share: float) -> float:
    """The value that ``share`` of all records do not exceed."""
    seen = 0
    for value, count in each:
        seen += count
        if seen >= share * records:
            return value
    return each[-1][0]
