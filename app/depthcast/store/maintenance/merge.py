"""The small segments of a day that is over become few: in the store, in the ledger, in this order.

The merged file is written under a name of its own and read back; only then its index is, by which it counts
and readers take it. Then the ledger has it. In the next round what it was made of goes, oldest first and
index first. So who has a listing from before finds everything for a while, and then needs to look again once,
not once for each merged segment.

Killed anywhere, the next round goes on: a file without an index is made anew, what is left of the parts is
held to the merged segment again before it goes.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from depthcast.errors import JournalError
from depthcast.journal.index import encode
from depthcast.journal.listing import Place, load_segment
from depthcast.journal.merge import check_merged, merged_segment, same_records
from depthcast.journal.names import INDEX, SEGMENT, Journal, SegmentName, day_ns, merged_end
from depthcast.journal.objects import ObjectMissingError, Objects
from depthcast.journal.search import is_damage
from depthcast.journal.segments import ClosedSegment
from depthcast.settings.sections import MaintenanceSettings
from depthcast.store.connect import Connection
from depthcast.store.instruments import named
from depthcast.store.maintenance.ledger import fold
from depthcast.store.maintenance.reconcile import Survey
from depthcast.store.maintenance.report import Alarm, Finding, JournalReport, Merged

__all__ = ["merge_days"]

_DAY_S: Final = 86_400
_NS: Final = 1_000_000_000

log = structlog.get_logger("depthcast.maintain")


async def merge_days(
    connection: Connection,
    objects: Objects,
    journal: Journal,
    survey: Survey,
    now: dt.datetime,
    settings: MaintenanceSettings,
    level: int,
    report: JournalReport,
    go_on: Callable[[], bool],
) -> None:
    """Finish what was begun, then merge what is to be merged, while ``go_on`` says so.

    Raises:
        JournalError: the store does not answer. What is damaged is a finding, and nothing of it is removed.
    """
    if any(key.startswith(journal.open) for key in survey.sizes):
        report.not_merged = "it is a writer's own folder, which has a retention of its own"
        return
    await _finish(connection, objects, survey, report, go_on)
    before_ns = int((now.timestamp() - _DAY_S - settings.merge_after_s) * _NS)
    for parts in list(_groups(survey, before_ns, settings.merge_bytes)):
        if not go_on():
            return
        try:
            if len(parts) > 1 and await asyncio.to_thread(_same_symbols, parts):
                await _merge(connection, objects, survey, parts, level, report)
        except JournalError as error:
            if not is_damage(error):
                raise
            name = next((part.name for part in parts if part.path == error.path), parts[0].name)
            report.findings.append(Finding(Alarm.DAMAGED, name, error.reason, error.path or ""))


async def _merge(
    connection: Connection,
    objects: Objects,
    survey: Survey,
    parts: list[ClosedSegment],
    level: int,
    report: JournalReport,
) -> None:
    merged = await asyncio.to_thread(_write, objects, parts, level)
    await fold(connection, survey.feed_id, merged)
    report.merged.append(
        Merged(
            merged.key,
            len(parts),
            merged.index.records,
            sum(part.index.stored_bytes for part in parts),
            merged.index.stored_bytes,
        )
    )
    log.info("segments_merged", key=merged.key, parts=len(parts), records=merged.index.records)


def _write(objects: Objects, parts: list[ClosedSegment], level: int) -> ClosedSegment:
    """Write the merged file, read it back and hold it to the parts; then its index."""
    merged, data = merged_segment(parts, level=level)
    if not objects.put_new(merged.key, data):
        objects.put(merged.key, data)  # without its index it was never part of the journal
    check_merged(merged, parts[0])
    _hold_to(merged, parts)
    objects.put(merged.key.removesuffix(SEGMENT) + INDEX, encode(merged.index))
    return merged


def _hold_to(merged: ClosedSegment, parts: list[ClosedSegment]) -> None:
    for part in parts:
        if not same_records(merged, part):
            raise JournalError(f"it has not the records of {part.path}: that one stays", path=merged.path)


async def _finish(
    connection: Connection,
    objects: Objects,
    survey: Survey,
    report: JournalReport,
    go_on: Callable[[], bool],
) -> None:
    """Take away what earlier rounds left: parts of merged segments, merged files that never got an index."""
    by_whole: dict[str, tuple[Place, list[str]]] = {}
    for base, whole in sorted(survey.left.items()):
        by_whole.setdefault(whole.base, (whole, []))[1].append(base)
    for whole, bases in by_whole.values():
        if not go_on():
            return
        try:
            merged = await asyncio.to_thread(_held, objects, whole, bases)
        except JournalError as error:
            if not is_damage(error) and not isinstance(error, ObjectMissingError):
                raise
            name = SegmentName.parse(whole.segment_key, SEGMENT) or SegmentName(0, 0)
            report.findings.append(Finding(Alarm.DAMAGED, name, error.reason, error.path or ""))
            continue
        await fold(connection, survey.feed_id, merged)
        await asyncio.to_thread(_remove, objects, bases)
        report.removed += len(bases)
    for key in [key for key in sorted(survey.sizes) if _is_orphan(key, survey)]:
        await asyncio.to_thread(objects.delete, key)


def _held(objects: Objects, whole: Place, bases: list[str]) -> ClosedSegment:
    """The merged segment, to which what is left of its parts was held."""
    merged = load_segment(whole)
    parts = [load_segment(Place(objects, base)) for base in bases]
    check_merged(merged, parts[0] if parts[0].name == merged.name else merged)
    _hold_to(merged, parts)
    return merged


def _is_orphan(key: str, survey: Survey) -> bool:
    """A merged file without index, or the file of a part of which the index has gone."""
    base = key.removesuffix(SEGMENT)
    if base == key or base + INDEX in survey.sizes or "/date=" not in key:
        return False
    if merged_end(base) is not None:
        return True
    name = SegmentName.parse(key, SEGMENT)
    return name is not None and any(
        other.epoch == name.epoch and other.position <= name.position < (place.merged_end or 0)
        for other, place in survey.places.items()
    )


def _remove(objects: Objects, bases: list[str]) -> None:
    """Oldest first, so that what is left is always its end; the index first, by which it counts."""
    for base in bases:
        objects.delete(base + INDEX)
        objects.delete(base + SEGMENT)


def _groups(survey: Survey, before_ns: int, merge_bytes: int) -> Iterator[list[ClosedSegment]]:
    """Runs of small segments of one day and epoch that follow one another. Never the journal's newest one.

    Args:
        survey: what is there.
        before_ns: days that began before are over.
        merge_bytes: of a merged segment, unpacked, at most. What has half of it is not small.
    """
    group: list[ClosedSegment] = []
    size = 0
    for each in survey.counting[:-1]:
        place, segment = survey.places[each.name], survey.loaded.get(each.name)
        day = place.base.rpartition("/")[0]
        small = (
            segment is not None
            and each.name in survey.good
            and place.merged_end is None
            and day_ns(day) <= before_ns
            and 2 * segment.index.unpacked_bytes <= merge_bytes
        )
        if segment is None or not small:
            yield group
            group, size = [], 0
            continue
        fits = bool(group) and (
            group[-1].key.rpartition("/")[0] == day
            and (group[-1].name.epoch, group[-1].end) == each.name
            and size + segment.index.unpacked_bytes <= merge_bytes
        )
        if not fits:
            yield group
            group, size = [], 0
        group.append(segment)
        size += segment.index.unpacked_bytes
    yield group


def _same_symbols(parts: list[ClosedSegment]) -> bool:
    """Whether all name the same instruments: a merged one has the metadata of the first alone."""
    try:
        first = named(parts[0].metadata())
        return all(named(part.metadata()) == first for part in parts[1:])
    except ObjectMissingError:
        return False
