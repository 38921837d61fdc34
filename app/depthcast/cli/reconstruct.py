"""``depthcast reconstruct``: order books from MBO files, as JSON."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from depthcast.cli._console import is_terminal
from depthcast.cli._options import Common, path_parameter
from depthcast.cli._output import check_output, open_output, print_out
from depthcast.cli._progress import Progress
from depthcast.cli._values import parse_depth, parse_every, parse_time
from depthcast.errors import UsageError

__all__ = ["reconstruct"]


def reconstruct(
    files: Annotated[
        list[str],
        path_parameter(help="MBO files (DBN, plain or zstd), read as one feed; - is standard input."),
    ],
    /,
    *,
    output: Annotated[
        str, path_parameter("--output", "-o", help="Where the JSON goes; - is standard output.")
    ] = "-",
    depth: Annotated[str, Parameter(help="Levels of each side: a number, or full.")] = "full",
    orders: Annotated[bool, Parameter(help="List each level's orders, in priority order.")] = False,
    every: Annotated[
        str | None,
        Parameter(
            help="Write a book after each event (event), each N events (N), or each interval (1s, 100ms)."
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        Literal["json", "ndjson"] | None,
        Parameter(help="json, or ndjson: a line a book. With --every: ndjson."),
    ] = None,
    instrument: Annotated[
        str | None, Parameter(help="Only this instrument: a symbol, or an instrument id.")
    ] = None,
    at: Annotated[
        str | None,
        Parameter(help="The state before the first record with ts_recv after this time (ns, or ISO 8601)."),
    ] = None,
    engine: Annotated[
        Literal["native", "reference"] | None,
        Parameter(help="native, or reference: the same rules in plain Python. (default: native)"),
    ] = None,
    partial: Annotated[bool, Parameter(help="Where a file breaks off, write what came before it.")] = False,
    picture: Annotated[
        bool, Parameter(help="Draw the book; the JSON is then written only where -o says.")
    ] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Rebuild order books from MBO files, exactly, and write them as JSON.

    One book is written as one object; several as {"books": [...]}.
    docs/book.schema.json describes the output.

    For example:
      depthcast reconstruct CLX5.mbo.dbn.zst -o book.json
      depthcast reconstruct day1.dbn.zst day2.dbn.zst --instrument ESM4 --depth 10
      depthcast reconstruct CLX5.mbo.dbn.zst --at 2025-09-24T20:59:59.5Z --picture
      zstdcat CLX5.mbo.dbn.zst | depthcast reconstruct - --every 1s > books.ndjson
    """
    settings = common.load_settings(engine__kind=engine).settings
    levels = parse_depth(depth)
    rhythm = None if every is None else parse_every(every)
    until = None if at is None else parse_time(at)
    if picture and every:
        raise UsageError("--picture draws the last book, --every writes many: choose one")
    check_output(output, files)
    # Help and wrong usage do without these, and so without numpy: they are there at once.
    from depthcast.cli._feed import Feed
    from depthcast.cli._picture import ROWS
    from depthcast.cli._run import Run, Task, make_engine
    from depthcast.cli._summary import print_summary

    lines = (format or ("ndjson" if every else "json")) == "ndjson"
    task = Task(levels, orders=orders, every=rhythm, at=until, lines=lines, instrument=instrument)
    show_bar = not common.quiet and not (every and output == "-" and is_terminal(sys.stdout))
    with (
        Feed(files, chunk_bytes=settings.reader.chunk_bytes, allow_partial=partial) as feed,
        Progress(feed.total_bytes, wanted=show_bar) as progress,
    ):
        run = Run(task, feed, make_engine(settings.engine), progress)
        if task.every is None:
            run.apply_all()
        else:
            with open_output(output) as stream:
                run.write_every(stream)
    if task.every is None and (not picture or output != "-"):
        with open_output(output) as stream:
            run.write_last(stream)
    if picture:
        print_out(run.picture(rows=task.levels or ROWS, stream=sys.stdout))
    if not common.quiet:
        print_summary(run.meter, run.engine.counters, books=len(run.engine.books()))
    return 0
