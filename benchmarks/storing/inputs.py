"""Journals whose segments are compacted: a busy market, a huge head, very many books."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.book.engine import Engine
from depthcast.dbn import forms, layout, make_metadata
from depthcast.dbn.layout import RType
from depthcast.exchange import Exchange, ExchangeParams, InstrumentParams
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.reader import JournalReader
from depthcast.journal.segments import ClosedSegment
from depthcast.journal.writer import JournalWriter

__all__ = ["DATASET", "busy_market", "huge_head", "many_books", "segments_in"]

DATASET: Final = "XSIM.BENCH"
_POLICY: Final = JournalPolicy(segment_s=86_400.0, segment_bytes=1 << 30)
_BEGIN: Final = 1_700_000_000 * 10**9
_TICK: Final = 10_000_000
_BATCH: Final = 10_000
_LAST: Final = 0x80


class _Journal:
    """A journal that is being made."""

    def __init__(self, folder: Path, instruments: int) -> None:
        mappings = {f"SIM{each}": each for each in range(1, instruments + 1)}
        self._metadata = make_metadata(DATASET, None, 1, mappings=mappings)
        self._engine = Engine()
        self._writer = JournalWriter.open(folder, "", DATASET, "0", _POLICY)
        self._writer.begin(0, self._metadata, b"", b"")

    def put(self, records: bytes) -> None:
        self._writer.append(records, forms.count(records))
        self._engine.apply(records)

    def rotate(self) -> None:
        """Begin the next segment."""
        self._writer.rotate(self._writer.position, self._metadata, self._engine.snapshot(), b"")

    def close(self) -> None:
        self._writer.close()


def busy_market(folder: Path, records: int, segment_records: int) -> None:
    """Eight instruments, some 25,000 records a second, in segments of so many."""
    instruments = tuple(
        InstrumentParams(each, f"SIM{each}", tick=_TICK, reference_price=64_000_000_000)
        for each in range(1, 9)
    )
    journal = _Journal(folder, len(instruments))
    left = segment_records
    for batch in Exchange(ExchangeParams(instruments=instruments)).run(records=records):
        if left <= 0:
            journal.rotate()
            left = segment_records
        journal.put(batch)
        left -= forms.count(batch)
    journal.close()


def huge_head(folder: Path, orders: int, records: int) -> None:
    """So many live orders in eight books, and a segment that begins with all of them."""
    journal = _Journal(folder, 8)
    for begin in range(0, orders, _BATCH):
        journal.put(_adds(begin, min(orders, begin + _BATCH), 8, 5_000, step_ns=1_000))
    journal.rotate()
    for begin in range(orders, orders + records, _BATCH):
        journal.put(_adds(begin, min(orders + records, begin + _BATCH), 8, 5_000, step_ns=10_000))
    journal.close()


def many_books(folder: Path, records: int, books: int) -> None:
    """A record of every book each second: nearly every one gives a row of ten levels."""
    journal = _Journal(folder, books)
    for begin in range(0, records, _BATCH):
        end = min(records, begin + _BATCH)
        journal.put(_adds(begin, end, books, 10, step_ns=10**9 // books))
    journal.close()


def segments_in(folder: Path) -> list[ClosedSegment]:
    """Those of a journal."""
    segments = JournalReader.open(folder, "", DATASET, "0").segments()
    return [segment for segment in segments if isinstance(segment, ClosedSegment)]


def _adds(begin: int, end: int, books: int, levels: int, *, step_ns: int) -> bytes:
    """New orders in turn for each book, on either side, level by level."""
    number: NDArray[np.int64] = np.arange(begin, end)
    turn = number // books
    level = turn // 2 % levels
    records = np.zeros(len(number), layout.MBO)
    records["length"] = layout.MBO_SIZE // layout.LENGTH_WORD
    records["rtype"] = RType.MBO
    records["publisher_id"] = 1
    records["instrument_id"] = number % books + 1
    records["ts_event"] = records["ts_recv"] = (_BEGIN + number * step_ns).astype(np.uint64)
    records["order_id"] = number + 1
    records["size"] = 1 + number % 9
    records["side"] = np.where(turn % 2 == 0, b"B", b"A")
    records["price"] = np.where(turn % 2 == 0, 6_399 - level, 6_400 + level) * _TICK
    records["flags"] = _LAST
    records["action"] = b"A"
    records["sequence"] = number
    return records.tobytes()
