"""When records are due, by each pace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.dbn import forms
from depthcast.dbn.layout import MBO_SIZE, UNDEF_TIMESTAMP
from depthcast.errors import UsageError
from depthcast.feed.cuts import event_cut
from depthcast.feed.schedule import AtOnce, Even, Original
from tests.support.records import add, status
from tests.support.sources import Bench, ListSource, split

MS = 1_000_000
START = 1_000_000_000
BATCH = 64 << 10


def orders(count: int, **fields: int) -> bytes:
    return b"".join(add(number, "B", 100, 1, **fields) for number in range(count))


def timed(*times: int) -> bytes:
    return b"".join(add(number, "B", 100, 1, ts_recv=time) for number, time in enumerate(times))


@pytest.mark.parametrize("rate", [7, 1_000, 50_000, 333_333, 1_000_000])
@pytest.mark.parametrize("chunk", [1, 37, 1_000])
def test_at_a_rate_every_record_goes_within_a_burst_before_its_time(rate: int, chunk: int) -> None:
    bench = Bench(Even(rate, 250_000, BATCH))
    total = 2_000 if rate > 10 else 20
    data = orders(total)
    step = chunk * MBO_SIZE
    bench.start(ListSource(*(data[at : at + step] for at in range(0, len(data), step))))
    bench.run_until(START + 10 * 1_000_000_000)
    assert bench.data == data
    given = 0
    for burst in bench.published:
        due_ns = START + given * 1e9 / rate
        assert due_ns - 250_000 <= burst.at_ns <= due_ns + 1
        assert burst.due_ns <= burst.at_ns
        given += burst.count
    assert bench.ends == [None]


def test_at_a_rate_bursts_are_even() -> None:
    bench = Bench(Even(500_000, 250_000, BATCH))
    bench.start(ListSource(orders(50_000)))
    bench.run_until(START + 90 * MS)
    assert len(bench.published) == 361
    assert {burst.count for burst in bench.published} == {125}
    assert [burst.due_ns - START for burst in bench.published[:4]] == [0, 250_000, 500_000, 750_000]


def test_a_burst_ends_with_an_event() -> None:
    event = add(1, "B", 100, 1, flags=0) * 6 + add(2, "B", 100, 1)
    bench = Bench(Even(1_000_000, 10_000, BATCH))
    bench.start(ListSource(event * 300))
    bench.run_until(START + 1_000 * MS)
    assert all(burst.count % 7 == 0 for burst in bench.published)
    assert bench.data == event * 300
    last = bench.published[-1]
    assert last.at_ns == pytest.approx(START + (2_100 - last.count) * 1_000, abs=10_000)


def test_a_long_event_is_cut_at_the_limit() -> None:
    bench = Bench(Even(1_000_000, 10_000, 100 * MBO_SIZE))
    bench.start(ListSource(add(1, "B", 100, 1, flags=0) * 1_000))
    bench.run_until(START + 10 * MS)
    assert len(bench.data) == 1_000 * MBO_SIZE
    assert max(burst.count for burst in bench.published) == 100


def test_after_a_stall_the_schedule_stands() -> None:
    bench = Bench(Even(100_000, 250_000, BATCH))
    bench.start(ListSource(orders(400_000)))
    bench.run_until(START + 100 * MS)
    bench.now_ns += 1_500 * MS  # nothing ran
    before = sum(burst.count for burst in bench.published)
    bench.run_until(bench.now_ns)
    late = [burst for burst in bench.published if burst.at_ns - burst.due_ns > MS]
    assert sum(burst.count for burst in bench.published) - before == pytest.approx(150_000, abs=30)
    assert late[0].due_ns == pytest.approx(START + 100 * MS, abs=MS)
    assert max(len(burst.data) for burst in bench.published) <= BATCH
    bench.run_until(START + 2_000 * MS)
    assert sum(burst.count for burst in bench.published) == pytest.approx(200_000, abs=30)


def test_at_original_speed_records_go_at_their_time_and_those_of_one_instant_together() -> None:
    bench = Bench(Original(1.0, BATCH))
    bench.start(ListSource(timed(5_000, 5_000, 9_000, 9_000, 9_000, 2_005_000)))
    bench.run_until(START + 10 * MS)
    assert [(burst.count, burst.due_ns - START) for burst in bench.published] == [
        (2, 0),
        (3, 4_001),
        (1, 2_000_001),
    ]


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=40),
    st.sampled_from([0.001, 0.5, 1.0, 3.0, 1_000.0]),
    st.integers(1, 40),
)
def test_at_any_speed_no_record_is_early_and_none_late(steps: list[int], speed: float, chunk: int) -> None:
    times, now = [], 10**18
    for step in steps:
        now += step
        times.append(now)
    data = timed(*times)
    bench = Bench(Original(speed, BATCH))
    size = chunk * MBO_SIZE
    bench.start(ListSource(*(data[at : at + size] for at in range(0, len(data), size))))
    bench.run_until(START + int((times[-1] - times[0]) / speed) + 10)
    assert bench.data == data
    for burst in bench.published:
        if burst.count:
            due_ns = START + (forms.first_ts_recv(burst.data) - times[0]) / speed
            assert burst.due_ns == pytest.approx(due_ns, abs=2 + 1e-15 * due_ns)
            assert burst.at_ns == burst.due_ns


def test_what_comes_before_the_first_mbo_record_goes_at_once() -> None:
    old = status(7)
    bench = Bench(Original(1.0, BATCH))
    bench.start(ListSource(old + old + timed(10**15, 10**15 + 1_000)))
    assert [burst.count for burst in bench.published] == [2, 1]
    bench.run_until(START + MS)
    assert [burst.count for burst in bench.published] == [2, 1, 1]


def test_undefined_and_earlier_times_go_with_the_record_before() -> None:
    data = timed(1_000, UNDEF_TIMESTAMP, 500, 2_000, UNDEF_TIMESTAMP)
    bench = Bench(Original(1.0, BATCH))
    bench.start(ListSource(*split(data)))
    bench.run_until(START + MS)
    assert bench.data == data
    assert [burst.at_ns - START for burst in bench.published] == [0, 0, 0, 1_001, 1_001]
    assert [burst.due_ns - START for burst in bench.published] == [0, 0, 0, 1_001, 1_001]


def test_a_source_without_any_time_goes_at_once() -> None:
    bench = Bench(Original(1.0, BATCH))
    bench.start(ListSource(timed(UNDEF_TIMESTAMP, UNDEF_TIMESTAMP), status(7)))
    assert len(split(bench.data)) == 3
    assert bench.ends == [None]


def test_one_instant_is_published_in_pieces_of_the_limit() -> None:
    bench = Bench(Original(1.0, 100 * MBO_SIZE))
    bench.start(ListSource(timed(*[77] * 1_050)))
    assert [burst.count for burst in bench.published] == [100] * 10 + [50]
    assert {burst.due_ns for burst in bench.published} == {START}


def test_without_a_limit_chunks_go_as_they_are() -> None:
    first, second = orders(100), orders(50)
    source = ListSource(first, second)
    bench = Bench(AtOnce(BATCH))
    bench.start(source)
    assert [burst.data for burst in bench.published] == [first, second]
    assert bench.published[0].data is first
    assert bench.ends == [None]


def test_a_cut_has_whole_records_and_ends_with_an_event_if_it_can() -> None:
    event = add(1, "B", 100, 1, flags=0) * 2 + add(2, "B", 100, 1)
    data = memoryview(event * 10)
    assert event_cut(data, 10_000) == len(data)
    assert event_cut(data, 5 * MBO_SIZE + 3) == 3 * MBO_SIZE
    assert event_cut(data, 2 * MBO_SIZE) == 2 * MBO_SIZE
    assert event_cut(data, 1) == MBO_SIZE
    assert event_cut(memoryview(status(7) * 4), 100) in (40, 80)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e10])
def test_a_rate_or_speed_that_cannot_be_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="--rate"):
        Even(value, 250_000, BATCH)
    with pytest.raises(UsageError, match="--speed"):
        Original(value, BATCH)


def test_records_of_the_present_are_due_at_their_own_time_and_others_when_they_begin() -> None:
    wall_ns = 1_700_000_000 * 10**9
    now_ns = 5 * 10**9
    for late_s, due_s in ((1, -1), (-2, 2), (61, 0), (-61, 0)):
        first = wall_ns + now_ns - late_s * 10**9
        data = memoryview(add(1, "B", 1, 1, ts_event=first, ts_recv=first))
        pace = Original(1.0, BATCH, wall_ns)
        pace.next(data, now_ns)
        assert pace.start_ns == now_ns + due_s * 10**9
        doubled = Original(2.0, BATCH, wall_ns)
        doubled.next(data, now_ns)
        assert doubled.start_ns == now_ns
