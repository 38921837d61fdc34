"""Which segments there are, by their names alone."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Final, NamedTuple

from depthcast.errors import JournalError
from depthcast.journal.index import SegmentIndex, decode
from depthcast.journal.names import INDEX, SEGMENT, Journal, SegmentName, day_ns
from depthcast.journal.objects import Listed, Objects
from depthcast.journal.segments import ClosedSegment

__all__ = ["Place", "Visible", "closed_segments", "load_segment", "newest_day_ns", "newest_of", "visible"]

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


class Visible(NamedTuple):
    """A segment that counts, and the position from which another one does; None: to its end."""

    name: SegmentName
    until: int | None


def closed_segments(objects: Objects, prefix: str) -> dict[SegmentName, Place]:
    """The closed segments under a prefix: of a journal, or of one of its days."""
    return dict(_named(objects, objects.listed(prefix)))


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
        newer = pool.map(lambda day: dict(_named(objects, objects.listed(day, after=day + name))), days)
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
    if not place.base.endswith(str(index.name)):
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


def _named(objects: Objects, listing: Iterable[Listed]) -> Iterator[tuple[SegmentName, Place]]:
    for listed in listing:
        name = SegmentName.parse(listed.key, INDEX)
        if name is not None and "/date=" in listed.key:
            yield name, Place(objects, listed.key.removesuffix(INDEX))
