"""The schema on a real server: up, down, up; what it is; who may do what."""

from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import pytest

from depthcast.errors import StoreError
from depthcast.store.migrate import BASE, HEAD, current, kind_of_server, migrate, newest
from tests.support.postgres import Server, run
from tests.support.schemas import DOCS, schema_of


def ask(url: str, question: Callable[["asyncpg.Connection[Any]"], Coroutine[Any, Any, Any]]) -> Any:
    """The answer of a coroutine that is given a connection."""

    async def connected() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await question(connection)
        finally:
            await connection.close()

    return run(connected())


async def objects(connection: "asyncpg.Connection[Any]") -> list[tuple[str, ...]]:
    """Everything in our schemas, by name."""
    rows = await connection.fetch(
        """
        SELECT c.oid::regclass::text, c.relkind::text FROM pg_class c
        WHERE c.relnamespace::regnamespace::text IN ('depthcast', 'history')
        UNION ALL SELECT oid::regprocedure::text, 'function' FROM pg_proc
        WHERE pronamespace::regnamespace::text IN ('depthcast', 'history') ORDER BY 1
        """
    )
    return [tuple(row) for row in rows]


def test_the_schema_goes_up_down_and_up_again(postgres: Server) -> None:
    async def steps(connection: "asyncpg.Connection[Any]") -> None:
        assert await current(connection) == BASE
        assert await migrate(connection) == (BASE, newest())
        first = await objects(connection)
        assert ("depthcast.trades", "p") in first or await kind_of_server(connection) == "timescale"
        assert await migrate(connection) == (newest(), newest())
        assert await migrate(connection, BASE, may_go_down=True) == (newest(), BASE)
        assert await objects(connection) == []
        await migrate(connection, HEAD)
        assert await objects(connection) == first

    ask(postgres.fresh(migrated=False), steps)


def test_going_back_must_be_allowed_and_an_unknown_revision_is_named(database: str) -> None:
    async def steps(connection: "asyncpg.Connection[Any]") -> None:
        with pytest.raises(StoreError, match=f"would go back from {newest()} to base"):
            await migrate(connection, BASE)
        with pytest.raises(StoreError, match="no migration 0999; there are base, 0001"):
            await migrate(connection, "0999")
        await connection.execute("UPDATE depthcast.alembic_version SET version_num = '0999'")
        with pytest.raises(StoreError, match="a newer Depthcast"):
            await migrate(connection)

    ask(database, steps)


def test_every_table_and_column_is_explained(database: str) -> None:
    async def steps(connection: "asyncpg.Connection[Any]") -> list[str]:
        rows = await connection.fetch(
            """
            SELECT c.relname || coalesce('.' || a.attname, '') FROM pg_class c
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND c.relkind <> 'v'
            WHERE c.relnamespace = ANY (ARRAY['depthcast', 'history']::regnamespace[])
              AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
              AND (obj_description(c.oid, 'pg_class') IS NULL
                   OR (a.attnum IS NOT NULL AND col_description(c.oid, a.attnum) IS NULL))
            """
        )
        return [row[0] for row in rows]

    assert ask(database, steps) == []


def test_the_reader_reads_the_views_and_writes_no_history(database: str) -> None:
    async def steps(connection: "asyncpg.Connection[Any]") -> None:
        await connection.execute("SET ROLE depthcast_reader")
        assert await connection.fetch("SELECT * FROM history.trades") == []
        assert await connection.fetch("SELECT * FROM depthcast.api_keys") == []
        for refused in (
            "SELECT * FROM depthcast.trades",
            "DELETE FROM depthcast.segments",
            "SELECT depthcast.drop_before('trades', now())",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(refused)

    ask(database, steps)


def test_the_writer_makes_and_drops_partitions_but_no_tables(database: str) -> None:
    async def steps(connection: "asyncpg.Connection[Any]") -> None:
        if await kind_of_server(connection) != "plain":
            pytest.skip("a server with TimescaleDB has hypertables, no partitions of ours")
        await connection.execute("SET ROLE depthcast_writer")
        days = "ARRAY['2025-09-24', '2025-09-24', '2025-09-30']::date[]"
        assert await connection.fetchval(f"SELECT depthcast.make_partitions({days})") == 8
        assert await connection.fetchval(f"SELECT depthcast.make_partitions({days})") == 0
        before = "SELECT depthcast.drop_before('trades', '2025-09-25T00:00Z')"
        assert [await connection.fetchval(before), await connection.fetchval(before)] == [1, 0]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DROP TABLE depthcast.trades")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE depthcast.mine ()")

    ask(database, steps)


def test_the_schema_is_the_one_that_is_documented(postgres: Server) -> None:
    """docs/schema.sql is what PostgreSQL's own tool says of a migrated database without TimescaleDB."""
    if postgres.embedded is None:
        pytest.skip("the documented schema is that of the embedded server's version of PostgreSQL")
    assert schema_of(postgres.fresh()) == (DOCS / "schema.sql").read_text(encoding="utf-8")
