"""What is gathered over the seconds of books equals what a plain loop over all of the rows makes."""

from itertools import pairwise
from typing import Any, Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from depthcast.store.buckets import BAR, KEY, Given, Keys, Seconds, fold_bars, fold_last

LEAST, MOST = -(2**63), 2**63 - 1
QUOTE: Final = np.dtype([*KEY, ("position", "<i8"), ("updates", "<i8")])

trades = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 2**63 + 7]),
        st.integers(0, 12),
        st.none() | st.integers(LEAST, MOST - 1),
        st.integers(0, 2**32 - 2),
    ),
    max_size=60,
)
cuts = st.lists(st.integers(0, 60), max_size=6)


def _pieces(rows: NDArray[np.void], cuts: list[int]) -> list[NDArray[np.void]]:
    places = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    return [rows[begin:end] for begin, end in pairwise(places)]


def _bars(found: list[tuple[int, int, int | None, int]]) -> NDArray[np.void]:
    rows = np.zeros(len(found), BAR)
    for row, (book, second, price, size) in zip(rows, found, strict=True):
        row["book"], row["second"] = book, second
        row["priced"] = price is not None
        row["open"] = row["low"] = row["close"] = MOST if price is None else price
        row["high"] = LEAST if price is None else price
        row["volume"], row["trades"] = size, 1
    return rows


def _plainly(found: list[tuple[int, int, int | None, int]]) -> dict[tuple[int, int], tuple[Any, ...]]:
    of: dict[tuple[int, int], list[tuple[int | None, int]]] = {}
    for book, second, price, size in found:
        of.setdefault((book, second), []).append((price, size))
    bars = {}
    for key, each in of.items():
        prices = [price for price, _ in each if price is not None]
        ends = (prices[0], max(prices), min(prices), prices[-1]) if prices else None
        bars[key] = (ends, sum(size for _, size in each), len(each))
    return bars


def _shown(rows: NDArray[np.void]) -> list[tuple[tuple[int, int], tuple[Any, ...]]]:
    shown = []
    for row in rows:
        names = ("open", "high", "low", "close")
        ends = tuple(int(row[name]) for name in names) if row["priced"] else None
        rest = (ends, int(row["volume"]), int(row["trades"]))
        shown.append(((int(row["book"]), int(row["second"])), rest))
    return shown


def _gathered(seconds: Seconds, pieces: list[NDArray[np.void]]) -> list[Given]:
    return [*(seconds.add(piece) for piece in pieces), seconds.rest()]


@given(trades, cuts)
def test_a_bar_that_no_late_trade_belongs_to_is_the_bar_of_all_its_trades(
    found: list[tuple[int, int, int | None, int]], cuts: list[int]
) -> None:
    given = _gathered(Seconds(BAR, fold_bars), _pieces(_bars(found), cuts))
    whole = [each for part in given for rows in part[:2] for each in _shown(rows)]
    late = {key for part in given for key, _ in _shown(part.late)}
    expected = _plainly(found)
    assert len(dict(whole)) == len(whole)
    assert dict(whole).keys() | late == expected.keys()
    assert {key: bar for key, bar in whole if key not in late} == {
        key: bar for key, bar in expected.items() if key not in late
    }


@given(trades, cuts)
def test_nothing_is_late_or_twice_while_times_do_not_go_back(
    found: list[tuple[int, int, int | None, int]], cuts: list[int]
) -> None:
    found = sorted(found, key=lambda each: each[1])
    given = _gathered(Seconds(BAR, fold_bars), _pieces(_bars(found), cuts))
    assert all(len(part.late) == 0 for part in given)
    whole = [each for part in given for rows in part[:2] for each in _shown(rows)]
    assert sorted(whole) == sorted(_plainly(found).items())
    inner = {key[1] for part in given for key, _ in _shown(part.inner)}
    if found:
        assert inner <= set(range(found[0][1] + 2, found[-1][1] - 1))


@given(trades, cuts)
def test_the_last_of_a_second_and_how_many_there_were_do_not_depend_on_the_pieces(
    found: list[tuple[int, int, int | None, int]], cuts: list[int]
) -> None:
    found = sorted(found, key=lambda each: each[1])
    rows = np.zeros(len(found), QUOTE)
    rows["book"] = np.array([each[0] for each in found], np.uint64)
    rows["second"] = [each[1] for each in found]
    rows["position"] = np.arange(len(found))
    rows["updates"] = 1
    expected: dict[tuple[int, int], tuple[int, int]] = {}
    for position, (book, second, *_) in enumerate(found):
        expected[book, second] = (position, expected.get((book, second), (0, 0))[1] + 1)
    given = _gathered(Seconds(QUOTE, fold_last), _pieces(rows, cuts))
    assert {
        (int(row["book"]), int(row["second"])): (int(row["position"]), int(row["updates"]))
        for part in given
        for rows in part
        for row in rows
    } == expected


@given(trades, cuts)
def test_an_interval_is_named_once(found: list[tuple[int, int, int | None, int]], cuts: list[int]) -> None:
    keys = Keys()
    for piece in _pieces(_bars(found), cuts):
        keys.add(piece, 5)
        if len(piece) % 2:
            keys.all()
    named = [(int(row["book"]), int(row["second"])) for row in keys.all()]
    assert named == sorted({(book, second - second % 5) for book, second, *_ in found})
