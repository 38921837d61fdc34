"""A server for the tests of history, started when the first of them needs it, and a real day in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from depthcast.dbn import open_dbn
from depthcast.journal.segments import ClosedSegment
from tests.support.history_api import compacted
from tests.support.postgres import Server, postgres_server, run
from tests.support.stored import recorded


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def clx5_records(data_dir: Path) -> bytes:
    with open_dbn(data_dir / "CLX5_mbo.dbn") as reader:
        return b"".join(bytes(chunk) for chunk in reader.chunks())


@pytest.fixture(scope="session")
def clx5_segments(clx5_records: bytes, tmp_path_factory: pytest.TempPathFactory) -> list[ClosedSegment]:
    """The real day in eight segments."""
    return recorded(tmp_path_factory.mktemp("clx5"), clx5_records, records=5_000)


@pytest.fixture(scope="session")
def clx5_history(postgres: Server, clx5_segments: list[ClosedSegment]) -> str:
    """The address of a database that has it. Nobody writes there."""
    address = postgres.fresh()
    run(compacted(address, clx5_segments))
    return address
