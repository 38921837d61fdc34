# cython: language_level=3
"""One side of a book: its price levels, in order.

A price is turned into a *key* that rises away from the touch on both sides (bids: ~price, asks: price), so
that everything here is written once and "lowest key" means best. All levels of a side are in one linked
list by key. To find a price, and the neighbours of a new one, there are two structures:

* the ladder: level indexes, one a tick, over a window around the touch, with bitmaps three deep (64 to 1);
* a treap of the levels off the window or off the tick (Seidel and Aragon, "Randomized search trees", 1996).

Tick and window come from the levels themselves (`replan`), whenever enough new levels missed the ladder: a
wrong guess costs time, never truth.
"""

from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memset

from depthcast.book.native cimport grow, highest_bit, likely, mulhi, roomier


cdef struct Level:              # 56 bytes
    int64_t key
    uint64_t size
    uint32_t count
    uint32_t head               # front of the queue
    uint32_t tail
    uint32_t better             # neighbours on the side
    uint32_t worse
    uint32_t left               # treap children, where slot is OFF_LADDER
    uint32_t right
    uint32_t slot
    uint32_t side               # 0 bids, 1 asks


cdef struct LevelPool:          # index 0 means none
    Level *at
    uint32_t capacity
    uint32_t used
    uint32_t free


cdef struct Side:
    uint32_t best
    uint32_t worst
    uint32_t levels
    uint32_t tob                # the one level is a top-of-book quote, not orders
    uint32_t far_root
    uint32_t far_best
    uint32_t far_levels
    uint32_t width              # slots of the ladder; 0: there is none
    uint32_t misses             # levels made off the ladder since the last plan
    uint32_t patience           # misses until the next
    int64_t base                # key of slot 0
    uint64_t tick
    uint64_t magic              # reciprocal of tick: mulhi(n * tick, magic) == n for every slot n
    uint32_t *slots
    uint64_t *bits0             # a bit a slot, then a bit a word of it, then a bit a word of that
    uint64_t *bits1
    uint64_t *bits2
    size_t ladder_bytes


cdef enum:
    OFF_LADDER = 0xFFFFFFFFU
    NARROW = 512                # a ladder of this width is made whatever the density
    WIDEST = 262144             # 64 ** 3
    FIRST_PATIENCE = 8
    PLAN_LEVELS = 1024          # levels next to the touch that a plan looks at


cdef inline int64_t price_mask(uint32_t side) noexcept nogil:
    """key == price ^ mask, price == key ^ mask."""
    return <int64_t>side - 1


# ------------------------------------------------------------------------------ pool


cdef inline bint levels_reserve(LevelPool *pool, uint32_t room) noexcept nogil:
    """Room for so many more levels; False when there is no memory."""
    cdef uint32_t capacity
    cdef void *at
    if likely(pool.capacity - pool.used >= room):
        return True
    capacity = roomier(pool.capacity, pool.used, room)
    if capacity == 0:
        return False
    at = grow(pool.at, pool.capacity * sizeof(Level), capacity * sizeof(Level))
    if at == NULL:
        return False
    pool.at = <Level *>at
    pool.capacity = capacity
    if pool.used == 0:
        pool.used = 1
    return True


cdef inline uint32_t level_take(LevelPool *pool) noexcept nogil:
    cdef uint32_t index = pool.free
    if index:
        pool.free = pool.at[index].worse
        return index
    index = pool.used
    pool.used += 1
    return index


# ------------------------------------------------------------------------------ treap


cdef inline uint32_t far_priority(int64_t key) noexcept nogil:
    cdef uint64_t x = <uint64_t>key * 0x9E3779B97F4A7C15ULL
    x ^= x >> 32
    x *= 0xD6E8FEB86659FD93ULL
    return <uint32_t>(x >> 32)


cdef inline uint32_t far_find(const Level *at, uint32_t root, int64_t key) noexcept nogil:
    while root != 0 and at[root].key != key:
        root = at[root].left if key < at[root].key else at[root].right
    return root


cdef inline uint32_t far_before(const Level *at, uint32_t root, int64_t key) noexcept nogil:
    """The level with the greatest key below `key`, 0 if none."""
    cdef uint32_t found = 0
    while root != 0:
        if at[root].key < key:
            found = root
            root = at[root].right
        else:
            root = at[root].left
    return found


cdef inline void far_add(Level *at, Side *side, uint32_t index) noexcept nogil:
    cdef int64_t key = at[index].key
    cdef uint32_t priority = far_priority(key)
    cdef uint32_t *link = &side.far_root
    cdef uint32_t *low = &at[index].left
    cdef uint32_t *high = &at[index].right
    cdef uint32_t node
    while link[0] != 0 and far_priority(at[link[0]].key) >= priority:
        link = &at[link[0]].left if key < at[link[0]].key else &at[link[0]].right
    node = link[0]
    link[0] = index
    while node != 0:            # split what hung there
        if at[node].key < key:
            low[0] = node
            low = &at[node].right
            node = low[0]
        else:
            high[0] = node
            high = &at[node].left
            node = high[0]
    low[0] = 0
    high[0] = 0
    at[index].slot = OFF_LADDER
    if side.far_levels == 0 or key < at[side.far_best].key:
        side.far_best = index
    side.far_levels += 1


cdef inline void far_remove(Level *at, Side *side, uint32_t index) noexcept nogil:
    cdef int64_t key = at[index].key
    cdef uint32_t *link = &side.far_root
    cdef uint32_t low = at[index].left
    cdef uint32_t high = at[index].right
    cdef uint32_t node
    while link[0] != index:
        link = &at[link[0]].left if key < at[link[0]].key else &at[link[0]].right
    while low != 0 and high != 0:
        if far_priority(at[low].key) >= far_priority(at[high].key):
            link[0] = low
            link = &at[low].right
            low = link[0]
        else:
            link[0] = high
            link = &at[high].left
            high = link[0]
    link[0] = low if low != 0 else high
    side.far_levels -= 1
    if side.far_best == index:
        node = side.far_root
        while node != 0 and at[node].left != 0:
            node = at[node].left
        side.far_best = node


# ------------------------------------------------------------------------------ ladder


cdef inline uint32_t slot_of(const Side *side, int64_t key) noexcept nogil:
    """The ladder slot of a key, OFF_LADDER if it has none."""
    cdef uint64_t distance, slot
    if key < side.base:
        return OFF_LADDER
    distance = <uint64_t>key - <uint64_t>side.base
    slot = distance if side.tick == 1 else mulhi(distance, side.magic)
    if slot < side.width and slot * side.tick == distance:
        return <uint32_t>slot
    return OFF_LADDER


cdef inline void ladder_set(Side *side, uint32_t slot, uint32_t index) noexcept nogil:
    side.slots[slot] = index
    side.bits0[slot >> 6] |= <uint64_t>1 << (slot & 63)
    side.bits1[slot >> 12] |= <uint64_t>1 << (slot >> 6 & 63)
    side.bits2[0] |= <uint64_t>1 << (slot >> 12)


cdef inline void ladder_unset(Side *side, uint32_t slot) noexcept nogil:
    side.slots[slot] = 0
    side.bits0[slot >> 6] &= ~(<uint64_t>1 << (slot & 63))
    if side.bits0[slot >> 6] == 0:
        side.bits1[slot >> 12] &= ~(<uint64_t>1 << (slot >> 6 & 63))
        if side.bits1[slot >> 12] == 0:
            side.bits2[0] &= ~(<uint64_t>1 << (slot >> 12))


cdef inline uint32_t ladder_before(const Side *side, uint32_t slot) noexcept nogil:
    """The level of the highest occupied slot below `slot` (<= width), 0 if none."""
    cdef uint64_t word
    cdef uint32_t at
    if slot == 0:
        return 0
    slot -= 1                   # now: at or below
    word = side.bits0[slot >> 6] << (63 - (slot & 63))
    if word != 0:
        return side.slots[slot - (63 - highest_bit(word))]
    at = slot >> 6
    if at & 63:
        word = side.bits1[at >> 6] << (64 - (at & 63))
        if word != 0:
            at -= 64 - highest_bit(word)
            return side.slots[(at << 6) + highest_bit(side.bits0[at])]
    at = slot >> 12
    if at == 0:
        return 0
    word = side.bits2[0] << (64 - at)
    if word == 0:
        return 0
    at -= 64 - highest_bit(word)
    at = (at << 6) + highest_bit(side.bits1[at])
    return side.slots[(at << 6) + highest_bit(side.bits0[at])]


cdef inline uint32_t ladder_before_key(const Side *side, int64_t key) noexcept nogil:
    """The ladder's level with the greatest key below `key`, 0 if none."""
    cdef uint64_t distance
    if key <= side.base:
        return 0
    distance = (<uint64_t>key - <uint64_t>side.base - 1) // side.tick
    return ladder_before(side, side.width if distance >= side.width else <uint32_t>distance + 1)


# ------------------------------------------------------------------------------ levels


cdef inline uint32_t level_find(const Level *at, const Side *side, int64_t key) noexcept nogil:
    """The level with that key, 0 if none."""
    cdef uint32_t slot
    if likely(side.width != 0):
        slot = slot_of(side, key)
        if slot != OFF_LADDER:
            return side.slots[slot]
    return far_find(at, side.far_root, key)


cdef inline void level_link(Level *at, Side *side, uint32_t index) noexcept nogil:
    """Put a new level between its neighbours."""
    cdef int64_t key = at[index].key
    cdef uint32_t better = 0
    cdef uint32_t worse = side.best
    cdef uint32_t far
    if worse != 0 and key > at[worse].key:
        if key > at[side.worst].key:
            better = side.worst
        else:
            if side.width != 0:
                if at[index].slot != OFF_LADDER:
                    better = ladder_before(side, at[index].slot)
                else:
                    better = ladder_before_key(side, key)
            if side.far_levels != 0 and key > at[side.far_best].key:
                far = far_before(at, side.far_root, key)
                if better == 0 or (far != 0 and at[far].key > at[better].key):
                    better = far
        worse = at[better].worse
    at[index].better = better
    at[index].worse = worse
    if better != 0:
        at[better].worse = index
    else:
        side.best = index
    if worse != 0:
        at[worse].better = index
    else:
        side.worst = index
    side.levels += 1


cdef inline void level_drop(LevelPool *pool, Side *side, uint32_t index) noexcept nogil:
    """Take an empty level out of the side and give its slot back."""
    cdef Level *at = pool.at
    cdef uint32_t better = at[index].better
    cdef uint32_t worse = at[index].worse
    if better != 0:
        at[better].worse = worse
    else:
        side.best = worse
    if worse != 0:
        at[worse].better = better
    else:
        side.worst = better
    if at[index].slot != OFF_LADDER:
        ladder_unset(side, at[index].slot)
    else:
        far_remove(at, side, index)
    side.levels -= 1
    at[index].worse = pool.free
    pool.free = index


cdef inline uint32_t level_make(
    LevelPool *pool, Side *side, uint32_t side_number, int64_t key
) noexcept nogil:
    """A new, empty level; the pool has room for it."""
    cdef uint32_t index = level_take(pool)
    cdef Level *at = pool.at
    cdef Level *level = &at[index]
    cdef uint32_t slot = OFF_LADDER
    level.key = key
    level.size = 0
    level.count = 0
    level.head = 0
    level.tail = 0
    level.left = 0
    level.right = 0
    level.side = side_number
    if side.width != 0:
        slot = slot_of(side, key)
    level.slot = slot
    level_link(at, side, index)
    if likely(slot != OFF_LADDER):
        ladder_set(side, slot, index)
    else:
        far_add(at, side, index)
        side.misses += 1
        if side.misses >= side.patience:
            replan(at, side)
    return index


# ------------------------------------------------------------------------------ plan


cdef struct Plan:
    int64_t base
    uint64_t tick
    uint32_t width
    uint32_t covered


cdef inline int _ascending(const void *a, const void *b) noexcept nogil:
    cdef uint64_t x = (<const uint64_t *>a)[0]
    cdef uint64_t y = (<const uint64_t *>b)[0]
    return (x > y) - (x < y)


cdef inline uint64_t _gcd(uint64_t a, uint64_t b) noexcept nogil:
    while b != 0:
        a, b = b, a % b
    return a


cdef inline uint64_t _usual(uint64_t *gaps, uint32_t n) noexcept nogil:
    """The most frequent gap, the smallest of these."""
    cdef uint32_t i, run = 0, longest = 0
    cdef uint64_t usual = gaps[0]
    qsort(gaps, n, sizeof(uint64_t), _ascending)
    for i in range(n):
        run = run + 1 if i > 0 and gaps[i] == gaps[i - 1] else 1
        if run > longest:
            longest = run
            usual = gaps[i]
    return usual


cdef inline Plan plan_for(const int64_t *keys, uint32_t n, uint64_t tick) noexcept nogil:
    """The narrowest window that covers 7/8 of the keys, else the widest cover; no sparser than 1/64."""
    cdef Plan plan, trial
    cdef uint32_t i
    cdef uint64_t distance, margin
    plan.covered = 0
    plan.width = 0
    plan.tick = tick
    plan.base = 0
    if tick == 0 or tick >= <uint64_t>1 << 45:
        return plan
    trial.tick = tick
    trial.width = NARROW
    while trial.width <= WIDEST:
        margin = tick * (trial.width // 4)
        if <uint64_t>keys[0] - <uint64_t>INT64_MIN < margin:
            break
        trial.base = <int64_t>(<uint64_t>keys[0] - margin)
        trial.covered = 0
        for i in range(n):
            distance = <uint64_t>keys[i] - <uint64_t>trial.base
            trial.covered += distance % tick == 0 and distance // tick < trial.width
        if trial.covered > plan.covered and (trial.width == NARROW or trial.width <= 64 * trial.covered):
            plan = trial
        if trial.covered * 8 >= n * 7:
            break
        trial.width *= 8
    return plan


cdef inline Plan best_plan(const Level *at, const Side *side) noexcept nogil:
    cdef Plan plan, other
    cdef int64_t keys[PLAN_LEVELS]
    cdef uint64_t gaps[PLAN_LEVELS]
    cdef uint64_t divisor = 0
    cdef uint32_t n = 0, i
    cdef uint32_t level = side.best
    plan.width = 0
    plan.covered = 0
    while level != 0 and n < PLAN_LEVELS:
        keys[n] = at[level].key
        level = at[level].worse
        n += 1
    if n < 2:
        return plan
    for i in range(n - 1):
        gaps[i] = <uint64_t>keys[i + 1] - <uint64_t>keys[i]
        divisor = _gcd(divisor, gaps[i])
    plan = plan_for(keys, n, divisor)
    if plan.covered * 8 < n * 7:
        other = plan_for(keys, n, _usual(gaps, n - 1))
        if other.covered > plan.covered:
            plan = other
    return plan


cdef inline bint ladder_alloc(Side *side, uint32_t width) noexcept nogil:
    """Empty ladder arrays for `width` slots; the old ones go. False, nothing changed: no memory."""
    cdef size_t words0 = width // 64
    cdef size_t words1 = (words0 + 63) // 64
    cdef size_t nbytes = (words0 + words1 + 1) * 8 + <size_t>width * 4
    cdef uint64_t *block
    if nbytes != side.ladder_bytes:
        block = <uint64_t *>malloc(nbytes)
        if block == NULL:
            return False
        free(side.bits0)
        side.bits0 = block
        side.bits1 = block + words0
        side.bits2 = block + words0 + words1
        side.slots = <uint32_t *>(block + words0 + words1 + 1)
        side.ladder_bytes = nbytes
    memset(side.bits0, 0, nbytes)
    return True


cdef inline int64_t plan_end(int64_t base, uint64_t tick, uint32_t width) noexcept nogil:
    """A key that no slot of the window is beyond."""
    cdef uint64_t span = tick * width
    return <int64_t>(<uint64_t>base + span) if span < <uint64_t>INT64_MAX - <uint64_t>base else INT64_MAX


cdef inline void replan(Level *at, Side *side) noexcept nogil:
    """Choose tick and window anew from the levels that are there; move those that now belong elsewhere."""
    cdef Plan plan = best_plan(at, side)
    cdef uint32_t level = side.best
    cdef bint same = side.width == plan.width and side.tick == plan.tick and side.base == plan.base
    cdef uint32_t missed = side.far_levels
    cdef int64_t end = plan_end(plan.base, plan.tick, plan.width)
    cdef int64_t old_end = plan_end(side.base, side.tick, side.width)
    side.misses = 0
    if plan.width != 0 and not same and ladder_alloc(side, plan.width):
        side.width = plan.width
        side.tick = plan.tick
        side.magic = <uint64_t>-1 // plan.tick + 1 if plan.tick > 1 else 0
        side.base = plan.base
        while level != 0 and (at[level].key <= end or at[level].key <= old_end):
            level_resettle(at, side, level)
            level = at[level].worse
        if side.far_levels < missed:
            side.patience = 64 + 2 * (side.levels if side.levels < 0x20000000U else 0x20000000U)
            return
    if side.patience < 0x40000000U:     # it gained nothing: ask half as often
        side.patience = (32 if side.patience < 32 else side.patience) * 2


cdef inline void level_resettle(Level *at, Side *side, uint32_t level) noexcept nogil:
    """Put a level, in the treap or in the ladder that was, where the new ladder leaves it."""
    cdef uint32_t slot = slot_of(side, at[level].key)
    if at[level].slot == OFF_LADDER:
        if slot != OFF_LADDER:
            far_remove(at, side, level)
    elif slot == OFF_LADDER:
        far_add(at, side, level)
    at[level].slot = slot
    if slot != OFF_LADDER:
        ladder_set(side, slot, level)
