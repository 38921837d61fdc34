"""A journal's segments, as a table and as JSON."""

import sys
from collections.abc import Collection, Sequence
from typing import Final

from msgspec import Struct

from depthcast.book.views import iso
from depthcast.cli._console import bold, printable, table
from depthcast.dbn import forms
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.journal.index import Times
from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.segments import ClosedSegment, DamagedSegment, OpenView
from depthcast.journal.verify import Checked

__all__ = ["Row", "as_table", "checked_line", "counted", "row_of"]

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


class Row(Struct, frozen=True):
    """A segment, as ``--json`` prints it. Times are ns, as strings; null where no record has one.

    Of a damaged one all but its name, state and path are null.
    """

    epoch: int
    position: int
    end: int | None
    records: int | None
    head_records: int | None
    unpacked_bytes: int | None
    stored_bytes: int | None
    ts_recv_first: str | None
    ts_recv_last: str | None
    state: str
    path: str


def row_of(segment: ClosedSegment | OpenView | DamagedSegment, stored: Collection[SegmentName] | None) -> Row:
    """What there is to say of a segment; ``stored`` are those in the store, if there is one."""
    if isinstance(segment, DamagedSegment):
        unknown = (None,) * 7
        return Row(*segment.name, *unknown, "damaged", segment.path)
    if isinstance(segment, ClosedSegment):
        index = segment.index
        times, records, head_records = index.times, index.records, index.head_records
        unpacked, size = index.unpacked_bytes, index.stored_bytes
        state = "closed" if stored is None else "uploaded" if segment.name in stored else "pending"
    else:
        times, records = Times(), 0
        for _, data in segment.records(segment.position):
            span = forms.span(data)
            times |= Times.of(span)
            records += span.count
        head_records = segment.header.head_records
        unpacked = size = segment.size
        state = "open"
    first = None if times.min_ts_recv == UNDEF_TIMESTAMP else str(times.min_ts_recv)
    return Row(
        epoch=segment.name.epoch,
        position=segment.position,
        end=segment.position + records,
        records=records,
        head_records=head_records,
        unpacked_bytes=unpacked,
        stored_bytes=size,
        ts_recv_first=first,
        ts_recv_last=None if first is None else str(times.max_ts_recv),
        state=state,
        path=segment.path,
    )


def as_table(journal: Journal, rows: Sequence[Row], *, totals: bool) -> str:
    """The rows, aligned, with a line about them all."""
    title = f"{journal.dataset}, shard {journal.shard}\n"
    if not rows:
        return title + "no segments\n"
    headings = ("epoch", "from", "to", "records", "head", "size", "ratio", "ts_recv from", "to", "state")
    cells = [
        (
            str(row.epoch),
            f"{row.position:,}",
            _number(row.end),
            _number(row.records),
            _number(row.head_records),
            "" if row.stored_bytes is None else _size(row.stored_bytes),
            "" if row.unpacked_bytes is None else f"{row.unpacked_bytes / max(row.stored_bytes or 0, 1):.2f}",
            "" if row.ts_recv_first is None else iso(int(row.ts_recv_first)),
            "" if row.ts_recv_last is None else iso(int(row.ts_recv_last)),
            row.state,
        )
        for row in rows
    ]
    first, *lines = table(cells, headings=headings).splitlines()
    text = title + "\n".join([bold(first, sys.stdout), *lines]) + "\n"
    if totals:
        records, size = sum(row.records or 0 for row in rows), sum(row.stored_bytes or 0 for row in rows)
        text += f"{counted(len(rows), records)}, {_size(size)}\n"
    return text


def counted(segments: int, records: int) -> str:
    """How many of both there are."""
    return f"{segments:,} segment{'s'[: segments != 1]}, {records:,} record{'s'[: records != 1]}"


def checked_line(checked: Checked) -> str:
    """What is wrong with a segment, a line each."""
    return "".join(f"{printable(checked.segment.path)}: {printable(each)}\n" for each in checked.problems)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _size(size: float) -> str:
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
