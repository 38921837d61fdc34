"""Replays over a WebSocket: what is told is what the source's events did, and what they can be asked."""

import asyncio
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from depthcast.book.types import BookKey
from depthcast.dbn import forms
from tests.support.gateways import run
from tests.support.journals import simulated_feed
from tests.support.past import SourceTimes, clx5_records, journal_of_lives
from tests.support.replayed import Source, SourceEvent, Watcher, replaying, replays_of, watching
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


def told_of(messages: list[dict[str, Any]], source: Source) -> list[dict[str, Any]]:
    """The messages that tell events; the others tell a phase, and change nothing, or are from the start."""
    events = {event.position for event in source.events}
    for message in messages:
        if message["seq"] not in events and message["seq"]:
            assert message["seq"] in source.statuses
            assert not message.get("orders")
    return [message for message in messages if message["seq"] in events]


def held_to(messages: list[dict[str, Any]], events: list[SourceEvent], *, queues: bool) -> None:
    """Each message is of the event at its position, and its book is the one after that event."""
    by_position = {event.position: event for event in events}
    for message in messages:
        event = by_position[message["seq"]]
        assert message["replay"] is True
        assert message["ts_replay"] == str(event.ts_recv)
        assert message["ts_event"] == str(event.ts_event)
        assert message["checksum"] == (event.queues if queues else event.levels)


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


def test_steps_are_exactly_as_many_events_and_nothing_comes_while_it_is_paused(
    source: Source, journal: Path
) -> None:
    async def main() -> None:
        async with watching(journal) as (_, watcher):
            assert (await watcher.play("11", start=0, paused=True))["paused"] is True
            await watcher.until("paused")
            events = source.of(11)
            done = 0
            for asked, count in ((2, 1), (3, 1), (4, 7), (5, 300)):
                await watcher.ask("step", id=asked, count=count, **{"class": watcher.name})
                state = await watcher.answer(asked)
                done += count
                assert (state["state"], state["events"]) == ("paused", done)
                assert state["seq"] == events[done - 1].position
                assert state["ts_replay"] == str(events[done - 1].ts_recv)
                told = told_of(watcher.channel("orders", "order", "snapshot"), source)
                assert [each["seq"] for each in told] == [event.position for event in events[:done]]
            before = len(watcher.told)
            await watcher.ask("ping", id=9)
            await asyncio.sleep(0.1)
            await watcher.answer(9)
            assert len(watcher.told) == before
            await watcher.ask("resume", id=10, **{"class": watcher.name})
            assert (await watcher.answer(10))["state"] == "playing"
            assert (await watcher.until("ended"))["events"] == len(events)

    run(main())


def test_a_seek_begins_every_class_anew(source: Source, journal: Path) -> None:
    times = SourceTimes(source.data)
    middle, late, early = times.times(3, seed=11)[1], times.times(9, seed=12)[8], times.times(9, seed=13)[0]

    async def main() -> None:
        async with watching(journal) as (_, watcher):
            await watcher.play("11", "12", start=str(middle), channels=ALL, paused=True)
            await watcher.until("paused")
            for asked, moment in enumerate((late, early, middle, middle + 1), 10):
                await watcher.ask("seek", id=asked, time=moment, **{"class": watcher.name})
                state = await watcher.answer(asked)
                assert (state["state"], state["reason"]) == ("paused", "seek")
                assert (state["seq"], state["ts_replay"]) == (times(moment)[1], str(moment))
                await watcher.ask("step", id=100 + asked, count=40, **{"class": watcher.name})
                await watcher.answer(100 + asked)
                expected = source.of(11, 12, after=state["seq"])[:40]
                last = {event.key: event for event in expected}
                for key, event in last.items():
                    name = f"{watcher.name}/orders:{key.instrument_id}:{key.publisher_id}:0:0"
                    assert watcher.reader.books[name].checksum() == event.queues
            resyncs = [each for each in watcher.told if each["type"] == "resync"]
            assert {each["reason"] for each in resyncs} >= {"seek"}
            await watcher.ask("seek", id=90, time="2100-01-01", **{"class": watcher.name})
            refused = await watcher.answer(90)
            assert (refused["code"], refused["fatal"]) == ("time_not_kept", False)
            assert refused["available_until"] == str(forms.span(source.data).max_ts_recv - 1)
            await watcher.ask("step", id=91, **{"class": watcher.name})
            assert (await watcher.answer(91))["reason"] == "step"
            await watcher.ask("resume", id=92, **{"class": watcher.name})
            await watcher.until("ended")
            await watcher.ask("seek", id=93, time=early, **{"class": watcher.name})
            assert (await watcher.answer(93))["state"] == "playing"
            await watcher.until("ended")

    run(main())


def test_the_pace_is_the_one_that_was_asked_for(source: Source, journal: Path) -> None:
    """The day has 117 ms: at a tenth of its pace it takes 1.2 s."""
    span = forms.span(source.data)
    lasts_s = (span.max_ts_recv - span.min_ts_recv) / 1e9

    async def main() -> None:
        async with watching(journal) as (_, watcher):
            began = time.monotonic()
            await watcher.play("11", start=0, speed=0.1)
            await watcher.until("ended")
            assert lasts_s * 10 * 0.95 < time.monotonic() - began < lasts_s * 10 * 2
            orders = watcher.channel("orders", "order")
            ahead = [int(each["ts_send"]) - 10 * int(each["ts_replay"]) for each in orders]
            assert max(ahead) - min(ahead) < 0.6e9
            began = time.monotonic()
            await watcher.ask("seek", id=2, time=span.min_ts_recv, **{"class": watcher.name})
            await watcher.ask("speed", id=3, speed=0.5, **{"class": watcher.name})
            assert (await watcher.answer(3))["speed"] == 0.5
            await watcher.until("ended")
            assert lasts_s * 2 * 0.95 < time.monotonic() - began < lasts_s * 10 * 0.95

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


WRONG: Final[list[tuple[str, dict[str, Any]]]] = [
    ("bad_time", {"start": None}),
    ("bad_time", {"start": "yesterday"}),
    ("bad_time", {"start": 10, "end": 9}),
    ("bad_request", {"start": -1}),
    ("bad_request", {"start": 1.5}),
    ("bad_speed", {"speed": 0}),
    ("bad_speed", {"speed": 1001}),
    ("bad_speed", {"speed": "fast"}),
    ("bad_channels", {"channels": ["status"]}),
    ("bad_request", {"channels": []}),
    ("bad_depth", {"depth": 3}),
    ("bad_rate", {"rate": 3}),
    ("bad_request", {"instruments": []}),
    ("bad_request", {"instruments": [str(each) for each in range(21)]}),
    ("unknown_instrument", {"instruments": ["NONE"]}),
    ("time_not_kept", {"start": "2100-01-01"}),
    ("bad_time", {"since": {"epoch": "other", "seq": 1}}),
    ("bad_request", {"pace": 1}),
]


def test_wrong_requests_have_typed_errors_and_leave_nothing(journal: Path) -> None:
    async def main() -> None:
        async with watching(journal) as (service, watcher):
            for asked, (code, fields) in enumerate(WRONG, 10):
                request = {"channel": "replay", "instruments": ["11"], "start": 0, **fields}
                given = {name: value for name, value in request.items() if value is not None}
                await watcher.ask("subscribe", id=asked, **given)
                refused = await watcher.answer(asked)
                assert (refused["type"], refused.get("code")) == ("error", code), (fields, refused)
                assert not refused["fatal"]
            await watcher.ask("subscribe", id=1, channel="book", instruments=["7"], start=0)
            assert (await watcher.answer(1))["code"] == "bad_request"
            for asked, op in enumerate(("pause", "resume", "step"), 2):
                await watcher.ask(op, id=asked, **{"class": "replay:1"})
                assert (await watcher.answer(asked))["code"] == "not_subscribed"
            assert replays_of(service) == 0
            await watcher.play("11", start=0, paused=True)
            for asked, (op, fields, code) in enumerate(
                (
                    ("seek", {"time": "then"}, "bad_time"),
                    ("speed", {"speed": -1}, "bad_speed"),
                    ("step", {"count": 0}, "bad_request"),
                    ("resync", {"class": f"{watcher.name}/book:1:1:1:1"}, "not_subscribed"),
                    ("unsubscribe", {"class": f"{watcher.name}/orders:11:65001:0:0"}, "bad_request"),
                ),
                50,
            ):
                await watcher.ask(op, id=asked, **{"class": watcher.name, **fields})
                assert (await watcher.answer(asked))["code"] == code, op

    run(main())


def test_replays_are_counted_and_their_places_given_back(journal: Path) -> None:
    async def main() -> None:
        async with replaying(journal, replays=3, replays_per_key=2) as service:
            async with page(service) as one:
                watcher = Watcher(one.connection)
                for _ in range(2):
                    assert (await watcher.play("11", start=0, paused=True))["type"] == "subscribed"
                third = await watcher.play("11", start=0)
                assert (third["code"], third["fatal"]) == ("too_many_replays", False)
                await watcher.ask("unsubscribe", id=5, **{"class": "replay:1"})
                await watcher.answer(5)
                assert (await watcher.play("11", start=0, paused=True))["class"] == "replay:3"
                assert replays_of(service) == 2
            async with asyncio.timeout(5):
                while replays_of(service):
                    await asyncio.sleep(0.01)

    run(main())


def test_a_reader_who_vanishes_leaves_nothing_behind(journal: Path) -> None:
    async def main() -> None:
        async with replaying(journal, replays_per_key=50) as service:
            for moment in range(8):
                async with page(service) as one:
                    await one.ask("subscribe", channel="replay", instruments=["11"], start=0, speed="max")
                    await asyncio.sleep(moment * 0.003)
                    one.connection.transport.abort()
            async with asyncio.timeout(5):
                while replays_of(service) or service.hub.counters.clients:
                    await asyncio.sleep(0.01)
            assert not [task for task in asyncio.all_tasks() if "Replay" in repr(task.get_coro())]

    run(main())


def test_a_damaged_segment_ends_a_replay_that_comes_to_it(source: Source, tmp_path: Path) -> None:
    journal = journal_of_lives(tmp_path, source.data, records=700)
    file = sorted(journal.rglob("*.dbn.zst"), key=lambda path: path.name)[3]
    index = msgspec.json.decode(Path(str(file).replace(".dbn.zst", ".index.json")).read_bytes())
    flipped = bytearray(file.read_bytes())
    flipped[int(index["frames"][0]["offset"]) + 50] ^= 0xFF
    file.write_bytes(flipped)

    async def main() -> None:
        async with watching(journal) as (_, watcher):
            await watcher.play("11", start=0)
            message = await watcher.message()
            while message["type"] != "error":
                message = await watcher.message()
            assert (message["code"], message["fatal"]) == ("journal_damaged", False)
            assert file.name in message["message"]
            state = await watcher.until("failed")
            assert state["reason"] == "journal_damaged"
            before = [event for event in source.of(11) if event.position <= index["position"]]
            assert state["events"] == len(before)
            after = index["times"]["max_ts_recv"]
            await watcher.ask("seek", id=7, time=after, **{"class": watcher.name})
            assert (await watcher.answer(7))["state"] == "playing"
            await watcher.until("ended")
            held_to(told_of(watcher.channel("orders", "order")[-50:], source), source.events, queues=True)

    run(main())


def test_a_class_is_told_anew_for_who_asks(source: Source, journal: Path) -> None:
    async def main() -> None:
        async with watching(journal) as (_, watcher):
            await watcher.play("12", start=0, paused=True, channels=["orders", "book"])
            await watcher.ask("step", id=2, count=200, **{"class": watcher.name})
            await watcher.answer(2)
            key = BookKey(65_001, 12)
            name = f"{watcher.name}/orders:12:65001:0:0"
            await watcher.ask("resync", id=3, **{"class": name})
            await watcher.ask("ping", id=4)
            await watcher.answer(4)
            resync, snapshot = watcher.told[-2:]
            assert (resync["type"], resync["reason"]) == ("resync", "requested")
            assert (snapshot["type"], snapshot["class"]) == ("snapshot", name)
            last = [event for event in source.of(12)[:200] if event.key == key][-1]
            assert snapshot["checksum"] == last.queues

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
