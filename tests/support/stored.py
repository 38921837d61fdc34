"""What the database should hold of some records, worked out record by record, and what it holds."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import numpy as np

from depthcast.book.derive import SCHEMAS, DeriverSet
from depthcast.book.engine import Engine
from depthcast.dbn import forms
from depthcast.dbn.layout import UNDEF_ORDER_SIZE, UNDEF_PRICE, UNDEF_TIMESTAMP
from depthcast.journal.names import Journal
from depthcast.journal.objects import FolderObjects
from depthcast.journal.segments import ClosedSegment
from tests.support.journals import DATASET, SHARD, Recording, eventually, reader_of

__all__ = [
    "Contents",
    "contents_of",
    "days_of_segments",
    "event_pieces",
    "expected_contents",
    "recorded",
    "segments_of",
]

NS: Final = 1_000_000_000
EPOCH: Final = 1
DAY: Final = dt.timedelta(days=1)
ROLLUPS: Final = {"ohlcv_1s": "ohlcv-1s", "ohlcv_1m": "ohlcv-1m", "ohlcv_1h": "ohlcv-1h"}
JOURNAL: Final = Journal(DATASET, SHARD)
SIDES: Final = ("bid", "ask")

Contents = dict[str, list[tuple[Any, ...]]]
"""The rows of each table, in order, times as ns."""


class _Derived(NamedTuple):
    position: int
    record: Any


def event_pieces(data: bytes, records: int) -> Iterable[bytes]:
    """The data in pieces of about so many records, each to where no event of any book is open."""
    engine = Engine()
    at = 0
    while at < len(data):
        rest = memoryview(data)[at:]
        least = forms.prefix(rest, records)
        engine.apply(rest[:least])
        more = 0
        while at + least + more < len(data) and any(
            engine.status(key.instrument_id, key.publisher_id).in_event for key in engine.books()
        ):
            step = forms.prefix(rest[least + more :], 1)
            engine.apply(rest[least + more : least + more + step])
            more += step
        yield bytes(rest[: least + more])
        at += least + more


def recorded(folder: Path, data: bytes, *, records: int, store: str = "") -> list[ClosedSegment]:
    """The segments of a journal of these records, of about so many each, cut between events."""
    recording = Recording(folder, store, segment_s=3600.0)
    for piece in event_pieces(data, records):
        recording.rotate()
        recording.put(piece)
    recording.writer.close()
    return segments_of(folder)


def days_of_segments(
    disk: Path, store: FolderObjects, data: bytes, now: dt.datetime, *, records: int
) -> list[ClosedSegment]:
    """Record this data on two days before a time, and the last piece just before it; the store's segments."""
    times = [int((now - ago).timestamp()) * NS for ago in (2 * DAY, DAY, dt.timedelta(minutes=1))]
    pieces = list(event_pieces(data, records))
    moment = times[0]
    recording = Recording(disk, str(store.folder), segment_s=3600.0 * 24 * 9, clock=lambda: moment)
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        if number:
            recording.rotate()
            eventually(lambda: recording.writer.stats.waiting_to_close == 0)  # at its own time
        recording.put(piece)
        moment = times[2] if last else times[0] if 2 * number < len(pieces) else times[1]
    recording.writer.close()
    found = reader_of(None, str(store.folder)).segments()
    return [each for each in found if isinstance(each, ClosedSegment)]


def segments_of(folder: Path) -> list[ClosedSegment]:
    return [each for each in reader_of(folder).segments() if isinstance(each, ClosedSegment)]


def expected_contents(data: bytes, *, grid_ms: int = 1_000) -> Contents:
    """The rows that these records should become, by applying them one at a time; depth on this grid."""
    deriver = DeriverSet(["trades", "mbp-1", "mbp-10", "bbo-1s", *ROLLUPS.values()])
    found: dict[str, list[_Derived]] = {schema: [] for schema in deriver.wanted}
    orders = {}
    at = position = 0
    while at < len(data):
        size = 4 * data[at]
        if size == 56 and data[at + 1] == 0xA0:
            orders[position] = int.from_bytes(data[at + 16 : at + 24], "little")
        _take(found, deriver.apply(memoryview(data)[at : at + size]), position)
        at += size
        position += 1
    _take(found, deriver.flush(), position)
    return {
        "trades": [_trade(each, orders) for each in found["trades"]],
        "bbo": [_bbo(each) for each in found["mbp-1"]],
        "depth": _depth(found["mbp-10"], grid_ms * 1_000_000),
        "bbo_1s": sorted(_bbo_1s(each.record) for each in found["bbo-1s"]),
        **{table: sorted(_bar(each.record) for each in found[schema]) for table, schema in ROLLUPS.items()},
    }


async def contents_of(connection: "asyncpg.Connection[Any]") -> Contents:
    """The rows that the database holds."""
    bits = "CASE WHEN order_id < 0 THEN order_id + 18446744073709551616 ELSE order_id END::text"
    ns = "(extract(epoch FROM ts) * 1000000000)::numeric(40, 0)"
    common = (
        "publisher_id, instrument_id, ts_event, ts_recv, ts_in_delta, sequence, price, size, depth, flags"
    )
    top = "bid_px, bid_sz, bid_ct, ask_px, ask_sz, ask_ct"
    arrays = "bid_pxs, bid_szs, bid_cts, ask_pxs, ask_szs, ask_cts"
    queries = {
        "trades": f"position, epoch, {common}, side::text, {bits} FROM depthcast.trades ORDER BY position",
        "bbo": f"position, epoch, {common}, action::text, side::text, {top} FROM depthcast.bbo "
        "ORDER BY position",
        "depth": f"{ns}, publisher_id, instrument_id, position, epoch, ts_event, ts_recv, sequence, flags, "
        f"{top}, bid_sz_10, ask_sz_10, {arrays} FROM depthcast.depth ORDER BY 1, 2, 3",
        "bbo_1s": f"{ns}, publisher_id, instrument_id, sequence, flags, {top} FROM depthcast.bbo_1s",
        **{
            table: f"{ns}, publisher_id, instrument_id, open, high, low, close, volume FROM depthcast.{table}"
            for table in ROLLUPS
        },
    }
    found: Contents = {}
    for table, query in queries.items():
        rows = await connection.fetch(f"SELECT {query}")
        found[table] = [
            tuple(tuple(value) if isinstance(value, list) else value for value in row) for row in rows
        ]
        if table in ROLLUPS or table == "bbo_1s":
            found[table].sort()
    return found


async def everything(connection: "asyncpg.Connection[Any]") -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of the history but the ledger, as text: to compare two databases."""
    tables = ["instruments", "trades", "bbo", "depth", "bbo_1s", *ROLLUPS, "depth_1m"]
    return {
        table: [
            tuple(row)
            for row in await connection.fetch(
                f"SELECT t::text FROM depthcast.{table} t ORDER BY t::text"  # noqa: S608 - our own names
            )
        ]
        for table in tables
    }


def _take(found: dict[str, list[_Derived]], derived: dict[str, bytes], position: int) -> None:
    for schema, records in derived.items():
        if records:
            found[schema] += [
                _Derived(position, each) for each in np.frombuffer(records, SCHEMAS[schema].dtype)
            ]


def _common(position: int, r: Any) -> tuple[Any, ...]:
    return (
        position,
        EPOCH,
        int(r["publisher_id"]),
        int(r["instrument_id"]),
        _time(r["ts_event"]),
        _time(r["ts_recv"]),
        int(r["ts_in_delta"]),
        int(r["sequence"]),
        _price(r["price"]),
        None if r["size"] == UNDEF_ORDER_SIZE else int(r["size"]),
        int(r["depth"]),
        int(r["flags"]),
    )


def _trade(each: _Derived, orders: dict[int, int]) -> tuple[Any, ...]:
    return (*_common(*each), each.record["side"].decode(), str(orders[each.position]))


def _bbo(each: _Derived) -> tuple[Any, ...]:
    r = each.record
    return (*_common(*each), r["action"].decode(), r["side"].decode(), *_top(r["levels"][0]))


def _depth(found: list[_Derived], grid_ns: int) -> list[tuple[Any, ...]]:
    last: dict[tuple[int, int, int], _Derived] = {}
    for each in found:
        ended = -(-int(each.record["ts_recv"]) // grid_ns) * grid_ns
        last[ended, int(each.record["publisher_id"]), int(each.record["instrument_id"])] = each
    rows = []
    for key in sorted(last):
        position, r = last[key]
        there = {
            side: [level for level in r["levels"] if level[f"{side}_px"] != UNDEF_PRICE] for side in SIDES
        }
        sums = (sum(int(level[f"{side}_sz"]) for level in there[side]) for side in SIDES)
        arrays = (
            tuple(int(level[f"{side}_{part}"]) for level in there[side])
            for side in SIDES
            for part in ("px", "sz", "ct")
        )
        times = _time(r["ts_event"]), _time(r["ts_recv"])
        fields = (position, EPOCH, *times, int(r["sequence"]), int(r["flags"]))
        rows.append((*key, *fields, *_top(r["levels"][0]), *sums, *arrays))
    return rows


def _bbo_1s(r: Any) -> tuple[Any, ...]:
    key = int(r["ts_recv"]), int(r["publisher_id"]), int(r["instrument_id"])
    return (*key, int(r["sequence"]), int(r["flags"]), *_top(r["levels"][0]))


def _bar(r: Any) -> tuple[Any, ...]:
    key = int(r["ts_event"]), int(r["publisher_id"]), int(r["instrument_id"])
    prices = (_price(r[name]) for name in ("open", "high", "low", "close"))
    return (*key, *prices, int(r["volume"]))


def _top(level: Any) -> tuple[Any, ...]:
    return tuple(
        _price(level[f"{side}_px"]) if part == "px" else int(level[f"{side}_{part}"])
        for side in SIDES
        for part in ("px", "sz", "ct")
    )


def _price(value: Any) -> int | None:
    return None if value == UNDEF_PRICE else int(value)


def _time(value: Any) -> int | None:
    return None if value == UNDEF_TIMESTAMP else int(value)
