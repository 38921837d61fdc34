"""The API's figures: what is measured becomes rows, goals and pages."""

import io

import msgspec
from rich.console import Console

from benchmarks.results import this_machine
from benchmarks.serve import dropped, figures, read_row, stream_rows
from benchmarks.serving import report
from benchmarks.serving.cases import READS, STREAMS, ReadRun, StreamRun
from benchmarks.serving.results import ServeResults
from benchmarks.serving.tasks import Read, Streamed
from benchmarks.streaming.results import PERCENTILES


def milliseconds(p99: float) -> dict[str, float]:
    return {name: p99 * share / 99 for name, share in PERCENTILES.items()}


def streamed(p99: float, frames: int, **more: object) -> StreamRun:
    values = {"gaps": 0, "closed": 0, "others": {}, "least": 80, "connect_s": 1.0, "cpu": 0.2} | more
    found = Streamed(
        frames=frames,
        bytes=frames * 500,
        seconds=4.0,
        milliseconds=milliseconds(p99),
        **values,  # type: ignore[arg-type]
    )
    return StreamRun(found, 0.3, 1.1, 23.0)


def measured() -> ServeResults:
    runs = {}
    for case in STREAMS:
        sent = case.clients * case.rate * 4
        runs[case.name] = [streamed(20.0, sent), streamed(30.0, sent)]
        if case.floor:
            runs[case.floor] = [streamed(16.0, sent // 2), streamed(15.0, sent // 2)]
    read = Read(
        requests=20_000, seconds=4.0, milliseconds=milliseconds(9.0), wrong=0, body_bytes=1_282, cpu=0.1
    )
    reads = {case.name: [ReadRun(read, 0.9, 1.0)] * 2 for case in READS}
    return ServeResults(
        date="2026-11-22",
        machine=this_machine(),
        versions={"depthcast": "0.1.0"},
        quick=False,
        input="a simulated instrument",
        streams=[row for case in STREAMS for row in stream_rows(case, runs, 4.0)],
        reads=[read_row(case, reads[case.name], 4.0) for case in READS],
        figures=figures(runs, reads),
        missing={"clx5": "absent"},
    )


def test_a_case_is_held_to_its_floor_of_the_same_round() -> None:
    found = {figure.name: figure for figure in measured().figures}
    ratio = found["1,000 clients × 20/s: p99"]
    assert (ratio.value.least, ratio.value.greatest) == (20 / 16, 30 / 15)
    assert ratio.reached is False, "the median is 1.625"
    most = next(figure for name, figure in found.items() if name.startswith("as much as it can"))
    assert (most.value.median, most.reached) == (2.0, True)


def test_what_clients_missed_is_dropped() -> None:
    others = {"heartbeat": 7, "resync": 2}
    assert dropped(streamed(1.0, 10)) == 0
    assert dropped(streamed(1.0, 10, gaps=3, closed=1, others=others)) == 6


def test_the_pages_show_every_case_and_goal() -> None:
    results = measured()
    page, readme = report.page(results), report.readme(results)
    for case in STREAMS:
        assert f"| {case.name} |" in page
        assert f"| {case.name} |" in readme
    assert all(figure.name in page for figure in results.figures)
    assert "Left out: clx5: absent" in page
    console = Console(file=io.StringIO(), width=200)
    report.terminal(results, console)
    assert "floor" in console.file.getvalue()  # type: ignore[attr-defined]


def test_results_are_written_and_read_alike() -> None:
    results = measured()
    assert msgspec.json.decode(msgspec.json.encode(results), type=ServeResults) == results
