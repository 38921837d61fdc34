"""The pages as a server sends them: states, problems, parts, headers."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.api_service import Api, api_over, api_settings
from tests.support.api_world import feed_of_the_world


def asked(test: Callable[[Api], Awaitable[None]], **arguments: Any) -> None:
    async def run() -> None:
        async with api_over(feed_of_the_world(), **arguments) as api:
            await test(api)

    asyncio.run(run())


def states_of(html: str) -> dict[str, str]:
    rows = re.findall(r'data-name="GLBX.MDP3:(\w+)".*?data-cell="state" data-state="([\w-]+)"', html, re.S)
    return dict(rows)


def test_every_instrument_has_the_worst_that_is_true_of_it() -> None:
    async def test(api: Api) -> None:
        html = (await api.get("/")).text
        states = states_of(html)
        assert states["CLX5"] == states["10"] == "live"
        assert states["SUSP"] == "suspect"
        assert states["NGF6"] == "no-book"
        assert 'data-state="live"' in html
        assert ">64.79<" in html
        assert ">-3.25<" in html

    asked(test)


def test_a_part_is_sent_to_htmx_and_the_whole_page_to_a_browser() -> None:
    async def test(api: Api) -> None:
        part = await api.get("/?q=clx", headers={"HX-Request": "true"})
        whole = await api.get("/?q=clx")
        assert part.text.startswith("<section")
        assert whole.text.startswith("<!doctype html>")
        assert list(states_of(part.text)) == list(states_of(whole.text)) == ["CLX5"]
        assert "HX-Request" in whole.headers["vary"]

    asked(test)


def test_pages_allow_nothing_in_line_and_are_not_kept() -> None:
    async def test(api: Api) -> None:
        for path in ("/", "/books/CLX5", "/books/NOPE"):
            answer = await api.get(path)
            policy = answer.headers["content-security-policy"]
            assert "script-src 'self';" in policy
            assert "unsafe" not in policy
            assert answer.headers["cache-control"] == "no-store"

    asked(test)


def test_what_is_wrong_is_a_page_too() -> None:
    async def test(api: Api) -> None:
        unknown = await api.get("/books/NOPE")
        assert unknown.status_code == 404
        assert "There is no such instrument" in unknown.text
        for path in (
            "/books/ESZ5/queue/bid/5560",
            "/books/NGF6/queue/bid/1",
            "/books/CLX5/queue/bid/9999999999",
        ):
            answer = await api.get(path, headers={"HX-Request": "true"})
            assert answer.status_code >= 400, path
            assert answer.headers["content-type"].startswith("text/html"), path
            assert not answer.text.startswith("<!doctype"), path

    asked(test)


def test_what_somebody_writes_into_the_search_is_text() -> None:
    async def test(api: Api) -> None:
        html = (await api.get("/", params={"q": '"><script>alert(1)</script>'})).text
        assert "<script>alert" not in html

    asked(test)


def test_a_book_without_orders_and_one_of_two_publishers_have_their_pages() -> None:
    async def test(api: Api) -> None:
        empty = (await api.get("/books/NGF6")).text
        assert 'data-tick="0"' in empty
        both = (await api.get("/books/ESZ5")).text
        assert "2 publishers added up" in both

    asked(test)


def test_the_queue_lists_the_orders_in_priority_order_and_follows_one() -> None:
    async def test(api: Api) -> None:
        html = (await api.get("/books/CLX5/queue/bid/64.79?order=3")).text
        assert re.findall(r'id="order-(\d+)"', html) == ["1", "2", "3"]
        assert "2 orders and 8 in size before it" in html
        gone = (await api.get("/books/CLX5/queue/bid/64.79?order=77")).text
        assert "is not here any more" in gone

    asked(test)


def test_files_are_kept_for_ever_under_their_digest_and_not_under_another() -> None:
    async def test(api: Api) -> None:
        site = api.app.state.site
        url = site.assets.url("page.css")
        kept = await api.get(url, headers={"Accept-Encoding": "gzip"})
        assert kept.headers["cache-control"].endswith("immutable")
        assert kept.headers["content-encoding"] == "gzip"
        other = await api.get(url.replace(site.assets.digest, "0" * 12))
        assert other.headers["cache-control"] == "no-store"
        assert other.text == kept.text
        for path in ("/static/x/../pyproject.toml", "/static/x/nothing.css"):
            assert (await api.get(path)).status_code == 404

    asked(test)


def test_without_a_key_nothing_of_the_market_is_shown() -> None:
    async def test(api: Api) -> None:
        for path in ("/", "/books/CLX5", "/books/CLX5/queue/bid/64.79", "/market/figures?names=CLX5"):
            answer = await api.get(path)
            assert answer.status_code == 401
            assert "A key is required" in answer.text
            assert '<form action="/sign-in" method="post">' in answer.text
            part = await api.get(path, headers={"HX-Request": "true"})
            assert part.status_code == 401
            assert "<form" not in part.text
            assert "64.7" not in answer.text.replace(path, "")
        assert (await api.get("/books/CLX5/history")).status_code == 401

    asked(test, settings=api_settings(anonymous_read=False))


def test_samples_give_rates_and_history() -> None:
    async def test(api: Api) -> None:
        board, listing = api.app.state.site.board, api.services.market.find("CLX5")
        for _ in range(3):
            board.sample(listing)
        history = (await api.get("/books/CLX5/history")).json()
        assert set(history["bid"]) == {"64.79"}
        # A replica begins with a snapshot, which has no trades: nothing is known that could have changed.
        assert history["trades"] == []
        assert board.figures(listing).change is None
        assert board.figures(listing).records_per_s == 0

    asked(test)
