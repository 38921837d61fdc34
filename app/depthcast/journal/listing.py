"""Which segments there are, by their names alone."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Final, NamedTuple

from depthcast.errors import JournalError
from depthcast.journal.index import SegmentIndex, decode
from depthcast.journal.names import INDEX, SEGMENT, Journal, SegmentName, day_ns, merged_end
from depthcast.journal.objects import Listed, Objects
from depthcast.journal.segments import ClosedSegment

__all__ = [
    "Place",
    "Visible",
    "closed_segments",
    "covered_by",
    "is_held",
    "load_segment",
    "named_in",
    "newest_day_ns",
    "newest_of",
    "visible",
]

_THREADS: Final = 8


class Place(NamedTuple):
    """Where a closed segment is."""

    objects: Objects
    base: str
    """Its key without the ending."""

    @property
    def segment_key(self) -> str:
        return self.base + SEGMENT

    @property
    def index_key(self) -> str:
        return self.base + INDEX

    @property
    def merged_end(self) -> int | None:
        """Where it ends, if it was made of several; None for one as it was recorded."""
        return merged_end(self.base)


class Visible(NamedTuple):
    """A segment that counts, and the position from which another one does; None: to its end."""

    name: SegmentName
    until: int | None


def closed_segments(objects: Objects, prefix: str) -> dict[SegmentName, Place]:
    """The closed segments under a prefix: of a journal, or of one of its days.

    Where a merged one is there those that it was made of are not among them.
    """
    return covered_by(named_in(objects, objects.listed(prefix)))[0]


def covered_by(
    found: Iterable[tuple[SegmentName, Place]],
) -> tuple[dict[SegmentName, Place], dict[str, Place]]:
    """The segments that are to be read; and of those left that a merged one has, by key, that one.

    Segments of an epoch do not overlap, and a merged one has whole ones: so their names tell it.
    """
    known = list(found)
    merged = sorted((name, place.merged_end, place) for name, place in known if place.merged_end is not None)
    starts = [name for name, _, _ in merged]
    counting: dict[SegmentName, Place] = {}
    left: dict[str, Place] = {}
    for name, place in known:
        at = bisect_right(starts, name) - 1
        if at >= 0:
            begun, end, whole = merged[at]
            if begun.epoch == name.epoch and name.position < (end or 0) and whole.base != place.base:
                left[place.base] = whole
                continue
        counting[name] = place
    return counting, left


def is_held(places: Mapping[SegmentName, Place], starts: Sequence[SegmentName], name: SegmentName) -> bool:
    """Whether a segment is among these, or in a merged one of them. ``starts``: their names, sorted."""
    at = bisect_right(starts, name) - 1
    if at < 0:
        return False
    end = places[starts[at]].merged_end
    return starts[at] == name or (end is not None and starts[at].epoch == name.epoch and name.position < end)


def newest_of(objects: Objects, journal: Journal) -> tuple[SegmentName, Place] | None:
    """The newest segment in a store, on whatever day it is: a clock may have been ahead.

    The last day that has any is listed whole, of each other day only what is newer than that.
    """
    days = _days(objects, journal)
    best: tuple[SegmentName, Place] | None = None
    while days and best is None:
        best = max(closed_segments(objects, days.pop()).items(), default=None)
    if best is None:
        return None
    name = f"{best[0]}{INDEX}"
    with ThreadPoolExecutor(_THREADS) as pool:
        newer = pool.map(
            lambda day: covered_by(named_in(objects, objects.listed(day, after=day + name)))[0], days
        )
        return max([best, *(each for found in newer for each in found.items())])


def newest_day_ns(objects: Objects, journal: Journal) -> int:
    """When the last day begins under which there are segments; 0 if there is none."""
    return max((day_ns(day) for day in _days(objects, journal)), default=0)


def load_segment(place: Place) -> ClosedSegment:
    """A closed segment, by its index.

    Raises:
        ObjectMissingError: it is gone.
        JournalError: its index is damaged.
    """
    path = f"{place.objects.url}/{place.index_key}"
    index = decode(SegmentIndex, place.objects.read(place.index_key), path)
    name = place.base.rpartition("/")[2]
    if name not in (str(index.name), index.name.merged(index.end)):
        raise JournalError(f"it is the index of segment {index.name}: the file was renamed", path=path)
    return ClosedSegment(place.objects, place.segment_key, index)


def visible(names: Iterable[SegmentName]) -> list[Visible]:
    """The segments that make up the journal, by position.

    Where two epochs have the same positions (the disk of one was lost, and the next began where the store
    ended) the newer one counts from its first position on.
    """
    found: list[Visible] = []
    newer: int | None = None
    by_epoch = groupby(sorted(names, reverse=True), key=lambda name: name.epoch)
    for _, group in by_epoch:
        until = newer
        first = 0
        for name in group:
            if newer is None or name.position < newer:
                found.append(Visible(name, until))
                until = name.position
            first = name.position
        newer = first if newer is None else min(newer, first)
    return found[::-1]


def _days(objects: Objects, journal: Journal) -> list[str]:
    return [folder for folder in objects.folders(journal.prefix) if "/date=" in folder]


def named_in(objects: Objects, listing: Iterable[Listed]) -> Iterator[tuple[SegmentName, Place]]:
    """The closed segments in a listing, in the order of their keys: those that merged ones cover too."""
    for listed in listing:
        name = SegmentName.parse(listed.key, INDEX)
        if name is not None and "/date=" in listed.key:
            yield name, Place(objects, listed.key.removesuffix(INDEX))
