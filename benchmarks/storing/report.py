"""The store's figures as people read them: in the terminal and on the benchmarks page.

``python -m benchmarks.storing.report`` writes the generated part anew from docs/results/store.json.
"""

from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.report import Block, goal_table, grid, print_goals, spread
from benchmarks.results import number
from benchmarks.storing.results import StoreResults, read
from benchmarks.workloads import ROOT

BLOCK: Final = Block("store figures")


def terminal(results: StoreResults, console: Console) -> None:
    """Print everything."""
    text = grid(results.input, "rows/s", "server, µs a row", "client, µs a row")
    for way in results.ways:
        server = "" if way.server_us is None else spread(way.server_us)
        text.add_row(way.name, spread(way.per_second), server, spread(way.client_us))
    console.print(text)
    text = grid("memory of the process that compacts", "rows", "MiB at most")
    for each in results.memory:
        text.add_row(each.name, f"{each.rows:,}", number(each.peak_mib))
    console.print(text)
    print_goals(results.figures, console)


def page(results: StoreResults) -> str:
    """The benchmark page's part: everything."""
    machine = results.machine
    listed = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    conditions = (
        f"{results.date}, {machine.processor}, {machine.cores} cores, {machine.system}, {machine.python}; "
        f"medians of {results.rounds} interleaved rounds, server and client on the same cores, "
        f"{machine.scheduling} scheduling."
    )
    lines = [
        conditions,
        "",
        f"Versions: {listed}. Input: {results.input}.",
        "",
        "| | rows/s (least – greatest) | CPU of the server, µs a row | of the client, µs a row | rows |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for way in results.ways:
        server = "–" if way.server_us is None else spread(way.server_us)
        cells = (way.name, spread(way.per_second), server, spread(way.client_us), f"{way.rows:,}")
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| a process that compacts | rows | memory at most, MiB |", "| --- | ---: | ---: |"]
    lines += [f"| {each.name} | {each.rows:,} | {number(each.peak_mib)} |" for each in results.memory]
    return "\n".join([*lines, "", *goal_table(results.figures)]).rstrip()


PAGES: Final = {ROOT / "docs" / "benchmarks.md": page}


def publish(results: StoreResults) -> list[Path]:
    """Write the generated part; the files written."""
    for path, render in PAGES.items():
        BLOCK.write(path, render(results))
    return list(PAGES)


if __name__ == "__main__":
    found = read()
    if found is not None:
        publish(found)
