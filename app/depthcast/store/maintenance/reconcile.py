"""Is every closed segment in the ledger, and none missing between them?"""

import asyncio
import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from depthcast.errors import JournalError
from depthcast.journal.listing import Place, Visible, covered_by, load_segment, named_in, visible
from depthcast.journal.names import Journal, SegmentName, day_ns
from depthcast.journal.objects import Objects
from depthcast.journal.search import is_damage
from depthcast.journal.segments import ClosedSegment
from depthcast.settings.sections import MaintenanceSettings
from depthcast.store.compact import feed_of
from depthcast.store.connect import Connection
from depthcast.store.maintenance.ledger import Coverage, Entry, entries_of
from depthcast.store.maintenance.report import Alarm, Finding, JournalReport

__all__ = ["Survey", "reconcile"]

_THREADS: Final = 8
_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _NS


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a store of one journal, and in the ledger.

    Attributes:
        feed_id: of the journal.
        sizes: of all objects, by key.
        places: of the segments that are to be read.
        left: of segments that a merged one covers, by key without ending: that one.
        counting: the segments that make up the journal, by position.
        loaded: those whose index was read: of the days looked back at, and where something is missing.
        coverage: what the ledger has.
        good: those that are whole, in the ledger as they are here, and without a finding.
    """

    feed_id: int
    sizes: dict[str, int]
    places: dict[SegmentName, Place]
    left: dict[str, Place]
    counting: list[Visible]
    loaded: dict[SegmentName, ClosedSegment]
    coverage: Coverage
    good: set[SegmentName]


async def reconcile(
    connection: Connection,
    objects: Objects,
    journal: Journal,
    now: dt.datetime,
    settings: MaintenanceSettings,
    report: JournalReport,
) -> Survey:
    """Hold a journal's segments to the ledger; what is wrong is in the report.

    The indexes of ``look_back_days`` are read; of older days only what the ledger does not have.

    Raises:
        JournalError: the store does not answer.
    """
    feed_id = await feed_of(connection, *journal)
    asked_at = await connection.fetchval("SELECT clock_timestamp()")
    listing = await asyncio.to_thread(lambda: list(objects.listed(journal.prefix)))
    places, left = covered_by(named_in(objects, listing))
    sizes = {each.key: each.size for each in listing}
    counting = visible(places)
    known = await Coverage.of(connection, feed_id, asked_at)
    coverage = await Coverage.of(connection, feed_id, await connection.fetchval("SELECT clock_timestamp()"))
    since_ns = _since_ns(now, settings)
    wanted = [
        each.name
        for each, following in zip_longest(counting, counting[1:])
        if day_ns(places[each.name].base.rpartition("/")[0]) >= since_ns
        or following is None
        or not coverage.has(each.name.epoch, each.name.position, following.name.position)
    ]
    loaded, damaged = await asyncio.to_thread(_load, [(name, places[name]) for name in wanted])
    entries = await entries_of(connection, feed_id, list(loaded))
    survey = Survey(feed_id, sizes, places, left, counting, loaded, coverage, set())
    report.segments = len(counting)
    report.findings += [
        Finding(Alarm.DAMAGED, name, error.reason, error.path or "") for name, error in damaged.items()
    ]
    _check(survey, entries, int((now.timestamp() - settings.grace_s) * _NS), report)
    last = known.end
    if last is not None and last > SegmentName(counting[-1].name.epoch if counting else 0, report.end):
        problem = f"the ledger has records up to {last.position - 1:,} of epoch {last.epoch}"
        problem += f", the store up to {report.end - 1:,}" if report.end else ", the store none"
        report.findings.append(Finding(Alarm.LOST, last, problem, f"{objects.url}/{journal.prefix}"))
    return survey


def _since_ns(now: dt.datetime, settings: MaintenanceSettings) -> int:
    """The first day whose indexes are read."""
    now_ns = int(now.timestamp()) * _NS
    return now_ns - now_ns % _DAY_NS - settings.look_back_days * _DAY_NS


def _load(
    wanted: Sequence[tuple[SegmentName, Place]],
) -> tuple[dict[SegmentName, ClosedSegment], dict[SegmentName, JournalError]]:
    """The segments by name, and why some cannot be had."""

    def one(place: Place) -> ClosedSegment | JournalError:
        try:
            return load_segment(place)
        except JournalError as error:
            if not is_damage(error):
                raise
            return error

    loaded: dict[SegmentName, ClosedSegment] = {}
    damaged: dict[SegmentName, JournalError] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for (name, _), found in zip(wanted, pool.map(one, [place for _, place in wanted]), strict=True):
            if isinstance(found, ClosedSegment):
                loaded[name] = found
            else:
                damaged[name] = found
    return loaded, damaged


def _check(
    survey: Survey,
    entries: dict[SegmentName, list[Entry]],
    old_ns: int,
    report: JournalReport,
) -> None:
    """Hold each segment whose index was read to its file, to the ledger, and to the one after it.

    Args:
        survey: what is there; its ``good`` is filled.
        entries: the segments of the ledger that have these names.
        old_ns: what was closed after this time need not be compacted yet, nor what is before it be there.
        report: what is found goes there.
    """
    damaged = {finding.name for finding in report.findings}
    for (name, until), following in zip_longest(survey.counting, survey.counting[1:]):
        report.end = name.position if until is None else until
        segment = survey.loaded.get(name)
        if segment is None:
            report.compacted += name not in damaged
            continue
        end = segment.end if until is None else min(segment.end, until)
        report.end = end
        problems = [
            *_of_file(survey, segment),
            *_of_entries(segment, entries.get(name, [])),
        ]
        if survey.coverage.has(name.epoch, name.position, max(end, name.position + 1)):
            report.compacted += 1
        elif segment.index.closed_ns > old_ns:
            report.young += 1
            problems.append((None, ""))
        else:
            problems.append((Alarm.NOT_COMPACTED, "it is not in the ledger, or not all of it"))
        if following is not None and end < following.name.position:
            after = survey.loaded.get(following.name)
            if after is None or after.index.closed_ns <= old_ns:
                problem = f"records {end:,} to {following.name.position - 1:,} are missing after it"
                problems.append((Alarm.GAP, problem))
        if not problems and end == segment.end:
            survey.good.add(name)
        report.findings += [Finding(kind, name, problem, segment.path) for kind, problem in problems if kind]


def _of_file(survey: Survey, segment: ClosedSegment) -> Iterator[tuple[Alarm | None, str]]:
    """What is wrong with the file beside an index."""
    size = survey.sizes.get(segment.key)
    if size is None:
        yield Alarm.DAMAGED, "there is an index of it, and no file"
    elif size != segment.index.stored_bytes:
        yield Alarm.DAMAGED, f"it has {size:,} bytes, its index says {segment.index.stored_bytes:,}"


def _of_entries(segment: ClosedSegment, entries: list[Entry]) -> Iterator[tuple[Alarm | None, str]]:
    """How a segment differs from what the ledger has of the same name and key."""
    index = segment.index
    for entry in entries:
        if entry.key != segment.key:
            continue  # cut otherwise, or merged since
        if entry.records != index.records:
            yield (
                Alarm.DIFFERENT,
                f"it has {index.records:,} records, the ledger {entry.records:,} of it",
            )
        elif (entry.sha256, entry.stored_bytes) != (index.sha256, index.stored_bytes):
            yield Alarm.DIFFERENT, "its SHA-256 is not the one in the ledger"
