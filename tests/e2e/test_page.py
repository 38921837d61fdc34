"""The page in a real browser, over a live feed: it shows what the API answers, and says how far that goes."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.api_process import ApiProcess
from tests.support.browser import chromium, opened
from tests.support.feed_process import FeedProcess

SOURCE = "sim://cme?instruments=4&orders=400&rate=2000"
DATASET = "XSIM.MBO"
LIVE = "#badge[data-state=live]"
BOOK = f"/books/{DATASET}:XES1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def base(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    with (
        FeedProcess(SOURCE, "--journal", "none", cwd=folder) as feed,
        ApiProcess(f"127.0.0.1:{feed.port}/{DATASET}", cwd=folder) as api,
    ):
        yield f"http://127.0.0.1:{api.ready().port}"


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - of this machine
        return json.load(answer)


def until_changed(page: Page, selector: str) -> None:
    before = page.inner_text(selector)
    page.wait_for_function(
        "([selector, before]) => document.querySelector(selector).innerText !== before",
        arg=[selector, before],
    )


def ladder_of(page: Page) -> list[list[str]]:
    """Its rows with anything on a side, as texts: orders, bid, price, ask, orders."""
    rows: list[list[str]] = page.eval_on_selector_all(
        "#ladder tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return [row for row in rows if any(row[:2] + row[3:])]


def test_the_overview_shows_all_instruments_and_keeps_them_live(browser: Browser, base: str) -> None:
    with opened(browser, base) as page:
        page.wait_for_selector(LIVE)
        names = page.locator(".market tbody th a").all_inner_texts()
        assert names == ["XCL1", "XES1", "XSP1", "XZN1"]
        until_changed(page, "[data-name$=':XES1'] .c-bid")
        until_changed(page, "[data-name$=':XES1'] .c-rate")
        assert re.search(r"[\d,]+ messages/s", page.inner_text("#pulse"))


def test_search_and_order_are_answered_with_parts_of_the_page(browser: Browser, base: str) -> None:
    with opened(browser, base) as page:
        page.wait_for_selector(LIVE)
        page.keyboard.press("/")
        page.keyboard.type("xz")
        page.wait_for_function("() => document.querySelectorAll('.market tbody tr').length === 1")
        assert page.inner_text(".market tbody th a") == "XZN1"
        assert page.url.endswith("/?q=xz")
        until_changed(page, ".market tbody .c-bid")
        page.fill("#q", "nothing of the kind")
        page.wait_for_selector("text=No instrument has")
        page.fill("#q", "")
        page.wait_for_function("() => document.querySelectorAll('.market tbody tr').length === 4")
        page.click("text=Bid")
        page.wait_for_selector("th.c-bid[aria-sort=descending]")
        assert page.locator(".market tbody th a").all_inner_texts() == ["XES1", "XZN1", "XCL1", "XSP1"]


def test_a_book_is_opened_and_moved_in_by_keys_alone(browser: Browser, base: str) -> None:
    with opened(browser, base) as page:
        page.wait_for_selector(LIVE)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**" + BOOK.replace(":", "*"))
        page.wait_for_selector(LIVE)
        page.focus("#ladder button[tabindex='0']")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("h")
        price = page.evaluate("() => document.activeElement.textContent")
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#queue [data-price] >> text={price}")
        assert page.get_attribute("#hold", "aria-pressed") == "true"
        page.keyboard.press("Escape")
        page.wait_for_selector("#queue .hint")


def test_the_queue_of_a_price_is_shown_and_an_order_followed(browser: Browser, base: str) -> None:
    with opened(browser, base + BOOK) as page:
        page.wait_for_selector(LIVE)
        page.click("#ladder tr.b:nth-last-child(3)")
        page.wait_for_selector("#queue .line rect")
        sizes = page.eval_on_selector_all("#queue .line rect", "each => each.length")
        assert sizes >= 1
        # The queue is drawn anew all the time: the last order of it is far from being filled.
        page.locator("#queue .orders button").last.dispatch_event("click")
        page.wait_for_selector("#queue .follow")
        assert re.match(r"Order \d+ (of|is not here)", page.inner_text("#queue .follow"))


def test_trades_are_told_newest_first_and_filtered_by_size(browser: Browser, base: str) -> None:
    with opened(browser, base + BOOK) as page:
        page.wait_for_selector(LIVE)
        until_changed(page, "#tape tbody tr:first-child")
        times = page.locator("#tape tbody tr td:first-child").all_inner_texts()
        assert times == sorted(times, reverse=True)
        page.fill("#least", "3")
        page.wait_for_function(
            "() => [...document.querySelectorAll('#tape tbody tr')].every(row => row.cells[2].innerText > 2)"
        )


@pytest.mark.parametrize("path", ["/", BOOK])
def test_a_phone_needs_no_sideways_scrolling(browser: Browser, base: str, path: str) -> None:
    with opened(browser, base + path, width=360, height=740, dark=True) as page:
        page.wait_for_selector(LIVE)
        assert page.evaluate("() => document.documentElement.scrollWidth") == 360
        cut = "() => document.querySelector('.market,.ladder').getBoundingClientRect().right"
        assert page.evaluate(cut) <= 351


def test_numbers_keep_their_places_while_they_change(browser: Browser, base: str) -> None:
    with opened(browser, base + BOOK) as page:
        page.wait_for_selector(LIVE)
        page.evaluate(
            """() => {
              window.shifts = 0;
              const all = (list) => list.getEntries().forEach((each) => (window.shifts += each.value));
              new PerformanceObserver(all).observe({ type: "layout-shift", buffered: false });
            }"""
        )
        time.sleep(2)
        assert page.evaluate("() => window.shifts") < 0.01


def test_a_lost_feed_is_said_at_once_and_the_numbers_stay_those_of_the_api(
    browser: Browser, tmp_path: Path
) -> None:
    with FeedProcess(SOURCE, "--journal", "none", cwd=tmp_path) as feed:
        port = feed.port
        with ApiProcess(f"127.0.0.1:{port}/{DATASET}", cwd=tmp_path) as api:
            url = f"http://127.0.0.1:{api.ready().port}"
            with opened(browser, url + BOOK) as page:
                page.wait_for_selector(LIVE)
                feed.process.kill()
                page.wait_for_selector("#badge[data-state=stale]", timeout=4_000)
                page.wait_for_function(
                    r"() => /^\d+ s/.test(document.getElementById('badge-more').innerText)"
                )
                page.keyboard.press("c")
                time.sleep(0.3)
                answer = asked(f"{url}/v1{BOOK}?depth=50")
                levels = {
                    each["price"]: (f"{each['size']:,}", f"{each['count']:,}")
                    for each in (*answer["bids"], *answer["asks"])
                }
                shown = ladder_of(page)
                assert len(shown) > 20
                for bid_orders, bid, price, ask, ask_orders in shown:
                    name = price.rstrip("0").rstrip(".")
                    assert levels[name] == ((bid, bid_orders) if bid else (ask, ask_orders)), price
                assert page.inner_text("#q-bid").rstrip("0").rstrip(".") == answer["bids"][0]["price"]
                assert page.inner_text("#q-ask").rstrip("0").rstrip(".") == answer["asks"][0]["price"]
                again = (SOURCE, "--journal", "none", "--listen", f"127.0.0.1:{port}")
                with FeedProcess(*again, cwd=tmp_path) as second:
                    assert second.port == port
                    page.wait_for_selector(LIVE, timeout=20_000)
                    until_changed(page, "#q-time")


def test_where_the_server_itself_goes_away_the_page_says_so_and_comes_back(
    browser: Browser, tmp_path: Path
) -> None:
    with FeedProcess(SOURCE, "--journal", "none", cwd=tmp_path) as feed:
        name = f"127.0.0.1:{feed.port}/{DATASET}"
        with ApiProcess(name, cwd=tmp_path) as api:
            port = api.ready().port
            context = opened(browser, f"http://127.0.0.1:{port}{BOOK}", errors=1)
            page = context.__enter__()
            page.wait_for_selector(LIVE)
            api.process.kill()
            page.wait_for_selector("#badge[data-state=reconnecting]", timeout=6_000)
        with ApiProcess(name, arguments=("--listen", f"127.0.0.1:{port}"), cwd=tmp_path) as api:
            api.ready()
            page.wait_for_selector(LIVE, timeout=25_000)
            until_changed(page, "#q-time")
            context.__exit__(None, None, None)


def test_without_a_key_the_page_says_how_to_get_one(browser: Browser, tmp_path: Path) -> None:
    with FeedProcess(SOURCE, "--journal", "none", cwd=tmp_path) as feed:
        closed = ApiProcess(
            f"127.0.0.1:{feed.port}/{DATASET}", settings=("api.anonymous_read=false",), cwd=tmp_path
        )
        with closed as api:
            api.ready()
            for path in ("/", BOOK):
                with opened(browser, f"http://127.0.0.1:{api.port}{path}", errors=1) as page:
                    assert page.inner_text("main h1") == "A key is required"
                    assert "depthcast keys create --api" in page.inner_text("main")
