"""Random feeds by the million records: the compiled engine against the reference, after every event.

    .venv/bin/python tests/property/soak_differential.py --seconds 600 --seed 1

An episode is one feed from one seed. A difference ends the run and names the seed and the record; that seed
with ``--episodes 1`` shows it again.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

if __name__ == "__main__":  # run as a file: the tests import each other from the project's root
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from depthcast.book.types import BookKey
from tests.support.compare import assert_same_answers, assert_sound
from tests.support.domains import DOMAINS
from tests.support.records import LAST, listing
from tests.support.streams import feed

RECORDS_PER_EPISODE: Final = 4_000
EVENTS_PER_SNAPSHOT: Final = 10
EVENTS_PER_FULL_COMPARISON: Final = 700
FLAGS_OFFSET: Final = 36


class DifferenceError(Exception):
    """The engines differ, or an invariant is broken."""


class Coverage:
    """What the episodes so far went through."""

    def __init__(self) -> None:
        self.episodes = self.events = self.full_comparisons = 0
        self.counters: Counter[str] = Counter()
        self.most_orders = self.most_levels = self.most_books = 0

    def add(self, engine: Engine) -> None:
        """Take in what an episode came to."""
        self.episodes += 1
        self.counters.update(engine.counters)
        statuses = [engine.status(key.instrument_id, key.publisher_id) for key in engine.books()]
        self.most_orders = max(self.most_orders, *(status.orders for status in statuses))
        self.most_levels = max(self.most_levels, *(status.levels for status in statuses))
        self.most_books = max(self.most_books, len(statuses))

    def progress(self) -> str:
        records = self.counters["records"]
        return f"{self.episodes} episodes, {records:,} records, {self.events:,} events compared"

    def report(self) -> str:
        counted = ", ".join(f"{name} {count:,}" for name, count in self.counters.items())
        never = ", ".join(sorted(name for name, count in self.counters.items() if not count))
        return (
            f"{self.progress()}, {self.full_comparisons:,} full comparisons\n"
            f"at an episode's end up to {self.most_orders} orders and {self.most_levels} levels in a book, "
            f"{self.most_books} books\n"
            f"counters: {counted}\n"
            f"never counted: {never or 'none'}"
        )


def episode(seed: int, coverage: Coverage, records: int = RECORDS_PER_EPISODE) -> None:
    """One feed from one seed through both engines.

    Raises:
        DifferenceError: with the seed, the number of the record, and the records that led there.
    """
    random = np.random.default_rng(seed)
    domain = DOMAINS[seed % len(DOMAINS)]
    limits = {
        "max_event_records": int(random.choice([4, 65_536, 65_536])),
        "max_event_ns": int(random.choice([200_000, 2**62, 2**62])),
    }
    stream = feed(random, domain, records)
    engine, reference = Engine(**limits), ReferenceEngine(**limits)
    inside = random.random(len(stream)) < 0.1  # compared there too, in the middle of an event
    start = 0
    for position, record in enumerate(stream):
        is_last = position + 1 == len(stream)
        if not (record[FLAGS_OFFSET] & LAST or inside[position] or is_last):
            continue
        event = stream[start : position + 1]
        start = position + 1
        coverage.events += 1
        try:
            compare_event(engine, reference, event)
            if coverage.events % EVENTS_PER_SNAPSHOT == 0:
                compare_whole(engine, reference, event)
            if coverage.events % EVENTS_PER_FULL_COMPARISON == 0 or is_last:
                coverage.full_comparisons += 1
                assert_same_answers(engine, reference)
                assert_sound(engine)
                assert_sound(reference)
        except AssertionError as difference:
            where = f"seed {seed} (domain {domain.name}), record {position}: {difference}"
            recent = listing(stream[max(0, position - 30) : position + 1])
            raise DifferenceError(f"{where}\nthe records up to it:\n{recent}") from difference
    coverage.add(engine)


def books_of(event: list[bytes]) -> set[BookKey]:
    """The books that an event's records are of (those that are no MBO records follow one in its bytes)."""
    return {
        BookKey(int.from_bytes(record[2:4], "little"), int.from_bytes(record[4:8], "little"))
        for record in event
    }


def compare_event(engine: Engine, reference: ReferenceEngine, event: list[bytes]) -> None:
    """Apply an event to both and compare the books that it touched."""
    chunk = b"".join(event)
    same("boundary", engine.boundary(chunk), reference.boundary(chunk))
    same("records applied", engine.apply(chunk), reference.apply(chunk))
    same("changed", engine.changed(), reference.changed())
    for publisher, instrument in books_of(event):
        same("status", engine.status(instrument, publisher), reference.status(instrument, publisher))
        ours, theirs = engine.checksum(instrument, 0, publisher), reference.checksum(instrument, 0, publisher)
        same("checksum", ours, theirs)


def compare_whole(engine: Engine, reference: ReferenceEngine, event: list[bytes]) -> None:
    """Compare counters and snapshots, which cost more."""
    same("counters", engine.counters, reference.counters)
    for publisher, instrument in books_of(event):
        ours, theirs = engine.snapshot(instrument, publisher), reference.snapshot(instrument, publisher)
        same("snapshot", ours, theirs)


def same(what: str, ours: object, theirs: object) -> None:
    assert ours == theirs, f"{what}: engine {ours!r}, reference {theirs!r}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on (default 60)")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the first episode; the next one's is one more"
    )
    parser.add_argument("--episodes", type=int, default=None, help="stop after so many")
    options = parser.parse_args(arguments)
    coverage = Coverage()
    started = time.monotonic()
    seed = options.seed
    while time.monotonic() - started < options.seconds and coverage.episodes != options.episodes:
        try:
            episode(seed, coverage)
        except DifferenceError as difference:
            print(difference)
            print(f"to see it again: {sys.argv[0]} --seed {seed} --episodes 1")
            return 1
        seed += 1
        if coverage.episodes % 100 == 0:
            print(coverage.progress(), flush=True)
    print(coverage.report())
    print(f"no difference, seeds {options.seed} to {seed - 1}, {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
