"""Measuring: tasks take turns, round after round, so that what disturbs the machine disturbs them alike."""

import gc
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import perf_counter_ns
from typing import Final

from benchmarks.peers import Book
from benchmarks.results import Spread

Task = Callable[[], float]
"""Measures one thing once."""

ROUNDS: Final = 9
MIN_NS: Final = 30_000_000
"""A task repeats what it measures until it took so long."""


def interleave(tasks: Mapping[str, Task], rounds: int = ROUNDS) -> dict[str, Spread]:
    """Run every task once a round, each round beginning with another one."""
    return {name: spread_of(values) for name, values in take_turns(tasks, rounds).items()}


def take_turns(tasks: Mapping[str, Task], rounds: int) -> dict[str, list[float]]:
    """Run every task once a round, each round beginning with another one; what each measured in each."""
    names = list(tasks)
    values: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        shift = turn % max(1, len(names))
        for name in names[shift:] + names[:shift]:
            values[name].append(tasks[name]())
    return values


def spread_of(values: Sequence[float]) -> Spread:
    """Their median, and how far they go."""
    return Spread(median(values), min(values), max(values))


def per_record(fresh: Callable[[], Book], records: int) -> Task:
    """ns a record of a fresh book's run. Making the book and forgetting it are not timed."""

    def task() -> float:
        spent = runs = 0
        while spent < MIN_NS:
            spent += timed(fresh().run)
            runs += 1
        return spent / runs / records

    return task


def per_call(call: Callable[[], object], calls: int = 1) -> Task:
    """ns a call; ``call`` makes ``calls`` of them."""

    def task() -> float:
        spent = runs = 0
        while spent < MIN_NS:
            spent += timed(call)
            runs += 1
        return spent / runs / calls

    return task


def timed(call: Callable[[], object]) -> int:
    """How many ns a call takes, with the collector of cyclic garbage at rest."""
    gc.collect(0)
    gc.disable()
    try:
        begin = perf_counter_ns()
        call()
        return perf_counter_ns() - begin
    finally:
        gc.enable()
