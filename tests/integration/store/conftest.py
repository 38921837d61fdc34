"""A server for the tests of the store, and a fresh database for each of them."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import Server, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    """The address of a database with the schema and no rows."""
    url = postgres.fresh()
    yield url
    postgres.drop(url)
