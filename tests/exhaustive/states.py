"""What tells two states of a small world apart, and what an engine in a state answers."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from depthcast.book.reference import ReferenceEngine
from depthcast.book.reference_book import ReferenceBook
from depthcast.book.types import BookKey
from depthcast.dbn.layout import MBO_SIZE
from tests.support.records import INSTRUMENT, PUBLISHER, TOB

KEY: Final = BookKey(PUBLISHER, INSTRUMENT)
TS_EVENT: Final = slice(8, 16)
ORDER_ID: Final = slice(16, 24)
TS_RECV: Final = slice(40, 48)
SIZE: Final = slice(32, 36)
ACTION: Final = 38
FLAGS: Final = 36
ADD, FILL = ord("A"), ord("F")


@dataclass(frozen=True, slots=True)
class StateKey:
    """A state: the book and open event as its snapshot tells them, and what no snapshot tells apart.

    Two differences make no two states, as nothing that comes later depends on them: times, and by how much
    fills go beyond what the order displays.
    """

    snapshot: bytes
    complete: bool
    suspect: bool
    cleared: bool
    run_closed_at: int | None


def book_of(engine: ReferenceEngine) -> ReferenceBook:
    """The one book of the world."""
    return engine._books[KEY]


def state_key(engine: ReferenceEngine, snapshot: bytes) -> StateKey:
    """The state that an engine whose snapshot is given is in."""
    book = book_of(engine)
    closed_at = book.run_closed_at if book.cleared else None
    return StateKey(canonical(snapshot), book.complete, book.suspect, book.cleared, closed_at)


@cache
def without_version(snapshot: bytes) -> bytes:
    """A snapshot without the version on its R, quotes and fills, which is not restored inside an event."""
    records = bytearray(snapshot)
    for start in range(0, len(records), MBO_SIZE):
        record = memoryview(records)[start : start + MBO_SIZE]
        if record[ACTION] != ADD or record[FLAGS] & TOB:
            record[TS_EVENT] = bytes(8)
    return bytes(records)


def canonical(snapshot: bytes) -> bytes:
    """A snapshot without its times, each order's fills counted up to its displayed size."""
    records = bytearray(snapshot)
    displayed: dict[bytes, bytes] = {}
    for start in range(0, len(records), MBO_SIZE):
        record = memoryview(records)[start : start + MBO_SIZE]
        record[TS_EVENT] = record[TS_RECV] = bytes(8)
        order_id, size = bytes(record[ORDER_ID]), bytes(record[SIZE])
        if record[ACTION] == FILL:
            record[SIZE] = min(size, displayed[order_id], key=lambda part: int.from_bytes(part, "little"))
        else:
            displayed[order_id] = size
    return bytes(records)
