"""Files read one after another, as one continuous feed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from depthcast.cli._errors import about_file
from depthcast.dbn import DBNReader, instrument_symbols, open_dbn, symbol_instruments
from depthcast.errors import DBNError, UsageError

if TYPE_CHECKING:
    from depthcast.cli._progress import Progress

__all__ = ["Feed", "Partial", "SourceFile"]


class SourceFile(Struct, frozen=True):
    """A file that was read: its base name, and the SHA-256 of its bytes as they are stored."""

    file: str
    sha256: str


class Partial(Struct, frozen=True):
    """Where (byte offset, decompressed) and why reading ended early; what came before was used."""

    file: str
    offset: int | None
    error: str


class Feed:
    """The records of several DBN files, in the order given. Use it as a context manager.

    That a file is missing or another's dataset differs is said at once, before much is read.

    Attributes:
        total_bytes: the files' bytes as stored; None if a pipe is among them.
        dataset: the files' dataset; they must agree.
        symbols: the symbol of each instrument id that the files' metadata maps; a later file's word counts.
        instruments: the instrument ids of every symbol that any of the files maps.
        schemas: the schemas that the files say they hold (None: mixed).
        sources: the files read so far, to their end or to where reading stopped.
        partial: set when broken bytes ended the feed early and that was allowed.

    Raises:
        DBNError: a file's metadata is broken, or it is not DBN.
        UsageError: the files are of different datasets, or standard input is named twice.
        OSError: a file cannot be opened.
    """

    def __init__(self, paths: Sequence[str], *, chunk_bytes: int, allow_partial: bool = False) -> None:
        if list(paths).count("-") > 1:
            raise UsageError("standard input (-) can be read only once")
        self.dataset = ""
        self.symbols: dict[int, str] = {}
        self.instruments: dict[str, set[int]] = {}
        self.schemas: set[str | None] = set()
        self.sources: list[SourceFile] = []
        self.partial: Partial | None = None
        self._paths = list(paths)
        self._chunk_bytes = chunk_bytes
        self._allow_partial = allow_partial
        self._stopped = False
        regular = [path for path in paths if path != "-" and _is_regular(path)]
        sizes = [Path(path).stat().st_size for path in regular]
        self.total_bytes = sum(sizes) if len(regular) == len(paths) else None
        self._first = self._open(paths[0])
        try:
            for path in self._paths[1:]:
                if path in regular and not allow_partial:
                    self._open(path).close()
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        """Ask `chunks` to end: what follows is not wanted."""
        self._stopped = True

    def chunks(self, progress: "Progress") -> Iterator[memoryview]:
        """The records, in chunks of whole records, each valid until the next is asked for.

        Raises:
            DBNError: a record is broken, or a file ends inside one. Where that is allowed it ends the feed.
            OSError: a file cannot be read.
        """
        done = 0
        for number, path in enumerate(self._paths):
            reader = self._open_next(path) if number else self._first
            if reader is None:
                return
            with about_file(_named(path)), reader:
                try:
                    for chunk in reader.chunks(self._chunk_bytes):
                        yield chunk
                        progress.update(done + reader.consumed)
                        if self._stopped:
                            break
                except DBNError as error:
                    self._end_early(path, error)
                self.sources.append(SourceFile(Path(path).name, reader.sha256))
                done += reader.consumed

    def close(self) -> None:
        """Close what is open."""
        self._first.close()

    def _open_next(self, path: str) -> DBNReader | None:
        try:
            return None if self._stopped else self._open(path)
        except DBNError as error:
            self._end_early(path, error)
            return None

    def _end_early(self, path: str, error: DBNError) -> None:
        if not self._allow_partial:
            raise error
        self.partial = Partial(Path(path).name, error.offset, error.reason)
        self._stopped = True

    def _open(self, path: str) -> DBNReader:
        with about_file(_named(path)):
            reader = open_dbn(path, sha256=True)
        metadata = reader.metadata
        if self.dataset and metadata.dataset != self.dataset:
            reader.close()
            raise UsageError(
                f"{path} is of dataset {metadata.dataset}, what comes before it of {self.dataset}: "
                "they are no continuous feed; reconstruct them one by one"
            )
        self.dataset = metadata.dataset
        self.symbols |= instrument_symbols(metadata)
        for symbol, ids in symbol_instruments(metadata).items():
            self.instruments.setdefault(symbol, set()).update(ids)
        self.schemas.add(None if metadata.schema is None else str(metadata.schema))
        return reader

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _is_regular(path: str) -> bool:
    """Whether a file can be opened twice; pipes and the like cannot.

    Raises:
        OSError: there is no such file.
    """
    Path(path).stat()
    return Path(path).is_file()


def _named(path: str) -> str:
    return "standard input" if path == "-" else path
