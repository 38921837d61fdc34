"""A page that is left open: its memory does not grow, its console stays empty, its numbers go on.

DEPTHCAST_PAGE_SOAK_S says for how long: seconds in `make test`, a minute in `make soak`, or an hour.
"""

import os
import statistics
import time
from typing import Final

import pytest
from playwright.sync_api import Browser, CDPSession, Page

from tests.support.browser import opened
from tests.support.page_service import BOOK, PageService

SOAK_S: Final = float(os.environ.get("DEPTHCAST_PAGE_SOAK_S", "8"))
SAMPLES: Final = 8
MOST_GROWTH: Final = 1.5 * 2**20
"""Bytes of the heap: what a picture of ten minutes and the rows of a table may still take."""


def heap_of(session: CDPSession) -> float:
    """What is in use once the garbage is gone."""
    session.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"])


def sampled(page: Page, seconds: float) -> list[float]:
    """The heap, now and then."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    found = []
    for _ in range(SAMPLES):
        page.wait_for_timeout(seconds / SAMPLES * 1000)
        found.append(heap_of(session))
    return found


@pytest.mark.long
def test_pages_that_are_left_open_do_not_grow(shared_browser: Browser, shared_page: PageService) -> None:
    base = shared_page.base
    with (
        opened(shared_browser, base + BOOK) as book,
        opened(shared_browser, base + "/system") as system,
        opened(shared_browser, base + "/") as overview,
    ):
        pages = {"book": book, "system": system, "overview": overview}
        for page in pages.values():
            page.wait_for_selector("#badge[data-state=live]")
        began = time.monotonic()
        for name, page in pages.items():
            page.bring_to_front()
            heaps = sampled(page, SOAK_S / len(pages))
            early, late = statistics.median(heaps[1:4]), statistics.median(heaps[-3:])
            assert late - early < MOST_GROWTH, f"{name}: {[round(each / 2**20, 2) for each in heaps]} MiB"
        for page in pages.values():
            assert page.get_attribute("#badge", "data-state") == "live"
        assert time.monotonic() - began >= SOAK_S * 0.9
