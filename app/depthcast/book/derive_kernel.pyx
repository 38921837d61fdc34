# cython: language_level=3
"""The compiled deriver: records in, derived records out, over an engine's books (derive_rules.pxd: how)."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from depthcast.book.derive_rules cimport close_interval, derive_mbo, know_counters, pass_to, view_of, want
from depthcast.book.derive_state cimport (
    BBO_1S,
    Derivation,
    INTERVAL_COUNT,
    SCHEMA_COUNT,
    UINT64_MAX,
    View,
    derivation_free,
    record_size,
    room_for_book,
    room_for_records,
    room_to_pass,
)
from depthcast.book.engine cimport Engine
from depthcast.book.market cimport (
    DEEP,
    FRAMING_OK,
    Framing,
    GROUP,
    MBO_BYTES,
    NO_MEMORY,
    STRIDE,
    apply_other,
    book_of,
    fetch_ahead,
    framing,
)
from depthcast.book.native cimport load64, unlikely
from depthcast.book.orders cimport index_reserve
from depthcast.book.rules cimport Book, State, note_records, reserve
from depthcast.dbn.layout cimport F_SNAPSHOT, MboRecord, RTYPE_MBO, RecordHeader

from depthcast.book.derive_schemas import SCHEMAS

if [schema.dtype.itemsize for schema in SCHEMAS.values()] != [record_size(i) for i in range(SCHEMA_COUNT)]:
    raise ImportError("derive_schemas.py and the compiled kernel disagree: rebuild it (make setup)")

cdef enum:
    WITH_GIL = 2048             # bytes up to which giving the GIL away costs more than it gains


cdef inline bint room_ahead(Derivation *d, size_t records) noexcept nogil:
    """Room for this many MBO records, in the books and for what is derived from them."""
    return reserve(d.state, records) and room_for_records(d, records)


cdef Framing derive_records(
    Derivation *d, const uint8_t *start, size_t length, size_t *offset, size_t *applied
) noexcept nogil:
    """Apply a buffer's records in order and derive; the walk is that of apply_records in market.pxd."""
    cdef State *s = d.state
    cdef const MboRecord *r = NULL
    cdef Book *b = NULL
    cdef View *v = NULL
    cdef Framing why = FRAMING_OK
    cdef size_t taken = 0
    cdef size_t run = 0                     # records of this book since it was last noted
    cdef uint64_t head = 0                  # its records' first 8 bytes: length, rtype and the book's key
    cdef Py_ssize_t step = 0                # the length they say
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t end = <Py_ssize_t>length
    cdef Py_ssize_t fence = 0               # up to here room was made
    cdef Py_ssize_t last = -1               # up to here a record with that head is whole, and has room
    while True:
        if unlikely(at > last or load64(start + at) != head):
            if at >= end:
                break
            if at >= fence:
                if unlikely(not room_ahead(d, STRIDE)):
                    why = NO_MEMORY
                    break
                fence = at + STRIDE * MBO_BYTES
                if s.live >= DEEP:
                    fetch_ahead(s, start + at, start + end)
                    fence = at + GROUP * MBO_BYTES
            if step == 0 or end - at < step or load64(start + at) != head:
                why = framing(start + at, <size_t>(end - at))
                if unlikely(why != FRAMING_OK):
                    break
                if start[at + 1] != RTYPE_MBO:
                    why = apply_other(s, start + at, &taken)
                    if unlikely(why != FRAMING_OK):
                        break
                    at += 4 * <Py_ssize_t>start[at]
                    continue
                if run != 0:
                    note_records(s, b, r, run)
                    taken += run
                    run = 0
                b = book_of(s, <const RecordHeader *>(start + at))
                if b == NULL or not room_for_book(d, b.number):
                    why = NO_MEMORY
                    break
                v = view_of(d, b)
                head = load64(start + at)
                step = 4 * <Py_ssize_t>start[at]
            last = min(end - step, fence - 1)
        r = <const MboRecord *>(start + at)
        if unlikely(not index_reserve(&b.index) or not (r.flags & F_SNAPSHOT or pass_to(d, r.ts_recv))):
            why = NO_MEMORY
            break
        derive_mbo(d, b, v, r)
        run += 1
        at += step
    if run != 0:
        note_records(s, b, r, run)
        taken += run
    offset[0] = <size_t>at
    applied[0] = taken
    return why


cdef class DeriveKernel:
    """See derive_kernel.pyi."""

    cdef Derivation d
    cdef readonly Engine engine
    cdef list numbers           # of the schemas, in the order in which they were asked for

    def __cinit__(self, schemas, Engine engine not None, publisher_id=None, instrument_id=None):
        cdef int i
        memset(&self.d, 0, sizeof(Derivation))
        self.engine = engine
        self.d.state = &engine.state
        self.d.publisher_id = -1 if publisher_id is None else publisher_id
        self.d.instrument_id = -1 if instrument_id is None else instrument_id
        self.d.limit = UINT64_MAX
        names = list(SCHEMAS)
        self.numbers = [names.index(name) for name in schemas]
        for number in self.numbers:
            self.d.schemas |= <uint32_t>1 << <int>number
        know_counters(&self.d)
        want(&self.d, self.d.schemas)
        for i in range(INTERVAL_COUNT):
            self.d.intervals[i].step = SCHEMAS[names[BBO_1S + i]].interval_ns
            self.d.intervals[i].limit = UINT64_MAX

    def __dealloc__(self):
        derivation_free(&self.d)

    def apply(self, buffer):
        cdef Py_buffer view
        cdef size_t offset = 0, applied = 0
        cdef Framing why
        self.engine.enter()
        self.engine.take(buffer, &view)
        if view.len <= WITH_GIL:
            why = derive_records(&self.d, <const uint8_t *>view.buf, view.len, &offset, &applied)
        else:
            with nogil:
                why = derive_records(&self.d, <const uint8_t *>view.buf, view.len, &offset, &applied)
        self.engine.busy = 0
        if why != FRAMING_OK:
            self.engine.raise_framing(&view, why, offset, applied)
        PyBuffer_Release(&view)
        return self.taken()

    def advance(self, uint64_t ts_recv):
        self.engine.free_to_read()
        if not pass_to(&self.d, ts_recv):
            raise MemoryError("no memory for the derived records")
        return self.taken()

    def flush(self):
        cdef int i
        self.engine.free_to_read()
        if not room_to_pass(&self.d):
            raise MemoryError("no memory for the derived records")
        for i in range(INTERVAL_COUNT):
            close_interval(&self.d, i)
        self.d.limit = UINT64_MAX
        return self.taken()

    def want(self, wanted):
        """Only these schemas, a flag for each in the order asked for, write records from here on."""
        cdef uint32_t written = 0
        self.engine.free_to_read()
        for number, is_wanted in zip(self.numbers, wanted, strict=True):
            if is_wanted:
                written |= <uint32_t>1 << <int>number
        want(&self.d, written)

    cdef list taken(self):
        """What has been derived, by schema; the buffers are used again."""
        cdef int number
        taken = [
            PyBytes_FromStringAndSize(<char *>self.d.out[<int>number].at, self.d.out[<int>number].used)
            for number in self.numbers
        ]
        for number in self.numbers:
            self.d.out[number].used = 0
        return taken
