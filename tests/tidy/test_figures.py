"""The figures that people read are those that were measured."""

from pathlib import Path

import pytest

from benchmarks import report, results
from benchmarks.chart import chart


@pytest.mark.parametrize("path", report.PAGES, ids=lambda path: path.name)
def test_the_pages_show_the_measured_figures(path: Path) -> None:
    assert report.block(path.read_text(encoding="utf-8")) == report.PAGES[path](results.read())


def test_the_chart_shows_the_measured_figures() -> None:
    assert report.CHART.read_text(encoding="utf-8") == chart(results.read())
