# cython: language_level=3
"""Which records of a buffer are wanted, and their copies: as they are, stamped, stripped, moved in time."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from depthcast.dbn.layout cimport F_SNAPSHOT, MboRecord, RTYPE_MBO, UNDEF_TIMESTAMP
from depthcast.dbn.runs cimport (
    BLOCK,
    FRAMING_OK,
    Framing,
    HEADER_WORDS,
    MBO_WORDS,
    NO_TS_OUT,
    Run,
    TS_OUT_TWICE,
    load32,
    load64,
    next_run,
    sequence_place,
    ts_recv_place,
)


cdef enum:
    MBO_BYTES = 56
    TS_OUT = 8
    MOST_WORDS = 255
    REACH = 3                   # slots of a table to look into at most, where more room gives that
    MOST_BITS = 28              # of a table's size


cdef enum Change:
    AS_IS
    STAMP                       # append ts_out
    STRIP                       # take it off


cdef struct Table:              # open addressing; a free slot has `nobody`, an id that is not in the set
    uint32_t *slots
    uint32_t nobody
    uint32_t shift
    uint32_t reach              # slots from an id's first to its last possible one; there is no wrapping


cdef struct Filter:
    const uint8_t *mask         # by rtype: 0 is dropped; NULL: none is
    const Table *ids            # NULL: all
    const uint8_t *actions      # by an MBO record's action: 0 is dropped, like what is not MBO; NULL: all
    bint by_start
    bint by_ts_recv
    uint64_t start


cdef inline uint32_t home_of(const Table *t, uint32_t instrument_id) noexcept nogil:
    return <uint32_t>(instrument_id * <uint32_t>0x9E3779B1) >> t.shift


cdef inline bint table_has(const Table *t, uint32_t instrument_id) noexcept nogil:
    """Without a branch that depends on the id: which instrument comes next is as good as random."""
    cdef const uint32_t *slots = t.slots + home_of(t, instrument_id)
    cdef bint found = slots[0] == instrument_id
    cdef uint32_t i
    for i in range(1, t.reach):
        found |= slots[i] == instrument_id
    return found & (instrument_id != t.nobody)


cdef inline bint table_fill(Table *t, const uint32_t *ids, size_t n, uint32_t bits) noexcept nogil:
    """Make the table with so many bits; False where there is no memory."""
    cdef size_t slots = (<size_t>1 << bits) + n, i
    cdef uint32_t at, home
    free(t.slots)
    t.shift = 32 - bits
    t.reach = 1
    t.slots = <uint32_t *>malloc((slots + 1) * sizeof(uint32_t))
    if t.slots == NULL:
        return False
    for i in range(slots + 1):
        t.slots[i] = t.nobody
    for i in range(n):
        home = home_of(t, ids[i])
        at = home
        while t.slots[at] != t.nobody:
            at += 1
        t.slots[at] = ids[i]
        t.reach = max(t.reach, at - home + 1)
    return True


cdef inline bint since_start(const uint8_t *r, uint8_t rtype, size_t place, const Filter *f) noexcept nogil:
    if f.by_ts_recv or (rtype == RTYPE_MBO and (<const MboRecord *>r).flags & F_SNAPSHOT):
        return load64(r + place) >= f.start
    return load64(r + 8) >= f.start


cdef inline size_t select_from(
    const Run *run, const Filter *f, size_t at, size_t *kept, size_t n
) noexcept nogil:
    """Note the places of the run's records that are wanted; how many are noted now."""
    cdef size_t i, place
    if f.mask != NULL and not f.mask[run.rtype]:
        return n
    if f.actions != NULL:
        if run.rtype == RTYPE_MBO:
            for i in range(run.count):
                kept[n] = at + i * run.step
                n += f.actions[<uint8_t>(<const MboRecord *>(run.at + i * run.step)).action]
    elif f.by_start:
        place = ts_recv_place(run.rtype, run.step)
        for i in range(run.count):
            kept[n] = at + i * run.step
            n += since_start(run.at + i * run.step, run.rtype, place, f)
    elif f.ids != NULL:
        for i in range(run.count):
            kept[n] = at + i * run.step
            n += table_has(f.ids, load32(run.at + i * run.step + 4))
    else:
        for i in range(run.count):
            kept[n + i] = at + i * run.step
        n += run.count
    return n


cdef inline Framing select(
    const uint8_t *start,
    size_t length,
    const Filter *f,
    size_t *kept,
    size_t *offset,
    size_t *noted,
    size_t *count,
) noexcept nogil:
    """Note the places of all wanted records; `kept` has room for one each 16 bytes, and BLOCK more."""
    cdef Run run
    cdef Framing why
    cdef size_t at = 0, n = 0, seen = 0
    while at < length:
        why = next_run(start + at, length - at, BLOCK, &run)
        if why != FRAMING_OK:
            offset[0] = at
            return why
        n = select_from(&run, f, at, kept, n)
        seen += run.count
        at += run.count * run.step
    noted[0] = n
    count[0] = seen
    return FRAMING_OK


cdef inline Framing size_of(
    const uint8_t *start, const size_t *kept, size_t n, Change change, size_t *offset, size_t *size
) noexcept nogil:
    """Bytes of the noted records once they are changed."""
    cdef size_t i, total = 0
    cdef uint8_t words
    for i in range(n):
        words = start[kept[i]]
        total += words
        offset[0] = kept[i]
        if change == STRIP:
            if words < HEADER_WORDS + 2 or (start[kept[i] + 1] == RTYPE_MBO and words == MBO_WORDS):
                return NO_TS_OUT
        elif change == STAMP:
            if words > MOST_WORDS - 2 or (start[kept[i] + 1] == RTYPE_MBO and words != MBO_WORDS):
                return TS_OUT_TWICE
    total *= 4
    size[0] = total + n * TS_OUT if change == STAMP else total - n * TS_OUT if change == STRIP else total
    return FRAMING_OK


cdef inline uint8_t *copy_one(
    const uint8_t *record, size_t size, Change change, uint64_t ts_out, uint8_t *out
) noexcept nogil:
    if change == STRIP:
        size -= TS_OUT
    if size == MBO_BYTES:
        memcpy(out, record, MBO_BYTES)
    else:
        memcpy(out, record, size)
    if change == STAMP:
        memcpy(out + size, &ts_out, TS_OUT)
        size += TS_OUT
    out[0] = <uint8_t>(size // 4)
    return out + size


cdef inline void gather(
    const uint8_t *start, const size_t *kept, size_t n, Change change, uint64_t ts_out, uint8_t *out
) noexcept nogil:
    """Copy the noted records."""
    cdef const uint8_t *record
    cdef size_t i
    for i in range(n):
        record = start + kept[i]
        out = copy_one(record, 4 * <size_t>record[0], change, ts_out, out)


cdef inline void shift_all(
    uint8_t *at, size_t length, uint64_t delta_ns, uint32_t delta_sequence
) noexcept nogil:
    """Move the times and sequence numbers of records that have been found good."""
    cdef uint8_t *end = at + length
    cdef uint64_t time
    cdef uint32_t sequence
    cdef size_t step, place
    while at < end:
        step = 4 * <size_t>at[0]
        time = load64(at + 8)
        if time != UNDEF_TIMESTAMP:
            time += delta_ns
            memcpy(at + 8, &time, 8)
        place = ts_recv_place(at[1], step)
        time = load64(at + place)
        if place != 8 and time != UNDEF_TIMESTAMP:
            time += delta_ns
            memcpy(at + place, &time, 8)
        place = sequence_place(at[1], step)
        if place != 0:
            sequence = load32(at + place) + delta_sequence
            memcpy(at + place, &sequence, 4)
        at += step
