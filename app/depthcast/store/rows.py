"""What a segment becomes: the rows of its records, and the instruments it knows.

They depend on the segment's bytes alone. The head gives the state to derive from and no rows; what is derived
from the records is numbered by their positions in the feed, so that the same records in other segments give
the same rows.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.book.derive import DeriverSet
from depthcast.book.derive_schemas import SCHEMAS
from depthcast.dbn import layout
from depthcast.dbn.columns import split
from depthcast.dbn.layout import LENGTH_WORD, UNDEF_ORDER_SIZE, UNDEF_PRICE, UNDEF_TIMESTAMP
from depthcast.errors import DBNError, JournalError, SegmentError
from depthcast.journal.search import is_damage
from depthcast.journal.segments import ClosedSegment
from depthcast.store.copying import Levels, encode_rows
from depthcast.store.instruments import Instrument, defined, merged, named
from depthcast.store.tables import LEVELS, TABLES

__all__ = ["Piece", "Rows", "segment_rows"]

_SCHEMAS: Final = {"trades": "trades", "bbo": "mbp-1", "depth": "mbp-10"}
"""What each table is made of."""
_NS_PER_S: Final = 1_000_000_000
_NS_PER_US: Final = 1_000
_US_PER_S: Final = 1_000_000
_US_PER_DAY: Final = 86_400 * _US_PER_S
_EPOCH_2000_US: Final = 946_684_800_000_000

Columns = dict[str, "NDArray[np.generic] | Levels"]
Nulls = dict[str, NDArray[np.bool_]]


class Rows(NamedTuple):
    """Rows of one table, ready to be copied.

    Attributes:
        number: how many.
        data: in the binary COPY format.
        first_us, last_us: the least and greatest ``ts``, µs since 2000; of no rows, 0.
        days: those of ``ts``, and of the second that ends after it: days since 2000.
    """

    number: int
    data: bytes
    first_us: int
    last_us: int
    days: frozenset[int]


class Piece(NamedTuple):
    """What a run of a segment's records gives: rows by table, and instruments."""

    rows: dict[str, Rows]
    instruments: dict[int, Instrument]


def segment_rows(segment: ClosedSegment, feed_id: int, until: int | None = None) -> Iterator[Piece]:
    """The rows of a segment's records, a frame (at most 1 MiB of them) at a time.

    Rows of table ``depth`` may come several times for one second of a book: the one of the greatest position
    counts.

    Args:
        segment: a closed one.
        feed_id: of its feed, for the rows.
        until: records from this position on do not count.

    Raises:
        SegmentError: its bytes are not what they should be. The pieces before were good.
        JournalError: it cannot be read now.
    """
    end = segment.end if until is None else min(until, segment.end)
    deriver = DeriverSet(_SCHEMAS.values())
    at = segment.position
    try:
        head = segment.head()
        deriver.apply(head)
        yield Piece({}, merged(named(segment.metadata()), defined(head)))
        for position, data in segment.records(segment.position, end):
            if position != at:
                raise SegmentError(f"records {at:,} to {position - 1:,} are missing in it", path=segment.path)
            piece, count = _piece(deriver, data, position, feed_id, segment.name.epoch)
            at += count
            yield piece
    except DBNError as error:
        raise SegmentError(f"a record of it is broken ({error})", path=segment.path) from error
    except JournalError as error:
        if is_damage(error):
            raise SegmentError(error.reason, path=error.path or segment.path) from error
        raise
    if at != max(end, segment.position):
        raise SegmentError(f"it ends at position {at:,}, not at {end:,} as its index says", path=segment.path)


def _piece(deriver: DeriverSet, data: bytes, position: int, feed_id: int, epoch: int) -> tuple[Piece, int]:
    """What these records give; and how many they are.

    Each MBO record is told its number in ``ts_in_delta``, which no rule looks at and every derived record
    repeats: so it is known which record a derived one is of.
    """
    marked = bytearray(data)
    chunk = split(memoryview(data))
    mbo = chunk.mbo
    _delta_of(marked, chunk.starts[chunk.is_mbo], np.arange(len(mbo), dtype=np.int32))
    positions = position + np.flatnonzero(chunk.is_mbo)
    derived = deriver.apply(marked)
    rows = {}
    for table, schema in _SCHEMAS.items():
        records = np.frombuffer(derived[schema], SCHEMAS[schema].dtype)
        of = records["ts_in_delta"]
        if table == "depth":
            records, of = _last_in_each_second(records, of)
        columns, nulls = _COLUMNS[table](records)
        columns["position"] = positions[of]
        columns["ts_in_delta"] = mbo["ts_in_delta"][of]
        columns["order_id"] = mbo["order_id"][of].view(np.int64)
        columns["epoch"] = np.full(len(records), epoch)
        columns["feed_id"] = np.full(len(records), feed_id)
        columns["ordinal"] = np.zeros(len(records), np.int16)
        rows[table] = _rows(table, columns, nulls)
    instruments = {} if len(mbo) == len(chunk.starts) else defined(data)
    return Piece(rows, instruments), len(chunk.starts)


def _rows(table: str, columns: Columns, nulls: Nulls) -> Rows:
    times = columns["ts"]
    if isinstance(times, Levels) or len(times) == 0:
        return Rows(0, b"", 0, 0, frozenset())
    us = times.astype(np.int64)
    days = np.unique(us // _US_PER_DAY), np.unique((us + (_US_PER_S - 1)) // _US_PER_DAY)
    every = frozenset(int(day) for some in days for day in some)
    return Rows(len(us), encode_rows(TABLES[table], columns, nulls), int(us.min()), int(us.max()), every)


def _delta_of(records: bytearray, starts: NDArray[np.int64], values: NDArray[np.int32]) -> None:
    """Put these values into the ``ts_in_delta`` of the MBO records that begin there."""
    fields = layout.MBO.fields
    if len(starts) == 0 or fields is None:
        return
    words = np.frombuffer(records, "<i4")  # records are whole words
    words[(starts + fields["ts_in_delta"][1]) // LENGTH_WORD] = values


def _last_in_each_second(
    records: NDArray[np.void], of: NDArray[np.int32]
) -> tuple[NDArray[np.void], NDArray[np.int32]]:
    """The last record of each book in each second, in their order."""
    seconds = _second_after(_time_of(records))
    books = records["publisher_id"].astype(np.uint64) << np.uint64(32) | records["instrument_id"]
    order = np.lexsort((seconds, books))  # stable: within both in the order of the feed
    last = np.ones(len(records), np.bool_)
    last[:-1] = (books[order][1:] != books[order][:-1]) | (seconds[order][1:] != seconds[order][:-1])
    chosen = np.sort(order[last])
    return records[chosen], of[chosen]


def _time_of(records: NDArray[np.void]) -> NDArray[np.uint64]:
    """The time (ns) that a row is found by: ts_recv, else ts_event, else none: 0."""
    times = np.where(records["ts_recv"] != UNDEF_TIMESTAMP, records["ts_recv"], records["ts_event"])
    times[times == UNDEF_TIMESTAMP] = 0
    found: NDArray[np.uint64] = times
    return found


def _second_after(times: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The end of the second (k, k+1] that a time (ns) is in."""
    second = np.uint64(_NS_PER_S)
    ends: NDArray[np.uint64] = times // second + (times % second != 0)
    return ends


def _us_down(times: NDArray[np.uint64]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = (times // np.uint64(_NS_PER_US)).astype(np.int64) - _EPOCH_2000_US
    return found


def _us_up(times: NDArray[np.uint64]) -> NDArray[np.int64]:
    us = np.uint64(_NS_PER_US)
    found: NDArray[np.int64] = (times // us + (times % us != 0)).astype(np.int64) - _EPOCH_2000_US
    return found


def _common(records: NDArray[np.void]) -> tuple[Columns, Nulls]:
    columns: Columns = {
        "ts_event": records["ts_event"].view(np.int64),
        "ts_recv": records["ts_recv"].view(np.int64),
    }
    nulls: Nulls = {name: records[name] == UNDEF_TIMESTAMP for name in ("ts_event", "ts_recv")}
    for name in ("instrument_id", "sequence", "price", "size", "publisher_id", "depth", "flags", "side"):
        columns[name] = records[name]
    nulls["price"] = records["price"] == UNDEF_PRICE
    nulls["size"] = records["size"] == UNDEF_ORDER_SIZE
    return columns, nulls


def _with_top(records: NDArray[np.void]) -> tuple[Columns, Nulls]:
    columns, nulls = _common(records)
    top = records["levels"][:, 0]
    for name in ("bid_px", "ask_px", "bid_sz", "ask_sz", "bid_ct", "ask_ct"):
        columns[name] = top[name]
    for name in ("bid_px", "ask_px"):
        nulls[name] = top[name] == UNDEF_PRICE
    return columns, nulls


def _trade_columns(records: NDArray[np.void]) -> tuple[Columns, Nulls]:
    columns, nulls = _common(records)
    columns["ts"] = _us_down(_time_of(records))
    return columns, nulls


def _bbo_columns(records: NDArray[np.void]) -> tuple[Columns, Nulls]:
    columns, nulls = _with_top(records)
    columns["ts"] = _us_up(_time_of(records))
    columns["action"] = records["action"]
    return columns, nulls


def _depth_columns(records: NDArray[np.void]) -> tuple[Columns, Nulls]:
    columns, nulls = _with_top(records)
    ends = _second_after(_time_of(records)).astype(np.int64)
    columns["ts"] = ends * _US_PER_S - _EPOCH_2000_US
    levels = records["levels"]
    for side in ("bid", "ask"):
        # A side's levels are there from the best on; a top-of-book quote is a level with a price.
        there = (levels[f"{side}_px"] != UNDEF_PRICE).sum(axis=1)
        for part in ("px", "sz", "ct"):
            columns[f"{side}_{part}s"] = Levels(levels[f"{side}_{part}"].astype(np.int64), there)
        columns[f"{side}_sz_{LEVELS}"] = levels[f"{side}_sz"].sum(axis=1, dtype=np.int64)
    return columns, nulls


_COLUMNS: Final = {"trades": _trade_columns, "bbo": _bbo_columns, "depth": _depth_columns}
