"""The figures that people read are those that were measured."""

from pathlib import Path

import pytest

from benchmarks import report, results
from benchmarks.chart import chart
from benchmarks.serving import report as serve_report
from benchmarks.serving import results as serve_results
from benchmarks.storing import report as store_report
from benchmarks.storing import results as store_results
from benchmarks.streaming import report as stream_report
from benchmarks.streaming import results as stream_results


@pytest.mark.parametrize("path", report.PAGES, ids=lambda path: path.name)
def test_the_pages_show_the_measured_figures(path: Path) -> None:
    assert report.BLOCK.read(path) == report.PAGES[path](results.read())


def test_the_chart_shows_the_measured_figures() -> None:
    assert report.CHART.read_text(encoding="utf-8") == chart(results.read())


@pytest.mark.parametrize("path", stream_report.PAGES, ids=lambda path: path.name)
def test_the_pages_show_the_measured_figures_of_the_stream(path: Path) -> None:
    found = stream_results.read()
    assert stream_report.BLOCK.read(path) == ("" if found is None else stream_report.PAGES[path](found))


def test_the_chart_shows_the_measured_latency() -> None:
    found = stream_results.read()
    assert stream_report.CHART.exists() == (found is not None)
    if found is not None:
        assert stream_report.CHART.read_text(encoding="utf-8") == stream_report.chart(found)


@pytest.mark.parametrize("path", serve_report.PAGES, ids=lambda path: path.name)
def test_the_pages_show_the_measured_figures_of_the_api(path: Path) -> None:
    found = serve_results.read()
    assert serve_report.BLOCK.read(path) == ("" if found is None else serve_report.PAGES[path](found))


@pytest.mark.parametrize("path", store_report.PAGES, ids=lambda path: path.name)
def test_the_pages_show_the_measured_figures_of_the_store(path: Path) -> None:
    found = store_results.read()
    assert store_report.BLOCK.read(path) == ("" if found is None else store_report.PAGES[path](found))
