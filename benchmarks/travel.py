"""Books at a time over HTTP: ``python -m benchmarks.travel [--quick]``.

A simulated day of eight instruments becomes a journal of segments as large as they get by default (64 MiB of
records). ``depthcast api`` serves it on loopback, without a feed; one client asks for the whole book of a
random instrument at a random instant, one question after another. At first nothing has been read; then the
cache is as the questions have left it.
"""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.streaming.tasks import KEY
from depthcast.book.engine import Engine
from depthcast.dbn import forms, make_metadata
from depthcast.exchange import Exchange, ExchangeParams, InstrumentParams
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.writer import JournalWriter

FULL: Final = 10_000_000
QUICK: Final = 1_000_000
"""Records of the day."""
SEGMENT_BYTES: Final = 64 << 20
INSTRUMENTS: Final = 8
COLD: Final = 300
WARM: Final = 2_000
"""Questions that are timed."""
DATASET: Final = "XSIM.BENCH"
OPEN: Final = ("anonymous_read=true", "requests_per_s=1000000", "burst=1000000", "drain_accept_s=0")


class Day(NamedTuple):
    """The journal: its folder, the times it has, how many segments and records."""

    folder: Path
    first: int
    last: int
    segments: int
    records: int


def recorded_day(folder: Path, records: int) -> Day:
    """A journal of a simulated day."""
    instruments = tuple(
        InstrumentParams(each, f"SIM{each}", tick=10_000_000, reference_price=64_000_000_000)
        for each in range(1, INSTRUMENTS + 1)
    )
    exchange = Exchange(ExchangeParams(instruments=instruments))
    mappings = {f"SIM{each}": each for each in range(1, INSTRUMENTS + 1)}
    metadata = make_metadata(DATASET, None, 1, mappings=mappings)
    engine = Engine()
    writer = JournalWriter.open(folder, "", DATASET, "0", JournalPolicy(segment_s=86_400.0))
    writer.begin(0, metadata, b"", b"")
    begun, segments, first, last = 0, 1, 0, 0
    for batch in exchange.run(records=records):
        if begun >= SEGMENT_BYTES:
            writer.rotate(writer.position, metadata, engine.snapshot(), b"")
            begun, segments = 0, segments + 1
        writer.append(batch, forms.count(batch))
        engine.apply(batch)
        begun += len(batch)
        first, last = first or forms.first_ts_recv(batch), forms.last_ts_recv(batch)
    written = writer.position
    writer.close()
    return Day(folder, first, last - 1, segments, written)


@contextmanager
def served(day: Day) -> Iterator[tuple[int, int]]:
    """The API over the journal, following a gateway that is not there: its port and process id."""
    program = str(Path(sys.executable).with_name("depthcast"))
    settings = [part for each in (*OPEN, f"journal={day.folder}") for part in ("--set", f"api.{each}")]
    where = ["--feed", f"127.0.0.1:1/{DATASET}", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [program, "api", *where, *settings],
        stderr=subprocess.PIPE,
        env={**os.environ, "DEPTHCAST_KEY": KEY},
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            said = json.loads(line)
            if said["event"] == "listening":
                break
        yield int(said["address"].rpartition(":")[2]), process.pid
    finally:
        process.terminate()
        process.wait(20)


def timed(port: int, day: Day, questions: int, seed: int) -> list[float]:
    """How long so many answers took, ms."""
    random = np.random.default_rng(seed)
    instants = random.integers(day.first, day.last, questions)
    instruments = random.integers(1, INSTRUMENTS + 1, questions)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    took = []
    for at, instrument in zip(instants.tolist(), instruments.tolist(), strict=True):
        path = f"/v1/books/SIM{instrument}?at={at}&depth=0&orders=true"
        begun = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        took.append((time.perf_counter() - begun) * 1e3)
        if answer.status not in (200, 404):
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
    return took


def memory_mib(pid: int) -> float:
    """The most that the process has had in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def report(day: Day, rows: list[tuple[str, list[float]]], memory: float) -> None:
    title = f"{day.records:,} records, {INSTRUMENTS} instruments, {day.segments} segments"
    table = Table(box=SIMPLE_HEAD, title=title)
    for heading in ("", "questions", "p50 ms", "p90 ms", "p99 ms", "max ms"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, took in rows:
        shares = np.percentile(took, (50, 90, 99, 100))
        table.add_row(name, f"{len(took):,}", *(f"{each:,.1f}" for each in shares))
    Console().print(table)
    print(f"peak memory of the API: {memory:,.0f} MiB")


def main(arguments: list[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="depthcast-bench-"))
    try:
        day = recorded_day(folder, QUICK if "--quick" in arguments else FULL)
        with served(day) as (port, pid):
            cold = timed(port, day, COLD, seed=1)
            warm = timed(port, day, WARM, seed=2)
            report(day, [("from the start", cold), ("after that", warm)], memory_mib(pid))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
