"""One segment of several that follow one another: the head of the first, and the records of all."""

import hashlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from io import BytesIO
from itertools import pairwise

from depthcast.dbn import forms
from depthcast.errors import JournalError
from depthcast.journal.index import Frame, SegmentIndex, Times
from depthcast.journal.names import SEGMENT
from depthcast.journal.seal import FRAME_BYTES, Packed
from depthcast.journal.segments import ClosedSegment

__all__ = ["check_merged", "merged_segment", "same_records"]


def merged_segment(parts: Sequence[ClosedSegment], *, level: int) -> tuple[ClosedSegment, bytes]:
    """The segment that some make together, as it will be once it is stored; and the bytes of its file.

    Its frames are filled anew, so that many small segments become few frames. It says of the source what the
    first said at its beginning and the last at its end.

    Args:
        parts: segments of one epoch and day, each beginning where the one before it ends.
        level: of zstd.

    Raises:
        JournalError: they do not follow one another, or cannot be read.
    """
    first, last = parts[0], parts[-1]
    for one, following in pairwise(parts):
        if (one.name.epoch, one.end) != following.name:
            raise JournalError(f"it does not follow {one.path}", path=following.path)
    file = BytesIO()
    packed = Packed(file, level)
    metadata = packed.add(_metadata_of(first), 0)
    head = [packed.add(data, forms.count(data)) for data in _head_of(first)]
    frames: list[Frame] = []
    position, times = first.position, Times()
    for piece in _filled(parts):
        span = forms.span(piece)
        block = packed.add(piece, span.count)
        of_frame = Times.of(span)
        frames.append(
            Frame(block.offset, block.stored_bytes, block.unpacked_bytes, span.count, position, of_frame)
        )
        times |= of_frame
        position += span.count
    if position != last.end:
        raise JournalError(f"its records end at {position:,}, not at {last.end:,}", path=last.path)
    index = first.index
    merged = SegmentIndex(
        created_by=f"depthcast {version('depthcast')}",
        dataset=index.dataset,
        shard=index.shard,
        epoch=index.epoch,
        position=index.position,
        records=position - index.position,
        head_records=index.head_records,
        begun_ns=index.begun_ns,
        closed_ns=last.index.closed_ns,
        unpacked_bytes=sum(
            (
                metadata.unpacked_bytes,
                *(block.unpacked_bytes for block in head),
                *(frame.unpacked_bytes for frame in frames),
            )
        ),
        stored_bytes=packed.size,
        sha256=packed.sha256.hexdigest(),
        times=times,
        before=index.before,
        source_state=index.source_state,
        end_state=last.index.end_state,
        metadata=metadata,
        head=head,
        frames=frames,
    )
    folder = first.key.rpartition("/")[0]
    key = f"{folder}/{first.name.merged(position)}{SEGMENT}"
    return ClosedSegment(first.objects, key, merged), file.getvalue()


def check_merged(merged: ClosedSegment, first: ClosedSegment) -> None:
    """Read a merged segment back: its bytes are those of its index, its head and metadata those of the first.

    Raises:
        JournalError: they are not.
    """
    data = merged.objects.read(merged.key)
    if (len(data), hashlib.sha256(data).hexdigest()) != (merged.index.stored_bytes, merged.index.sha256):
        raise JournalError("it is not what was written", path=merged.path)
    if (merged.head(), _metadata_of(merged)) != (first.head(), _metadata_of(first)):
        raise JournalError(f"it does not begin as {first.path} does", path=merged.path)


def same_records(merged: ClosedSegment, part: ClosedSegment) -> bool:
    """Whether a merged segment has the records of one, byte for byte, at its positions."""
    ours, theirs = hashlib.sha256(), hashlib.sha256()
    for found, segment in ((ours, merged), (theirs, part)):
        at = part.position
        for position, data in segment.records(part.position, part.end):
            if position != at:
                return False
            at += forms.count(data)
            found.update(data)
        if at != part.end:
            return False
    return ours.digest() == theirs.digest()


def _metadata_of(segment: ClosedSegment) -> bytes:
    return next(segment.unpacked([segment.index.metadata]))


def _head_of(segment: ClosedSegment) -> Iterator[bytes]:
    for block in segment.index.head:
        yield from segment.unpacked([block])


def _filled(parts: Sequence[ClosedSegment]) -> Iterator[bytes]:
    """The records of all, in pieces of whole records of at most `FRAME_BYTES`."""
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        for _, data in part.records(part.position):
            if size + len(data) > FRAME_BYTES and waiting:
                yield b"".join(waiting)
                waiting, size = [], 0
            waiting.append(data)
            size += len(data)
    if waiting:
        yield b"".join(waiting)
