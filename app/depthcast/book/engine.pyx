# cython: language_level=3
"""The engine: many books, applied from whole DBN records (rules: docs/book.md; their code: rules.pxd)."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from depthcast.book.ladder cimport Level as CLevel
from depthcast.book.ladder cimport level_find, price_mask
from depthcast.book.level cimport Level, new_depth, new_level
from depthcast.book.market cimport (
    FRAMING_MBO_LENGTH,
    FRAMING_OK,
    FRAMING_PAST_END,
    FRAMING_SHORT,
    Framing,
    NO_MEMORY,
    apply_records,
    book_find,
    find_boundary,
    state_free,
)
from depthcast.book.orders cimport Order as COrder
from depthcast.book.orders cimport Stamp, index_seek
from depthcast.book.rules cimport (
    Book,
    COUNTERS_LENGTH,
    IN_EVENT,
    N_EVENTS,
    N_RECORDS,
    State,
)
from depthcast.book.snapshot cimport snapshot_book, snapshot_records
from depthcast.book.verify cimport verify_book, verify_volume

from zlib import crc32

from depthcast.book.types import COUNTERS, PHASES, Bbo, BookKey, BookStatus, Order, QueuePosition
from depthcast.errors import AmbiguousBookError, RecordError, UnknownBookError, UnknownOrderError

if len(COUNTERS) != COUNTERS_LENGTH:
    raise ImportError("types.COUNTERS and the compiled kernel disagree: rebuild it (make setup)")

cdef enum:
    WITH_GIL = 2048             # bytes up to which giving the GIL away costs more than it gains


cdef packed struct ChecksumLevel:
    uint8_t side
    int64_t price
    uint64_t size
    uint32_t count


cdef packed struct ChecksumOrder:
    uint64_t order_id
    uint32_t size


cdef str IN_USE = "this engine is in use by another thread: one thread owns an engine, others ask it"
cdef tuple TOPS = ("empty", "normal", "locked", "crossed")


cdef class Engine:
    """Many order books, kept exact from whole DBN records (docs/book.md has the rules)."""

    def __cinit__(self, max_event_records=65536, max_event_ns=60_000_000_000):
        memset(&self.state, 0, sizeof(State))
        if max_event_records < 1 or max_event_ns < 0:
            raise ValueError("max_event_records must be at least 1 and max_event_ns at least 0")
        self.state.max_event_records = max_event_records
        self.state.max_event_ns = max_event_ns
        self.instruments = {}

    def __dealloc__(self):
        state_free(&self.state)

    # ------------------------------------------------------------------------------ records in

    def apply(self, buffer):
        """Apply a buffer of whole records; how many MBO and Status records were taken."""
        cdef Py_buffer view
        cdef size_t offset = 0, applied = 0
        cdef Framing why
        self.enter()
        self.take(buffer, &view)
        if view.len <= WITH_GIL:
            why = apply_records(&self.state, <const uint8_t *>view.buf, view.len, &offset, &applied)
        else:
            with nogil:
                why = apply_records(&self.state, <const uint8_t *>view.buf, view.len, &offset, &applied)
        self.busy = 0
        if why != FRAMING_OK:
            self.raise_framing(&view, why, offset, applied)
        PyBuffer_Release(&view)
        return applied

    def boundary(self, buffer, *, bint new_only=False):
        """Bytes of the longest prefix that, applied now, leaves no book inside an event."""
        cdef Py_buffer view
        cdef size_t offset = 0, prefix = 0
        cdef Framing why
        self.enter()
        self.take(buffer, &view)
        with nogil:
            why = find_boundary(
                &self.state, <const uint8_t *>view.buf, view.len, new_only, &offset, &prefix
            )
        self.busy = 0
        if why != FRAMING_OK and why != FRAMING_PAST_END:
            self.raise_framing(&view, why, offset, 0)
        PyBuffer_Release(&view)
        return prefix

    cdef int take(self, buffer, Py_buffer *view) except -1:
        """The buffer's bytes; where that fails the engine is free again."""
        try:
            PyObject_GetBuffer(buffer, view, PyBUF_SIMPLE)
        except (ValueError, BufferError) as error:
            self.busy = 0
            raise BufferError(f"pass contiguous bytes: {error}") from None
        except BaseException:
            self.busy = 0
            raise
        return 0

    cdef int enter(self) except -1:
        if self.busy:
            raise RuntimeError(IN_USE)
        self.busy = 1
        return 0

    cdef int free_to_read(self) except -1:
        if self.busy:
            raise RuntimeError(IN_USE)
        return 0

    cdef raise_framing(self, Py_buffer *view, Framing why, size_t offset, size_t applied):
        cdef const uint8_t *at = <const uint8_t *>view.buf + offset
        cdef size_t left = view.len - offset
        cdef size_t length = 4 * <size_t>at[0]
        PyBuffer_Release(view)
        if why == NO_MEMORY:
            raise MemoryError(f"no memory for the record at byte {offset}; {applied} before it were applied")
        if why == FRAMING_SHORT:
            text = f"the length byte says {length} bytes, less than a record's header of 16"
        elif why == FRAMING_PAST_END:
            text = f"the record is cut short: its length byte says {length} bytes, {left} are there"
        else:
            text = f"an MBO record of {length} bytes: it has 56, or 64 with ts_out"
        raise RecordError(text, offset=offset, applied=applied)

    # ------------------------------------------------------------------------------ which books

    cdef void list_books(self):
        cdef Book *b
        while self.listed < self.state.books_length:
            b = self.state.books[self.listed]
            self.instruments.setdefault(b.instrument_id, []).append(self.listed)
            self.listed += 1

    cdef list books_of(self, object instrument_id, object publisher_id):
        """Numbers of the books meant, by publisher_id; never empty."""
        cdef uint32_t number
        cdef list numbers
        self.free_to_read()
        if self.listed != self.state.books_length:
            self.list_books()
        numbers = [
            number for number in self.instruments.get(instrument_id, ())
            if self.state.books[number].records
            and (publisher_id is None or self.state.books[number].publisher_id == publisher_id)
        ]
        if not numbers:
            of = "" if publisher_id is None else f" of publisher {publisher_id}"
            raise UnknownBookError(f"no book of instrument {instrument_id}{of}: no record of it was applied")
        if len(numbers) > 1:
            numbers.sort(key=lambda number: self.publisher(number))
        return numbers

    cdef publisher(self, uint32_t number):
        return self.state.books[number].publisher_id

    cdef Book *one_book(self, object instrument_id, object publisher_id) except NULL:
        cdef list numbers = self.books_of(instrument_id, publisher_id)
        if len(numbers) > 1:
            publishers = ", ".join(str(self.publisher(number)) for number in numbers)
            raise AmbiguousBookError(
                f"instrument {instrument_id} has books of publishers {publishers}: choose with publisher_id"
            )
        return self.state.books[<uint32_t>numbers[0]]

    def books(self):
        """All books, by (publisher_id, instrument_id)."""
        cdef uint32_t i
        self.free_to_read()
        return sorted(
            BookKey(self.state.books[i].publisher_id, self.state.books[i].instrument_id)
            for i in range(self.state.books_length) if self.state.books[i].records
        )

    def publishers(self, instrument_id):
        """Who has a book of an instrument, in ascending order; empty where nobody has."""
        cdef uint32_t number
        self.free_to_read()
        if self.listed != self.state.books_length:
            self.list_books()
        return sorted(
            self.publisher(number) for number in self.instruments.get(instrument_id, ())
            if self.state.books[number].records
        )

    def changed(self):
        """Books with an event completed since the last call, in the order of their first."""
        cdef uint32_t i
        cdef Book *b
        cdef list keys = []
        self.free_to_read()
        for i in range(self.state.changed_length):
            b = self.state.books[self.state.changed[i]]
            b.changed = 0
            keys.append(BookKey(b.publisher_id, b.instrument_id))
        self.state.changed_length = 0
        return keys

    # ------------------------------------------------------------------------------ questions

    def status(self, instrument_id, publisher_id=None):
        """The state of one book."""
        cdef Book *b = self.one_book(instrument_id, publisher_id)
        return BookStatus(
            publisher_id=b.publisher_id,
            instrument_id=b.instrument_id,
            in_event=bool(b.event_bits & IN_EVENT),
            complete=bool(b.complete),
            suspect=bool(b.suspect),
            top=TOPS[top_of(&self.state, b)],
            phase=PHASES.get(b.phase),
            version=(b.version_ts, b.version_sequence),
            ts_event=b.ts_event,
            ts_recv=b.ts_recv,
            sequence=b.sequence,
            orders=b.index.count,
            levels=b.sides[0].levels + b.sides[1].levels,
            records=b.records,
            events=b.event,
        )

    def depth(self, instrument_id, levels=10, publisher_id=None):
        """The first levels of both sides as they are now; 0 means all."""
        cdef uint32_t most
        cdef list numbers
        if levels < 0:
            raise ValueError(f"levels must be 0 (all) or more, not {levels}")
        most = min(levels, 0xFFFFFFFFU) if levels else 0xFFFFFFFFU
        numbers = self.books_of(instrument_id, publisher_id)
        if len(numbers) == 1:
            return new_depth(
                side_levels(&self.state, self.state.books[<uint32_t>numbers[0]], 0, most),
                side_levels(&self.state, self.state.books[<uint32_t>numbers[0]], 1, most),
            )
        return new_depth(self.merged(numbers, 0, most), self.merged(numbers, 1, most))

    cdef list merged(self, list numbers, int side, uint32_t most):
        """Several publishers' levels of one side, sizes and counts added per price."""
        cdef dict sums = {}
        cdef int64_t mask = price_mask(side)
        cdef int64_t key
        cdef uint32_t number, index
        cdef uint32_t taken
        cdef const CLevel *level
        for number in numbers:
            index = self.state.books[number].sides[side].best
            taken = 0
            while index != 0 and taken < most:
                level = &self.state.levels.at[index]
                size, count = sums.get(level.key, (0, 0))
                sums[level.key] = (size + level.size, count + level.count)
                index = level.worse
                taken += 1
        merged = []
        for key in sorted(sums)[:most]:
            size, count = sums[key]
            merged.append(new_level(key ^ mask, size, count))
        return merged

    def bbo(self, instrument_id, publisher_id=None):
        """The best level of each side."""
        depth = self.depth(instrument_id, 1, publisher_id)
        return Bbo(depth.bids[0] if depth.bids else None, depth.asks[0] if depth.asks else None)

    def orders(self, instrument_id, side, price, publisher_id=None):
        """The queue at a price, in priority order."""
        cdef Book *b = self.one_book(instrument_id, publisher_id)
        cdef uint32_t number = side_number(side)
        cdef uint32_t level = 0, index
        cdef const COrder *order
        cdef list queue = []
        if -0x8000000000000000 <= price <= 0x7FFFFFFFFFFFFFFF:
            level = level_find(self.state.levels.at, &b.sides[number], <int64_t>price ^ price_mask(number))
        index = self.state.levels.at[level].head if level else 0
        while index != 0:
            order = &self.state.orders.at[index]
            ts_event = self.state.orders.stamps[index].ts_event
            queue.append(Order(order.order_id, order.size, ts_event, order.sequence))
            index = order.next
        return queue

    def queue_position(self, order_id, instrument_id, publisher_id=None):
        """What stands before an order at its price."""
        cdef Book *b = self.one_book(instrument_id, publisher_id)
        cdef uint32_t index = 0
        cdef const COrder *order
        cdef const CLevel *level
        cdef uint64_t orders_ahead = 0, size_ahead = 0
        if 0 <= order_id <= 0xFFFFFFFFFFFFFFFFU:
            index = index_seek(&b.index, self.state.orders.at, order_id).order
        if index == 0:
            raise UnknownOrderError(f"no order {order_id} rests in the book of instrument {b.instrument_id}")
        order = &self.state.orders.at[index]
        level = &self.state.levels.at[order.level]
        index = order.prev
        while index != 0:
            orders_ahead += 1
            size_ahead += self.state.orders.at[index].size
            index = self.state.orders.at[index].prev
        return QueuePosition(
            order_id=order_id,
            side="A" if level.side else "B",
            price=level.key ^ price_mask(level.side),
            size=order.size,
            orders_ahead=orders_ahead,
            size_ahead=size_ahead,
        )

    # ------------------------------------------------------------------------------ state out and in

    def snapshot(self, instrument_id=None, publisher_id=None):
        """A book, or all, as MBO records flagged F_SNAPSHOT."""
        cdef Book *b
        cdef uint64_t records = 0
        cdef uint8_t *out
        cdef list chosen
        if instrument_id is None:
            chosen = [self.number(key) for key in self.books() if publisher_id in (None, key.publisher_id)]
        else:
            chosen = [self.one_book(instrument_id, publisher_id).number]
        self.enter()  # to the end: what is measured first is what is written
        try:
            for number in chosen:
                records += snapshot_records(&self.state, self.state.books[<uint32_t>number])
            snapshot = PyBytes_FromStringAndSize(NULL, records * 56)
            out = <uint8_t *>PyBytes_AS_STRING(snapshot)
            for number in chosen:
                b = self.state.books[<uint32_t>number]
                if b.index.count * 56 <= WITH_GIL:
                    out += 56 * snapshot_book(&self.state, b, out)
                else:
                    with nogil:
                        out += 56 * snapshot_book(&self.state, b, out)
        finally:
            self.busy = 0
        return snapshot

    cdef number(self, key):
        return book_find(&self.state, key.publisher_id, key.instrument_id).number

    def checksum(self, instrument_id, levels=0, publisher_id=None):
        """CRC-32 of the first levels of both sides; 0: of the full book with its orders."""
        cdef Book *b = self.one_book(instrument_id, publisher_id)
        if levels < 0:
            raise ValueError(f"levels must be 0 (the full book with its orders) or more, not {levels}")
        most = min(levels, 0xFFFFFFFFU)
        return checksum_side(&self.state, b, 1, most, checksum_side(&self.state, b, 0, most, 0))

    def mark_suspect(self, instrument_id=None, publisher_id=None):
        """Say that books can no longer be trusted; a real R makes them good again."""
        cdef uint32_t i
        self.free_to_read()
        if instrument_id is None:
            for i in range(self.state.books_length):
                if self.state.books[i].records and publisher_id in (None, self.publisher(i)):
                    self.state.books[i].suspect = 1
            return
        for number in self.books_of(instrument_id, publisher_id):
            self.state.books[<uint32_t>number].suspect = 1

    @property
    def counters(self):
        """What was applied and what was ignored."""
        cdef int i
        cdef uint32_t number
        self.free_to_read()
        self.state.counters[N_RECORDS] = 0
        self.state.counters[N_EVENTS] = 0
        for number in range(self.state.books_length):
            self.state.counters[N_RECORDS] += self.state.books[number].records
            self.state.counters[N_EVENTS] += self.state.books[number].event
        return {name: self.state.counters[i] for i, name in enumerate(COUNTERS)}

    @property
    def book_count(self):
        """How many books there are."""
        cdef uint32_t i, count = 0
        self.free_to_read()
        for i in range(self.state.books_length):
            count += self.state.books[i].records != 0
        return count

    @property
    def open_events(self):
        """Books that are inside an event."""
        self.free_to_read()
        return self.state.open_events

    @property
    def live_orders(self):
        """Resting orders in all books."""
        self.free_to_read()
        return self.state.live

    @property
    def memory_bytes(self):
        """Bytes in use by orders, levels, id tables and ladders: slots ever used, not address space."""
        cdef uint64_t total = self.state.orders.used * (sizeof(COrder) + sizeof(Stamp))
        cdef uint32_t i
        cdef Book *b
        self.free_to_read()
        total += self.state.levels.used * sizeof(CLevel)
        for i in range(self.state.books_length):
            b = self.state.books[i]
            total += sizeof(Book) + 8 * (<uint64_t>b.index.now.length + b.index.next.length)
            total += b.sides[0].ladder_bytes + b.sides[1].ladder_bytes
        return total

    def verify(self):
        """Check every invariant against every structure; what is violated, a line each."""
        cdef uint32_t i
        cdef list found = []
        self.free_to_read()
        for i in range(self.state.books_length):
            verify_book(&self.state, self.state.books[i], found)
        verify_volume(&self.state, found)
        return found


cdef inline int side_number(side) except -1:
    if side == "B":
        return 0
    if side == "A":
        return 1
    raise ValueError(f"a side is 'B' (bid) or 'A' (ask), not {side!r}")


cdef inline int top_of(const State *s, const Book *b) noexcept:
    """Index into TOPS."""
    cdef int64_t bid, ask
    if b.sides[0].best == 0 or b.sides[1].best == 0:
        return 0
    bid = s.levels.at[b.sides[0].best].key ^ price_mask(0)
    ask = s.levels.at[b.sides[1].best].key ^ price_mask(1)
    return 1 if bid < ask else 2 if bid == ask else 3


cdef list side_levels(const State *s, const Book *b, int side, uint32_t most):
    """The first levels of a side, best first."""
    cdef list levels = []
    cdef int64_t mask = price_mask(side)
    cdef uint32_t index = b.sides[side].best
    cdef const CLevel *level
    while index != 0 and most != 0:
        level = &s.levels.at[index]
        levels.append(new_level(level.key ^ mask, level.size, level.count))
        index = level.worse
        most -= 1
    return levels


cdef uint32_t checksum_side(const State *s, const Book *b, int side, uint32_t most, uint32_t crc):
    """CRC-32 over a side's levels; with most == 0 over all of them, each followed by its orders."""
    cdef bint queues = most == 0
    cdef uint32_t index = b.sides[side].best, order
    cdef const CLevel *level
    cdef bytearray packed
    cdef ChecksumLevel *out
    cdef ChecksumOrder *out_order
    cdef uint32_t levels = b.sides[side].levels
    cdef uint64_t orders = 0
    if not queues:
        levels = min(levels, most)
    while queues and index != 0:
        orders += s.levels.at[index].count
        index = s.levels.at[index].worse
    index = b.sides[side].best
    packed = bytearray(levels * sizeof(ChecksumLevel) + orders * sizeof(ChecksumOrder))
    out = <ChecksumLevel *>PyByteArray_AS_STRING(packed)
    while levels != 0:
        level = &s.levels.at[index]
        out.side = c'A' if side else c'B'
        out.price = level.key ^ price_mask(side)
        out.size = level.size
        out.count = level.count
        out_order = <ChecksumOrder *>(out + 1)
        order = level.head if queues else 0
        while order != 0:
            out_order.order_id = s.orders.at[order].order_id
            out_order.size = s.orders.at[order].size
            out_order += 1
            order = s.orders.at[order].next
        out = <ChecksumLevel *>out_order
        index = level.worse
        levels -= 1
    return crc32(packed, crc)
