"""Compaction into PostgreSQL: ``python -m benchmarks.store [--quick] [--write]``.

A simulated market becomes the segments of a journal; they are compacted into an embedded server, as
``depthcast compact`` does it. Beside it, in the same rounds and into the same tables with their indexes: a
bare COPY of the same rows, and rows as Python objects by ``copy_records_to_table`` and ``executemany``. Then
processes of their own compact segments that want memory. With ``--write`` the results go to
docs/results/store.json, from there into docs. ``--quick`` takes one short round and writes nothing.
"""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.measure import spread_of
from benchmarks.results import Figure, Spread, this_machine, versions
from benchmarks.storing import report
from benchmarks.storing.cases import BY_MANY, COMPACT, COPY, MANY, Run, take_round
from benchmarks.storing.inputs import busy_market, huge_head, many_books, segments_in
from benchmarks.storing.results import PACKAGES, Memory, StoreResults, Way, write
from benchmarks.workloads import ROOT
from depthcast.store.connect import connected
from depthcast.store.embedded import EmbeddedPostgres
from depthcast.store.migrate import migrate
from depthcast.store.worker import clear

RECORDS: Final = 2_000_000
SEGMENT: Final = 400_000
ROUNDS: Final = 5
FULL_SEGMENT: Final = 1_190_000
"""Records that are 64 MiB."""
MILLION: Final = 1_000_000
BOOKS: Final = 20_000
QUICKLY: Final = 5
"""The fraction of it that ``--quick`` does."""
LIMIT_MIB: Final = 512

Say = Callable[[str], None]


def main() -> None:
    """Measure, print, and write if asked to."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    quick = "--quick" in sys.argv[1:]
    part = QUICKLY if quick else 1
    folder = Path(tempfile.mkdtemp(prefix="depthcast-bench-"))
    folder.chmod(0o755)  # as root the server runs as somebody else

    def say(what: str) -> None:
        console.print(f"[dim]{what}[/dim]", highlight=False)

    try:
        say("making the segments")
        busy_market(folder / "journal", RECORDS // part, SEGMENT // part)
        with EmbeddedPostgres(folder / "database") as server:
            rounds = asyncio.run(measure(server.url, folder / "journal", 1 if quick else ROUNDS, say))
            memory = memory_of(server.url, folder, part, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    results = StoreResults(
        date=datetime.now(UTC).date().isoformat(),
        machine=this_machine(),
        versions=versions(PACKAGES),
        quick=quick,
        rounds=len(rounds),
        input=f"{RECORDS // part:,} records of eight simulated instruments in {RECORDS // SEGMENT} segments",
        ways=[way(number, rounds) for number in range(len(rounds[0]))],
        memory=memory,
        figures=figures(rounds, memory),
    )
    if "--write" in sys.argv[1:] and not quick:
        write(results)
        for path in report.publish(results):
            say(f"wrote {path.name}")
    report.terminal(results, console)


async def measure(url: str, journal: Path, number: int, say: Say) -> list[list[Run]]:
    """Interleaved rounds, so that a busy machine is busy for all."""
    segments = segments_in(journal)
    rounds = []
    async with connected(url) as connection:
        await migrate(connection)
        for turn in range(number):
            say(f"round {turn + 1} of {number}")
            rounds.append(await take_round(connection, segments))
        await clear(connection, [])
    return rounds


def memory_of(url: str, folder: Path, part: int, say: Say) -> list[Memory]:
    """What processes that compact take at most, each with a journal of its own."""
    cases: list[tuple[str, Callable[[Path], None]]] = [
        ("a segment of 64 MiB of records", lambda to: busy_market(to, FULL_SEGMENT // part, FULL_SEGMENT)),
        ("a head of 1,000,000 orders", lambda to: huge_head(to, MILLION // part, MILLION // 10 // part)),
        ("a segment of 20,000 books' levels", lambda to: many_books(to, MILLION // part, BOOKS // part)),
    ]
    found = []
    for number, (name, make) in enumerate(cases):
        say(f"memory: {name}")
        journal = folder / f"memory-{number}"
        make(journal)
        asyncio.run(empty(url))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.storing.worker", str(journal)],
            env={**os.environ, "DEPTHCAST_DATABASE_URL": url},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        rows, peak = done.stdout.split()
        found.append(Memory(name=name, rows=int(rows), peak_mib=float(peak)))
        shutil.rmtree(journal)
    return found


async def empty(url: str) -> None:
    """Take out all rows."""
    async with connected(url) as connection:
        await clear(connection, [])


def way(number: int, rounds: list[list[Run]]) -> Way:
    """What the rounds gave of one way."""
    runs = [each[number] for each in rounds]
    server = [run.server_s / run.rows * 1e6 for run in runs if run.server_s is not None]
    return Way(
        name=runs[0].name,
        rows=round(statistics.median(run.rows for run in runs)),
        per_second=spread_of([run.rows / run.seconds for run in runs]),
        server_us=spread_of(server) if server else None,
        client_us=spread_of([run.client_s / run.rows * 1e6 for run in runs]),
    )


def figures(rounds: list[list[Run]], memory: list[Memory]) -> list[Figure]:
    """What compaction is held to; ratios are of runs of the same round."""

    def runs(name: str) -> list[Run]:
        return [run for each in rounds for run in each if run.name == name]

    def ratio(peer: str, value: Callable[[Run], float]) -> Spread:
        pairs = zip(runs(COMPACT), runs(peer), strict=True)
        return spread_of([value(ours) / value(theirs) for ours, theirs in pairs])

    def per_second(run: Run) -> float:
        return run.rows / run.seconds

    def server_us(run: Run) -> float:
        return (run.server_s or 0.0) / run.rows

    speed = spread_of([per_second(run) for run in runs(COMPACT)])
    return [
        Figure("compaction", "rows/s", speed, 200_000, "higher"),
        Figure(
            "compaction, times a bare COPY of the same rows", "rows/s", ratio(COPY, per_second), 0.7, "higher"
        ),
        Figure(
            "compaction, times the same by executemany", "rows/s", ratio(BY_MANY, per_second), 5, "higher"
        ),
        Figure(
            "compaction, times executemany of rows made beforehand",
            "rows/s",
            ratio(MANY, per_second),
            None,
            "higher",
        ),
        Figure("the server's CPU a row, times a bare COPY's", "", ratio(COPY, server_us), None, "lower"),
        *(
            Figure(f"memory: {each.name}", "MiB", spread_of([each.peak_mib]), LIMIT_MIB, "lower")
            for each in memory
        ),
    ]


if __name__ == "__main__":
    main()
