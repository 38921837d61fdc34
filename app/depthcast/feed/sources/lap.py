"""What one pass over a source's files was, so that the next pass can follow it in time and sequence."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn import Flags, RType, forms
from depthcast.dbn.layout import LENGTH_WORD, MBO, MBO_SIZE, UNDEF_PRICE, UNDEF_TIMESTAMP

__all__ = ["Lap", "clears", "observed"]

GAP_NS: Final = 1_000_000
"""Time between the last record of a pass and the first of the next."""

_MBO_ONLY: Final = forms.rtype_mask({RType.MBO})


class Lap(NamedTuple):
    """What the records seen so far of a pass were; after the last, the whole pass.

    Attributes:
        records: how many.
        first_ns, last_ns: the earliest and the latest ts_recv of the MBO records; of all, if none is MBO.
        sequence: the greatest.
        books: those seen, as publisher_id * 2**32 + instrument_id.
        open_books: those of them that begin neither with a clear nor with a snapshot.
    """

    records: int = 0
    first_ns: int = UNDEF_TIMESTAMP
    last_ns: int = 0
    sequence: int = 0
    books: tuple[int, ...] = ()
    open_books: tuple[int, ...] = ()
    has_mbo: bool = False

    @property
    def delta_ns(self) -> int:
        """How much later each pass is than the one before it."""
        return max(self.last_ns - self.first_ns, 0) + GAP_NS

    def time(self, turn: int) -> int:
        """The earliest time of a pass, ns, if any is defined."""
        undefined = self.first_ns == UNDEF_TIMESTAMP
        return UNDEF_TIMESTAMP if undefined else self.first_ns + turn * self.delta_ns

    @property
    def delta_sequence(self) -> int:
        return self.sequence + 1


def observed(lap: Lap, data: memoryview | bytes) -> Lap:
    """The pass with the whole records ``data`` (plain ones) after what it had."""
    records = lap.records + forms.count(data)
    mbo = np.frombuffer(forms.form(data, rtypes=_MBO_ONLY), dtype=MBO)
    if len(mbo) == 0:
        if lap.has_mbo or not data:
            return lap._replace(records=records)
        span = forms.span(data)
        first, last = min(lap.first_ns, span.min_ts_recv), max(lap.last_ns, span.max_ts_recv)
        return lap._replace(records=records, first_ns=first, last_ns=last)
    times = mbo["ts_recv"][mbo["ts_recv"] != UNDEF_TIMESTAMP]
    first, last = (lap.first_ns, lap.last_ns) if lap.has_mbo else (UNDEF_TIMESTAMP, 0)
    if len(times):
        first, last = min(first, int(times.min())), max(last, int(times.max()))
    lap = lap._replace(
        records=records,
        first_ns=first,
        last_ns=last,
        sequence=max(lap.sequence, int(mbo["sequence"].max())),
        has_mbo=True,
    )
    return _with_books(lap, mbo)


def _with_books(lap: Lap, mbo: NDArray[np.void]) -> Lap:
    keys = mbo["publisher_id"].astype(np.uint64) << np.uint64(32) | mbo["instrument_id"]
    found, first = np.unique(keys, return_index=True)
    known = set(lap.books)
    fresh = {key: at for key, at in zip(found.tolist(), first.tolist(), strict=True) if key not in known}
    if not fresh:
        return lap
    unopened = (
        key
        for key, at in fresh.items()
        if mbo["action"][at] != b"R" and not mbo["flags"][at] & Flags.SNAPSHOT
    )
    return lap._replace(books=lap.books + tuple(fresh), open_books=lap.open_books + tuple(unopened))


def clears(lap: Lap, turn: int) -> bytes:
    """What a pass after the first begins with: an ``R`` for each book that does not begin with one.

    Without it the books of the pass before would stay. It is flagged F_MAYBE_BAD_BOOK: what such a book held
    before its first record is not known, in any pass.
    """
    records = np.zeros(len(lap.open_books), dtype=MBO)
    keys = np.array(sorted(lap.open_books), dtype=np.uint64)
    records["length"] = MBO_SIZE // LENGTH_WORD
    records["rtype"] = RType.MBO
    records["publisher_id"] = keys >> np.uint64(32)
    records["instrument_id"] = keys & np.uint64(2**32 - 1)
    records["ts_event"] = records["ts_recv"] = lap.time(turn)
    records["price"] = UNDEF_PRICE
    records["action"], records["side"] = b"R", b"N"
    records["flags"] = Flags.LAST | Flags.MAYBE_BAD_BOOK
    records["sequence"] = turn * lap.delta_sequence % 2**32
    return records.tobytes()
