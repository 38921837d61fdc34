"""How soon a page shows what is live: ``python -m benchmarks.page``.

A feed, an API and Debian's Chromium share this machine. Counted is from the navigation, with an empty cache,
until the stream is open (the badge says live) and until a number has first changed after that. Beside it what
a page weighs, compressed, with all that it loads.
"""

import sys
from typing import Final

from playwright.sync_api import Browser
from rich.console import Console

from benchmarks.measure import spread_of
from benchmarks.report import grid
from benchmarks.serving.inputs import instruments_of
from benchmarks.serving.processes import ApiProcess
from benchmarks.streaming.inputs import small_input
from benchmarks.streaming.processes import FeedProcess
from tests.support.browser import chromium, opened

RECORDS: Final = 4_000_000
FEED_RATE: Final = 5_000
ROUNDS: Final = 5
WATCH: Final = """(selector) => {
  window.times = {};
  const note = (name) => (times[name] ??= performance.now());
  const look = () => {
    const badge = document.getElementById("badge");
    const place = document.querySelector(selector);
    if (!badge || !place) return requestAnimationFrame(look);
    const isLive = () => badge.dataset.state === "live" && document.body.dataset.state === "live";
    const said = () => isLive() && note("live");
    new MutationObserver(said).observe(badge, { attributes: true });
    new MutationObserver(said).observe(document.body, { attributes: true });
    new MutationObserver(() => note("changed")).observe(place, {
      characterData: true, childList: true, subtree: true,
    });
    said();
  };
  look();
}"""
"""Runs in the page before anything of it; what it finds is in ``times``."""


def main() -> None:
    """Measure and print."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    source = small_input(RECORDS)
    name = str(instruments_of(source.path, 1)[0])
    pages = {"/": ".market tbody", f"/books/{name}": "#ladder tbody", "/system": "#records-now"}
    table = grid("from the navigation, ms", "live", "first number changed", "least – greatest", "KB")
    pace = ["--rate", str(FEED_RATE), "--loop"]
    with FeedProcess(source.path, pace, wait=0, journal=None) as feed:
        feed.event("running")
        with ApiProcess(feed.port) as api, chromium() as browser:
            base = f"http://127.0.0.1:{api.port}"
            for path, place in pages.items():
                runs = [visit(browser, base, path, place) for _ in range(ROUNDS)]
                live, changed = (spread_of([run[part] for run in runs]) for part in ("live", "changed"))
                table.add_row(
                    path,
                    f"{live.median:.0f}",
                    f"{changed.median:.0f}",
                    f"{changed.least:.0f} – {changed.greatest:.0f}",
                    f"{runs[0]['bytes'] / 1024:.0f}",
                )
    console.print(table)


def visit(browser: Browser, base: str, path: str, place: str) -> dict[str, float]:
    """One navigation with an empty cache."""
    with opened(browser, base + "/sign-in") as page:
        page.add_init_script(f"({WATCH})({place!r})")
        page.goto(base + path)
        page.wait_for_function("() => times.live && times.changed")
        found: dict[str, float] = page.evaluate(
            """() => ({
              ...times,
              bytes: ["navigation", "resource"]
                .flatMap((kind) => performance.getEntriesByType(kind))
                .filter((each) => !each.name.includes("/v1/events"))
                .reduce((sum, each) => sum + each.transferSize, 0),
            })"""
        )
        return found


if __name__ == "__main__":
    main()
