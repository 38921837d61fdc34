"""Small made-up days of records, for the tests of the command."""

from typing import Final

from depthcast.dbn.layout import RType
from tests.support.records import add, clear, other, status

PX: Final = 1_000_000_000

DAY: Final = [
    clear(0, ts_event=10, ts_recv=11, sequence=1),
    status(7),
    add(2**64 - 1, "B", 64_790_000_000, 5, 0, ts_event=20, ts_recv=21, sequence=2),
    add(2, "B", 64_790_000_000, 3, ts_event=30, ts_recv=31, sequence=3),
    add(3, "A", 5560 * PX, 1, ts_event=40, ts_recv=41, sequence=4),
    other(RType.OHLCV_1S),
    add(4, "B", -3_250_000_000, 7, ts_event=50, ts_recv=51, sequence=5),
    add(5, "A", 5560 * PX + 1, 2, 0, ts_event=1_758_742_200_000_000_001, ts_recv=61, sequence=6),
]
"""One book: negative, whole and long prices, a great order id, and it ends inside an event."""

BOOKS: Final = [
    add(1, "B", 10 * PX, 1, 0, instrument_id=7, ts_recv=10),
    add(1, "B", 20 * PX, 1, instrument_id=8, ts_recv=20),
    add(2, "A", 11 * PX, 1, instrument_id=7, ts_recv=30),
    add(1, "B", 30 * PX, 1, publisher_id=2, instrument_id=7, ts_recv=40),
    add(3, "A", 12 * PX, 1, 0, instrument_id=7, ts_recv=50),
    add(2, "A", 21 * PX, 1, instrument_id=8, ts_recv=60),
]
"""Three books whose events lie in one another."""
