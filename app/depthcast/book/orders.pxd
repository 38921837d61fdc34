# cython: language_level=3
"""Orders: a pool of fixed-size slots shared by all books, and one hash table of order ids a book.

The table is open addressing with linear probing. A slot is (hash << 32 | pool index), 0 when empty; an order's home is
its hash scaled to the table (Lemire, "Fast random integer generation in an interval", 2019), so the table lies in hash order: growing it is a sequential pass, and a removal closes its gap
by shifting back (Knuth, TAOCP vol. 3, 6.4, algorithm R), so nothing is ever left behind by churn.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from depthcast.book.native cimport grow, likely, mulhi, release, zalloc


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


cdef struct OrderIndex:
    uint64_t *slots
    uint32_t length
    uint32_t count
    uint32_t limit              # count at which it grows: half of the slots, a quarter while it is small


cdef enum:
    FIRST_LENGTH = 16
    ROOMY_LENGTH = 4096         # up to here memory is nothing, and a mispredicted second probe is much


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
    if pool.capacity >= 0x80000000U:
        return False
    capacity = pool.capacity * 2 if pool.capacity else 64
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


cdef inline uint32_t index_home(const OrderIndex *index, uint32_t hash) noexcept nogil:
    """Where the search for a hash begins: its place in [0, length) as it has one in [0, 2**32)."""
    return <uint32_t>(<uint64_t>hash * index.length >> 32)


cdef inline uint32_t index_next(const OrderIndex *index, uint32_t at) noexcept nogil:
    at += 1
    return at if likely(at != index.length) else 0


cdef inline bint index_start(OrderIndex *index, uint32_t length) noexcept nogil:
    index.slots = <uint64_t *>zalloc(<size_t>8 * length)
    if index.slots == NULL:
        return False
    index.length = length
    index.count = 0
    index.limit = length // (4 if length <= ROOMY_LENGTH else 2)
    return True


cdef inline void index_free(OrderIndex *index) noexcept nogil:
    release(index.slots, <size_t>8 * index.length)
    index.slots = NULL


cdef inline bint index_grow(OrderIndex *index) noexcept nogil:
    """A larger table: twice while small, then by a third, so that an order costs 16 to 21 bytes of it."""
    cdef OrderIndex larger
    cdef uint32_t at, place
    cdef uint64_t slot
    cdef uint64_t length = <uint64_t>index.length * 2
    if index.length > ROOMY_LENGTH:
        length = <uint64_t>index.length * 4 // 3
    if length > 0xFFFFFFFFU or not index_start(&larger, <uint32_t>length):
        return False
    for at in range(index.length):
        slot = index.slots[at]
        if slot != 0:
            place = index_home(&larger, <uint32_t>(slot >> 32))
            while larger.slots[place] != 0:
                place = index_next(&larger, place)
            larger.slots[place] = slot
    larger.count = index.count
    index_free(index)
    index[0] = larger
    return True


cdef inline bint index_reserve(OrderIndex *index) noexcept nogil:
    """Room for one more id; False when there is no memory."""
    return likely(index.count < index.limit) or index_grow(index)


cdef inline uint32_t index_seek(const OrderIndex *index, const Order *orders, uint64_t order_id, uint32_t hash) noexcept nogil:
    """Where in the table the order is; where there is none, an empty place."""
    cdef uint32_t at = index_home(index, hash)
    cdef uint64_t slot = index.slots[at]
    while slot != 0:
        if <uint32_t>(slot >> 32) == hash and orders[<uint32_t>slot].order_id == order_id:
            break
        at = index_next(index, at)
        slot = index.slots[at]
    return at


cdef inline uint32_t index_find(const OrderIndex *index, const Order *orders, uint64_t order_id, uint32_t hash) noexcept nogil:
    """The pool index of the order, 0 if there is none."""
    return <uint32_t>index.slots[index_seek(index, orders, order_id, hash)]


cdef inline void index_put(OrderIndex *index, uint32_t at, uint32_t order, uint32_t hash) noexcept nogil:
    """Put an order where index_seek() found an empty place for it."""
    index.slots[at] = <uint64_t>hash << 32 | order
    index.count += 1


cdef inline void index_remove(OrderIndex *index, uint32_t gap) noexcept nogil:
    """Empty a place, and close the gap: an order moves back into it unless that would be before its home."""
    cdef uint32_t at = gap, home
    cdef uint64_t slot
    while True:
        at = index_next(index, at)
        slot = index.slots[at]
        if slot == 0:
            break
        home = index_home(index, <uint32_t>(slot >> 32))
        if (home <= gap) ^ (gap <= at) ^ (home <= at):      # the gap is, going round, from home to at
            index.slots[gap] = slot
            gap = at
    index.slots[gap] = 0
    index.count -= 1


cdef inline void index_clear(OrderIndex *index) noexcept nogil:
    """Forget all ids. A large table goes, so that a row of clears costs no more than the orders between them."""
    cdef OrderIndex small
    if index.count == 0:
        return
    if index.length > 1024 and index_start(&small, FIRST_LENGTH):
        index_free(index)
        index[0] = small
        return
    memset(index.slots, 0, <size_t>8 * index.length)
    index.count = 0
