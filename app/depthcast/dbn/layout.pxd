# cython: language_level=3
"""DBN record layouts as C structs: the only place native code knows byte layouts.

They mirror layout.py; tests/unit/dbn/test_layout.py holds both against databento_dbn.
All integers are little-endian, as are the machines this is built for.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef packed struct RecordHeader:
    uint8_t length          # in 4-byte words, header and any ts_out included
    uint8_t rtype
    uint16_t publisher_id
    uint32_t instrument_id
    uint64_t ts_event       # ns since the epoch, UTC


cdef packed struct MboRecord:
    uint8_t length
    uint8_t rtype
    uint16_t publisher_id
    uint32_t instrument_id
    uint64_t ts_event
    uint64_t order_id
    int64_t price           # 1e-9 units
    uint32_t size
    uint8_t flags
    uint8_t channel_id
    uint8_t action
    uint8_t side
    uint64_t ts_recv
    int32_t ts_in_delta
    uint32_t sequence


cdef packed struct StatusRecord:
    uint8_t length
    uint8_t rtype
    uint16_t publisher_id
    uint32_t instrument_id
    uint64_t ts_event
    uint64_t ts_recv
    uint16_t action
    uint16_t reason
    uint16_t trading_event
    uint8_t is_trading
    uint8_t is_quoting
    uint8_t is_short_sell_restricted
    uint8_t _reserved[7]


cdef packed struct BidAskPair:
    int64_t bid_px
    int64_t ask_px
    uint32_t bid_sz
    uint32_t ask_sz
    uint32_t bid_ct
    uint32_t ask_ct


cdef packed struct TradeRecord:
    uint8_t length
    uint8_t rtype
    uint16_t publisher_id
    uint32_t instrument_id
    uint64_t ts_event
    int64_t price
    uint32_t size
    uint8_t action
    uint8_t side
    uint8_t flags
    uint8_t depth
    uint64_t ts_recv
    int32_t ts_in_delta
    uint32_t sequence


cdef packed struct Mbp1Record:
    TradeRecord trade
    BidAskPair levels[1]


cdef packed struct Mbp10Record:
    TradeRecord trade
    BidAskPair levels[10]


cdef packed struct BboRecord:
    uint8_t length
    uint8_t rtype
    uint16_t publisher_id
    uint32_t instrument_id
    uint64_t ts_event
    int64_t price
    uint32_t size
    uint8_t _reserved1
    uint8_t side
    uint8_t flags
    uint8_t _reserved2
    uint64_t ts_recv
    uint8_t _reserved3[4]
    uint32_t sequence
    BidAskPair levels[1]


cdef packed struct OhlcvRecord:
    uint8_t length
    uint8_t rtype
    uint16_t publisher_id
    uint32_t instrument_id
    uint64_t ts_event
    int64_t open
    int64_t high
    int64_t low
    int64_t close
    uint64_t volume


cdef enum:
    RTYPE_TRADE = 0x00
    RTYPE_MBP1 = 0x01
    RTYPE_MBP10 = 0x0A
    RTYPE_STATUS = 0x12
    RTYPE_OHLCV_1S = 0x20
    RTYPE_OHLCV_1M = 0x21
    RTYPE_OHLCV_1H = 0x22
    RTYPE_OHLCV_1D = 0x23
    RTYPE_MBO = 0xA0
    RTYPE_BBO_1S = 0xC3
    RTYPE_BBO_1M = 0xC4

    F_LAST = 0x80
    F_TOB = 0x40
    F_SNAPSHOT = 0x20
    F_MBP = 0x10
    F_BAD_TS_RECV = 0x08
    F_MAYBE_BAD_BOOK = 0x04


cdef extern from *:
    """
    #define DEPTHCAST_UNDEF_PRICE INT64_MAX
    #define DEPTHCAST_UNDEF_TIMESTAMP UINT64_MAX
    """
    const int64_t UNDEF_PRICE "DEPTHCAST_UNDEF_PRICE"
    const uint64_t UNDEF_TIMESTAMP "DEPTHCAST_UNDEF_TIMESTAMP"
