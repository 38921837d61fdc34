# cython: language_level=3
"""What a receiver does with its buffer: find the whole data records in it, remember which ones it has seen.

The framing rules are those of framing.py; times are those that a replay is filtered on (`replay_time`).
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from depthcast.dbn.layout cimport (
    F_SNAPSHOT,
    MboRecord,
    RTYPE_BBO_1M,
    RTYPE_BBO_1S,
    RTYPE_MBO,
    RecordHeader,
    UNDEF_TIMESTAMP,
)

from depthcast.dbn.framing import why_broken
from depthcast.errors import RecordError

cdef enum:
    HEADER_BYTES = 16
    MBO_WORDS = 14
    MBO_TS_OUT_WORDS = 16
    FIRST_CONTROL = 0x15        # error, symbol mapping, system
    LAST_CONTROL = 0x17
    RTYPE_CBBO_1S = 0xC0
    RTYPE_CBBO_1M = 0xC1
    RTYPES = 256
    TS_RECV_OF_BBO = 32
    FIRST_SLOTS = 64
    MOST_SLOTS = 1 << 23
    FEW_RECORDS = 16384         # less than this between two checkpoints costs more than replaying it
    WITH_GIL = 65536            # bytes up to which giving the GIL away costs more than it gains

cdef uint64_t NOBODY = <uint64_t>-1  # no key: there is no such rtype
cdef uint64_t SPREAD = 0x9E3779B97F4A7C15  # 2^64 by the golden ratio: neighbouring keys fall far apart


cdef inline bint framed(size_t words, uint8_t rtype) noexcept nogil:
    if rtype == RTYPE_MBO:
        return words == MBO_WORDS or words == MBO_TS_OUT_WORDS
    return words >= HEADER_BYTES // 4


cdef inline uint64_t replay_time(const uint8_t *at, bint by_receipt) noexcept nogil:
    """The time that a replay's start is compared with: ts_event; ts_recv of bbo and of snapshot records."""
    cdef const RecordHeader *head = <const RecordHeader *>at
    cdef uint64_t time
    if head.rtype == RTYPE_MBO:
        if by_receipt and (<const MboRecord *>at).flags & F_SNAPSHOT:
            return (<const MboRecord *>at).ts_recv
    elif RTYPE_CBBO_1S <= head.rtype <= RTYPE_BBO_1M and head.length * 4 >= TS_RECV_OF_BBO + 8:
        if head.rtype <= RTYPE_CBBO_1M or head.rtype >= RTYPE_BBO_1S:
            memcpy(&time, at + TS_RECV_OF_BBO, 8)
            return time
    return head.ts_event


# ---------------------------------------------------------------------- whole data records


def data_prefix(buffer):
    """See received.pyi."""
    cdef Py_buffer view
    cdef const uint8_t *start
    cdef size_t at = 0, records = 0, step, many, most, length
    cdef uint16_t head, next_head
    cdef uint8_t rtype
    cdef const uint8_t *p
    cdef const uint8_t *last = NULL
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    start, length = <const uint8_t *>view.buf, view.len
    try:
        while length - at >= HEADER_BYTES:
            p = start + at
            memcpy(&head, p, 2)
            step, rtype = <size_t>(head & 0xFF) * 4, <uint8_t>(head >> 8)
            if not framed(step >> 2, rtype):
                if at:
                    break
                raise RecordError(why_broken(int(step >> 2), int(rtype)), offset=0, applied=0)
            if step > length - at or FIRST_CONTROL <= rtype <= LAST_CONTROL:
                break
            # A run of one length and rtype: the next record's place does not depend on the one before.
            most = (length - at) // step
            many = 1
            while many < most:
                memcpy(&next_head, p + many * step, 2)
                if next_head != head:
                    break
                many += 1
            last = p + (many - 1) * step
            records += many
            at += many * step
        if last == NULL:
            return 0, 0, 0
        return at, records, replay_time(last, True)
    finally:
        PyBuffer_Release(&view)


def first_time(buffer):
    """See received.pyi."""
    cdef Py_buffer view
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        if view.len < HEADER_BYTES or view.len < (<const uint8_t *>view.buf)[0] * 4:
            raise RecordError("no whole record", offset=0, applied=0)
        return replay_time(<const uint8_t *>view.buf, True)
    finally:
        PyBuffer_Release(&view)


# ---------------------------------------------------------------------------- what was seen


cdef struct Seen:               # records at or after a checkpoint
    uint64_t count
    uint64_t first              # replay_time of the first and of the last of them
    uint64_t last
    uint64_t mark               # hash of the first: others may bear its time


cdef struct Mark:               # of one rtype and instrument
    uint64_t key
    Seen older
    Seen newer
    Seen ahead                  # while a replay is on: the records of it that were seen and are yet to come
    bint met                    # the first of those has come


cdef struct Checkpoints:        # of one rtype
    bint used
    uint64_t older
    uint64_t newer
    uint64_t newest             # the latest time seen
    uint64_t until              # what that was when the replay began
    uint64_t records            # since `newer`


cdef uint64_t hash_of(const uint8_t *at, size_t tail) noexcept nogil:
    """FNV-1a of a record without the last ``tail`` bytes."""
    cdef uint64_t value = 0xCBF29CE484222325
    cdef size_t i
    cdef uint64_t prime = 0x100000001B3
    for i in range(<size_t>at[0] * 4 - tail):
        value = (value ^ at[i]) * prime
    return value


cdef inline void see(Seen *seen, uint64_t time, const uint8_t *at, size_t tail) noexcept nogil:
    if seen.count == 0:
        seen.first, seen.mark = time, hash_of(at, tail)
    seen.count += 1
    seen.last = time


cdef class Marks:
    """See received.pyi."""

    cdef Mark *slots
    cdef size_t room            # slots, a power of two
    cdef size_t used
    cdef Checkpoints points[RTYPES]
    cdef uint64_t period_ns
    cdef bint by_receipt
    cdef size_t tail            # bytes of ts_out
    cdef uint64_t _pending
    cdef uint64_t _mismatched
    cdef bint late              # the gateway says that the replay is over
    cdef readonly bint overdue

    def __cinit__(
        self, uint64_t period_ns=2_000_000_000, *, bint snapshots_by_ts_recv=True, bint ts_out=False
    ):
        memset(self.points, 0, sizeof(self.points))
        self.period_ns = period_ns
        self.by_receipt = snapshots_by_ts_recv
        self.tail = 8 if ts_out else 0
        self.slots = NULL
        self._make_room(FIRST_SLOTS)

    def __dealloc__(self):
        free(self.slots)

    def begin(self, uint8_t rtype, uint64_t start):
        """See received.pyi."""
        cdef Checkpoints *p = &self.points[rtype]
        if not p.used:
            p.used, p.older, p.newer, p.newest, p.records = True, start, start, start, 0

    def start(self, uint8_t rtype):
        """See received.pyi."""
        return self.points[rtype].older if self.points[rtype].used else None

    def see(self, buffer):
        """See received.pyi."""
        cdef Py_buffer view
        cdef bint enough
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
        try:
            if view.len <= WITH_GIL:
                enough = self._see_all(<const uint8_t *>view.buf, view.len)
            else:
                with nogil:
                    enough = self._see_all(<const uint8_t *>view.buf, view.len)
            if not enough:
                raise MemoryError("no memory for what was seen of each instrument")
        finally:
            PyBuffer_Release(&view)

    def replay(self, rtypes):
        """See received.pyi."""
        cdef size_t i
        cdef Mark *m
        wanted = frozenset(rtypes)
        self._pending = self._mismatched = 0
        self.late = self.overdue = False
        for i in range(<size_t>RTYPES):
            self.points[i].until = self.points[i].newest
        for i in range(self.room):
            m = &self.slots[i]
            if m.key == NOBODY:
                continue
            memset(&m.ahead, 0, sizeof(Seen))
            m.met = False
            if int(m.key >> 32) in wanted:
                m.ahead = m.older
                self._pending += m.ahead.count
        return self._pending

    def unseen(self, buffer):
        """See received.pyi."""
        cdef Py_buffer view
        cdef const uint8_t *data
        cdef size_t at = 0, kept = 0, step
        cdef uint8_t *out
        cdef bytes result
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
        data = <const uint8_t *>view.buf
        try:
            result = PyBytes_FromStringAndSize(NULL, view.len)
            out = <uint8_t *>PyBytes_AS_STRING(result)
            while <size_t>view.len - at >= HEADER_BYTES:
                step = data[at] * 4
                if step < HEADER_BYTES or step > <size_t>view.len - at:
                    break
                if not self._was_seen(data + at):
                    memcpy(out + kept, data + at, step)
                    kept += step
                at += step
        finally:
            PyBuffer_Release(&view)
        result = result[:kept]
        self.see(result)
        return result

    def complete(self):
        """See received.pyi."""
        self.late = True

    def give_up(self):
        """See received.pyi."""
        cdef size_t i
        for i in range(self.room):
            if self.slots[i].key != NOBODY and self.slots[i].ahead.count:
                self._mismatched += 1
                self.slots[i].ahead.count = 0
        self._pending = 0
        return self._mismatched

    @property
    def pending(self):
        """See received.pyi."""
        return self._pending

    @property
    def mismatched(self):
        """See received.pyi."""
        return self._mismatched

    def __len__(self):
        return self.used

    # ------------------------------------------------------------------------------ inside

    cdef bint _see_all(self, const uint8_t *data, size_t length) noexcept nogil:
        """Count whole records; False where there is no memory."""
        cdef size_t at = 0
        cdef const RecordHeader *head
        cdef Checkpoints *p
        cdef Mark *m = NULL
        cdef uint64_t time, key
        while length - at >= HEADER_BYTES:
            head = <const RecordHeader *>(data + at)
            if head.length < HEADER_BYTES // 4 or <size_t>head.length * 4 > length - at:
                break
            at += <size_t>head.length * 4
            time = replay_time(<const uint8_t *>head, self.by_receipt)
            p = &self.points[head.rtype]
            if not p.used:
                if time == UNDEF_TIMESTAMP:
                    continue
                p.used, p.older, p.newer, p.newest, p.records = True, time, time, time, 0
            if time < p.older:
                continue
            key = <uint64_t>head.rtype << 32 | head.instrument_id
            if m == NULL or m.key != key:
                m = self._mark(key)
                if m == NULL:
                    return False
            see(&m.older, time, <const uint8_t *>head, self.tail)
            if time >= p.newer:
                see(&m.newer, time, <const uint8_t *>head, self.tail)
            if time > p.newest and time != UNDEF_TIMESTAMP:
                p.newest = time
            p.records += 1
        self._move_checkpoints()
        return True

    cdef void _move_checkpoints(self) noexcept nogil:
        cdef int rtype
        cdef size_t i
        cdef Checkpoints *p
        cdef Mark *m
        for rtype in range(RTYPES):
            p = &self.points[rtype]
            if not p.used or p.records < FEW_RECORDS or p.records < 4 * self.room:
                continue
            if p.newest - p.newer < self.period_ns or p.newest >= UNDEF_TIMESTAMP - 1:
                continue
            for i in range(self.room):
                m = &self.slots[i]
                if m.key != NOBODY and m.key >> 32 == <uint64_t>rtype:
                    m.older = m.newer
                    memset(&m.newer, 0, sizeof(Seen))
            p.older = p.newer
            p.newer = p.newest + 1
            p.records = 0

    cdef bint _was_seen(self, const uint8_t *at) noexcept:
        """Whether a record of the replay is one of those seen before the cut: they come in the same order."""
        cdef const RecordHeader *head = <const RecordHeader *>at
        cdef Mark *m
        cdef uint64_t time, until
        if self._pending == 0:
            return False
        time = replay_time(at, self.by_receipt)
        until = self.points[head.rtype].until
        if self.late and UNDEF_TIMESTAMP > time > until and time - until > self.period_ns:
            self.overdue = True
        m = self._find(<uint64_t>head.rtype << 32 | head.instrument_id)
        if m == NULL or m.ahead.count == 0:
            return False
        if self.late and time > until:  # a new record: what is pending of this instrument will not come
            self._pending -= m.ahead.count
            m.ahead.count = 0
            self._mismatched += 1
            return False
        if not m.met:
            if time < m.ahead.first or (time == m.ahead.first and hash_of(at, self.tail) != m.ahead.mark):
                return True  # it came before we had subscribed
            if time > m.ahead.first:
                self._pending -= m.ahead.count  # the replay has not what we saw
                m.ahead.count = 0
                self._mismatched += 1
                return False
            m.met = True
        m.ahead.count -= 1
        self._pending -= 1
        if m.ahead.count == 0 and time != m.ahead.last:
            self._mismatched += 1
        return True

    cdef inline Mark *_find(self, uint64_t key) noexcept nogil:
        cdef size_t i = <size_t>((key * SPREAD) >> 32) & (self.room - 1)
        while self.slots[i].key != NOBODY:
            if self.slots[i].key == key:
                return &self.slots[i]
            i = (i + 1) & (self.room - 1)
        return NULL

    cdef Mark *_mark(self, uint64_t key) noexcept nogil:
        """The mark of a key, made if there is none; NULL where there is no memory."""
        cdef Mark *found = self._find(key)
        cdef size_t i
        if found != NULL:
            return found
        if self.used * 2 >= self.room and not self._make_room(self.room * 2):
            return NULL
        i = <size_t>((key * SPREAD) >> 32) & (self.room - 1)
        while self.slots[i].key != NOBODY:
            i = (i + 1) & (self.room - 1)
        self.slots[i].key = key
        self.used += 1
        return &self.slots[i]

    cdef bint _make_room(self, size_t room) noexcept nogil:
        cdef Mark *before = self.slots
        cdef size_t had = self.room if before != NULL else 0
        cdef size_t i, j
        cdef Mark *slots = <Mark *>calloc(room, sizeof(Mark)) if room <= MOST_SLOTS else NULL
        if slots == NULL:
            return False
        for i in range(room):
            slots[i].key = NOBODY
        for i in range(had):
            if before[i].key != NOBODY:
                j = <size_t>((before[i].key * SPREAD) >> 32) & (room - 1)
                while slots[j].key != NOBODY:
                    j = (j + 1) & (room - 1)
                slots[j] = before[i]
        self.slots, self.room = slots, room
        free(before)
        return True
