"""``depthcast convert``: derived schemas from an MBO file, as DBN, CSV or Parquet."""

import resource
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Literal, Protocol

import databento_dbn
import numpy as np
from cyclopts import Parameter

from depthcast.book.derive_schemas import derived_schema
from depthcast.book.protocol import BookEngine
from depthcast.cli._console import bold, is_terminal, table, warn
from depthcast.cli._errors import about_file
from depthcast.cli._options import Common, path_parameter
from depthcast.cli._output import check_output
from depthcast.cli._progress import Progress
from depthcast.cli._record_output import Format, Sink, format_of, open_sink
from depthcast.cli._values import select_instruments
from depthcast.dbn import DBNReader, make_metadata, open_dbn, symbol_instruments, symbol_mappings
from depthcast.errors import DBNError, UsageError
from depthcast.settings import EngineSettings

__all__ = ["convert"]

SchemaName = Literal[
    "mbp-1",
    "mbp-10",
    "tbbo",
    "trades",
    "bbo-1s",
    "bbo-1m",
    "ohlcv-1s",
    "ohlcv-1m",
    "ohlcv-1h",
    "ohlcv-1d",
]


class AnyDeriver(Protocol):
    """The compiled deriver, or the reference."""

    @property
    def engine(self) -> BookEngine: ...
    def apply(self, buffer: memoryview, /) -> dict[str, bytes]: ...
    def flush(self) -> dict[str, bytes]: ...


def convert(
    file: Annotated[str, path_parameter(help="An MBO file (DBN, plain or zstd); - is standard input.")],
    /,
    *,
    schema: Annotated[SchemaName, Parameter(help="What to derive.")],
    output: Annotated[
        str,
        path_parameter(
            "--output",
            "-o",
            help="FILE.dbn, .dbn.zst, .csv, .csv.zst or .parquet; - is standard output (with --format).",
        ),
    ],
    format: Annotated[  # noqa: A002 - the option's name
        Format | None, Parameter(help="dbn, csv or parquet, where the name of the output does not say it.")
    ] = None,
    pretty: Annotated[
        bool,
        Parameter(help="Decimal prices and ISO 8601 times, instead of integers in 1e-9 units and ns."),
    ] = False,
    instrument: Annotated[
        str | None, Parameter(help="Only this instrument: a symbol, or an instrument id.")
    ] = None,
    engine: Annotated[
        Literal["native", "reference"] | None,
        Parameter(help="native, or reference: the same in plain Python. (default: native)"),
    ] = None,
    partial: Annotated[bool, Parameter(help="Where the file breaks off, write what came before it.")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Derive mbp-1, mbp-10, tbbo, trades, bbo or ohlcv from an MBO file.

    docs/decisions/0002-derived-schemas.md says what each record is made of.

    Example: depthcast convert CLX5.mbo.dbn.zst --schema mbp-10 -o CLX5.mbp-10.dbn.zst

    Example: depthcast convert CLX5.mbo.dbn.zst --schema ohlcv-1m -o - --format csv --pretty
    """
    settings = common.load_settings(engine__kind=engine).settings
    kind = format_of(output, format)
    if pretty and kind == "dbn":
        raise UsageError("--pretty is for CSV and Parquet: DBN has integers only")
    if kind == "dbn" and output == "-" and is_terminal(sys.stdout):
        raise UsageError("DBN is not for a terminal: give -o FILE.dbn, or send it through a pipe")
    check_output(output, [file])
    begin = time.perf_counter()
    with about_file("standard input" if file == "-" else file), open_dbn(file) as reader:
        _check_schema(reader)
        ids = _instrument_ids(instrument, reader)
        deriver = _make_deriver(schema, settings.engine, ids)
        metadata = derived_metadata(reader.metadata, schema)
        with (
            Progress(reader.size, wanted=not common.quiet) as progress,
            open_sink(output, kind, derived_schema(schema), metadata, pretty=pretty) as sink,
        ):
            derived = _derive(reader, deriver, settings.reader.chunk_bytes, partial=partial)
            dtype = derived_schema(schema).dtype
            records = _write(_only(derived, dtype, ids), sink, progress, reader) // dtype.itemsize
        if not deriver.engine.counters["records"]:
            warn(f"{file}: no MBO records, so nothing was derived")
        if not common.quiet:
            counters = deriver.engine.counters
            _print_summary(f"{records:,} {schema} records", counters, time.perf_counter() - begin)
    return 0


def _derive(reader: DBNReader, deriver: AnyDeriver, chunk_bytes: int, *, partial: bool) -> Iterator[bytes]:
    """What is derived, piece by piece."""
    try:
        for chunk in reader.chunks(chunk_bytes):
            yield from deriver.apply(chunk).values()
    except DBNError as error:
        if not partial:
            raise
        warn(f"{error}; what was derived is of what comes before")
    yield from deriver.flush().values()


def _only(derived: Iterator[bytes], dtype: np.dtype[np.void], ids: set[int] | None) -> Iterator[bytes]:
    """Of what is derived, the records of these instruments; a deriver itself leaves out all but one."""
    if ids is None or len(ids) == 1:
        yield from derived
        return
    wanted = sorted(ids)
    for piece in derived:
        records = np.frombuffer(piece, dtype)
        yield records[np.isin(records["instrument_id"], wanted)].tobytes()


def _write(derived: Iterator[bytes], sink: Sink, progress: Progress, reader: DBNReader) -> int:
    """Write it all; how many bytes of records it was."""
    written = 0
    for records in derived:
        if records:
            sink.write(records)
            written += len(records)
        progress.update(reader.consumed)
    return written


def _check_schema(reader: DBNReader) -> None:
    held = reader.metadata.schema
    if held is not None and str(held) != "mbo":
        raise DBNError(f"no MBO records: the data is of schema {held}", path=reader.path)


def _make_deriver(schema: str, settings: EngineSettings, ids: set[int] | None) -> AnyDeriver:
    instrument_id = next(iter(ids)) if ids is not None and len(ids) == 1 else None
    limits = {"max_event_records": settings.max_event_records, "max_event_ns": settings.max_event_ns}
    if settings.kind == "reference":
        from depthcast.book.reference import ReferenceEngine
        from depthcast.book.reference_derive import ReferenceDeriver

        return ReferenceDeriver([schema], engine=ReferenceEngine(**limits), instrument_id=instrument_id)
    from depthcast.book.derive import DeriverSet
    from depthcast.book.engine import Engine

    return DeriverSet([schema], engine=Engine(**limits), instrument_id=instrument_id)


def _instrument_ids(instrument: str | None, reader: DBNReader) -> set[int] | None:
    if instrument is None:
        return None
    ids = select_instruments(instrument, symbol_instruments(reader.metadata))
    if max(ids) >= 2**32:
        raise UsageError(f"--instrument: {max(ids)} is no instrument id: they have 32 bits")
    return ids


def derived_metadata(metadata: databento_dbn.Metadata, schema: str) -> databento_dbn.Metadata:
    """The metadata of what is derived: the source's, with its symbols and mappings, of another schema."""
    return make_metadata(
        metadata.dataset,
        schema,
        metadata.start,
        end=metadata.end,
        stype_in=None if metadata.stype_in is None else str(metadata.stype_in),
        stype_out=str(metadata.stype_out),
        symbols=metadata.symbols,
        mappings=symbol_mappings(metadata),
    )


def _print_summary(what: str, counters: dict[str, int], elapsed_s: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    records, skipped = counters["records"], counters["skipped_records"]
    rows = [
        ("derived", what),
        ("from", f"{records:,} MBO records" + (f", {skipped:,} skipped" if skipped else "")),
        (
            "took",
            f"{elapsed_s:,.2f} s: {records / elapsed_s / 1e6:,.2f} M records/s, with reading and writing",
        ),
        ("peak memory", f"{peak / (1 << 20):,.0f} MiB"),
    ]
    print(table([(bold(name.ljust(11), sys.stderr), value) for name, value in rows]), end="", file=sys.stderr)
