"""A server of PostgreSQL and one of AWS for the tests of the functions, and an account for each test."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from depthcast.journal.names import Journal
from depthcast.journal.objects import FolderObjects
from depthcast.store.connect import connected
from depthcast.store.worker import Worker
from tests.support.deliveries import AllRows, all_rows
from tests.support.event_source import Account
from tests.support.journals import DATASET, SHARD, simulated_feed
from tests.support.lambda_runtime import LambdaFunction, lambda_function
from tests.support.moto import S3Server, s3_server
from tests.support.postgres import Server, postgres_server, run
from tests.support.stored import recorded, segments_of

Start = Callable[[str, Mapping[str, str]], LambdaFunction]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def database(postgres: Server) -> str:
    """The address of a database with the schema and no rows."""
    return postgres.fresh()


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("moto") / "log") as server:
        yield server


@pytest.fixture
def account(aws: S3Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Account:
    """A bucket and queues of the test's own; the variables with which this process finds them."""
    for name, value in aws.variables.items():
        monkeypatch.setenv(name, value)
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:24]
    return Account(aws, f"test-{name}")


@pytest.fixture
def start(aws: S3Server, tmp_path: Path) -> Iterator[Start]:
    """Starts a function's process, by its name and its variables; it ends with the test."""
    with ExitStack() as stack:

        def started(name: str, variables: Mapping[str, str]) -> LambdaFunction:
            return stack.enter_context(
                lambda_function(
                    f"functions.{name}.handler.handler",
                    {**aws.variables, **variables},
                    tmp_path / f"{name}.log",
                )
            )

        yield started


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of some segments."""
    folder = tmp_path_factory.mktemp("journal")
    recorded(folder, simulated_feed(), records=1_000)
    return folder


@pytest.fixture(scope="session")
def by_a_worker(postgres: Server, folder: Path) -> AllRows:
    """The rows that a local worker makes of it."""
    url = postgres.fresh()

    async def work() -> int:
        async with connected(url) as connection:
            worker = Worker(FolderObjects(folder), Journal(DATASET, SHARD), lambda _: None)
            return await worker.run_once(connection)

    assert run(work()) == len(segments_of(folder))
    return run(all_rows(url))


@pytest.fixture(scope="session")
def writer(postgres: Server) -> Iterator[tuple[str, str]]:
    """Somebody who may do what depthcast_writer may, and no more: name and password."""
    name, password = f"test_{secrets.token_hex(4)}", secrets.token_hex(8)
    url = postgres.fresh()

    async def execute(statement: str) -> None:
        async with connected(url) as connection:
            await connection.execute(statement)

    run(execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE depthcast_writer"))
    yield name, password
    run(execute(f"DROP ROLE {name}"))


@pytest.fixture
def written(database: str, writer: tuple[str, str]) -> str:
    """The database's address for the writer."""
    parts = urlsplit(database)
    return urlunsplit(parts._replace(netloc=f"{':'.join(writer)}@{parts.hostname}:{parts.port}"))


@pytest.fixture
def variables(written: str, account: Account) -> dict[str, str]:
    """What the function that compacts has in its environment."""
    return {
        "DEPTHCAST_DATABASE_URL": written,
        "DEPTHCAST_JOURNAL_STORE": account.store,
        "DEPTHCAST_FUNCTIONS_DEAD_LETTERS": account.dead_letters,
    }
