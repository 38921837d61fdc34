"""Replays over a WebSocket: what is told is what the source's events did, exactly."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from tests.support.gateways import run
from tests.support.journals import simulated_feed
from tests.support.past import SourceTimes, clx5_records, journal_of_lives
from tests.support.replayed import Source, Watcher, held_to, replaying, told_of, watching
from tests.support.stream_service import page

ALL: Final = ["book", "bbo", "trades", "orders"]
REBUILT: Final = 3_000
"""Of a long day the reader rebuilds the queues of so many events; of each the checksum counts."""


@pytest.fixture(scope="module")
def source() -> Source:
    return Source(simulated_feed())


@pytest.fixture(scope="module")
def journal(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return journal_of_lives(tmp_path_factory.mktemp("replayed"), source.data, records=700)


@pytest.mark.long
def test_every_event_of_a_real_day(data_dir: Path, tmp_path: Path) -> None:
    source = Source(clx5_records(data_dir))
    journal = journal_of_lives(tmp_path, source.data, records=5_000)

    async def main() -> None:
        async with watching(journal) as (_, watcher):
            await watcher.play("CLX5", start=0)
            watcher.rebuilds = REBUILT
            assert (await watcher.until("ended"))["events"] == len(source.events)
            told = watcher.channel("orders", "order")
            assert [each["seq"] for each in told] == [event.position for event in source.events]
            held_to(told, source.events, queues=True)
            (held,) = watcher.reader.books.values()
            assert held.verified >= REBUILT

    run(main())


def test_every_event_of_every_book_of_a_simulated_day(source: Source, journal: Path) -> None:
    """Two venues and two instruments: queues, levels, best prices and trades of each of the four books."""

    async def main() -> None:
        async with watching(journal) as (_, watcher):
            await watcher.play("11", "12", start=0, channels=ALL)
            end = await watcher.until("ended")
            assert (end["events"], end["reason"]) == (len(source.events), "journal_end")
            assert set(watcher.reader.books) == {
                f"replay:1/{channel}:{instrument}:{publisher}:{depth}:0"
                for channel, depth in (("book", 10), ("bbo", 1), ("orders", 0))
                for instrument in (11, 12)
                for publisher in (65_001, 65_002)
            }
            orders = told_of(watcher.channel("orders", "order", "snapshot"), source)
            assert [each["seq"] for each in orders] == [event.position for event in source.events]
            held_to(orders, source.events, queues=True)
            books = told_of(watcher.channel("book", "update"), source)
            assert len(books) > 500
            held_to(books, source.events, queues=False)
            traded = [
                (trade["ts_event"], trade["size"], trade["sequence"])
                for message in watcher.channel("trades", "trade")
                for trade in message["trades"]
            ]
            assert traded == [trade for event in source.events for trade in event.trades]
            assert len(traded) > 50
            assert all(book.verified > 100 for book in watcher.reader.books.values())

    run(main())


def test_a_replay_begins_at_any_time_and_ends_at_any(source: Source, journal: Path) -> None:
    times = SourceTimes(source.data)
    instants = times.times(6, seed=8)

    async def main() -> None:
        async with replaying(journal) as service:
            for begin, end in pairwise(instants):
                async with page(service) as one:
                    watcher = Watcher(one.connection)
                    answer = await watcher.play("12", start=str(begin), end=end, publisher=65_001)
                    before, after = times(begin)[1], times(end)[1]
                    assert (answer["start"], answer["end"], answer["seq"]) == (str(begin), str(end), before)
                    assert (await watcher.until("ended"))["reason"] == "end"
                    mine = [
                        event
                        for event in source.of(12, after=before)
                        if event.position <= after and event.key.publisher_id == 65_001
                    ]
                    told = {each["seq"] for each in watcher.channel("orders", "order", "snapshot")}
                    assert {event.position for event in mine} <= told
                    held_to(told_of(watcher.channel("orders", "order"), source), mine, queues=True)

    run(main())


def test_with_a_rate_only_the_newest_is_told(source: Source, journal: Path) -> None:
    async def main() -> None:
        async with watching(journal) as (_, watcher):
            await watcher.play("11", start=0, speed=0.2, channels=["book", "bbo", "trades"], rate=20)
            await watcher.until("ended")
            books = watcher.channel("book", "update")
            assert 10 < len(books) < 60
            last = {event.key: event for event in source.of(11)}
            for key, event in last.items():
                name = f"{watcher.name}/book:{key.instrument_id}:{key.publisher_id}:10:20"
                assert watcher.reader.books[name].checksum() == event.levels
            traded = sum(len(each["trades"]) for each in watcher.channel("trades", "trade"))
            assert traded == sum(len(event.trades) for event in source.of(11))

    run(main())


def test_who_reads_slowly_is_waited_for_and_misses_nothing(source: Source, journal: Path) -> None:
    async def main() -> None:
        async with watching(journal, client_buffer_bytes=16_384) as (service, watcher):
            await watcher.play("11", "12", start=0, channels=ALL)
            await asyncio.sleep(0.5)
            assert service.hub.counters.pauses > 0
            assert (await watcher.until("ended"))["events"] == len(source.events)
            told = told_of(watcher.channel("orders", "order", "snapshot"), source)
            assert [each["seq"] for each in told] == [event.position for event in source.events]

    run(main())


def test_a_replay_is_resumed_wherever_it_was_cut_off(source: Source, journal: Path) -> None:
    """Another process goes on from the number of the last message."""

    async def main() -> None:
        async with watching(journal) as (_, watcher):
            await watcher.play("12", start=0, paused=True)
            await watcher.until("paused")
            await watcher.ask("step", id=2, count=100, **{"class": watcher.name})
            last = await watcher.answer(2)
        async with watching(journal) as (_, other):
            since = {"epoch": last["epoch"], "seq": last["seq"]}
            answer = await other.play("12", since=since)
            assert answer["seq"] == last["seq"]
            rest = source.of(12, after=last["seq"])
            assert (await other.until("ended"))["events"] == len(rest)
            held_to(told_of(other.channel("orders", "order"), source), rest, queues=True)
            await other.ask("unsubscribe", id=5, **{"class": other.name})
            assert (await other.answer(5))["type"] == "unsubscribed"
            far = await other.play("12", since={"epoch": "replay", "seq": 10**9})
            assert far["code"] == "time_not_kept"

    run(main())


def test_messages_are_those_of_the_live_stream_and_say_that_they_are_not(journal: Path) -> None:
    async def main() -> None:
        async with watching(journal) as (_, watcher):
            live = await watcher.subscribe("book", "7")
            snapshot = await watcher.next("snapshot")
            await watcher.play("11", start=0, channels=["book"], publisher=65_001)
            await watcher.until("ended")
            told = watcher.channel("book", "snapshot")[0]
            assert set(told) - set(snapshot) == {"replay", "ts_replay"}
            assert set(snapshot) <= set(told)
            assert json.dumps(told["epoch"]) == '"replay"'
            assert live in watcher.reader.books

    run(main())
