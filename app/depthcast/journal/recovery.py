"""What a writer finds when it starts: open segments of lives that ended badly, and where the feed stands."""

import contextlib
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from depthcast.dbn.framing import frame
from depthcast.errors import JournalError
from depthcast.journal.index import Before, OpenHeader
from depthcast.journal.listing import Place, closed_segments, load_segment, newest_day_ns, newest_of
from depthcast.journal.names import OPEN, OPEN_HEADER, SEGMENT, Journal, SegmentName
from depthcast.journal.objects import FolderObjects, ObjectMissingError, Objects, explain, read_exactly
from depthcast.journal.open_segment import header_path, remove_open
from depthcast.journal.seal import seal
from depthcast.journal.segments import ClosedSegment, OpenView, read_header

__all__ = ["Recovered", "recover"]

_READ_BYTES: Final = 1 << 20
_PAGE: Final = 4096
_DAMAGED: Final = ".damaged"


class Recovered(NamedTuple):
    """Where a feed goes on.

    ``position`` is that of its next record. ``newest`` is the newest segment: its head and its records give
    the books. ``source_state`` is the source's at that position or before. No segment may be dated before
    ``not_before_ns``. ``messages`` say what was mended.
    """

    epoch: int
    position: int
    newest: ClosedSegment | None
    source_state: bytes | None
    before: Before
    not_before_ns: int
    messages: tuple[str, ...]


def recover(
    journal: Journal,
    folder: FolderObjects,
    store: Objects | None,
    epoch: int,
    *,
    level: int,
    clock: Callable[[], int],
) -> Recovered:
    """Close what was left open, and find the newest segment.

    Raises:
        JournalError: the folder cannot be read or written, or the store cannot be asked.
    """
    closed = closed_segments(folder, journal.prefix)
    messages = _remove_leftovers(journal, folder, closed)
    for name, path in _left_open(journal, folder):
        if name in closed and _is_whole(closed[name]):  # killed between the closing and the removal
            remove_open(path)
            continue
        messages += _close(path, folder.folder, level, clock())
    newest = _newest(journal, folder, store)
    day_ns = max(newest_day_ns(place, journal) for place in (folder, store) if place is not None)
    if newest is None:
        return Recovered(epoch, 0, None, None, Before(), day_ns, tuple(messages))
    state, before = newest.source_state, newest.index.after
    return Recovered(epoch, newest.end, newest, state, before, day_ns, tuple(messages))


def _is_whole(place: Place) -> bool:
    """Whether a closed segment has all its bytes: the last renames before a crash may be half done."""
    try:
        index = load_segment(place).index
        return len(place.objects.read(place.segment_key, index.stored_bytes - 1)) == 1
    except JournalError:
        return False


def _newest(journal: Journal, folder: FolderObjects, store: Objects | None) -> ClosedSegment | None:
    found = [newest_of(place, journal) for place in (folder, store) if place is not None]
    known = [each for each in found if each is not None]
    if not known:
        return None
    _, place = max(known, key=lambda each: each[0])  # of one segment in both, the first: the folder's
    return load_segment(place)


def _left_open(journal: Journal, folder: FolderObjects) -> list[tuple[SegmentName, Path]]:
    """The open segments, oldest first. A header alone is what is left of one that never began."""
    found: list[tuple[SegmentName, Path]] = []
    for listed in folder.listed(journal.open):
        path = folder.path(listed.key)
        name = SegmentName.parse(listed.key, OPEN)
        if name is not None:
            found.append((name, path))
        elif listed.key.endswith(OPEN_HEADER):
            file = path.with_name(path.name.removesuffix(OPEN_HEADER) + OPEN)
            if not file.exists():
                remove_open(file)
    return sorted(found)


def _close(path: Path, root: Path, level: int, now_ns: int) -> list[str]:
    """Close one left-over open segment; what there is to say about it."""
    size = path.stat().st_size
    try:
        header = read_header(path)
        if size >= header.records_offset:
            OpenView(path, header).check()
    except JournalError as error:
        if isinstance(error.__cause__, OSError) and not isinstance(error, ObjectMissingError):
            raise  # the disk fails: nothing is known about the bytes
        what = "its header is" if error.path == str(header_path(path)) else "it is"
        why = "missing" if isinstance(error, ObjectMissingError) else f"damaged ({error.reason})"
        return [f"{path}: {what} {why}, so it is not read: its {size:,} bytes are left in {_set_aside(path)}"]
    try:
        with path.open("r+b", buffering=0) as file:
            whole = whole_size(file.fileno(), header)
            if whole < size:
                file.truncate(whole)
            os.fsync(file.fileno())
    except OSError as error:
        raise JournalError(explain(error), path=str(path)) from error
    said = []
    if whole < size:
        said.append(
            f"{path}: cut off {size - whole:,} bytes at byte {whole:,}: they end inside a record, or are none"
        )
    if whole <= header.records_offset:
        remove_open(path)
        return said
    index = seal(path, header, root, level=level, closed_ns=now_ns)
    remove_open(path)
    said.append(
        f"{path}: closed after a writer that did not: records {index.position:,} to {index.end - 1:,}"
    )
    return said


def _set_aside(path: Path) -> Path:
    """Leave a damaged open segment and its header, if any, to people; where its bytes are."""
    aside = path.with_name(path.name + _DAMAGED)
    header = header_path(path)
    try:
        path.replace(aside)
        with contextlib.suppress(FileNotFoundError):
            header.replace(header.with_name(header.name + _DAMAGED))
    except OSError as error:
        raise JournalError(explain(error), path=str(path)) from error
    return aside


def whole_size(file: int, header: OpenHeader, size: int | None = None) -> int:
    """Bytes of an open segment's file up to the end of its last whole record; 0 if its head is cut short.

    After the machine went down a file may be as long as it was with its last pages never written: zeros. A
    record that ends in such a page has a good beginning; it is no whole record.
    """
    size = os.fstat(file).st_size if size is None else size
    at = header.records_offset
    if size <= at:
        return 0 if size < at else at
    while at < size:
        data = read_exactly(file, at, min(_READ_BYTES, size - at))
        framing = frame(np.frombuffer(data, np.uint8), 0, len(data))
        at += framing.end
        if framing.broken is not None:
            page = at - at % _PAGE
            lost = data[framing.end] == 0 and not any(read_exactly(file, page, at - page))
            return whole_size(file, header, page) if lost and header.records_offset < page < at else at
        if framing.end == 0:
            break
    return at


def _remove_leftovers(journal: Journal, folder: FolderObjects, closed: Collection[SegmentName]) -> list[str]:
    """Remove what was being written under another name, and what is left of a removed segment."""
    for path in folder.path(journal.prefix).glob("*/.*.part"):
        path.unlink(missing_ok=True)
    said = []
    for listed in folder.listed(journal.prefix):
        name = SegmentName.parse(listed.key, SEGMENT)
        if name is None or name in closed or folder.path(f"{journal.open}{name}{OPEN}").exists():
            continue
        if closed and name < min(closed):  # its index was removed first
            folder.delete(listed.key)
        else:
            said.append(f"{folder.path(listed.key)}: it has no index, so it is no part of the journal")
    return said
