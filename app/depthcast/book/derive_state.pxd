# cython: language_level=3
"""What a derivation holds: of each book what was last shown, the open intervals, room for records to come."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from depthcast.book.native cimport likely
from depthcast.book.rules cimport State
from depthcast.dbn.layout cimport (
    BidAskPair,
    Mbp10Record,
    Mbp1Record,
    OhlcvRecord,
    RTYPE_BBO_1M,
    RTYPE_BBO_1S,
    RTYPE_MBP1,
    RTYPE_MBP10,
    RTYPE_OHLCV_1D,
    RTYPE_OHLCV_1H,
    RTYPE_OHLCV_1M,
    RTYPE_OHLCV_1S,
    RTYPE_TRADE,
    TradeRecord,
)


cdef enum:                      # in the order of depthcast.book.derive_schemas.SCHEMAS
    TRADES
    TBBO
    MBP_1
    MBP_10
    BBO_1S                      # from here on: gathered over intervals
    BBO_1M
    OHLCV_1S
    OHLCV_1M
    OHLCV_1H
    OHLCV_1D
    SCHEMA_COUNT
    BBO_COUNT = 2
    INTERVAL_COUNT = 6
    BAR_COUNT = 4
    BBO = 1 << BBO_1S | 1 << BBO_1M
    WITH_A_TRADE = 1 << TRADES | 1 << TBBO | 1 << MBP_1 | 1 << MBP_10
    DEPTH = 10
    DEPTH_MAX = 255


cdef extern from *:
    const uint32_t UINT32_MAX
    const uint64_t UINT64_MAX


cdef struct Output:
    uint8_t *at
    size_t used
    size_t capacity


cdef struct Bar:
    int64_t open
    int64_t high
    int64_t low
    int64_t close
    uint64_t volume


cdef struct View:               # what was last shown of one book
    BidAskPair shown[<int>DEPTH]
    uint8_t known               # this struct has been set up
    uint8_t wanted
    uint8_t stale               # a snapshot moved the book since: look again before the next record
    uint8_t change_action       # the last A, C or M of the open event that the rules took; 0 if there is none
    uint32_t change_size
    int64_t change_price
    uint64_t trade_ts_event     # the last trade
    int64_t trade_price
    uint32_t trade_size
    uint8_t trade_side
    uint8_t quote_flags         # the last mbp-1 record
    uint8_t gathered            # a bit an interval schema: the book is in its open interval
    uint8_t as_book             # all that should be in `shown` is what the book's levels are
    uint32_t quote_sequence
    BidAskPair quote
    Bar bars[<int>BAR_COUNT]


cdef struct Interval:           # the open interval of one schema
    uint64_t step
    uint64_t stamp              # the time written: a bbo interval's end, a bar's start
    uint64_t limit              # the first ts_recv past it; the greatest value when none is open
    uint32_t *books             # in the order in which they came into it
    uint32_t count


cdef struct Derivation:
    State *state
    uint32_t schemas            # a bit a schema
    uint32_t written            # those of them whose records are wanted now
    uint32_t depth              # levels to be kept as shown for any of the schemas: 0, 1 or 10
    uint32_t kept               # those kept now; where it is less than `depth`, see `show_late`
    uint8_t counter_of[256]     # by action, see `know_counters`
    uint32_t quoted             # a bit a bbo schema, as in View.gathered
    uint32_t at_trade           # those looked at when there is a trade
    int64_t publisher_id        # -1: all
    int64_t instrument_id
    uint64_t clock              # the latest ts_recv
    uint64_t limit              # the least of the intervals'
    View *views                 # by the number of the book
    uint32_t views_capacity
    Output out[<int>SCHEMA_COUNT]
    Interval intervals[<int>INTERVAL_COUNT]


cdef inline bint has(const Derivation *d, int schema) noexcept nogil:
    return d.schemas >> schema & 1


cdef inline bint writes(const Derivation *d, int schema) noexcept nogil:
    return d.written >> schema & 1


cdef inline size_t record_size(int schema) noexcept nogil:
    if schema == TRADES:
        return sizeof(TradeRecord)
    if schema == MBP_10:
        return sizeof(Mbp10Record)
    return sizeof(OhlcvRecord) if schema >= OHLCV_1S else sizeof(Mbp1Record)     # bbo too is as long as mbp-1


cdef inline uint8_t record_rtype(int schema) noexcept nogil:
    if schema == TRADES:
        return RTYPE_TRADE
    if schema == MBP_10:
        return RTYPE_MBP10
    if schema == BBO_1S:
        return RTYPE_BBO_1S
    if schema == BBO_1M:
        return RTYPE_BBO_1M
    if schema == OHLCV_1S:
        return RTYPE_OHLCV_1S
    if schema == OHLCV_1M:
        return RTYPE_OHLCV_1M
    if schema == OHLCV_1H:
        return RTYPE_OHLCV_1H
    return RTYPE_OHLCV_1D if schema == OHLCV_1D else RTYPE_MBP1


# ------------------------------------------------------------------------------ room


cdef inline bint make_room(Output *out, size_t more) noexcept nogil:
    cdef size_t capacity = out.capacity
    cdef void *at
    if likely(out.capacity - out.used >= more):
        return True
    while capacity - out.used < more:
        capacity = capacity * 2 if capacity else 65536
    at = realloc(out.at, capacity)
    if at == NULL:
        return False
    out.at = <uint8_t *>at
    out.capacity = capacity
    return True


cdef inline bint room_for_records(Derivation *d, size_t records) noexcept nogil:
    """Room for what this many MBO records can give: one record of each schema that does not gather."""
    cdef int schema
    for schema in range(BBO_1S):
        if writes(d, schema) and not make_room(&d.out[schema], records * record_size(schema)):
            return False
    return True


cdef inline bint room_to_pass(Derivation *d) noexcept nogil:
    """Room for closing all intervals."""
    cdef int i
    for i in range(INTERVAL_COUNT):
        if d.intervals[i].count != 0 and writes(d, BBO_1S + i):
            if not make_room(&d.out[BBO_1S + i], d.intervals[i].count * record_size(BBO_1S + i)):
                return False
    return True


cdef inline bint room_for_book(Derivation *d, uint32_t number) noexcept nogil:
    cdef uint32_t capacity = d.views_capacity
    cdef void *at
    cdef int i
    if likely(number < capacity):
        return True
    while capacity <= number:
        capacity = capacity * 2 if capacity else 8
    for i in range(INTERVAL_COUNT):
        if has(d, BBO_1S + i):
            at = realloc(d.intervals[i].books, capacity * sizeof(uint32_t))
            if at == NULL:
                return False
            d.intervals[i].books = <uint32_t *>at
    at = realloc(d.views, capacity * sizeof(View))
    if at == NULL:
        return False
    d.views = <View *>at
    memset(&d.views[d.views_capacity], 0, (capacity - d.views_capacity) * sizeof(View))
    d.views_capacity = capacity
    return True


cdef inline void derivation_free(Derivation *d) noexcept nogil:
    cdef int i
    for i in range(SCHEMA_COUNT):
        free(d.out[i].at)
    for i in range(INTERVAL_COUNT):
        free(d.intervals[i].books)
    free(d.views)
    memset(d, 0, sizeof(Derivation))
