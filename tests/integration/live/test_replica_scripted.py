"""A replica and gateways that do what a test says: silent, skipping, old, broken, killed; and no gateways."""

import asyncio
import signal
import time
from typing import Final

from depthcast.dbn import forms
from depthcast.live import control
from depthcast.live.replica import Replica
from depthcast.live.replica_types import FeedState
from tests.support.feed_process import KEY as PROCESS_KEY
from tests.support.feed_process import FeedProcess
from tests.support.gateways import free_port, run, until
from tests.support.records import LAST, SNAPSHOT, add, clear
from tests.support.replicas import Listener, replica_of, running
from tests.support.scripted_gateway import DATASET, KEY, Peer, gateway

SNAPSHOT_OF_ONE: Final = clear(SNAPSHOT, instrument_id=7) + add(
    1, "B", 10**11, 5, SNAPSHOT | LAST, instrument_id=7
)
COMPLETED: Final = control.system(3, "Snapshot of mbo completed", ts_event=1)


async def snapshot_then(peer: Peer, *more: bytes) -> None:
    await peer.begin()
    now = time.time_ns()
    await peer.send(forms.form(SNAPSHOT_OF_ONE + COMPLETED + b"".join(more), ts_out=now))


def test_what_is_no_gateway_is_told_as_that() -> None:
    async def main() -> None:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\n\n")
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        replica = replica_of(server.sockets[0].getsockname()[1], key=KEY)
        async with server, running(replica):
            await until(lambda: "HTTP/1.1" in replica.reason)
            assert replica.state is FeedState.CONNECTING

    run(main())


def test_silence_is_told_within_two_seconds() -> None:
    async def silent(peer: Peer) -> None:
        await snapshot_then(peer)
        await peer.gone()

    async def main() -> None:
        async with gateway(silent) as scripted:
            replica = Replica("127.0.0.1", scripted.port, key=KEY, dataset=DATASET)
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
            replica = replica_of(scripted.port, key=KEY, dataset=DATASET, random=lambda: 0.0)
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
            replica = replica_of(scripted.port, key=KEY, dataset=DATASET, random=lambda: 0.0)
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
            replica = replica_of(scripted.port, key=KEY, dataset=DATASET, random=lambda: 0.0)
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
            replica = replica_of(scripted.port, key=KEY, dataset=DATASET)
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

    asyncio.run(asyncio.wait_for(main(), 60))
