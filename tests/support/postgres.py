"""A PostgreSQL for tests, and in it a fresh database for each test, with the schema or empty.

``DEPTHCAST_TEST_DATABASE_URL`` names another server, and a user there who may make databases and roles.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from depthcast.store.embedded import EmbeddedPostgres
from depthcast.store.migrate import kind_of_server, migrate

__all__ = ["Server", "postgres_server", "run"]

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    return asyncio.run(work)


class Server:
    """A server to make databases on.

    Attributes:
        embedded: the server, where it is our own.
    """

    def __init__(self, url: str, embedded: EmbeddedPostgres | None) -> None:
        self.embedded = embedded
        self._url = url
        self._template = ""
        self._made: list[str] = []

    def fresh(self, *, migrated: bool = True) -> str:
        """The address of a new database; with the schema it is a copy of one that was migrated once."""
        if migrated and not self._template:
            self._template = self._create("template0")
            run(_migrate(self.url_of(self._template)))
            run(_execute(self._url, *_leave_alone(self._template)))
        return self.url_of(self._create(self._template if migrated else "template0"))

    def drop(self, url: str) -> None:
        """Drop a database: beside each of them TimescaleDB keeps a process, of which there are not many."""
        name = urlsplit(url).path.removeprefix("/")
        run(_execute(self._url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        self._made.remove(name)

    def drop_all(self) -> None:
        for name in list(self._made):
            self.drop(self.url_of(name))

    def url_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    def _create(self, template: str) -> str:
        name = f"test_{secrets.token_hex(6)}"
        run(_execute(self._url, f"CREATE DATABASE {name} TEMPLATE {template}"))
        self._made.append(name)
        return name


def _leave_alone(name: str) -> tuple[str, str]:
    """Let nobody connect to a database, nor what TimescaleDB runs beside each: else it cannot be copied."""
    others = f"FROM pg_stat_activity WHERE datname = '{name}'"
    ended = f"SELECT pg_terminate_backend(pid, 5000) {others}"
    return f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false", ended


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _migrate(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval(
            "SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'"
        ):
            await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            await connection.execute("SELECT _timescaledb_functions.stop_background_workers()")
            await connection.reload_schema_state()
        await migrate(connection)
        if await kind_of_server(connection) == "timescale":
            # Its jobs run when a test says so: else what a test sees would depend on when it looks.
            await connection.execute(
                "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs"
            )
    finally:
        await connection.close()


@contextmanager
def postgres_server() -> Iterator[Server]:
    """The server that tests use."""
    given = os.environ.get("DEPTHCAST_TEST_DATABASE_URL")
    if given:
        server = Server(given, None)
        try:
            yield server
        finally:
            server.drop_all()
        return
    folder = Path(tempfile.mkdtemp(prefix="depthcast-test-"))
    folder.chmod(0o755)  # as root the server runs as somebody else
    try:
        with EmbeddedPostgres(folder, durable=False) as embedded:
            yield Server(embedded.url, embedded)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
