"""Reading a journal, from its folder, its store, or both, also while it is written."""

import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple, Self, TypeVar

from depthcast.dbn import forms
from depthcast.errors import JournalError
from depthcast.journal.index import Before
from depthcast.journal.listing import Place, Visible, closed_segments, load_segment, visible
from depthcast.journal.names import OPEN, ROOT, Journal, SegmentName
from depthcast.journal.objects import FolderObjects, ObjectMissingError, Objects, open_objects
from depthcast.journal.search import RecordsMissingError, is_damage, last_where
from depthcast.journal.segments import ClosedSegment, DamagedSegment, OpenView, read_header
from depthcast.journal.store_listing import StoreListing

__all__ = ["JournalReader", "journals"]

T = TypeVar("T")

_INDEXES_KEPT: Final = 1024
_LOADERS: Final = 8
_TRIES: Final = 10


class _Listing(NamedTuple):
    """The segments that count, by position, and where each is."""

    segments: list[Visible]
    closed: Mapping[SegmentName, Place]
    open: Mapping[SegmentName, OpenView]
    damaged: Mapping[SegmentName, JournalError]
    """Open ones whose header cannot be read."""


class JournalReader:
    """A journal being read. Any thread; it holds nothing open.

    Args:
        folder: where it is, or was, written; None to read a store alone.
        store: where closed segments go; None for none.
        journal: which.
        epoch: its writer's, where that is in this process: the store need not be asked for what it wrote.
        sizes: how far its open segments may be read, by name.
    """

    def __init__(
        self,
        folder: FolderObjects | None,
        store: Objects | None,
        journal: Journal,
        *,
        epoch: int | None = None,
        sizes: Callable[[], Mapping[SegmentName, int]] = dict,
    ) -> None:
        self.journal = journal
        self._folder = folder
        self._store = store
        self._stored = None if store is None else StoreListing(store, journal)
        self._epoch = epoch
        self._sizes = sizes
        self._lock = Lock()
        self._indexes: OrderedDict[str, ClosedSegment] = OrderedDict()

    @classmethod
    def open(cls, folder: str | Path | None, store: str, dataset: str, shard: str) -> Self:
        """A reader of what is in a folder, a store, or both. (`JournalWriter.reader` knows more.)

        Raises:
            JournalError: an address of no known kind.
            ValueError: a dataset or shard that cannot stand in a path.
        """
        here = None if folder is None else FolderObjects(Path(folder))
        return cls(here, open_objects(store) if store else None, Journal(dataset, shard).check())

    def segments(self) -> list[ClosedSegment | OpenView]:
        """All segments, by position. Their indexes are read."""
        return self._retrying(lambda: _each(self._load, self._listing(deep=True)))

    def survey(self) -> list[ClosedSegment | OpenView | DamagedSegment]:
        """`segments`, the damaged ones named rather than raised."""
        return self._retrying(lambda: _each(self._look_at, self._listing(deep=True)))

    def stored(self) -> set[SegmentName]:
        """Those that are in the store."""
        return set() if self._stored is None else set(self._stored.segments())

    def records(self, position: int) -> Iterator[tuple[int, bytes]]:
        """The feed's records from a position to the end as it is when that is reached.

        As (position of the first, whole records of at most 1 MiB); heads are left out.

        Raises:
            RecordsMissingError: there are later ones, but not those that come next.
            JournalError: the journal begins after this position, or is damaged.
        """
        at = position
        misses = 0
        while (found := self._find(at)) is not None:
            segment, until = found
            begun = at
            try:
                for first, data in segment.records(at, until):
                    yield first, data
                    at = first + forms.count(data)
            except ObjectMissingError:
                self._forget()
                misses = 0 if at > begun else misses + 1
                if misses > _TRIES:
                    raise
                time.sleep(0.01 * misses)
                continue
            if until is None:
                return
            if at >= until:
                misses = 0
            elif misses == 0:  # what fills the gap may have been moved to the store meanwhile
                misses = 1
                self._forget()
            else:
                raise RecordsMissingError(
                    f"records {at:,} to {until - 1:,} are missing after this segment", path=segment.path
                )

    def find(self, position: int) -> ClosedSegment | OpenView | None:
        """The segment with this position; the last one for the position after its last record; None if none.

        Raises:
            JournalError: the journal begins after it.
        """
        found = self._find(position)
        return None if found is None else found[0]

    def at(self, ts_recv: int) -> ClosedSegment | OpenView | None:
        """The last segment before which no record is later than a time (ns); None if there are no segments.

        With its head, and its records up to the first that is later, the books are as of that time.
        """
        return self._last(lambda before: before.latest_ts_recv <= ts_recv)

    def edge(self, *, newest: bool) -> ClosedSegment | OpenView | None:
        """The first or the newest segment; None if there are none.

        Raises:
            JournalError: it is damaged.
        """

        def answer() -> ClosedSegment | OpenView | None:
            listing = self._listing(deep=True)
            if not listing.segments:
                return None
            return self._load(listing, len(listing.segments) - 1 if newest else 0)

        return self._retrying(answer)

    def forget(self) -> None:
        """Look at everything anew: a segment may have been put in the place of another."""
        self._forget()

    def books_before(self, start: int) -> tuple[int, bytes]:
        """A position and the head there, so that nothing before has a time from ``start`` (ns) on.

        It is the latest such position, or the journal's first.
        """

        def is_before(before: Before) -> bool:
            return max(before.latest_event, before.latest_ts_recv) < start

        def answer() -> tuple[int, bytes]:
            segment = self._last(is_before)
            return (0, b"") if segment is None else (segment.position, segment.head())

        return self._retrying(answer)

    def position_since(self, start: int) -> int:
        """A position before which no record has a ts_event (a snapshot's: ts_recv) from ``start`` (ns) on.

        It is exact to a frame. The journal's first position for a time before it.
        """

        def answer() -> int:
            segment = self._last(lambda before: before.latest_event < start)
            return 0 if segment is None else segment.position_since(start)

        return self._retrying(answer)

    @property
    def complete_after(self) -> int:
        """Every record with a later time than this (ns) is here; 0 if all of the feed is."""
        listing = self._listing(deep=True)
        if not listing.segments:
            return 0
        first = self._retrying(lambda: self._load(self._listing(deep=True), 0))
        return max(first.before.latest_event, first.before.latest_ts_recv)

    def _last(self, holds: Callable[[Before], bool]) -> ClosedSegment | OpenView | None:
        """The last segment for which this holds, or the first. It holds for none after one it does not."""

        def answer(*, deep: bool) -> ClosedSegment | OpenView | None:
            listing = self._listing(deep=deep)
            if not listing.segments:
                return None
            found = last_where(len(listing.segments), lambda at: self._load(listing, at), holds)
            return found if deep or holds(found.before) else None

        def near_then_far() -> ClosedSegment | OpenView | None:
            found = answer(deep=False)
            return found if found is not None else answer(deep=True)

        return self._retrying(near_then_far)

    def _find(self, position: int) -> tuple[ClosedSegment | OpenView, int | None] | None:
        """The segment that has a position, and the position from which the next counts."""

        def answer() -> tuple[ClosedSegment | OpenView, int | None] | None:
            for deep in (False, True):
                listing = self._listing(deep=deep)
                at = bisect_right([each.name.position for each in listing.segments], position) - 1
                if at >= 0:
                    return self._load(listing, at), listing.segments[at].until
            if not listing.segments:
                return None
            first = listing.segments[0].name.position
            raise JournalError(
                f"it begins at position {first:,}: position {position:,} is no longer kept", path=self._where
            )

        return self._retrying(answer)

    def _look_at(self, listing: _Listing, at: int) -> ClosedSegment | OpenView | DamagedSegment:
        try:
            return self._load(listing, at)
        except JournalError as error:
            if not is_damage(error):
                raise
            return DamagedSegment(listing.segments[at].name, error.path or self._where, error.reason)

    def _load(self, listing: _Listing, at: int) -> ClosedSegment | OpenView:
        name = listing.segments[at].name
        if name not in listing.closed:
            if name in listing.damaged:
                raise listing.damaged[name]
            return listing.open[name]
        place = listing.closed[name]
        key = f"{place.objects.url}/{place.base}"
        with self._lock:
            if key in self._indexes:
                self._indexes.move_to_end(key)
                return self._indexes[key]
        segment = load_segment(place)
        with self._lock:
            self._indexes[key] = segment
            while len(self._indexes) > _INDEXES_KEPT:
                self._indexes.popitem(last=False)
        return segment

    def _listing(self, *, deep: bool) -> _Listing:
        """What there is now. Not ``deep``: the segments of the writer's life that are in the folder."""
        opened: dict[SegmentName, OpenView] = {}
        damaged: dict[SegmentName, JournalError] = {}
        closed: dict[SegmentName, Place] = {}
        if self._folder is not None:
            opened, damaged = self._open_segments(self._folder)  # first: what is closed meanwhile is in both
            closed = closed_segments(self._folder, self.journal.prefix)
        if self._stored is not None and (deep or self._epoch is None):
            closed = {**self._stored.segments(), **closed}
        names = opened.keys() | closed.keys() | damaged.keys()
        if not deep and self._epoch is not None:
            names = {name for name in names if name.epoch == self._epoch}
        return _Listing(visible(names), closed, opened, damaged)

    def _open_segments(
        self, folder: FolderObjects
    ) -> tuple[dict[SegmentName, OpenView], dict[SegmentName, JournalError]]:
        sizes = self._sizes()
        found: dict[SegmentName, OpenView] = {}
        damaged: dict[SegmentName, JournalError] = {}
        for listed in folder.listed(self.journal.open):
            name = SegmentName.parse(listed.key, OPEN)
            if name is not None:
                path = folder.path(listed.key)
                try:
                    header = read_header(path)
                    if listed.size >= header.records_offset:  # its head is whole
                        found[name] = OpenView(path, header, sizes.get(name))
                except ObjectMissingError:
                    pass
                except JournalError as error:
                    damaged[name] = error
        return found, damaged

    def _forget(self) -> None:
        if self._stored is not None:
            self._stored.forget()
        with self._lock:
            self._indexes.clear()

    def _retrying(self, question: Callable[[], T]) -> T:
        """Ask again where a segment was closed or removed between the listing and its reading."""
        for tried in range(_TRIES):
            try:
                return question()
            except ObjectMissingError:
                self._forget()
                time.sleep(0.01 * tried)
        return question()

    @property
    def _where(self) -> str:
        place = self._folder or self._store
        return f"{'' if place is None else place.url}/{self.journal.prefix}"


def _each(load: Callable[[_Listing, int], T], listing: _Listing) -> list[T]:
    with ThreadPoolExecutor(_LOADERS) as pool:
        return list(pool.map(lambda at: load(listing, at), range(len(listing.segments))))


def journals(objects: Objects) -> list[Journal]:
    """The journals in a folder or store."""
    return [
        Journal(_value(dataset), _value(shard))
        for dataset in objects.folders(ROOT)
        if "/dataset=" in dataset
        for shard in objects.folders(dataset)
        if "/shard=" in shard
    ]


def _value(folder: str) -> str:
    return folder.rstrip("/").rpartition("=")[2]
