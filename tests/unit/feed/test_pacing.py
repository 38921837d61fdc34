"""The pacer: from a source to whoever publishes, with and without room, to the end."""

import asyncio
import time

import pytest
import uvloop

from depthcast.dbn import forms
from depthcast.dbn.layout import MBO_SIZE
from depthcast.errors import SourceError
from depthcast.feed.pacing import SILENCE_NS, TURN_BYTES, Pacer
from depthcast.feed.schedule import AtOnce, Even, Original
from tests.support.records import add
from tests.support.sources import Bench, ListSource

MS = 1_000_000
S = 1_000_000_000
START = 1 * S
BATCH = 64 << 10
ORDER = add(1, "B", 100, 1)


def test_without_room_nothing_is_lost_and_the_due_time_stays() -> None:
    bench = Bench(Even(1_000_000, 100_000, BATCH), room=3)
    bench.start(ListSource(ORDER * 1_000))
    bench.run_until(START + 50 * MS)
    assert [burst.count for burst in bench.published] == [100, 100, 100]
    bench.room = 1
    bench.pacer.resume()
    assert bench.published[3].due_ns == START + 300_000
    assert bench.published[3].at_ns == START + 50 * MS
    bench.room = 100
    bench.pacer.resume()
    bench.run_until(START + 51 * MS)
    assert bench.data == ORDER * 1_000
    assert bench.ends == [None]


def test_a_wake_without_room_publishes_nothing() -> None:
    bench = Bench(AtOnce(BATCH), room=0)
    source = ListSource(ORDER, ended=False)
    bench.start(source)
    bench.room = 5
    bench.pacer.wake()
    assert bench.published == []
    bench.pacer.resume()
    assert bench.data == ORDER


def test_resume_without_need_does_nothing() -> None:
    bench = Bench(Even(1_000, 100_000, BATCH))
    bench.start(ListSource(ORDER * 3))
    bench.pacer.resume()
    assert bench.data == ORDER


def test_a_source_that_has_nothing_ready_is_waited_for() -> None:
    bench = Bench(Even(1_000_000, 100_000, BATCH))
    source = ListSource(ended=False)
    bench.start(source)
    bench.run_until(START + 5 * MS)
    source.put(ORDER * 2)
    bench.pacer.wake()
    assert bench.published[0].at_ns == START + 5 * MS
    assert bench.ends == []
    source.over = True
    bench.pacer.wake()
    assert bench.ends == [None]


def test_an_error_ends_it_after_the_good_records() -> None:
    bench = Bench(AtOnce(BATCH))
    source = ListSource(ORDER * 5, ended=False)
    source.error = SourceError("a.dbn: byte 77: a broken record")
    bench.start(source)
    assert bench.data == ORDER * 5
    assert [str(end) for end in bench.ends] == ["a.dbn: byte 77: a broken record"]
    bench.pacer.wake()
    assert len(bench.ends) == 1


def test_the_loop_gets_its_turn() -> None:
    chunk = ORDER * (BATCH // MBO_SIZE)
    bench = Bench(AtOnce(BATCH))
    bench.pacer.start(ListSource(*[chunk] * 40))
    assert TURN_BYTES <= len(bench.data) < TURN_BYTES + BATCH
    assert len(bench.soon) == 1
    bench.pacer.wake()
    assert len(bench.soon) == 1
    bench.run_until(START)
    assert bench.data == chunk * 40


def test_closed_it_publishes_nothing_more() -> None:
    bench = Bench(Even(1_000, 100_000, BATCH))
    bench.start(ListSource(ORDER * 100))
    bench.pacer.close()
    bench.pacer.wake()
    bench.pacer.resume()
    bench.run_until(START + 10 * S)
    assert len(bench.published) == 1
    assert bench.ends == []


def test_chunks_of_a_live_source_are_due_when_they_came() -> None:
    bench = Bench(AtOnce(BATCH))
    source = ListSource(live=True, ended=False)
    source.put(ORDER * 2, due_ns=START - 30_000)
    bench.start(source)
    assert bench.published[0].due_ns == START - 30_000


def test_a_silent_source_at_original_speed_still_tells_the_time() -> None:
    begin = 1_700_000_000 * S
    data = add(1, "B", 100, 1, ts_recv=begin), add(2, "B", 100, 1, ts_recv=begin + 35 * S // 10)
    bench = Bench(Original(1.0, BATCH))
    bench.start(ListSource(*data))
    bench.run_until(START + 10 * S)
    told = [(burst.count, burst.at_ns - START, burst.advance_ns) for burst in bench.published]
    silence = [(0, n * SILENCE_NS, begin + n * SILENCE_NS) for n in (1, 2, 3)]
    assert told == [(1, 0, 0), *silence, (1, 35 * S // 10 + 1, 0)]


def test_the_time_is_not_told_ahead_of_records_that_are_not_ready_yet() -> None:
    bench = Bench(Original(1.0, BATCH))
    source = ListSource(add(1, "B", 100, 1, ts_recv=S), ended=False)
    bench.start(source)
    bench.run_until(START + 5 * S)
    assert [burst.count for burst in bench.published] == [1]


def test_a_silent_live_source_tells_what_it_promises() -> None:
    bench = Bench(AtOnce(BATCH))
    source = ListSource(ORDER, live=True, ended=False)
    bench.start(source)
    bench.run_until(START + 1_500 * MS)
    source.advance_ns = 77 * S
    bench.run_until(START + 2_500 * MS)
    assert [(burst.count, burst.advance_ns) for burst in bench.published] == [(1, 0), (0, 77 * S)]


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_in_real_time_the_rate_is_kept(factory: object) -> None:
    """On asyncio's loop and uvloop's; the bounds leave room for a busy machine."""

    async def measure() -> tuple[float, int]:
        given, ended = 0, asyncio.Event()

        def publish(
            data: bytes, count: int, due_ns: int, advance_ns: int = 0, *, mbo_only: bool = False
        ) -> bool:
            nonlocal given
            assert forms.count(data) == count
            assert due_ns <= time.monotonic_ns()
            given += count
            return True

        pacer = Pacer(
            asyncio.get_running_loop(), publish, Even(100_000, 250_000, BATCH), lambda _: ended.set()
        )
        begin = time.perf_counter()
        pacer.start(ListSource(*[ORDER * 1_000] * 30))
        await asyncio.wait_for(ended.wait(), 10)
        pacer.close()
        return time.perf_counter() - begin, given

    with asyncio.Runner(loop_factory=factory) as runner:  # type: ignore[arg-type]
        elapsed_s, given = runner.run(measure())
    assert given == 30_000
    assert 0.295 < elapsed_s < 0.6
