# cython: language_level=3
"""How old records are: counts of durations in log-linear buckets, filled natively by whole buffers."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from depthcast.dbn.layout cimport F_SNAPSHOT, MboRecord, RTYPE_MBO, UNDEF_TIMESTAMP
from depthcast.dbn.runs cimport BLOCK, FRAMING_OK, Framing, Run, count_records, load64, next_run

from depthcast.dbn.forms import count as whole_records

cdef extern from *:
    int __builtin_clzll(unsigned long long) noexcept nogil
    const uint64_t UINT64_MAX

cdef enum:
    BITS = 5                    # of a duration's mantissa
    PARTS = 1 << BITS
    MOST_EXPONENT = 43          # 2^44 ns are 4.8 hours
    BUCKETS = (MOST_EXPONENT - BITS + 2) * PARTS

cdef uint64_t LONGEST = (<uint64_t>1 << (MOST_EXPONENT + 1)) - 1


cdef inline size_t bucket_of(uint64_t duration) noexcept nogil:
    cdef int exponent
    if duration < PARTS:
        return duration
    exponent = 63 - __builtin_clzll(duration)
    return (exponent - BITS + 1) * PARTS + ((duration >> (exponent - BITS)) & (PARTS - 1))


cdef inline uint64_t upper_end(size_t bucket) noexcept nogil:
    """The longest duration in a bucket."""
    cdef size_t power = bucket // PARTS
    if power == 0:
        return bucket
    return ((<uint64_t>(bucket % PARTS + PARTS + 1)) << (power - 1)) - 1


@cython.final
cdef class Ages:
    """Counts of durations (ns)."""

    cdef uint64_t buckets[BUCKETS]
    cdef readonly uint64_t count
    cdef readonly uint64_t longest
    cdef readonly uint64_t total

    def __cinit__(self):
        memset(self.buckets, 0, sizeof(self.buckets))

    cdef inline void note(self, int64_t duration, uint64_t count) noexcept nogil:
        cdef uint64_t kept = <uint64_t>duration if duration > 1 else 1
        if kept > LONGEST:
            kept = LONGEST
        self.buckets[bucket_of(kept)] += count
        self.count += count
        self.total += kept * count
        if kept > self.longest:
            self.longest = kept

    def add(self, int64_t duration_ns, uint64_t count=1):
        """Count one duration so many times."""
        if count:
            self.note(duration_ns, count)

    def add_ts_out(self, buffer, int64_t now_ns):
        """Count how long ago each record's ts_out was."""
        self.add_times(buffer, now_ns, True)

    def add_ts_recv(self, buffer, int64_t now_ns):
        """Count how long ago each MBO record's ts_recv was, but for snapshot records."""
        self.add_times(buffer, now_ns, False)

    cdef add_times(self, buffer, int64_t now, bint ts_out):
        cdef Py_buffer view
        cdef size_t offset = 0, records = 0
        cdef Framing why
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
        try:
            why = count_records(<const uint8_t *>view.buf, view.len, UINT64_MAX, &offset, &records)
            if why != FRAMING_OK:
                whole_records(buffer)  # says what is wrong
            if ts_out:
                self.walk_ts_out(<const uint8_t *>view.buf, view.len, now)
            else:
                self.walk_ts_recv(<const uint8_t *>view.buf, view.len, now)
        finally:
            PyBuffer_Release(&view)

    cdef void walk_ts_out(self, const uint8_t *start, size_t length, int64_t now) noexcept nogil:
        """Records that were sent together have one time: they are counted together."""
        cdef Run run
        cdef uint64_t time, last = 0, many = 0
        cdef size_t at = 0, i
        while at < length and next_run(start + at, length - at, BLOCK, &run) == FRAMING_OK:
            for i in range(run.count):
                time = load64(run.at + (i + 1) * run.step - 8)
                if time != last:
                    if many:
                        self.note(now - <int64_t>last, many)
                    last = time
                    many = 0
                many += 1
            at += run.count * run.step
        if many:
            self.note(now - <int64_t>last, many)

    cdef void walk_ts_recv(self, const uint8_t *start, size_t length, int64_t now) noexcept nogil:
        cdef Run run
        cdef const MboRecord *record
        cdef size_t at = 0, i
        while at < length and next_run(start + at, length - at, BLOCK, &run) == FRAMING_OK:
            if run.rtype == RTYPE_MBO:
                for i in range(run.count):
                    record = <const MboRecord *>(run.at + i * run.step)
                    if not record.flags & F_SNAPSHOT and record.ts_recv != UNDEF_TIMESTAMP:
                        self.note(now - <int64_t>record.ts_recv, 1)
            at += run.count * run.step

    def percentile(self, double share):
        """The duration that `share` of all do not exceed, within a bucket."""
        cdef uint64_t wanted, seen = 0
        cdef size_t bucket
        if not 0 <= share <= 1:
            raise ValueError(f"a share is from 0 to 1, not {share}")
        if self.count == 0:
            return 0
        wanted = max(<uint64_t>(share * self.count + 0.999999), <uint64_t>1)
        wanted = min(wanted, self.count)
        for bucket in range(<size_t>BUCKETS):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return min(upper_end(bucket), self.longest)
        return self.longest

    def at_most(self, uint64_t duration_ns):
        """How many are no longer than this."""
        cdef uint64_t seen = 0
        cdef size_t bucket, last
        if duration_ns >= LONGEST:
            return self.count
        last = bucket_of(duration_ns)
        for bucket in range(last + 1):
            seen += self.buckets[bucket]
        return seen

    def since(self, Ages earlier):
        """What was counted after `earlier` was copied."""
        cdef Ages rest = Ages()
        cdef size_t bucket
        for bucket in range(<size_t>BUCKETS):
            rest.buckets[bucket] = self.buckets[bucket] - earlier.buckets[bucket]
            if rest.buckets[bucket]:
                rest.longest = min(upper_end(bucket), self.longest)
        rest.count = self.count - earlier.count
        rest.total = self.total - earlier.total
        return rest

    def copy(self):
        """The counts as they are now."""
        return self.since(Ages())
