"""What goes wrong while segments are compacted: databases away, processes killed, too little time."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import boto3
import pytest

from depthcast.store.connect import connected
from tests.support.deliveries import AllRows, all_rows, notice, upload
from tests.support.event_source import Account
from tests.support.lambda_runtime import FunctionError, LambdaFunction
from tests.support.moto import S3Server
from tests.support.postgres import run
from tests.support.stored import segments_of
from tests.support.tcp_gate import TcpGate

pytestmark = pytest.mark.long

Start = Callable[[str, Mapping[str, str]], LambdaFunction]


def test_a_queue_for_poison_that_is_away_loses_nothing(
    start: Start, account: Account, variables: dict[str, str]
) -> None:
    function = start("compact", {**variables, "DEPTHCAST_FUNCTIONS_DEAD_LETTERS": f"{account.queue}-nowhere"})
    account.drop()
    account.send("what is this?")
    polled = account.poll(function)
    assert polled.failed == list(polled.messages)


def test_a_database_that_is_away_loses_no_message(
    start: Start,
    account: Account,
    variables: dict[str, str],
    database: str,
    folder: Path,
    by_a_worker: AllRows,
) -> None:
    gate = TcpGate(urlsplit(database).port or 5432)
    function = start(
        "compact", {**variables, "DEPTHCAST_DATABASE_URL": through(gate, variables["DEPTHCAST_DATABASE_URL"])}
    )
    upload(folder, account.store)
    gate.shut()
    polled = [account.poll(function) for _ in range(3)]
    assert all(batch.messages and batch.failed for batch in polled)
    heard = [json.loads(body) for batch in polled for body in batch.messages.values()]
    assert sum(len(batch.failed) for batch in polled) == sum("Records" in body for body in heard)
    secret = urlsplit(variables["DEPTHCAST_DATABASE_URL"]).password
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
    function = start(
        "compact", {**variables, "DEPTHCAST_DATABASE_URL": through(gate, variables["DEPTHCAST_DATABASE_URL"])}
    )
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


def test_what_is_set_wrong_is_said_and_no_message_is_lost(
    start: Start, account: Account, variables: dict[str, str], folder: Path
) -> None:
    function = start("compact", {**variables, "DEPTHCAST_JOURNAL_STORE": ""})
    account.drop()
    account.send(notice(account.bucket, f"feeds/test/{segments_of(folder)[0].key}"))
    assert len(account.poll(function).failed) == 1
    [said] = function.lines(level="WARNING")
    assert "set DEPTHCAST_JOURNAL_STORE" in said["reason"]


def test_an_object_store_that_is_away_loses_no_message(
    start: Start,
    aws: S3Server,
    account: Account,
    variables: dict[str, str],
    database: str,
    folder: Path,
    by_a_worker: AllRows,
) -> None:
    gate = TcpGate(urlsplit(aws.endpoint).port or 80)
    there = f"http://127.0.0.1:{gate.port}"
    function = start("compact", {**variables, "AWS_ENDPOINT_URL": there})
    upload(folder, account.store)
    account.drop()
    for segment in segments_of(folder)[:2]:
        account.send(notice(account.bucket, f"feeds/test/{segment.key}"))
    gate.shut()
    polled = account.poll(function)
    assert polled.failed == list(polled.messages)
    assert {"does not answer" in row["reason"] for row in function.lines(level="WARNING")} == {True}
    gate.open()
    for segment in segments_of(folder)[2:]:
        account.send(notice(account.bucket, f"feeds/test/{segment.key}"))
    assert not any(batch.failed for batch in account.drain(function))
    assert run(all_rows(database)) == by_a_worker
    gate.shut()


def test_a_password_in_a_secret_that_is_rotated_is_taken_in_the_same_process(
    start: Start, account: Account, variables: dict[str, str], database: str, folder: Path
) -> None:
    """Meanwhile messages come again."""
    name = f"test_{secrets.token_hex(4)}"
    client = boto3.client("secretsmanager", region_name="us-east-1")
    client.create_secret(Name=name, SecretString=json.dumps({"username": name, "password": "first"}))
    run(execute(database, f"CREATE ROLE {name} LOGIN PASSWORD 'first' IN ROLE depthcast_writer"))
    parts = urlsplit(database)
    settings = {
        "DEPTHCAST_DATABASE_URL": f"postgresql://{name}@{parts.hostname}:{parts.port}{parts.path}",
        "DEPTHCAST_DATABASE_AUTH": "secret",
        "DEPTHCAST_DATABASE_SECRET_ID": name,
        "DEPTHCAST_DATABASE_MAX_AGE_S": "0.001",  # each invocation connects
    }
    function = start("compact", {**variables, **settings})
    upload(folder, account.store)
    account.drop()
    keys = [f"feeds/test/{segment.key}" for segment in segments_of(folder)]
    account.send(notice(account.bucket, keys[0]))
    assert account.poll(function).failed == []
    run(execute(database, f"ALTER ROLE {name} PASSWORD 'second'"))
    account.send(notice(account.bucket, keys[1]))
    assert len(account.poll(function).failed) == 1
    client.put_secret_value(SecretId=name, SecretString=json.dumps({"username": name, "password": "second"}))
    deadline = time.monotonic() + 15
    while account.poll(function).failed:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert function.metric("SegmentsCompacted") == 2
    function.stop()
    run(execute(database, f"DROP ROLE {name}"))


async def execute(url: str, statement: str) -> None:
    async with connected(url) as connection:
        await connection.execute(statement)
