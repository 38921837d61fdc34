"""Breadth-first search over all states of a small world: in each, after each record, engine == reference.

    .venv/bin/python tests/exhaustive/search.py                     both full worlds (half an hour)
    .venv/bin/python tests/exhaustive/search.py --world plain-small

In every state every record is applied: to the compiled engine and to the reference, both brought there by the
shortest path, and to a compiled engine brought there by a snapshot. All three must answer alike, with the
invariants holding. The search ends when there is no state left. Then one engine, never reset, walks at random
through the states that were found: what it carries from its past must not matter.
"""

import argparse
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

if __name__ == "__main__":  # run as a file: the tests import each other from the project's root
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from depthcast.book.reference_book import ReferenceBook
from depthcast.book.reference_records import mbo_at
from tests.exhaustive.states import StateKey, book_of, canonical, state_key, without_version
from tests.exhaustive.worlds import TIMES, WORLDS, World
from tests.support.compare import assert_same_answers, assert_sound
from tests.support.records import INSTRUMENT, MBP, SNAPSHOT, cancel, listing
from tests.support.runs import has_its_clear

BEFORE, NOW = 1, 2
"""Times of the records that led to a state, and of the one under test: what has lost its priority shows."""

REVEALING = {ts_recv: cancel(99, "B", 1, 1, SNAPSHOT, ts_recv=ts_recv) for ts_recv in TIMES}
"""A snapshot record at each time: it implies a clear unless it goes on with a run that has had its own."""

Progress = Callable[[str], None]


class DifferenceError(AssertionError):
    """Engine and reference differ after these records."""


class Search:
    """The states of a world found so far, how to get to each, and where each record leads from it."""

    def __init__(self, world: World, progress: Progress) -> None:
        self.world = world
        self.progress = progress
        self.steps = [kind.record(BEFORE) for kind in world.kinds]
        self.probes = [kind.record(NOW) for kind in world.kinds]
        self.ids: dict[StateKey, int] = {}
        self.paths: list[bytes] = []
        self.checksums: list[int] = []
        self.snapshots: list[bytes] = []
        self.leads_to = array("i")
        self.transitions = self.restored = self.beyond_snapshots = 0
        self.answers: set[bytes] = set()
        """Snapshots of outcomes on which every question was asked."""

    def run(self) -> None:
        """Search until there is no state left to look at.

        Raises:
            DifferenceError: with the records that show it.
        """
        first = ReferenceEngine()
        first.apply(self.world.start)
        self._state(first, first.snapshot(), self.world.start)
        started = last_report = time.monotonic()
        state = 0
        while state < len(self.paths):
            self._look_at(state)
            state += 1
            if time.monotonic() - last_report > 10:
                last_report = time.monotonic()
                rate = self.transitions / (last_report - started)
                found = f"{state:,} of {len(self.paths):,} states, {self.transitions:,} transitions"
                self.progress(f"  {found}, {rate:,.0f}/s")

    def _look_at(self, state: int) -> None:
        """Apply every record in a state."""
        path = self.paths[state]
        here = ReferenceEngine()
        here.apply(path)
        snapshot = here.snapshot()
        restored = ReferenceEngine()
        restored.apply(snapshot)
        for index, probe in enumerate(self.probes):
            try:
                reference, outcome, checksum = self._by_path(path + probe)
                if self._carried(book_of(here), book_of(restored), probe):
                    self._by_snapshot(snapshot + probe, outcome, checksum)
                else:
                    self.beyond_snapshots += 1
            except AssertionError as difference:
                told = listing([*split(path), probe])
                raise DifferenceError(f"world {self.world.name}: {difference}\nafter\n{told}") from difference
            self.leads_to.append(self._state(reference, outcome, path + self.steps[index]))
            self.transitions += 1

    def _by_path(self, records: bytes) -> tuple[ReferenceEngine, bytes, int]:
        """Both engines from their first record on: the reference, its snapshot and checksum."""
        engine, reference = Engine(), ReferenceEngine()
        assert engine.apply(records) == reference.apply(records)
        outcome = reference.snapshot()
        assert engine.snapshot() == outcome, "snapshot"
        checksum = reference.checksum(INSTRUMENT)
        assert engine.checksum(INSTRUMENT) == checksum, "checksum"
        assert engine.status(INSTRUMENT) == reference.status(INSTRUMENT), "status"
        assert engine.counters == reference.counters, "counters"
        assert engine.changed() == reference.changed(), "changed"
        assert engine.verify() == [], "invariants"
        if outcome not in self.answers:
            self.answers.add(outcome)
            assert_same_answers(engine, reference)
            assert_sound(engine)
            assert_sound(reference)
        self._reveal(records, book_of(reference), engine.counters["snapshots_without_clear"])
        return reference, outcome, checksum

    def _by_snapshot(self, records: bytes, outcome: bytes, checksum: int) -> None:
        """An engine that starts from the snapshot of the state comes to the same."""
        engine = Engine()
        engine.apply(records)
        same = without_version(engine.snapshot()) == without_version(outcome)
        assert same, "snapshot, from a restored state"
        assert engine.checksum(INSTRUMENT) == checksum, "checksum, from a restored state"
        assert engine.verify() == [], "invariants, from a restored state"
        self.restored += 1

    def _reveal(self, records: bytes, book: ReferenceBook, clears: int) -> None:
        """The one part of a state that no question shows: whether a snapshot record would imply a clear."""
        for ts_recv, revealing in REVEALING.items():
            engine = Engine()
            engine.apply(records + revealing)
            implied = engine.counters["snapshots_without_clear"] - clears
            expected = not has_its_clear(book, ts_recv)
            assert implied == expected, f"whether a run goes on at ts_recv {ts_recv}"

    def _carried(self, here: ReferenceBook, restored: ReferenceBook, probe: bytes) -> bool:
        """Whether a snapshot of a state carries all that this record's effect depends on.

        docs/decisions/0001-book-rulings.md, "What a snapshot does not carry": where a snapshot without R
        begins, it matters which run it goes on with, and whether the book was merely incomplete.
        """
        record = mbo_at(probe, 0)
        valid = here._fault(record) is None and not record.flags & MBP
        if not (valid and record.flags & SNAPSHOT and record.action in {b"A", b"C", b"M"}):
            return True
        goes_on = has_its_clear(here, record.ts_recv)
        if goes_on != has_its_clear(restored, record.ts_recv):
            return False
        return goes_on or here.complete or here.suspect

    def _state(self, engine: ReferenceEngine, snapshot: bytes, path: bytes) -> int:
        """The number of the state that an engine is in; a new one if it was never seen."""
        key = state_key(engine, snapshot)
        number = self.ids.setdefault(key, len(self.paths))
        if number == len(self.paths):
            self.paths.append(path)
            self.checksums.append(engine.checksum(INSTRUMENT))
            self.snapshots.append(key.snapshot)
        return number

    def walk(self, steps: int, seed: int) -> None:
        """One engine, never reset, through ``steps`` records at random, in its known state after each."""
        engine = Engine()
        engine.apply(self.world.start)
        state = 0
        kinds = len(self.steps)
        for step, index in enumerate(np.random.default_rng(seed).integers(0, kinds, steps).tolist()):
            engine.apply(self.steps[index])
            state = self.leads_to[state * kinds + index]
            good = engine.checksum(INSTRUMENT) == self.checksums[state]
            if good and step % 16 == 0:
                good = canonical(engine.snapshot()) == self.snapshots[state] and engine.verify() == []
            if not good:
                raise DifferenceError(f"world {self.world.name}: walk of seed {seed} differs at step {step}")


def split(records: bytes) -> list[bytes]:
    """Records of the world one by one."""
    return [records[start : start + 56] for start in range(0, len(records), 56)]


def explore(world: World, walk_steps: int, seed: int, progress: Progress) -> Search:
    """Search a world to its end and walk through it; say what was covered."""
    started = time.monotonic()
    search = Search(world, progress)
    search.run()
    longest = max(len(path) for path in search.paths) // 56
    states, kinds = len(search.paths), len(world.kinds)
    progress(
        f"world {world.name}: closed, every state is within {longest} records\n"
        f"  {states:,} states x {kinds:,} records = {search.transitions:,} transitions: "
        f"engine == reference, invariants hold\n"
        f"  {search.restored:,} of them also from the state's snapshot; "
        f"{search.beyond_snapshots:,} depend on what no snapshot carries\n"
        f"  {len(search.answers):,} different outcomes, every question asked on each\n"
        f"  {time.monotonic() - started:.0f} s"
    )
    search.walk(walk_steps, seed)
    progress(f"  one engine walked {walk_steps:,} records (seed {seed}), in the known state after each")
    return search


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="All states of a small world: engine against reference.")
    parser.add_argument("--world", choices=list(WORLDS), action="append", help="default: plain and flags")
    parser.add_argument("--walk", type=int, default=2_000_000, help="records of the walk (default 2,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the walk (default 1)")
    options = parser.parse_args(arguments)
    for name in options.world or ["plain", "flags"]:
        try:
            explore(WORLDS[name](), options.walk, options.seed, lambda line: print(line, flush=True))
        except DifferenceError as difference:
            print(difference)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
