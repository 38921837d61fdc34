"""The page of a book shows the past in a real browser: every instant of a real day is the API's answer."""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.api_process import ApiProcess
from tests.support.browser import chromium, opened
from tests.support.feed_process import FeedProcess
from tests.support.journals import DATASET
from tests.support.past import clx5_records, journal_of_lives

pytestmark = pytest.mark.long

BOOK = f"/books/{DATASET}:CLX5"
WHEN = "2025-09-24T20:30:00Z"
PAST = "#badge[data-state=past]"
MODULE = "document.querySelector('script[type=module]').src"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def base(browser: Browser, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("past")
    journal = journal_of_lives(folder / "journal", clx5_records(data_dir), records=5_000)
    with (
        FeedProcess("sim://cme?instruments=1&orders=100&rate=50", "--journal", "none", cwd=folder) as feed,
        ApiProcess(
            f"127.0.0.1:{feed.port}/XSIM.MBO", settings=(f"api.journal={journal}",), cwd=folder
        ) as api,
    ):
        yield f"http://127.0.0.1:{api.ready().port}"


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - of this machine
        return json.load(answer)


def at_of(page: Page) -> str:
    """The instant that the page stands at (ns): of its address."""
    (at,) = urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).query)["at"]
    return at


def held_to_the_api(page: Page, base: str) -> dict[str, Any]:
    """Every row of the ladder is what the API answers for the page's instant."""
    answer: dict[str, Any] = asked(f"{base}/v1{BOOK}?depth=50&at={at_of(page)}")
    sides = [
        {level["price"]: (f"{level['size']:,}", f"{level['count']:,}") for level in answer[side]}
        for side in ("bids", "asks")
    ]
    rows = page.eval_on_selector_all(
        "#ladder tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    for bid_orders, bid, price, ask, ask_orders in rows:
        name = price.rstrip("0").rstrip(".")
        assert (bid, bid_orders) == sides[0].get(name, ("", "")), (price, page.url)
        assert (ask, ask_orders) == sides[1].get(name, ("", "")), (price, page.url)
    assert sum(bool(row[1] or row[3]) for row in rows) > 10
    return answer


def stands(page: Page, *, until: str = "paused") -> None:
    """Wait until the replay says so, and all of it is painted."""
    page.wait_for_function(
        f"""async until => {{
          const {{ bar, version }} = await import({MODULE});
          return bar.state === until && version() !== null;
        }}""",
        arg=until,
    )


def moved(page: Page, before: str) -> None:
    """Wait until the page stands at another instant."""
    page.wait_for_function("before => !location.search.includes(before)", arg=before)
    stands(page)


def test_the_page_of_an_instant_is_served_with_the_book_of_then(browser: Browser, base: str) -> None:
    with urllib.request.urlopen(f"{base}{BOOK}?at={WHEN}", timeout=10) as answer:  # noqa: S310
        html = answer.read().decode()
    book = asked(f"{base}/v1{BOOK}?depth=50&at={WHEN}")
    assert 'data-state="past"' in html
    best = re.search(r'id="q-bid">([\d.]+)<.*?id="q-ask">([\d.]+)<', html, re.S)
    assert best is not None
    assert best.groups() == tuple(f"{float(book[side][0]['price']):.2f}" for side in ("bids", "asks"))
    with opened(browser, f"{base}{BOOK}?at={WHEN}") as page:
        page.wait_for_selector(PAST)
        stands(page)
        assert at_of(page) == "1758745800000000000"
        assert page.inner_text("#badge-more").startswith("2025-09-24 20:30:00.000")
        held_to_the_api(page, base)
        # What went before is in the pictures: trades, and two minutes of the heat map.
        page.wait_for_function(
            f"async () => {{ const {{ heat }} = await import({MODULE});"
            " return heat.newest - heat.oldest > 600; }"
        )
        page.wait_for_function("() => document.querySelector('#tape tbody td').innerText !== ''")


def test_a_replay_plays_pauses_and_goes_event_by_event_both_ways(browser: Browser, base: str) -> None:
    with opened(browser, f"{base}{BOOK}?at={WHEN}") as page:
        page.wait_for_selector(PAST)
        stands(page)
        page.select_option("#r-speed", "60")
        page.click("#r-play")
        page.wait_for_selector("#badge[data-state=replay]")
        page.wait_for_function("() => document.getElementById('r-time').textContent > '2025-09-24 20:31'")
        page.click("#r-play")
        page.wait_for_selector(PAST)
        stands(page)
        held_to_the_api(page, base)
        versions = []
        for key in (".", ".", ",", ".", ","):
            before = at_of(page)
            page.keyboard.press(key)
            moved(page, before)
            versions.append(held_to_the_api(page, base)["status"]["version"])
        assert versions[0] != versions[1]
        assert versions[2] == versions[0] == versions[4]
        assert versions[3] == versions[1]
        # Cut off, it stands there again.
        at = at_of(page)
        page.evaluate(f"async () => (await import({MODULE})).bar.replay.socket.close()")
        page.wait_for_selector("#badge[data-state=reconnecting]")
        page.wait_for_selector(PAST)
        stands(page)
        assert at_of(page) == at
        held_to_the_api(page, base)


def test_the_queue_of_a_price_is_that_of_the_instant(browser: Browser, base: str) -> None:
    with opened(browser, f"{base}{BOOK}?at={WHEN}") as page:
        page.wait_for_selector(PAST)
        stands(page)
        page.click("#ladder tr.b.best")
        page.wait_for_selector("#queue .orders button")
        best = page.inner_text("#queue [data-price] b.px")
        level = asked(f"{base}/v1{BOOK}/levels/bid/{best}?at={at_of(page)}")
        shown = page.locator("#queue .orders tbody button").all_inner_texts()
        assert shown == [order["order_id"] for order in level["orders"][:30]]
        assert shown


def test_one_goes_to_a_time_and_a_time_that_is_not_kept_is_said(browser: Browser, base: str) -> None:
    with opened(browser, f"{base}{BOOK}?at={WHEN}", errors=1) as page:
        page.wait_for_selector(PAST)
        stands(page)
        before = at_of(page)
        page.fill("#r-at", "2025-09-24T19:45:00.5Z")
        page.click("#r-go button")
        moved(page, before)
        assert at_of(page) == "1758743100500000000"
        held_to_the_api(page, base)
        page.fill("#r-at", "2031-01-01")
        page.click("#r-go button")
        page.wait_for_function("() => document.getElementById('r-word').textContent.includes('times from')")
        assert at_of(page) == "1758743100500000000"
        page.goto(f"{base}{BOOK}?at=2031-01-01")
        assert "there are times from 2025-09-24T19:30" in page.inner_text("main")
        page.goto(f"{base}{BOOK}?at=yesterday")
        assert "such as 2025-09-24T20:59:59.5Z" in page.inner_text("main")
