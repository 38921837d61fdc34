"""DBN files as a source: one or several in order, local or in S3, once or for ever."""

import asyncio
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Final

import msgspec

from depthcast.dbn import CHUNK_SIZE, forms
from depthcast.dbn.layout import MBO_SIZE
from depthcast.errors import DBNError, RecordError, SourceError
from depthcast.feed.sources.base import Chunk, Marks, Run, SourceKind, decode_state, whole_events
from depthcast.feed.sources.lap import Lap, clears, observed
from depthcast.feed.sources.prefetch import Prefetch
from depthcast.feed.sources.records import is_mbo_only, plain_records
from depthcast.feed.sources.stored import StoredFile
from depthcast.live.symbology import Symbology

__all__ = ["FileSource"]

MARK_EVERY: Final = 4 << 20


class FileState(msgspec.Struct, frozen=True, tag="file", array_like=True):
    """A place in the files. ``offset`` is in the decompressed stream of one of them, 0 where it begins."""

    files: list[tuple[str, int]]
    """The name and the stored size of each."""
    loop: bool
    """Whether ``lap`` is kept."""
    base: int
    """The position of the first record of the first pass."""
    position: int
    """That of the record at the place."""
    turn: int
    """Which pass it is, from 0."""
    file: int
    offset: int
    lap: Lap
    """What the first pass was, as far as it is known there."""


class FileSource:
    """Files of DBN, in the order given. See `Source`.

    Args:
        paths: local paths, or ``s3://bucket/key``; the files must be of one dataset.
        loop: begin again after the last record, for ever, later in time and in sequence each time.
        chunk_bytes: chunks have at most so many bytes.
        read_bytes: files are read in pieces of at most so many bytes.
        mark_every: bytes between two places to which a resumed source goes back.

    Raises:
        SourceError: a file that is not there, cannot be read, is not DBN, or is of another dataset.
    """

    kind: SourceKind = "file"
    live = False

    def __init__(
        self,
        paths: Sequence[str],
        *,
        loop: bool = False,
        chunk_bytes: int = 64 << 10,
        read_bytes: int = CHUNK_SIZE,
        mark_every: int = MARK_EVERY,
    ) -> None:
        if not paths:
            raise SourceError("no file was given")
        self.name = " ".join(paths)
        self.finite = not loop
        self._loop = loop
        self._chunk_bytes = chunk_bytes
        self._read_bytes = read_bytes
        self._mark_every = mark_every
        self._files = [StoredFile(path) for path in paths]
        self._check()
        self.dataset = self._files[0].metadata.dataset
        self.symbology = Symbology()
        for file in self._files:
            self.symbology.learn_metadata(file.metadata)
        self._marks = Marks()
        self._prefetch: Prefetch | None = None

    @property
    def ended(self) -> bool:
        return self._prefetch is not None and self._prefetch.ended

    @property
    def advance_ns(self) -> int:
        return 0

    def open(
        self,
        loop: asyncio.AbstractEventLoop,
        wake: Callable[[], None],
        state: bytes | None = None,
        position: int = 0,
    ) -> None:
        self._prefetch = Prefetch(self.chunks(state, position), loop, wake, name=self.name)

    def chunks(self, state: bytes | None = None, position: int = 0) -> Iterator[Chunk]:
        """What `open` has a thread read: the chunks from ``position`` on."""
        if state is None:
            place = FileState(self._identity(), self._loop, position, position, 0, 0, 0, Lap())
        else:
            place = self._place(state, position)
        self._marks.add(place.position, msgspec.msgpack.encode(place))
        return whole_events(self._records(place), position, position - place.position, self._chunk_bytes)

    def recovered(self, data: bytes, position: int) -> None:
        """The position says it all."""

    def take(self) -> Chunk | None:
        return None if self._prefetch is None else self._prefetch.take()

    def state(self, position: int) -> bytes:
        return self._marks.at(position)

    def close(self) -> None:
        if self._prefetch is not None:
            self._prefetch.close()

    def _check(self) -> None:
        first = self._files[0]
        for file in self._files[1:]:
            if file.metadata.dataset != first.metadata.dataset:
                raise SourceError(
                    f"{file.path} is of dataset {file.metadata.dataset}, {first.path} of "
                    f"{first.metadata.dataset}: a feed has one dataset, so serve them by two feeds"
                )

    def _identity(self) -> list[tuple[str, int]]:
        return [(os.path.basename(file.path), file.size) for file in self._files]  # noqa: PTH119 - or a URL

    def _place(self, state: bytes, position: int) -> FileState:
        """Where to begin to read for ``position``.

        Raises:
            SourceError: the state is of other files, or of a later position.
        """
        place = decode_state(FileState, state, self.name)
        files = self._identity()
        for was, now in zip(place.files, files, strict=False):
            if was != now:
                raise SourceError(
                    f"{self.name}: the journal was written from {was[0]} of {was[1]:,} bytes, and this is "
                    f"{now[0]} of {now[1]:,}: give the same files, or another journal"
                )
        if len(place.files) > len(files) or (place.loop and len(place.files) != len(files)):
            raise SourceError(
                f"{self.name}: the journal was written from {len(place.files)} files, and these are "
                f"{len(files)}: give the same files, or another journal"
            )
        if place.position > position:
            raise SourceError(f"{self.name}: a state of record {place.position:,}, after {position:,}")
        if self._loop and not place.loop:  # it does not know what the first pass was: that is read once more
            place = FileState(files, self._loop, place.base, place.base, 0, 0, 0, Lap())
        return msgspec.structs.replace(place, files=files)

    def _records(self, place: FileState) -> Iterator[Run]:
        """All records from a place on, pass after pass."""
        while True:
            if place.turn and not place.file and not place.offset:
                data = clears(place.lap, place.turn)
                yield Run(data, mbo_only=True)
                place = msgspec.structs.replace(place, position=place.position + forms.count(data))
            for index in range(place.file, len(self._files)):
                place = yield from self._file(msgspec.structs.replace(place, file=index))
            if not self._loop:
                return
            if place.lap.records == 0:
                raise SourceError(f"{self.name}: there is no record to be told again and again")
            place = msgspec.structs.replace(place, turn=place.turn + 1, file=0)
            self._marks.add(place.position, msgspec.msgpack.encode(place))

    def _file(self, place: FileState) -> Generator[Run, None, FileState]:
        """The records of a file from a place on; the place where the next file begins."""
        file = self._files[place.file]
        delta_ns, delta_sequence = place.turn * place.lap.delta_ns, place.turn * place.lap.delta_sequence
        position, lap = place.position, place.lap
        marked = place.offset
        for buffer, offset in file.read(place.offset, self._read_bytes):
            mbo_only = is_mbo_only(buffer)
            data, broken = (buffer, None) if mbo_only else _plain(file, buffer, offset)
            if self._loop and place.turn == 0:
                lap = observed(lap, data)
            elif place.turn:
                data = forms.shifted(data, delta_ns, delta_sequence)
            position += len(data) // MBO_SIZE if mbo_only else forms.count(data)
            place = msgspec.structs.replace(place, position=position, offset=offset, lap=lap)
            yield Run(data, mbo_only)
            if broken is not None:
                raise broken
            if offset - marked >= self._mark_every:
                marked = offset
                self._marks.add(position, msgspec.msgpack.encode(place))
        return msgspec.structs.replace(place, offset=0)


def _plain(file: StoredFile, buffer: memoryview, offset: int) -> tuple[memoryview | bytes, DBNError | None]:
    """The records of a buffer that ends at ``offset``, or the good ones and what is wrong then."""
    try:
        return plain_records(buffer, file.version, ts_out=file.ts_out), None
    except RecordError as error:
        good = plain_records(buffer[: error.offset], file.version, ts_out=file.ts_out)
        at = offset - len(buffer) + (error.offset or 0)
        return good, DBNError(error.reason, path=file.path, offset=at)
