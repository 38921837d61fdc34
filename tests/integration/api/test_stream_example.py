"""The client that docs/examples shows, as it is: run as a program, and followed over lost connections."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from typing import Any

from tests.conftest import ROOT
from tests.support.gateways import run
from tests.support.stream_service import StreamService, stream_service

FILE = ROOT / "docs" / "examples" / "book_client.py"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("book_client", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def until_equal(following: AsyncIterator[Any], service: StreamService) -> Any:
    async with asyncio.timeout(15):
        async for book, _ in following:
            if book.checksum() == service.engine.checksum(7, 10):
                return book
    raise AssertionError("the example has ended")


def test_it_holds_the_book_over_lost_connections_and_feeds() -> None:
    async def main() -> None:
        async with stream_service() as service:
            following = example().follow(service.url, "7")
            await until_equal(following, service)
            for number in range(20):
                service.change(ticks=number % 14 - 7, size=number + 1)
                book = await until_equal(following, service)
                if number % 5 == 2:
                    for connection in list(service.server.server_state.connections):
                        connection.transport.abort()
                    service.change(ticks=5)
                    await asyncio.sleep(0.1)
                if number == 9:
                    service.told.connect()
                    service.told.records(service.engine.snapshot())
                    service.told.completed()
            assert len(book.bids) == 10
            assert service.hub.counters.caught_up >= 1
            await following.aclose()

    run(main())


def test_it_holds_the_book_over_a_restart_with_no_books_at_first() -> None:
    async def main() -> None:
        async with stream_service() as before:
            following = example().follow(before.url, "7")
            book = await until_equal(following, before)
            coming = asyncio.create_task(anext(following))
            await before.hub.close(0.0)
        async with stream_service(port=before.port, filled=False) as after:
            async with asyncio.timeout(15):
                while after.hub.counters.errors < 2:  # "starting", each time
                    await asyncio.sleep(0.05)
            assert not coming.done()
            epoch = book.epoch
            after.fill()
            after.change(ticks=2, size=9)
            await asyncio.wait_for(coming, 15)
            after.change(ticks=3)
            await until_equal(following, after)
            assert (book.epoch, epoch) == (after.hub.numbering.epoch, before.hub.numbering.epoch)
            await following.aclose()

    run(main())


def test_it_asks_anew_when_a_checksum_does_not_agree() -> None:
    async def main() -> None:
        async with stream_service() as service:
            following = example().follow(service.url, "7")
            book = await until_equal(following, service)
            book.bids[0][1] += 1
            service.change(ticks=3)
            await until_equal(following, service)
            assert service.hub.counters.requests == 2
            await following.aclose()

    run(main())


def test_it_runs_as_a_program() -> None:
    async def main() -> None:
        async with stream_service() as service:
            program = await asyncio.create_subprocess_exec(
                sys.executable, FILE, service.url, "7", stdout=asyncio.subprocess.PIPE
            )
            assert program.stdout is not None
            async with asyncio.timeout(15):
                assert b"live [['64.79', 1, 1]]" in await program.stdout.readline()
                service.told.disconnect()
                assert b" stale " in await program.stdout.readline()
            program.kill()
            await program.wait()

    run(main())


def test_it_says_what_is_wrong() -> None:
    async def main() -> None:
        async with stream_service() as service:
            program = await asyncio.create_subprocess_exec(
                sys.executable, FILE, service.url, "nix", stderr=asyncio.subprocess.PIPE
            )
            _, errors = await asyncio.wait_for(program.communicate(), 15)
            assert b"no feed has an instrument 'nix'" in errors
            assert program.returncode == 1

    run(main())
