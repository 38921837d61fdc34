"""A small market for the tests of the REST API: a feed with a book of every kind."""

from typing import Final

from tests.support.definitions import definition
from tests.support.recorded_feed import RecordedFeed
from tests.support.records import LAST, MAYBE_BAD, TOB, add, cancel, clear, status, trade

__all__ = ["BUSY", "DATASET", "FUTURE", "NO_BOOK", "SPREAD", "SUSPECT", "TWO", "feed_of_the_world"]

DATASET: Final = "GLBX.MDP3"
PX: Final = 1_000_000_000
T0: Final = 1_758_742_200_000_000_000
FUTURE: Final = 7
"""CLX5: one publisher, three levels, a queue of three orders at 64.79, two trades, in continuous trading."""
TWO: Final = 8
"""ESZ5: books of publishers 1 and 2."""
NO_BOOK: Final = 9
"""NGF6: defined, and nothing more."""
SPREAD: Final = 10
"""A top-of-book book: one level a side, without orders; negative prices; no definition, so no symbol."""
BUSY: Final = 11
"""Not there at first; then its only event does not end."""
SUSPECT: Final = 12
"""SUSP: the venue said that its book may be bad."""


class _Times:
    """Times and sequence numbers that go up."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, instrument_id: int, publisher_id: int = 1) -> dict[str, int]:
        self.n += 1
        return {
            "instrument_id": instrument_id,
            "publisher_id": publisher_id,
            "ts_event": T0 + self.n * 1000,
            "ts_recv": T0 + self.n * 1000 + 130,
            "sequence": 100 + self.n,
        }


def feed_of_the_world(dataset: str = DATASET) -> RecordedFeed:
    """The feed, its first batch published.

    Batch 1 changes CLX5: order 1 goes, there is a trade. Batch 2 begins the event of `BUSY`, batch 3 ends it.
    """
    at = _Times()
    first = [
        definition(FUTURE, "CLX5", asset="CL", exchange="XNYM", currency="USD", expiration=T0 + 10**15),
        definition(TWO, "ESZ5", asset="ES", exchange="XCME", currency="USD"),
        definition(NO_BOOK, "NGF6", asset="NG", exchange="XNYM", currency="USD"),
        definition(SUSPECT, "SUSP"),
        clear(**at(FUTURE)),
        add(1, "B", 64_790_000_000, 5, 0, **at(FUTURE)),
        add(2, "B", 64_790_000_000, 3, 0, **at(FUTURE)),
        add(3, "B", 64_790_000_000, 4, 0, **at(FUTURE)),
        add(4, "B", 64_780_000_000, 21, 0, **at(FUTURE)),
        add(2**64 - 1, "A", 64_800_000_000, 7, 0, **at(FUTURE)),
        add(6, "A", 64_810_000_000, 16, LAST, **at(FUTURE)),
        status(7, instrument_id=FUTURE),
        trade("A", 64_790_000_000, 2, LAST, **at(FUTURE)),
        trade("B", 64_800_000_000, 1, LAST, **at(FUTURE)),
        clear(**at(TWO, 1)),
        add(1, "B", 5_560 * PX, 2, **at(TWO, 1)),
        add(2, "A", 5_561 * PX, 3, **at(TWO, 1)),
        clear(**at(TWO, 2)),
        add(1, "B", 5_560 * PX, 5, **at(TWO, 2)),
        add(2, "A", 5_560 * PX + 250_000_000, 1, **at(TWO, 2)),
        clear(**at(SPREAD)),
        add(0, "B", -3_250_000_000, 9, TOB | LAST, **at(SPREAD)),
        add(0, "A", -3_000_000_000, 2, TOB | LAST, **at(SPREAD)),
        clear(**at(SUSPECT)),
        add(1, "B", 10 * PX, 1, LAST | MAYBE_BAD, **at(SUSPECT)),
    ]
    second = [cancel(1, "B", 64_790_000_000, 5, 0, **at(FUTURE)), trade("N", 0, 3, LAST, **at(FUTURE))]
    third = [clear(**at(BUSY)), add(1, "B", 10 * PX, 1, 0, **at(BUSY))]
    fourth = [add(2, "A", 11 * PX, 1, LAST, **at(BUSY))]
    batches = [b"".join(each) for each in (first, second, third, fourth)]
    feed = RecordedFeed(batches, dataset=dataset)
    feed.publish()
    return feed
