# cython: language_level=3
"""Walks over buffers of records, without the GIL: where records are, what times they have.

The framing rules are those of framing.py. Records are taken in runs of one length and rtype: within a run the
next record's place does not depend on the one before, so that the processor reads many at a time.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from depthcast.dbn.layout cimport (
    F_LAST,
    F_SNAPSHOT,
    MboRecord,
    RTYPE_BBO_1M,
    RTYPE_BBO_1S,
    RTYPE_MBO,
    RTYPE_MBP1,
    RTYPE_MBP10,
    RTYPE_STATUS,
    RTYPE_TRADE,
    UNDEF_TIMESTAMP,
)


cdef enum:
    HEADER_WORDS = 4
    MBO_WORDS = 14
    MBO_TS_OUT_WORDS = 16
    BLOCK = 256                 # records of a run that are taken together: they stay in the nearest cache
    RTYPE_IMBALANCE = 0x14
    RTYPE_STATISTICS = 0x18
    RTYPE_CMBP_1 = 0xB1
    RTYPE_CBBO_1S = 0xC0


cdef enum Framing:
    FRAMING_OK
    FRAMING_SHORT               # a length byte under 4 words
    FRAMING_PAST_END            # a record runs past the end
    FRAMING_MBO_LENGTH          # an MBO record that is neither 56 nor 64 bytes
    NO_TS_OUT                   # a record that can have none: it is too short
    TS_OUT_TWICE                # a record that cannot be made longer


cdef struct Run:                # records of one length and rtype, one behind another
    const uint8_t *at
    size_t count
    size_t step
    uint8_t rtype


cdef struct Bounds:
    uint64_t count
    uint64_t min_ts_event
    uint64_t max_ts_event
    uint64_t min_ts_recv
    uint64_t max_ts_recv
    uint64_t max_snapshot_ts_recv


# ------------------------------------------------------------------------------ fields


cdef inline uint16_t load16(const uint8_t *at) noexcept nogil:
    cdef uint16_t value
    memcpy(&value, at, 2)
    return value


cdef inline uint32_t load32(const uint8_t *at) noexcept nogil:
    cdef uint32_t value
    memcpy(&value, at, 4)
    return value


cdef inline uint64_t load64(const uint8_t *at) noexcept nogil:
    cdef uint64_t value
    memcpy(&value, at, 8)
    return value


cdef inline size_t ts_recv_place(uint8_t rtype, size_t step) noexcept nogil:
    """Where ts_recv is; that of ts_event for the records that have no ts_recv."""
    cdef size_t place = 8
    if rtype == RTYPE_MBO:
        return 40
    if rtype == RTYPE_TRADE or rtype == RTYPE_MBP1 or rtype == RTYPE_MBP10 or rtype == RTYPE_CMBP_1:
        place = 32
    elif RTYPE_CBBO_1S <= rtype <= RTYPE_BBO_1M:
        place = 32
    elif RTYPE_STATUS <= rtype <= RTYPE_IMBALANCE or rtype == RTYPE_STATISTICS:
        place = 16
    return place if place + 8 <= step else 8


cdef inline size_t sequence_place(uint8_t rtype, size_t step) noexcept nogil:
    """Where the venue's sequence number is; 0 for the records that have none."""
    cdef size_t place = 0
    if rtype == RTYPE_MBO:
        return 52
    if rtype == RTYPE_TRADE or rtype == RTYPE_MBP1 or rtype == RTYPE_MBP10:
        place = 44
    elif rtype == RTYPE_BBO_1S or rtype == RTYPE_BBO_1M:
        place = 44
    elif rtype == RTYPE_STATISTICS:
        place = 48
    return place if place + 4 <= step else 0


# ------------------------------------------------------------------------------ runs


cdef inline Framing framing(const uint8_t *at, size_t left) noexcept nogil:
    """Is there a whole, well-framed record?"""
    if at[0] < HEADER_WORDS:
        return FRAMING_SHORT
    if left >= 2 and at[1] == RTYPE_MBO and at[0] != MBO_WORDS and at[0] != MBO_TS_OUT_WORDS:
        return FRAMING_MBO_LENGTH
    if left < 4 * <size_t>at[0]:
        return FRAMING_PAST_END
    return FRAMING_OK


cdef inline size_t same_heads(const uint8_t *at, size_t step, size_t most) noexcept nogil:
    """How many records from here on have the first one's length and rtype."""
    cdef uint16_t head = load16(at)
    cdef uint16_t differ
    cdef const uint8_t *p
    cdef size_t n = 1
    while n + 8 <= most:
        p = at + n * step
        differ = load16(p) ^ head
        differ |= load16(p + step) ^ head
        differ |= load16(p + 2 * step) ^ head
        differ |= load16(p + 3 * step) ^ head
        differ |= load16(p + 4 * step) ^ head
        differ |= load16(p + 5 * step) ^ head
        differ |= load16(p + 6 * step) ^ head
        differ |= load16(p + 7 * step) ^ head
        if differ:
            break
        n += 8
    while n < most and load16(at + n * step) == head:
        n += 1
    return n


cdef inline Framing next_run(const uint8_t *at, size_t left, size_t most, Run *run) noexcept nogil:
    """The run that begins here, of at most so many records. `left` is not 0."""
    cdef Framing why = framing(at, left)
    if why != FRAMING_OK:
        return why
    run.at = at
    run.step = 4 * <size_t>at[0]
    run.rtype = at[1]
    run.count = same_heads(at, run.step, min(most, left // run.step))
    return FRAMING_OK


cdef inline Framing count_records(
    const uint8_t *start, size_t length, size_t most, size_t *offset, size_t *count
) noexcept nogil:
    """Walk over at most so many records."""
    cdef Run run
    cdef Framing why
    cdef size_t at = 0, n = 0
    while at < length and n < most:
        why = next_run(start + at, length - at, most - n, &run)
        if why != FRAMING_OK:
            offset[0] = at
            return why
        n += run.count
        at += run.count * run.step
    offset[0] = at
    count[0] = n
    return FRAMING_OK


cdef inline size_t events_in(const Run *run) noexcept nogil:
    """How many of a run's records there are up to and with the last that ends an event."""
    cdef size_t n = run.count
    if run.rtype == RTYPE_MBO:
        while n != 0 and not (<const MboRecord *>(run.at + (n - 1) * run.step)).flags & F_LAST:
            n -= 1
    return n


cdef inline Framing find_event_end(
    const uint8_t *start, size_t length, size_t *offset, size_t *prefix
) noexcept nogil:
    """Bytes up to and with the last record that ends an event; 0 if there is none."""
    cdef Run run
    cdef Framing why
    cdef size_t at = 0, n
    prefix[0] = 0
    while at < length:
        why = next_run(start + at, length - at, length, &run)
        if why != FRAMING_OK:
            offset[0] = at
            return why
        n = events_in(&run)
        if n != 0:
            prefix[0] = at + n * run.step
        at += run.count * run.step
    return FRAMING_OK


cdef inline Framing find_burst(
    const uint8_t *start, size_t length, size_t most, size_t max_bytes, size_t *at, size_t *records
) noexcept nogil:
    """So many records, and the rest of the last one's event, up to the record that reaches ``max_bytes``."""
    cdef Framing why = FRAMING_OK
    cdef const uint8_t *record
    while at[0] < length:
        record = start + at[0]
        why = framing(record, length - at[0])
        if why != FRAMING_OK:
            break
        at[0] += 4 * <size_t>record[0]
        records[0] += 1
        if at[0] >= max_bytes:
            break
        if records[0] >= most and (record[1] != RTYPE_MBO or (<const MboRecord *>record).flags & F_LAST):
            break
    return why


cdef inline Framing find_due(
    const uint8_t *start, size_t length, uint64_t ts_recv, size_t *at, size_t *count
) noexcept nogil:
    """Go on from `at` to the first record that comes later: nothing behind it is looked at."""
    cdef Framing why
    cdef uint64_t time
    cdef size_t step
    while at[0] < length:
        why = framing(start + at[0], length - at[0])
        if why != FRAMING_OK:
            return why
        step = 4 * <size_t>start[at[0]]
        time = load64(start + at[0] + ts_recv_place(start[at[0] + 1], step))
        if time > ts_recv and time != UNDEF_TIMESTAMP:
            break
        at[0] += step
        count[0] += 1
    return FRAMING_OK


cdef inline Framing find_ts_recv(
    const uint8_t *start, size_t length, bint last, size_t *offset, uint64_t *found
) noexcept nogil:
    """The first, or the last, ts_recv that is set; UNDEF_TIMESTAMP if none is."""
    cdef Run run
    cdef Framing why
    cdef uint64_t time
    cdef size_t at = 0, place, i
    found[0] = UNDEF_TIMESTAMP
    while at < length:
        why = next_run(start + at, length - at, length if last else 1, &run)
        if why != FRAMING_OK:
            offset[0] = at
            return why
        place = ts_recv_place(run.rtype, run.step)
        for i in range(run.count):
            time = load64(run.at + (run.count - 1 - i if last else i) * run.step + place)
            if time != UNDEF_TIMESTAMP:
                found[0] = time
                if not last:
                    return FRAMING_OK
                break
        at += run.count * run.step
    return FRAMING_OK


cdef inline void widen(uint64_t time, uint64_t *least, uint64_t *most) noexcept nogil:
    if time == UNDEF_TIMESTAMP:
        return
    if time < least[0]:
        least[0] = time
    if time > most[0]:
        most[0] = time


cdef inline Framing find_bounds(
    const uint8_t *start, size_t length, size_t *offset, Bounds *b
) noexcept nogil:
    cdef Run run
    cdef Framing why
    cdef const uint8_t *r
    cdef uint64_t ignored = 0
    cdef size_t at = 0, place, i
    while at < length:
        why = next_run(start + at, length - at, BLOCK, &run)
        if why != FRAMING_OK:
            offset[0] = at
            return why
        place = ts_recv_place(run.rtype, run.step)
        for i in range(run.count):
            r = run.at + i * run.step
            widen(load64(r + 8), &b.min_ts_event, &b.max_ts_event)
            widen(load64(r + place), &b.min_ts_recv, &b.max_ts_recv)
            if run.rtype == RTYPE_MBO and (<const MboRecord *>r).flags & F_SNAPSHOT:
                widen(load64(r + place), &ignored, &b.max_snapshot_ts_recv)
        b.count += run.count
        at += run.count * run.step
    return FRAMING_OK
