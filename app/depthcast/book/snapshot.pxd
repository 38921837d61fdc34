# cython: language_level=3
"""A book as records: the snapshot of docs/book.md, "Snapshots"."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from depthcast.book.ladder cimport Level, price_mask
from depthcast.book.native cimport prefetch
from depthcast.book.orders cimport Order, filled_in
from depthcast.book.rules cimport Book, IN_EVENT, State
from depthcast.dbn.layout cimport (
    F_BAD_TS_RECV,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_SNAPSHOT,
    F_TOB,
    MboRecord,
    RTYPE_MBO,
    UNDEF_PRICE,
)


cdef inline uint64_t snapshot_records(const State *s, const Book *b) noexcept nogil:
    """How many records the book's snapshot has."""
    cdef uint64_t records = 1 + b.index.count + b.sides[0].tob + b.sides[1].tob
    cdef uint32_t level, order
    cdef int side
    for side in range(2):
        level = b.sides[side].best
        while b.event_bits & IN_EVENT and level != 0:
            order = s.levels.at[level].head
            while order != 0:
                records += filled_in(&s.orders, order, b.event)
                order = s.orders.at[order].next
            level = s.levels.at[level].worse
    return records


cdef inline MboRecord blank_record(const State *s, const Book *b) noexcept nogil:
    """What all records of a snapshot share, with the ts_event and sequence of the book's version."""
    cdef MboRecord r
    memset(&r, 0, sizeof(MboRecord))
    r.length = sizeof(MboRecord) // 4
    r.rtype = RTYPE_MBO
    r.publisher_id = b.publisher_id
    r.instrument_id = b.instrument_id
    r.ts_event = b.version_ts
    r.sequence = b.version_sequence
    r.ts_recv = s.ts_recv
    r.flags = F_SNAPSHOT | F_BAD_TS_RECV
    if b.suspect or not b.complete:
        r.flags |= F_MAYBE_BAD_BOOK
    return r


cdef inline uint64_t snapshot_side(
    const State *s, const Book *b, int side, bint fills, MboRecord *out
) noexcept nogil:
    """The side's A records, or the F records of its orders' fills; returns how many."""
    cdef MboRecord blank = blank_record(s, b)
    cdef MboRecord *start = out
    cdef const Level *level
    cdef const Order *order
    cdef uint32_t at = b.sides[side].best
    cdef uint32_t index
    blank.side = c'A' if side else c'B'
    blank.action = c'F' if fills else c'A'
    while at != 0:
        level = &s.levels.at[at]
        blank.price = level.key ^ price_mask(side)
        if b.sides[side].tob and not fills:
            out[0] = blank
            out.size = <uint32_t>level.size
            out.flags |= F_TOB
            out += 1
        index = level.head
        while index != 0:
            order = &s.orders.at[index]
            prefetch(&s.orders.at[order.next])
            prefetch(&s.orders.stamps[order.next])
            if not fills or filled_in(&s.orders, index, b.event):
                out[0] = blank
                out.order_id = order.order_id
                out.size = order.fills if fills else order.size
                if not fills:
                    out.ts_event = s.orders.stamps[index].ts_event
                    out.sequence = order.sequence
                out += 1
            index = order.next
        at = level.worse
    return <uint64_t>(out - start)


cdef inline uint64_t snapshot_book(const State *s, const Book *b, uint8_t *out) noexcept nogil:
    """Write the book's snapshot, of snapshot_records() records; returns how many these are."""
    cdef MboRecord *start = <MboRecord *>out
    cdef MboRecord *r = start
    r[0] = blank_record(s, b)
    r.action = c'R'
    r.side = c'N'
    r.price = UNDEF_PRICE
    r += 1
    r += snapshot_side(s, b, 0, False, r)
    r += snapshot_side(s, b, 1, False, r)
    if b.event_bits & IN_EVENT:
        r += snapshot_side(s, b, 0, True, r)
        r += snapshot_side(s, b, 1, True, r)
    else:
        (r - 1).flags |= F_LAST
    return <uint64_t>(r - start)
