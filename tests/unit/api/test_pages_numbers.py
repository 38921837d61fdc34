"""Numbers as the page shows them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.api.pages.ladder import CARRIED, DEPTHS, GROUPS, Choices, grouped, ladder
from depthcast.api.pages.numbers import Grid, clock_text, grid_of, points, price_text, rate_text, signed_text
from depthcast.book.types import Level

PX = 1_000_000_000


def levels(*prices: float) -> list[Level]:
    return [Level(round(price * PX), 5, 1) for price in prices]


@given(st.integers(-(2**62), 2**62), st.integers(0, 9))
def test_a_price_is_shown_exactly_however_many_decimals_are_asked_for(price: int, decimals: int) -> None:
    text = price_text(price, decimals)
    assert Decimal(text) == Decimal(price).scaleb(-9)
    assert len(text.partition(".")[2]) >= decimals


def test_prices_have_their_trailing_zeros_and_no_point_without_a_fraction() -> None:
    assert price_text(64_700_000_000, 2) == "64.70"
    assert price_text(-3_250_000_000, 1) == "-3.25"
    assert price_text(6_000 * PX, 0) == "6000"
    assert price_text(None, 2) == "–"


def test_differences_have_their_sign_and_none_has_none() -> None:
    assert signed_text(250_000_000, 2) == "+0.25"
    assert signed_text(-250_000_000, 2) == "-0.25"
    assert signed_text(0, 2) == "0.00"


def test_a_rate_has_a_decimal_only_where_it_is_low() -> None:
    assert [rate_text(each) for each in (None, 0.04, 9.96, 1234.5)] == ["–", "0.0", "10.0", "1,234"]


def test_a_time_of_day_is_cut_to_milliseconds() -> None:
    assert clock_text(1_758_742_200_999_999_999) == "19:30:00.999"


def test_the_grid_is_the_definitions_where_all_levels_are_on_it() -> None:
    assert grid_of(10_000_000, levels(64.7, 64.69), levels(64.8)) == Grid(10_000_000, 2)


def test_without_a_definition_the_grid_is_the_coarsest_with_all_levels_on_it() -> None:
    assert grid_of(None, levels(6000.0, 5999.75), levels(6000.5)) == Grid(250_000_000, 2)
    assert grid_of(None, levels(112.375, 112.359375), []) == Grid(15_625_000, 6)


def test_levels_off_the_definitions_tick_are_shown_all_the_same() -> None:
    assert grid_of(250_000_000, levels(10.25, 10.1), []).tick == 50_000_000


def test_an_empty_book_has_the_definitions_grid_or_one_of_cents() -> None:
    assert grid_of(PX // 4, [], []) == Grid(PX // 4, 2)
    assert grid_of(None, [], []) == Grid(PX // 100, 2)


def test_the_ladder_has_a_row_a_tick_around_the_middle() -> None:
    bids, asks = levels(9.75, 9.5), levels(10.25)
    rows = ladder(Grid(PX // 4, 2), bids, asks, rows=5)
    assert [row.price for row in rows] == [round(each * PX) for each in (10.5, 10.25, 10.0, 9.75, 9.5)]
    assert [(row.bid, row.ask) for row in rows] == [
        (None, None), (None, asks[0]), (None, None), (bids[0], None), (bids[1], None),
    ]  # fmt: skip


def test_the_ladder_of_an_empty_book_has_no_rows_and_of_negative_prices_has_them_in_order() -> None:
    assert ladder(Grid(PX, 0), [], [], 31) == []
    prices = [row.price for row in ladder(Grid(PX, 0), levels(-3), levels(-2), rows=3)]
    assert prices == [-2 * PX, -3 * PX, -4 * PX]


@pytest.mark.parametrize("values", [[], [None], [5], [None, 5]])
def test_a_line_needs_two_points(values: list[int | None]) -> None:
    assert points(values, 10, 10) == ""


def test_a_line_spans_the_picture_and_a_flat_one_runs_through_its_middle() -> None:
    assert points([1, None, 3, 2], 10, 20) == "0.0,20.0 5.0,0.0 10.0,10.0"
    assert points([7, 7], 10, 20) == "0.0,10.0 10.0,10.0"


@given(st.lists(st.integers(-400, 400), min_size=1, unique=True), st.sampled_from(GROUPS), st.booleans())
def test_grouped_levels_add_up_and_never_come_nearer_to_the_other_side(
    ticks: list[int], group: int, ask: bool
) -> None:
    side = [Level(tick, abs(tick) + 1, 1) for tick in sorted(ticks, reverse=not ask)]
    found = grouped(side, group, ask=ask)
    assert sum(level.size for level in found) == sum(level.size for level in side)
    assert sum(level.count for level in found) == len(side)
    prices = [level.price for level in found]
    assert prices == sorted(set(prices), reverse=not ask)
    assert all(price % group == 0 for price in prices)
    assert (prices[0] >= side[0].price) if ask else (prices[0] <= side[0].price)


def test_choices_without_a_sense_are_as_if_they_were_not_there() -> None:
    query = {"group": "3", "depth": "x", "minutes": "²", "publisher": "7"}
    assert Choices.of(query, [1, 2]) == Choices()
    chosen = Choices.of({"group": "5", "depth": "100", "minutes": "15", "publisher": "2"}, [1, 2])
    assert chosen == (5, 100, 15, 2)


def test_the_stream_carries_as_many_levels_as_the_groups_need_or_the_most_there_are() -> None:
    for group in GROUPS:
        for depth in DEPTHS:
            carried = Choices(group=group, depth=depth).carried
            assert carried in CARRIED
            assert carried >= min(group * depth, 500)
