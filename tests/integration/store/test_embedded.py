"""A PostgreSQL of our own: shared, stopped by who uses it last, run from wherever its programs are."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from depthcast.errors import StoreError
from depthcast.store import embedded
from depthcast.store.embedded import EmbeddedPostgres
from tests.support.command import command
from tests.support.postgres import run


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user of the machine can enter: as root the server runs as somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="depthcast-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def test_the_last_of_those_who_share_it_stops_it_and_its_data_stays(place: Path) -> None:
    first = EmbeddedPostgres(place / "database", durable=False)
    second = EmbeddedPostgres(place / "database", durable=False)
    first.start()
    second.start()
    assert first.url == second.url
    run(ask(first.url, "CREATE TABLE kept AS SELECT 7 AS value"))
    first.stop()
    assert run(ask(second.url, "SELECT value FROM kept")) == 7
    url = second.url
    second.stop()
    with pytest.raises(OSError, match=r"."):
        run(ask(url, "SELECT 1"))
    with first:
        assert run(ask(first.url, "SELECT value FROM kept")) == 7


def test_it_asks_for_the_password(place: Path) -> None:
    with EmbeddedPostgres(place / "database", durable=False) as server:
        password = (place / "database" / "password").read_text()
        with pytest.raises(asyncpg.InvalidPasswordError):
            run(ask(server.url.replace(password, "guessed"), "SELECT 1"))


def test_its_programs_run_from_a_copy_that_all_can_read() -> None:
    copy = embedded._readable_copy(embedded._installed())
    done = subprocess.run(
        [copy / "bin" / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("postgres (PostgreSQL) ")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        EmbeddedPostgres(tmp_path / "file" / "database").start()


def test_a_database_that_is_not_there_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHCAST_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/history")
    done = command("migrate")
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("depthcast: error: database 127.0.0.1:1/history: ")
    assert "secret" not in done.err
