"""Which closed segment holds a time, and where in it the time is."""

from typing import NamedTuple

from depthcast.dbn import forms
from depthcast.errors import JournalError
from depthcast.journal.index import Frame
from depthcast.journal.reader import JournalReader
from depthcast.journal.search import RecordsMissingError, is_damage
from depthcast.journal.segments import ClosedSegment

__all__ = ["Cut", "Kept", "TimeNotKeptError", "cut_at", "cut_before", "first_time", "kept", "segment_at"]


class Kept(NamedTuple):
    """The first and the last time (ts_recv, ns) whose books closed segments give; None where not known."""

    first: int | None
    last: int | None


class TimeNotKeptError(JournalError):
    """No closed segment has the books of that time: it is before the first, or not closed yet.

    Attributes:
        kept: the times that there are.
    """

    def __init__(self, message: str, *, kept: Kept) -> None:
        super().__init__(message)
        self.kept = kept


class Cut(NamedTuple):
    """A place in a closed segment, between two records.

    Attributes:
        segment: where it is.
        frames: those whose records are all before it.
        rest: the records of the next frame that are before it too.
        position: of the first record after it.
        ts_recv: the latest of the records before it, from the segment's beginning on; 0 if there is none.
    """

    segment: ClosedSegment
    frames: list[Frame]
    rest: bytes
    position: int
    ts_recv: int


def kept(reader: JournalReader) -> Kept:
    """The times that a journal has the books of. It must have been opened for closed segments alone.

    Raises:
        JournalError: the store does not answer.
    """
    first = last = None
    for newest in (False, True):
        try:
            segment = reader.edge(newest=newest)
        except JournalError as error:
            if not is_damage(error):
                raise
            continue
        if isinstance(segment, ClosedSegment):
            if newest:
                last = max(0, segment.index.after.latest_ts_recv - 1)
            else:
                first = first_time(segment)
    return Kept(first, last)


def segment_at(reader: JournalReader, ts_recv: int, *, from_nothing: bool = False) -> ClosedSegment:
    """The closed segment with the first record that is later than a time (ns).

    Args:
        from_nothing: of a journal that has the feed's very first record, times before that will do too.

    Raises:
        TimeNotKeptError: there is none.
        RecordsMissingError: segments are there that follow it, but it is not.
        JournalError: it is damaged, or cannot be read.
    """
    segment = reader.at(ts_recv)
    if not isinstance(segment, ClosedSegment):
        raise TimeNotKeptError("the journal has no closed segments yet", kept=Kept(None, None))
    begins = from_nothing and segment.position == 0
    if ts_recv < first_time(segment) and not begins:
        raise TimeNotKeptError("that is before the journal begins", kept=kept(reader))
    if segment.index.times.max_ts_recv > ts_recv:
        return segment
    newest = reader.edge(newest=True)
    if newest is not None and newest.position > segment.position:
        raise RecordsMissingError(
            f"the records from {segment.end:,} on, which follow this segment, are missing", path=segment.path
        )
    raise TimeNotKeptError("no closed segment has come to that time yet", kept=kept(reader))


def cut_at(segment: ClosedSegment, ts_recv: int) -> Cut:
    """The place before the first record of a segment that is later than a time (ns).

    Raises:
        JournalError: the frame there is damaged, or cannot be read.
    """
    frames = segment.index.frames
    number = next((n for n, each in enumerate(frames) if each.times.max_ts_recv > ts_recv), len(frames))
    if number == len(frames):
        return _cut(segment, number, 0, b"")
    data = next(segment.unpacked(frames[number : number + 1]))
    size, records = forms.due_prefix(data, ts_recv)
    return _cut(segment, number, records, data[:size])


def cut_before(segment: ClosedSegment, position: int) -> Cut:
    """The place before the record with that position, or a segment's end.

    Raises:
        JournalError: the frame there is damaged, or cannot be read.
    """
    frames = segment.index.frames
    after = (n for n, each in enumerate(frames) if each.position + each.records > position)
    number = next(after, len(frames))
    if number == len(frames) or frames[number].position == position:
        return _cut(segment, number, 0, b"")
    data = next(segment.unpacked(frames[number : number + 1]))
    records = position - frames[number].position
    return _cut(segment, number, records, data[: forms.prefix(data, records)])


def _cut(segment: ClosedSegment, number: int, records: int, rest: bytes) -> Cut:
    frames = segment.index.frames[:number]
    position = frames[-1].position + frames[-1].records if frames else segment.position
    times = [each.times.max_ts_recv for each in frames]
    if rest:
        times.append(forms.span(rest).max_ts_recv)
    return Cut(segment, frames, rest, position + records, max(times, default=0))


def first_time(segment: ClosedSegment) -> int:
    """The first time whose books a segment gives: nothing is before the first record of all."""
    before = segment.index.before.latest_ts_recv
    return before or min(segment.index.times.min_ts_recv, segment.index.times.max_ts_recv)
