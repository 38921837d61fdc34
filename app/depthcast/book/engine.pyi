from typing import Literal, final

from depthcast.book.reference_records import RecordBuffer
from depthcast.book.types import Bbo, BookKey, BookStatus, Depth, Order, QueuePosition

@final
class Engine:
    """Many order books, kept exact from whole DBN records (docs/book.md has the rules).

    One thread owns an engine. `apply` and `boundary` release the GIL; a call from another thread meanwhile
    raises RuntimeError. Prices are ints in 1e-9 units, timestamps ns since the epoch, sizes sums of uint32.

    Questions about one instrument take ``publisher_id`` where several publishers have a book of it: without
    it they raise `AmbiguousBookError` then (`depth` and `bbo` consolidate instead). An instrument without a
    book is `UnknownBookError`.

    Args:
        max_event_records: an event of more records (snapshot records aside) makes its book suspect.
        max_event_ns: so does one that lasts longer, by ts_recv.
    """

    def __init__(self, max_event_records: int = 65536, max_event_ns: int = 60_000_000_000) -> None: ...
    def apply(self, buffer: RecordBuffer) -> int:
        """Apply a buffer of whole records; how many MBO and Status records were taken.

        Others are skipped and counted. MBO records have 56 bytes, or 64 with ts_out. Market data never
        raises; what is ignored is in `counters`.

        Raises:
            RecordError: broken framing, with its ``offset`` in the buffer; the ``applied`` records before it
                stay applied.
            BufferError: the buffer is not contiguous.
            MemoryError: no memory; the records before the one named were applied.
        """

    def boundary(self, buffer: RecordBuffer, *, new_only: bool = False) -> int:
        """Bytes of the longest prefix of the buffer that, applied now, leaves no book inside an event.

        It changes no book. A last record that is cut short is no error here: it is not in the prefix.
        With ``new_only`` the events that books are inside of now do not count until they end: a book that
        stays inside one does not keep the others waiting.

        Raises:
            RecordError: broken framing.
        """

    def books(self) -> list[BookKey]:
        """All books, by (publisher_id, instrument_id)."""

    def publishers(self, instrument_id: int) -> list[int]:
        """Who has a book of an instrument, in ascending order; empty where nobody has."""

    def status(self, instrument_id: int, publisher_id: int | None = None) -> BookStatus:
        """The state of one book."""

    def changed(self) -> list[BookKey]:
        """Books with an event completed since the last call, in the order of their first."""

    def depth(self, instrument_id: int, levels: int = 10, publisher_id: int | None = None) -> Depth:
        """The first ``levels`` of both sides as they are now, also inside an event; 0 means all."""

    def bbo(self, instrument_id: int, publisher_id: int | None = None) -> Bbo:
        """The best level of each side."""

    def orders(
        self, instrument_id: int, side: Literal["B", "A"], price: int, publisher_id: int | None = None
    ) -> list[Order]:
        """The queue at a price, in priority order; empty where there is no such level."""

    def queue_position(
        self, order_id: int, instrument_id: int, publisher_id: int | None = None
    ) -> QueuePosition:
        """What stands before an order at its price.

        Raises:
            UnknownOrderError: no such order rests in the book.
        """

    def snapshot(self, instrument_id: int | None = None, publisher_id: int | None = None) -> bytes:
        """A book as MBO records flagged F_SNAPSHOT, 56 bytes each; with no instrument all, or a publisher's.

        Applied to an empty engine they give equal books.
        """

    def checksum(self, instrument_id: int, levels: int = 0, publisher_id: int | None = None) -> int:
        """CRC-32 of the first ``levels`` of both sides; with 0 of the full book, its orders included.

        Over (side u8 'B' or 'A', price i64, size u64, count u32) a level, little-endian, bids best first,
        then asks; with 0 each level is followed by its orders (order_id u64, size u32) in priority order.
        """

    def mark_suspect(self, instrument_id: int | None = None, publisher_id: int | None = None) -> None:
        """Say that books can no longer be trusted (a lost feed); a real ``R`` makes them good again."""

    @property
    def counters(self) -> dict[str, int]:
        """What was applied and what was ignored, by `depthcast.book.types.COUNTERS`."""

    @property
    def book_count(self) -> int:
        """How many books there are: `books` is as long."""

    @property
    def open_events(self) -> int:
        """Books that are inside an event."""

    @property
    def live_orders(self) -> int:
        """Resting orders in all books."""

    @property
    def memory_bytes(self) -> int:
        """Bytes in use by orders, levels, id tables and ladders."""

    def verify(self) -> list[str]:
        """Check every invariant against every structure; what is violated, a line each. Empty is right."""
