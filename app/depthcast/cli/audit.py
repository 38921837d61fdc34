"""``depthcast audit``: whether the books that a file gives can be trusted, and what the venue did."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cyclopts import Parameter

from depthcast.book.audit import EngineChoice
from depthcast.book.audit import audit as audit_books
from depthcast.book.audit.report import AuditedFile, AuditedSource, AuditReport, CutShort
from depthcast.book.protocol import BookEngine
from depthcast.cli._audit_text import as_text
from depthcast.cli._book_json import pretty
from depthcast.cli._console import is_terminal, warn
from depthcast.cli._errors import Exit, about_file
from depthcast.cli._feed import Feed, Partial, SourceFile
from depthcast.cli._options import Common, path_parameter
from depthcast.cli._output import check_output, open_output, print_out
from depthcast.cli._progress import Progress
from depthcast.cli._run import make_engine
from depthcast.cli._values import select_instruments
from depthcast.errors import DBNError, UsageError
from depthcast.settings import EngineSettings

__all__ = ["audit"]

_READINGS: Final = 3
_OTHER: Final[dict[str, Literal["native", "reference"]]] = {"native": "reference", "reference": "native"}


def audit(
    files: Annotated[
        list[str],
        path_parameter(help="MBO files (DBN, plain or zstd), read as one feed; - is standard input."),
    ],
    /,
    *,
    json: Annotated[bool, Parameter(help="Write JSON (docs/audit.schema.json) instead of text.")] = False,
    output: Annotated[
        str, path_parameter("--output", "-o", help="Where the report goes; - is standard output.")
    ] = "-",
    instrument: Annotated[
        str | None, Parameter(help="Only this instrument: a symbol, or an instrument id.")
    ] = None,
    engine: Annotated[
        Literal["native", "reference"] | None,
        Parameter(help="The engine that is audited; the other one rebuilds the books too. (default: native)"),
    ] = None,
    partial: Annotated[bool, Parameter(help="Where a file breaks off, audit what came before it.")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Check the books that MBO files give against the rules, and say what the venue did.

    The files are read three times: as they are, record by record with the engine, and again with
    other engines, in other chunks and with restarts. A hard rule that is broken is a bug (exit code 5);
    all else is an observation about the data. docs/audit.md explains the report.

    For example:
      depthcast audit CLX5.mbo.dbn.zst
      depthcast audit day1.dbn.zst day2.dbn.zst --instrument ESM4 --json -o audit.json
    """
    settings = common.load_settings(engine__kind=engine).settings
    check_output(output, files)
    if files.count("-") > 1:
        raise UsageError("standard input (-) can be read only once")
    with ExitStack() as stack:
        source = stack.enter_context(
            _Files(
                _spooled(files, stack),
                instrument,
                chunk_bytes=settings.reader.chunk_bytes,
                allow_partial=partial,
                show_bar=not common.quiet,
            )
        )
        report = audit_books(
            source,
            _choice(settings.engine, settings.engine.kind),
            _choice(settings.engine, _OTHER[settings.engine.kind]),
            instrument_ids=source.instrument_ids,
        )
    if report.source.partial is not None:
        cut = report.source.partial
        where = "" if cut.offset is None else f" byte {cut.offset}:"
        warn(f"{cut.file}:{where} {cut.error}; the report is of what comes before")
    _write(report, output, as_json=json)
    return Exit.OK if report.valid else Exit.AUDIT


def _choice(settings: EngineSettings, kind: Literal["native", "reference"]) -> EngineChoice:
    chosen = msgspec.structs.replace(settings, kind=kind)

    def make() -> BookEngine:
        return make_engine(chosen)

    return EngineChoice(kind, make)


def _spooled(files: Sequence[str], stack: ExitStack) -> list[str]:
    """The files, with a copy on disk of each that can be read once only: standard input, a pipe."""
    kept = []
    folder: Path | None = None
    for number, file in enumerate(files):
        path = Path(file)
        if file != "-" and (path.is_file() or not path.exists()):
            kept.append(file)
            continue
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="depthcast-")))
        copy = folder / str(number) / path.name
        copy.parent.mkdir()
        with about_file("standard input" if file == "-" else file), copy.open("wb") as target:
            if file == "-":
                shutil.copyfileobj(sys.stdin.buffer, target)
            else:
                with path.open("rb") as stream:
                    shutil.copyfileobj(stream, target)
        kept.append(str(copy))
    return kept


class _Files:
    """Files as an `AuditSource`: each reading opens them anew and sees that they are still the same.

    A context manager. ``instrument`` is a symbol or an id, or None for all.

    Raises:
        UsageError: there is no such instrument.
    """

    def __init__(
        self,
        paths: Sequence[str],
        instrument: str | None,
        *,
        chunk_bytes: int,
        allow_partial: bool,
        show_bar: bool,
    ) -> None:
        self._open: Callable[[], Feed] = lambda: Feed(
            paths, chunk_bytes=chunk_bytes, allow_partial=allow_partial
        )
        self._feed = self._open()
        self._unread: Feed | None = self._feed
        self._sources: list[SourceFile] | None = None
        self._partial: Partial | None = None
        self._progress = _Readings(self._feed.total_bytes, wanted=show_bar)
        self._instrument = instrument
        self.instrument_ids: set[int] | None = None

    def read(self) -> Iterator[memoryview]:
        """All records from the first."""
        self._feed = self._unread or self._open()
        self._unread = None
        with self._feed:
            yield from self._feed.chunks(self._progress)
        self._progress.next_reading()
        if self._sources is None:
            self._sources, self._partial = self._feed.sources, self._feed.partial
        elif (self._feed.sources, self._feed.partial) != (self._sources, self._partial):
            names = ", ".join(source.file for source in self._sources)
            raise DBNError(f"{names}: changed while it was audited; audit it again")

    def describe(self) -> AuditedSource:
        """What was read."""
        partial = self._partial
        return AuditedSource(
            dataset=self._feed.dataset,
            files=[AuditedFile(source.file, source.sha256) for source in self._sources or []],
            partial=None if partial is None else CutShort(partial.file, partial.offset, partial.error),
            instrument_ids=None if self.instrument_ids is None else sorted(self.instrument_ids),
        )

    def symbols(self) -> Mapping[int, str]:
        """The symbols that the files map."""
        return self._feed.symbols

    def __enter__(self) -> "_Files":
        if self._instrument is not None:
            try:
                self.instrument_ids = select_instruments(self._instrument, self._feed.instruments)
            except UsageError:
                self._feed.close()
                raise
        self._progress.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._feed.close()
        self._progress.__exit__(None, None, None)


class _Readings(Progress):
    """The progress of several readings of the same bytes."""

    def __init__(self, total: int | None, *, wanted: bool) -> None:
        super().__init__(None if total is None else total * _READINGS, wanted=wanted)
        self._begun = self._done = 0

    def update(self, done: int) -> None:
        """Say that ``done`` bytes of this reading are done."""
        self._done = self._begun + done
        super().update(self._done)

    def next_reading(self) -> None:
        """The next reading begins."""
        self._begun = self._done


def _write(report: AuditReport, output: str, *, as_json: bool) -> None:
    if as_json:
        text = pretty(msgspec.to_builtins(report)) + "\n"
    else:
        text = as_text(report, terminal=output == "-" and is_terminal(sys.stdout))
    if output == "-" and not as_json:
        print_out(text)
        return
    with open_output(output) as stream:
        stream.write(text.encode())
