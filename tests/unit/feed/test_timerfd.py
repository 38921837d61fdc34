"""The timer on the loop."""

import asyncio
import os
import time
from collections.abc import Callable

import pytest
import uvloop

from depthcast.feed.timerfd import Timer

MS = 1_000_000
factories = pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
Factory = Callable[[], asyncio.AbstractEventLoop]


def run(factory: Factory, main: Callable[[], object]) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())  # type: ignore[arg-type]


@factories
def test_it_calls_back_once_not_before_its_time_and_soon_after(factory: Factory) -> None:
    async def main() -> None:
        late: list[int] = []
        due_ns = 0
        timer = Timer(asyncio.get_running_loop(), lambda: late.append(time.monotonic_ns() - due_ns))
        for _ in range(40):
            due_ns = time.monotonic_ns() + 300_000
            timer.at(due_ns)
            await asyncio.sleep(0.002)
        timer.close()
        assert len(late) == 40
        assert min(late) >= 0
        assert sorted(late)[10] < MS  # a loop's own timers have a grain of 1 ms

    run(factory, main)


@factories
def test_a_time_in_the_past_is_now(factory: Factory) -> None:
    async def main() -> None:
        called = asyncio.Event()
        timer = Timer(asyncio.get_running_loop(), called.set)
        for when in (0, -5, 1, time.monotonic_ns()):
            timer.at(when)
            await asyncio.wait_for(called.wait(), 5)
            called.clear()
        timer.close()

    run(factory, main)


@factories
def test_cancelled_or_set_again_the_earlier_time_is_forgotten(factory: Factory) -> None:
    async def main() -> None:
        calls: list[int] = []
        timer = Timer(asyncio.get_running_loop(), lambda: calls.append(time.monotonic_ns()))
        timer.at(time.monotonic_ns() + MS)
        timer.cancel()
        timer.cancel()
        await asyncio.sleep(0.005)
        assert calls == []
        timer.at(1)
        time.sleep(0.001)  # it is readable now, and the loop does not know yet
        later = time.monotonic_ns() + 5 * MS
        timer.at(later)
        await asyncio.sleep(0.02)
        assert len(calls) == 1
        assert calls[0] >= later
        timer.close()

    run(factory, main)


@factories
def test_closed_it_gives_its_file_back(factory: Factory) -> None:
    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        timers = [Timer(asyncio.get_running_loop(), lambda: None) for _ in range(5)]
        for timer in timers:
            timer.at(1)
        for timer in timers:
            timer.close()
            timer.close()
        await asyncio.sleep(0.002)
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    run(factory, main)
