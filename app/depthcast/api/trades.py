"""The last trades of each instrument: kept as the bytes they came in, read when somebody asks."""

from typing import Final, NamedTuple

import numpy as np

from depthcast.api.market import Listing, Market
from depthcast.book.types import BookKey
from depthcast.dbn.layout import MBO, MBO_SIZE
from depthcast.live.replica import Replica
from depthcast.live.replica_types import FeedState, ResetReason

__all__ = ["MOST_TRADES", "Tape", "Trade"]

MOST_TRADES: Final = 1_000
_UNSORTED_BYTES: Final = 256 << 10
"""So much is kept as it came before it is sorted by instrument."""


class Trade(NamedTuple):
    """One trade. ``side`` is the aggressor's: B, A, or N where the venue does not say."""

    publisher_id: int
    ts_event: int
    ts_recv: int
    price: int
    size: int
    side: str
    sequence: int


class Tape:
    """The last trades of every instrument of a market. It listens to the replicas by itself.

    Args:
        most: trades of an instrument, of all its publishers, that are kept.
    """

    def __init__(self, market: Market, most: int = MOST_TRADES) -> None:
        self._tapes = {id(replica): _Tape(replica, most) for replica in market.replicas}

    def last(self, listing: Listing, limit: int = 100, publisher_id: int | None = None) -> list[Trade]:
        """An instrument's last trades, the newest first."""
        return self._tapes[id(listing.replica)].last(listing.instrument_id, limit, publisher_id)

    def total(self, replica: Replica) -> int:
        """Trades that came from a feed so far."""
        return self._tapes[id(replica)].total

    def close(self) -> None:
        """Listen no more."""
        for tape in self._tapes.values():
            tape.replica.remove_listener(tape)


class _Tape:
    """One feed's."""

    wants_records = False

    def __init__(self, replica: Replica, most: int) -> None:
        self.replica = replica
        self._most = most * MBO_SIZE
        self._kept: dict[int, bytes] = {}
        self._unsorted: list[bytes] = []
        self._unsorted_bytes = 0
        self._sorted = 0
        replica.add_listener(self)

    @property
    def total(self) -> int:
        return (self._sorted + self._unsorted_bytes) // MBO_SIZE

    def on_trades(self, records: bytes) -> None:
        """See `ReplicaListener`."""
        if not self._most:
            self._sorted += len(records)
            return
        self._unsorted.append(records)
        self._unsorted_bytes += len(records)
        if self._unsorted_bytes >= _UNSORTED_BYTES:
            self._sort()

    def on_records(self, records: memoryview) -> None:
        """Not asked for."""

    def on_changed(self, keys: list[BookKey]) -> None:
        """Trades are told by `on_trades`."""

    def on_reset(self, reason: ResetReason) -> None:
        """Trades that happened stay so."""

    def on_state(self, state: FeedState) -> None:
        """Nothing follows from it here."""

    def _sort(self) -> None:
        """Put what came to the instruments it is of."""
        records = np.frombuffer(b"".join(self._unsorted), MBO)
        self._unsorted.clear()
        self._sorted += records.nbytes
        self._unsorted_bytes = 0
        if not len(records):
            return
        ids = records["instrument_id"]
        order = np.argsort(ids, kind="stable")
        for part in np.split(records[order], np.flatnonzero(np.diff(ids[order])) + 1):
            number = int(part["instrument_id"][0])
            self._kept[number] = (self._kept.get(number, b"") + part.tobytes())[-self._most :]

    def last(self, instrument_id: int, limit: int, publisher_id: int | None) -> list[Trade]:
        """See `Tape.last`."""
        self._sort()
        records = np.frombuffer(self._kept.get(instrument_id, b""), MBO)
        if publisher_id is not None:
            records = records[records["publisher_id"] == publisher_id]
        newest = records[: -limit - 1 : -1] if limit > 0 else records[:0]
        return [_trade(record) for record in newest]


def _trade(record: np.void) -> Trade:
    return Trade(
        publisher_id=int(record["publisher_id"]),
        ts_event=int(record["ts_event"]),
        ts_recv=int(record["ts_recv"]),
        price=int(record["price"]),
        size=int(record["size"]),
        side=bytes(record["side"]).decode(),
        sequence=int(record["sequence"]),
    )
