"""Is a journal what it says it is? Every byte, every index, every head is looked at."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from depthcast.book.protocol import BookEngine
from depthcast.book.types import BookKey
from depthcast.dbn import RType, forms
from depthcast.errors import DepthcastError, JournalError
from depthcast.journal.index import Before, Block, Frame, Times
from depthcast.journal.reader import JournalReader
from depthcast.journal.search import is_damage
from depthcast.journal.segments import ClosedSegment, DamagedSegment, OpenView

__all__ = ["Checked", "size_of", "verify"]

_PIECE: Final = 1 << 20
_NAMED: Final = 3
"""Books that a finding names."""


class Checked(NamedTuple):
    """One segment, and what is wrong with it: nothing, if there is nothing."""

    segment: ClosedSegment | OpenView | DamagedSegment
    end: int
    problems: list[str]


@dataclass(slots=True)
class _State:
    """The books and the latest definitions and statuses after some records."""

    engine: BookEngine
    latest: dict[bytes, bytes] = field(default_factory=dict)

    def apply(self, data: bytes) -> None:
        self.engine.apply(data)
        others = forms.others(data)
        at = 0
        while at < len(others):
            end = at + 4 * others[at]
            if others[at + 1] in (RType.STATUS, RType.INSTRUMENT_DEF):
                self.latest[others[at + 1 : at + 8]] = others[at:end]
            at = end

    def books(self) -> dict[BookKey, tuple[int, bool]]:
        """Of each book its checksum, and whether it is good."""
        found = {}
        for key in self.engine.books():
            status = self.engine.status(key.instrument_id, key.publisher_id)
            checksum = self.engine.checksum(key.instrument_id, 0, key.publisher_id)
            found[key] = checksum, status.complete and not status.suspect
        return found


def verify(
    reader: JournalReader,
    make_engine: Callable[[], BookEngine],
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Iterator[Checked]:
    """Check the segments of a journal, one after the other, oldest first.

    Each is held to its index (hash, frames, counts, times), to the one before it (positions, times), and its
    head to the books rebuilt from the one before it.

    Args:
        reader: the journal.
        make_engine: an empty engine, with the limits of the journal's writer.
        on_bytes: called with the bytes of records and heads that were checked so far.

    Raises:
        JournalError: the store does not answer. What is damaged is a finding, not an error.
    """
    walk = _Walk(make_engine)
    done = 0
    segments = reader.survey()
    for segment, following in zip(segments, [*segments[1:], None], strict=True):
        if isinstance(segment, OpenView):
            segment = _as_it_is_now(reader, segment)
        if isinstance(segment, DamagedSegment):
            walk.leave_out()
            yield Checked(segment, segment.position, [segment.problem])
            continue
        problems = _check_file(segment) if isinstance(segment, ClosedSegment) else _check_open(segment)
        problems += walk.check(segment, None if following is None else following.position)
        done += size_of(segment)
        on_bytes(done)
        yield Checked(segment, walk.end, list(dict.fromkeys(problems)))


def size_of(segment: ClosedSegment | OpenView | DamagedSegment) -> int:
    """The bytes of one segment that `verify` counts."""
    if isinstance(segment, DamagedSegment):
        return 0
    return segment.index.unpacked_bytes if isinstance(segment, ClosedSegment) else segment.size


def _as_it_is_now(reader: JournalReader, segment: OpenView) -> ClosedSegment | OpenView | DamagedSegment:
    """An open segment, or the closed one that was made of it meanwhile."""
    try:
        return reader.find(segment.position) or segment
    except JournalError as error:
        if not is_damage(error):
            raise
        return DamagedSegment(segment.name, error.path or segment.path, error.reason)


class _Walk:
    """Goes from segment to segment with the books that the records make.

    ``end`` is the position after the records that counted so far.
    """

    def __init__(self, make_engine: Callable[[], BookEngine]) -> None:
        self.end = -1
        self._make_engine = make_engine
        self._state: _State | None = None
        self._after = Before()
        self._epoch = 0

    def leave_out(self) -> None:
        """Go on from the next segment's head: nothing is known about this one."""
        self._state = None

    def check(self, segment: ClosedSegment | OpenView, until: int | None) -> list[str]:
        """Check a segment's head and records; from ``until`` on another segment's count."""
        problems: list[str] = []
        if self._state is not None and segment.position != self.end:
            problems.append(f"records {self.end:,} to {segment.position - 1:,} are missing before it")
            self._state = None
        if self._state is not None and segment.before != self._after:
            problems.append("what it says of the times before it is not so")
        try:
            head = segment.head()
            fresh = _State(self._make_engine())
            fresh.apply(head)
            self._state = self._go_on(segment, fresh, problems, begins_anew=not head)
            times = _follow(segment, self._state, until, problems)
            self._after = segment.before.then(times)
        except DepthcastError as error:
            problems.append(error.reason if isinstance(error, JournalError) else str(error))
            self._state = None
        self.end = segment.end if until is None else min(segment.end, until)
        self._epoch = segment.name.epoch
        return problems

    def _go_on(
        self, segment: ClosedSegment | OpenView, fresh: _State, problems: list[str], *, begins_anew: bool
    ) -> _State:
        """The state to apply the records to: the one so far within a life, that of the head else.

        Going on from a head is what a restarted writer does; docs/book.md says what a snapshot leaves out.
        """
        same_life = segment.name.epoch == self._epoch
        if self._state is None or (begins_anew and not same_life):
            return fresh
        found = _compare(self._state, fresh)
        problems += found
        return fresh if found or not same_life else self._state


def _follow(
    segment: ClosedSegment | OpenView, state: _State, until: int | None, problems: list[str]
) -> Times:
    """Apply the records that count, and hold the index to all; the times of those that count."""
    all_times, times, end = Times(), Times(), segment.position
    stated = iter(segment.index.frames) if isinstance(segment, ClosedSegment) else None
    for position, data in segment.records(segment.position):
        span = forms.span(data)
        of_frame = Times.of(span)
        if stated is not None:
            frame = next(stated)
            if (frame.position, frame.records, frame.times) != (position, span.count, of_frame):
                problems.append(f"the frame at byte {frame.offset} is not what the index says of it")
        all_times |= of_frame
        end = position + span.count
        counting = (
            data if until is None or end <= until else data[: forms.prefix(data, max(until - position, 0))]
        )
        times |= of_frame if counting is data else Times.of(forms.span(counting))
        state.apply(counting)
    if isinstance(segment, ClosedSegment) and (segment.index.times, segment.index.end) != (all_times, end):
        problems.append("its records are not those that the index counts")
    return times


def _compare(rebuilt: _State, head: _State) -> list[str]:
    """What a head says otherwise than the books rebuilt from the segment before it."""
    problems = []
    ours, theirs = rebuilt.books(), head.books()
    wrong = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
    if wrong:
        named = ", ".join(
            f"{key.instrument_id} at publisher {key.publisher_id}" for key in sorted(wrong)[:_NAMED]
        )
        more = f" and {len(wrong) - _NAMED:,} more" if len(wrong) > _NAMED else ""
        problems.append(f"its head has other books than the records before it make: instrument {named}{more}")
    if rebuilt.latest != head.latest:
        problems.append("its head has other definitions or statuses than the records before it")
    return problems


def _check_open(segment: OpenView) -> list[str]:
    """Hold an open segment's metadata and head to its header."""
    try:
        segment.check()
    except JournalError as error:
        return [error.reason]
    return []


def _check_file(segment: ClosedSegment) -> list[str]:
    """Hold a segment's stored bytes to its index."""
    index = segment.index
    sha256 = hashlib.sha256()
    at = 0
    try:
        while data := segment.objects.read(segment.key, at, _PIECE):
            sha256.update(data)
            at += len(data)
            if len(data) < _PIECE:
                break
    except JournalError as error:
        return [error.reason]
    if at != index.stored_bytes:
        return [f"it has {at:,} bytes; its index says {index.stored_bytes:,}"]
    problems = []
    if sha256.hexdigest() != index.sha256:
        problems.append("its SHA-256 is not the one in its index")
    expected = 0
    blocks: list[Block | Frame] = [index.metadata, *index.head, *index.frames]
    for block in blocks:
        if block.offset != expected:
            problems.append(f"its index leaves out what is at byte {expected}")
            break
        expected = block.offset + block.stored_bytes
    if expected != index.stored_bytes and not problems:
        problems.append(f"its index leaves out what is at byte {expected}")
    try:
        metadata = segment.metadata()
        if metadata.dataset != index.dataset:
            problems.append(f"its metadata is of dataset {metadata.dataset}, its index of {index.dataset}")
    except JournalError as error:
        problems.append(error.reason)
    if sum(block.records for block in index.head) != index.head_records:
        problems.append("its index counts other records in the head than its frames have")
    return problems
