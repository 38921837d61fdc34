"""The loop runs first, the threads beside it give way."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from depthcast.feed.scheduling import NICENESS, SLICE_NS, give_way, run_promptly


def in_a_thread(look: Callable[[], object]) -> object:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(look()))
    thread.start()
    thread.join()
    return found[0]


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_a_thread_gives_way_alone() -> None:
    before = niceness()

    def look() -> int:
        give_way()
        return niceness()

    assert in_a_thread(look) == max(before, NICENESS)
    assert niceness() == before


def test_a_short_slice_changes_neither_policy_nor_niceness() -> None:
    def look() -> tuple[int, int]:
        give_way()
        run_promptly()
        return niceness(), os.sched_getscheduler(0)

    assert in_a_thread(look) == (max(niceness(), NICENESS), os.SCHED_OTHER)


def test_the_system_knows_the_slice() -> None:
    def look() -> str:
        run_promptly()
        return Path(f"/proc/self/task/{threading.get_native_id()}/sched").read_text()

    if not Path("/proc/self/sched").exists():
        pytest.skip("this system does not tell how its threads are scheduled")
    said = [line.split(":")[1] for line in str(in_a_thread(look)).splitlines() if line.startswith("se.slice")]
    if not said:
        pytest.skip("this system has no slices (Linux before 6.12)")
    assert int(said[0]) == SLICE_NS
