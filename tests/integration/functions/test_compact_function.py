"""From a segment stored in S3 to rows: S3's notice, SQS, a process as AWS Lambda has it, PostgreSQL."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from depthcast.journal.objects import open_objects
from tests.support.deliveries import AllRows, all_rows, notice, upload
from tests.support.event_source import Account
from tests.support.lambda_runtime import LambdaFunction
from tests.support.otlp import collector, spans
from tests.support.postgres import run
from tests.support.stored import segments_of

Start = Callable[[str, Mapping[str, str]], LambdaFunction]


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
