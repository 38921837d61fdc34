"""Token buckets: what a client may ask at once, and in the long run."""

from hypothesis import given
from hypothesis import strategies as st

from depthcast.api.limits import Buckets


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


def test_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(2.0, 3, monotonic=clock)
    assert [buckets.take("a").granted for _ in range(5)] == [True, True, True, False, False]
    assert buckets.refused == 2
    clock.s += 0.5
    assert [buckets.take("a").granted for _ in range(2)] == [True, False]
    clock.s += 1_000
    assert buckets.take("a").remaining == 2


def test_what_is_left_is_told() -> None:
    clock = Clock()
    buckets = Buckets(0.5, 2, monotonic=clock)
    assert buckets.policy == '"requests";q=2;w=4'
    assert buckets.take("a") == (True, 1, 2, 0)
    assert buckets.take("a") == (True, 0, 4, 2)
    assert buckets.take("a") == (False, 0, 4, 2)
    clock.s += 1
    assert buckets.take("a") == (False, 0, 3, 1)


def test_clients_do_not_share() -> None:
    buckets = Buckets(1.0, 1, monotonic=Clock())
    assert buckets.take("a").granted
    assert buckets.take("b").granted
    assert not buckets.take("a").granted


def test_a_large_answer_is_paid_later() -> None:
    clock = Clock()
    buckets = Buckets(1.0, 5, monotonic=clock)
    buckets.take("a")
    assert buckets.charge("a", 10).retry_s == 7
    clock.s += 6
    assert not buckets.take("a").granted
    clock.s += 1
    assert buckets.take("a").granted


def test_the_table_is_bounded_and_forgets_who_was_not_seen_longest() -> None:
    buckets = Buckets(1.0, 1, capacity=2, monotonic=Clock())
    for client in ("a", "b", "a", "c"):
        buckets.take(client)
    assert len(buckets) == 2
    assert not buckets.take("a").granted
    assert buckets.take("b").granted


@given(
    st.floats(0.1, 1_000),
    st.integers(1, 100),
    st.lists(st.tuples(st.floats(0, 10), st.integers(1, 20)), max_size=60),
)
def test_never_more_than_burst_and_rate(rate: float, burst: int, visits: list[tuple[float, int]]) -> None:
    clock = Clock()
    buckets = Buckets(rate, burst, monotonic=clock)
    begin, granted = clock.s, 0
    for pause_s, times in visits:
        clock.s += pause_s
        granted += sum(buckets.take("a").granted for _ in range(times))
        assert granted <= burst + (clock.s - begin) * rate + 1e-6
        left = buckets.take("a")
        granted += left.granted
        assert 0 <= left.remaining <= burst
        assert (left.retry_s == 0) == (left.remaining >= 1)
