"""The loop runs first, the threads beside it give way."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from depthcast.feed.scheduling import LONG_SLICE_NS, NICENESS, SLICE_NS, give_way, run_promptly


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


def test_beside_a_real_time_loop_a_thread_takes_the_priority_below() -> None:
    def look() -> tuple[int, int, int] | str:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
        except PermissionError:
            return "refused"
        give_way()
        first = os.sched_getparam(0).sched_priority
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        give_way()
        return first, os.sched_getparam(0).sched_priority, os.sched_getscheduler(0)

    found = in_a_thread(look)
    if found == "refused":
        pytest.skip("only root, or who has CAP_SYS_NICE, may ask for a real-time priority")
    assert found == (19, 1, os.SCHED_RR)


def test_a_short_slice_changes_neither_policy_nor_niceness() -> None:
    def look() -> tuple[int, int]:
        give_way()
        run_promptly()
        return niceness(), os.sched_getscheduler(0)

    assert in_a_thread(look) == (max(niceness(), NICENESS), os.SCHED_OTHER)


def slice_ns() -> int | None:
    """The calling thread's slice; None where the system has none (Linux before 6.12) or does not tell."""
    told = Path(f"/proc/self/task/{threading.get_native_id()}/sched")
    lines = told.read_text().splitlines() if told.exists() else []
    said = [line.split(":")[1] for line in lines if line.startswith("se.slice")]
    return int(said[0]) if said else None


def test_a_thread_made_by_one_that_runs_promptly_does_not_do_so_itself() -> None:
    def look() -> tuple[int | None, int | None]:
        run_promptly()

        def made() -> int | None:
            give_way()
            return slice_ns()

        theirs = in_a_thread(made)
        assert theirs is None or isinstance(theirs, int)
        return slice_ns(), theirs

    found = in_a_thread(look)
    if found == (None, None):
        pytest.skip("this system does not tell of slices")
    assert found == (SLICE_NS, LONG_SLICE_NS)
