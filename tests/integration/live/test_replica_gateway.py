"""A replica and gateways: over a line that breaks, restarted, absent, silent, refusing, old, killed."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest

from depthcast.api.market import Market
from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.dbn import forms
from depthcast.dbn.layout import RType
from depthcast.errors import AmbiguousInstrumentError
from depthcast.live import control
from depthcast.live.gateway import Gateway, GatewayLimits
from depthcast.live.keys import KeyRing
from depthcast.live.lifecycle import Policy
from depthcast.live.replica import Replica
from depthcast.live.replica_types import FeedState
from tests.support.breaking_line import BreakingLine
from tests.support.feed_process import KEY as PROCESS_KEY
from tests.support.feed_process import FeedProcess
from tests.support.gateways import free_port, run, serve, until
from tests.support.live_client import SECRET, key_ring
from tests.support.market import INSTRUMENTS, START_NS, definition, market, symbology
from tests.support.recorded_feed import DATASET, RecordedFeed, cut
from tests.support.records import LAST, SNAPSHOT, add, clear, status
from tests.support.replicas import Listener, checksums
from tests.support.scripted_gateway import DATASET as SCRIPTED
from tests.support.scripted_gateway import KEY, Peer, gateway

FAST = Policy(backoff_first_s=0.005, backoff_max_s=0.02)
PHASES = b"".join(status(action, instrument_id=101) for action in (1, 7))
RECORDS = definition(101, "AAA.0") + PHASES + market(900)


def feed(records: bytes = RECORDS, **options: Any) -> RecordedFeed:
    return RecordedFeed(cut(records, records=7), symbology=symbology(), **options)


def replica_of(port: int, **options: Any) -> Replica:
    given = {"key": SECRET, "dataset": DATASET, "policy": FAST, **options}
    return Replica("127.0.0.1", port, **given)


@contextlib.asynccontextmanager
async def running(replica: Replica) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(replica.run())
    try:
        yield task
        assert not task.done(), "a replica ends when it is closed, and not before"
    finally:
        replica.close()
        await task


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
                replica = replica_of(line.port, gather_ms=gather_ms)
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
            replica = replica_of(served.address[1], gather_ms=5)
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
                [replica_of(served.address[1], dataset=served.feed.dataset) for served in (one, two)]
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
            replica = replica_of(served.address[1])
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
            replica = replica_of(served.address[1], symbols=["AAA", "CCC"])
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
        replica = replica_of(port)
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
        replica = replica_of(address[1])
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
            replica = replica_of(served.address[1], random=lambda: 0.0)
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
            replica = replica_of(served.address[1])
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
            replica = replica_of(served.address[1], dataset="OTHER.SET")
            async with running(replica):
                await until(lambda: replica.reason.startswith("dataset refused: "))
                assert DATASET in replica.reason

    run(main())


def test_what_is_no_gateway_is_told_as_that() -> None:
    async def main() -> None:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\n\n")
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        replica = replica_of(server.sockets[0].getsockname()[1])
        async with server, running(replica):
            await until(lambda: "HTTP/1.1" in replica.reason)
            assert replica.state is FeedState.CONNECTING

    run(main())


SNAPSHOT_OF_ONE = clear(SNAPSHOT, instrument_id=7) + add(1, "B", 10**11, 5, SNAPSHOT | LAST, instrument_id=7)
COMPLETED = control.system(3, "Snapshot of mbo completed", ts_event=1)


async def snapshot_then(peer: Peer, *more: bytes) -> None:
    await peer.begin()
    now = time.time_ns()
    await peer.send(forms.form(SNAPSHOT_OF_ONE + COMPLETED + b"".join(more), ts_out=now))


def test_silence_is_told_within_two_seconds() -> None:
    async def silent(peer: Peer) -> None:
        await snapshot_then(peer)
        await peer.gone()

    async def main() -> None:
        async with gateway(silent) as scripted:
            replica = Replica("127.0.0.1", scripted.port, key=KEY, dataset=SCRIPTED)
            async with running(replica):
                await until(lambda: replica.state is FeedState.LIVE)
                begun = time.monotonic()
                await until(lambda: replica.state is FeedState.STALE)
                assert time.monotonic() - begun < 2
                assert replica.reason.startswith("silent for 1.")
                assert replica.engine.status(7).orders == 1

    run(main())


def test_skipped_records_lead_to_fresh_books() -> None:
    async def skips(peer: Peer) -> None:
        await snapshot_then(peer, control.error(7, "skipped", ts_event=1, is_last=False))
        await peer.gone()

    async def whole(peer: Peer) -> None:
        await snapshot_then(peer)
        await peer.gone()

    async def main() -> None:
        async with gateway(skips, whole) as scripted:
            replica = replica_of(scripted.port, key=KEY, dataset=SCRIPTED, random=lambda: 0.0)
            listener = Listener(replica)
            async with running(replica):
                await until(lambda: replica.generation == 2)
                assert replica.gaps == 1
                assert listener.resets == ["feed_reconnected", "gap"]
                assert not replica.engine.status(7).suspect

    run(main())


def test_a_gateway_without_snapshots_of_definitions_is_asked_without() -> None:
    async def old(peer: Peer) -> None:
        await peer.begin()
        if any(each.snapshot and each.schema != "mbo" for each in peer.subscriptions):
            refusal = control.error(5, "snapshot: only mbo has snapshots", ts_event=1)
            await peer.send(forms.form(refusal, ts_out=1))
            return
        await peer.send(forms.form(SNAPSHOT_OF_ONE, ts_out=time.time_ns()))
        await peer.gone()

    async def main() -> None:
        async with gateway(old) as scripted:
            replica = replica_of(scripted.port, key=KEY, dataset=SCRIPTED, random=lambda: 0.0)
            async with running(replica):
                await until(lambda: "only mbo has snapshots" in replica.reason)
                await until(lambda: replica.ready)
                assert replica.engine.status(7).orders == 1

    run(main())


def test_a_gateway_without_definitions_and_statuses_is_followed_for_its_books() -> None:
    async def plain(peer: Peer) -> None:
        await peer.begin()
        refused = [each.schema for each in peer.subscriptions if each.schema != "mbo"]
        if refused:
            refusal = control.error(5, f"schema: {refused[0]} is not served", ts_event=1)
            await peer.send(forms.form(refusal, ts_out=1))
            return
        await peer.send(forms.form(SNAPSHOT_OF_ONE + COMPLETED, ts_out=time.time_ns()))
        await peer.gone()

    async def main() -> None:
        async with gateway(plain) as scripted:
            replica = replica_of(scripted.port, key=KEY, dataset=SCRIPTED, random=lambda: 0.0)
            async with running(replica):
                await until(lambda: replica.ready)
                assert len(scripted.peers) == 3

    run(main())


def test_bytes_that_are_no_records_end_the_session_and_touch_no_book() -> None:
    async def broken(peer: Peer) -> None:
        await snapshot_then(peer, b"")
        if peer.number == 0:
            await peer.raw(b"\x01\xa0" + bytes(62))
        await peer.gone()

    async def main() -> None:
        async with gateway(broken) as scripted:
            replica = replica_of(scripted.port, key=KEY, dataset=SCRIPTED)
            async with running(replica):
                await until(lambda: replica.generation == 2)
                assert replica.engine.status(7).orders == 1

    run(main())


def test_a_feed_that_is_killed_and_started_again() -> None:
    """kill -9 under a replica: books stay, stale, and are the new feed's once that is there."""
    port = free_port()
    arguments = ("sim://cme?rate=5000", "--listen", f"127.0.0.1:{port}", "--journal", "none")

    async def main() -> None:
        replica = replica_of(port, key=PROCESS_KEY, dataset="XSIM.MBO")
        async with running(replica):
            with FeedProcess(*arguments) as first:
                await asyncio.to_thread(first.wait_for, "running")
                await until(lambda: replica.state is FeedState.LIVE and bool(replica.engine.books()))
                books = set(replica.engine.books())
                first.stop(signal.SIGKILL)
                await until(lambda: replica.state is FeedState.STALE)
                assert set(replica.engine.books()) == books
            with FeedProcess(*arguments) as second:
                await asyncio.to_thread(second.wait_for, "running")
                await until(lambda: replica.generation == 2)
                await until(lambda: set(replica.engine.books()) == books)
                assert replica.state is FeedState.LIVE

    run(main())


def test_records_in_the_feed_are_of_the_types_the_replica_asks_for() -> None:
    """The recorded feed has all three, or the tests above would show nothing."""
    for rtype in (RType.MBO, RType.STATUS, RType.INSTRUMENT_DEF):
        assert forms.form(RECORDS, rtypes=[rtype])
    assert START_NS > 0
