"""Questions about history: pages while more comes, ranges that lack something, tags, what cannot be meant."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from depthcast.journal.segments import ClosedSegment
from depthcast.store.connect import connected
from depthcast.store.history.fields import Kind
from depthcast.store.history.ledger import find_instrument
from depthcast.store.history.query import Query, fetch, page_end, stream
from tests.support.api_service import Api
from tests.support.gateways import run
from tests.support.history_api import asked, compacted, pages
from tests.support.postgres import Server
from tests.support.rest import problem

NS = 1_000_000_000
DAY = 1_758_672_000 * NS
"""2025-09-24."""
CLX5 = {"instrument": "CLX5"}


def test_pages_go_on_where_they_were_when_more_has_come(
    postgres: Server, clx5_segments: list[ClosedSegment]
) -> None:
    url = postgres.fresh()
    run(compacted(url, clx5_segments[:4]))

    async def test(api: Api) -> None:
        for kind, more in (("bbo", {}), ("depth", {"step": "1s"})):
            first = (await api.get(f"/v1/history/{kind}", params={**CLX5, **more, "limit": 1_000})).json()
            before = await pages(api, f"/v1/history/{kind}", [1_000], **CLX5, **more)
            kept.append((kind, more, first, before))
        await compacted(url, clx5_segments[4:])
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


def test_who_asks_again_from_the_end_on_gets_every_record_once(
    postgres: Server, clx5_segments: list[ClosedSegment]
) -> None:
    """Segments end in the middle of a second, where the row of depth says that history goes to its end."""
    url = postgres.fresh()

    async def test(api: Api) -> None:
        for segment in clx5_segments:
            await compacted(url, [segment])
            for kind, rows in polled.items():
                path, more = f"/v1/history/{kind}", {"start": ends[kind]} if kind in ends else {}
                answer = await api.get(path, params={**CLX5, **more, "limit": 1})
                assert answer.headers["cache-control"] == "private, no-cache"
                rows += await pages(api, path, [700], **CLX5, **more)
                ends[kind] = answer.json()["metadata"]["end"]
                again = (await api.get(path, params={**CLX5, "start": ends[kind]})).json()
                assert (again["rows"], again["metadata"]["end"]) == ([], ends[kind])
        for kind, rows in polled.items():
            assert rows == await pages(api, f"/v1/history/{kind}", [5_000], **CLX5)

    polled: dict[str, list[dict[str, Any]]] = {"trades": [], "bbo": []}
    ends: dict[str, str] = {}
    asked(url, test)


def test_a_range_that_lacks_a_segment_says_so(postgres: Server, clx5_segments: list[ClosedSegment]) -> None:
    url = postgres.fresh()
    run(compacted(url, [*clx5_segments[:2], *clx5_segments[3:5]]))

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
    postgres: Server, clx5_segments: list[ClosedSegment]
) -> None:
    url = postgres.fresh()
    run(compacted(url, clx5_segments[:3]))
    closed = {**CLX5, "start": "2025-09-24T19:30:00Z", "end": "2025-09-24T19:40:00Z"}

    async def test(api: Api) -> None:
        for form in ("json", "csv", "parquet"):
            answer = await api.get("/v1/history/bbo", params={**closed, "format": form})
            assert answer.headers["cache-control"] == "private, max-age=3600"
            tags[form] = answer.headers["etag"]
        open_end = await api.get("/v1/history/bbo", params=CLX5)
        assert open_end.headers["cache-control"] == "private, no-cache"
        assert len({*tags.values(), open_end.headers["etag"]}) == 4
        await compacted(url, clx5_segments[3:])
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


def test_what_cannot_be_meant_is_a_problem(clx5_history: str) -> None:
    async def test(api: Api) -> None:
        path = "/v1/history/trades"
        problem(await api.get(path, params={"instrument": "CLX9"}), 404, "unknown-instrument")
        problem(await api.get(path, params={"instrument": "XNAS.ITCH:CLX5"}), 404, "unknown-instrument")
        for none in ("CLX5\0", "0" * 11 + "9" * 60, "9" * 90, "4294967296", "CLX5' OR ''='"):
            problem(await api.get(path, params={"instrument": none}), 404, "unknown-instrument")
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

    asked(clx5_history, test)


def test_decades_without_rows_cost_nothing(clx5_history: str) -> None:
    """Longer steps are gathered day by day; days that have no row are not looked at one by one."""
    statements: list[str] = []

    async def main() -> None:
        async with connected(clx5_history) as connection:
            named = await find_instrument(connection, "CLX5")
            for kind, step_s in ((Kind.BBO, 5), (Kind.DEPTH, 60), (Kind.OHLCV, 30), (Kind.OHLCV, 86_400)):
                for descending in (False, True):
                    whole = Query(
                        kind=kind, dataset=named.dataset, instrument_id=named.instrument_id,
                        publisher_id=None, start_ns=0, end_ns=4 * 10**18, step_ms=step_s * 1_000,
                        descending=descending,
                    )  # fmt: skip
                    of_the_day = replace(whole, start_ns=DAY, end_ns=DAY + 86_400 * NS)
                    expected = await fetch(connection, of_the_day, None, 100_000)
                    assert expected
                    statements.clear()
                    with connection.query_logger(lambda record: statements.append(record.query)):
                        found = await fetch(connection, whole, None, 100_000)
                        assert await page_end(connection, whole, None, 100_000) is None
                        nobodys = replace(whole, publisher_id=7)
                        assert await fetch(connection, nobodys, None, 100_000) == []
                        streamed = [row async for rows in stream(connection, whole, 1_000) for row in rows]
                    assert found == expected
                    assert descending or streamed == expected
                    assert len(statements) < 40

    run(main())


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
def test_accept_chooses_the_form(accept: str | None, media_type: str, clx5_history: str) -> None:
    async def test(api: Api) -> None:
        headers = {} if accept is None else {"accept": accept}
        answer = await api.get("/v1/history/trades", params={**CLX5, "limit": 3}, headers=headers)
        assert answer.headers["content-type"] == media_type
        assert answer.headers["vary"] == "Accept"
        head = await api.client.head("/v1/history/trades", params={**CLX5, "limit": 3}, headers=headers)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])

    asked(clx5_history, test)
