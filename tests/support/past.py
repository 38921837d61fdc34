"""Journals of several lives, and what the books of their source were at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.book.views import BookView, book_view
from depthcast.dbn import open_dbn
from depthcast.dbn.columns import split
from tests.support.journals import DATASET, Recording
from tests.support.stored import event_pieces

__all__ = [
    "LIVES",
    "SourceTimes",
    "clx5_records",
    "journal_of_lives",
    "source_books",
    "view_of",
    "without_counts",
]

LIVES: Final = 3


def clx5_records(data_dir: Path) -> bytes:
    """The records of the real day."""
    with open_dbn(data_dir / "CLX5_mbo.dbn") as reader:
        return b"".join(bytes(chunk) for chunk in reader.chunks(1 << 20))


def journal_of_lives(folder: Path, data: bytes, *, records: int, lives: int = LIVES) -> Path:
    """A journal of these records, written in so many epochs, in segments of about so many records."""
    pieces = list(event_pieces(data, records))
    share = -(-len(pieces) // lives)
    for life in range(lives):
        recording = Recording(folder, segment_s=3600.0)
        for piece in pieces[life * share : (life + 1) * share]:
            recording.rotate()
            recording.put(piece)
        recording.writer.close()
    return folder


class SourceTimes:
    """How many bytes and records of a source are before the first that is later than a time."""

    def __init__(self, data: bytes) -> None:
        self._columns = split(memoryview(data))
        self._size = len(data)

    def __call__(self, ts_recv: int) -> tuple[int, int]:
        later = self._columns.ts_recv > ts_recv
        if not later.any():
            return self._size, len(later)
        first = int(later.argmax())
        return int(self._columns.starts[first]), first

    def times(self, count: int, seed: int) -> list[int]:
        """So many times within the source, in order: random ones, and those of records and just before."""
        generator = np.random.default_rng(seed)
        found = self._columns.ts_recv[self._columns.ts_recv > 0]
        first, last = int(found[0]), int(found.max()) - 1
        random = generator.integers(first, last, count - count // 2, dtype=np.uint64)
        exact = generator.choice(found, count // 2)
        exact[::2] -= np.uint64(1)
        return sorted(min(max(int(each), first), last) for each in (*random, *exact))


def source_books(data: bytes, times: list[int]) -> Iterator[tuple[int, int, Engine]]:
    """(time, records before, an engine with the books of that time), as ``reconstruct --at`` makes them."""
    prefix, engine, applied = SourceTimes(data), Engine(), 0
    for at in times:
        size, records = prefix(at)
        engine.apply(data[applied:size])
        applied = size
        yield at, records, engine


def view_of(engine: Engine, key: BookKey, symbol: str | None, levels: int = 0) -> BookView:
    """A book with its queues."""
    return book_view(engine, key, dataset=DATASET, symbol=symbol, levels=levels, orders=True)


def without_counts(view: Any) -> dict[str, Any]:
    """What a book filled from a head shares with one that was followed: all but how many records it took.

    A book that is not good is both incomplete and suspect after a head (docs/decisions/0001-book-rulings.md).
    """
    status = view["status"]
    return {
        "bids": view["bids"],
        "asks": view["asks"],
        "checksum": view["checksum"],
        "good": status["complete"] and not status["suspect"],
        **{name: status[name] for name in ("top", "phase", "version")},
    }
