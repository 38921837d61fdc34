"""The API end to end: ``python -m benchmarks.serve [--quick] [--write]``.

A feed, ``depthcast api`` on one worker and a load generator, each a process of its own, share the machine's
cores. Beside it, in the same rounds, the floor: a bare application on uvicorn that sends messages of the same
size to as many clients, with no feed and no books. With ``--write`` the results go to
docs/results/serve.json, from there into README and docs. ``--quick`` runs every case once, shortly, and
writes nothing; ``--viewers`` runs only what a page's viewers cost.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console

from benchmarks.measure import spread_of
from benchmarks.report import print_goals
from benchmarks.results import Figure, Spread, this_machine, versions
from benchmarks.serving import report
from benchmarks.serving.cases import (
    READS,
    STREAMS,
    VIEWERS,
    ReadCase,
    ReadRun,
    StreamCase,
    StreamRun,
    run_floor,
    run_read,
    run_stream,
)
from benchmarks.serving.inputs import several
from benchmarks.serving.results import KEPT, PACKAGES, Reads, ServeResults, Streams, write
from benchmarks.streaming.inputs import Input, small_input
from benchmarks.streaming.results import PERCENTILES

RECORDS = 4_000_000
"""Of the file that the feed plays again and again."""
SEVERAL = 1_000_000
"""Of the file of several instruments."""
ROUNDS = 3
SECONDS = 3.0
QUICK_SECONDS = 2.0

Runs = dict[str, list[StreamRun]]
ReadRuns = dict[str, list[ReadRun]]
Sources = dict[int, Input]
"""By how many instruments they have."""
Say = Callable[[str], None]


def main() -> None:
    """Measure, print, and write if asked to."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    quick = "--quick" in sys.argv[1:]

    def say(what: str) -> None:
        console.print(f"[dim]{what}[/dim]", highlight=False)

    source = small_input(RECORDS)
    if "--viewers" in sys.argv[1:]:
        only_viewers(source, say, console)
        return
    missing = {}
    if source.name != "clx5":
        missing["clx5"] = "the real sample is absent (DEPTHCAST_DATA); a simulated file stands in"
    sources = {1: source, 4: several(source, SEVERAL)}
    rounds, seconds = (1, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    streamed: Runs = {}
    read: ReadRuns = {}
    for turn in range(rounds):
        take_round(f"round {turn + 1} of {rounds}", sources, seconds, streamed, read, say)
    results = ServeResults(
        date=datetime.now(UTC).date().isoformat(),
        machine=this_machine(),
        versions=versions(PACKAGES),
        quick=quick,
        input=source.about,
        streams=[row for case in (*STREAMS, *VIEWERS) for row in stream_rows(case, streamed, seconds)],
        reads=[read_row(case, read[case.name], seconds) for case in READS],
        figures=figures(streamed, read),
        missing=missing,
    )
    if "--write" in sys.argv[1:] and not quick:
        write(results)
        for path in report.publish(results):
            say(f"wrote {path.name}")
    report.terminal(results, console)


def only_viewers(source: Input, say: Say, console: Console) -> None:
    """Measure what a page's viewer costs, and nothing else; print it."""
    streamed: Runs = {}
    for turn in range(ROUNDS):
        for case in VIEWERS:
            say(f"round {turn + 1} of {ROUNDS}: {case.name}")
            run = run_stream(case, source, SECONDS)
            streamed.setdefault(case.name, []).append(run)
            rate = run.streamed.frames / run.streamed.seconds
            late = run.streamed.milliseconds["p99"]
            say(f"  {rate:,.0f} books/s, server {run.seen.cpu:.0%} of a core, p99 {late:.1f} ms")
    print_goals(viewer_figures(streamed), console)


def take_round(turn: str, sources: Sources, seconds: float, streamed: Runs, read: ReadRuns, say: Say) -> None:
    """Run every case once; a floor right after the case it is the floor of, with messages of its size."""
    for case in (*STREAMS, *VIEWERS):
        say(f"{turn}: {case.name}")
        run = run_stream(case, sources[case.instruments], seconds)
        streamed.setdefault(case.name, []).append(run)
        if case.floor:
            say(f"{turn}: {case.floor}")
            size = round(run.streamed.bytes / max(run.streamed.frames, 1))
            streamed.setdefault(case.floor, []).append(run_floor(case, size, seconds))
    for each in READS:
        say(f"{turn}: {each.name}")
        read.setdefault(each.name, []).append(run_read(each, sources[1], seconds))


def stream_rows(case: StreamCase, streamed: Runs, seconds: float) -> list[Streams]:
    """A case's row, and its floor's."""
    names = [(case.name, case.feed_rate)] + ([(case.floor, 0)] if case.floor else [])
    return [stream_row(case, name, feed_rate, streamed[name], seconds) for name, feed_rate in names]


def stream_row(case: StreamCase, name: str, feed_rate: int, runs: list[StreamRun], seconds: float) -> Streams:
    """What the rounds gave."""
    gaps = [run.streamed.gaps for run in runs]
    return Streams(
        name=name,
        clients=case.clients,
        classes=case.classes if feed_rate else 0,
        rate=case.rate,
        feed_rate=feed_rate,
        feed_reached=spread_of([run.seen.feed_rate or 0.0 for run in runs]) if feed_rate else None,
        seconds=seconds,
        rounds=len(runs),
        milliseconds={
            share: spread_of([run.streamed.milliseconds[share] for run in runs]) for share in PERCENTILES
        },
        per_second=spread_of([run.streamed.frames / run.streamed.seconds for run in runs]),
        message_bytes=spread_of([run.streamed.bytes / max(run.streamed.frames, 1) for run in runs]),
        gaps=None if None in gaps else sum(each or 0 for each in gaps),
        resyncs=sum(run.streamed.others.get("resync", 0) for run in runs),
        errors=sum(run.streamed.others.get("error", 0) for run in runs),
        closed=sum(run.streamed.closed for run in runs),
        server_cpu=spread_of([run.seen.cpu for run in runs]),
        generator_cpu=spread_of([run.streamed.cpu for run in runs]),
    )


def read_row(case: ReadCase, runs: list[ReadRun], seconds: float) -> Reads:
    """What the rounds gave."""
    return Reads(
        name=case.name,
        connections=case.connections,
        feed_rate=case.feed_rate,
        feed_reached=spread_of([run.seen.feed_rate or 0.0 for run in runs]),
        seconds=seconds,
        rounds=len(runs),
        per_second=spread_of([run.read.requests / run.read.seconds for run in runs]),
        milliseconds={
            share: spread_of([run.read.milliseconds[share] for run in runs]) for share in PERCENTILES
        },
        body_bytes=max(run.read.body_bytes for run in runs),
        wrong=sum(run.read.wrong for run in runs),
        server_cpu=spread_of([run.seen.cpu for run in runs]),
        generator_cpu=spread_of([run.read.cpu for run in runs]),
    )


def figures(streamed: Runs, read: ReadRuns) -> list[Figure]:
    """What the API is held to, and what must hold for the rest to mean anything."""
    thousand, busy, mixed, five_thousand, hundred, most = STREAMS

    def p99(name: str) -> Spread:
        return spread_of([run.streamed.milliseconds["p99"] for run in streamed[name]])

    def of_floor(case: StreamCase, value: Callable[[StreamRun], float]) -> Spread:
        pairs = zip(streamed[case.name], streamed[case.floor], strict=True)
        return spread_of([value(run) / value(floor) for run, floor in pairs])

    found = [
        Figure(
            f"{thousand.name}: p99",
            "times the floor's",
            of_floor(thousand, lambda run: run.streamed.milliseconds["p99"]),
            1.5,
            "lower",
        ),
        Figure(f"{busy.name}: p99", "ms", p99(busy.name), 75.0, "lower"),
        Figure(f"{mixed.name}: p99", "ms", p99(mixed.name), 75.0, "lower"),
        Figure(f"{five_thousand.name}: pace", "%", pace(five_thousand, streamed), 99.0, "higher"),
        Figure(f"{hundred.name}: p99", "ms", p99(hundred.name), 25.0, "lower"),
        Figure(
            most.name,
            "times the floor's messages/s",
            of_floor(most, lambda run: run.streamed.frames / run.streamed.seconds),
            0.8,
            "higher",
        ),
        Figure(
            "dropped, up to 5,000 clients, all rounds",
            "messages",
            spread_of([sum(dropped(run) for case in STREAMS[:-1] for run in streamed[case.name])]),
            0.0,
            "lower",
        ),
    ]
    found += viewer_figures(streamed)
    found += read_figures(read)
    kib = spread_of([run.client_kib for run in streamed[five_thousand.name] if run.client_kib is not None])
    found.append(Figure("memory a client, of 5,000", "KiB", kib, 40.0, "lower"))
    starts = [run.ready_s for case in STREAMS for run in streamed[case.name] if run.ready_s is not None]
    found.append(Figure("from start to ready", "s", spread_of(starts), 2.0, "lower"))
    kept = spread_of([slowest_feed(streamed, read) * 100])
    found.append(Figure("what the slowest feed kept of its rate", "%", kept, KEPT * 100, "higher"))
    return found


def viewer_figures(streamed: Runs) -> list[Figure]:
    """What a page's viewer costs the server, in CPU a message, beside a WebSocket of the same."""
    program, page = VIEWERS
    if page.name not in streamed:
        return []
    costs = [[run.seen.cpu / run.streamed.frames for run in streamed[case.name]] for case in (page, program)]
    ratios = spread_of([viewer / other for viewer, other in zip(*costs, strict=True)])
    return [Figure(page.name, "times a WebSocket's CPU", ratios, 2.0, "lower")]


def read_figures(read: ReadRuns) -> list[Figure]:
    """What it is held to by readers."""
    found = []
    for case in READS:
        runs = read[case.name]
        rates = spread_of([run.read.requests / run.read.seconds for run in runs])
        found.append(Figure(case.name, "requests/s", rates, 3_000.0, "higher"))
        late = spread_of([run.read.milliseconds["p99"] for run in runs])
        found.append(Figure(f"{case.name}: p99", "ms", late, 20.0, "lower"))
    return found


def dropped(run: StreamRun) -> int:
    """Whatever a client missed: holes in a sequence, resyncs, errors, lost connections."""
    others = run.streamed.others
    return (run.streamed.gaps or 0) + run.streamed.closed + others.get("resync", 0) + others.get("error", 0)


def slowest_feed(streamed: Runs, read: ReadRuns) -> float:
    """The smallest share of its rate that a feed reached, of all cases and rounds."""
    shares = [(run.seen.feed_rate or 0.0) / case.feed_rate for case in STREAMS for run in streamed[case.name]]
    shares += [(run.seen.feed_rate or 0.0) / case.feed_rate for case in READS for run in read[case.name]]
    return min(shares)


def pace(case: StreamCase, streamed: Runs) -> Spread:
    """The slowest client's messages, in % of what its rate allows."""
    return spread_of(
        [run.streamed.least / (case.rate * run.streamed.seconds) * 100 for run in streamed[case.name]]
    )


if __name__ == "__main__":
    main()
