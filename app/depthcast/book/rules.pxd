# cython: language_level=3
"""The rules of the book (docs/book.md), one record at a time. ReferenceEngine says the same in plain Python.

Everything here is inline and without the GIL: engine and derivation each compile it into their own loop.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from depthcast.book.ladder cimport (
    Level,
    LevelPool,
    Side,
    ladder_unset,
    level_drop,
    level_find,
    level_make,
    levels_reserve,
    price_mask,
)
from depthcast.book.native cimport likely, pick, unlikely
from depthcast.book.orders cimport (
    Found,
    Order,
    OrderIndex,
    OrderPool,
    filled_in,
    index_clear,
    index_put,
    index_remove,
    index_seek,
    order_give,
    order_take,
    pool_reserve,
)
from depthcast.dbn.layout cimport (
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_MBP,
    F_SNAPSHOT,
    F_TOB,
    MboRecord,
    UNDEF_PRICE,
    UNDEF_TIMESTAMP,
)


cdef enum:                      # in the order of depthcast.book.types.COUNTERS
    N_RECORDS
    N_EVENTS
    N_STATUS
    N_SKIPPED
    N_ADDS
    N_CANCELS
    N_MODIFIES
    N_CLEARS
    N_TRADES
    N_FILLS
    N_NONES
    N_UNKNOWN_ACTIONS
    N_BAD_SIDE
    N_BAD_PRICE
    N_ZERO_SIZE_ADDS
    N_DUPLICATE_ADDS
    N_OVER_CANCELS
    N_CANCEL_MISMATCHES
    N_UNKNOWN_CANCELS
    N_UNKNOWN_FILLS
    N_UNKNOWN_MODIFIES
    N_ZERO_SIZE_MODIFIES
    N_SIDE_CHANGES
    N_REFILLS
    N_TOB_ADDS
    N_TOB_MODIFIES
    N_MBP
    N_SNAPSHOT
    N_SNAPSHOTS_WITHOUT_CLEAR
    N_MAYBE_BAD
    N_LONG_EVENTS
    N_VOLUME_ADDED              # bids, then asks
    N_VOLUME_ADDED_ASK
    N_VOLUME_REMOVED
    N_VOLUME_REMOVED_ASK
    COUNTERS_LENGTH


cdef enum:                      # Book.event_bits: what is not at rest about the open event
    IN_EVENT = 1
    LONG_EVENT = 2              # it has been found too long
    NEWEST_KNOWN = 4            # `newest_*` hold a snapshot record of it
    CLEARED = 8                 # an R came, or was implied, in or before the present run of snapshot records
    RUN_CLOSED = 16             # an F_LAST closed that run, at `run_ts`: only records of that time go on


cdef struct Book:
    uint32_t instrument_id
    uint16_t publisher_id
    uint8_t phase
    uint8_t complete
    uint8_t suspect
    uint8_t changed             # is in State.changed
    uint8_t scan_open           # for boundary()
    uint32_t event_bits
    uint32_t version_sequence
    uint64_t version_ts
    uint64_t event              # number of the open (or next) event: how many were completed
    OrderIndex index
    Side sides[2]               # bids, asks
    uint64_t event_records      # of the open event, without F_SNAPSHOT, since its start or its last R
    uint64_t event_start        # ts_recv of the first of these
    uint64_t run_ts             # ts_recv of the F_LAST that closed the run, while RUN_CLOSED
    uint64_t newest_ts          # the open event's snapshot record with the greatest ts_event
    uint32_t newest_sequence
    uint32_t sequence           # of the last record, like the next two
    uint64_t ts_event
    uint64_t ts_recv
    uint64_t records            # 0: a Status record or a boundary scan made the book, it is not there yet
    uint64_t scan
    uint32_t number             # place in State.books


cdef struct State:
    OrderPool orders
    LevelPool levels
    uint64_t max_event_records
    uint64_t max_event_ns
    uint64_t ts_recv            # of the last MBO record of any book
    uint64_t live               # resting orders in all books
    uint32_t open_events
    uint32_t changed_length
    uint32_t *changed           # numbers of books with an event completed since they were last asked for
    Book **books
    uint32_t books_length
    uint32_t books_capacity
    uint64_t *book_slots        # open addressing: number + 1 of the book, 0 when empty
    uint32_t book_bits
    uint64_t scan
    uint64_t counters[COUNTERS_LENGTH]


# ------------------------------------------------------------------------------ orders and levels


cdef inline void unlink(State *s, Book *b, uint32_t index) noexcept nogil:
    """Take an order out of its queue; an emptied level goes."""
    cdef Order *at = s.orders.at
    cdef Order *order = &at[index]
    cdef Level *level = &s.levels.at[order.level]
    level.size -= order.size
    level.count -= 1
    s.counters[N_VOLUME_REMOVED + level.side] += order.size
    if level.count == 0:
        level_drop(&s.levels, &b.sides[level.side], order.level)
        return
    at[order.prev].next = order.next        # order 0 is nobody's: it takes the writes that belong nowhere
    at[order.next].prev = order.prev
    level.head = pick(order.prev == 0, order.next, level.head)
    level.tail = pick(order.next == 0, order.prev, level.tail)


cdef inline void remove(State *s, Book *b, const Found *found) noexcept nogil:
    """Remove an order from the book."""
    s.live -= 1
    unlink(s, b, found.order)
    index_remove(&b.index, found)
    order_give(&s.orders, found.order)


cdef inline void drop_side(State *s, Book *b, uint32_t number, bint forget) noexcept nogil:
    """Remove all levels of a side, TOB or not, with their orders; `forget`: their ids from the table too."""
    cdef Side *side = &b.sides[number]
    cdef Order *at = s.orders.at
    cdef Level *level
    cdef uint32_t index = side.best
    cdef uint32_t order
    cdef Found found
    while index != 0:
        level = &s.levels.at[index]
        if level.head != 0:
            if forget:
                order = level.head
                while order != 0:
                    found = index_seek(&b.index, at, at[order].order_id)
                    index_remove(&b.index, &found)
                    order = at[order].next
            at[level.tail].next = s.orders.free     # the whole queue is given back at once
            s.orders.free = level.head
            s.counters[N_VOLUME_REMOVED + number] += level.size
            s.live -= level.count
        if level.slot != <uint32_t>-1:
            ladder_unset(side, level.slot)
        order = level.worse
        level.worse = s.levels.free
        s.levels.free = index
        index = order
    side.tob = 0
    side.best = 0
    side.worst = 0
    side.levels = 0
    side.far_root = 0
    side.far_best = 0
    side.far_levels = 0


cdef inline void empty_book(State *s, Book *b) noexcept nogil:
    drop_side(s, b, 0, False)
    drop_side(s, b, 1, False)
    index_clear(&b.index)


cdef inline void append(
    State *s, Book *b, uint32_t number, const MboRecord *r, uint32_t index
) noexcept nogil:
    """Put an order that is linked nowhere at the tail of its level, with this record's priority and size."""
    cdef Side *side = &b.sides[number]
    cdef int64_t key = r.price ^ price_mask(number)
    cdef uint32_t found
    cdef Level *level
    cdef Order *order
    if unlikely(side.tob):
        drop_side(s, b, number, True)
    found = level_find(s.levels.at, side, key)
    if found == 0:
        found = level_make(&s.levels, side, number, key)
    level = &s.levels.at[found]
    order = &s.orders.at[index]
    s.orders.stamps[index].ts_event = r.ts_event
    order.sequence = r.sequence
    order.size = r.size
    order.fills = 0
    order.level = found
    order.next = 0
    order.prev = level.tail
    s.orders.at[level.tail].next = index
    level.head = pick(level.tail == 0, index, level.head)
    level.tail = index
    level.size += r.size
    level.count += 1
    s.counters[N_VOLUME_ADDED + number] += r.size


cdef inline void enter(
    State *s, Book *b, uint32_t number, const MboRecord *r, const Found *found
) noexcept nogil:
    """To the tail of its level: a new order, or one that is found and loses its priority."""
    cdef uint32_t index = found.order
    if index != 0:
        unlink(s, b, index)
    else:
        index = order_take(&s.orders)
        s.orders.at[index].order_id = r.order_id
        index_put(&b.index, found, index)
        s.live += 1
    append(s, b, number, r, index)


cdef inline bint reserve(State *s, uint32_t records) noexcept nogil:
    """Room for the orders and levels of so many records, so that no rule can fail half-way."""
    return pool_reserve(&s.orders, records) and levels_reserve(&s.levels, records)


# ------------------------------------------------------------------------------ actions


cdef inline void act_add_tob(State *s, Book *b, const MboRecord *r, uint32_t number) noexcept nogil:
    """The record is the whole side."""
    cdef uint32_t index
    s.counters[N_TOB_ADDS] += 1
    drop_side(s, b, number, True)
    if r.price != UNDEF_PRICE and r.size != 0:
        index = level_make(&s.levels, &b.sides[number], number, r.price ^ price_mask(number))
        b.sides[number].tob = 1
        s.levels.at[index].size = r.size


cdef inline void act_cancel(State *s, Book *b, const MboRecord *r) noexcept nogil:
    cdef Found found = index_seek(&b.index, s.orders.at, r.order_id)
    cdef uint32_t index = found.order
    cdef Order *order
    cdef Level *level
    if unlikely(index == 0):
        s.counters[N_UNKNOWN_CANCELS] += 1
        return
    order = &s.orders.at[index]
    level = &s.levels.at[order.level]
    if unlikely(r.price != level.key ^ price_mask(level.side) or r.side != c'B' - level.side):
        s.counters[N_CANCEL_MISMATCHES] += 1
    if r.size >= order.size:
        if unlikely(r.size > order.size):
            s.counters[N_OVER_CANCELS] += 1
        remove(s, b, &found)
        return
    order.size -= r.size
    order.fills = 0
    level.size -= r.size
    s.counters[N_VOLUME_REMOVED + level.side] += r.size


cdef inline bint act_modify(
    State *s, Book *b, const MboRecord *r, uint32_t number, const Found *found
) noexcept nogil:
    """True where the order goes to the tail of its level, as an added one does."""
    cdef Order *order
    cdef Level *level
    cdef bint refill
    if unlikely(r.size == 0):
        s.counters[N_ZERO_SIZE_MODIFIES] += 1
        if found.order != 0:
            remove(s, b, found)
        return False
    if unlikely(found.order == 0):
        s.counters[N_UNKNOWN_MODIFIES] += 1
        return True
    order = &s.orders.at[found.order]
    level = &s.levels.at[order.level]
    refill = order.fills >= order.size and filled_in(&s.orders, found.order, b.event)
    s.counters[N_REFILLS] += refill
    s.counters[N_SIDE_CHANGES] += level.side != number
    if refill | (r.size > order.size) | (level.side != number) | (r.price != level.key ^ price_mask(number)):
        return True
    level.size -= order.size - r.size
    s.counters[N_VOLUME_REMOVED + level.side] += order.size - r.size
    order.size = r.size
    order.fills = 0
    return False


cdef inline void act_fill(State *s, Book *b, const MboRecord *r) noexcept nogil:
    """A fill changes nothing; it is remembered until the event ends, for the refill rule."""
    cdef uint32_t index = index_seek(&b.index, s.orders.at, r.order_id).order
    cdef Order *order
    cdef uint64_t fills
    if index == 0:
        s.counters[N_UNKNOWN_FILLS] += 1
        return
    order = &s.orders.at[index]
    fills = <uint64_t>r.size + (order.fills if filled_in(&s.orders, index, b.event) else 0)
    order.fills = <uint32_t>fills if fills <= 0xFFFFFFFFU else 0xFFFFFFFFU
    s.orders.stamps[index].fill_event = b.event


cdef inline void act_clear(State *s, Book *b, const MboRecord *r) noexcept nogil:
    cdef bint bad = r.flags & F_MAYBE_BAD_BOOK != 0
    empty_book(s, b)
    b.complete = not bad
    b.suspect = bad
    b.event_bits = b.event_bits & ~<uint32_t>RUN_CLOSED | CLEARED
    b.event_records = 0


# ------------------------------------------------------------------------------ one record


cdef inline void finish_event(
    State *s, Book *b, uint64_t version_ts, uint32_t version_sequence
) noexcept nogil:
    b.version_ts = version_ts
    b.version_sequence = version_sequence
    b.event += 1
    if not b.changed:
        b.changed = 1
        s.changed[s.changed_length] = b.number
        s.changed_length += 1


cdef inline void close_event(State *s, Book *b, const MboRecord *r) noexcept nogil:
    cdef bint snapshot = r.flags & F_SNAPSHOT and b.event_bits & NEWEST_KNOWN
    s.open_events -= b.event_bits & IN_EVENT
    if r.action == c'R' and not r.flags & F_MBP:
        b.event_bits &= CLEARED
    elif r.flags & F_SNAPSHOT:
        b.event_bits = b.event_bits & CLEARED | RUN_CLOSED
        b.run_ts = r.ts_recv
    else:
        b.event_bits = 0
    b.event_records = 0
    finish_event(s, b, b.newest_ts if snapshot else r.ts_event, b.newest_sequence if snapshot else r.sequence)


cdef inline void count_event(State *s, Book *b, const MboRecord *r) noexcept nogil:
    """A record without F_SNAPSHOT of an event of several: is the event too long?"""
    b.event_records += 1
    if b.event_records == 1:
        b.event_start = r.ts_recv
    if b.event_records <= s.max_event_records and (
        r.ts_recv <= b.event_start
        or r.ts_recv - b.event_start <= s.max_event_ns
        or r.ts_recv == UNDEF_TIMESTAMP
    ):
        return
    b.suspect = 1
    if not b.event_bits & LONG_EVENT:
        b.event_bits |= LONG_EVENT
        s.counters[N_LONG_EVENTS] += 1


cdef inline bint changes_book(const MboRecord *r) noexcept nogil:
    return r.action == c'A' or r.action == c'C' or r.action == c'M'


cdef inline bint flagged(State *s, Book *b, const MboRecord *r, uint32_t number) noexcept nogil:
    """What the rarer flags ask for, before the action; False where the record goes no further."""
    if r.flags & F_MBP:
        s.counters[N_MBP] += 1
        b.suspect = 1
        return False
    if r.flags & F_TOB and r.action == c'M':
        s.counters[N_TOB_MODIFIES] += 1
    if r.flags & F_SNAPSHOT and b.event_bits & RUN_CLOSED and changes_book(r):
        b.event_bits &= ~<uint32_t>RUN_CLOSED
        if r.ts_recv != b.run_ts:
            b.event_bits &= ~<uint32_t>CLEARED
    if r.flags & F_SNAPSHOT and not b.event_bits & CLEARED and changes_book(r):
        s.counters[N_SNAPSHOTS_WITHOUT_CLEAR] += 1
        empty_book(s, b)
        b.complete = r.flags & F_MAYBE_BAD_BOOK == 0
        b.event_bits |= CLEARED
    if r.flags & F_TOB and r.action == c'A':
        s.counters[N_ADDS] += 1
        act_add_tob(s, b, r, number)
        return False
    return not (r.flags & F_TOB and r.action == c'M')


cdef inline void note_flags(State *s, Book *b, const MboRecord *r) noexcept nogil:
    """The rarer flags' part of event accounting."""
    if r.flags & F_MAYBE_BAD_BOOK:
        s.counters[N_MAYBE_BAD] += 1
        b.suspect = 1
    if r.flags & F_SNAPSHOT:
        s.counters[N_SNAPSHOT] += 1
        if not b.event_bits & NEWEST_KNOWN or r.ts_event > b.newest_ts:
            b.event_bits |= NEWEST_KNOWN
            b.newest_ts = r.ts_event
            b.newest_sequence = r.sequence


cdef inline void act(State *s, Book *b, const MboRecord *r, bint rare) noexcept nogil:
    """Validation, then the table of actions; `rare`: the record has one of F_TOB, F_MBP, F_SNAPSHOT."""
    cdef uint8_t action = r.action
    cdef uint32_t number = <uint32_t>c'B' - r.side      # bids 0, asks 1: 'A' is the byte before 'B'
    cdef Found found
    if action == c'A' or action == c'M':
        if unlikely(number > 1):
            s.counters[N_BAD_SIDE] += 1
            return
        if unlikely(r.price == UNDEF_PRICE and not (rare and r.flags & F_TOB)):
            s.counters[N_BAD_PRICE] += 1
            return
        if unlikely(r.size == 0 and action == c'A' and not (rare and r.flags & F_TOB)):
            s.counters[N_ZERO_SIZE_ADDS] += 1
            return
        if unlikely(rare) and not flagged(s, b, r, number):
            return
        found = index_seek(&b.index, s.orders.at, r.order_id)
        if action == c'A':
            s.counters[N_ADDS] += 1
            s.counters[N_DUPLICATE_ADDS] += found.order != 0
        else:
            s.counters[N_MODIFIES] += 1
            if not act_modify(s, b, r, number, &found):
                return
        enter(s, b, number, r, &found)
        return
    if unlikely(not (action == c'C' or action == c'T' or action == c'F' or action == c'R' or action == c'N')):
        s.counters[N_UNKNOWN_ACTIONS] += 1
        return
    if unlikely(rare) and not flagged(s, b, r, number):
        return
    if action == c'C':
        s.counters[N_CANCELS] += 1
        act_cancel(s, b, r)
    elif action == c'F':
        s.counters[N_FILLS] += 1
        act_fill(s, b, r)
    elif action == c'T':
        s.counters[N_TRADES] += 1
    elif action == c'R':
        s.counters[N_CLEARS] += 1
        act_clear(s, b, r)
    else:
        s.counters[N_NONES] += 1


cdef inline void open_event(State *s, Book *b, const MboRecord *r) noexcept nogil:
    """Event accounting before the record is applied, where the event is more than one ordinary record."""
    if unlikely(r.flags & (F_MAYBE_BAD_BOOK | F_SNAPSHOT)):
        note_flags(s, b, r)
    if likely(not r.flags & F_SNAPSHOT):
        b.event_bits &= ~<uint32_t>(CLEARED | RUN_CLOSED)
        if not (r.flags & F_LAST) or b.event_bits & IN_EVENT:
            count_event(s, b, r)


cdef inline void apply_rules(State *s, Book *b, const MboRecord *r) noexcept nogil:
    """Apply one MBO record. The caller made room (reserve, index_reserve) and notes it (note_records)."""
    cdef uint8_t flags = r.flags
    cdef uint8_t telling = flags & (F_LAST | F_TOB | F_SNAPSHOT | F_MBP | F_MAYBE_BAD_BOOK)
    cdef bint whole = telling == F_LAST and b.event_bits == 0
    if not whole:
        open_event(s, b, r)
    act(s, b, r, flags & (F_TOB | F_SNAPSHOT | F_MBP) != 0)
    if whole:                               # an event of one ordinary record
        finish_event(s, b, r.ts_event, r.sequence)
    elif flags & F_LAST:
        close_event(s, b, r)
    elif not b.event_bits & IN_EVENT:
        b.event_bits |= IN_EVENT
        s.open_events += 1


cdef inline void note_records(State *s, Book *b, const MboRecord *last, uint64_t records) noexcept nogil:
    """So many records were applied to a book in a row, this one last."""
    b.records += records
    b.ts_event = last.ts_event
    b.ts_recv = last.ts_recv
    b.sequence = last.sequence
    s.ts_recv = last.ts_recv


cdef inline void apply_mbo(State *s, Book *b, const MboRecord *r) noexcept nogil:
    """Apply and note one MBO record."""
    apply_rules(s, b, r)
    note_records(s, b, r, 1)
