"""After a disk was lost: a second writer begins where the store ended, and older segments count in part."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from depthcast.dbn import forms
from depthcast.journal.objects import open_objects
from depthcast.journal.segments import ClosedSegment
from depthcast.store.compact import compact
from depthcast.store.connect import connected
from tests.support.deliveries import AllRows, all_rows, upload
from tests.support.event_source import Account
from tests.support.journals import Recording, simulated_feed
from tests.support.lambda_runtime import LambdaFunction
from tests.support.postgres import Server, run
from tests.support.stored import event_pieces, recorded, segments_of

pytestmark = pytest.mark.long

Start = Callable[[str, Mapping[str, str]], LambdaFunction]


class Lives(NamedTuple):
    """Two writers' lives.

    Attributes:
        older: a journal's folder, all of the first life.
        folder: a folder with the second life too.
        newer: the segments of the second life.
        rows: what the database should hold in the end.
    """

    older: Path
    folder: Path
    newer: list[ClosedSegment]
    rows: AllRows


@pytest.fixture(scope="module")
def lives(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Lives:
    older, both = tmp_path_factory.mktemp("older"), tmp_path_factory.mktemp("both")
    recorded(older, data := simulated_feed(3_000), records=1_000)
    first = Recording(both, segment_s=3600.0)
    pieces = list(event_pieces(data, 1_300))
    first.put(pieces[0])
    first.writer.close()
    second = Recording(both, segment_s=3600.0)
    second.put(forms.shifted(pieces[1], 7_000_000, 3))
    second.writer.close()
    segments = sorted(segments_of(both), key=lambda each: each.name)
    url = postgres.fresh()
    run(deliver_all(url, segments))
    return Lives(older, both, [each for each in segments if each.name.epoch == 2], run(all_rows(url)))


async def deliver_all(url: str, segments: list[ClosedSegment]) -> None:
    async with connected(url) as connection:
        for segment in segments:
            await compact(connection, segment)


def upload_newer(lives: Lives, store: str) -> None:
    there = open_objects(store)
    for segment in lives.newer:
        for key in (segment.key, segment.key.replace(".dbn.zst", ".index.json")):
            there.put_new(key, lives.folder / key)


def test_a_newer_epoch_has_older_segments_compacted_again(
    start: Start, account: Account, variables: dict[str, str], database: str, lives: Lives
) -> None:
    function = start("compact", variables)
    upload(lives.older, account.store)
    account.drain(function)
    upload_newer(lives, account.store)
    assert not any(batch.failed for batch in account.drain(function))
    assert function.metric("SegmentsCompacted") > len(segments_of(lives.older)) + len(lives.newer)
    assert run(all_rows(database)) == lives.rows


def test_older_segments_that_there_was_no_time_for_are_asked_for_by_maintenance(
    start: Start, account: Account, variables: dict[str, str], database: str, lives: Lives
) -> None:
    function = start("compact", variables)
    upload(lives.older, account.store)
    account.drain(function)
    upload_newer(lives, account.store)
    hasty = start("compact", {**variables, "DEPTHCAST_FUNCTIONS_RESERVE_S": "300"})
    polled = account.drain(hasty)
    assert any(batch.failed for batch in polled)
    settings = {
        "DEPTHCAST_FUNCTIONS_SEGMENTS": account.queue,
        "DEPTHCAST_MAINTENANCE_GRACE_S": "0",
        "DEPTHCAST_MAINTENANCE_MERGE_BYTES": "0",
    }
    maintain = start("maintain", {**variables, **settings})
    assert maintain.invoke({})["SegmentsAskedFor"] > 0
    assert not any(batch.failed for batch in account.drain(function))
    assert run(all_rows(database)) == lives.rows
    assert maintain.invoke({})["Alarms"] == 0
