# cython: language_level=3
"""Orders: a pool of fixed-size slots shared by all books, and one hash table of order ids a book.

The table is open addressing with linear probing. A slot is (hash << 32 | pool index), 0 when empty; an order's home is the
high bits of its hash, so the table lies in hash order: growing it is a sequential pass, and a removal closes its gap
by shifting back (Knuth, TAOCP vol. 3, 6.4, algorithm R), so nothing is ever left behind by churn.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from depthcast.book.native cimport grow, likely, mulhi, release, zalloc


cdef struct Order:              # 48 bytes
    uint64_t order_id
    uint64_t ts_event           # of the record that gave it its present priority; so is `sequence`
    uint64_t fill_event         # the book's event in which `fills` were counted
    uint32_t fills              # sum of F sizes since the last change, saturated
    uint32_t size
    uint32_t sequence
    uint32_t next               # towards the tail; links the free slots too
    uint32_t prev
    uint32_t level


cdef struct OrderPool:          # index 0 means none
    Order *at
    uint32_t capacity
    uint32_t used               # slots ever used, including 0
    uint32_t free


cdef struct OrderIndex:
    uint64_t *slots
    uint32_t bits
    uint32_t count
    uint32_t limit              # count at which it grows: 0.7 of the slots, a quarter while it is small


cdef enum:
    FIRST_BITS = 4
    MOST_BITS = 31
    ROOMY_BITS = 12             # up to here memory is nothing, and a mispredicted second probe is much


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
    at = grow(pool.at, pool.capacity * sizeof(Order), capacity * sizeof(Order))
    if at == NULL:
        return False
    pool.at = <Order *>at
    pool.capacity = capacity
    if pool.used == 0:
        pool.used = 1
    return True


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


cdef inline bint index_start(OrderIndex *index, uint32_t bits) noexcept nogil:
    index.slots = <uint64_t *>zalloc(<size_t>8 << bits)
    if index.slots == NULL:
        return False
    index.bits = bits
    index.count = 0
    index.limit = <uint32_t>((<uint64_t>1 << bits) * (25 if bits <= ROOMY_BITS else 70) // 100)
    return True


cdef inline void index_free(OrderIndex *index) noexcept nogil:
    release(index.slots, <size_t>8 << index.bits)
    index.slots = NULL


cdef inline void index_place(OrderIndex *index, uint64_t slot) noexcept nogil:
    cdef uint32_t mask = (<uint32_t>1 << index.bits) - 1
    cdef uint32_t at = <uint32_t>(slot >> 32) >> (32 - index.bits)
    while index.slots[at] != 0:
        at = (at + 1) & mask
    index.slots[at] = slot


cdef inline bint index_reserve(OrderIndex *index) noexcept nogil:
    """Room for one more id; False when there is no memory."""
    cdef OrderIndex larger
    cdef uint64_t at
    if likely(index.count < index.limit):
        return True
    if index.bits == MOST_BITS or not index_start(&larger, index.bits + 1):
        return False
    for at in range(<uint64_t>1 << index.bits):
        if index.slots[at] != 0:
            index_place(&larger, index.slots[at])
    larger.count = index.count
    index_free(index)
    index[0] = larger
    return True


cdef inline uint32_t index_seek(const OrderIndex *index, const Order *orders, uint64_t order_id, uint32_t hash) noexcept nogil:
    """Where in the table the order is; where there is none, an empty place."""
    cdef uint32_t mask = (<uint32_t>1 << index.bits) - 1
    cdef uint32_t at = hash >> (32 - index.bits)
    cdef uint64_t slot = index.slots[at]
    while slot != 0:
        if <uint32_t>(slot >> 32) == hash and orders[<uint32_t>slot].order_id == order_id:
            break
        at = (at + 1) & mask
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
    """Empty a place, and close the gap."""
    cdef uint32_t mask = (<uint32_t>1 << index.bits) - 1
    cdef uint32_t shift = 32 - index.bits
    cdef uint32_t at = gap
    cdef uint64_t slot
    while True:
        at = (at + 1) & mask
        slot = index.slots[at]
        if slot == 0:
            break
        if ((at - (<uint32_t>(slot >> 32) >> shift)) & mask) >= ((at - gap) & mask):
            index.slots[gap] = slot
            gap = at
    index.slots[gap] = 0
    index.count -= 1


cdef inline void index_clear(OrderIndex *index) noexcept nogil:
    """Forget all ids. A large table goes, so that a row of clears costs no more than the orders between them."""
    cdef OrderIndex small
    if index.count == 0:
        return
    if index.bits > 10 and index_start(&small, FIRST_BITS):
        index_free(index)
        index[0] = small
        return
    memset(index.slots, 0, <size_t>8 << index.bits)
    index.count = 0
