"""Functions that keep the database in order and its schema up to date, as processes of AWS Lambda."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from depthcast.journal.objects import open_objects
from depthcast.store.connect import connected
from depthcast.store.migrate import BASE, current, newest
from tests.support.deliveries import all_rows, upload
from tests.support.event_source import Account
from tests.support.journals import Recording, simulated_feed
from tests.support.lambda_runtime import FunctionError, LambdaFunction
from tests.support.postgres import Server, run
from tests.support.stored import event_pieces, recorded, segments_of

Start = Callable[[str, Mapping[str, str]], LambdaFunction]
SCHEDULED = {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


async def revision(url: str) -> str:
    async with connected(url) as connection:
        return await current(connection)


def test_the_schema_goes_up_once_and_back_only_where_that_is_said(start: Start, postgres: Server) -> None:
    url = postgres.fresh(migrated=False)
    function = start("migrate", {"DEPTHCAST_DATABASE_URL": url})
    head = newest()
    assert function.invoke({}) == {"before": BASE, "after": head}
    assert function.invoke({"to": "head"}) == {"before": head, "after": head}
    assert run(revision(url)) == head
    with pytest.raises(FunctionError, match=f"would go back from {head} to base, which loses data") as caught:
        function.invoke({"to": "base"})
    assert caught.value.kind == "StoreError"
    assert run(revision(url)) == head
    assert function.invoke({"to": "base", "may_lose_data": True}) == {"before": head, "after": BASE}
    assert run(revision(url)) == BASE
    assert function.invoke({}) == {"before": BASE, "after": head}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"to": "9999"}, "no migration 9999"),
        ({"revision": "head"}, "unknown field `revision`"),
        ({"to": 1}, "Expected `str`"),
        ({"to": "base", "may_lose_data": "yes"}, "Expected `bool`"),
        ([], "Expected `object`"),
    ],
)
def test_a_migration_that_cannot_be_is_refused_with_a_reason(
    event: object, said: str, start: Start, database: str
) -> None:
    function = start("migrate", {"DEPTHCAST_DATABASE_URL": database})
    with pytest.raises(FunctionError, match=said):
        function.invoke(event)
    assert run(revision(database)) == newest()


def test_a_function_without_a_database_says_what_to_set(start: Start) -> None:
    with pytest.raises(FunctionError, match="set DEPTHCAST_DATABASE_URL") as caught:
        start("migrate", {}).invoke({})
    assert caught.value.kind == "SettingsError"


def test_a_password_that_is_wrong_is_said_without_it(start: Start, database: str) -> None:
    wrong = database.replace("://postgres:", "://nobody-there:SeCrEt").replace("SeCrEt", "SeCrEt%2F", 1)
    function = start("migrate", {"DEPTHCAST_DATABASE_URL": wrong})
    with pytest.raises(
        FunctionError, match=r"^database 127\.0\.0\.1:\d+/test_\w+: password authentication failed"
    ):
        function.invoke({})
    assert "SeCrEt" not in function.output


def test_a_round_of_maintenance_finds_what_is_missing_and_asks_for_it(
    start: Start, account: Account, database: str, written: str, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    recorded(folder, simulated_feed(3_000), records=1_000)
    upload(folder, account.store)
    account.drop()  # every message is lost
    variables = {
        "DEPTHCAST_DATABASE_URL": written,
        "DEPTHCAST_JOURNAL_STORE": account.store,
        "DEPTHCAST_FUNCTIONS_SEGMENTS": account.queue,
        "DEPTHCAST_MAINTENANCE_GRACE_S": "0",
        "DEPTHCAST_MAINTENANCE_MERGE_BYTES": "0",
    }
    maintain = start("maintain", variables)
    compact = start("compact", variables)
    number = len(segments_of(folder))
    found = maintain.invoke(SCHEDULED)
    assert (found["Segments"], found["AlarmNotCompacted"], found["SegmentsAskedFor"]) == (number,) * 3
    assert found["PartitionsMade"] > 0
    assert {line["kind"] for line in maintain.lines(message="alarm")} == {"not compacted"}
    assert maintain.metric("Alarms") == number
    assert not any(batch.failed for batch in account.drain(compact))
    assert compact.metric("SegmentsCompacted") == number
    found = maintain.invoke(SCHEDULED)
    assert (found["Segments"], found["Alarms"], found["SegmentsAskedFor"]) == (number, 0, 0)

    # One is lost from the store: an alarm that nobody but people can mend.
    middle = segments_of(folder)[1]
    there = open_objects(account.store)
    for key in (middle.key, middle.key.replace(".dbn.zst", ".index.json")):
        there.delete(key)
    found = maintain.invoke(SCHEDULED)
    assert (found["Alarms"], found["AlarmGap"]) == (1, 1)
    assert run(all_rows(database))["bbo"]


def test_segments_that_were_merged_are_taken_for_granted_by_the_function_that_compacts(
    start: Start, account: Account, variables: dict[str, str], database: str, tmp_path: Path
) -> None:
    two_days_ago = time.time_ns() - 2 * 86_400 * 10**9
    recording = Recording(tmp_path, segment_s=3600.0, clock=lambda: two_days_ago)
    for piece in event_pieces(simulated_feed(3_000), 500):
        recording.rotate()
        recording.put(piece)
    recording.writer.close()
    upload(tmp_path, account.store)
    compact = start("compact", variables)
    maintain = start("maintain", {**variables, "DEPTHCAST_MAINTENANCE_MERGE_AFTER_S": "0"})
    bodies = [body for polled in account.drain(compact) for body in polled.messages.values()]
    rows = run(all_rows(database))

    number = len(segments_of(tmp_path))
    found = maintain.invoke(SCHEDULED)
    assert (found["Alarms"], found["SegmentsMerged"]) == (0, number - 1)  # the newest stays as it is
    assert maintain.invoke(SCHEDULED)["Alarms"] == 0  # the parts go a round after they were merged
    told = account.drain(compact)  # of the merged one, and of those that went
    assert any("ObjectCreated" in body for polled in told for body in polled.messages.values())
    for body in bodies:
        account.send(body)
    assert not any(polled.failed for polled in account.drain(compact))
    assert compact.metric("SegmentsCompacted") == number
    assert compact.metric("SegmentsGone") == 2 * (number - 1)
    assert run(all_rows(database)) == rows


def test_of_two_rounds_at_once_one_does_nothing(start: Start, account: Account, database: str) -> None:
    function = start(
        "maintain", {"DEPTHCAST_DATABASE_URL": database, "DEPTHCAST_JOURNAL_STORE": account.store}
    )

    async def beside() -> dict[str, int]:
        async with connected(database) as connection:
            await connection.execute("SELECT pg_advisory_lock(hashtext('depthcast.maintain'))")
            return dict(await asyncio.to_thread(function.invoke, SCHEDULED))

    assert run(beside())["Busy"] == 1
    assert function.invoke(SCHEDULED)["Busy"] == 0


def test_a_round_that_takes_too_long_is_given_up_and_says_so(
    start: Start, variables: dict[str, str], database: str
) -> None:
    function = start("maintain", variables)

    async def beside() -> None:
        async with connected(database) as connection, connection.transaction():
            await connection.execute("LOCK TABLE depthcast.idempotency_keys IN ACCESS EXCLUSIVE MODE")
            await asyncio.to_thread(function.invoke, SCHEDULED, timeout_s=5.0)

    with pytest.raises(FunctionError, match="the round was given up before the invocation's end"):
        run(beside())
    assert function.invoke(SCHEDULED)["Busy"] == 0


def test_a_round_whose_database_is_away_fails(start: Start, account: Account) -> None:
    function = start(
        "maintain",
        {
            "DEPTHCAST_DATABASE_URL": "postgresql://someone:else@127.0.0.1:1/nothing",
            "DEPTHCAST_JOURNAL_STORE": account.store,
        },
    )
    with pytest.raises(FunctionError, match=r"^database 127\.0\.0\.1:1/nothing: .*[Cc]onnect"):
        function.invoke(SCHEDULED)
