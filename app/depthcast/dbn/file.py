"""A whole DBN file in memory."""

import os
from collections.abc import Iterator
from functools import cached_property
from typing import BinaryIO, Final

import databento_dbn
import numpy as np
from numpy.typing import NDArray

from depthcast.dbn import layout
from depthcast.dbn.framing import record_starts
from depthcast.dbn.layout import LENGTH_WORD, RType
from depthcast.dbn.metadata import AS_IS
from depthcast.dbn.reader import CHUNK_SIZE, open_dbn
from depthcast.errors import DBNError

_SCHEMAS: Final[dict[str, tuple[RType, np.dtype[np.void]]]] = {
    "mbo": (RType.MBO, layout.MBO),
    "trades": (RType.MBP_0, layout.TRADE),
    "mbp-1": (RType.MBP_1, layout.MBP_1),
    "tbbo": (RType.MBP_1, layout.MBP_1),
    "mbp-10": (RType.MBP_10, layout.MBP_10),
    "status": (RType.STATUS, layout.STATUS),
    "bbo-1s": (RType.BBO_1S, layout.BBO),
    "bbo-1m": (RType.BBO_1M, layout.BBO),
    "ohlcv-1s": (RType.OHLCV_1S, layout.OHLCV),
    "ohlcv-1m": (RType.OHLCV_1M, layout.OHLCV),
    "ohlcv-1h": (RType.OHLCV_1H, layout.OHLCV),
    "ohlcv-1d": (RType.OHLCV_1D, layout.OHLCV),
}


def read_dbn(source: str | os.PathLike[str] | BinaryIO, *, partial: bool = False) -> "DBNFile":
    """Read a whole DBN file, plain or zstd, into memory.

    Args:
        source: a path, ``"-"`` for standard input, or a binary stream.
        partial: on broken or missing bytes keep the good records before them, and the error in ``error``,
            instead of raising it. (A file without good metadata is an error either way.)

    Raises:
        DBNError: the bytes are not DBN, or broken.
        OSError: the file cannot be opened or read.
    """
    with open_dbn(source) as reader:
        data = bytearray()
        error: DBNError | None = None
        try:
            for chunk in reader.chunks():
                data += chunk
        except DBNError as found:
            if not partial:
                raise
            error = found
        return DBNFile(reader.path, reader.metadata, data, error)


class DBNFile:
    """A DBN file in memory. Made by `read_dbn`.

    ``len(file)`` is its number of records; iterating gives them all, in order, as `databento_dbn` objects.

    Attributes:
        path: where it was read.
        metadata: its metadata.
        data: all records' bytes, without the metadata.
        error: what was wrong with the bytes that follow, if it was read with ``partial``.
    """

    def __init__(
        self, path: str, metadata: databento_dbn.Metadata, data: bytearray, error: DBNError | None = None
    ) -> None:
        self.path = path
        self.metadata = metadata
        self.data = memoryview(data).toreadonly()
        self.error = error
        self._bytes: NDArray[np.uint8] = np.frombuffer(self.data, dtype=np.uint8)

    @cached_property
    def counts(self) -> dict[int, int]:
        """The number of records of each rtype."""
        rtypes, counts = np.unique(self._bytes[self._starts + 1], return_counts=True)
        return dict(zip(rtypes.tolist(), counts.tolist(), strict=True))

    @property
    def skipped(self) -> dict[int, int]:
        """The number of records of each rtype other than MBO."""
        return {rtype: count for rtype, count in self.counts.items() if rtype != RType.MBO}

    def records(self, schema: str = "mbo") -> NDArray[np.void]:
        """The records of one schema, in order: a structured array with the fields of `depthcast.dbn.layout`.

        It is a read-only view of ``data`` where the whole file is records of that type and one length, else
        a copy. Prices are in 1e-9 units, timestamps in ns. The send time of ``ts_out`` is left out.

        Raises:
            ValueError: a schema of which there is no layout.
            DBNError: a record of that type is shorter than its layout.
        """
        if schema not in _SCHEMAS:
            raise ValueError(f"no record layout for schema {schema!r}; there are {', '.join(_SCHEMAS)}")
        rtype, dtype = _SCHEMAS[schema]
        starts = self._starts[self._bytes[self._starts + 1] == rtype]
        if len(starts) == 0:
            return np.empty(0, dtype=dtype)
        sizes = self._bytes[starts].astype(np.int64) * LENGTH_WORD
        if sizes.min() < dtype.itemsize:
            at = int(starts[sizes.argmin()])
            message = f"a record of rtype {rtype:#04x} with {sizes.min()} bytes; it needs {dtype.itemsize}"
            raise DBNError(message, path=self.path, offset=at + len(self.metadata.encode()))
        if len(starts) == len(self._starts) and sizes.min() == sizes.max():
            return np.ndarray((len(starts),), dtype=dtype, buffer=self.data, strides=(int(sizes[0]),))
        words = np.ndarray(  # every place where a record can begin, overlapping: picking copies records only
            ((len(self._bytes) - dtype.itemsize) // LENGTH_WORD + 1,),
            dtype=dtype,
            buffer=self.data,
            strides=(LENGTH_WORD,),
        )
        picked: NDArray[np.void] = words[starts // LENGTH_WORD]
        return picked

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[databento_dbn.DBNRecord]:
        decoder = databento_dbn.DBNDecoder(
            has_metadata=False,
            ts_out=self.metadata.ts_out,
            input_version=self.metadata.version,
            upgrade_policy=AS_IS,
        )
        for begin in range(0, len(self.data), CHUNK_SIZE):
            decoder.write(bytes(self.data[begin : begin + CHUNK_SIZE]))
            try:
                records = decoder.decode()
            except databento_dbn.DBNError as error:
                raise DBNError(f"a record databento_dbn cannot decode ({error})", path=self.path) from None
            for record in records:
                if not isinstance(record, databento_dbn.Metadata):
                    yield record

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return record_starts(self._bytes, 0, len(self._bytes))
