"""The system page in a browser: it follows, it says what is wrong, it is light."""

import gzip
import re
import socket
import urllib.request
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page

from tests.support.api_process import ApiProcess
from tests.support.browser import opened
from tests.support.feed_process import FeedProcess
from tests.support.page_service import BOOK, DATASET, PageService, page_service

LIVE: Final = "#badge[data-state=live]"
MOST_BYTES: Final = 150 * 1024


def number(page: Page, selector: str) -> float:
    return float(page.inner_text(selector).replace(",", "") or "nan")


def test_its_figures_are_those_of_the_api_and_go_on(
    shared_browser: Browser, shared_page: PageService
) -> None:
    with opened(shared_browser, shared_page.base + "/system") as page:
        page.wait_for_selector(LIVE)
        page.wait_for_function(
            "() => Number(document.getElementById('records-now').innerText.replace(',', '')) > 50"
        )
        _, stats = shared_page.api.get("/v1/stats")
        hops = {each["hop"]: each for each in stats["hops"]}
        assert hops["gateway_to_applied"]["count"] > 100
        titles = page.locator(".hop figcaption b").all_inner_texts()
        assert titles == ["Venue to books", "Gateway to books", "Message to connection", "Request to answer"]
        assert (page.get_attribute(".hop:nth-child(2) .window", "d") or "").startswith("M0,")
        records = page.inner_text(".figures tbody td:nth-of-type(7)")
        page.wait_for_function(
            "(before) => document.querySelector('.figures tbody td:nth-of-type(7)').innerText !== before",
            arg=records,
        )
        page.wait_for_selector("#storage >> text=not known here")
        assert page.locator("#alarms .bad").count() == 0  # a busy machine may be warned of its lag
        assert page.locator(".gauge canvas").count() == 3


def test_what_is_wrong_is_said_with_what_to_do_and_goes_when_it_is_mended(
    shared_browser: Browser, tmp_path: Path
) -> None:
    with page_service(tmp_path) as service, opened(shared_browser, service.base + "/system") as page:
        page.wait_for_selector(LIVE)
        service.feed.process.kill()
        page.wait_for_selector("#alarms .bad")
        said = page.inner_text("#alarms")
        assert re.search(r"The feed 127\.0\.0\.1:\d+/XSIM\.MBO is lost since \d\d:\d\d:\d\d UTC", said)
        assert "Look whether the feed runs" in said
        assert page.inner_text(".figures .tag") == "stale"


def test_where_no_feed_runs_every_page_says_how_one_is_started(
    shared_browser: Browser, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
    with ApiProcess(f"{place}/{DATASET}", cwd=tmp_path) as api:
        for path, where in (("/", "main"), ("/system", "#alarms"), (BOOK, "main")):
            with opened(shared_browser, f"http://127.0.0.1:{api.port}{path}", errors=1) as page:
                assert "depthcast feed sim://cme" in page.inner_text(where), path
                if path != BOOK:
                    assert page.get_attribute("#badge", "data-state") == "connecting"
        source = "sim://cme?instruments=1&orders=10&rate=100"
        with (
            opened(shared_browser, f"http://127.0.0.1:{api.port}/") as page,
            FeedProcess(source, "--journal", "none", "--listen", place, cwd=tmp_path),
        ):
            page.wait_for_selector(LIVE)


@pytest.mark.parametrize("path", ["/", BOOK, "/system", "/sign-in"])
def test_a_page_and_all_it_needs_are_light(shared_page: PageService, path: str) -> None:
    html, size = fetched(shared_page.base + path)
    needed = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', html))
    total = size + sum(fetched(shared_page.base + each)[1] for each in needed)
    assert len(needed) >= 2
    assert total < MOST_BYTES, f"{total:,} bytes: {sorted(needed)}"


def fetched(url: str) -> tuple[str, int]:
    """A text, and its bytes on the line."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})  # noqa: S310 - of this machine
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        body = answer.read()
        packed = answer.headers["Content-Encoding"] == "gzip"
    return (gzip.decompress(body) if packed else body).decode(), len(body)
