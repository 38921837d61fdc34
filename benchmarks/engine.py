"""The engine beside its peers: ``python -m benchmarks.engine [--write]``.

Everyone keeps the books of the same records, in rounds of turns; each is checked to have ended in the
engine's book. With ``--write`` the results go to docs/results/engine.json, from there into README and docs.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console

from benchmarks import calls, report, whole_file
from benchmarks.measure import ROUNDS, Task, interleave, per_record
from benchmarks.peers import Levels, Peer, available
from benchmarks.results import Figure, Results, Row, Spread, Table, this_machine, versions, write
from benchmarks.workloads import Workload, clx5, deep, simulated

WHOLE_FILE_ROUNDS = 5


def table_of(workload: Workload, peers: list[Peer], say: Callable[[str], None]) -> Table:
    """Time all peers on one workload."""
    tasks: dict[str, Task] = {}
    parts: dict[str, tuple[Peer, Workload, bool | None]] = {}
    for peer in peers:
        if len(workload.setup) > peer.max_setup:
            continue
        say(f"{workload.name}: {peer.name}")
        part = workload.first(peer.max_records)
        fresh = peer.load(part)
        tasks[peer.name] = per_record(fresh, len(part.timed))
        book = fresh()
        book.run()
        parts[peer.name] = (peer, part, same(book.levels(), part))
    say(f"{workload.name}: {ROUNDS} rounds")
    found = interleave(tasks)
    rows = [
        Row(name, peer.about, len(part.timed), found[name], equal)
        for name, (peer, part, equal) in parts.items()
    ]
    return Table(workload.name, workload.about, rows)


def same(levels: tuple[Levels, Levels] | None, part: Workload) -> bool | None:
    """Whether levels are those of our engine after the same records."""
    if levels is None:
        return None
    engine = calls.filled(part)
    (key,) = engine.books()
    depth = engine.depth(key.instrument_id, 0)
    ours = tuple([(level.price, level.size, level.count) for level in side] for side in depth)
    return levels == ours


def ratio(table: Table, name: str) -> Spread | None:
    """How many times as long as ours a peer takes, median by median."""
    peer, ours = table.row(name), table.row(report.OURS)
    if peer is None or ours is None:
        return None
    least, greatest = peer.ns.least / ours.ns.greatest, peer.ns.greatest / ours.ns.least
    return Spread(peer.ns.median / ours.ns.median, least, greatest)


def peer_figures(small: Table, large: Table) -> list[Figure]:
    """What the tables are held to."""
    figures = []
    for table, goal in ((small, 25.0), (large, 67.0)):
        row = table.row(report.OURS)
        if row is not None:
            figures.append(Figure(f"{table.name}", "ns a record", row.ns, goal, "lower"))
    for name, goal in (("nautilus_trader, batches", 5.5), ("documented Python book", 40.0)):
        for table in (small, large):
            value = ratio(table, name)
            if value is not None:
                figures.append(Figure(f"{table.name} against {name}", "times", value, goal, "higher"))
    return figures


def call_figures(small: Workload, large: Workload) -> list[Figure]:
    """What single calls are held to."""
    found = interleave(
        {
            "one": calls.one_record(small),
            "depth": calls.ten_levels(small),
            "snapshot": calls.snapshot(large),
            "mbp-10": calls.mbp_10(small),
        }
    )
    return [
        Figure("a call of one record", "ns", found["one"], 200.0, "lower"),
        Figure("depth(10)", "ns", found["depth"], 1_000.0, "lower"),
        Figure("snapshot", "orders/s", found["snapshot"], 5e6, "higher"),
        Figure("derivation of mbp-10", "records/s", found["mbp-10"], 5e6, "higher"),
    ]


def memory_figures() -> list[Figure]:
    """What 10 M live orders take, in a process of their own."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory"], check=True, capture_output=True, text=True
    )
    found = json.loads(run.stdout)
    live = f"{found['live_orders'] / 1e6:.0f} M live orders"
    size, churn = found["resident_bytes_per_order"], found["churn_ns"]
    return [
        Figure(f"memory, {live}", "bytes an order", Spread(size, size, size), 70.0, "lower"),
        Figure(f"cancel and add, {live}", "ns a record", Spread(churn, churn, churn), None, "lower"),
    ]


def whole_file_figures(workload: Workload) -> list[Figure]:
    """What the command is held to."""
    with whole_file.big_file(workload) as path:
        found = interleave({"reconstruct": whole_file.reconstruct(path)}, WHOLE_FILE_ROUNDS)
    return [Figure("depthcast reconstruct, 10 M records", "records/s", found["reconstruct"], 8e6, "higher")]


def main() -> None:
    """Measure, print, and write if asked to."""
    console = Console(width=None if sys.stdout.isatty() else 120)

    def say(what: str) -> None:
        console.print(f"[dim]{what}[/dim]", highlight=False)

    peers, missing = available()
    small = clx5()
    if small is None:
        missing["clx5"] = "the real sample is absent (DEPTHCAST_DATA); a simulated file stands in"
        small = simulated()
    large = deep()
    tables = [table_of(workload, peers, say) for workload in (small, large)]
    say("single calls")
    figures = peer_figures(*tables) + call_figures(small, large)
    say("10 M live orders")
    figures += memory_figures()
    say("the command on 10 M records")
    figures += whole_file_figures(small)
    results = Results(
        date=datetime.now(UTC).date().isoformat(),
        machine=this_machine(),
        versions=versions(),
        rounds=ROUNDS,
        tables=tables,
        figures=figures,
        missing=missing,
    )
    report.terminal(results, console)
    if "--write" in sys.argv[1:]:
        write(results)
        for path in report.publish(results):
            say(f"wrote {path.name}")


if __name__ == "__main__":
    main()
