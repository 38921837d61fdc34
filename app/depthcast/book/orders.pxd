# cython: language_level=3
"""Orders: a pool of fixed-size slots shared by all books, and one hash table of order ids a book.

The table is open addressing with linear probing. A slot is (hash << 32 | pool index), 0 when empty; an
order's home is its hash scaled to the table (Lemire, "Fast random integer generation in an interval", 2019),
so the table lies in hash order: it grows by one sequential pass, a few slots at each record. A removal closes
its gap by shifting back (Knuth, TAOCP vol. 3, 6.4, algorithm R), so nothing is ever left behind by churn.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from depthcast.book.native cimport grow, likely, mulhi, release, roomier, zalloc


cdef struct Order:              # 32 bytes: two a cache line, what every record touches
    uint64_t order_id
    uint32_t next               # towards the tail; links the free slots too
    uint32_t prev
    uint32_t level
    uint32_t size
    uint32_t sequence           # of the record that gave it its present priority
    uint32_t fills              # sum of F sizes since the last change, saturated


cdef struct Stamp:              # 16 bytes: the rest of an order, seldom read
    uint64_t ts_event           # of the record that gave it its present priority
    uint64_t fill_event         # the book's event in which `fills` were counted


cdef struct OrderPool:          # index 0 means none
    Order *at
    Stamp *stamps
    uint32_t capacity
    uint32_t stamps_capacity
    uint32_t used               # slots ever used, including 0
    uint32_t free


cdef struct IdTable:
    uint64_t *slots
    uint32_t length


cdef struct OrderIndex:
    IdTable now
    IdTable next                # while it grows: ids whose hash is below `frontier` have moved here
    uint64_t frontier
    uint32_t sweep              # the slot of `now` that the move has come to
    uint32_t count
    uint32_t share              # slots an id while it is small: ROOMY or TIGHT
    uint32_t limit              # count at which it grows: half of the slots, fewer while it is small


cdef struct Found:              # what a search for an order id found
    IdTable *table
    uint32_t hash
    uint32_t slot
    uint32_t order              # pool index, 0: not there, and the slot is empty


cdef enum:
    FIRST_LENGTH = 16
    SMALL_LENGTH = 8192
    ROOMY = 16                  # in few, small books memory is nothing, a mispredicted second probe much
    TIGHT = 4
    SWEEP = 8                   # slots moved a record while it grows; 6 would just do


cdef inline uint32_t hash_id(uint64_t order_id) noexcept nogil:
    """Both halves of a wide product folded together: one multiplication, and every bit of the id counts."""
    cdef uint64_t x = order_id ^ 0x9E3779B97F4A7C15ULL
    return <uint32_t>(((x * 0xD6E8FEB86659FD93ULL) ^ mulhi(x, 0xD6E8FEB86659FD93ULL)) >> 32)


cdef inline bint pool_reserve(OrderPool *pool, uint32_t room) noexcept nogil:
    """Room for so many more orders; False when there is no memory."""
    cdef uint32_t capacity
    cdef void *at
    if likely(pool.capacity - pool.used >= room):
        return True
    capacity = roomier(pool.capacity, pool.used, room)
    if capacity == 0:
        return False
    if pool.stamps_capacity != capacity:
        at = grow(pool.stamps, pool.stamps_capacity * sizeof(Stamp), capacity * sizeof(Stamp))
        if at == NULL:
            return False
        pool.stamps = <Stamp *>at
        pool.stamps_capacity = capacity
    at = grow(pool.at, pool.capacity * sizeof(Order), capacity * sizeof(Order))
    if at == NULL:
        return False
    pool.at = <Order *>at
    pool.capacity = capacity
    if pool.used == 0:
        pool.used = 1
    return True


cdef inline void pool_free(OrderPool *pool) noexcept nogil:
    release(pool.at, pool.capacity * sizeof(Order))
    release(pool.stamps, pool.stamps_capacity * sizeof(Stamp))


cdef inline bint filled_in(const OrderPool *pool, uint32_t index, uint64_t event) noexcept nogil:
    """Has the order fills of that event since its last change?"""
    return pool.at[index].fills != 0 and pool.stamps[index].fill_event == event


cdef inline uint32_t order_take(OrderPool *pool) noexcept nogil:
    cdef uint32_t index = pool.free
    if index:
        pool.free = pool.at[index].next
        return index
    index = pool.used
    pool.used += 1
    return index


cdef inline void order_give(OrderPool *pool, uint32_t index) noexcept nogil:
    pool.at[index].next = pool.free
    pool.free = index


cdef inline uint32_t table_home(const IdTable *table, uint32_t hash) noexcept nogil:
    """Where the search for a hash begins: its place in [0, length) as it has one in [0, 2**32)."""
    return <uint32_t>(<uint64_t>hash * table.length >> 32)


cdef inline uint32_t table_next(const IdTable *table, uint32_t at) noexcept nogil:
    at += 1
    return at if likely(at != table.length) else 0


cdef inline bint table_start(IdTable *table, uint64_t length) noexcept nogil:
    table.slots = <uint64_t *>zalloc(<size_t>8 * length) if length <= 0xFFFFFFFFU else NULL
    table.length = <uint32_t>length if table.slots != NULL else 0
    return table.slots != NULL


cdef inline void table_free(IdTable *table) noexcept nogil:
    release(table.slots, <size_t>8 * table.length)
    table.slots = NULL
    table.length = 0


cdef inline void table_put(IdTable *table, uint64_t slot) noexcept nogil:
    cdef uint32_t at = table_home(table, <uint32_t>(slot >> 32))
    while table.slots[at] != 0:
        at = table_next(table, at)
    table.slots[at] = slot


cdef inline void table_remove(IdTable *table, uint32_t gap) noexcept nogil:
    """Empty a slot, and close the gap: an id moves back into it unless that would be before its home."""
    cdef uint32_t at = gap, home
    cdef uint64_t slot
    while True:
        at = table_next(table, at)
        slot = table.slots[at]
        if slot == 0:
            break
        home = table_home(table, <uint32_t>(slot >> 32))
        if (home <= gap) ^ (gap <= at) ^ (home <= at):      # the gap is, going round, from home to at
            table.slots[gap] = slot
            gap = at
    table.slots[gap] = 0


cdef inline uint32_t limit_of(uint64_t length, uint32_t share) noexcept nogil:
    """The most ids that a table of this length is to hold."""
    return <uint32_t>(length // (share if length <= SMALL_LENGTH else 2))


cdef inline bint index_start(OrderIndex *index, uint64_t length, uint32_t share) noexcept nogil:
    memset(index, 0, sizeof(OrderIndex))
    index.share = share
    index.limit = limit_of(length, share)
    return table_start(&index.now, length)


cdef inline void index_free(OrderIndex *index) noexcept nogil:
    table_free(&index.now)
    table_free(&index.next)


cdef inline void index_move(OrderIndex *index, uint32_t slots) noexcept nogil:
    """Go on moving ids to the larger table, in the order of their hashes, to an empty slot after so many.

    A cluster moves as a whole, but for ids that wrapped round from the table's end: they move last.
    """
    cdef uint32_t at = index.sweep
    cdef uint64_t slot
    cdef uint64_t stop = <uint64_t>at + slots
    cdef bint first = at == 0               # the first cluster may hold ids that wrapped round from the end
    while at < index.now.length:
        slot = index.now.slots[at]
        if slot == 0:                       # by now no id whose home is here, or before, is left
            first = False
            at += 1
            if at >= stop:
                break
        elif not first:
            table_put(&index.next, slot)
            index.now.slots[at] = 0
            at += 1
        elif table_home(&index.now, <uint32_t>(slot >> 32)) > at:
            at += 1
        else:
            table_put(&index.next, slot)
            table_remove(&index.now, at)
    index.sweep = at
    if at < index.now.length:
        index.frontier = ((<uint64_t>at << 32) + index.now.length - 1) // index.now.length
        return
    at = 0
    while index.now.slots[at] != 0:         # what had wrapped round
        table_put(&index.next, index.now.slots[at])
        at += 1
    table_free(&index.now)
    index.now = index.next
    index.next.slots = NULL
    index.next.length = 0
    index.frontier = 0
    index.limit = limit_of(index.now.length, index.share)


cdef inline bint index_grow(OrderIndex *index) noexcept nogil:
    """Begin or go on growing: twice while small, then by a third: an order costs 16 to 21 bytes of table.

    The ids of a large table move a few at each record, so that no record waits for millions of them.
    """
    if index.next.slots == NULL:
        index.sweep = 0
        if index.now.length <= SMALL_LENGTH:
            if not table_start(&index.next, <uint64_t>index.now.length * 2):
                return False
            index_move(index, index.now.length)
            return True
        if not table_start(&index.next, <uint64_t>index.now.length * 4 // 3):
            return False
        index.limit = 0                     # so that every record comes by here until the move is done
    index_move(index, SWEEP)
    return True


cdef inline bint index_reserve(OrderIndex *index) noexcept nogil:
    """Room for one more id; False when there is no memory."""
    if likely(index.count < index.limit):
        return True
    return index_grow(index)


cdef inline IdTable *index_table(OrderIndex *index, uint32_t hash) noexcept nogil:
    """The table that holds the ids of this hash."""
    return &index.now if likely(hash >= index.frontier) else &index.next


cdef inline Found index_seek(OrderIndex *index, const Order *orders, uint64_t order_id) noexcept nogil:
    cdef uint32_t hash = hash_id(order_id)
    cdef IdTable *table = index_table(index, hash)
    cdef uint32_t at = table_home(table, hash)
    cdef uint64_t slot = table.slots[at]
    cdef Found found
    while slot != 0:
        if <uint32_t>(slot >> 32) == hash and orders[<uint32_t>slot].order_id == order_id:
            break
        at = table_next(table, at)
        slot = table.slots[at]
    found.table = table
    found.hash = hash
    found.slot = at
    found.order = <uint32_t>slot
    return found


cdef inline void index_put(OrderIndex *index, const Found *found, uint32_t order) noexcept nogil:
    """Put an order where index_seek() found an empty slot for it."""
    found.table.slots[found.slot] = <uint64_t>found.hash << 32 | order
    index.count += 1


cdef inline void index_remove(OrderIndex *index, const Found *found) noexcept nogil:
    table_remove(found.table, found.slot)
    index.count -= 1


cdef inline void index_clear(OrderIndex *index) noexcept nogil:
    """Forget all ids. A large table goes: a row of clears must cost no more than the orders between them."""
    cdef OrderIndex small
    if index.now.length > 1024 and index_start(&small, FIRST_LENGTH, index.share):
        index_free(index)
        index[0] = small
        return
    memset(index.now.slots, 0, <size_t>8 * index.now.length)
    if index.next.slots != NULL:
        memset(index.next.slots, 0, <size_t>8 * index.next.length)
    index.count = 0
