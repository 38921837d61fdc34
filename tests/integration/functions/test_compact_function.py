"""From a segment stored in S3 to rows: S3's notice, SQS, a process as AWS Lambda has it, PostgreSQL."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from depthcast.journal.names import Journal
from depthcast.journal.objects import FolderObjects, Objects, open_objects
from depthcast.store.connect import connected
from depthcast.store.worker import Worker
from tests.support.event_source import Account
from tests.support.journals import DATASET, SHARD, simulated_feed
from tests.support.lambda_runtime import LambdaFunction
from tests.support.postgres import Server, run
from tests.support.stored import everything, recorded, segments_of

RECORDS = 6_000
JOURNAL = Journal(DATASET, SHARD)

AllRows = dict[str, list[tuple[object, ...]]]
Start = Callable[[str, Mapping[str, str]], LambdaFunction]


async def all_rows(url: str) -> AllRows:
    async with connected(url) as connection:
        return await everything(connection)


async def work(url: str, objects: Objects) -> int:
    async with connected(url) as connection:
        return await Worker(objects, JOURNAL, lambda _: None).run_once(connection)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    recorded(folder, simulated_feed(RECORDS), records=1_000)
    return folder


@pytest.fixture(scope="module")
def by_a_worker(postgres: Server, folder: Path) -> AllRows:
    """The rows that a local worker makes."""
    url = postgres.fresh()
    assert run(work(url, FolderObjects(folder))) == len(segments_of(folder))
    return run(all_rows(url))


def upload(folder: Path, store: str) -> None:
    """Copy a journal's closed segments, as an uploader does: the records, then the index."""
    there = open_objects(store)
    for segment in segments_of(folder):
        for key in (segment.key, segment.key.replace(".dbn.zst", ".index.json")):
            there.put_new(key, folder / key)


@pytest.fixture
def variables(database: str, account: Account) -> dict[str, str]:
    return {
        "DEPTHCAST_DATABASE_URL": database,
        "DEPTHCAST_JOURNAL_STORE": account.store,
        "DEPTHCAST_FUNCTIONS_DEAD_LETTERS": account.dead_letters,
    }


def test_segments_become_the_rows_that_a_worker_makes(
    start: Start,
    account: Account,
    variables: dict[str, str],
    database: str,
    folder: Path,
    by_a_worker: AllRows,
) -> None:
    function = start("compact", variables)
    account.s3.put_object(Bucket=account.bucket, Key="feeds/test/readme.txt", Body=b"hello")
    upload(folder, account.store)
    polled = account.drain(function)
    assert not any(batch.failed for batch in polled), function.output
    assert any("s3:TestEvent" in body for batch in polled for body in batch.messages.values())
    assert run(all_rows(database)) == by_a_worker
    number = len(segments_of(folder))
    assert function.metric("SegmentsCompacted") == number
    assert function.metric("SegmentsKnown") == number  # each is told of twice: its records, and its index
    assert function.metric("Messages") == sum(len(batch.messages) for batch in polled)
    assert account.dead() == []
