"""The API's figures as people read them: in the terminal, in README and docs.

``python -m benchmarks.serving.report`` writes the generated parts anew from docs/results/serve.json.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.report import Block, extremes, goal_table, grid, print_goals, spread
from benchmarks.results import Spread, number
from benchmarks.serving.results import KEPT, Reads, ServeResults, Streams, feed_kept, read
from benchmarks.streaming.results import PERCENTILES
from benchmarks.workloads import ROOT

BLOCK: Final = Block("serve figures")
SHORT: Final = ("p50", "p99", "max")


def terminal(results: ServeResults, console: Console) -> None:
    """Print everything."""
    columns = ("messages/s", *PERCENTILES, "dropped", "server", "generator")
    text = grid("change applied → received, ms", *columns)
    for each in results.streams:
        cells = [
            number(each.per_second.median),
            *(number(value.median) for value in each.milliseconds.values()),
        ]
        cells += [_dropped(each), f"{each.server_cpu.median:.0%}", f"{each.generator_cpu.median:.0%}"]
        text.add_row(title(each), *cells, style="" if is_floor(each) else "bold")
    console.print(text)
    text = grid("asked → answered, ms", "requests/s", "least – greatest", *PERCENTILES, "server", "generator")
    for row in results.reads:
        cells = [number(row.per_second.median), extremes(row.per_second)]
        cells += [number(value.median) for value in row.milliseconds.values()]
        cells += [f"{row.server_cpu.median:.0%}", f"{row.generator_cpu.median:.0%}"]
        text.add_row(title(row), *cells)
    console.print(text)
    print_goals(results.figures, console)
    for what, why in results.missing.items():
        console.print(f"left out: {what}: {why}", markup=False)


def is_floor(row: Streams) -> bool:
    """Whether this is the bare server."""
    return row.name.startswith("floor")


def title(row: Streams | Reads) -> str:
    """The row's name; of a case whose feed was too slow, that it was."""
    kept = feed_kept(row)
    return (
        row.name if kept is None or kept >= KEPT else f"{row.name} (INVALID: feed at {kept:.1%} of its rate)"
    )


def conditions(results: ServeResults) -> str:
    """One sentence: where, when, with what."""
    machine = results.machine
    alone = ", under chrt -f" if machine.scheduling == "real-time" else ""
    return (
        f"{results.date}, {machine.processor}, {machine.cores} cores, {machine.system}, {machine.python}; "
        f"feed, API (one worker) and load generator are processes of their own, on the same cores{alone}."
    )


def readme(results: ServeResults) -> str:
    """The README's part: the latencies, and what is read."""
    head = ("change applied → received by a client, ms", *SHORT, "messages/s", "dropped")
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for each in results.streams:
        cells = [number(each.milliseconds[share].median) for share in SHORT]
        lines.append(_row(title(each), *cells, number(each.per_second.median), _dropped(each)))
    for row in results.reads:
        cells = [number(row.milliseconds[share].median) for share in SHORT]
        lines.append(_row(title(row), *cells, f"{number(row.per_second.median)} requests/s", ""))
    return "\n".join([*lines, "", conditions(results)])


def page(results: ServeResults) -> str:
    """The benchmark page's part: everything."""
    listed = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    lines = [conditions(results), "", f"Versions: {listed}. The feed plays {results.input}.", ""]
    head = ("change applied → received, ms", *PERCENTILES, "messages/s", "dropped")
    lines += ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for each in results.streams:
        cells = [spread(value) for value in each.milliseconds.values()]
        lines.append(_row(title(each), *cells, spread(each.per_second), _dropped(each)))
    head = ("asked → answered, ms", *PERCENTILES, "requests/s")
    lines += ["", "| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for row in results.reads:
        cells = [spread(value) for value in row.milliseconds.values()]
        lines.append(_row(title(row), *cells, spread(row.per_second)))
    lines += ["", *_notes(results), "", *goal_table(results.figures), ""]
    lines += [f"Left out: {what}: {why}" for what, why in results.missing.items()]
    return "\n".join(lines).rstrip()


def _notes(results: ServeResults) -> Iterator[str]:
    """How long, what sizes, what was missed, whose CPU."""
    for each in results.streams:
        classes = f" {each.classes} classes," if each.classes > 1 else ""
        yield (
            f"* {each.name}: {each.rounds} × {each.seconds:g} s,{classes} {_feed(each)}; messages of "
            f"{number(each.message_bytes.median)} bytes; {_missed(each)}; {_cpus(each)}."
        )
    for row in results.reads:
        yield (
            f"* {row.name}: {row.rounds} × {row.seconds:g} s, {_feed(row)}; answers "
            f"of {row.body_bytes:,} bytes, {row.wrong} of them wrong; {_cpus(row)}."
        )


def _feed(row: Streams | Reads) -> str:
    """What was asked of the feed, and what share of it came."""
    if row.feed_reached is None:
        return "no feed"
    kept = row.feed_reached.times(1 / row.feed_rate)
    shares = f"{kept.median:.2%} ({kept.least:.2%} – {kept.greatest:.2%})"
    return f"feed of {row.feed_rate:,} records/s, kept to {shares}"


def _missed(row: Streams) -> str:
    """What of the things that a client can miss was counted."""
    lost = f"{row.closed:,} connections lost"
    if is_floor(row):
        return lost
    gaps = "sequences not looked into" if row.gaps is None else f"{row.gaps:,} holes in sequences"
    return f"{gaps}, {row.resyncs:,} resyncs, {row.errors:,} errors, {lost}"


def _dropped(row: Streams) -> str:
    return "–" if row.dropped is None else f"{row.dropped:,}"


def _cpus(row: Streams | Reads) -> str:
    return (
        f"CPU: the server {_percent(row.server_cpu)} of a core, the generator {_percent(row.generator_cpu)}"
    )


def _percent(value: Spread) -> str:
    return f"{value.median:.0%}"


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


PAGES: Final = {ROOT / "README.md": readme, ROOT / "docs" / "benchmarks.md": page}


def publish(results: ServeResults) -> list[Path]:
    """Write the generated parts; the files written."""
    for path, render in PAGES.items():
        BLOCK.write(path, render(results))
    return list(PAGES)


if __name__ == "__main__":
    found = read()
    if found is not None:
        publish(found)
