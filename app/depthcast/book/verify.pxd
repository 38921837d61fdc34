# cython: language_level=3
"""The invariants of docs/book.md, checked against every structure the kernel keeps."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from depthcast.book.ladder cimport OFF_LADDER, Level, Side, far_find, ladder_before, price_mask, slot_of
from depthcast.book.orders cimport Order, index_seek
from depthcast.book.rules cimport Book, IN_EVENT, N_VOLUME_ADDED, N_VOLUME_REMOVED, State


cdef inline int verify_level(const State *s, Book *b, int side, uint32_t at, str where, list found) except -1:
    """Invariants 1 and 2: the level's sums, and each order of its queue in its place and in the id table."""
    cdef const Level *level = &s.levels.at[at]
    cdef const Order *order
    cdef uint32_t index = level.head, before = 0
    cdef uint64_t size = 0, count = 0
    while index != 0:
        order = &s.orders.at[index]
        size += order.size
        count += 1
        if order.size == 0:
            found.append(f"{where}: order {order.order_id} has size 0")
        if order.level != at or order.prev != before:
            found.append(f"{where}: order {order.order_id} is linked wrongly")
        if index_seek(&b.index, s.orders.at, order.order_id).order != index:
            found.append(f"{where}: order {order.order_id} is not found by its id")
        if count > level.count:
            found.append(f"{where}: the queue is longer than the level's count {level.count}")
            break
        before = index
        index = order.next
    if level.tail != before:
        found.append(f"{where}: the tail is not the last order")
    if b.sides[side].tob:
        if level.head != 0 or level.count != 0 or level.size == 0 or b.sides[side].levels != 1:
            found.append(f"{where}: a top-of-book level must stand alone, without orders and with a size")
    elif count == 0 or level.size != size or level.count != count:
        found.append(f"{where}: size {level.size}, count {level.count}; its orders make {size}, {count}")
    return 0


cdef inline uint64_t verify_side(const State *s, Book *b, int number, str where, list found) except? 1:
    """Invariant 3 and the side's own structures: levels in order, and reachable by list, ladder and treap.

    Returns the number of orders it met.
    """
    cdef Side *side = &b.sides[number]
    cdef uint32_t at = side.best, before = 0, far = 0, far_best = 0
    cdef uint64_t levels = 0, orders = 0
    cdef int64_t key
    cdef uint32_t slot
    while at != 0:
        key = s.levels.at[at].key
        here = f"{where} at {key ^ price_mask(number)}"
        levels += 1
        orders += s.levels.at[at].count
        if levels > side.levels:
            found.append(f"{where}: more levels linked than counted ({side.levels})")
            return orders
        if before != 0 and s.levels.at[before].key >= key:
            found.append(f"{here}: not worse than the level before it")
        if s.levels.at[at].better != before or s.levels.at[at].side != <uint32_t>number:
            found.append(f"{here}: linked wrongly")
        slot = slot_of(side, key) if side.width else <uint32_t>OFF_LADDER
        if slot != s.levels.at[at].slot:
            found.append(f"{here}: in the wrong place of the ladder")
        elif slot == OFF_LADDER:
            far += 1
            far_best = far_best or at
            if far_find(s.levels.at, side.far_root, key) != at:
                found.append(f"{here}: not reachable in the treap")
        elif side.slots[slot] != at or ladder_before(side, slot + 1) != at:
            found.append(f"{here}: not reachable in the ladder")
        verify_level(s, b, number, at, here, found)
        before = at
        at = s.levels.at[at].worse
    if side.worst != before or side.levels != levels:
        found.append(f"{where}: {levels} levels linked, {side.levels} counted")
    if side.far_levels != far or side.far_best != far_best:
        found.append(f"{where}: the treap's own count or best level is wrong")
    return orders


cdef inline int verify_book(const State *s, Book *b, list found) except -1:
    where = f"book ({b.publisher_id}, {b.instrument_id})"
    orders = verify_side(s, b, 0, where + " bids", found) + verify_side(s, b, 1, where + " asks", found)
    if b.index.count != orders:
        found.append(f"{where}: {b.index.count} ids in the table, {orders} orders in the queues")
    return 0


cdef inline int verify_volume(const State *s, list found) except -1:
    """Invariant 5, and the totals over all books. Volumes count modulo 2**64."""
    cdef uint64_t resting[2]
    cdef uint64_t live = 0, open_events = 0
    cdef uint32_t i, at
    cdef int side
    resting[0] = 0
    resting[1] = 0
    for i in range(s.books_length):
        live += s.books[i].index.count
        open_events += s.books[i].event_bits & IN_EVENT
        for side in range(2):
            at = s.books[i].sides[side].best
            while at != 0:
                if not s.books[i].sides[side].tob:
                    resting[side] += s.levels.at[at].size
                at = s.levels.at[at].worse
    for side in range(2):
        if s.counters[N_VOLUME_ADDED + side] - s.counters[N_VOLUME_REMOVED + side] != resting[side]:
            name = "asks" if side else "bids"
            found.append(f"volume of {name}: added less removed is not the {resting[side]} that rest")
    if live != s.live or open_events != s.open_events:
        found.append(f"totals: {live} orders, {open_events} open events; counted {s.live}, {s.open_events}")
    return 0
