"""From a segment stored in S3 to rows: S3's notice, SQS, a process as AWS Lambda has it, PostgreSQL."""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote_plus, urlsplit, urlunsplit

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from depthcast.dbn import forms
from depthcast.journal.names import Journal
from depthcast.journal.objects import FolderObjects, Objects, open_objects
from depthcast.journal.segments import ClosedSegment
from depthcast.store.compact import compact
from depthcast.store.connect import connected
from depthcast.store.worker import Worker
from tests.support.event_source import Account
from tests.support.journals import DATASET, SHARD, Recording, simulated_feed
from tests.support.lambda_runtime import FunctionError, LambdaFunction
from tests.support.otlp import collector, spans
from tests.support.postgres import Server, run
from tests.support.stored import event_pieces, everything, recorded, segments_of
from tests.support.tcp_gate import TcpGate

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


def test_messages_that_come_again_change_nothing(
    start: Start, account: Account, variables: dict[str, str], database: str, folder: Path
) -> None:
    function = start("compact", variables)
    upload(folder, account.store)
    bodies = [body for batch in account.drain(function) for body in batch.messages.values()]
    before = run(all_rows(database))
    for body in bodies:
        account.send(body)
    assert not any(batch.failed for batch in account.drain(function))
    assert run(all_rows(database)) == before
    assert function.metric("SegmentsCompacted") == len(segments_of(folder))


def notice(bucket: str, *keys: str, event: str = "ObjectCreated:Put") -> str:
    """A message of S3, with keys quoted as it does."""
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": event,
            "s3": {
                "bucket": {"name": bucket},
                "object": {"key": quote_plus(key, safe="/"), "versionId": "v1"},
            },
        }
        for key in keys
    ]
    return json.dumps({"Records": records})


def test_a_message_may_name_several_segments_and_things_that_are_none(
    start: Start,
    account: Account,
    variables: dict[str, str],
    database: str,
    folder: Path,
    by_a_worker: AllRows,
) -> None:
    function = start("compact", variables)
    upload(folder, account.store)
    account.drop()
    keys = [f"feeds/test/{segment.key}" for segment in segments_of(folder)]
    account.send(notice(account.bucket, *keys, "feeds/test/journal/dataset=X/shard=0/epochs/00000001.json"))
    account.send(notice("elsewhere", *keys))
    account.send(notice(account.bucket, keys[0], event="ObjectRemoved:Delete"))
    polled = account.drain(function)
    assert [batch.failed for batch in polled] == [[]]
    assert run(all_rows(database)) == by_a_worker
    assert function.metric("NoticesIgnored") == 1 + len(keys)


def test_a_poisonous_segment_is_put_away_with_the_reason_and_the_others_go_on(
    start: Start,
    account: Account,
    variables: dict[str, str],
    database: str,
    folder: Path,
    by_a_worker: AllRows,
) -> None:
    function = start("compact", variables)
    upload(folder, account.store)
    account.drop()
    keys = [f"feeds/test/{segment.key}" for segment in segments_of(folder)]
    sound = account.s3.get_object(Bucket=account.bucket, Key=keys[2])["Body"].read()
    damaged = bytearray(sound)
    damaged[len(sound) // 2] ^= 0xFF
    account.s3.put_object(Bucket=account.bucket, Key=keys[2], Body=bytes(damaged))
    account.drop()
    account.send(notice(account.bucket, *keys))
    account.send("what is this?")
    assert [batch.failed for batch in account.drain(function)] == [[]]
    dead = {each["Body"]: each["MessageAttributes"] for each in account.dead()}
    [segment] = [body for body in dead if body != "what is this?"]
    assert json.loads(segment) == {"Records": [json.loads(notice(account.bucket, keys[2]))["Records"][0]]}
    assert "is damaged" in dead[segment]["reason"]["StringValue"]
    assert dead[segment]["segment"]["StringValue"] == f"s3://{account.bucket}/{keys[2]}"
    assert "not JSON" in dead["what is this?"]["reason"]["StringValue"]
    assert function.metric("MessagesPoisoned") == 2
    rows = run(all_rows(database))
    assert 0 < len(rows["bbo"]) < len(by_a_worker["bbo"])
    # Mended, and sent again from the other queue: nothing is missing.
    account.s3.put_object(Bucket=account.bucket, Key=keys[2], Body=sound)
    account.drop()
    account.send(segment)
    assert [batch.failed for batch in account.drain(function)] == [[]]
    assert run(all_rows(database)) == by_a_worker


def test_without_a_queue_for_poison_its_message_comes_again_until_sqs_puts_it_away(
    start: Start, account: Account, variables: dict[str, str], folder: Path
) -> None:
    account.limit_receives(3)
    function = start("compact", {**variables, "DEPTHCAST_FUNCTIONS_DEAD_LETTERS": ""})
    account.drop()
    account.send(body := json.dumps({"Records": "none"}))
    polled = account.drain(function)
    assert [len(batch.failed) for batch in polled] == [1, 1, 1]
    assert [each["Body"] for each in account.dead()] == [body]


def test_a_queue_for_poison_that_is_away_loses_nothing(
    start: Start, account: Account, variables: dict[str, str]
) -> None:
    function = start("compact", {**variables, "DEPTHCAST_FUNCTIONS_DEAD_LETTERS": f"{account.queue}-nowhere"})
    account.drop()
    account.send("what is this?")
    polled = account.poll(function)
    assert polled.failed == list(polled.messages)


def test_a_segment_without_its_index_comes_again_and_one_that_is_gone_does_not(
    start: Start, account: Account, variables: dict[str, str], database: str, folder: Path
) -> None:
    function = start("compact", variables)
    first, second = segments_of(folder)[:2]
    there = open_objects(account.store)
    there.put_new(first.key, folder / first.key)
    account.drop()
    message = notice(account.bucket, f"feeds/test/{first.key}")
    account.send(message)
    polled = account.poll(function)
    assert polled.failed == list(polled.messages)
    [said] = function.lines(level="WARNING")
    assert said["reason"].endswith("its index is not there yet")
    index = first.key.replace(".dbn.zst", ".index.json")
    there.put_new(index, folder / index)
    assert not any(batch.failed for batch in account.drain(function))
    assert function.metric("SegmentsCompacted") == 1
    for key in (second.key, second.key.replace(".dbn.zst", ".index.json")):
        account.send(notice(account.bucket, f"feeds/test/{key}"))
    there.put_new(key, folder / key)  # an index that has outlived its records
    account.drop(keep=2)
    assert not any(batch.failed for batch in account.drain(function))
    assert function.metric("SegmentsGone") == 2
    assert {row["fate"] for row in function.lines(message="segment")} == {"compacted", "known", "gone"}


def test_a_database_that_is_away_loses_no_message(
    start: Start,
    account: Account,
    variables: dict[str, str],
    database: str,
    folder: Path,
    by_a_worker: AllRows,
) -> None:
    gate = TcpGate(urlsplit(database).port or 5432)
    function = start("compact", {**variables, "DEPTHCAST_DATABASE_URL": through(gate, database)})
    upload(folder, account.store)
    gate.shut()
    polled = [account.poll(function) for _ in range(3)]
    assert all(batch.messages and batch.failed for batch in polled)
    heard = [json.loads(body) for batch in polled for body in batch.messages.values()]
    assert sum(len(batch.failed) for batch in polled) == sum("Records" in body for body in heard)
    secret = urlsplit(database).password
    assert secret
    assert secret not in function.output
    gate.open()
    assert not any(batch.failed for batch in account.drain(function))
    assert run(all_rows(database)) == by_a_worker
    gate.shut()


def through(gate: TcpGate, url: str) -> str:
    """The address of a database, by way of a gate."""
    parts = urlsplit(url)
    netloc = f"{parts.username}:{parts.password}@127.0.0.1:{gate.port}"
    return urlunsplit(parts._replace(netloc=netloc))


def test_a_connection_serves_many_invocations_and_is_replaced_where_it_broke(
    start: Start,
    account: Account,
    variables: dict[str, str],
    database: str,
    folder: Path,
    by_a_worker: AllRows,
) -> None:
    gate = TcpGate(urlsplit(database).port or 5432)
    function = start("compact", {**variables, "DEPTHCAST_DATABASE_URL": through(gate, database)})
    upload(folder, account.store)
    account.drop()
    segments = [f"feeds/test/{segment.key}" for segment in segments_of(folder)]

    def deliver(key: str) -> int:
        account.send(notice(account.bucket, key))
        assert account.poll(function).failed == []
        return gate.connections

    assert [deliver(key) for key in segments[:3]] == [1, 1, 1]
    gate.shut()  # the server restarts
    gate.open()
    assert deliver(segments[3]) == 2
    gate.fall_silent()  # the server goes to another machine without a word
    assert deliver(segments[4]) > 2
    for key in segments[5:]:
        deliver(key)
    assert run(all_rows(database)) == by_a_worker
    gate.shut()


def test_near_the_end_of_its_time_nothing_new_is_begun(
    start: Start,
    account: Account,
    variables: dict[str, str],
    database: str,
    folder: Path,
    by_a_worker: AllRows,
) -> None:
    function = start("compact", {**variables, "DEPTHCAST_FUNCTIONS_RESERVE_S": "300"})
    upload(folder, account.store)
    account.drop()
    keys = [f"feeds/test/{segment.key}" for segment in segments_of(folder)]
    for key in keys:
        account.send(notice(account.bucket, key))
    polled = account.poll(function, timeout_s=60.0)
    assert len(polled.failed) == len(polled.messages) - 1  # one at least is begun, or nothing ever were
    assert {row["reason"] for row in function.lines(level="WARNING")} == {"the invocation ends soon"}
    account.drain(function)
    assert run(all_rows(database)) == by_a_worker


def test_what_is_under_way_at_the_end_of_the_time_is_given_up_in_good_order(
    start: Start, account: Account, variables: dict[str, str], database: str, folder: Path
) -> None:
    function = start("compact", variables)
    upload(folder, account.store)
    account.drop()
    account.send(notice(account.bucket, f"feeds/test/{segments_of(folder)[0].key}"))

    async def blocked() -> list[str]:
        async with connected(database) as connection, connection.transaction():
            await connection.execute("LOCK TABLE depthcast.segments IN ACCESS EXCLUSIVE MODE")
            return (await asyncio.to_thread(account.poll, function, timeout_s=6.0)).failed

    assert len(run(blocked())) == 1
    [said] = function.lines(level="WARNING")
    assert said["reason"].endswith("the invocation ends before it is done: nothing was changed")
    assert account.poll(function).failed == []
    assert function.metric("SegmentsCompacted") == 1


def test_a_newer_epoch_has_older_segments_compacted_again(
    start: Start,
    account: Account,
    variables: dict[str, str],
    postgres: Server,
    database: str,
    tmp_path: Path,
) -> None:
    """As after a disk was lost, and a second writer began where the store ended."""
    older, both = tmp_path / "older", tmp_path / "both"
    recorded(older, data := simulated_feed(3_000), records=1_000)
    first = Recording(both, segment_s=3600.0)
    pieces = list(event_pieces(data, 1_300))
    first.put(pieces[0])
    first.writer.close()
    second = Recording(both, segment_s=3600.0)
    second.put(forms.shifted(pieces[1], 7_000_000, 3))
    second.writer.close()
    newer = [each for each in segments_of(both) if each.name.epoch == 2]
    expected = postgres.fresh()
    run(deliver_all(expected, [each for each in segments_of(both) if each.name.epoch == 1] + newer))

    function = start("compact", variables)
    upload(older, account.store)
    account.drain(function)
    there = open_objects(account.store)
    for segment in newer:
        for key in (segment.key, segment.key.replace(".dbn.zst", ".index.json")):
            there.put_new(key, both / key)
    assert not any(batch.failed for batch in account.drain(function))
    assert function.metric("SegmentsCompacted") > len(segments_of(older)) + len(newer)
    assert run(all_rows(database)) == run(all_rows(expected))


async def deliver_all(url: str, segments: list[ClosedSegment]) -> None:
    async with connected(url) as connection:
        for segment in segments:
            await compact(connection, segment)


def test_two_processes_share_a_queue_in_which_everything_is_twice(
    start: Start,
    account: Account,
    variables: dict[str, str],
    database: str,
    folder: Path,
    by_a_worker: AllRows,
) -> None:
    functions = [start("compact", variables) for _ in range(2)]
    upload(folder, account.store)
    account.drop()
    for _ in range(2):
        for segment in segments_of(folder):
            account.send(notice(account.bucket, f"feeds/test/{segment.key}"))
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(lambda function: account.drain(function, batch=2), functions))
    assert all(found), "one of them had it all"
    assert not any(polled.failed for one in found for polled in one)
    assert run(all_rows(database)) == by_a_worker


def test_a_process_killed_in_its_work_leaves_messages_that_another_one_does(
    start: Start,
    account: Account,
    variables: dict[str, str],
    database: str,
    folder: Path,
    by_a_worker: AllRows,
) -> None:
    upload(folder, account.store)
    account.drop()
    bodies = [notice(account.bucket, f"feeds/test/{segment.key}") for segment in segments_of(folder)]
    killed = start("compact", variables)

    async def kill_in_mid_transaction() -> None:
        """Its rows are copied, and it waits for us to write the ledger."""
        async with connected(database) as connection, connection.transaction():
            await connection.execute("LOCK TABLE depthcast.segments IN EXCLUSIVE MODE")
            event = account.event(bodies)
            work = asyncio.create_task(asyncio.to_thread(killed.invoke, event))
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1"
            while not await connection.fetchval(waiting, urlsplit(database).path[1:]):
                await asyncio.sleep(0.02)
                await connection.execute("SELECT pg_stat_clear_snapshot()")
            killed.process.kill()
            with pytest.raises(FunctionError):
                await work

    run(kill_in_mid_transaction())
    for body in bodies:
        account.send(body)
    assert not any(polled.failed for polled in account.drain(start("compact", variables)))
    assert run(all_rows(database)) == by_a_worker


def test_the_spans_of_an_invocation_are_sent_before_it_returns(
    start: Start, account: Account, variables: dict[str, str], folder: Path
) -> None:
    requests: list[ExportTraceServiceRequest] = []
    upload(folder, account.store)
    body = notice(account.bucket, f"feeds/test/{segments_of(folder)[0].key}")
    with collector(requests) as endpoint:
        function = start("compact", {**variables, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
        assert function.invoke(account.event([body]), trace=trace) == {"batchItemFailures": []}
        found = spans(requests)
    assert found["compact"].trace_id.hex() == "5759e988bd862e3fe1be46a994272793"
    assert found["segment"].parent_span_id == found["compact"].span_id
    assert [event.name for event in found["segment"].events] == ["compacted"]


def test_what_is_set_wrong_is_said_and_no_message_is_lost(
    start: Start, account: Account, variables: dict[str, str], folder: Path
) -> None:
    function = start("compact", {**variables, "DEPTHCAST_JOURNAL_STORE": ""})
    account.drop()
    account.send(notice(account.bucket, f"feeds/test/{segments_of(folder)[0].key}"))
    assert len(account.poll(function).failed) == 1
    [said] = function.lines(level="WARNING")
    assert "set DEPTHCAST_JOURNAL_STORE" in said["reason"]
