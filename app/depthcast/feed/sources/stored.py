"""A stored DBN file, local or in S3: what it is, and its records from any offset on."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from depthcast.dbn import CHUNK_SIZE, DBNReader, open_dbn
from depthcast.errors import DBNError, SourceError

__all__ = ["StoredFile"]

S3: Final = "s3://"


class StoredFile:
    """A file of DBN, looked at when this is made and opened anew for each `read`.

    Attributes:
        path: the local path or URL.
        size: bytes as it is stored.
        metadata: its own.
        version: 1 to 3.
        ts_out: whether its records have a send time.

    Raises:
        SourceError: it is not there, cannot be read, or is not DBN.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with self._open() as stream, open_dbn(cast("BinaryIO", stream)) as reader:
                self.metadata = reader.metadata
                self.version = reader.version
                self.ts_out = bool(reader.metadata.ts_out)
                self.size = stream.seek(0, os.SEEK_END)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SourceError(f"{path}: {reason[:1].lower()}{reason[1:]}") from error
        except DBNError as error:
            raise SourceError(str(error)) from error

    def read(self, offset: int, size: int = CHUNK_SIZE) -> Iterator[tuple[memoryview, int]]:
        """Whole records from an offset in the decompressed stream on, 0 for the first.

        Each buffer, of at most ``size`` bytes, comes with the offset after it, and is valid until the next is
        asked for. A plain file is read from the offset, a compressed one from its beginning.

        Raises:
            DBNError: a record is broken or cut short; all before it were given.
            OSError: the file cannot be read.
        """
        with self._open() as stream, open_dbn(cast("BinaryIO", stream)) as reader:
            moved = 0
            if offset and not reader.compressed:
                moved = offset - reader.offset
                stream.seek(offset)
            try:
                yield from self._from(reader, offset, moved, size)
            except DBNError as error:
                at = None if error.offset is None else error.offset + moved
                raise DBNError(error.reason, path=self.path, offset=at) from None

    def _from(
        self, reader: DBNReader, offset: int, moved: int, size: int
    ) -> Iterator[tuple[memoryview, int]]:
        for chunk in reader.chunks(size):
            after = reader.offset + moved
            if after > offset:
                yield chunk[max(len(chunk) - (after - offset), 0) :], after

    def _open(self) -> io.RawIOBase:
        if self.path.startswith(S3):
            from depthcast.feed.sources.objects import open_object

            return open_object(self.path)
        path = Path(self.path)
        if path.is_dir():
            raise SourceError(f"{self.path}: a folder: give the files in it")
        if path.exists() and not path.is_file():
            raise SourceError(f"{self.path}: no regular file: a feed looks at its files before it reads them")
        return io.FileIO(self.path)
