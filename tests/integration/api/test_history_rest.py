"""History over REST: the rows that the records give, in every form, page by page, as more of them come."""

import csv
import io
import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from depthcast.book.views import price_str
from depthcast.dbn.layout import UNDEF_PRICE
from tests.support.api_service import Api
from tests.support.gateways import run
from tests.support.history_api import asked, compacted, pages
from tests.support.journals import simulated_feed
from tests.support.postgres import Server
from tests.support.stored import Contents, expected_contents, recorded

NS = 1_000_000_000
CLX5 = {"instrument": "CLX5"}
ENDPOINTS = [
    ("trades", {}),
    ("bbo", {}),
    ("bbo", {"step": "1s"}),
    ("bbo", {"step": "1m"}),
    ("depth", {}),
    ("depth", {"step": "5m"}),
    ("ohlcv", {"step": "1s"}),
    ("ohlcv", {}),
    ("ohlcv", {"step": "15m"}),
]


@pytest.fixture(scope="module")
def expected(clx5_records: bytes) -> Contents:
    return expected_contents(clx5_records)


@pytest.fixture(scope="module")
def venues(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with two instruments, each at two venues."""
    address = postgres.fresh()
    folder = tmp_path_factory.mktemp("venues")
    run(compacted(address, recorded(folder, simulated_feed(), records=2_000)))
    return address


def _px(value: int | None) -> str | None:
    return None if value in (None, UNDEF_PRICE) else price_str(value)


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _trade(row: tuple[Any, ...]) -> dict[str, Any]:
    position, epoch, publisher, _, ts_event, ts_recv, delta, sequence, price, size, depth, flags = row[:12]
    return {
        "ts_recv": _text(ts_recv), "ts_event": _text(ts_event), "publisher_id": publisher,
        "price": _px(price), "size": size, "sequence": sequence, "flags": flags, "depth": depth,
        "ts_in_delta": delta, "epoch": epoch, "position": str(position), "ordinal": 0,
    }  # fmt: skip


def _top(values: Iterable[Any]) -> dict[str, Any]:
    bid_px, bid_sz, bid_ct, ask_px, ask_sz, ask_ct = values
    return {
        "bid_px": _px(bid_px), "bid_sz": bid_sz, "bid_ct": bid_ct,
        "ask_px": _px(ask_px), "ask_sz": ask_sz, "ask_ct": ask_ct,
    }  # fmt: skip


def _bbo(row: tuple[Any, ...]) -> dict[str, Any]:
    return {**_trade(row), "action": row[12], "side": row[13], **_top(row[14:])}


def _depth(row: tuple[Any, ...]) -> dict[str, Any]:
    ts, publisher, _, position, epoch, ts_event, ts_recv, sequence, flags = row[:9]
    bids, asks = (list(zip(*each, strict=True)) for each in (row[17:20], row[20:23]))
    return {
        "ts": str(ts), "ts_recv": _text(ts_recv), "ts_event": _text(ts_event), "publisher_id": publisher,
        "bids": [[_px(px), size, count] for px, size, count in bids],
        "asks": [[_px(px), size, count] for px, size, count in asks],
        "sequence": sequence, "flags": flags, "epoch": epoch, "position": str(position),
    }  # fmt: skip


def _bar(row: tuple[Any, ...]) -> dict[str, Any]:
    ts, publisher, _, *prices, volume = row
    named = dict(zip(("open", "high", "low", "close"), map(_px, prices), strict=True))
    return {"ts": str(ts), "publisher_id": publisher, **named, "volume": str(volume)}


def _in_order(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Records as the API orders them: by time to the microsecond, then by position."""
    return sorted(rows, key=lambda row: (row[5] // 1_000, row[0]))


def test_every_row_is_what_the_records_give(clx5_history: str, expected: Contents) -> None:
    async def test(api: Api) -> None:
        path = "/v1/history/"
        trades = await pages(api, path + "trades", [700], **CLX5)
        order_ids = [(row.pop("order_id"), row.pop("side")) for row in trades]
        wanted = _in_order(expected["trades"])
        assert trades == [_trade(row) for row in wanted]
        assert order_ids == [(row[13], row[12]) for row in wanted]
        bbo = await pages(api, path + "bbo", [10_000], **CLX5)
        up = sorted(expected["bbo"], key=lambda row: (-(-row[5] // 1_000), row[0]))
        assert bbo == [_bbo(row) for row in up]
        depth = await pages(api, path + "depth", [900], **CLX5)
        assert depth == [_depth(row) for row in expected["depth"]]
        seconds = await pages(api, path + "bbo", [1_000], step="1s", **CLX5)
        for row in seconds:
            del row["updates"], row["position"]
        assert seconds == [
            {"ts": str(ts), "publisher_id": publisher, "sequence": sequence, "flags": flags, **_top(top)}
            for ts, publisher, _, sequence, flags, *top in expected["bbo_1s"]
        ]
        for step in ("1s", "1m", "1h"):
            bars = await pages(api, path + "ohlcv", [200], step=step, **CLX5)
            for bar in bars:
                del bar["trades"]
            assert bars == [_bar(row) for row in expected[f"ohlcv_{step}"]], step

    asked(clx5_history, test)


@pytest.mark.parametrize(("kind", "parameters"), ENDPOINTS)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_any_size_are_the_whole(
    kind: str, parameters: dict[str, str], order: str, clx5_history: str
) -> None:
    async def test(api: Api) -> None:
        given = {**CLX5, **parameters, "order": order, "end": "2025-09-24T19:45:00Z"}
        path = f"/v1/history/{kind}"
        whole = (await api.get(path, params={**given, "limit": 10_000})).json()
        assert whole["next"] is None
        draw = random.Random(f"{kind}{parameters}{order}")
        sizes = (draw.randint(1, max(2, len(whole["rows"]) // 2)) for _ in range(10_000))
        assert await pages(api, path, sizes, **given) == whole["rows"]
        if order == "desc":
            up = await api.get(path, params={**given, "order": "asc", "limit": 10_000})
            key = "ts" if "ts" in whole["rows"][0] else "ts_recv"
            assert [row[key] for row in up.json()["rows"]][::-1] == [row[key] for row in whole["rows"]]

    asked(clx5_history, test)


@pytest.mark.parametrize(("kind", "parameters"), ENDPOINTS)
def test_every_form_has_equal_values(kind: str, parameters: dict[str, str], clx5_history: str) -> None:
    async def test(api: Api) -> None:
        path, given = f"/v1/history/{kind}", {**CLX5, **parameters, "limit": 1_200}
        rows = (await api.get(path, params=given)).json()["rows"]
        as_csv = await api.get(path, params={**given, "format": "csv"})
        assert as_csv.headers["content-type"].startswith("text/csv")
        assert [_of_csv(row) for row in csv.DictReader(io.StringIO(as_csv.text))] == [
            _flat(row) for row in rows
        ]
        arrow = await api.get(path, params=given, headers={"accept": "application/vnd.apache.arrow.stream"})
        table = pa.ipc.open_stream(arrow.content).read_all()
        assert _of_arrow(table) == rows
        parquet = await api.get(path, params={**given, "format": "parquet"})
        read = pq.read_table(io.BytesIO(parquet.content))
        assert read.equals(table)
        assert read.schema.metadata[b"symbol"] == b"CLX5"
        assert parquet.headers["content-disposition"] == f'attachment; filename="CLX5-{kind}.parquet"'
        assert str(table.schema.field("instrument_id").type) == "uint32"
        # What is not JSON says in a header where the next page is.
        more = await api.get(path, params={**given, "limit": 2, "format": "csv"})
        rest = await api.get(more.links["next"]["url"])
        assert rest.text.splitlines()[1:] == as_csv.text.splitlines()[3:5]

    asked(clx5_history, test)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name in ("bids", "asks"):
            for level in range(10):
                there = value[level] if level < len(value) else ("", "", "")
                for part, each in zip(("px", "sz", "ct"), there, strict=True):
                    flat[f"{name[:-1]}_{part}_{level:02d}"] = str(each)
        else:
            flat[name] = "" if value is None else str(value)
    return flat


def _of_csv(row: dict[str, str]) -> dict[str, str]:
    assert row.pop("symbol") == "CLX5"
    assert row.pop("instrument_id") == "432669"
    return row


def _of_arrow(table: Any) -> list[dict[str, Any]]:
    """A table's rows in the form of JSON's."""
    strings = {"order_id", "position", "volume", "trades", "updates"}
    for name in ("ts", "ts_recv", "ts_event"):
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].cast(pa.int64()))
            strings.add(name)
    rows = []
    for row in table.drop_columns(["instrument_id"]).to_pylist():
        found: dict[str, Any] = {}
        for name, value in row.items():
            if isinstance(value, list):
                found.setdefault(f"{name[:3]}s", []).append([_plain(each) for each in value])
            else:
                found[name] = str(value) if name in strings and value is not None else _plain(value)
        for side in ("bids", "asks"):
            if side in found:
                found[side] = [list(level) for level in zip(*found[side], strict=True)]
        rows.append(found)
    return rows


def _plain(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def test_longer_steps_are_made_of_shorter_ones(clx5_history: str) -> None:
    async def test(api: Api) -> None:
        path = "/v1/history/"
        second_bars = await pages(api, path + "ohlcv", [5_000], step="1s", **CLX5)
        minutes = await pages(api, path + "ohlcv", [5_000], step="5m", **CLX5)
        by_step: dict[int, list[dict[str, Any]]] = {}
        for bar in second_bars:
            by_step.setdefault(int(bar["ts"]) // (300 * NS) * 300 * NS, []).append(bar)
        assert minutes == [
            {
                "ts": str(ts), "publisher_id": 1, "open": bars[0]["open"], "close": bars[-1]["close"],
                "high": str(max(Decimal(bar["high"]) for bar in bars)),
                "low": str(min(Decimal(bar["low"]) for bar in bars)),
                "volume": str(sum(int(bar["volume"]) for bar in bars)),
                "trades": str(sum(int(bar["trades"]) for bar in bars)),
            }
            for ts, bars in sorted(by_step.items())
        ]  # fmt: skip
        for kind in ("bbo", "depth"):
            seconds = await pages(api, path + kind, [5_000], step="1s", **CLX5)
            last = {-(-int(row["ts"]) // (60 * NS)) * 60 * NS: row for row in seconds}
            found = await pages(api, path + kind, [5_000], step="1m", **CLX5)
            for row in [*found, *last.values()]:
                row.pop("updates", None)
            assert found == [{**row, "ts": str(ts)} for ts, row in sorted(last.items())]

    asked(clx5_history, test)


def test_the_range_holds_to_the_nanosecond(clx5_history: str, expected: Contents) -> None:
    async def test(api: Api) -> None:
        for kind in ("trades", "bbo"):
            times = sorted(row[5] for row in expected[kind])
            first, end = times[100], times[300]
            rows = await pages(api, f"/v1/history/{kind}", [5_000], start=first, end=end, **CLX5)
            assert [int(row["ts_recv"]) for row in rows] == [ts for ts in times if first <= ts < end]
            later = await pages(api, f"/v1/history/{kind}", [5_000], start=first + 1, end=end + 1, **CLX5)
            shifted = [ts for ts in times if first + 1 <= ts < end + 1]
            assert [int(row["ts_recv"]) for row in later] == shifted
        nothing = await api.get("/v1/history/trades", params={**CLX5, "start": "2030-01-01"})
        assert (nothing.json()["rows"], nothing.json()["next"]) == ([], None)

    asked(clx5_history, test)


def test_publishers_come_together_or_one_by_one(venues: str) -> None:
    async def test(api: Api) -> None:
        for kind in ("trades", "bbo", "depth", "ohlcv"):
            path = f"/v1/history/{kind}"
            together = await pages(api, path, [37], instrument="GLBX.MDP3:11", step="1s") if kind in (
                "depth", "ohlcv"
            ) else await pages(api, path, [37], instrument="GLBX.MDP3:11")  # fmt: skip
            assert {row["publisher_id"] for row in together} == {65001, 65002}
            for publisher in (65001, 65002):
                more = {"step": "1s"} if kind in ("depth", "ohlcv") else {}
                alone = await pages(api, path, [50], instrument="11", publisher=publisher, **more)
                assert alone == [row for row in together if row["publisher_id"] == publisher]

    asked(venues, test)
