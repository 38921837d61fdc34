# cython: language_level=3
"""Pure functions over buffers of whole records (runs.pxd and selection.pxd: how)."""

from cpython cimport array
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from depthcast.dbn.layout cimport RTYPE_MBO, UNDEF_TIMESTAMP
from depthcast.dbn.runs cimport (
    BLOCK,
    Bounds,
    FRAMING_MBO_LENGTH,
    FRAMING_OK,
    FRAMING_PAST_END,
    FRAMING_SHORT,
    Framing,
    NO_TS_OUT,
    count_records,
    find_bounds,
    find_burst,
    find_due,
    find_event_end,
    find_ts_recv,
)
from depthcast.dbn.selection cimport (
    AS_IS,
    Change,
    Filter,
    MOST_BITS,
    REACH,
    STAMP,
    STRIP,
    Table,
    gather,
    select,
    shift_all,
    size_of,
    table_fill,
)

import array
from typing import NamedTuple

from depthcast.dbn.layout import RType
from depthcast.errors import RecordError

cdef enum:
    WITH_GIL = 65536            # bytes up to which giving the GIL away costs more than it gains: a few us
    FEW = 1024                  # records, likewise

cdef extern from *:
    const uint64_t UINT64_MAX


class Span(NamedTuple):
    """What times a buffer's records have (ns); undefined ones are ignored."""

    count: int
    min_ts_event: int
    max_ts_event: int
    min_ts_recv: int
    max_ts_recv: int
    max_snapshot_ts_recv: int


cdef class IdSet:
    """An immutable set of instrument ids, looked up natively."""

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
    """256 bytes, one for each rtype: 1 for those named."""
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
    cdef size_t length = 4 * <size_t>at[0]
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
            raise MemoryError("no memory for the places of the records")
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
    """The records of these instruments and rtypes, each followed by `ts_out` (ns) if that is given."""
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
    """The records without `ts_out` and without the dropped rtypes: by default the control records."""
    cdef Filter f
    cdef bytes mask = None
    memset(&f, 0, sizeof(Filter))
    if drop is not None:
        mask = mask_of(drop)
        mask = bytes([not dropped for dropped in mask])
        f.mask = <const uint8_t *>PyBytes_AS_STRING(mask)
    return selected(buffer, &f, STRIP if ts_out else AS_IS, 0)


def actions(buffer, bytes wanted, *, bint ts_out=False):
    """The MBO records of these actions, without `ts_out` if they have it."""
    cdef Filter f
    cdef uint8_t mask[256]
    cdef uint8_t action
    memset(mask, 0, 256)
    for action in wanted:
        mask[action] = 1
    memset(&f, 0, sizeof(Filter))
    f.actions = mask
    return selected(buffer, &f, STRIP if ts_out else AS_IS, 0)


def others(buffer):
    """The records that are not MBO."""
    return form(buffer, rtypes=NOT_MBO)


def since(buffer, uint64_t start, *, bint by_ts_recv=False):
    """The records whose ts_event (of snapshot records: ts_recv) is `start` (ns) or later."""
    cdef Filter f
    memset(&f, 0, sizeof(Filter))
    f.by_start = True
    f.by_ts_recv = by_ts_recv
    f.start = start
    return selected(buffer, &f, AS_IS, 0)


def count(buffer):
    """How many records there are."""
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
    """Bytes of the first so many records."""
    cdef Py_buffer view
    cdef size_t offset = 0, seen = 0
    cdef Framing why
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        if records <= FEW or view.len <= WITH_GIL:
            why = count_records(<const uint8_t *>view.buf, view.len, records, &offset, &seen)
        else:
            with nogil:
                why = count_records(<const uint8_t *>view.buf, view.len, records, &offset, &seen)
        if why != FRAMING_OK:
            raise_framing(&view, why, offset)
    finally:
        PyBuffer_Release(&view)
    return offset


def event_prefix(buffer):
    """Bytes up to and with the last record that ends an event."""
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
    """(bytes, records) before the first record whose ts_recv (ns) is later than this."""
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


def burst_prefix(buffer, size_t records, size_t max_bytes):
    """(bytes, records) of so many records and the rest of the last one's event."""
    cdef Py_buffer view
    cdef size_t at = 0, found = 0
    cdef Framing why
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        why = find_burst(<const uint8_t *>view.buf, view.len, records, max_bytes, &at, &found)
        if why != FRAMING_OK:
            raise_framing(&view, why, at)
    finally:
        PyBuffer_Release(&view)
    return at, found


cdef uint64_t one_ts_recv(buffer, bint last):
    cdef Py_buffer view
    cdef size_t offset = 0
    cdef uint64_t found = 0
    cdef Framing why
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        if not last or view.len <= WITH_GIL:
            why = find_ts_recv(<const uint8_t *>view.buf, view.len, last, &offset, &found)
        else:
            with nogil:
                why = find_ts_recv(<const uint8_t *>view.buf, view.len, last, &offset, &found)
        if why != FRAMING_OK:
            raise_framing(&view, why, offset)
    finally:
        PyBuffer_Release(&view)
    return found


def first_ts_recv(buffer):
    """The first ts_recv (ns) that is defined."""
    return one_ts_recv(buffer, False)


def last_ts_recv(buffer):
    """The last ts_recv (ns) that is defined."""
    return one_ts_recv(buffer, True)


def span(buffer):
    """The number of the records, and the bounds of their times."""
    cdef Py_buffer view
    cdef size_t offset = 0
    cdef Bounds b
    cdef Framing why
    memset(&b, 0, sizeof(Bounds))
    b.min_ts_event = UNDEF_TIMESTAMP
    b.min_ts_recv = UNDEF_TIMESTAMP
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        if view.len <= WITH_GIL:
            why = find_bounds(<const uint8_t *>view.buf, view.len, &offset, &b)
        else:
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
    """The records moved in time and in sequence."""
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
