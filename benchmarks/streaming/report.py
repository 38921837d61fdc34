"""The stream's figures as people read them: in the terminal, in README and docs, as a chart.

``python -m benchmarks.streaming.report`` writes the generated parts anew from docs/results/stream.json.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.chart import Bar, Group, drawing
from benchmarks.report import Block, extremes, goal_table, grid, print_goals, spread
from benchmarks.results import Machine, Spread, number
from benchmarks.streaming.results import PERCENTILES, Latency, StreamResults, Workload, read
from benchmarks.workloads import ROOT

BLOCK: Final = Block("stream figures")
CHART: Final = ROOT / "docs" / "images" / "latency.svg"
SEED: Final = "one session, 500,000 records/s"
SEED_P99_MS: Final = 10
SAME: Final = {True: "yes", False: "NO", None: ""}


def terminal(results: StreamResults, console: Console) -> None:
    """Print everything."""
    for workload in results.workloads:
        columns = ("records/s, each session", "least – greatest", "of the floor", "same book")
        text = grid(workload.about, *columns)
        for row in workload.rows:
            share = "" if row.of_floor is None else f"{row.of_floor.median:.2f}"
            cells = [number(row.per_second.median), extremes(row.per_second), share, SAME[row.same_book]]
            text.add_row(row.name, *cells, style="bold" if row.name == "depthcast" else "")
        console.print(text)
    text = grid("until a record is in the receiver's engine, µs", *PERCENTILES, "pace", "feed CPU", "MiB")
    for each in results.latencies:
        cells = [number(value.median) for value in each.microseconds.values()]
        cells += [f"{each.paced.median:.2%}", f"{each.feed_cpu.median:.0%}", f"{each.feed_mib:.0f}"]
        text.add_row(title(each), *cells)
    console.print(text)
    print_goals(results.figures, console)
    for what, why in results.missing.items():
        console.print(f"left out: {what}: {why}", markup=False)
    console.print(summary(results), style="bold", highlight=False)


def title(latency: Latency) -> str:
    """What was paced, and how it was scheduled."""
    chrt = " (chrt)" if latency.scheduling == "real-time" else ""
    return f"{latency.name}{chrt}"


def summary(results: StreamResults) -> str:
    """One line: from the source to the book at 500,000 records a second, against the seed requirement."""
    found = results.latency(SEED, "ordinary")
    if found is None:
        return "source -> book at 500,000 records/s: not measured"
    values = "  ".join(f"{name} {milliseconds(value)}" for name, value in found.microseconds.items())
    reached = found.microseconds["p99"].median < SEED_P99_MS * 1e3
    goal = f"seed requirement: p99 < {SEED_P99_MS} ms: {'reached' if reached else 'NOT reached'}"
    return f"source -> book at 500,000 records/s: {values}  ({goal})"


def milliseconds(value: Spread) -> str:
    return f"{value.median / 1e3:.3g} ms"


def conditions(results: StreamResults) -> str:
    """One sentence: where, when, with what."""
    machine: Machine = results.machine
    return (
        f"{results.date}, {machine.processor}, {machine.cores} cores, {machine.system}, {machine.python}; "
        "feed and receivers are processes of their own, over loopback, on the same cores."
    )


def readme(results: StreamResults) -> str:
    """The README's part: ours beside the floor and the official client, and the latency."""
    columns = ("floor: blocking sockets, no feed", "depthcast", "depthcast, journal on", "official client")
    lines = [
        "| records/s to one session | " + " | ".join(columns) + " |",
        "| --- |" + " ---: |" * len(columns),
    ]
    lines += [f"| {each.about} | " + " | ".join(_cells(each, columns)) + " |" for each in results.workloads]
    lines += ["", *latency_table(results, names=(SEED, SEED.replace("500,000", "1,000,000")))]
    lines += ["", "`" + summary(results) + "`", "", conditions(results)]
    return "\n".join(lines)


def _cells(workload: Workload, columns: tuple[str, ...]) -> Iterator[str]:
    for name in columns:
        row = workload.row(name)
        if row is None:
            yield "–"
        elif row.of_floor is None:
            yield number(row.per_second.median)
        else:
            text = f"{number(row.per_second.median)} ({row.of_floor.median:.2g}×)"
            yield f"**{text}**" if name == "depthcast" else text


def latency_table(results: StreamResults, names: tuple[str, ...] | None = None) -> list[str]:
    """Percentiles of the paced runs with these names, of all where None."""
    lines = [
        "| due → in the receiver's engine, µs | " + " | ".join(PERCENTILES) + " | CPU of the feed |",
        "| --- |" + " ---: |" * (len(PERCENTILES) + 1),
    ]
    show = spread if names is None else _median
    lines += [_latency_row(each, show) for each in results.latencies if names is None or each.name in names]
    return lines


def _median(value: Spread) -> str:
    return number(value.median)


def _latency_row(latency: Latency, show: Callable[[Spread], str]) -> str:
    cells = [show(value) for value in latency.microseconds.values()]
    return f"| {title(latency)} | " + " | ".join(cells) + f" | {latency.feed_cpu.median:.0%} of a core |"


def page(results: StreamResults) -> str:
    """The benchmark page's part: everything."""
    lines = [conditions(results), ""]
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    lines += [f"Versions: {versions}.", ""]
    for workload in results.workloads:
        lines += [
            f"**{workload.about}** ({workload.rounds} rounds)",
            "",
            "| | records/s, each session (least – greatest) | of the floor | records, each | same book |",
            "| --- | ---: | ---: | ---: | --- |",
        ]
        for row in workload.rows:
            share = "" if row.of_floor is None else f"{row.of_floor.median:.2g}×"
            same = {True: "yes", False: "no", None: ""}[row.same_book]
            lines.append(f"| {row.name} | {spread(row.per_second)} | {share} | {row.records:,} | {same} |")
        lines.append("")
    lines += [*latency_table(results), ""]
    for each in results.latencies:
        lines.append(
            f"* {title(each)}: {each.runs} × {each.seconds:g} s; pace kept to {spread_percent(each.paced)}; "
            f"the feed took at most {each.feed_mib:.0f} MiB."
        )
    lines += ["", *goal_table(results.figures), ""]
    lines += [f"Left out: {what}: {why}" for what, why in results.missing.items()]
    return "\n".join(lines).rstrip()


def spread_percent(value: Spread) -> str:
    return f"{value.median:.2%} ({value.least:.2%} – {value.greatest:.2%})"


def chart(results: StreamResults) -> str:
    """An SVG of the percentiles from due to used, a group of bars a paced run of one session."""
    groups = []
    for each in results.latencies:
        if each.since == "due" and each.sessions == 1:
            apart = each.scheduling == "real-time"
            bars = [
                Bar(name, value, "peer" if apart else "ours") for name, value in each.microseconds.items()
            ]
            groups.append(Group(f"{title(each)}: µs from due to in the engine, logarithmic scale", bars))
    says = "Microseconds from when a record was due to when it was in the receiver's engine, by percentile"
    return drawing(groups, says, "µs")


PAGES: Final = {ROOT / "README.md": readme, ROOT / "docs" / "benchmarks.md": page}


def publish(results: StreamResults) -> list[Path]:
    """Write the generated parts and the chart; the files written."""
    for path, render in PAGES.items():
        BLOCK.write(path, render(results))
    CHART.write_text(chart(results), encoding="utf-8")
    return [*PAGES, CHART]


if __name__ == "__main__":
    found = read()
    if found is not None:
        publish(found)
