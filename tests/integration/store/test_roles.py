"""The roles as they log in: what each may, how long it may take; and work that outlives an outage."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from depthcast.errors import StoreError
from depthcast.store.connect import connected
from depthcast.store.migrate import kind_of_server, migrate
from tests.support.command import PROGRAM
from tests.support.journals import eventually, simulated_feed
from tests.support.kills import until_merging
from tests.support.postgres import Server, run
from tests.support.stored import everything, recorded
from tests.support.tcp_gate import TcpGate

HISTORY = ("trades", "bbo", "depth", "bbo_1s", "ohlcv_1s", "ohlcv_1m", "ohlcv_1h", "depth_1m")
VIEWS = (*HISTORY, "segments", "instruments")


@pytest.fixture(scope="module")
def logins(postgres: Server) -> Iterator[dict[str, str]]:
    """The addresses of one database, by role. Its roles have passwords for as long as this lasts."""
    if postgres.embedded is None:
        pytest.skip("the roles of another server keep the passwords that they have")
    owner = postgres.fresh(migrated=False)  # what a role is told for one database is not copied with it
    password = secrets.token_hex(8)
    found = {"owner": owner}

    async def prepare(password: str | None) -> None:
        async with connected(owner) as connection:
            await migrate(connection)
            for role in ("depthcast_writer", "depthcast_reader"):
                value = "NULL" if password is None else f"'{password}'"
                await connection.execute(f"ALTER ROLE {role} PASSWORD {value}")
                found[role] = as_user(owner, role, password or "")

    run(prepare(password))
    yield found
    run(prepare(None))


def as_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}"))


def through(gate: TcpGate, url: str) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{gate.port}/")


async def refused(url: str, *statements: str) -> list[str]:
    """Those of the statements that are not refused for want of privileges."""
    done = []
    async with connected(url) as connection:
        for statement in statements:
            try:
                await connection.execute(statement)
            except asyncpg.InsufficientPrivilegeError:
                continue
            done.append(statement)
    return done


async def setting(url: str, name: str) -> str:
    async with connected(url) as connection:
        return str(await connection.fetchval("SELECT current_setting($1)", name))


def test_the_reader_reads_every_view_and_changes_no_history(logins: dict[str, str]) -> None:
    reader = logins["depthcast_reader"]

    async def reads() -> None:
        async with connected(reader) as connection:
            for view in VIEWS:
                assert await connection.fetch(f"SELECT * FROM history.{view}") == []  # noqa: S608

    run(reads())
    tables = [*HISTORY, "segments", "instruments", "feeds", "api_keys"]
    changes = [f"DELETE FROM depthcast.{table}" for table in tables]  # noqa: S608
    changes += [f"INSERT INTO depthcast.{table} DEFAULT VALUES" for table in tables]
    changes += [f"TRUNCATE depthcast.{table}" for table in tables]
    changes += [
        "SELECT depthcast.make_partitions(ARRAY['2026-01-01'::date])",
        "SELECT depthcast.drop_before('trades', now())",
        "CREATE TABLE depthcast.mine ()",
        "CREATE TABLE history.mine ()",
        "SELECT * FROM depthcast.trades",
        "ALTER TABLE depthcast.trades ADD mine int",
        "SET ROLE depthcast_writer",
    ]
    assert run(refused(reader, *changes)) == []


def test_the_writer_changes_rows_and_partitions_and_no_tables(logins: dict[str, str]) -> None:
    writer = logins["depthcast_writer"]

    async def works() -> tuple[int, int]:
        async with connected(writer) as connection:
            made = await connection.fetchval("SELECT depthcast.make_partitions(ARRAY['2026-01-01'::date])")
            gone = await connection.fetchval("SELECT depthcast.drop_before('trades', '2026-01-02T00:00Z')")
            await connection.execute("DELETE FROM depthcast.trades")
            return int(made), int(gone)

    async def kind() -> str:
        async with connected(writer) as connection:
            return await kind_of_server(connection)

    assert run(works()) == ((5, 1) if run(kind()) == "plain" else (0, 0))
    forbidden = [f"DROP TABLE depthcast.{table}" for table in ("trades", "segments", "exports")]
    forbidden += [f"ALTER TABLE depthcast.{table} ADD mine int" for table in ("trades", "ohlcv_1m")]
    forbidden += [
        "CREATE TABLE depthcast.mine ()",
        "CREATE VIEW history.mine AS SELECT 1",
        "DROP VIEW history.trades",
        "SELECT * FROM depthcast.api_keys",
        "UPDATE depthcast.alembic_version SET version_num = 'x'",
        "CREATE ROLE mine",
    ]
    assert run(refused(writer, *forbidden)) == []


def test_statements_of_each_role_have_their_time(logins: dict[str, str]) -> None:
    expected = {
        "depthcast_reader": ("15s", "30s"),
        "depthcast_writer": ("10min", "5min"),
        "owner": ("0", "0"),
    }
    for role, times in expected.items():
        names = ("statement_timeout", "idle_in_transaction_session_timeout")
        assert tuple(run(setting(logins[role], name)) for name in names) == times, role
    assert run(setting(logins["depthcast_writer"], "lock_timeout")) == "5min"

    async def too_long() -> float:
        """What the server does when the time is over, with less of it."""
        async with connected(logins["depthcast_reader"]) as connection:
            await connection.execute("SET statement_timeout = '100ms'")
            begun = time.monotonic()
            with pytest.raises(asyncpg.QueryCanceledError):
                await connection.execute("SELECT pg_sleep(30)")
            return time.monotonic() - begun

    assert run(too_long()) < 10


def test_a_command_whose_server_is_gone_without_a_word_ends_in_time(database: str) -> None:
    gate = TcpGate(urlsplit(database).port or 0)

    async def steps() -> float:
        async with connected(through(gate, database), command_timeout_s=0.5) as connection:
            await connection.execute("SELECT 1")
            gate.fall_silent()
            begun = time.monotonic()
            try:
                await connection.execute("SELECT 1")
            finally:
                assert time.monotonic() - begun < 5
        return 0

    with pytest.raises(StoreError, match="TimeoutError"):
        run(steps())
    gate.shut()


@pytest.mark.long
def test_a_worker_goes_on_after_a_failover_that_nobody_told_it_of(
    database: str, postgres: Server, tmp_path: Path
) -> None:
    """In mid-transaction its connection falls silent, what it did is gone; new connections find a server."""
    folder = tmp_path / "journal"
    segments = recorded(folder, simulated_feed(6_000), records=300)
    gate = TcpGate(urlsplit(database).port or 0)
    worker = subprocess.Popen(
        [*PROGRAM, "compact", str(folder), "--watch", "--quiet", "--set", "database.statement_s=2"],
        env={**os.environ, "DEPTHCAST_DATABASE_URL": through(gate, database)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert run(until_merging(database, lambda: worker.poll() is None))
        gate.fall_silent()
        run(_end_all(database))
        eventually(lambda: run(_segments(database)) == len(segments), 60)
        worker.send_signal(signal.SIGTERM)
        said = worker.communicate(timeout=30)[1]
    finally:
        worker.kill()
        gate.shut()
    assert worker.returncode == 0
    assert said.count("it is tried again") == 1, said
    alone = postgres.fresh()
    once = subprocess.run(
        [*PROGRAM, "compact", str(folder), "--quiet"],
        env={**os.environ, "DEPTHCAST_DATABASE_URL": alone},
        check=False,
    )
    assert once.returncode == 0
    assert run(_rows(database)) == run(_rows(alone))


async def _end_all(url: str) -> None:
    """What a machine's end does to the transactions on it."""
    async with connected(url) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def _segments(url: str) -> int:
    async with connected(url) as connection:
        return int(await connection.fetchval("SELECT count(*) FROM depthcast.segments"))


async def _rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    async with connected(url) as connection:
        return await everything(connection)
