# cython: language_level=3
"""Pure functions over buffers of whole records: what is in them, and what of them goes where.

The framing rules are those of framing.py. Records are taken in runs of one length and rtype: within a run the
next record's place does not depend on the one before, so that the processor reads many at a time.
"""

from cpython cimport array
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

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
    RecordHeader,
    UNDEF_TIMESTAMP,
)

import array
from typing import NamedTuple

from depthcast.dbn.layout import RType
from depthcast.errors import RecordError

cdef enum:
    WITH_GIL = 65536            # bytes up to which giving the GIL away costs more than it gains
    HEADER_WORDS = 4
    MBO_WORDS = 14
    MBO_TS_OUT_WORDS = 16
    MBO_BYTES = 56
    TS_OUT = 8
    MOST_WORDS = 255
    REACH = 3                   # slots of a table to look into at most, where more room gives that
    MOST_BITS = 28              # of a table's size
    BLOCK = 256                 # records of a run that are taken together: they stay in the nearest cache
    RTYPE_INSTRUMENT_DEF = 0x13
    RTYPE_IMBALANCE = 0x14
    RTYPE_STATISTICS = 0x18
    RTYPE_CMBP_1 = 0xB1
    RTYPE_CBBO_1S = 0xC0
    RTYPE_CBBO_1M = 0xC1
    RTYPE_TCBBO = 0xC2

cdef extern from *:
    const uint64_t UINT64_MAX


cdef enum Framing:
    FRAMING_OK
    FRAMING_SHORT               # a length byte under 4 words
    FRAMING_PAST_END            # a record runs past the end
    FRAMING_MBO_LENGTH          # an MBO record that is neither 56 nor 64 bytes
    NO_TS_OUT                   # a record that can have none: it is too short
    TS_OUT_TWICE                # a record that cannot be made longer
    NO_MEMORY


cdef enum Change:
    AS_IS
    STAMP                       # append ts_out
    STRIP                       # take it off


cdef struct Run:                # records of one length and rtype, one behind another
    const uint8_t *at
    size_t count
    size_t step
    uint8_t rtype


cdef struct Table:              # open addressing; a free slot has `nobody`, an id that is not in the set
    uint32_t *slots
    uint32_t nobody
    uint32_t shift
    uint32_t reach              # slots from an id's first to its last possible one; there is no wrapping


cdef struct Filter:
    const uint8_t *mask         # by rtype: 0 is dropped; NULL: none is
    const Table *ids            # NULL: all
    bint by_start
    bint by_ts_recv
    uint64_t start


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


cdef Framing count_records(const uint8_t *start, size_t length, size_t most, size_t *offset,
                           size_t *count) noexcept nogil:
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


cdef Framing find_event_end(const uint8_t *start, size_t length, size_t *offset, size_t *prefix) noexcept nogil:
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


cdef Framing find_due(
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


cdef Framing find_ts_recv(
    const uint8_t *start, size_t length, bint last, size_t *offset, uint64_t *found
) noexcept nogil:
    """The first, or the last, ts_recv that is set; UNDEF_TIMESTAMP if none is."""
    cdef Run run
    cdef Framing why
    cdef uint64_t time
    cdef size_t at = 0, place, i
    found[0] = UNDEF_TIMESTAMP
    while at < length:
        why = next_run(start + at, length - at, length if last else BLOCK, &run)
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


cdef struct Bounds:
    uint64_t count
    uint64_t min_ts_event
    uint64_t max_ts_event
    uint64_t min_ts_recv
    uint64_t max_ts_recv
    uint64_t max_snapshot_ts_recv


cdef inline void widen(uint64_t time, uint64_t *least, uint64_t *most) noexcept nogil:
    if time == UNDEF_TIMESTAMP:
        return
    if time < least[0]:
        least[0] = time
    if time > most[0]:
        most[0] = time


cdef Framing find_bounds(const uint8_t *start, size_t length, size_t *offset, Bounds *b) noexcept nogil:
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


# ------------------------------------------------------------------------------ selection


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


cdef bint table_fill(Table *t, const uint32_t *ids, size_t n, uint32_t bits) noexcept nogil:
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
    if f.by_start:
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


cdef Framing select(
    const uint8_t *start, size_t length, const Filter *f, size_t *kept, size_t *offset, size_t *noted, size_t *count
) noexcept nogil:
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


cdef Framing size_of(
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


cdef void gather(
    const uint8_t *start, const size_t *kept, size_t n, Change change, uint64_t ts_out, uint8_t *out
) noexcept nogil:
    """Copy the noted records."""
    cdef const uint8_t *record
    cdef size_t i
    for i in range(n):
        record = start + kept[i]
        out = copy_one(record, 4 * <size_t>record[0], change, ts_out, out)


cdef void stamp_all(const uint8_t *start, size_t length, uint64_t ts_out, uint8_t *out) noexcept nogil:
    """Copy all records, which have been found good, with ts_out."""
    cdef const uint8_t *end = start + length
    cdef size_t step
    while start < end:
        step = 4 * <size_t>start[0]
        out = copy_one(start, step, STAMP, ts_out, out)
        start += step


cdef void shift_all(uint8_t *at, size_t length, uint64_t delta_ns, uint32_t delta_sequence) noexcept nogil:
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


# ------------------------------------------------------------------------------ Python's side


class Span(NamedTuple):
    """See forms.pyi."""

    count: int
    min_ts_event: int
    max_ts_event: int
    min_ts_recv: int
    max_ts_recv: int
    max_snapshot_ts_recv: int


cdef class IdSet:
    """See forms.pyi."""

    cdef Table table
    cdef readonly frozenset _ids

    def __cinit__(self, instrument_ids=()):
        cdef uint32_t bits = 4, roomiest
        cdef array.array ids
        self._ids = frozenset(instrument_ids)
        for value in self._ids:
            if not isinstance(value, int) or not 0 <= value < 2**32:
                raise ValueError(f"an instrument_id is an integer from 0 to 4294967295, not {value!r}")
        ids = array.array("I", self._ids)
        while self.table.nobody in self._ids:
            self.table.nobody += 1
        while bits < MOST_BITS and <uint64_t>1 << bits < 4 * <uint64_t>len(ids):
            bits += 1
        roomiest = min(bits + 3, MOST_BITS)
        while True:
            if not table_fill(&self.table, ids.data.as_uints, len(ids), bits):
                raise MemoryError("no memory for the instrument ids")
            if self.table.reach <= REACH or bits == roomiest:
                break
            bits += 1

    def __dealloc__(self):
        free(self.table.slots)

    def __contains__(self, instrument_id):
        return instrument_id in self._ids

    def __len__(self):
        return len(self._ids)

    def __iter__(self):
        return iter(sorted(self._ids))

    def __eq__(self, other):
        return self._ids == (<IdSet>other)._ids if isinstance(other, IdSet) else NotImplemented

    def __hash__(self):
        return hash(self._ids)

    def __repr__(self):
        return f"IdSet({sorted(self._ids)})"

    def __reduce__(self):
        raise TypeError("an IdSet cannot be pickled: send the ids")


cpdef bytes rtype_mask(rtypes):
    """See forms.pyi."""
    mask = bytearray(256)
    for rtype in rtypes:
        if not 0 <= rtype <= 255:
            raise ValueError(f"an rtype is from 0 to 255, not {rtype}")
        mask[rtype] = 1
    return bytes(mask)


NOT_MBO = rtype_mask(set(range(256)) - {RTYPE_MBO})
CONTROL = rtype_mask([RType.ERROR, RType.SYMBOL_MAPPING, RType.SYSTEM])


cdef bytes mask_of(rtypes):
    mask = rtypes if isinstance(rtypes, bytes) else rtype_mask(rtypes)
    if len(mask) != 256:
        raise ValueError(f"a mask of rtypes has 256 bytes, not {len(mask)}")
    return mask


cdef raise_framing(Py_buffer *view, Framing why, size_t offset):
    cdef const uint8_t *at = <const uint8_t *>view.buf + offset
    cdef size_t length
    if why == NO_MEMORY:
        raise MemoryError("no memory for the places of the records")
    length = 4 * <size_t>at[0]
    if why == FRAMING_SHORT:
        text = f"the length byte says {length} bytes, less than a record's header of 16"
    elif why == FRAMING_PAST_END:
        text = f"the record is cut short: its length byte says {length} bytes, {view.len - offset} are there"
    elif why == FRAMING_MBO_LENGTH:
        text = f"an MBO record of {length} bytes: it has 56, or 64 with ts_out"
    elif why == NO_TS_OUT:
        text = f"a record of {length} bytes and rtype {at[1]:#04x} cannot have ts_out"
    else:
        text = f"a record of {length} bytes and rtype {at[1]:#04x} cannot be given ts_out"
    raise RecordError(text, offset=offset, applied=0)


cdef bytes whole(buffer, Py_buffer *view):
    """The buffer as it is: the same object if it is bytes."""
    if type(buffer) is bytes:
        return buffer
    return PyBytes_FromStringAndSize(<const char *>view.buf, view.len)


cdef bytes selected(buffer, const Filter *f, Change change, uint64_t ts_out):
    """The wanted records, changed."""
    cdef Py_buffer view
    cdef const uint8_t *start
    cdef size_t length, offset = 0, noted = 0, count = 0, size = 0
    cdef size_t *kept = NULL
    cdef uint8_t *out
    cdef Framing why
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        start = <const uint8_t *>view.buf
        length = view.len
        kept = <size_t *>malloc((length // 16 + BLOCK) * sizeof(size_t))
        if kept == NULL:
            raise_framing(&view, NO_MEMORY, 0)
        if length <= WITH_GIL:
            why = select(start, length, f, kept, &offset, &noted, &count)
        else:
            with nogil:
                why = select(start, length, f, kept, &offset, &noted, &count)
        if why == FRAMING_OK:
            if noted == count and change == AS_IS:
                return whole(buffer, &view)
            if noted == 0:
                return b""
            if length <= WITH_GIL:
                why = size_of(start, kept, noted, change, &offset, &size)
            else:
                with nogil:
                    why = size_of(start, kept, noted, change, &offset, &size)
        if why != FRAMING_OK:
            raise_framing(&view, why, offset)
        result = PyBytes_FromStringAndSize(NULL, size)
        out = <uint8_t *>PyBytes_AS_STRING(result)
        if length <= WITH_GIL:
            gather(start, kept, noted, change, ts_out, out)
        else:
            with nogil:
                gather(start, kept, noted, change, ts_out, out)
        return result
    finally:
        free(kept)
        PyBuffer_Release(&view)


def form(buffer, *, IdSet instrument_ids=None, rtypes=None, ts_out=None):
    """See forms.pyi."""
    cdef Filter f
    cdef bytes mask
    memset(&f, 0, sizeof(Filter))
    if rtypes is not None:
        mask = mask_of(rtypes)
        f.mask = <const uint8_t *>PyBytes_AS_STRING(mask)
    if instrument_ids is not None:
        f.ids = &instrument_ids.table
    if ts_out is None:
        return selected(buffer, &f, AS_IS, 0)
    return selected(buffer, &f, STAMP, ts_out)


def plain(buffer, drop=CONTROL, *, bint ts_out):
    """See forms.pyi."""
    cdef Filter f
    cdef bytes mask = None
    memset(&f, 0, sizeof(Filter))
    if drop is not None:
        mask = mask_of(drop)
        mask = bytes([not dropped for dropped in mask])
        f.mask = <const uint8_t *>PyBytes_AS_STRING(mask)
    return selected(buffer, &f, STRIP if ts_out else AS_IS, 0)


def others(buffer):
    """See forms.pyi."""
    return form(buffer, rtypes=NOT_MBO)


def since(buffer, uint64_t start, *, bint by_ts_recv=False):
    """See forms.pyi."""
    cdef Filter f
    memset(&f, 0, sizeof(Filter))
    f.by_start = True
    f.by_ts_recv = by_ts_recv
    f.start = start
    return selected(buffer, &f, AS_IS, 0)


def count(buffer):
    """See forms.pyi."""
    cdef Py_buffer view
    cdef size_t offset = 0, records = 0
    cdef Framing why
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        if view.len <= WITH_GIL:
            why = count_records(<const uint8_t *>view.buf, view.len, UINT64_MAX, &offset, &records)
        else:
            with nogil:
                why = count_records(<const uint8_t *>view.buf, view.len, UINT64_MAX, &offset, &records)
        if why != FRAMING_OK:
            raise_framing(&view, why, offset)
    finally:
        PyBuffer_Release(&view)
    return records


def prefix(buffer, uint64_t records):
    """See forms.pyi."""
    cdef Py_buffer view
    cdef size_t offset = 0, seen = 0
    cdef Framing why
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        with nogil:
            why = count_records(<const uint8_t *>view.buf, view.len, records, &offset, &seen)
        if why != FRAMING_OK:
            raise_framing(&view, why, offset)
    finally:
        PyBuffer_Release(&view)
    return offset


def event_prefix(buffer):
    """See forms.pyi."""
    cdef Py_buffer view
    cdef size_t offset = 0, found = 0
    cdef Framing why
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        if view.len <= WITH_GIL:
            why = find_event_end(<const uint8_t *>view.buf, view.len, &offset, &found)
        else:
            with nogil:
                why = find_event_end(<const uint8_t *>view.buf, view.len, &offset, &found)
        if why != FRAMING_OK:
            raise_framing(&view, why, offset)
    finally:
        PyBuffer_Release(&view)
    return found


def due_prefix(buffer, uint64_t ts_recv):
    """See forms.pyi."""
    cdef Py_buffer view
    cdef size_t at = 0, records = 0
    cdef Framing why
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        why = find_due(<const uint8_t *>view.buf, view.len, ts_recv, &at, &records)
        if why != FRAMING_OK:
            raise_framing(&view, why, at)
    finally:
        PyBuffer_Release(&view)
    return at, records


cdef uint64_t one_ts_recv(buffer, bint last):
    cdef Py_buffer view
    cdef size_t offset = 0
    cdef uint64_t found = 0
    cdef Framing why
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        why = find_ts_recv(<const uint8_t *>view.buf, view.len, last, &offset, &found)
        if why != FRAMING_OK:
            raise_framing(&view, why, offset)
    finally:
        PyBuffer_Release(&view)
    return found


def first_ts_recv(buffer):
    """See forms.pyi."""
    return one_ts_recv(buffer, False)


def last_ts_recv(buffer):
    """See forms.pyi."""
    return one_ts_recv(buffer, True)


def span(buffer):
    """See forms.pyi."""
    cdef Py_buffer view
    cdef size_t offset = 0
    cdef Bounds b
    cdef Framing why
    memset(&b, 0, sizeof(Bounds))
    b.min_ts_event = UNDEF_TIMESTAMP
    b.min_ts_recv = UNDEF_TIMESTAMP
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        with nogil:
            why = find_bounds(<const uint8_t *>view.buf, view.len, &offset, &b)
        if why != FRAMING_OK:
            raise_framing(&view, why, offset)
    finally:
        PyBuffer_Release(&view)
    return Span(
        b.count, b.min_ts_event, b.max_ts_event, b.min_ts_recv, b.max_ts_recv, b.max_snapshot_ts_recv
    )


def shifted(buffer, int64_t delta_ns, int64_t delta_sequence):
    """See forms.pyi."""
    cdef Py_buffer view
    cdef size_t offset = 0, records = 0, size
    cdef uint8_t *out
    cdef Framing why
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        with nogil:
            why = count_records(<const uint8_t *>view.buf, view.len, UINT64_MAX, &offset, &records)
        if why != FRAMING_OK:
            raise_framing(&view, why, offset)
        if delta_ns == 0 and delta_sequence % 2**32 == 0:
            return whole(buffer, &view)
        result = PyBytes_FromStringAndSize(<const char *>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)
    size = len(result)
    out = <uint8_t *>PyBytes_AS_STRING(result)
    with nogil:
        shift_all(out, size, <uint64_t>delta_ns, <uint32_t>delta_sequence)
    return result
