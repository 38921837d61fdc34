"""``depthcast journal``: what a journal holds, whether it is whole, its records, its books at a time."""

import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import App, Group, Parameter

from depthcast.cli._console import warn
from depthcast.cli._errors import Exit, about_file
from depthcast.cli._journal_books import BooksAt
from depthcast.cli._journal_range import Wanted, between
from depthcast.cli._journal_text import as_table, checked_line, counted, row_of
from depthcast.cli._options import Common, path_parameter
from depthcast.cli._output import check_dbn_output, check_output, open_output, print_out
from depthcast.cli._picture import ROWS
from depthcast.cli._progress import Progress
from depthcast.cli._run import make_engine
from depthcast.cli._values import parse_depth, parse_time
from depthcast.dbn import DBNWriter, forms
from depthcast.errors import UsageError
from depthcast.journal.objects import open_objects
from depthcast.journal.reader import JournalReader, journals
from depthcast.journal.segments import DamagedSegment
from depthcast.journal.verify import size_of, verify

__all__ = ["at", "cat", "journal", "ls", "verify_journal"]

S3: Final = "s3://"
_GROUP = Group("Which journal", sort_key=50)

journal = App(
    name="journal", help="Look into a feed's journal: list it, verify it, take records or books out."
)

Location = Annotated[str, path_parameter(help="The journal's folder, or s3://BUCKET/PREFIX.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Which:
    """Which journal at the location."""

    store: Annotated[
        str, Parameter(group=_GROUP, help="Where the folder's segments are uploaded to: look there as well.")
    ] = ""
    dataset: Annotated[str | None, Parameter(group=_GROUP, help="Its dataset, if there are several.")] = None
    shard: Annotated[str | None, Parameter(group=_GROUP, help="Its shard, if there are several.")] = None

    def open(self, location: str) -> JournalReader:
        """The journal that is meant.

        Raises:
            UsageError: there is none, or it must be said which.
        """
        if location.startswith(S3) and self.store:
            raise UsageError(f"--store goes with a folder; {location} is a store itself")
        if not location.startswith(S3) and not Path(location).is_dir():
            if Path(location).exists():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), location)
            raise UsageError(f"there is no folder {location}")
        places = [open_objects(place) for place in (location, self.store) if place]
        found = sorted({each for place in places for each in journals(place)})
        meant = [
            each
            for each in found
            if self.dataset in (None, each.dataset) and self.shard in (None, each.shard)
        ]
        if len(meant) != 1:
            known = ", ".join(f"--dataset {each.dataset} --shard {each.shard}" for each in found)
            if not found:
                raise UsageError(f"there is no journal in {location}")
            what = "several journals" if meant else "no such journal"
            raise UsageError(f"{what} in {location}; there are: {known}")
        folder = None if location.startswith(S3) else location
        return JournalReader.open(folder, self.store or ("" if folder else location), *meant[0])


_WHICH = Which()
_COMMON = Common()


@journal.command
def ls(
    location: Location,
    /,
    *,
    json: Annotated[bool, Parameter(help="Print JSON: an array, an object a segment.")] = False,
    which: Which = _WHICH,
    common: Common = _COMMON,
) -> int:
    """List the segments of a journal, oldest first.

    For example:
      depthcast journal ls out/journal
      depthcast journal ls s3://feeds/prod --dataset GLBX.MDP3 --json
    """
    reader = which.open(location)
    stored = reader.stored() if which.store else None
    rows = []
    for segment in reader.survey():
        rows.append(row_of(segment, stored))
        if isinstance(segment, DamagedSegment):
            warn(f"{segment.path}: {segment.problem}")
    if json:
        print_out(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
    else:
        print_out(as_table(reader.journal, rows, totals=not common.quiet))
    return Exit.OK


@journal.command(name="verify")
def verify_journal(
    location: Location,
    /,
    *,
    which: Which = _WHICH,
    common: Common = _COMMON,
) -> int:
    """Verify a journal: every byte, every index, that no record is missing, that every head is right.

    A head is right if it has the books that the records before it make. Exit code 5 if anything is wrong.

    For example:
      depthcast journal verify out/journal
    """
    reader = which.open(location)
    settings = common.load_settings().settings.engine
    sizes = [size_of(each) for each in reader.survey()]
    wrong = segments = records = 0
    with Progress(sum(sizes), wanted=not common.quiet) as progress:
        for checked in verify(reader, lambda: make_engine(settings), progress.update):
            segments += 1
            records += checked.end - checked.segment.position
            wrong += bool(checked.problems)
            if checked.problems:
                print_out(checked_line(checked))
    verdict = f"{wrong} of them wrong" if wrong else "all is right"
    if not common.quiet or wrong:
        print_out(f"{counted(segments, records)}: {verdict}\n")
    return Exit.AUDIT if wrong else Exit.OK


@journal.command
def cat(
    location: Location,
    /,
    *,
    output: Annotated[
        str, path_parameter("--output", "-o", help="Where the DBN goes; - is standard output.")
    ] = "-",
    from_position: Annotated[int | None, Parameter(help="From this position on.")] = None,
    to_position: Annotated[int | None, Parameter(help="Up to, not including, this position.")] = None,
    since: Annotated[
        str | None,
        Parameter(help="From the first record with ts_recv at or after this time (ns, or ISO 8601)."),
    ] = None,
    until: Annotated[
        str | None, Parameter(help="Up to the first record with ts_recv at or after this time.")
    ] = None,
    which: Which = _WHICH,
    common: Common = _COMMON,
) -> int:
    """Write a journal's records, as the feed had them, as one DBN file.

    For example:
      depthcast journal cat out/journal -o day.dbn.zst
      depthcast journal cat s3://feeds/prod --since 2025-09-24T20:00Z --until 2025-09-24T21:00Z -o hour.dbn
      depthcast journal cat out/journal --from-position 1000000 | depthcast info -
    """
    if from_position is not None and since is not None:
        raise UsageError("--from-position and --since: give one of them")
    begin_ns = None if since is None else parse_time(since, "--since")
    end_ns = None if until is None else parse_time(until, "--until")
    wanted = Wanted(from_position, to_position, begin_ns, end_ns)
    check_dbn_output(output)
    reader = which.open(location)
    metadata, begin, end = wanted.find(reader)
    written = 0
    total = None if end is None else max(0, end - begin)
    with (
        Progress(total, wanted=not common.quiet) as progress,
        about_file("standard output" if output == "-" else output),
        DBNWriter(output, metadata) as writer,
    ):
        for data in between(reader, begin, end):
            writer.write(data)
            written += forms.count(data)
            progress.update(written)
    if not common.quiet:
        print(f"{written:,} records from position {begin:,}", file=sys.stderr)
    return Exit.OK


@journal.command
def at(
    location: Location,
    time: Annotated[str, Parameter(help="The time: ns since the epoch, or ISO 8601.")],
    /,
    *,
    output: Annotated[
        str, path_parameter("--output", "-o", help="Where the JSON goes; - is standard output.")
    ] = "-",
    depth: Annotated[str, Parameter(help="Levels of each side: a number, or full.")] = "full",
    orders: Annotated[bool, Parameter(help="List each level's orders, in priority order.")] = False,
    instrument: Annotated[
        str | None, Parameter(name=["--instrument", "--symbol"], help="Only this one: a symbol, or an id.")
    ] = None,
    picture: Annotated[
        bool, Parameter(help="Draw the book; the JSON is then written only where -o says.")
    ] = False,
    which: Which = _WHICH,
    common: Common = _COMMON,
) -> int:
    """Write the books as of a time: before the first record with ts_recv after it.

    For example:
      depthcast journal at out/journal 2025-09-24T20:59:59.5Z --symbol CLX5 --depth 10
      depthcast journal at s3://feeds/prod 1758747600000000000 --picture
    """
    levels = parse_depth(depth)
    moment = parse_time(time, "TIME")
    check_output(output, [])
    engine = make_engine(common.load_settings().settings.engine)
    books = BooksAt(which.open(location), moment, engine, instrument)
    if not picture or output != "-":
        with open_output(output) as stream:
            books.write(stream, levels=levels, orders=orders)
    if picture:
        print_out(books.picture(levels or ROWS))
    if not common.quiet:
        print(books.summary, file=sys.stderr)
    return Exit.OK
