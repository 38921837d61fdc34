# cython: language_level=3
"""All books of an engine: making and finding them, and taking records off a buffer."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from depthcast.book.ladder cimport FIRST_PATIENCE, Level, level_find, price_mask
from depthcast.book.native cimport likely, load64, prefetch, release, unlikely
from depthcast.book.orders cimport (
    FIRST_LENGTH,
    IdTable,
    Order,
    ROOMY,
    TIGHT,
    OrderIndex,
    hash_id,
    index_free,
    index_reserve,
    index_start,
    index_table,
    pool_free,
    table_home,
    table_next,
)
from depthcast.book.rules cimport (
    Book,
    IN_EVENT,
    N_SKIPPED,
    N_STATUS,
    State,
    apply_rules,
    note_records,
    reserve,
)
from depthcast.dbn.layout cimport RTYPE_MBO, RTYPE_STATUS, F_LAST, MboRecord, RecordHeader, StatusRecord


cdef enum:
    MBO_WORDS = 14
    MBO_BYTES = 56
    MBO_TS_OUT_WORDS = 16
    HEADER_WORDS = 4
    STATUS_LEAST = 26           # bytes: up to and with `action`
    FEW_BOOKS = 64              # an engine's first books, that may use memory for speed
    STRIDE = 128                # records that room is made for together
    GROUP = 16                  # records whose memory is fetched ahead together
    AHEAD = 4096                # bytes of the buffer itself to ask for ahead
    DEEP = 24576                # live orders from which that pays: below, the caches hold them


cdef enum Scan:                 # a book's event, while a boundary is looked for
    CLOSED
    COUNTED                     # open, and in the way
    PASSED                      # open since before, and not to be waited for


cdef enum Framing:              # why a walk ended
    FRAMING_OK
    FRAMING_SHORT               # a length byte under 4 words
    FRAMING_PAST_END            # a record runs past the end
    FRAMING_MBO_LENGTH          # an MBO record that is neither 56 nor 64 bytes
    NO_MEMORY


# ------------------------------------------------------------------------------ books


cdef inline uint32_t _slot_hash(uint64_t key) noexcept nogil:
    return hash_id(key * 0x9E3779B97F4A7C15ULL)


cdef inline uint64_t book_key(uint16_t publisher_id, uint32_t instrument_id) noexcept nogil:
    return <uint64_t>publisher_id << 32 | instrument_id


cdef inline bint books_grow(State *s) noexcept nogil:
    """Room for one more book in every table."""
    cdef uint32_t capacity = s.books_capacity * 2 if s.books_capacity else 8
    cdef uint32_t bits = 4
    cdef uint32_t mask, i, at
    cdef void *p
    cdef uint64_t *slots
    if s.books_length < s.books_capacity:
        return True
    p = realloc(s.books, capacity * sizeof(Book *))
    if p == NULL:
        return False
    s.books = <Book **>p
    p = realloc(s.changed, capacity * sizeof(uint32_t))
    if p == NULL:
        return False
    s.changed = <uint32_t *>p
    while <uint64_t>1 << bits < <uint64_t>capacity * 2:
        bits += 1
    slots = <uint64_t *>calloc(<size_t>1 << bits, sizeof(uint64_t))
    if slots == NULL:
        return False
    mask = (<uint32_t>1 << bits) - 1
    for i in range(s.books_length):
        at = _slot_hash(book_key(s.books[i].publisher_id, s.books[i].instrument_id)) & mask
        while slots[at] != 0:
            at = (at + 1) & mask
        slots[at] = i + 1
    free(s.book_slots)
    s.book_slots = slots
    s.book_bits = bits
    s.books_capacity = capacity
    return True


cdef inline Book *book_find(const State *s, uint16_t publisher_id, uint32_t instrument_id) noexcept nogil:
    """The book, NULL if there is none."""
    cdef uint32_t mask = (<uint32_t>1 << s.book_bits) - 1
    cdef uint32_t at
    cdef Book *b
    if s.books_length == 0:
        return NULL
    at = _slot_hash(book_key(publisher_id, instrument_id)) & mask
    while s.book_slots[at] != 0:
        b = s.books[s.book_slots[at] - 1]
        if b.instrument_id == instrument_id and b.publisher_id == publisher_id:
            return b
        at = (at + 1) & mask
    return NULL


cdef inline Book *book_make(State *s, uint16_t publisher_id, uint32_t instrument_id) noexcept nogil:
    """A new book; NULL when there is no memory."""
    cdef uint32_t mask, at
    cdef Book *b
    if not books_grow(s):
        return NULL
    b = <Book *>calloc(1, sizeof(Book))
    if b == NULL:
        return NULL
    if not index_start(&b.index, FIRST_LENGTH, ROOMY if s.books_length < FEW_BOOKS else TIGHT):
        free(b)
        return NULL
    b.instrument_id = instrument_id
    b.publisher_id = publisher_id
    b.number = s.books_length
    b.sides[0].patience = FIRST_PATIENCE
    b.sides[1].patience = FIRST_PATIENCE
    mask = (<uint32_t>1 << s.book_bits) - 1
    at = _slot_hash(book_key(publisher_id, instrument_id)) & mask
    while s.book_slots[at] != 0:
        at = (at + 1) & mask
    s.books[s.books_length] = b
    s.books_length += 1
    s.book_slots[at] = s.books_length
    return b


cdef inline Book *book_of(State *s, const RecordHeader *r) noexcept nogil:
    """The record's book, made if it is new; NULL when there is no memory."""
    cdef Book *b = book_find(s, r.publisher_id, r.instrument_id)
    return b if b != NULL else book_make(s, r.publisher_id, r.instrument_id)


cdef inline void state_free(State *s) noexcept nogil:
    cdef uint32_t i
    for i in range(s.books_length):
        index_free(&s.books[i].index)
        free(s.books[i].sides[0].bits0)
        free(s.books[i].sides[1].bits0)
        free(s.books[i])
    free(s.books)
    free(s.changed)
    free(s.book_slots)
    pool_free(&s.orders)
    release(s.levels.at, s.levels.capacity * sizeof(Level))
    memset(s, 0, sizeof(State))


# ------------------------------------------------------------------------------ records


cdef inline Framing framing(const uint8_t *at, size_t left) noexcept nogil:
    """Is there a whole, well-framed record?"""
    if likely(left >= 56 and at[0] == MBO_WORDS and at[1] == RTYPE_MBO):
        return FRAMING_OK
    if unlikely(at[0] < HEADER_WORDS):
        return FRAMING_SHORT
    if unlikely(left >= 2 and at[1] == RTYPE_MBO and at[0] != MBO_WORDS and at[0] != MBO_TS_OUT_WORDS):
        return FRAMING_MBO_LENGTH
    if unlikely(left < 4 * <size_t>at[0]):
        return FRAMING_PAST_END
    return FRAMING_OK


cdef inline bint phase_of(uint16_t action, uint8_t *phase) noexcept nogil:
    """0 (no change), 14 (short-sell restriction) and unknown values are no phases."""
    if action == 0 or action == 14 or action > 15:
        return False
    phase[0] = <uint8_t>action
    return True


cdef inline Framing apply_other(State *s, const uint8_t *at, size_t *applied) noexcept nogil:
    """A record that is not MBO: Status sets the phase, the rest is skipped."""
    cdef const StatusRecord *status = <const StatusRecord *>at
    cdef Book *b
    if at[1] != RTYPE_STATUS or 4 * at[0] < STATUS_LEAST:
        s.counters[N_SKIPPED] += 1
        return FRAMING_OK
    b = book_of(s, <const RecordHeader *>at)
    if b == NULL:
        return NO_MEMORY
    phase_of(status.action, &b.phase)
    s.counters[N_STATUS] += 1
    applied[0] += 1
    return FRAMING_OK


cdef inline bint of_book(const Book *b, const MboRecord *r) noexcept nogil:
    return b != NULL and b.instrument_id == r.instrument_id and b.publisher_id == r.publisher_id


cdef inline uint32_t likely_order(OrderIndex *index, uint32_t hash) noexcept nogil:
    """The order that most probably has this hash, 0 if none; by the table alone, the order is not touched."""
    cdef const IdTable *table = index_table(index, hash)
    cdef uint32_t at = table_home(table, hash)
    while table.slots[at] != 0 and <uint32_t>(table.slots[at] >> 32) != hash:
        at = table_next(table, at)
    return <uint32_t>table.slots[at]


cdef inline void fetch_ahead(State *s, const uint8_t *at, const uint8_t *end) noexcept nogil:
    """Ask for the memory of the next GROUP records, a step for all at a time, so that the waits overlap.

    Places in the id tables; then orders, or for an add the tail of its queue; then neighbours and levels.
    """
    cdef const MboRecord *records[GROUP]
    cdef Book *books[GROUP]
    cdef uint32_t hashes[GROUP]
    cdef uint32_t found[GROUP]
    cdef Book *b = NULL
    cdef const IdTable *table
    cdef Order *order
    cdef uint32_t level, side
    cdef size_t n = 0, i, seen = 0
    while seen < GROUP and at + 56 <= end and at[0] >= HEADER_WORDS:
        if at[1] == RTYPE_MBO:
            records[n] = <const MboRecord *>at
            if not of_book(b, records[n]):
                b = book_find(s, records[n].publisher_id, records[n].instrument_id)
            if b != NULL:
                books[n] = b
                hashes[n] = hash_id(records[n].order_id)
                table = index_table(&b.index, hashes[n])
                prefetch(&table.slots[table_home(table, hashes[n])])
                n += 1
        prefetch(at + AHEAD)
        at += 4 * <size_t>at[0]
        seen += 1
    for i in range(n):
        found[i] = likely_order(&books[i].index, hashes[i])
        prefetch(&s.orders.at[found[i]])
        if found[i] == 0:
            side = <uint32_t>c'B' - records[i].side
            if side <= 1:
                level = level_find(s.levels.at, &books[i].sides[side], records[i].price ^ price_mask(side))
                prefetch(&s.orders.at[s.levels.at[level].tail])
    for i in range(n):
        if found[i] != 0:
            order = &s.orders.at[found[i]]
            prefetch(&s.levels.at[order.level])
            prefetch(&s.orders.at[order.prev])
            prefetch(&s.orders.at[order.next])


cdef inline Framing apply_records(
    State *s, const uint8_t *start, size_t length, size_t *offset, size_t *applied
) noexcept nogil:
    """Apply a buffer's records in order; `offset` is where the walk ended, `applied` how many were taken."""
    cdef const MboRecord *r = NULL
    cdef Book *b = NULL
    cdef Framing why = FRAMING_OK
    cdef size_t taken = 0
    cdef size_t run = 0                     # records of this book since it was last noted
    cdef uint64_t head = 0                  # its records' first 8 bytes: length, rtype and the book's key
    cdef Py_ssize_t step = 0                   # the length they say
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t end = <Py_ssize_t>length
    cdef Py_ssize_t fence = 0                  # up to here room was made
    cdef Py_ssize_t last = -1                  # up to here a record with that head is whole, and has room
    while True:
        if unlikely(at > last or load64(start + at) != head):
            if at >= end:
                break
            if at >= fence:
                if unlikely(not reserve(s, STRIDE)):
                    why = NO_MEMORY
                    break
                fence = at + STRIDE * MBO_BYTES
                if s.live >= DEEP:
                    fetch_ahead(s, start + at, start + end)
                    fence = at + GROUP * MBO_BYTES
            if step == 0 or end - at < step or load64(start + at) != head:
                why = framing(start + at, <size_t>(end - at))
                if unlikely(why != FRAMING_OK):
                    break
                if start[at + 1] != RTYPE_MBO:
                    why = apply_other(s, start + at, &taken)
                    if unlikely(why != FRAMING_OK):
                        break
                    at += 4 * <Py_ssize_t>start[at]
                    continue
                if run != 0:
                    note_records(s, b, r, run)
                    taken += run
                    run = 0
                b = book_of(s, <const RecordHeader *>(start + at))
                if b == NULL:
                    why = NO_MEMORY
                    break
                head = load64(start + at)
                step = 4 * <Py_ssize_t>start[at]
            last = min(end - step, fence - 1)
        if unlikely(not index_reserve(&b.index)):
            why = NO_MEMORY
            break
        r = <const MboRecord *>(start + at)
        apply_rules(s, b, r)
        run += 1
        at += step
    if run != 0:
        note_records(s, b, r, run)
        taken += run
    offset[0] = <size_t>at
    applied[0] = taken
    return why


cdef inline Framing find_boundary(
    State *s, const uint8_t *start, size_t length, bint new_only, size_t *offset, size_t *prefix
) noexcept nogil:
    """The longest prefix after which no book is inside an event. Changes no book.

    With `new_only` the events that are open now do not count until they end.
    """
    cdef const uint8_t *at = start
    cdef const uint8_t *end = start + length
    cdef const MboRecord *r
    cdef Book *b = NULL
    cdef Framing why = FRAMING_OK
    cdef uint64_t open_events = 0 if new_only else s.open_events
    cdef uint8_t as_open = PASSED if new_only else COUNTED
    s.scan += 1
    prefix[0] = 0
    while at < end:
        why = framing(at, <size_t>(end - at))
        if unlikely(why != FRAMING_OK):
            break
        if at[1] == RTYPE_MBO:
            r = <const MboRecord *>at
            if not of_book(b, r):
                b = book_of(s, <const RecordHeader *>at)
                if b == NULL:
                    why = NO_MEMORY
                    break
            if b.scan != s.scan:
                b.scan = s.scan
                b.scan_open = as_open if b.event_bits & IN_EVENT else CLOSED
            if r.flags & F_LAST:
                open_events -= b.scan_open == COUNTED
                b.scan_open = CLOSED
            elif b.scan_open == CLOSED:
                b.scan_open = COUNTED
                open_events += 1
        at += 4 * <size_t>at[0]
        if open_events == 0:
            prefix[0] = <size_t>(at - start)
    offset[0] = <size_t>(at - start)
    return why
