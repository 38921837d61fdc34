"""The database goes and comes back: history says so in time, live books know nothing of it."""

import asyncio
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from depthcast.api.database import ROLE
from depthcast.settings.sections import DatabaseSettings
from depthcast.store.connect import connected
from depthcast.store.embedded import EmbeddedPostgres
from depthcast.store.migrate import migrate
from tests.support.api_service import Api
from tests.support.gateways import run
from tests.support.history_api import compacted, history_api, history_settings
from tests.support.journals import simulated_feed
from tests.support.postgres import Server
from tests.support.rest import problem
from tests.support.stored import recorded

PATH = "/v1/history/trades?instrument=GLBX.MDP3:11&limit=5"
SOON_S = 3.0
"""Two seconds, and what a busy machine adds."""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="depthcast-test-"))
    made.chmod(0o755)  # as root the server runs as somebody else
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def _prepare(url: str, folder: Path) -> None:
    async with connected(url) as connection:
        await migrate(connection)
    await compacted(url, recorded(folder, simulated_feed(), records=6_000))


async def _away(api: Api) -> None:
    """History is not to be had, and is said not to be soon enough; all else goes on."""
    for _ in range(3):
        begun = time.monotonic()
        answer = await api.get(PATH)
        took_s = time.monotonic() - begun
        body = problem(answer, 503, "history-unavailable")
        assert answer.headers["retry-after"] == "2"
        assert took_s < SOON_S
        assert "127.0.0.1" not in body["detail"]
    assert (await api.get("/v1/books/CLX5?depth=1")).status_code == 200
    assert (await api.get("/readyz")).status_code == 200


async def _back(api: Api) -> Any:
    """The answer, once it is there again."""
    async with asyncio.timeout(15):
        while (answer := await api.get(PATH)).status_code != 200:
            assert answer.status_code == 503
            await asyncio.sleep(0.2)
    return answer.json()


def test_a_server_that_is_killed_comes_back_by_itself(folder: Path, tmp_path: Path) -> None:
    """It is our own one here, which has another port and password file each time it starts."""
    with EmbeddedPostgres(folder, durable=False) as server:
        run(_prepare(server.url, tmp_path))
        settings = msgspec.structs.replace(
            history_settings(server.url), database=DatabaseSettings(folder=folder)
        )

        async def main() -> None:
            async with history_api(settings) as api:
                rows = (await api.get(PATH)).json()["rows"]
                assert len(rows) == 5
                pid = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
                os.kill(pid, signal.SIGQUIT)  # all of its processes end, each as soon as it can
                async with asyncio.timeout(15):
                    while (await api.get(PATH)).status_code == 200:
                        await asyncio.sleep(0.05)
                await _away(api)
                await asyncio.to_thread(server.stop)
                await _away(api)
                await asyncio.to_thread(server.start)
                assert (await _back(api))["rows"] == rows

        run(main())


def test_a_server_that_does_not_answer_holds_nobody_up(postgres: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://user:secret@127.0.0.1:{silent.getsockname()[1]}/db"

        async def main() -> None:
            async with history_api(history_settings(url)) as api:
                begun = time.monotonic()
                answers = await asyncio.gather(*(api.get(PATH) for _ in range(20)))
                assert time.monotonic() - begun < SOON_S
                for answer in answers:
                    problem(answer, 503, "history-unavailable")
                await _away(api)

        run(main())


def test_connections_that_are_cut_are_made_anew(postgres: Server, tmp_path: Path) -> None:
    url = postgres.fresh()
    run(_prepare(url, tmp_path))

    async def main() -> None:
        async with history_api(history_settings(url)) as api:
            before = (await api.get(PATH)).json()["rows"]
            async with connected(url) as other:
                cut = await other.fetchval(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            assert cut >= 1
            assert (await _back(api))["rows"] == before

    run(main())


def test_history_is_read_as_the_reader_with_a_limit_on_statements(postgres: Server) -> None:
    url = postgres.fresh()

    async def main() -> None:
        async with history_api(history_settings(url, statement_s=0.2)) as api:
            history = api.services.history
            assert history is not None
            async with history.connection() as connection:
                assert await connection.fetchval("SELECT current_user") == ROLE
            with pytest.raises(Exception, match=r"took longer than 0\.2 s"):
                async with history.connection() as connection:
                    await connection.execute("SELECT pg_sleep(5)")
            async with history.connection() as connection:
                assert await connection.fetchval("SELECT 1") == 1

    run(main())


def test_all_connections_at_work_is_told_as_that(postgres: Server) -> None:
    settings = history_settings(postgres.fresh(), connections=1, wait_s=0.3)

    async def main() -> None:
        async with history_api(settings) as api:
            history = api.services.history
            assert history is not None
            async with history.connection():
                busy = problem(await api.get("/v1/history"), 503, "history-unavailable")
                assert "at work" in busy["detail"]
            assert (await api.get("/v1/history")).status_code == 200

    run(main())


def test_without_a_database_the_api_serves_its_books(tmp_path: Path) -> None:
    async def main() -> None:
        settings = msgspec.structs.replace(
            history_settings("postgresql://x@127.0.0.1/x"), database=DatabaseSettings(folder=tmp_path)
        )
        async with history_api(settings) as api:
            await _away(api)

    run(main())
