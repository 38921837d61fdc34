"""A COPY whose server dies ends, also where the server had stopped reading before."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from depthcast.errors import StoreError
from depthcast.store.connect import connected
from depthcast.store.embedded import EmbeddedPostgres
from depthcast.store.filling import while_connected
from tests.support.gateways import run
from tests.support.kills import kill_server

PIECE = b"1\n" * 500_000


def test_a_copy_that_waits_for_a_dead_server_ends() -> None:
    place = Path(tempfile.mkdtemp(prefix="depthcast-test-"))
    place.chmod(0o755)
    server = EmbeddedPostgres(place / "database")

    async def copy(begun: asyncio.Event) -> None:
        async with connected(server.url) as connection:
            await connection.execute("CREATE TEMP TABLE numbers (number int)")
            process = await connection.fetchval("SELECT pg_backend_pid()")

            async def source() -> AsyncIterator[bytes]:
                os.kill(process, signal.SIGSTOP)
                begun.set()
                while True:
                    yield PIECE

            async with connection.transaction():
                await while_connected(connection, connection.copy_to_table("numbers", source=source()))

    async def main() -> None:
        begun = asyncio.Event()
        copying = asyncio.create_task(copy(begun))
        await begun.wait()
        await asyncio.sleep(0.3)  # until nothing more can be written
        kill_server(place / "database" / "data")
        with pytest.raises(StoreError, match="connection"):
            await asyncio.wait_for(copying, 10)

    try:
        server.start()
        run(main())
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)
