"""The exhaustive search of its two smallest worlds. The full worlds are a long target: see search.py."""

import pytest

from depthcast.book.reference_book import ReferenceBook
from depthcast.book.reference_records import MboRecord
from tests.exhaustive.search import DifferenceError, explore
from tests.exhaustive.worlds import WORLDS


@pytest.mark.parametrize(("name", "states"), [("plain-small", 206), ("flags-small", 84)])
def test_the_engines_agree_in_every_state_of_a_small_world(name: str, states: int) -> None:
    world = WORLDS[name]()
    search = explore(world, walk_steps=20_000, seed=1, progress=print)
    assert len(search.paths) == states
    assert search.transitions == states * len(world.kinds)


def test_the_search_finds_a_rule_that_one_engine_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(book: ReferenceBook, record: MboRecord) -> None:
        """An engine that takes no notice of fills."""

    monkeypatch.setattr(ReferenceBook, "_fill", forget)
    with pytest.raises(DifferenceError, match=r" F N id=1 .*"):
        explore(WORLDS["plain-small"](), walk_steps=0, seed=1, progress=print)
