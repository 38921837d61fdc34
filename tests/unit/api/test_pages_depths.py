"""What a heat map begins with: levels in few numbers, of the books that are looked at."""

import asyncio
from array import array
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from depthcast.api.pages.depths import KEPT_S, MOST_BOOKS, Depths, encoded
from tests.support.api_service import Api, api_over
from tests.support.api_world import feed_of_the_world

TICK = 250_000_000


def decoded(numbers: list[int], direction: int) -> list[tuple[int, int]]:
    """The levels again: as the page reads them."""
    if not numbers:
        return []
    row, found = numbers[0], []
    for number in numbers[1:]:
        if number > 0:
            found.append((row, number))
        row += direction * max(1, -number)
    return found


@given(st.dictionaries(st.integers(-500, 500), st.integers(1, 2**32 - 1), max_size=60), st.booleans())
def test_a_side_in_few_numbers_is_the_side(levels: dict[int, int], ask: bool) -> None:
    rows = sorted(levels, reverse=not ask)
    side = array("q", [number for row in rows for number in (row * TICK, levels[row])])
    numbers = encoded(side, TICK)
    assert numbers is not None
    assert decoded(numbers, 1 if ask else -1) == [(row, levels[row]) for row in rows]


def test_a_price_off_the_tick_cannot_be_said() -> None:
    assert encoded(array("q", [TICK, 5, TICK + 1, 5]), TICK) is None


def test_the_books_that_were_looked_at_longest_ago_make_room() -> None:
    async def test(api: Api) -> None:
        depths, market = Depths(), api.services.market
        listing = market.find("CLX5")
        depths.sample(listing, 1, 1)
        depths.sample(listing, 1, 1)
        for ts_event in range(2, KEPT_S + 10):
            depths.sample(listing, ts_event, 1)
        kept = depths.history(listing)
        assert len(kept) == KEPT_S
        assert kept[-1].bids[0] == 64_790_000_000
        for number in range(MOST_BOOKS):
            depths._kept[("other", number)] = depths._kept[next(iter(depths._kept))]
        depths.look(listing)
        assert len(depths._kept) == MOST_BOOKS
        assert depths.history(listing) == kept

    asked(test)


def test_the_samples_of_a_book_are_sent_and_a_book_of_the_past_needs_a_journal() -> None:
    async def test(api: Api) -> None:
        board, listing = api.app.state.site.board, api.services.market.find("CLX5")
        board.sample(listing)
        answer = (await api.get("/books/CLX5/levels")).json()
        (sample,) = answer["samples"]
        assert int(answer["tick"]) * sample[1][0] == 64_790_000_000
        stored = (await api.get("/books/CLX5/stored")).json()
        assert stored == {"bbo": {}, "trades": {}}
        past = await api.get("/books/CLX5?at=2025-09-24T20:00:00Z")
        assert past.status_code >= 400
        assert "journal" in past.text
        assert past.headers["content-type"].startswith("text/html")
        assert (await api.get("/books/CLX5?at=yesterday")).status_code == 422

    asked(test)


def test_one_publishers_page_is_served_with_its_book_and_groups_add_up() -> None:
    async def test(api: Api) -> None:
        book = (await api.get("/v1/books/ESZ5?publisher=1&depth=1")).json()
        html = (await api.get("/books/ESZ5?publisher=1&group=5&depth=10")).text
        assert "publishers added up" not in html
        assert f'id="q-bid-size">{book["bids"][0]["size"]:,}<' in html
        assert html.count('<th scope="row" class="p">') == 21
        assert "publisher=1" in html

    asked(test)


def asked(test: Any) -> None:
    async def run() -> None:
        async with api_over(feed_of_the_world()) as api:
            await test(api)

    asyncio.run(run())
