"""A replica and our gateways: over a line that breaks, restarted, absent, refusing; several as a market."""

import asyncio
import time
from contextlib import closing
from typing import Any

import pytest

from depthcast.api.market import Market
from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.dbn import forms
from depthcast.dbn.layout import RType
from depthcast.errors import AmbiguousInstrumentError
from depthcast.live.gateway import Gateway, GatewayLimits
from depthcast.live.keys import KeyRing
from depthcast.live.replica import Replica
from depthcast.live.replica_types import FeedState
from tests.support.breaking_line import BreakingLine
from tests.support.gateways import free_port, run, serve, until
from tests.support.live_client import SECRET, key_ring
from tests.support.market import INSTRUMENTS, START_NS, definition, market, symbology
from tests.support.recorded_feed import DATASET, RecordedFeed, cut
from tests.support.records import status
from tests.support.replicas import Listener, checksums, replica_of, running

PHASES = b"".join(status(action, instrument_id=101) for action in (1, 7))
RECORDS = definition(101, "AAA.0") + PHASES + market(900)


def feed(records: bytes = RECORDS, **options: Any) -> RecordedFeed:
    return RecordedFeed(cut(records, records=7), symbology=symbology(), **options)


def books_after(records: bytes) -> dict[BookKey, int]:
    engine = Engine()
    engine.apply(records)
    return checksums(engine)


class Sampled(Listener):
    """Holds every book, whenever it is told of one, to what the feed's was after one of its events."""

    def __init__(self, replica: Replica, records: bytes) -> None:
        super().__init__(replica)
        self.compared = 0
        self._past: dict[tuple[BookKey, tuple[int, int]], set[int]] = {}
        engine = Engine()
        for each in cut(records, records=1):
            engine.apply(each)
            for key in engine.changed():
                version = engine.status(key.instrument_id, key.publisher_id).version
                found = engine.checksum(key.instrument_id, publisher_id=key.publisher_id)
                self._past.setdefault((key, version), set()).add(found)

    def _see(self, key: BookKey) -> None:
        super()._see(key)
        version = self.replica.engine.status(key.instrument_id, key.publisher_id).version
        assert self.seen[key] in self._past[key, version]
        self.compared += 1


@pytest.mark.parametrize("gather_ms", [0, 2])
def test_books_are_the_feeds_at_every_event_over_a_line_that_breaks(gather_ms: float) -> None:
    async def main() -> None:
        recorded = feed()
        async with serve(recorded) as served:
            with closing(BreakingLine(served.address[1], 9_000, growth=3_000)) as line:
                replica = replica_of(line.port, key=SECRET, gather_ms=gather_ms)
                sampled = Sampled(replica, RECORDS)
                async with running(replica):
                    while recorded.left:
                        recorded.publish(1)
                        assert replica.engine.open_events == 0
                        assert set(replica.engine.books()) >= set(sampled.seen)
                        await asyncio.sleep(0.003)
                    await until(lambda: checksums(replica.engine) == books_after(RECORDS))
                assert line.broken > 2
                assert replica.sessions > 2
                assert len(sampled.resets) == replica.generation > 1
                assert sampled.compared > 100
                assert checksums(sampled.books) == books_after(RECORDS)

    run(main())


def test_small_reads_in_quick_succession_are_gathered() -> None:
    """Every 5 ms here, though something comes every half; and nothing is lost by it."""

    async def main() -> tuple[int, int]:
        recorded = feed()
        async with serve(recorded) as served:
            replica = replica_of(served.address[1], key=SECRET, gather_ms=5)
            listener = Listener(replica)
            async with running(replica):
                recorded.publish(20)
                await until(lambda: replica.ready)
                published = 0
                while recorded.left:
                    recorded.publish(1)
                    published += 1
                    await asyncio.sleep(0.0005)
                await until(lambda: checksums(replica.engine) == books_after(RECORDS))
                assert checksums(listener.books) == books_after(RECORDS)
                return published, listener.told.count("records")

    published, told = run(main())
    assert told < published / 2


def test_feeds_of_several_datasets_are_one_market() -> None:
    async def main() -> None:
        feeds = [feed(dataset=name) for name in ("ONE.SIM", "TWO.SIM")]
        for each in feeds:
            each.publish(60)
        async with serve(feeds[0]) as one, serve(feeds[1]) as two:
            market = Market(
                [
                    replica_of(served.address[1], key=SECRET, dataset=served.feed.dataset)
                    for served in (one, two)
                ]
            )
            running_market = asyncio.create_task(market.run())
            await until(lambda: market.ready)
            assert market.find("TWO.SIM:AAA").replica is market.replicas[1]
            with pytest.raises(AmbiguousInstrumentError):
                market.find("AAA")
            market.close()
            await running_market

    run(main())


def test_definitions_statuses_and_symbols_from_before_it_came_are_known() -> None:
    async def main() -> None:
        recorded = feed()
        async with serve(recorded) as served:
            recorded.publish(recorded.left)
            replica = replica_of(served.address[1], key=SECRET)
            async with running(replica):
                await until(lambda: replica.state is FeedState.LIVE)
                assert replica.engine.status(101).phase == "trading"
                assert sorted(replica.definitions) == sorted(INSTRUMENTS)
                assert replica.definitions[101] == definition(101, "AAA")
                assert replica.symbols == INSTRUMENTS
                assert checksums(replica.engine) == books_after(RECORDS)

    run(main())


def test_some_instruments_alone_can_be_followed() -> None:
    async def main() -> None:
        recorded = feed()
        async with serve(recorded) as served:
            replica = replica_of(served.address[1], key=SECRET, symbols=["AAA", "CCC"])
            async with running(replica):
                await until(lambda: replica.ready)
                recorded.publish(recorded.left)
                wanted = {BookKey(1, 101), BookKey(1, 103)}
                await until(lambda: len(replica.engine.books()) == 2)
                right = {key: value for key, value in books_after(RECORDS).items() if key in wanted}
                await until(lambda: checksums(replica.engine) == right)
                assert set(replica.definitions) == {101, 103}

    run(main())


def test_a_gateway_that_is_not_there_yet_is_waited_for() -> None:
    async def main() -> None:
        port = free_port()
        replica = replica_of(port, key=SECRET)
        async with running(replica):
            await until(lambda: "refused" in replica.reason)
            assert replica.state is FeedState.CONNECTING
            assert not replica.ready
            recorded = feed()
            recorded.publish(20)
            served = Gateway(recorded, key_ring, GatewayLimits())
            recorded.on_news = served.wake
            await served.start("127.0.0.1", port)
            await until(lambda: replica.ready)
            await served.close()

    run(main())


def test_a_restarted_gateway_is_found_again_and_books_stay_meanwhile() -> None:
    async def main() -> None:
        recorded = feed()
        first = Gateway(recorded, key_ring, GatewayLimits())
        [address] = await first.start("127.0.0.1", 0)
        recorded.on_news = first.wake
        recorded.publish(60)
        replica = replica_of(address[1], key=SECRET)
        listener = Listener(replica)
        async with running(replica):
            await until(lambda: replica.state is FeedState.LIVE)
            before = checksums(replica.engine)
            await first.close()
            await until(lambda: replica.state is FeedState.STALE)
            assert replica.stale_since_ns is not None
            assert abs(time.time_ns() - replica.stale_since_ns) < 1e9
            recorded.publish(recorded.left)
            assert checksums(replica.engine) == before
            second = Gateway(recorded, key_ring, GatewayLimits())
            await second.start("127.0.0.1", address[1])
            await until(lambda: replica.generation == 2)
            assert checksums(replica.engine) == books_after(RECORDS)
            assert replica.state is FeedState.LIVE
            assert listener.states == [FeedState.LIVE, FeedState.STALE, FeedState.LIVE]
            await second.close()

    run(main())


def test_a_refused_key_is_tried_again_and_told_meanwhile() -> None:
    async def main() -> None:
        rings = [KeyRing([])]
        async with serve(feed(), keys=lambda: rings[-1]) as served:
            replica = replica_of(served.address[1], key=SECRET, random=lambda: 0.0)
            async with running(replica):
                await until(lambda: replica.reason.startswith("key refused: "))
                assert replica.state is FeedState.CONNECTING
                rings.append(key_ring())
                await until(lambda: replica.ready)

    run(main())


def test_a_key_that_is_revoked_leaves_stale_books() -> None:
    async def main() -> None:
        rings = [key_ring()]
        recorded = feed()
        recorded.publish(50)
        async with serve(recorded, keys=lambda: rings[-1]) as served:
            replica = replica_of(served.address[1], key=SECRET)
            async with running(replica):
                await until(lambda: replica.ready)
                rings.append(KeyRing([]))
                await until(lambda: replica.reason.startswith("key refused: "))
                assert replica.state is FeedState.STALE
                assert replica.engine.books()

    run(main())


def test_another_dataset_is_told_as_that() -> None:
    async def main() -> None:
        async with serve(feed()) as served:
            replica = replica_of(served.address[1], key=SECRET, dataset="OTHER.SET")
            async with running(replica):
                await until(lambda: replica.reason.startswith("dataset refused: "))
                assert DATASET in replica.reason

    run(main())


def test_records_in_the_feed_are_of_the_types_the_replica_asks_for() -> None:
    """The recorded feed has all three, or the tests above would show nothing."""
    for rtype in (RType.MBO, RType.STATUS, RType.INSTRUMENT_DEF):
        assert forms.form(RECORDS, rtypes=[rtype])
    assert START_NS > 0
