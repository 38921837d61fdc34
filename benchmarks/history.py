"""Pages of history out of a day: ``python -m benchmarks.history [--quick]``.

A day of one row a second, of levels and of best bids and offers, is put into an embedded server; then the
API, a process of its own, is asked over HTTP for pages from all over the day, one question at a time. Beside
it, in the same run: rows by asyncpg alone, as the reader.
"""

import asyncio
import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from depthcast.store.connect import connected
from depthcast.store.embedded import EmbeddedPostgres
from depthcast.store.history.fields import Kind
from depthcast.store.history.query import Query, fetch
from depthcast.store.migrate import migrate

DAY_S: Final = 86_400
QUICK_S: Final = 7_200
BEGIN: Final = 1_758_672_000
"""Midnight of 24 September 2025, UTC; seconds."""
ROUNDS: Final = 300
QUICK_ROUNDS: Final = 60
DATASET: Final = "XSIM.BENCH"
START_S: Final = 30.0

_DEPTH: Final = """
INSERT INTO depthcast.depth
  (ts, position, instrument_id, ts_event, ts_recv, sequence, bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct,
   bid_sz_10, ask_sz_10, epoch, publisher_id, feed_id, flags, bid_pxs, ask_pxs, bid_szs, ask_szs, bid_cts,
   ask_cts)
SELECT to_timestamp($2::bigint + s + 1), s, 1, ($2::bigint + s) * 1000000000,
  ($2::bigint + s) * 1000000000, s,
  px - 10000000, px, 5, 7, 2, 3, 50, 70, 1, 1, $1, 128,
  ARRAY(SELECT px - n * 10000000 FROM generate_series(1, 10) n),
  ARRAY(SELECT px + n * 10000000 FROM generate_series(0, 9) n), array_fill(5::bigint, ARRAY[10]),
  array_fill(7::bigint, ARRAY[10]), array_fill(2::bigint, ARRAY[10]), array_fill(3::bigint, ARRAY[10])
FROM generate_series(0, $3::bigint - 1) s, LATERAL (SELECT 64000000000 + s % 977 * 10000000 AS px) p
"""
_BBO: Final = """
INSERT INTO depthcast.bbo_1s
  (ts, instrument_id, position, sequence, bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct, updates,
   publisher_id, feed_id, flags)
SELECT to_timestamp($2::bigint + s + 1), 1, s, s, 64000000000 + s % 977 * 10000000,
  64010000000 + s % 977 * 10000000, 5, 7, 2, 3, 9, 1, $1, 128
FROM generate_series(0, $3::bigint - 1) s
"""
_LEDGER: Final = """
INSERT INTO depthcast.segments
  (feed_id, epoch, position, records, until, first_ts, last_ts, stored_bytes, sha256, key, trades, bbo,
   depth, version)
SELECT $1, 1, s * 60, 60, s * 60 + 60, to_timestamp($2::bigint + s * 60),
  to_timestamp($2::bigint + s * 60 + 60), 1, '', s::text, 0, 0, 60, ''
FROM generate_series(0, $3::bigint / 60 - 1) s
"""


class Case(NamedTuple):
    """A question: its name, its path, the seconds that it spans, its parameters."""

    name: str
    path: str
    span_s: int
    parameters: dict[str, Any]


CASES: Final = (
    Case("depth, 100 rows of 1 s", "depth", 100, {"limit": 100}),
    Case("depth, 1,000 rows of 1 s", "depth", 1_000, {"limit": 1_000}),
    Case("depth, 60 rows of 1 m", "depth", 3_600, {"step": "1m", "limit": 60}),
    Case("bbo, 1,000 rows of 1 s", "bbo", 1_000, {"step": "1s", "limit": 1_000}),
    Case("bbo, 1,000 rows of 1 s, CSV", "bbo", 1_000, {"step": "1s", "limit": 1_000, "format": "csv"}),
    Case("bbo, the newest row", "bbo", 0, {"step": "1s", "limit": 1, "order": "desc"}),
)


async def fill(url: str, seconds: int) -> None:
    """The day's rows, as compaction leaves them."""
    async with connected(url) as connection:
        await migrate(connection)
        await connection.execute(
            "SELECT depthcast.make_partitions(ARRAY['2025-09-24', '2025-09-25']::date[])"
        )
        feed = await connection.fetchval(
            "INSERT INTO depthcast.feeds (dataset, shard) VALUES ($1, '0') RETURNING feed_id", DATASET
        )
        await connection.execute(
            "INSERT INTO depthcast.instruments (instrument_id, feed_id, ts_recv, ts_event, raw_symbol) "
            "VALUES (1, $1, -1, -1, 'SIM1')",
            feed,
        )
        for statement in (_DEPTH, _BBO, _LEDGER):
            await connection.execute(statement, feed, BEGIN, seconds)
        await connection.execute("ANALYZE")


@contextlib.contextmanager
def api_process(url: str) -> Iterator[tuple[str, int]]:
    """The API's address, and its process. It follows no feed: history needs none."""
    given = ["--feed", "127.0.0.1:9/XSIM.BENCH", "--listen", "127.0.0.1:0", "--key", "x" * 32]
    limits = ["--set", "api.anonymous_read=true", "--set", "api.requests_per_s=1000000"]
    settings = [*limits, "--set", "api.burst=1000000", "--set", "exports.store="]
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("depthcast")), "api", *given, *settings],
        stderr=subprocess.PIPE,
        env={**os.environ, "DEPTHCAST_DATABASE_URL": url},
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            told = json.loads(line) if line.startswith(b"{") else {}
            if told.get("event") == "listening":
                yield f"http://{told['address']}", process.pid
                return
        raise RuntimeError("the API did not start")
    finally:
        process.kill()
        process.communicate()


async def timed(ask: Callable[[int], Awaitable[None]], seconds: int, span_s: int, rounds: int) -> list[float]:
    """How long each question took, ms; begun at random places of the day."""
    draw = random.Random(1)
    found = []
    for number in range(rounds + 10):
        begin = BEGIN + draw.randrange(max(1, seconds - span_s))
        begun = time.perf_counter()
        await ask(begin)
        if number >= 10:
            found.append((time.perf_counter() - begun) * 1e3)
    return found


def cpu_ms(pid: int) -> float:
    """What a process has had of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) * 1e3 / os.sysconf("SC_CLK_TCK")


async def measure(
    url: str, base: str, pid: int, seconds: int, rounds: int
) -> list[tuple[str, list[float], float | None]]:
    """Each case with its times (ms), and what the API had of the processors for each question (ms)."""
    results: list[tuple[str, list[float], float | None]] = []
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        deadline = time.monotonic() + START_S
        while (await client.get("/v1/history")).status_code != httpx.codes.OK:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        for case in CASES:

            async def ask(begin: int, case: Case = case) -> None:
                given = {"instrument": "SIM1", **case.parameters}
                if case.span_s:
                    given["start"] = begin * 10**9
                answer = await client.get(f"/v1/history/{case.path}", params=given)
                assert answer.status_code == httpx.codes.OK, answer.text
                assert len(answer.content) > 200

            before = cpu_ms(pid)
            times = await timed(ask, seconds, case.span_s, rounds)
            results.append((case.name, times, (cpu_ms(pid) - before) / (rounds + 10)))
    async with connected(url) as connection:
        await connection.execute("SET ROLE depthcast_reader")

        async def bare(begin: int) -> None:
            query = Query(
                kind=Kind.DEPTH,
                dataset=DATASET,
                instrument_id=1,
                publisher_id=None,
                start_ns=begin * 10**9,
                end_ns=(BEGIN + seconds + 1) * 10**9,
                step_ms=1_000,
            )
            assert len(await fetch(connection, query, None, 900)) == 900

        times = await timed(bare, seconds, 1_000, rounds)
        results.append(("asyncpg alone: 900 rows of depth", times, None))
    return results


def report(seconds: int, results: list[tuple[str, list[float], float | None]]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=f"{seconds:,} seconds of one instrument, ms")
    for heading in ("", "p50", "p90", "p99", "longest", "CPU of the API"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, times, cpu in results:
        cuts = statistics.quantiles(times, n=100)
        told = [f"{each:.1f}" for each in (cuts[49], cuts[89], cuts[98], max(times))]
        table.add_row(name, *told, "" if cpu is None else f"{cpu:.1f}")
    return table


def main(arguments: list[str]) -> None:
    quick = "--quick" in arguments
    seconds, rounds = (QUICK_S, QUICK_ROUNDS) if quick else (DAY_S, ROUNDS)
    folder = Path(tempfile.mkdtemp(prefix="depthcast-bench-"))
    folder.chmod(0o755)  # as root the server runs as somebody else
    try:
        with EmbeddedPostgres(folder / "database") as server:
            asyncio.run(fill(server.url, seconds))
            with api_process(server.url) as (base, pid):
                results = asyncio.run(measure(server.url, base, pid, seconds, rounds))
        Console().print(report(seconds, results))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
