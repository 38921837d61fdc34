"""The pictures of the pages in docs and README: ``make screenshots``, or ``python -m tests.e2e.screenshots``.

From a simulated market, and from the real sample CLX5 where it is there (DEPTHCAST_DATA): that begins in the
From a simulated market, and from the real sample CLX5 where that is there (DEPTHCAST_DATA): it begins in the
retouched.
"""

import base64
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as NotInTimeError

from tests.support.api_process import ApiProcess
from tests.support.browser import chromium, opened
from tests.support.feed_process import FeedProcess

ROOT: Final = Path(__file__).parents[2]
IMAGES: Final = ROOT / "docs" / "images"
MOST_BYTES: Final = 200 * 1024
SIMULATED: Final = "sim://cme?instruments=8&orders=3000&rate=3000"
CLX5: Final = "CLX5_mbo.dbn"


class Shot(NamedTuple):
    """One picture: of a page that has run for ``settle_s`` seconds, a queue shown or not."""

    name: str
    path: str
    settle_s: float
    width: int = 1440
    height: int = 900
    dark: bool = False
    queue: bool = False


SIMULATED_SHOTS: Final = (
    Shot("overview-light", "/", 1),
    Shot("overview-dark", "/", 1, dark=True),
    Shot("book-dark", "/books/XSIM.MBO:XES1", 45, height=1010, dark=True, queue=True),
    Shot("book-light", "/books/XSIM.MBO:XES1", 3, height=1010, queue=True),
    Shot("book-phone", "/books/XSIM.MBO:XES1", 2, width=390, height=844, dark=True),
    Shot("overview-phone", "/", 1, width=390, height=844),
    Shot("system-light", "/system", 3, height=1010),
    Shot("system-dark", "/system", 3, height=1010, dark=True),
)
CLX5_SHOTS: Final = (Shot("book-clx5", "/books/CLX5", 40, height=1010, dark=True, queue=True),)


def main() -> None:
    """Take those whose names are given, or all."""
    wanted = set(sys.argv[1:])
    folder = Path(os.environ.get("DEPTHCAST_DATA", ROOT / ".." / "shared" / "data"))
    sets: list[tuple[str, str, tuple[str, ...], tuple[Shot, ...]]]
    sets = [(SIMULATED, "XSIM.MBO", (), SIMULATED_SHOTS)]
    if (folder / CLX5).exists():
        file = str((folder / CLX5).resolve())
        sets.append((file, "GLBX.MDP3", ("--rate", "400", "--wait", "1"), CLX5_SHOTS))
    else:
        print(f"left out: CLX5 ({folder / CLX5} is absent; say with DEPTHCAST_DATA where it is)")
    IMAGES.mkdir(exist_ok=True)
    with chromium() as browser:
        for source, dataset, arguments, shots in sets:
            chosen = [shot for shot in shots if not wanted or shot.name in wanted]
            if chosen:
                with served(source, dataset, arguments) as base:
                    for shot in chosen:
                        take(browser, base, shot)


@contextlib.contextmanager
def served(source: str, dataset: str, arguments: tuple[str, ...]) -> Iterator[str]:
    """A feed, an API over it that has run for some seconds, and where that is."""
    with (
        tempfile.TemporaryDirectory() as folder,
        FeedProcess(source, "--journal", "none", *arguments, cwd=Path(folder)) as feed,
        ApiProcess(f"127.0.0.1:{feed.port}/{dataset}", cwd=Path(folder)) as api,
    ):
        base = f"http://127.0.0.1:{api.ready().port}"
        time.sleep(20)
        yield base


def take(browser: Browser, base: str, shot: Shot) -> None:
    """Take a picture, and write it as small as it must be."""
    with opened(browser, base + shot.path, width=shot.width, height=shot.height, dark=shot.dark) as page:
        page.wait_for_selector("#badge:is([data-state=live], [data-state=incomplete])")
        page.wait_for_timeout(shot.settle_s * 1000)
        if shot.queue:
            show_queue(page)
        picture = seen(page)
    path = IMAGES / f"{shot.name}.webp"
    path.write_bytes(picture)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def seen(page: Page) -> bytes:
    """What the window shows, as WebP."""
    session = page.context.new_cdp_session(page)
    for quality in (90, 80, 65, 50):
        taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
        picture = base64.b64decode(taken["data"])
        if len(picture) < MOST_BYTES:
            return picture
    raise RuntimeError(f"{page.url}: the picture has {len(picture):,} bytes")


def show_queue(page: Page) -> None:
    """Choose a price near the best bid, and an order in its queue if it is still there."""
    page.locator("#ladder tr.b").nth(2).dispatch_event("click")
    page.wait_for_selector("#queue .orders button")
    with contextlib.suppress(NotInTimeError):
        page.locator("#queue .orders button").last.dispatch_event("click", timeout=2_000)
        page.wait_for_selector("#queue .follow", timeout=2_000)
    page.mouse.move(0, 0)
    page.wait_for_timeout(600)


if __name__ == "__main__":
    main()
