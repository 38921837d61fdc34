"""Every column of every table, worked out in plain Python from derived records; and what a database has."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

import asyncpg

from tests.support.stored import Contents

__all__ = ["TABLES", "expected_rows", "stored_rows"]

TABLES: Final = ("trades", "bbo", "depth", "bbo_1s", "ohlcv_1s", "ohlcv_1m", "ohlcv_1h", "depth_1m")
NS: Final = 1_000_000_000
FEED_ID: Final = 1
BARS: Final = {"ohlcv_1s": 1, "ohlcv_1m": 60, "ohlcv_1h": 3600}
COMMON: Final = (
    *("position", "epoch", "publisher_id", "instrument_id", "ts_event", "ts_recv", "ts_in_delta"),
    *("sequence", "price", "size", "depth", "flags"),
)
TOP: Final = ("bid_px", "bid_sz", "bid_ct", "ask_px", "ask_sz", "ask_ct")
SIZES: Final = ("bid_sz_10", "ask_sz_10")
NAMES: Final = {
    "trades": (*COMMON, "side", "order_id"),
    "bbo": (*COMMON, "action", "side", *TOP),
    "depth": (
        *("ts", "publisher_id", "instrument_id", "position", "epoch", "ts_event", "ts_recv", "sequence"),
        *("flags", *TOP, *SIZES),
        *("bid_pxs", "bid_szs", "bid_cts", "ask_pxs", "ask_szs", "ask_cts"),
    ),
}

Row = dict[str, Any]


def expected_rows(contents: Contents) -> dict[str, list[Row]]:
    """The rows that a database must have whose records give this, and no others."""
    of: dict[str, list[Row]] = {
        table: [dict(zip(names, row, strict=True)) | {"feed_id": FEED_ID} for row in contents[table]]
        for table, names in NAMES.items()
    }
    for table in ("trades", "bbo"):
        for row in of[table]:
            row["ordinal"] = 0
            row["ns"] = next((row[name] for name in ("ts_recv", "ts_event") if row[name] is not None), 0)
            us = 1_000
            row["ts"] = row["ns"] // us * us if table == "trades" else -(-row["ns"] // us) * us
    for row in of["trades"]:
        order_id = int(row["order_id"])
        row["order_id"] = order_id - (order_id >> 63 << 64)
    of["bbo_1s"] = list(_quotes(of["bbo"]))
    for bars, seconds in BARS.items():
        of[bars] = list(_bars(of["trades"], seconds * NS))
    of["depth_1m"] = list(_minutes(of["depth"]))
    for rows in of.values():
        for row in rows:
            row.pop("ns", None)
            row["ts"] = _time(row["ts"])
    return {table: sorted(of[table], key=_order) for table in TABLES}


async def stored_rows(connection: "asyncpg.Connection[Any]") -> dict[str, list[Row]]:
    """All rows of a database, with all their columns."""
    found = {}
    for table in TABLES:
        rows = [dict(row) for row in await connection.fetch(f"SELECT * FROM depthcast.{table}")]  # noqa: S608
        for row in rows:
            for name, value in row.items():
                if isinstance(value, list):
                    row[name] = tuple(value)
                elif isinstance(value, bytes):
                    row[name] = value.decode()
        found[table] = sorted(rows, key=_order)
    return found


def _quotes(quotes: Iterable[Row]) -> Iterator[Row]:
    """The last quote of each second (k, k+1], and how many there were."""
    seconds = defaultdict(list)
    for row in quotes:
        seconds[_book(row), -(-row["ns"] // NS) * NS].append(row)
    for (book, end), rows in seconds.items():
        last = max(rows, key=lambda row: row["position"])
        kept = ("position", "sequence", "flags", "feed_id", *TOP)
        yield _named(book) | {"ts": end, "updates": len(rows)} | {name: last[name] for name in kept}


def _bars(trades: Iterable[Row], step: int) -> Iterator[Row]:
    """The bars of the intervals [k, k+1)."""
    intervals = defaultdict(list)
    for row in trades:
        intervals[_book(row), row["ns"] // step * step].append(row)
    for (book, begun), rows in intervals.items():
        rows.sort(key=lambda row: (row["ns"] // NS, row["position"]))  # of seconds, as longer bars are made
        prices = [row["price"] for row in rows if row["price"] is not None] or [None]
        known = [price for price in prices if price is not None]
        yield _named(book) | {
            "ts": begun,
            "open": prices[0],
            "high": max(known, default=None),
            "low": min(known, default=None),
            "close": prices[-1],
            "volume": sum(row["size"] or 0 for row in rows),
            "trades": len(rows),
            "feed_id": FEED_ID,
        }


def _minutes(depth: Iterable[Row]) -> Iterator[Row]:
    """What the ten levels of a minute's seconds were like."""
    minutes = defaultdict(list)
    for row in depth:
        ns = int(row["ts"])
        minutes[_book(row), ns // (60 * NS) * 60 * NS].append(row)
    for (book, begun), rows in minutes.items():
        spreads = [
            row["ask_px"] - row["bid_px"] for row in rows if None not in (row["ask_px"], row["bid_px"])
        ]
        yield _named(book) | {
            "ts": begun,
            "samples": len(rows),
            "two_sided": len(spreads),
            "spread_sum": sum(spreads) if spreads else None,
            "spread_min": min(spreads, default=None),
            "spread_max": max(spreads, default=None),
            **{f"{name}_sum": sum(row[name] for row in rows) for name in SIZES},
            "feed_id": FEED_ID,
        }


def _book(row: Row) -> tuple[int, int]:
    return row["instrument_id"], row["publisher_id"]


def _named(book: tuple[int, int]) -> Row:
    return dict(zip(("instrument_id", "publisher_id"), book, strict=True))


def _time(ns: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(ns) // 1_000)


def _order(row: Row) -> tuple[Any, ...]:
    return row["ts"], row["instrument_id"], row["publisher_id"], row.get("position", 0), row.get("ordinal", 0)
