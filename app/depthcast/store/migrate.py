"""Bringing the database's schema up and down.

alembic orders the migrations and writes their SQL; asyncpg runs it, in one transaction. So no other driver is
needed, and a step is done whole or not at all.
"""

import io
from typing import Any, Final

import asyncpg
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from depthcast.errors import StoreError
from depthcast.store.migrations.script import FOLDER

__all__ = ["BASE", "HEAD", "current", "kind_of_server", "migrate", "newest", "script_of"]

HEAD: Final = "head"
BASE: Final = "base"


async def current(connection: "asyncpg.Connection[Any]") -> str:
    """The revision that the database has; `BASE` if it is empty."""
    if await connection.fetchval("SELECT to_regclass('depthcast.alembic_version')") is None:
        return BASE
    found = await connection.fetchval("SELECT version_num FROM depthcast.alembic_version")
    return found or BASE


def newest() -> str:
    """The revision that this version of Depthcast knows last."""
    return ScriptDirectory(str(FOLDER)).get_current_head() or BASE


async def kind_of_server(connection: "asyncpg.Connection[Any]") -> str:
    """``timescale`` if the database has the extension, else ``plain``."""
    has = await connection.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")
    return "timescale" if has else "plain"


async def migrate(
    connection: "asyncpg.Connection[Any]", to: str = HEAD, *, may_go_down: bool = False
) -> tuple[str, str]:
    """Bring the schema to a revision; the revisions before and after.

    Args:
        connection: as the owner of the schema. Not in a transaction.
        to: a revision, `HEAD` or `BASE`.
        may_go_down: whether data may be lost by going back.

    Raises:
        StoreError: there is no such revision, the database is of a newer Depthcast, or it would go back.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('depthcast.migrate'))")
        before = await current(connection)
        after = newest() if to == HEAD else to
        if before == after:
            return before, after
        kind = await kind_of_server(connection)
        await connection.execute(script_of(before, after, kind, may_go_down=may_go_down))
    return before, after


def script_of(before: str, after: str, kind: str, *, may_go_down: bool = False) -> str:
    """The SQL that leads from one revision to another. Raises as `migrate` does."""
    scripts = ScriptDirectory(str(FOLDER))
    known = [BASE, *(each.revision for each in reversed(list(scripts.walk_revisions())))]
    for revision in (before, after):
        if revision not in known:
            raise StoreError(
                f"no migration {revision}; there are {', '.join(known)}: "
                "is the database of a newer Depthcast?"
            )
    down = known.index(after) < known.index(before)
    if down and not may_go_down:
        raise StoreError(
            f"the schema would go back from {before} to {after}, which loses data: say that it may"
        )
    output = io.StringIO()

    def steps(*_: Any) -> Any:
        if down:
            return scripts._downgrade_revs(after, before)
        return scripts._upgrade_revs(after, before)

    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={
            "as_sql": True,
            "output_buffer": output,
            "transactional_ddl": False,
            "starting_rev": before,
            "version_table_schema": "depthcast",
            "fn": steps,
            "script": scripts,
            "kind": kind,
        },
    )
    try:
        with Operations.context(context):
            context.run_migrations()
    except (CommandError, RevisionError) as error:
        raise StoreError(f"the migrations cannot be put in order: {error}") from error
    begin = "CREATE SCHEMA depthcast;\n" if before == BASE else ""
    end = "DROP TABLE depthcast.alembic_version;\nDROP SCHEMA depthcast;\n" if after == BASE else ""
    return begin + output.getvalue() + end
