"""A server for the tests of history, started when the first of them needs it."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import Server, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with postgres_server() as server:
        yield server
