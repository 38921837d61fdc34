"""A short run of the soak: a few seeds of every domain. The long run is soak_differential.py itself."""

from tests.property.soak_differential import Coverage, episode
from tests.support.domains import DOMAINS


def test_the_engines_agree_on_random_feeds_and_the_feeds_reach_every_counter() -> None:
    coverage = Coverage()
    for seed in range(2 * len(DOMAINS)):
        episode(seed, coverage, records=1_000)
    never = {name for name, count in coverage.counters.items() if not count}
    assert not never, f"the feeds never reach {never}"
