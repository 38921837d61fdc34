"""DBN record layouts as numpy dtypes, with the format's constants.

The C structs of layout.pxd are the same layouts; a test holds both against ``databento_dbn``.
Source: Databento's pages on the DBN encoding, on each schema ("MBO", "MBP-10") and on the common fields.
All integers are little-endian; prices are int64 in 1e-9 units; timestamps are ns since the epoch, UTC.
"""

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np

UNDEF_PRICE: Final = 2**63 - 1
UNDEF_ORDER_SIZE: Final = 2**32 - 1
UNDEF_TIMESTAMP: Final = 2**64 - 1
PRICE_SCALE: Final = 1_000_000_000
"""Price units in one: a price of 64.79 is 64_790_000_000."""

HEADER_SIZE: Final = 16
MBO_SIZE: Final = 56
LENGTH_WORD: Final = 4
"""The header's length byte counts words of this many bytes."""


class RType(IntEnum):
    """Record types (header byte 1)."""

    MBP_0 = 0x00
    MBP_1 = 0x01
    MBP_10 = 0x0A
    STATUS = 0x12
    INSTRUMENT_DEF = 0x13
    IMBALANCE = 0x14
    ERROR = 0x15
    SYMBOL_MAPPING = 0x16
    SYSTEM = 0x17
    STATISTICS = 0x18
    OHLCV_1S = 0x20
    OHLCV_1M = 0x21
    OHLCV_1H = 0x22
    OHLCV_1D = 0x23
    OHLCV_EOD = 0x24
    MBO = 0xA0
    CMBP_1 = 0xB1
    CBBO_1S = 0xC0
    CBBO_1M = 0xC1
    TCBBO = 0xC2
    BBO_1S = 0xC3
    BBO_1M = 0xC4


class Flags(IntFlag):
    """The ``flags`` byte of a record."""

    LAST = 0x80
    """Last record of the venue's event for this instrument."""
    TOB = 0x40
    """A top-of-book record, not an order."""
    SNAPSHOT = 0x20
    """From a snapshot or replay, not live."""
    MBP = 0x10
    """An aggregated price level, not an order."""
    BAD_TS_RECV = 0x08
    MAYBE_BAD_BOOK = 0x04
    """An unrecoverable gap was detected in the channel."""
    PUBLISHER_SPECIFIC = 0x02


_HEADER: Final = [
    ("length", "u1"),
    ("rtype", "u1"),
    ("publisher_id", "<u2"),
    ("instrument_id", "<u4"),
    ("ts_event", "<u8"),
]
_TRADE: Final = [
    *_HEADER,
    ("price", "<i8"),
    ("size", "<u4"),
    ("action", "S1"),
    ("side", "S1"),
    ("flags", "u1"),
    ("depth", "u1"),
    ("ts_recv", "<u8"),
    ("ts_in_delta", "<i4"),
    ("sequence", "<u4"),
]

HEADER: Final = np.dtype(_HEADER)

MBO: Final = np.dtype(
    [
        *_HEADER,
        ("order_id", "<u8"),
        ("price", "<i8"),
        ("size", "<u4"),
        ("flags", "u1"),
        ("channel_id", "u1"),
        ("action", "S1"),
        ("side", "S1"),
        ("ts_recv", "<u8"),
        ("ts_in_delta", "<i4"),
        ("sequence", "<u4"),
    ]
)

STATUS: Final = np.dtype(
    [
        *_HEADER,
        ("ts_recv", "<u8"),
        ("action", "<u2"),
        ("reason", "<u2"),
        ("trading_event", "<u2"),
        ("is_trading", "S1"),
        ("is_quoting", "S1"),
        ("is_short_sell_restricted", "S1"),
        ("_reserved", "u1", (7,)),
    ]
)

BID_ASK_PAIR: Final = np.dtype(
    [
        ("bid_px", "<i8"),
        ("ask_px", "<i8"),
        ("bid_sz", "<u4"),
        ("ask_sz", "<u4"),
        ("bid_ct", "<u4"),
        ("ask_ct", "<u4"),
    ]
)

TRADE: Final = np.dtype(_TRADE)
MBP_1: Final = np.dtype([*_TRADE, ("levels", BID_ASK_PAIR, (1,))])
MBP_10: Final = np.dtype([*_TRADE, ("levels", BID_ASK_PAIR, (10,))])

BBO: Final = np.dtype(
    [
        *_HEADER,
        ("price", "<i8"),
        ("size", "<u4"),
        ("_reserved1", "u1"),
        ("side", "S1"),
        ("flags", "u1"),
        ("_reserved2", "u1"),
        ("ts_recv", "<u8"),
        ("_reserved3", "u1", (4,)),
        ("sequence", "<u4"),
        ("levels", BID_ASK_PAIR, (1,)),
    ]
)

OHLCV: Final = np.dtype(
    [
        *_HEADER,
        ("open", "<i8"),
        ("high", "<i8"),
        ("low", "<i8"),
        ("close", "<i8"),
        ("volume", "<u8"),
    ]
)

# Of the definition, the fields that something here reads; the rest of its 520 bytes is carried as it is.
DEFINITION: Final = np.dtype(
    {
        "names": [
            *(name for name, _ in _HEADER),
            "ts_recv",
            "min_price_increment",
            "display_factor",
            "expiration",
            "unit_of_measure_qty",
            "raw_instrument_id",
            "currency",
            "raw_symbol",
            "exchange",
            "asset",
            "security_type",
            "instrument_class",
            "match_algorithm",
        ],
        "formats": [
            *(kind for _, kind in _HEADER),
            *("<u8", "<i8", "<i8", "<u8", "<i8", "<u8", "S4", "S71", "S5", "S11", "S7", "S1", "S1"),
        ],
        "offsets": [0, 1, 2, 4, 8, 16, 24, 32, 40, 80, 112, 224, 238, 330, 335, 353, 487, 488],
        "itemsize": 520,
    }
)

SYMBOL_MAPPING: Final = np.dtype(
    [
        *_HEADER,
        ("stype_in", "u1"),
        ("stype_in_symbol", "S71"),
        ("stype_out", "u1"),
        ("stype_out_symbol", "S71"),
        ("start_ts", "<u8"),
        ("end_ts", "<u8"),
    ]
)

ERROR: Final = np.dtype([*_HEADER, ("err", "S302"), ("code", "u1"), ("is_last", "u1")])
SYSTEM: Final = np.dtype([*_HEADER, ("msg", "S303"), ("code", "u1")])
