"""``depthcast info``: what a DBN file holds."""

import io
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from cyclopts import Parameter
from msgspec import Struct

from depthcast.book.views import iso
from depthcast.cli._console import is_terminal, warn
from depthcast.cli._errors import about_file
from depthcast.cli._options import Common, path_parameter
from depthcast.dbn import DBNReader, RType, instrument_symbols, open_dbn, symbol_mappings
from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.dbn.reader import STDIN
from depthcast.dbn.summary import Span, Summary, summarize
from depthcast.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["info"]

ROWS_SHOWN: Final = 20
"""Instruments and mappings in the table; JSON has them all."""
_PLAIN_WIDTH: Final = 1_000


class Time(Struct, frozen=True):
    """A timestamp in ns, as a string, and as ISO 8601."""

    ns: str
    iso: str


class TimeSpan(Struct, frozen=True):
    """The earliest and the latest of a file's timestamps; null if there is none."""

    first: Time | None
    last: Time | None


class Mapping(Struct, frozen=True):
    """What a symbol stood for, from ``start_date`` up to, not including, ``end_date``."""

    symbol: str
    start_date: str
    end_date: str
    stands_for: str


class TypeCount(Struct, frozen=True):
    """Records of one type."""

    rtype: int
    name: str | None
    records: int


class InstrumentCount(Struct, frozen=True):
    """Records of one instrument at one publisher."""

    publisher_id: int
    instrument_id: int
    symbol: str | None
    records: int


class Broken(Struct, frozen=True):
    """What is wrong with the bytes from ``offset`` on, in the decompressed stream."""

    message: str
    offset: int | None


class FileInfo(Struct, frozen=True):
    """A DBN file, as ``--json`` prints it."""

    path: str
    sha256: str
    compression: str
    bytes_stored: int
    bytes_dbn: int
    dbn_version: int
    dataset: str
    schema: str | None
    stype_in: str | None
    stype_out: str
    ts_out: bool
    start: Time
    end: Time | None
    limit: int | None
    symbols: list[str]
    partial: list[str]
    not_found: list[str]
    mappings: list[Mapping]
    records: int
    rtypes: list[TypeCount]
    instruments: list[InstrumentCount]
    ts_event: TimeSpan
    ts_recv: TimeSpan
    error: Broken | None


def info(
    *files: Annotated[str, path_parameter(help="DBN files, plain or zstd; - is standard input.")],
    json: Annotated[bool, Parameter(help="Print JSON: one object, or {files: [...]} for several.")] = False,
    partial: Annotated[
        bool, Parameter(help="On broken or missing bytes report what is good before them, and succeed.")
    ] = False,
    common: Common = Common(),  # noqa: ARG001, B008 - frozen; --debug is read by the frame
) -> int:
    """Say what DBN files hold: metadata, records by type and by instrument, times, size and SHA-256.

    Example: depthcast info glbx-mdp3-20250924.mbo.dbn.zst
    """
    _check(files)
    found = [_inspect(file, partial=partial) for file in files]
    for one in found:
        if one.error is not None:
            warn(one.error.message)
    sys.stdout.write(_as_json(found) if json else "\n".join(_as_text(one) for one in found))
    return 0


def _check(files: Sequence[str]) -> None:
    if not files:
        raise UsageError("which file? (try: depthcast info --help)")
    if files.count(STDIN) > 1:
        raise UsageError("standard input can be read only once")


def _inspect(file: str, *, partial: bool) -> FileInfo:
    with about_file(file), open_dbn(file, sha256=True) as reader:
        return _describe(reader, summarize(reader, partial=partial))


def _describe(reader: DBNReader, summary: Summary) -> FileInfo:
    metadata = reader.metadata
    symbols = instrument_symbols(metadata)
    return FileInfo(
        path=reader.path,
        sha256=reader.sha256,
        compression="zstd" if reader.compressed else "none",
        bytes_stored=reader.consumed,
        bytes_dbn=reader.offset,
        dbn_version=reader.version,
        dataset=metadata.dataset,
        schema=_name(metadata.schema),
        stype_in=_name(metadata.stype_in),
        stype_out=str(metadata.stype_out),
        ts_out=metadata.ts_out,
        start=_time(metadata.start),
        end=_time_or_none(metadata.end),
        limit=metadata.limit or None,
        symbols=metadata.symbols,
        partial=metadata.partial,
        not_found=metadata.not_found,
        mappings=[
            Mapping(symbol, str(each.start_date), str(each.end_date), each.symbol)
            for symbol, intervals in symbol_mappings(metadata).items()
            for each in intervals
        ],
        records=summary.records,
        rtypes=[
            TypeCount(rtype, _rtype_name(rtype), records) for rtype, records in sorted(summary.rtypes.items())
        ],
        instruments=[
            InstrumentCount(publisher_id, instrument_id, symbols.get(instrument_id), records)
            for (publisher_id, instrument_id), records in sorted(summary.instruments.items())
        ],
        ts_event=_span(summary.ts_event),
        ts_recv=_span(summary.ts_recv),
        error=None if summary.error is None else Broken(str(summary.error), summary.error.offset),
    )


def _name(value: object) -> str | None:
    return None if value is None else str(value)


def _rtype_name(rtype: int) -> str | None:
    try:
        return RType(rtype).name.lower().replace("_", "-")
    except ValueError:
        return None


def _time(ns: int) -> Time:
    return Time(str(ns), iso(ns))


def _time_or_none(ns: int | None) -> Time | None:
    return None if ns is None or ns == UNDEF_TIMESTAMP else _time(ns)


def _span(span: Span) -> TimeSpan:
    return TimeSpan(_time_or_none(span.first), _time_or_none(span.last))


def _as_json(found: Sequence[FileInfo]) -> str:
    document = found[0] if len(found) == 1 else {"files": found}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _as_text(found: FileInfo) -> str:
    """Tables for people: in colour and fitted to the terminal, or plain lines for a pipe."""
    from rich.console import Console

    text = io.StringIO()
    if is_terminal(sys.stdout):
        console = Console(file=text, force_terminal=True, width=Console().width, highlight=False)
    else:
        console = Console(file=text, width=_PLAIN_WIDTH, highlight=False, color_system=None)
    console.print(_facts(found))
    console.print()
    console.print(_counts(found))
    lines = text.getvalue().splitlines()
    return "".join(line.rstrip() + "\n" for line in lines)


def _facts(found: FileInfo) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _fact_rows(found):
        table.add_row(name, Text(value, style="bold red" if name == "broken" else ""))
    return table


def _fact_rows(found: FileInfo) -> list[tuple[str, str]]:
    packed = f", zstd of {found.bytes_dbn:,} bytes" if found.compression == "zstd" else ""
    rows = [
        ("file", found.path),
        ("size", f"{found.bytes_stored:,} bytes{packed}"),
        ("sha256", found.sha256),
        ("format", f"DBN version {found.dbn_version}{', with ts_out' if found.ts_out else ''}"),
        ("dataset", found.dataset),
        ("schema", found.schema or "mixed"),
        ("symbology", f"{found.stype_in or 'mixed'} to {found.stype_out}"),
        ("symbols", _some(found.symbols)),
        ("partly found", _some(found.partial)),
        ("not found", _some(found.not_found)),
        ("start", found.start.iso),
        ("end", found.end.iso if found.end else "open"),
        ("limit", f"{found.limit:,} records" if found.limit else ""),
        ("ts_event", _from_to(found.ts_event)),
        ("ts_recv", _from_to(found.ts_recv)),
        *(("mapping" if n == 0 else " ", line) for n, line in enumerate(_mapping_lines(found.mappings))),
        ("broken", found.error.message if found.error else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _some(symbols: Sequence[str]) -> str:
    shown = ", ".join(symbols[:ROWS_SHOWN])
    return shown if len(symbols) <= ROWS_SHOWN else f"{shown} and {len(symbols) - ROWS_SHOWN:,} more"


def _from_to(span: TimeSpan) -> str:
    return f"{span.first.iso} to {span.last.iso}" if span.first and span.last else ""


def _mapping_lines(mappings: Sequence[Mapping]) -> Iterable[str]:
    for each in mappings[:ROWS_SHOWN]:
        yield f"{each.symbol} = {each.stands_for} from {each.start_date} up to {each.end_date}"
    if len(mappings) > ROWS_SHOWN:
        yield f"and {len(mappings) - ROWS_SHOWN:,} more"


def _counts(found: FileInfo) -> "Table":
    """Records by type, then by instrument, most first."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("records", justify="right")
    table.add_column("share", justify="right")
    table.add_column("of")
    total = found.records
    table.add_row(f"{total:,}", "", "all", style="bold")
    for each in found.rtypes:
        name = each.name or "unknown"
        table.add_row(
            f"{each.records:,}", _share(each.records, total), f"type {name} (rtype {each.rtype:#04x})"
        )
    by_count = sorted(found.instruments, key=lambda each: -each.records)
    for one in by_count[:ROWS_SHOWN]:
        name = f"{one.symbol or ''} (instrument {one.instrument_id}, publisher {one.publisher_id})".strip()
        table.add_row(f"{one.records:,}", _share(one.records, total), name)
    rest = by_count[ROWS_SHOWN:]
    if rest:
        records = sum(one.records for one in rest)
        table.add_row(f"{records:,}", _share(records, total), f"{len(rest):,} more instruments")
    return table


def _share(part: int, total: int) -> str:
    return f"{part / total:.2%}"
