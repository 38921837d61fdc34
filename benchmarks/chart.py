"""Charts: bars on a logarithmic scale, an SVG that follows the reader's light or dark page."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final, Literal, NamedTuple

from benchmarks.results import Results, Spread, number

WIDTH: Final = 760
LABEL: Final = 210
RIGHT: Final = 70
BAR: Final = 16
STEP: Final = 24
TITLE: Final = 34
SHOWN: Final = ("floor", "depthcast", "numba book", "nautilus_trader, batches", "documented Python book")

STYLE: Final = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.axis { font-size: 11px; fill: #656d76; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.peer { fill: #9aa4b0; }
.ours { fill: #1a7f64; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .axis { fill: #9198a1; }
  .grid { stroke: #30363d; }
  .peer { fill: #6e7781; }
  .ours { fill: #3fb68b; }
}"""


class Bar(NamedTuple):
    """One value, its name on the left."""

    name: str
    value: Spread
    kind: Literal["ours", "peer"]


class Group(NamedTuple):
    """Bars under one title."""

    title: str
    bars: list[Bar]


def chart(results: Results) -> str:
    """An SVG of ns a record of everyone shown, a group of bars a workload."""
    groups = []
    for table in results.tables:
        rows = [row for name in SHOWN if (row := table.row(name))]
        bars = [Bar(row.name, row.ns, "ours" if row.name == "depthcast" else "peer") for row in rows]
        groups.append(Group(f"{table.about}: ns a record, logarithmic scale", bars))
    return drawing(groups, "Nanoseconds a record: Depthcast and its peers, logarithmic scale", "ns")


def drawing(groups: Sequence[Group], says: str, unit: str) -> str:
    """An SVG of groups of bars on one logarithmic scale; ``says`` is for who cannot see it."""
    values = [bar.value.median for group in groups for bar in group.bars]
    low, high = math.floor(math.log10(min(values) / 2)), math.ceil(math.log10(max(values)))
    body: list[str] = []
    top = 8
    for group in groups:
        body += _group(group, unit, top, low, high)
        top += TITLE + STEP * len(group.bars) + 26
    size = f'viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{says}">'
    return "\n".join([head, f"<style>\n{STYLE}\n</style>", *body, "</svg>\n"])


def _group(group: Group, unit: str, top: int, low: int, high: int) -> list[str]:
    """One group: its title, its grid, its bars."""
    bottom = top + TITLE + STEP * len(group.bars)
    lines = [f'<text class="title" x="0" y="{top + 14}">{escape(group.title)}</text>']
    for power in range(low, high + 1):
        x = place(10.0**power, low, high)
        lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top + TITLE - 8}" y2="{bottom}"/>')
        lines.append(
            f'<text class="axis" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{10**power:,}</text>'
        )
    for place_in_group, bar in enumerate(group.bars):
        y = top + TITLE + STEP * place_in_group
        end = place(bar.value.median, low, high)
        lines.append(f'<text x="{LABEL - 10}" y="{y + 13}" text-anchor="end">{escape(bar.name)}</text>')
        lines.append(
            f'<rect class="{bar.kind}" x="{LABEL}" y="{y}" width="{end - LABEL:.1f}" height="{BAR}" rx="2">'
            f"<title>{bar.value.least:.3g} to {bar.value.greatest:.3g} {unit}</title></rect>"
        )
        lines.append(f'<text x="{end + 6:.1f}" y="{y + 13}">{number(bar.value.median)}</text>')
    return lines


def place(value: float, low: int, high: int) -> float:
    """Where a value stands on the scale."""
    share = (math.log10(value) - low) / (high - low)
    return LABEL + share * (WIDTH - LABEL - RIGHT)
