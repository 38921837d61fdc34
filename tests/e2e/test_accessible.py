"""All pages and states by the rules of axe-core: light, dark, on a phone; by keys alone, without motion."""

from pathlib import Path
from typing import Any, Final, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page

from tests.support.browser import opened
from tests.support.page_service import BOOK, PageService, page_service, with_key

LIVE: Final = "#badge[data-state=live]"
ALL: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CONTRAST: Final = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
NO_CONTRAST: Final = {**ALL, "rules": {"color-contrast": {"enabled": False}}}
LOOKS: Final[tuple[tuple[Literal["light", "dark"], int, int, dict[str, Any]], ...]] = (
    ("light", 1440, 900, ALL),
    ("dark", 1440, 900, CONTRAST),
    ("light", 360, 740, NO_CONTRAST),
)
"""What the look decides is looked at in each: colours in light and dark, places and sizes on a phone."""
ALIKE: Final = [["#tape tr:nth-child(n+4)"], ["#ladder tr:nth-child(n+24)"], [".orders tr:nth-child(n+3)"]]
"""Rows like those before them."""


def found_by_axe(page: Page, options: dict[str, Any]) -> list[str]:
    """What is wrong with a page as it is now."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(Axe().axe_script)
    options = {**options, "resultTypes": ["violations"], "preload": False}
    violations: list[dict[str, Any]] = page.evaluate(
        "([context, options]) => axe.run(context, options).then((result) => result.violations)",
        [{"exclude": ALIKE}, options],
    )
    return [
        f"{each['id']}: {node['target']} {node.get('failureSummary', '')}"
        for each in violations
        for node in each["nodes"]
    ]


def check(page: Page, looks: int = len(LOOKS)) -> None:
    """In the first so many looks."""
    for scheme, width, height, rules in LOOKS[:looks]:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": height})
        assert found_by_axe(page, rules) == [], (scheme, width)


@pytest.mark.parametrize("path", ["/", BOOK, "/system", "/sign-in"])
def test_a_page(shared_browser: Browser, shared_page: PageService, path: str) -> None:
    with opened(shared_browser, shared_page.base + path) as page:
        if path != "/sign-in":
            page.wait_for_selector(LIVE)
        check(page)


def test_a_queue_with_an_order_that_is_followed(shared_browser: Browser, shared_page: PageService) -> None:
    with opened(shared_browser, shared_page.base + BOOK) as page:
        page.wait_for_selector(LIVE)
        page.keyboard.press("h")
        page.locator("#ladder tr.b").last.click()
        page.wait_for_selector("#queue .orders button")
        page.locator("#queue .orders button").last.dispatch_event("click")
        page.wait_for_selector("#queue .follow")
        check(page)


@pytest.mark.parametrize("path", ["/?q=nothing+of+the+kind", "/books/NOPE"])
def test_what_is_not_there(shared_browser: Browser, shared_page: PageService, path: str) -> None:
    with opened(shared_browser, shared_page.base + path, errors=1) as page:
        check(page, looks=1)


def test_a_lost_feed(shared_browser: Browser, tmp_path: Path) -> None:
    with page_service(tmp_path) as service:
        pages = []
        for path in (BOOK, "/system"):
            context = opened(shared_browser, service.base + path)
            page = context.__enter__()
            page.wait_for_selector(LIVE)
            pages.append((context, page))
        service.feed.process.kill()
        for context, page in pages:
            page.wait_for_selector("#badge[data-state=stale]")
            check(page, looks=2 if page.locator("#alarms").count() else 1)
            context.__exit__(None, None, None)


def test_a_server_without_books_and_one_that_asks_for_a_key(shared_browser: Browser, tmp_path: Path) -> None:
    token, settings = with_key(tmp_path)
    with (
        page_service(tmp_path, *settings) as service,
        opened(shared_browser, service.base + "/", errors=1) as page,
    ):
        check(page)
        page.fill("#key", "dck_wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#why")
        check(page, looks=2)
        page.fill("#key", token)
        page.keyboard.press("Enter")
        page.wait_for_selector(LIVE)
        check(page, looks=1)


def test_all_that_can_be_done_is_reached_by_keys_and_seen(
    shared_browser: Browser, shared_page: PageService
) -> None:
    for path in ("/", BOOK, "/system"):
        with opened(shared_browser, shared_page.base + path) as page:
            page.wait_for_selector(LIVE)
            seen = set()
            for _ in range(40):
                page.keyboard.press("Tab")
                told = page.evaluate(
                    """() => {
                      const at = document.activeElement;
                      const style = getComputedStyle(at);
                      const box = at.getBoundingClientRect();
                      return at === document.body ? null : {
                        name: at.outerHTML.slice(0, 80),
                        outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1,
                        shown: box.width > 0 && box.height > 0 && box.bottom > 0,
                      };
                    }"""
                )
                if told is None:
                    break
                assert told["outlined"], told
                assert told["shown"], told
                seen.add(told["name"])
            assert len(seen) >= 5, path


def test_nothing_moves_for_who_wants_less_motion(shared_browser: Browser, shared_page: PageService) -> None:
    with opened(shared_browser, shared_page.base + "/") as page:
        page.wait_for_selector(LIVE)
        running = "() => document.getAnimations().filter((each) => each.playState === 'running').length"
        for _ in range(5):
            assert page.evaluate(running) == 0
            page.wait_for_timeout(100)
        page.emulate_media(reduced_motion="no-preference")
        page.wait_for_function(f"({running})() > 0")
