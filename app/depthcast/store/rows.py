"""What a segment becomes: the rows of its records, and the instruments it knows.

They depend on the segment's bytes alone. The head gives the state to derive from and no rows; what is derived
from the records is numbered by their positions in the feed, so that the same records in other segments give
the same rows.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.book.derive import DeriverSet
from depthcast.book.derive_schemas import SCHEMAS
from depthcast.dbn import layout
from depthcast.dbn.framing import record_starts
from depthcast.dbn.layout import LENGTH_WORD, RType
from depthcast.errors import DBNError, JournalError, SegmentError
from depthcast.journal.search import is_damage
from depthcast.journal.segments import ClosedSegment
from depthcast.store.columns import RECORD_COLUMNS
from depthcast.store.encoded import Rows, rows_of
from depthcast.store.grid import DEFAULT_GRID_MS
from depthcast.store.instruments import Instrument, defined, named
from depthcast.store.rollups import Rollups

__all__ = ["Piece", "segment_rows"]

_SCHEMAS: Final = {"trades": "trades", "bbo": "mbp-1", "depth": "mbp-10"}
"""What each table is made of."""


class Piece(NamedTuple):
    """What a run of a segment's records gives: rows by table, and instruments."""

    rows: dict[str, Rows]
    instruments: dict[int, Instrument]


def segment_rows(
    segment: ClosedSegment,
    feed_id: int,
    until: int | None = None,
    *,
    seconds: bool = True,
    grid_ms: int = DEFAULT_GRID_MS,
) -> Iterator[Piece]:
    """The rows of a segment's records, a frame (at most 1 MiB) at a time, and what is left at the end.

    Rows of a table are those that no other segment should have, and go there; those of ``new_...`` are to be
    merged. A row of ``new_depth`` may be of the same interval of a book as another one: the one of the
    greatest position counts. ``shared_...`` and ``touched_...`` have the intervals that are to be made again.

    Args:
        segment: a closed one.
        feed_id: of its feed, for the rows.
        until: records from this position on do not count.
        seconds: whether bars and quotes of seconds are wanted.
        grid_ms: the grid of ``depth``, one of `depthcast.store.grid.GRIDS_MS`.

    Raises:
        SegmentError: its bytes are not what they should be. The pieces before were good.
        JournalError: it cannot be read now.
    """
    end = segment.end if until is None else min(until, segment.end)
    names = {"feed_id": feed_id, "epoch": segment.name.epoch}
    deriving = _Deriving(segment, names, Rollups(names, seconds=seconds, grid_ms=grid_ms))
    try:
        yield from deriving.head()
        for position, data in segment.records(segment.position, end):
            if position != deriving.at:
                missing = f"records {deriving.at:,} to {position - 1:,} are missing in it"
                raise SegmentError(missing, path=segment.path)
            yield deriving.piece(data)
        if end > segment.position:
            yield from deriving.rest()
    except DBNError as error:
        raise SegmentError(f"a record of it is broken ({error})", path=segment.path) from error
    except JournalError as error:
        if is_damage(error):
            raise SegmentError(error.reason, path=error.path or segment.path) from error
        raise
    if deriving.at != max(end, segment.position):
        ended = f"it ends at position {deriving.at:,}, not at {end:,} as its index says"
        raise SegmentError(ended, path=segment.path)


class _Deriving:
    """A segment that is being read.

    Attributes:
        at: the position of the next record.
    """

    def __init__(self, segment: ClosedSegment, names: dict[str, int], rollups: Rollups) -> None:
        self.at = segment.position
        self._segment = segment
        self._names = names
        self._deriver = DeriverSet(_SCHEMAS.values())
        self._rollups = rollups

    def head(self) -> Iterator[Piece]:
        """What it begins with: no rows, and a state to derive from. A block at a time: it may be large."""
        yield Piece({}, named(self._segment.metadata()))
        for block in self._segment.unpacked(self._segment.index.head) if self._segment.index.head else ():
            self._deriver.apply(block)
            yield Piece({}, defined(block))

    def piece(self, data: bytes) -> Piece:
        """What these records give.

        Each MBO record is told its number in ``ts_in_delta``, which no rule looks at and every derived record
        repeats: so it is known which record a derived one is of.
        """
        view = np.frombuffer(data, np.uint8)
        starts = record_starts(view, 0, len(view))
        is_mbo = view[starts + 1] == RType.MBO
        mbo = starts[is_mbo]
        marked = bytearray(data)
        if len(mbo):
            _set_field(marked, mbo, "ts_in_delta", np.arange(len(mbo), dtype=np.int32))
        positions = self.at + np.flatnonzero(is_mbo)
        derived = self._deriver.apply(marked)
        records, of, rows = {}, {}, {}
        for table, schema in _SCHEMAS.items():
            records[table] = np.frombuffer(derived[schema], SCHEMAS[schema].dtype)
            of[table] = records[table]["ts_in_delta"]
        for table in ("trades", "bbo"):
            columns, nulls = RECORD_COLUMNS[table](records[table])
            columns["position"] = positions[of[table]]
            columns["ts_in_delta"] = _field(data, mbo[of[table]], "ts_in_delta")
            if table == "trades":
                columns["order_id"] = _field(data, mbo[of[table]], "order_id").view(np.int64)
            columns["ordinal"] = np.zeros(len(records[table]), np.int16)
            columns |= {name: np.full(len(records[table]), value) for name, value in self._names.items()}
            rows[table] = rows_of(table, columns, nulls)
        rows |= self._rollups.add(records, {table: positions[which] for table, which in of.items()})
        self.at += len(starts)
        return Piece(rows, {} if len(mbo) == len(starts) else defined(data))

    def rest(self) -> Iterator[Piece]:
        """What was held back."""
        for rows in self._rollups.rest():
            yield Piece(rows, {})


def _field(records: bytes | bytearray, starts: NDArray[np.int64], name: str) -> NDArray[np.generic]:
    """A field of the MBO records that begin there."""
    values, place = _everywhere(records, name)
    return values[(starts + place) // LENGTH_WORD]


def _set_field(records: bytearray, starts: NDArray[np.int64], name: str, new: NDArray[np.int32]) -> None:
    """Put these values into a field of the MBO records that begin there."""
    values, place = _everywhere(records, name)
    values[(starts + place) // LENGTH_WORD] = new


def _everywhere(records: bytes | bytearray, name: str) -> tuple[NDArray[np.generic], int]:
    """What every word would be as the beginning of that field; and where in an MBO record the field is."""
    fields: Mapping[str, Any] = layout.MBO.fields or {}
    kind, place = fields[name][:2]
    words = (len(records) - kind.itemsize) // LENGTH_WORD + 1
    return np.ndarray((words,), kind, records, strides=(LENGTH_WORD,)), place
