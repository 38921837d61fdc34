"""Maintenance: partitions, retention, expiry; every segment in the ledger, or an alarm."""

import datetime as dt
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from depthcast.journal.names import INDEX, SEGMENT, SegmentName
from depthcast.journal.objects import FolderObjects
from depthcast.journal.segments import ClosedSegment
from depthcast.settings.sections import MaintenanceSettings
from depthcast.store.compact import compact
from depthcast.store.connect import connected
from depthcast.store.maintain import MaintenanceReport, maintain
from depthcast.store.maintenance.report import Alarm
from depthcast.store.migrate import kind_of_server
from tests.support.command import PROGRAM
from tests.support.journals import DATASET, SHARD, reader_of, simulated_feed
from tests.support.postgres import run
from tests.support.stored import JOURNAL, days_of_segments, recorded

NOW = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)


async def one_round(url: str, objects: FolderObjects | None, **settings: Any) -> MaintenanceReport:
    async with connected(url) as connection:
        return await maintain(connection, objects, now=NOW, settings=MaintenanceSettings(**settings))


async def deliver(url: str, segments: list[ClosedSegment]) -> None:
    async with connected(url) as connection:
        for segment in segments:
            await compact(connection, segment)


async def ask(url: str, question: str, *arguments: Any) -> Any:
    async with connected(url) as connection:
        return await connection.fetchval(question, *arguments)


@pytest.fixture
def store(tmp_path: Path) -> FolderObjects:
    """Two days of small segments, and one of today: closed yesterday, the day before, and just now."""
    objects = FolderObjects(tmp_path / "store")
    days_of_segments(tmp_path / "disk", objects, simulated_feed(3_000), NOW, records=300)
    return objects


def segments_in(objects: FolderObjects) -> list[ClosedSegment]:
    return [
        each for each in reader_of(None, str(objects.folder)).segments() if isinstance(each, ClosedSegment)
    ]


def alarms(report: MaintenanceReport) -> list[tuple[Alarm, int]]:
    return [(finding.kind, finding.name.position) for finding in report.alarms]


def test_what_is_in_the_ledger_raises_no_alarm(database: str, store: FolderObjects) -> None:
    segments = segments_in(store)
    run(deliver(database, segments))
    report = run(one_round(database, store, merge_bytes=0))
    (journal,) = report.journals
    assert (journal.segments, journal.compacted, journal.young) == (len(segments), len(segments), 0)
    assert (journal.end, report.alarms) == (3_000, [])


def test_a_segment_that_is_not_compacted_is_an_alarm_after_a_while(
    database: str, store: FolderObjects
) -> None:
    segments = segments_in(store)
    old, young = segments[1], segments[-1]
    run(deliver(database, [each for each in segments if each.name not in (old.name, young.name)]))
    report = run(one_round(database, store, merge_bytes=0))
    assert alarms(report) == [(Alarm.NOT_COMPACTED, old.position)]
    assert report.journals[0].young == 1
    assert report.alarms[0].path == old.path
    # Of a day that is not looked back at it is found too: the ledger has a hole there.
    assert alarms(run(one_round(database, store, merge_bytes=0, look_back_days=0))) == alarms(report)
    late = run(one_round(database, store, merge_bytes=0, grace_s=0))
    assert (Alarm.NOT_COMPACTED, young.position) in alarms(late)


def test_a_hole_in_the_store_is_an_alarm_and_says_what_is_missing(
    database: str, store: FolderObjects
) -> None:
    segments = segments_in(store)
    run(deliver(database, segments))
    gone = segments[2]
    for ending in (INDEX, SEGMENT):
        store.delete(gone.key.removesuffix(SEGMENT) + ending)
    report = run(one_round(database, store))
    assert alarms(report) == [(Alarm.GAP, segments[1].position)]
    assert f"records {gone.position:,} to {gone.end - 1:,} are missing after it" in str(report.alarms[0])
    assert report.journals[0].merged, "what has no alarm is merged all the same"


def test_a_hole_before_a_young_segment_is_none_yet(database: str, store: FolderObjects) -> None:
    segments = segments_in(store)
    run(deliver(database, segments))
    store.delete(segments[-2].key.removesuffix(SEGMENT) + INDEX)
    assert alarms(run(one_round(database, store, merge_bytes=0))) == []
    assert alarms(run(one_round(database, store, merge_bytes=0, grace_s=0))) == [
        (Alarm.GAP, segments[-3].position)
    ]


def test_the_newest_segment_that_went_is_missed(database: str, store: FolderObjects) -> None:
    segments = segments_in(store)
    run(deliver(database, segments))
    store.delete(segments[-1].key.removesuffix(SEGMENT) + INDEX)
    (finding,) = run(one_round(database, store, merge_bytes=0)).alarms
    assert (finding.kind, finding.name.position) == (Alarm.LOST, 3_000)


def test_another_segment_of_the_same_name_is_told_from_the_one_compacted(
    database: str, store: FolderObjects
) -> None:
    segments = segments_in(store)
    run(deliver(database, segments))
    run(ask(database, "UPDATE depthcast.segments SET sha256 = 'x' WHERE position = $1", segments[0].position))
    Path(segments[1].path).write_bytes(b"short")
    Path(segments[2].path).unlink()
    index = Path(segments[3].path.removesuffix(SEGMENT) + INDEX)
    index.write_bytes(index.read_bytes().replace(b'"records"', b'"recordz"', 1))
    report = run(one_round(database, store))
    assert sorted(alarms(report), key=lambda each: each[1]) == [
        (Alarm.DIFFERENT, segments[0].position),
        (Alarm.DAMAGED, segments[1].position),
        (Alarm.DAMAGED, segments[2].position),
        (Alarm.DAMAGED, segments[3].position),
    ]
    assert all(each.position > segments[3].position for each in _merged_parts(report))


def _merged_parts(report: MaintenanceReport) -> list[Any]:
    found = [SegmentName.parse(each.key, SEGMENT) for each in report.journals[0].merged]
    return [each for each in found if each is not None]


def test_partitions_are_there_before_their_day(database: str) -> None:
    report = run(one_round(database, None, ahead_days=2))
    if run(_kind(database)) != "plain":
        assert report.partitions_made == 0
        return
    assert report.partitions_made == 3 * 3 + 2  # days of three tables, a month of two
    assert run(one_round(database, None, ahead_days=2)).partitions_made == 0
    parts = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname ~ '^trades_[0-9]+$'"
    assert run(ask(database, parts)) == "trades_20260304 trades_20260305 trades_20260306"


async def _kind(url: str) -> str:
    async with connected(url) as connection:
        return await kind_of_server(connection)


def test_rows_older_than_what_is_kept_go_and_others_stay(database: str, tmp_path: Path) -> None:
    segments = recorded(tmp_path, simulated_feed(3_000), records=1_500)
    run(deliver(database, segments))
    count = "SELECT count(*) FROM depthcast.{}"
    before = {name: run(ask(database, count.format(name))) for name in ("trades", "bbo", "ohlcv_1h")}
    assert min(before.values()) > 0
    report = run(one_round(database, None, keep_bbo_days=30))
    assert list(report.partitions_dropped) == ["bbo"]
    assert report.partitions_dropped["bbo"] > 0
    assert run(ask(database, count.format("bbo"))) == 0
    assert run(ask(database, count.format("trades"))) == before["trades"]
    assert run(one_round(database, None, keep_trades_days=10_000)).partitions_dropped == {"trades": 0}
    assert run(ask(database, count.format("ohlcv_1h"))) == before["ohlcv_1h"]


def test_partitions_in_use_are_left_for_the_next_time(database: str, tmp_path: Path) -> None:
    run(deliver(database, recorded(tmp_path, simulated_feed(1_000), records=1_000)))

    async def while_read() -> MaintenanceReport:
        async with connected(database) as reader, reader.transaction():
            await reader.fetch("SELECT * FROM history.trades")
            return await one_round(database, None, keep_trades_days=1, keep_depth_days=1)

    report = run(while_read())
    assert report.postponed == ["trades"]
    assert report.partitions_dropped["depth"] > 0
    assert run(one_round(database, None, keep_trades_days=1)).partitions_dropped["trades"] > 0


def test_what_has_expired_is_forgotten_and_an_exports_result_goes_with_it(
    database: str, tmp_path: Path
) -> None:
    results = FolderObjects(tmp_path)
    results.put("exports/old.csv", b"old")
    results.put("exports/new.csv", b"new")

    async def steps() -> tuple[MaintenanceReport, int, int]:
        async with connected(database) as connection:
            for name, expires in (
                ("old", NOW - dt.timedelta(seconds=1)),
                ("new", NOW + dt.timedelta(days=1)),
            ):
                await connection.execute(
                    "INSERT INTO depthcast.idempotency_keys "
                    "(key_id, idempotency_key, request_sha256, expires) VALUES ('k', $1, '', $2)",
                    name,
                    expires,
                )
                await connection.execute(
                    "INSERT INTO depthcast.exports (export_id, key_id, request, state, result, expires) "
                    "VALUES (gen_random_uuid(), 'k', '{}', 'done', $1, $2)",
                    f"exports/{name}.csv",
                    expires,
                )
            report = await maintain(connection, None, now=NOW, exports=results)
            return (
                report,
                await connection.fetchval("SELECT count(*) FROM depthcast.exports"),
                await connection.fetchval("SELECT count(*) FROM depthcast.idempotency_keys"),
            )

    report, exports, keys = run(steps())
    assert (report.exports_expired, report.keys_expired, exports, keys) == (1, 1, 1, 1)
    assert [each.key for each in results.listed("exports/")] == ["exports/new.csv"]


def test_a_journal_that_has_no_segment_yet_is_in_order(database: str, tmp_path: Path) -> None:
    (tmp_path / JOURNAL.open).mkdir(parents=True)
    (journal,) = run(one_round(database, FolderObjects(tmp_path))).journals
    assert (journal.segments, journal.end, journal.findings) == (0, 0, [])


def test_one_round_at_a_time(database: str) -> None:
    async def two() -> MaintenanceReport:
        async with connected(database) as other:
            await other.execute("SELECT pg_advisory_lock(hashtext('depthcast.maintain'))")
            return await one_round(database, None)

    assert run(two()).busy
    assert not run(one_round(database, None)).busy


def test_the_writer_may_do_all_of_it(database: str, store: FolderObjects) -> None:
    async def steps() -> MaintenanceReport:
        async with connected(database) as connection:
            await connection.execute("SET ROLE depthcast_writer")
            for segment in segments_in(store):
                await compact(connection, segment)
            kept = MaintenanceSettings(keep_trades_days=10_000, keep_depth_days=10_000)
            return await maintain(connection, store, now=NOW, settings=kept)

    report = run(steps())
    assert report.alarms == []
    assert report.journals[0].merged


def test_the_command_says_what_it_did_and_what_is_wrong(database: str, store: FolderObjects) -> None:
    segments = segments_in(store)
    run(deliver(database, segments[1:]))
    done = subprocess.run(
        [*PROGRAM, "maintain", str(store.folder)],
        env={**os.environ, "DEPTHCAST_DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert lines["journal"] == f"{DATASET}, shard {SHARD}, 3,000 records"
    assert lines["segments"] == f"{len(segments)}, {len(segments) - 1} of them in the ledger"
    assert lines["alarms"] == "1"
    assert done.stderr == (
        f"depthcast: warning: not compacted: {segments[0].path}: it is not in the ledger, or not all of it\n"
    )
