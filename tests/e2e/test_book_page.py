"""The page of a book in a real browser, over a live feed of two publishers: every number is the API's."""

import json
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

SOURCE = "sim://cme,nasdaq?instruments=2&orders=300&rate=150"
DATASET = "XSIM.MBO"
BOOK = f"/books/{DATASET}:XES1"
TICK = 250_000_000
PX = 1_000_000_000
ONE = f"{BOOK}?publisher=65001"
"""The two venues know nothing of each other: together their books are mostly crossed."""
LIVE = "#badge[data-state=live]"

MODULE = "document.querySelector('script[type=module]').src"
COMPARED = f"""async ([path, tries]) => {{
  const page = await import({MODULE});
  const rows = () => [...document.querySelectorAll('#ladder tbody tr')]
    .map((row) => [...row.cells].map((cell) => cell.textContent));
  for (let i = 0; i < tries; i++) {{
    const answer = await (await fetch(path, {{ cache: 'no-store' }})).json();
    for (let wait = 0; wait < 12; wait++) {{
      if (page.version() === answer.status.version.ts_event) return [answer, rows()];
      await new Promise((done) => setTimeout(done, 10));
    }}
  }}
  return null;
}}"""
"""The API's answer, and the ladder when it shows the very same version of the book."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def base(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("book")
    with (
        FeedProcess(SOURCE, "--speed", "1", "--journal", "none", cwd=folder) as feed,
        ApiProcess(f"127.0.0.1:{feed.port}/{DATASET}", cwd=folder) as api,
    ):
        yield f"http://127.0.0.1:{api.ready().port}"


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - of this machine
        return json.load(answer)


def compared(page: Page, query: str) -> tuple[Any, list[list[str]]]:
    """The API's answer and the ladder's rows, of one version of the book."""
    found = page.evaluate(COMPARED, [f"/v1{BOOK}?{query}", 400])
    assert found is not None, "the page never showed a version that the API answered with"
    return found[0], found[1]


def units(price: str) -> int:
    whole, _, fraction = price.partition(".")
    return int(whole) * PX + int(fraction.ljust(9, "0"))


def expected(levels: list[dict[str, Any]], group: int, *, ask: bool) -> dict[int, tuple[str, str]]:
    """Sizes and orders as the ladder writes them, by the price they are shown under."""
    sums: dict[int, list[int]] = {}
    step = TICK * group
    for level in levels:
        price = units(level["price"])
        shown = -(-price // step) * step if ask else price // step * step
        sum_ = sums.setdefault(shown, [0, 0])
        sum_[0] += level["size"]
        sum_[1] += level["count"]
    return {price: (f"{size:,}", f"{count:,}") for price, (size, count) in sums.items()}


def check(answer: Any, rows: list[list[str]], group: int = 1) -> int:
    """Every row of the ladder is what the answer adds up to; how many rows have a size."""
    bids = expected(answer["bids"], group, ask=False)
    asks = expected(answer["asks"], group, ask=True)
    empty = ("", "")
    for bid_orders, bid, price, ask, ask_orders in rows:
        at = units(price)
        assert (bid, bid_orders) == bids.get(at, empty), price
        assert (ask, ask_orders) == asks.get(at, empty), price
    return sum(bool(row[1] or row[3]) for row in rows)


def test_the_ladder_is_the_books_of_all_publishers_or_of_one_as_the_api_has_them(
    browser: Browser, base: str
) -> None:
    with opened(browser, base + BOOK) as page:
        assert "2 publishers added up" in page.inner_text(".head")
        answer, rows = compared(page, "depth=50")
        assert answer["metadata"]["publisher_id"] is None
        assert check(answer, rows) > 30
        page.wait_for_selector(f"#badge[data-state={answer['status']['top'].replace('normal', 'live')}]")
        names = page.locator("select[name=publisher] option").all_inner_texts()
        assert names == ["together", "65001", "65002"]
        page.select_option("select[name=publisher]", "65002")
        page.wait_for_url("**publisher=65002*")
        page.wait_for_selector(LIVE)
        answer, rows = compared(page, "depth=50&publisher=65002")
        assert answer["metadata"]["publisher_id"] == 65002
        assert check(answer, rows) > 20
        page.click("#ladder tr.b.best")
        page.wait_for_selector("#queue .orders button")


def test_grouped_prices_add_up_exactly_and_stay_in_the_address(browser: Browser, base: str) -> None:
    with opened(browser, base + ONE) as page:
        page.wait_for_selector(LIVE)
        page.select_option("select[name=group]", "5")
        page.wait_for_url("**group=5*")
        page.wait_for_selector(LIVE)
        answer, rows = compared(page, "depth=0&publisher=65001")
        assert {units(row[2]) % (5 * TICK) for row in rows} == {0}
        assert check(answer, rows, 5) > 10
        page.select_option("select[name=depth]", "10")
        page.wait_for_url("**depth=10*")
        assert len(compared(page, "depth=0&publisher=65001")[1]) == 21
        address = page.url
    with opened(browser, address) as page:
        served = page.locator("#ladder tbody tr").count()
        page.wait_for_selector(LIVE)
        answer, rows = compared(page, "depth=0&publisher=65001")
        assert served == len(rows) == 21
        assert check(answer, rows, 5) > 5


PICTURED = f"""async () => {{
  const {{ heat, heatMap: map, version }} = await import({MODULE});
  const {{ plane, grid }} = map;
  map.hold(true);
  const next = () => new Promise((done) => requestAnimationFrame(done));
  do {{ map.draw(); await next(); await next(); }} while (map.frame || version() === null);
  const found = [];
  const rows = [...document.querySelectorAll('#ladder tbody tr')];
  const [bid] = heat.best(heat.newest);
  for (const row of rows) {{
    const [, size, text] = [...row.cells].map((cell) => cell.textContent);
    const at = Math.round(Number(text) * 1e9);
    const price = BigInt(at);
    const bucket = grid.row(price);
    if (!size || bid - bucket < 4) continue;
    const y = map.y(bucket) + map.rowHeight / 2;
    if (y < 0 || y > map.height) continue;
    const x = map.width - 3;
    const pixel = [...map.context.getImageData(x * map.unit, y * map.unit, 1, 1).data.slice(0, 3)];
    const kept = heat.sizeAt(heat.now, price);
    found.push({{ text, size: Number(size.replaceAll(',', '')), kept, pixel,
      there: map.reading({{ x: x + 0.5, y }}).size }});
  }}
  return {{ found, scale: plane.scale, ground: map.colour['heat-0'] }};
}}"""


def test_the_heat_map_shows_the_sizes_of_the_ladder_the_larger_the_stronger(
    browser: Browser, base: str
) -> None:
    with opened(browser, base + ONE, dark=True) as page:
        page.wait_for_selector(LIVE)
        page.wait_for_function("() => document.getElementById('heat-scale').textContent.length > 1")
        seen = page.evaluate(PICTURED)
        levels = seen["found"]
        assert len(levels) >= 8
        for level in levels:
            assert level["kept"] == level["size"], level
        brightness = [sum(level["pixel"]) for level in sorted(levels, key=lambda level: level["there"])]
        assert brightness == sorted(brightness)
        assert brightness[-1] > brightness[0]
        before = page.evaluate(DIGEST)
        page.wait_for_function(f"async before => await ({DIGEST})() !== before", arg=before)
        words = page.text_content("#heat-words") or ""
        assert "Largest bids now" in words


DIGEST = """async () => {
  const canvas = document.querySelector('#heat canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const digest = await crypto.subtle.digest('SHA-256', data);
  return [...new Uint8Array(digest)].join();
}"""


def test_the_heat_map_begins_with_what_the_server_sampled_and_keeps_what_it_showed(
    browser: Browser, base: str
) -> None:
    with opened(browser, base + ONE) as page:
        page.wait_for_selector(LIVE)
        page.wait_for_function(
            f"async () => {{ const {{ heat }} = await import({MODULE});"
            " return heat.newest - heat.oldest > 15; }"
        )
        # A column never changes once its time is over.
        steady = page.evaluate(
            f"""async () => {{
              const {{ heat }} = await import({MODULE});
              const read = (column) => {{
                const found = [];
                heat.each(column, (...cell) => found.push(cell.join()));
                return found.join(" ");
              }};
              const column = heat.newest - 1;
              const before = read(column);
              await new Promise((done) => setTimeout(done, 700));
              return [before.length, before === read(column), heat.newest - column];
            }}"""
        )
        assert steady[0] > 100
        assert steady[1]
        assert steady[2] > 3


def test_zoom_and_hold_are_kept_and_what_is_pointed_at_is_said(browser: Browser, base: str) -> None:
    with opened(browser, base + ONE) as page:
        page.wait_for_selector(LIVE)
        page.wait_for_function("() => document.getElementById('heat-scale').textContent.length > 1")
        rows = f"async () => (await import({MODULE})).heatMap.rows"
        before = page.evaluate(rows)
        page.click("#heat-in")
        page.wait_for_function(f"async before => await ({rows})() < before", arg=before)
        page.keyboard.press("f")
        assert page.get_attribute("#heat-hold", "aria-pressed") == "true"
        box = page.locator("#heat").bounding_box()
        assert box is not None
        width = page.evaluate(f"async () => (await import({MODULE})).heatMap.width")
        page.mouse.move(box["x"] + width - 6, box["y"] + 100)
        page.wait_for_function("() => /resting$/.test(document.getElementById('heat-reading').innerText)")


def test_a_browser_without_power_shows_the_newest_state_all_the_same(browser: Browser, base: str) -> None:
    with opened(browser, base + ONE) as page:
        session = page.context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": 6})
        page.wait_for_selector(LIVE)
        time.sleep(3)
        lags = []
        for _ in range(3):
            newest = int(asked(f"{base}/v1{BOOK}/bbo?publisher=65001")["status"]["version"]["ts_event"])
            shown = page.evaluate(f"async () => (await import({MODULE})).heat.now")
            lags.append(newest / 1e6 - shown)
        assert min(lags) < 1_500, lags


def test_after_a_lost_feed_the_heat_map_has_a_gap_where_nothing_was_known(
    browser: Browser, tmp_path: Path
) -> None:
    with FeedProcess(SOURCE, "--speed", "1", "--journal", "none", cwd=tmp_path) as feed:
        port = feed.port
        with ApiProcess(f"127.0.0.1:{port}/{DATASET}", cwd=tmp_path) as api:
            url = f"http://127.0.0.1:{api.ready().port}"
            with opened(browser, url + ONE) as page:
                page.wait_for_selector(LIVE)
                time.sleep(1)
                feed.process.kill()
                page.wait_for_selector("#badge[data-state=stale]", timeout=4_000)
                lost = page.evaluate(f"async () => (await import({MODULE})).heat.newest")
                again = (SOURCE, "--speed", "1", "--journal", "none", "--listen", f"127.0.0.1:{port}")
                with FeedProcess(*again, cwd=tmp_path):
                    page.wait_for_selector(LIVE, timeout=20_000)
                    page.wait_for_function(
                        f"async lost => (await import({MODULE})).heat.newest > lost + 3", arg=lost
                    )
                    blank = page.evaluate(
                        f"""async lost => {{
                          const {{ heat }} = await import({MODULE});
                          const sizes = [];
                          for (let column = lost - 5; column <= heat.newest; column++) {{
                            let count = 0;
                            heat.each(column, () => count++);
                            sizes.push(count);
                          }}
                          return sizes;
                        }}""",
                        lost,
                    )
                    assert blank[0] > 0
                    assert blank[-1] > 0
                    assert 0 in blank
