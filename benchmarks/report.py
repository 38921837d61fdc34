"""The figures as people read them: in the terminal, in the README and on the benchmarks page.

``python -m benchmarks.report`` writes the generated parts of both pages anew from docs/results/engine.json.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as TextTable

from benchmarks.chart import chart
from benchmarks.results import Figure, Results, Spread, Table, number, read
from benchmarks.workloads import ROOT

OURS: Final = "depthcast"
STATES: Final = {True: "reached", False: "not reached", None: ""}
PEERS: Final = ("nautilus_trader, batches", "numba book", "documented Python book")


@dataclass(frozen=True, slots=True)
class Block:
    """A generated part of a page, between two lines that name it."""

    name: str

    @property
    def begin(self) -> str:
        return f"<!-- {self.name}: begin (written by make bench) -->"

    @property
    def end(self) -> str:
        return f"<!-- {self.name}: end -->"

    def read(self, path: Path) -> str:
        """What is written there.

        Raises:
            ValueError: the page has no place for it.
        """
        return self._split(path)[1].strip("\n")

    def write(self, path: Path, text: str) -> None:
        """Write it anew.

        Raises:
            ValueError: the page has no place for it.
        """
        head, _, tail = self._split(path)
        path.write_text(f"{head}{self.begin}\n\n{text}\n\n{self.end}{tail}", encoding="utf-8")

    def _split(self, path: Path) -> tuple[str, str, str]:
        head, begin, rest = path.read_text(encoding="utf-8").partition(self.begin)
        text, end, tail = rest.partition(self.end)
        if not begin or not end:
            raise ValueError(f"{path.name}: no lines {self.begin!r} and {self.end!r}")
        return head, text, tail


BLOCK: Final = Block("figures")


def extremes(value: Spread) -> str:
    return f"{number(value.least)} – {number(value.greatest)}"


def spread(value: Spread) -> str:
    return f"{number(value.median)} ({extremes(value)})"


def times(table: Table, name: str) -> str:
    """How many times as long as ours a peer takes."""
    row, ours = table.row(name), table.row(OURS)
    return f"{row.ns.median / ours.ns.median:.3g}×" if row and ours else ""


def terminal(results: Results, console: Console) -> None:
    """Print everything."""
    for table in results.tables:
        text = grid(table.about, "ns a record", "least – greatest", "times ours", "records", "same book")
        for row in table.rows:
            same = {True: "yes", False: "NO", None: ""}[row.same_book]
            cells = [
                number(row.ns.median),
                extremes(row.ns),
                times(table, row.name),
                f"{row.records:,}",
                same,
            ]
            text.add_row(row.name, *cells, style="bold" if row.name == OURS else "")
        console.print(text)
    print_goals(results.figures, console)
    for what, why in results.missing.items():
        console.print(f"left out: {what}: {why}", markup=False)


def print_goals(figures: Sequence[Figure], console: Console) -> None:
    """Print what is held to."""
    text = grid("goals", "measured", "least – greatest", "goal", "")
    for figure in figures:
        cells = [number(figure.value.median), extremes(figure.value), goal(figure), STATES[figure.reached]]
        text.add_row(f"{figure.name}, {figure.unit}", *cells)
    console.print(text)


def grid(title: str, *columns: str) -> TextTable:
    """A plain table whose numbers stand on the right."""
    text = TextTable(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    text.add_column("", no_wrap=True)
    for column in columns:
        text.add_column(column, justify="right")
    return text


def goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"{'≤' if figure.better == 'lower' else '≥'} {number(figure.goal)}"


def conditions(results: Results) -> str:
    """One sentence: where, when, with what."""
    machine = results.machine
    return (
        f"{results.date}, {machine.processor}, {machine.cores} cores, {machine.python}, {machine.compiler}; "
        f"medians of {results.rounds} interleaved rounds, one core, {machine.scheduling} scheduling."
    )


def readme(results: Results) -> str:
    """The README's part: ours beside the peers, and what is held to."""
    shown = [OURS, *PEERS]
    lines = [
        "| ns a record | " + " | ".join(shown) + " |",
        "| --- |" + " ---: |" * len(shown),
    ]
    for table in results.tables:
        cells = []
        for name in shown:
            row = table.row(name)
            ratio = "" if name == OURS else f" ({times(table, name)})"
            cells.append(f"{number(row.ns.median)}{ratio}" if row else "–")
        lines.append(f"| {table.about} | " + " | ".join([f"**{cells[0]}**", *cells[1:]]) + " |")
    lines += ["", conditions(results)]
    return "\n".join(lines)


def page(results: Results) -> str:
    """The benchmark page's part: everything."""
    lines = [conditions(results), ""]
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    lines += [f"Versions: {versions}.", ""]
    for table in results.tables:
        lines += [
            f"**{table.about}**",
            "",
            "| | ns a record (least – greatest) | times ours | records timed | same book |",
            "| --- | ---: | ---: | ---: | --- |",
        ]
        for row in table.rows:
            same = {True: "yes", False: "no", None: "keeps none"}[row.same_book]
            ratio = times(table, row.name)
            lines.append(
                f"| {row.name}: {row.about} | {spread(row.ns)} | {ratio} | {row.records:,} | {same} |"
            )
        lines.append("")
    lines += goal_table(results.figures)
    lines += ["", *(f"Left out: {what}: {why}" for what, why in results.missing.items())]
    return "\n".join(lines).rstrip()


def goal_table(figures: Sequence[Figure]) -> list[str]:
    """What is held to, as a page has it."""
    lines = ["| what is held to | measured (least – greatest) | goal | |", "| --- | ---: | ---: | --- |"]
    for figure in figures:
        state = STATES[figure.reached]
        lines.append(f"| {figure.name}, {figure.unit} | {spread(figure.value)} | {goal(figure)} | {state} |")
    return lines


PAGES: Final = {ROOT / "README.md": readme, ROOT / "docs" / "benchmarks.md": page}
CHART: Final = ROOT / "docs" / "images" / "speed.svg"


def publish(results: Results) -> list[Path]:
    """Write the generated parts and the chart; the files written."""
    for path, render in PAGES.items():
        BLOCK.write(path, render(results))
    CHART.parent.mkdir(parents=True, exist_ok=True)
    CHART.write_text(chart(results), encoding="utf-8")
    return [*PAGES, CHART]


if __name__ == "__main__":
    publish(read())
