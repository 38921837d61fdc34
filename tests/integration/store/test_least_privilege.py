"""The commands as somebody who may write and no more: what a deployment's worker is."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from depthcast.store.connect import connected
from tests.support.command import command
from tests.support.journals import simulated_feed
from tests.support.postgres import Server, run
from tests.support.stored import recorded, segments_of


@pytest.fixture
def written(postgres: Server, database: str) -> Iterator[str]:
    """The database's address for somebody who is given the writer's role."""
    name, password = f"test_{secrets.token_hex(4)}", secrets.token_hex(8)

    async def execute(statement: str) -> None:
        async with connected(database) as connection:
            await connection.execute(statement)

    run(execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE depthcast_writer"))
    parts = urlsplit(database)
    yield urlunsplit(parts._replace(netloc=f"{name}:{password}@{parts.hostname}:{parts.port}"))
    run(execute(f"DROP ROLE {name}"))


def test_the_worker_needs_no_more_than_the_writers_role(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHCAST_DATABASE_URL", written)
    recorded(tmp_path, simulated_feed(2_000), records=1_000)
    compacted = command("compact", tmp_path)
    assert compacted.code == 0, compacted.err
    maintained = command("maintain", tmp_path)
    assert maintained.code == 0, maintained.err
    assert f"{len(segments_of(tmp_path))} of them in the ledger" in maintained.out
