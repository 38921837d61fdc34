"""The API's figures: what is measured becomes rows, goals and pages."""

import io

import msgspec
import pytest
from rich.console import Console

from benchmarks.results import this_machine
from benchmarks.serve import dropped, figures, read_row, stream_rows
from benchmarks.serving import report
from benchmarks.serving.cases import READS, STREAMS, ReadRun, StreamRun
from benchmarks.serving.processes import Seen
from benchmarks.serving.results import ServeResults
from benchmarks.serving.tasks import Read, Streamed
from benchmarks.streaming.results import PERCENTILES


def milliseconds(p99: float) -> dict[str, float]:
    return {name: p99 * share / 99 for name, share in PERCENTILES.items()}


def streamed(p99: float, frames: int, feed_rate: float | None = None, **more: object) -> StreamRun:
    values = {"gaps": 0, "closed": 0, "others": {}, "least": 80, "connect_s": 1.0, "cpu": 0.2} | more
    found = Streamed(
        frames=frames,
        bytes=frames * 500,
        seconds=4.0,
        milliseconds=milliseconds(p99),
        **values,  # type: ignore[arg-type]
    )
    return StreamRun(found, Seen(0.3, 90_000.0, feed_rate), 1.1, 23.0)


def measured(kept: float = 1.0) -> ServeResults:
    """Two rounds of every case; the feed of the first case reached ``kept`` of its rate in the second."""
    runs = {}
    for case in STREAMS:
        sent = case.clients * case.rate * 4
        rates = [case.feed_rate, case.feed_rate * (kept if case is STREAMS[0] else 1.0)]
        gaps = None if case.only_count else 0
        resyncs = {"heartbeat": 9, "resync": 1_200} if case.only_count else {}
        runs[case.name] = [
            streamed(p99, sent, rate, gaps=gaps, others=resyncs)
            for p99, rate in zip((20.0, 30.0), rates, strict=True)
        ]
        if case.floor:
            runs[case.floor] = [streamed(p99, sent // 2, gaps=None) for p99 in (16.0, 15.0)]
    read = Read(
        requests=20_000, seconds=4.0, milliseconds=milliseconds(9.0), wrong=0, body_bytes=1_282, cpu=0.1
    )
    reads = {case.name: [ReadRun(read, Seen(0.9, 90_000.0, case.feed_rate), 1.0)] * 2 for case in READS}
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


def test_where_sequences_were_not_looked_into_nothing_is_said_of_what_was_dropped() -> None:
    results = measured()
    most = results.stream(STREAMS[-1].name)
    assert most is not None
    assert (most.dropped, most.resyncs, most.closed) == (None, 2_400, 0)
    for text in (report.page(results), report.readme(results)):
        rows = {row.split(" | ")[0]: row for row in text.splitlines() if row.startswith("| ")}
        assert rows[f"| {most.name}"].endswith(" | – |")
        assert rows[f"| {STREAMS[0].floor}"].endswith(" | – |"), "the floor numbers nothing"
        assert rows[f"| {STREAMS[0].name}"].endswith(" | 0 |")
    assert "sequences not looked into, 2,400 resyncs" in report.page(results)


@pytest.mark.parametrize(("kept", "valid"), [(1.0, True), (0.991, True), (0.989, False), (0.0, False)])
def test_a_case_whose_feed_fell_behind_is_marked(kept: float, valid: bool) -> None:
    results = measured(kept)
    mark = f"| {STREAMS[0].name} (INVALID: feed at {kept:.1%} of its rate) |"
    assert (mark not in report.page(results)) == (mark not in report.readme(results)) == valid
    assert report.page(results).count("INVALID") == (not valid)
    figure = next(each for each in results.figures if "slowest feed" in each.name)
    assert figure.reached == valid
    assert figure.value.median == pytest.approx(kept * 100)
    assert f"feed of 50,000 records/s, kept to {(1 + kept) / 2:.2%} ({kept:.2%} – 100.00%)" in report.page(
        results
    )


def test_one_dropped_message_in_one_round_is_seen() -> None:
    runs = {name: [streamed(1.0, 10, 1.0)] * 3 for case in STREAMS for name in (case.name, case.floor)}
    runs[STREAMS[1].name] = [streamed(1.0, 10, 1.0), streamed(1.0, 10, 1.0, gaps=1), streamed(1.0, 10, 1.0)]
    read = Read(requests=9, seconds=4.0, milliseconds=milliseconds(9.0), wrong=0, body_bytes=1, cpu=0.1)
    found = figures(runs, {case.name: [ReadRun(read, Seen(0.9, 1.0, 1.0), 1.0)] for case in READS})
    figure = next(each for each in found if each.name.startswith("dropped"))
    assert (figure.value.median, figure.reached) == (1, False)


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
