from collections.abc import Iterable
from typing import final

from _typeshed import ReadableBuffer

def data_prefix(buffer: ReadableBuffer) -> tuple[int, int, int]:
    """(bytes, records, time) of the whole data records at the front of a buffer that begins at a record.

    It stops before a control record (error, symbol mapping, system: rtypes 0x15 to 0x17), before one that
    the buffer cuts short, and before a broken one. ``time`` is that of the last of these records, in ns: its
    ts_event; ts_recv where it is bbo or a snapshot's. All three are 0 where there is none.

    Raises:
        RecordError: the first record is broken.
    """

def first_time(buffer: ReadableBuffer) -> int:
    """The time (as `data_prefix` has it) of the first record.

    Raises:
        RecordError: there is no whole record.
    """

@final
class Marks:
    """Which records were seen, as far as it takes to drop exactly those from a replay.

    A replay gives, per rtype and instrument, the records at or after its start in the order in which they
    came live. So it is enough to know, for one such time (a checkpoint) per rtype, how many records of each
    instrument were seen at or after it, and which was the first (one that came before we had subscribed may
    bear the same time): these come first, and are dropped; the next is the first unseen one.

    A checkpoint lies after everything seen when it was made. There are two, and the older one is used: a
    record whose time lies up to ``period_ns`` before that of records that came ahead of it is not lost.
    Nothing here is done per record in Python (about 6 ns a record).

    Args:
        period_ns: the least time between two checkpoints of an rtype.
        snapshots_by_ts_recv: the gateway compares a snapshot record's ts_recv with the start (ours does),
            not its ts_event.
        ts_out: the records end with 8 bytes of it; they differ from session to session.
    """

    def __init__(
        self, period_ns: int = 2_000_000_000, *, snapshots_by_ts_recv: bool = True, ts_out: bool = False
    ) -> None: ...
    def begin(self, rtype: int, start: int) -> None:
        """Say that everything from ``start`` on was asked for, before the first record of the rtype."""

    def start(self, rtype: int) -> int | None:
        """Where a replay of this rtype is to begin; None if nothing of it was asked for or seen."""

    def see(self, buffer: ReadableBuffer) -> None:
        """Take whole records as seen. What is not whole at the end is left out."""

    def replay(self, rtypes: Iterable[int]) -> int:
        """A replay of these rtypes begins, each from `start`: how many of its records were seen before."""

    def unseen(self, buffer: ReadableBuffer) -> bytes:
        """The records that were not seen before; they are taken as seen."""

    def complete(self) -> None:
        """The gateway says that the replay is over. What is pending is looked for in what follows.

        A gateway that was killed may have lost its last records: it sends them again as new ones. They are
        dropped as in the replay, up to the first record of their instrument that is later than all seen.
        """

    @property
    def overdue(self) -> bool:
        """After `complete`: a record came so late that what is pending will not come any more."""

    def give_up(self) -> int:
        """The replay is over, whatever is pending: how many instruments' records were not as expected."""

    @property
    def pending(self) -> int:
        """Records of the replay that were seen before and have not come yet."""

    @property
    def mismatched(self) -> int:
        """Instruments whose replay was not what had been seen of them."""

    def __len__(self) -> int:
        """(rtype, instrument) pairs known."""
