"""Replays over a WebSocket: what can be asked of them, what is refused, and what they leave behind."""

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from depthcast.book.types import BookKey
from depthcast.dbn import forms
from tests.support.gateways import run
from tests.support.journals import simulated_feed
from tests.support.past import SourceTimes, journal_of_lives
from tests.support.replayed import Source, Watcher, held_to, replaying, replays_of, told_of, watching
from tests.support.stream_service import page

ALL: Final = ["book", "bbo", "trades", "orders"]


@pytest.fixture(scope="module")
def source() -> Source:
    return Source(simulated_feed())


@pytest.fixture(scope="module")
def journal(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return journal_of_lives(tmp_path_factory.mktemp("replayed"), source.data, records=700)


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
    ("bad_time", {"start": None, "since": {"epoch": "other", "seq": 1}}),
    ("bad_request", {"since": {"epoch": "replay", "seq": 1}}),
    ("bad_request", {"pace": 1}),
]


def test_wrong_requests_have_typed_errors_and_leave_nothing(journal: Path) -> None:
    async def main() -> None:
        async with watching(journal) as (service, watcher):
            for asked, (code, fields) in enumerate(WRONG, 10):
                request: dict[str, Any] = {"channel": "replay", "instruments": ["11"], "start": 0, **fields}
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
            refusals: list[tuple[str, dict[str, Any], str]] = [
                ("seek", {"time": "then"}, "bad_time"),
                ("speed", {"speed": -1}, "bad_speed"),
                ("step", {"count": 0}, "bad_request"),
                ("resync", {"class": f"{watcher.name}/book:1:1:1:1"}, "not_subscribed"),
                ("unsubscribe", {"class": f"{watcher.name}/orders:11:65001:0:0"}, "bad_request"),
            ]
            for asked, (op, more, code) in enumerate(refusals, 50):
                await watcher.ask(op, id=asked, **{"class": watcher.name, **more})
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
