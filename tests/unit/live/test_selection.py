"""Sets of instruments, some or all but some: the algebra that subscriptions add up by."""

from hypothesis import given
from hypothesis import strategies as st

from depthcast.live.selection import ALL, NONE, Selection, selection_of

WORLD = range(12)
"""One more instrument than any selection names stands for all the others."""
selections = st.builds(Selection, st.frozensets(st.integers(0, 10), max_size=8), st.booleans())


def members(selection: Selection) -> set[int]:
    return {number for number in WORLD if number in selection}


@given(selections, selections)
def test_the_algebra_is_that_of_sets(one: Selection, other: Selection) -> None:
    assert members(one.union(other)) == members(one) | members(other)
    assert members(one.minus(other)) == members(one) - members(other)
    assert members(one.complement()) == set(WORLD) - members(one)
    assert one.overlaps(other) == bool(members(one) & members(other))
    assert one.empty == (not members(one))


def test_all_and_none() -> None:
    assert selection_of(None) == ALL
    assert selection_of([]) == NONE
    assert ALL.minus(selection_of([3])) == Selection(frozenset({3}), inverted=True)
    assert ALL.minus(ALL).empty
