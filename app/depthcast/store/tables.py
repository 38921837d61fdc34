"""The tables that segments fill, as they are copied: their columns in the order of the schema.

The schema is in ``migrations/sql``; a test holds this against it.
"""

from typing import Final

from depthcast.store.copying import Column

__all__ = ["BUCKETS", "COPIED", "LEVELS", "ROLLUPS", "TABLES"]

LEVELS: Final = 10

_TRADES: Final = (
    Column("ts", "timestamptz"),
    Column("position", "int8"),
    Column("instrument_id", "int8"),
    Column("ts_event", "int8"),
    Column("ts_recv", "int8"),
    Column("sequence", "int8"),
    Column("order_id", "int8"),
    Column("price", "int8"),
    Column("size", "int8"),
    Column("epoch", "int4"),
    Column("publisher_id", "int4"),
    Column("ts_in_delta", "int4"),
    Column("feed_id", "int2"),
    Column("ordinal", "int2"),
    Column("depth", "int2"),
    Column("flags", "int2"),
    Column("side", "char"),
)
_TOP: Final = tuple(
    Column(name, "int8") for name in ("bid_px", "ask_px", "bid_sz", "ask_sz", "bid_ct", "ask_ct")
)
_BBO: Final = (
    *_TRADES[:6],
    *_TRADES[7:9],
    *_TOP,
    *_TRADES[9:16],
    Column("action", "char"),
    Column("side", "char"),
)
_DEPTH: Final = (
    *_TRADES[:6],
    *_TOP,
    Column("bid_sz_10", "int8"),
    Column("ask_sz_10", "int8"),
    Column("epoch", "int4"),
    Column("publisher_id", "int4"),
    Column("feed_id", "int2"),
    Column("flags", "int2"),
    *(
        Column(name, "int8", LEVELS)
        for name in ("bid_pxs", "ask_pxs", "bid_szs", "ask_szs", "bid_cts", "ask_cts")
    ),
)
TABLES: Final = {"trades": _TRADES, "bbo": _BBO, "depth": _DEPTH}
"""What records become, by name."""
ROLLUPS: Final = {
    "ohlcv_1s": (
        Column("ts", "timestamptz"),
        Column("instrument_id", "int8"),
        *(Column(name, "int8") for name in ("open", "high", "low", "close", "volume", "trades")),
        Column("publisher_id", "int4"),
        Column("feed_id", "int2"),
    ),
    "bbo_1s": (
        Column("ts", "timestamptz"),
        Column("instrument_id", "int8"),
        Column("position", "int8"),
        Column("sequence", "int8"),
        *_TOP,
        Column("updates", "int8"),
        Column("publisher_id", "int4"),
        Column("feed_id", "int2"),
        Column("flags", "int2"),
    ),
}
"""What is gathered over each second, where the database does not do it by itself."""
BUCKETS: Final = (
    Column("instrument_id", "int8"),
    Column("publisher_id", "int4"),
    Column("bucket", "timestamptz"),
)
"""A book's interval: of the temporary tables that name those which are to be made again."""
COPIED: Final = {
    **TABLES,
    **ROLLUPS,
    **{f"new_{table}": columns for table, columns in (TABLES | ROLLUPS).items()},
    **dict.fromkeys(("shared_trades", "shared_bbo", "touched_minutes", "touched_depth"), BUCKETS),
}
"""Every table that rows are copied to, the temporary ones of a connection too."""
