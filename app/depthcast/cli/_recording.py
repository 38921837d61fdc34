"""A session written to a DBN file, with the symbols that the gateway mapped in its metadata."""

from collections.abc import Callable, Mapping
from pathlib import Path

import databento_dbn

from depthcast.dbn import DBNWriter, forms, make_metadata, open_dbn
from depthcast.dbn.metadata import utc_date
from depthcast.dbn.received import first_time

__all__ = ["Recording"]


class Recording:
    """Data records on their way to a file; it is there when `close` was called.

    A file's metadata come first and name its symbols and days, which a session tells bit by bit. They are
    written as known at the first record, and once more at the end if more was learnt since. ``ts_out`` is
    taken off the records: readers of files do not expect it.
    """

    def __init__(
        self, path: str, *, dataset: str, schema: str | None, symbols: Mapping[int, str], ts_out: bool
    ) -> None:
        self.path = path
        self._dataset = dataset
        self._schema = schema
        self._symbols = symbols
        self._ts_out = ts_out
        self._begin = self._end = 0
        self._head = b""
        self._writer: DBNWriter | None = None

    def write(self, records: memoryview) -> None:
        """Append whole data records."""
        if self._ts_out:
            records = memoryview(forms.plain(records, ts_out=True))
        if self._writer is None:
            self._begin = self._end = first_time(records)
            self._writer = self._open()
        self._writer.write(records)

    def close(self, last_time: int, check: Callable[[], object]) -> None:
        """Finish the file; ``last_time`` is that of its last record.

        ``check`` is called again and again; what it raises ends it. The file has its name by then, all its
        records, and the metadata of its beginning.
        """
        self._end = max(self._end, last_time)
        if self._writer is None:
            self._writer = self._open()
        self._writer.close()
        metadata = self._metadata()
        if metadata.encode() != self._head and self._is_regular():
            with open_dbn(self.path) as reader, DBNWriter(self.path, metadata) as again:
                for chunk in reader.chunks():
                    check()
                    again.write(chunk)

    def abandon(self) -> None:
        """Leave no file, unless it was finished."""
        if self._writer is not None:
            self._writer.abandon()

    def _open(self) -> DBNWriter:
        metadata = self._metadata()
        self._head = metadata.encode()
        return DBNWriter(self.path, metadata)

    def _is_regular(self) -> bool:
        """Whether it can be written again: no pipe and no device."""
        return self.path != "-" and Path(self.path).is_file()

    def _metadata(self) -> databento_dbn.Metadata:
        """Whole days, so that records that come later seldom change them."""
        end = None if utc_date(self._end) == utc_date(self._begin) else self._end + 1
        return make_metadata(
            self._dataset,
            self._schema,
            self._begin,
            end=end,
            mappings={symbol: number for number, symbol in sorted(self._symbols.items())},
        )
