"""History over REST: the rows that the records give, in every form, page by page, as more of them come."""

import csv
import io
import random
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from depthcast.book.views import price_str
from depthcast.dbn import open_dbn
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.journal.segments import ClosedSegment
from tests.support.api_service import Api
from tests.support.gateways import run
from tests.support.history_api import compacted, history_api, history_settings, pages
from tests.support.journals import simulated_feed
from tests.support.postgres import Server
from tests.support.rest import problem
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
def records(data_dir: Path) -> bytes:
    with open_dbn(data_dir / "CLX5_mbo.dbn") as reader:
        return b"".join(bytes(chunk) for chunk in reader.chunks())


@pytest.fixture(scope="module")
def segments(records: bytes, tmp_path_factory: pytest.TempPathFactory) -> list[ClosedSegment]:
    return recorded(tmp_path_factory.mktemp("clx5"), records, records=5_000)


@pytest.fixture(scope="module")
def expected(records: bytes) -> Contents:
    return expected_contents(records)


@pytest.fixture(scope="module")
def url(postgres: Server, segments: list[ClosedSegment]) -> str:
    address = postgres.fresh()
    run(compacted(address, segments))
    return address


@pytest.fixture(scope="module")
def venues(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with two instruments, each at two venues."""
    address = postgres.fresh()
    folder = tmp_path_factory.mktemp("venues")
    run(compacted(address, recorded(folder, simulated_feed(), records=2_000)))
    return address


def asked(url: str, test: Any, **more: Any) -> None:
    async def main() -> None:
        async with history_api(history_settings(url, **more)) as api:
            await test(api)

    run(main())


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


def test_every_row_is_what_the_records_give(url: str, expected: Contents) -> None:
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

    asked(url, test)


@pytest.mark.parametrize(("kind", "parameters"), ENDPOINTS)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_any_size_are_the_whole(kind: str, parameters: dict[str, str], order: str, url: str) -> None:
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

    asked(url, test)


@pytest.mark.parametrize(("kind", "parameters"), ENDPOINTS)
def test_every_form_has_equal_values(kind: str, parameters: dict[str, str], url: str) -> None:
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

    asked(url, test)


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


def test_longer_steps_are_made_of_shorter_ones(url: str) -> None:
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

    asked(url, test)


def test_the_range_holds_to_the_nanosecond(url: str, expected: Contents) -> None:
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

    asked(url, test)


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


def test_pages_go_on_where_they_were_when_more_has_come(
    postgres: Server, segments: list[ClosedSegment]
) -> None:
    url = postgres.fresh()
    run(compacted(url, segments[:4]))

    async def test(api: Api) -> None:
        for kind, more in (("bbo", {}), ("depth", {"step": "1s"})):
            first = (await api.get(f"/v1/history/{kind}", params={**CLX5, **more, "limit": 1_000})).json()
            before = await pages(api, f"/v1/history/{kind}", [1_000], **CLX5, **more)
            kept.append((kind, more, first, before))
        await compacted(url, segments[4:])
        for kind, more, first, before in kept:
            rows, following = list(first["rows"]), first["next"]
            while following:
                page = (await api.get(following)).json()
                rows, following = rows + page["rows"], page["next"]
            end = first["metadata"]["end"]
            # To the end of its last second the range was not closed: there may be more of it now.
            assert rows[: len(before) - 1] == before[:-1]
            assert int(end) - int(rows[-1]["ts_recv"]) < NS
            rest = await pages(api, f"/v1/history/{kind}", [1_000], start=end, **CLX5, **more)
            assert rows + rest == await pages(api, f"/v1/history/{kind}", [3_000], **CLX5, **more)

    kept: list[tuple[str, dict[str, str], dict[str, Any], list[dict[str, Any]]]] = []
    asked(url, test)


def test_a_range_that_lacks_a_segment_says_so(postgres: Server, segments: list[ClosedSegment]) -> None:
    url = postgres.fresh()
    run(compacted(url, [*segments[:2], *segments[3:5]]))

    async def test(api: Api) -> None:
        feed = (await api.get("/v1/history")).json()["feeds"][0]
        assert (feed["segments"], feed["gaps"]) == (4, 1)
        whole = await api.get("/v1/history/trades", params=CLX5)
        assert whole.json()["metadata"]["complete"] is False
        assert "complete=?0" in whole.headers["depthcast-history"]
        early = await api.get("/v1/history/trades", params={**CLX5, "end": "2025-09-24T19:45:00Z"})
        assert early.json()["metadata"]["complete"] is True

    asked(url, test)


def test_an_answer_of_a_closed_range_may_be_kept_and_is_asked_for_again_by_its_tag(
    postgres: Server, segments: list[ClosedSegment]
) -> None:
    url = postgres.fresh()
    run(compacted(url, segments[:3]))
    closed = {**CLX5, "start": "2025-09-24T19:30:00Z", "end": "2025-09-24T19:40:00Z"}

    async def test(api: Api) -> None:
        for form in ("json", "csv", "parquet"):
            answer = await api.get("/v1/history/bbo", params={**closed, "format": form})
            assert answer.headers["cache-control"] == "private, max-age=3600"
            tags[form] = answer.headers["etag"]
        open_end = await api.get("/v1/history/bbo", params=CLX5)
        assert open_end.headers["cache-control"] == "private, no-cache"
        assert len({*tags.values(), open_end.headers["etag"]}) == 4
        await compacted(url, segments[3:])
        for form, tag in tags.items():
            again = await api.get(
                "/v1/history/bbo", params={**closed, "format": form}, headers={"if-none-match": tag}
            )
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
        more = await api.get(
            "/v1/history/bbo", params=CLX5, headers={"if-none-match": open_end.headers["etag"]}
        )
        assert more.status_code == 200

    tags: dict[str, str] = {}
    asked(url, test)


def test_what_cannot_be_meant_is_a_problem(url: str) -> None:
    async def test(api: Api) -> None:
        path = "/v1/history/trades"
        problem(await api.get(path, params={"instrument": "CLX9"}), 404, "unknown-instrument")
        problem(await api.get(path, params={"instrument": "XNAS.ITCH:CLX5"}), 404, "unknown-instrument")
        missing = problem(await api.get(path), 422, "invalid-parameter")
        assert missing["errors"] == [{"field": "instrument", "message": "is needed", "in": "query"}]
        for wrong in (
            {"start": "yesterday"},
            {"start": "2025-09-25", "end": "2025-09-24"},
            {"limit": "0"},
            {"limit": "10001"},
            {"order": "up"},
            {"step": "1s"},
            {"format": "xlsx"},
            {"cursor": "x"},
            {"cursor": "A" * 300},
        ):
            problem(await api.get(path, params={**CLX5, **wrong}), 422, "invalid-parameter")
        problem(await api.get("/v1/history/depth", params={**CLX5, "step": "2s"}), 422, "invalid-parameter")
        page = (await api.get(path, params={**CLX5, "limit": 5})).json()
        cursor = parse_qs(urlsplit(page["next"]).query)["cursor"][0]
        for other in ({"order": "desc"}, {"publisher": 1}, {"end": "2025-09-24T20:00:00Z"}):
            found = problem(
                await api.get(path, params={**CLX5, **other, "cursor": cursor}), 422, "invalid-parameter"
            )
            assert found["errors"][0]["field"] == "cursor"
        problem(await api.get("/v1/history/bbo", params={**CLX5, "cursor": cursor}), 422, "invalid-parameter")
        for accept in ("image/png", "text/csv;q=0", "nonsense"):
            refused = await api.get(path, params=CLX5, headers={"accept": accept})
            problem(refused, 406, "not-acceptable")

    asked(url, test)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv; charset=utf-8; header=present"),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8; header=present"),
        ("text/html, application/*;q=0.9", "application/json"),
        ("application/vnd.apache.parquet, */*", "application/vnd.apache.parquet"),
    ],
)
def test_accept_chooses_the_form(accept: str | None, media_type: str, url: str) -> None:
    async def test(api: Api) -> None:
        headers = {} if accept is None else {"accept": accept}
        answer = await api.get("/v1/history/trades", params={**CLX5, "limit": 3}, headers=headers)
        assert answer.headers["content-type"] == media_type
        assert answer.headers["vary"] == "Accept"
        head = await api.client.head("/v1/history/trades", params={**CLX5, "limit": 3}, headers=headers)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])

    asked(url, test)
