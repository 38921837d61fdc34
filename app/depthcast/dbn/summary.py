"""What a DBN file holds: its records counted by type and by instrument, and the times they span."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn.columns import split
from depthcast.dbn.layout import HEADER, LENGTH_WORD, UNDEF_TIMESTAMP
from depthcast.dbn.reader import DBNReader
from depthcast.errors import DBNError

__all__ = ["Span", "Summary", "summarize"]


@dataclass(slots=True)
class Span:
    """The earliest and latest of some timestamps, in ns; both None before the first."""

    first: int | None = None
    last: int | None = None

    def add(self, timestamps: NDArray[np.uint64]) -> None:
        """Widen the span to these. Undefined ones do not count."""
        defined = timestamps[timestamps != UNDEF_TIMESTAMP]
        if len(defined):
            first, last = int(defined.min()), int(defined.max())
            self.first = first if self.first is None else min(self.first, first)
            self.last = last if self.last is None else max(self.last, last)


@dataclass(slots=True)
class Summary:
    """The records of a file.

    ``rtypes`` counts them by type, ``instruments`` by (publisher_id, instrument_id); ``bytes`` is their
    size without the metadata. ``error`` is what was wrong after the last good record, or None.
    """

    records: int = 0
    bytes: int = 0
    rtypes: dict[int, int] = field(default_factory=dict)
    instruments: dict[tuple[int, int], int] = field(default_factory=dict)
    ts_event: Span = field(default_factory=Span)
    ts_recv: Span = field(default_factory=Span)
    error: DBNError | None = None

    def add(self, chunk: memoryview) -> None:
        """Count a chunk of whole records."""
        columns = split(chunk)
        places = (len(chunk) - HEADER.itemsize) // LENGTH_WORD + 1
        overlapping = np.ndarray((places,), dtype=HEADER, buffer=chunk, strides=(LENGTH_WORD,))
        headers = overlapping[columns.starts // LENGTH_WORD]
        self.records += len(headers)
        self.bytes += len(chunk)
        for rtype, count in _tally(headers["rtype"]):
            self.rtypes[rtype] = self.rtypes.get(rtype, 0) + count
        keys = headers["publisher_id"].astype(np.uint64) << np.uint64(32) | headers["instrument_id"]
        for key, count in _tally(keys):
            instrument = key >> 32, key & 0xFFFF_FFFF
            self.instruments[instrument] = self.instruments.get(instrument, 0) + count
        self.ts_event.add(headers["ts_event"])
        self.ts_recv.add(columns.ts_recv[columns.ts_recv > 0])


def summarize(reader: DBNReader, *, partial: bool = False) -> Summary:
    """Read a file to its end and say what it holds.

    Args:
        reader: the file, from which nothing has been read yet.
        partial: on broken or missing bytes say what came before them, and the error in ``error``.

    Raises:
        DBNError: the bytes are broken, and ``partial`` was not asked for.
    """
    summary = Summary()
    try:
        for chunk in reader.chunks():
            summary.add(chunk)
    except DBNError as error:
        if not partial:
            raise
        summary.error = error
    return summary


def _tally(values: NDArray[np.unsignedinteger]) -> list[tuple[int, int]]:
    """Each value and how often it is there."""
    found, counts = np.unique(values, return_counts=True)
    return list(zip(found.tolist(), counts.tolist(), strict=True))
