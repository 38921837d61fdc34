"""Signing in, in a browser: the way there and back, live numbers, a key that ends."""

import time
from pathlib import Path

from playwright.sync_api import Browser

from depthcast.api.key_file import ApiKeyFile
from tests.support.browser import opened
from tests.support.page_service import BOOK, page_service, with_key

LIVE = "#badge[data-state=live]"


def test_a_key_opens_what_was_asked_for_until_it_ends(shared_browser: Browser, tmp_path: Path) -> None:
    token, settings = with_key(tmp_path)
    with (
        page_service(tmp_path, *settings) as service,
        opened(shared_browser, service.base + BOOK, errors=1) as page,
    ):
        assert page.inner_text("h1") == "A key is required"
        assert "depthcast keys create --api" in page.inner_text("main")
        page.fill("#key", "dck_wrong")
        page.click("main button")
        assert "no such key" in page.inner_text("#why")
        page.fill("#key", token)
        page.click("main button")
        page.wait_for_url(service.base + BOOK)
        page.wait_for_selector(LIVE)
        cookies = {each["name"]: each for each in page.context.cookies()}
        session = cookies["depthcast"]
        assert session["httpOnly"]
        assert session["sameSite"] == "Strict"
        assert token[13:] not in session["value"]
        assert page.evaluate("() => document.cookie") == ""
        # A key that is revoked takes the stream with it, and the page asks for another.
        file = ApiKeyFile(tmp_path / "api-keys.json")
        file.change(lambda ring: ring.revoke(next(iter(ring)), time.time_ns() - 10**9))
        page.wait_for_selector("#key", timeout=15_000)
        assert page.url == service.base + BOOK


def test_a_link_on_another_site_leads_where_it_says(shared_browser: Browser, tmp_path: Path) -> None:
    token, settings = with_key(tmp_path)
    with (
        page_service(tmp_path, *settings) as service,
        opened(shared_browser, service.base + "/sign-in", errors=1) as page,
    ):
        link = f"data:text/html,<a href='{service.base}/system'>there</a>"
        page.goto(link)
        page.click("a")
        page.wait_for_selector("#key")  # nobody has signed in: the form, and no circle
        page.fill("#key", token)
        page.click("main button")
        page.wait_for_selector(LIVE)
        page.goto(link)
        page.click("a")
        page.wait_for_selector(LIVE)
        assert page.inner_text("h1") == "System"


def test_signing_out_ends_it(shared_browser: Browser, tmp_path: Path) -> None:
    token, settings = with_key(tmp_path)
    with (
        page_service(tmp_path, *settings) as service,
        opened(shared_browser, service.base + "/sign-in", errors=1) as page,
    ):
        page.fill("#key", token)
        page.keyboard.press("Enter")
        page.wait_for_selector(LIVE)
        assert page.inner_text(".who span") == "desk"
        page.click("text=Sign out")
        page.wait_for_url("**/sign-in")
        page.goto(service.base + "/system")
        assert page.inner_text("h1") == "A key is required"
