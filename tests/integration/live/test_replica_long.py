"""A long run over broken lines and killed feeds: the replica's books are the feed's at every sample.

``DEPTHCAST_REPLICA_RECORDS`` says how long (200,000 records), ``DEPTHCAST_SEED`` which feed.
"""

import asyncio
import os
import signal
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.dbn import read_dbn
from depthcast.live.lifecycle import Policy
from depthcast.live.replica import Replica
from depthcast.live.replica_types import FeedState, ResetReason
from tests.support.breaking_line import BreakingLine
from tests.support.command import command
from tests.support.feed_process import KEY, FeedProcess
from tests.support.gateways import free_port
from tests.support.replicas import Listener, checksums

RECORDS: Final = int(os.environ.get("DEPTHCAST_REPLICA_RECORDS", "200000"))
SEED: Final = int(os.environ.get("DEPTHCAST_SEED", "1"))
RATE: Final = 60_000
SAMPLED: Final = 3
"""Of so many chunks one is looked at."""
PATIENT: Final = Policy(backoff_first_s=0.02, backoff_max_s=0.2)

Sample = tuple[BookKey, tuple[int, int]]


class Sampler(Listener):
    """Notes what books were like when they were told of: by key and version, the checksum."""

    def __init__(self, replica: Replica) -> None:
        super().__init__(replica)
        self.wants_records = False
        self.samples: dict[Sample, set[int]] = defaultdict(set)
        self.before: set[BookKey] = set()
        self.gone: set[BookKey] = set()
        self._calls = 0

    def on_changed(self, keys: list[BookKey]) -> None:
        self._calls += 1
        if self._calls % SAMPLED == 0:
            self.sample(keys)

    def on_reset(self, reason: ResetReason) -> None:
        self.resets.append(reason)
        books = self.replica.engine.books()
        self.gone |= self.before - set(books)
        self.before = set(books)
        self.sample(books)

    def sample(self, keys: list[BookKey]) -> None:
        engine = self.replica.engine
        for key in keys:
            status = engine.status(key.instrument_id, key.publisher_id)
            if not status.in_event:
                found = engine.checksum(key.instrument_id, publisher_id=key.publisher_id)
                self.samples[key, status.version].add(found)


def true_samples(records: memoryview, wanted: dict[Sample, set[int]]) -> dict[Sample, set[int]]:
    """What the books of these versions were like; a version may be that of several events."""
    engine = Engine()
    found: dict[Sample, set[int]] = defaultdict(set)
    at = 0
    while at < len(records):
        end = at + 4 * records[at]
        engine.apply(records[at:end])
        at = end
        for key in engine.changed():
            version = engine.status(key.instrument_id, key.publisher_id).version
            if (key, version) in wanted:
                found[key, version].add(engine.checksum(key.instrument_id, publisher_id=key.publisher_id))
    return found


async def followed(source: Path, journal: Path, port: int, end: dict[BookKey, int]) -> Sampler:
    """Play the source, with two kills; until the replica's books are those of its end."""
    arguments = (source, "--rate", RATE, "--journal", journal, "--listen", f"127.0.0.1:{port}")
    settings = ("--set", "journal.sync_s=0.2", "--linger", 30)
    with closing(BreakingLine(port, 3_000_000, growth=1_000_000)) as line:
        replica = Replica(
            "127.0.0.1", line.port, key=KEY, dataset=str(read_dbn(source).metadata.dataset), policy=PATIENT
        )
        sampler = Sampler(replica)
        following = asyncio.create_task(replica.run())
        for _ in range(2):
            with FeedProcess(*arguments, *settings) as feed:
                generation = replica.generation
                await asyncio.to_thread(feed.wait_for, "running")
                while replica.generation == generation:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(RECORDS / RATE / 4)
                await asyncio.to_thread(feed.stop, signal.SIGKILL)
                assert replica.engine.books()
        with FeedProcess(*arguments, *settings) as feed:
            async with asyncio.timeout(60 + RECORDS / RATE):
                while not (replica.state is FeedState.LIVE and checksums(replica.engine) == end):
                    await asyncio.sleep(0.05)
        replica.close()
        await following
    return sampler


@pytest.mark.long
def test_books_are_the_feeds_at_every_sampled_event(tmp_path: Path) -> None:
    source = tmp_path / "source.dbn"
    assert command("simulate", "-o", source, "--records", RECORDS, "--seed", SEED, "-q").code == 0
    records = read_dbn(source).data
    offline = Engine()
    offline.apply(records)

    sampler = asyncio.run(followed(source, tmp_path / "journal", free_port(), checksums(offline)))

    true = true_samples(memoryview(records), sampler.samples)
    assert len(sampler.samples) > 300
    for sample, found in sampler.samples.items():
        assert found <= true[sample], sample
    assert not sampler.gone, "a served book went away"
    assert len(sampler.resets) == sampler.replica.generation >= 3
