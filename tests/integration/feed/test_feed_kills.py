"""kill -9 at random moments, under subscribers: no record is lost, doubled or changed, in journal or stream.

``DEPTHCAST_KILLS`` says how often (3; the long target 20), ``DEPTHCAST_SEED`` when.
"""

import asyncio
import os
import random
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from depthcast.book.engine import Engine
from depthcast.dbn import read_dbn
from depthcast.live.lifecycle import Policy
from depthcast.live.subscriber import Subscriber
from tests.support.command import command
from tests.support.feed_process import KEY, FeedProcess

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("DEPTHCAST_KILLS", "3"))
SEED = int(os.environ.get("DEPTHCAST_SEED", "1"))
RATE = 30_000
PATIENT = Policy(backoff_first_s=0.02, backoff_max_s=0.2, until_end=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Reader:
    """A subscriber that outlives the feed, and what it has received."""

    def __init__(self, port: int, dataset: str, mode: Literal["start", "snapshot"]) -> None:
        self.engine = Engine()
        self.data = bytearray()
        self.events: list[Any] = []
        self.subscriber = Subscriber(
            "127.0.0.1",
            port,
            key=KEY,
            dataset=dataset,
            on_records=self._take,
            on_event=self.events.append,
            resume=mode,
            policy=PATIENT,
        )
        if mode == "snapshot":
            self.subscriber.subscribe("mbo", snapshot=True)
        else:
            self.subscriber.subscribe("mbo", start=0)

    def _take(self, records: memoryview) -> None:
        self.engine.apply(records)
        self.data += records


@asynccontextmanager
async def running(readers: list[Reader]) -> AsyncIterator[list[asyncio.Task[str | None]]]:
    tasks = [asyncio.create_task(reader.subscriber.run()) for reader in readers]
    try:
        yield tasks
    finally:
        for reader in readers:
            reader.subscriber.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def killed_and_started_again(
    source: Path, journal: Path, readers: list[Reader], port: int, draw: random.Random
) -> None:
    arguments = (source, "--rate", RATE, "--journal", journal, "--listen", f"127.0.0.1:{port}")
    settings = ("--set", "journal.segment_bytes=300000", "--set", "journal.sync_s=0.2")
    async with running(readers) as tasks:
        for _ in range(KILLS):
            with FeedProcess(*arguments, *settings, "--wait", len(readers)) as feed:
                await asyncio.to_thread(feed.wait_for, "running")
                await asyncio.sleep(draw.uniform(0, 1.5 * length_s(source) / KILLS))
                await asyncio.to_thread(feed.stop, signal.SIGKILL)
        last = (*arguments[:1], "--max", *arguments[3:], *settings, "--wait", len(readers), "--linger", 1)
        with FeedProcess(*last) as feed:
            async with asyncio.timeout(60):
                await asyncio.gather(*tasks)
            assert await asyncio.to_thread(feed.wait) == 0


def length_s(source: Path) -> float:
    return len(read_dbn(source)) / RATE


def test_killed_at_random_no_record_is_lost_doubled_or_changed(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    source, journal = tmp_path / "source.dbn", tmp_path / "journal"
    records = max(40_000, 15_000 * KILLS)
    assert command("simulate", "-o", source, "--records", records, "--seed", SEED, "-q").code == 0
    file = read_dbn(source)
    expected = file.records().tobytes()
    offline = Engine()
    offline.apply(expected)
    port = free_port()
    dataset = str(file.metadata.dataset)
    by_start, by_snapshot = Reader(port, dataset, "start"), Reader(port, dataset, "snapshot")

    asyncio.run(killed_and_started_again(source, journal, [by_start, by_snapshot], port, draw))

    assert bytes(by_start.data) == expected
    for key in offline.books():
        for reader in (by_start, by_snapshot):
            assert reader.engine.checksum(key.instrument_id, 0, key.publisher_id) == offline.checksum(
                key.instrument_id, 0, key.publisher_id
            ), reader.events
            assert reader.engine.status(key.instrument_id, key.publisher_id).complete
    verified = command("journal", "verify", journal, "-q")
    assert verified.code == 0, verified.err
    whole = tmp_path / "whole.dbn"
    assert command("journal", "cat", journal, "-o", whole, "-q").code == 0
    assert read_dbn(whole).records().tobytes() == expected
