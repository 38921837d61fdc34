"""What goes from the disk, and when."""

import contextlib
from collections.abc import Collection

from depthcast.journal.listing import closed_segments
from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.objects import FolderObjects
from depthcast.journal.policy import JournalPolicy

__all__ = ["clear"]


def clear(
    folder: FolderObjects,
    journal: Journal,
    policy: JournalPolicy,
    now_ns: int,
    keep: Collection[SegmentName],
) -> list[SegmentName]:
    """Remove the oldest closed segments beyond what the policy keeps; which were removed.

    Not those of ``keep``, nor what is newer than one of them, nor the newest.

    Raises:
        JournalError: the folder cannot be read, or written.
        OSError: so for one of its files.
    """
    local = sorted(closed_segments(folder, journal.prefix).items())
    sizes, times = [], []
    for _, place in local:
        status = folder.path(place.segment_key).stat()
        sizes.append(status.st_size + folder.path(place.index_key).stat().st_size)
        times.append(status.st_mtime_ns)
    total = sum(sizes)
    removed: list[SegmentName] = []
    for (name, place), size, closed_ns in zip(local[:-1], sizes, times, strict=False):
        if name in keep or not (total > policy.retain_bytes or now_ns - closed_ns > policy.retain_s * 1e9):
            break  # whatever is newer stays, so that there is never a hole
        folder.delete(place.index_key)
        folder.delete(place.segment_key)
        with contextlib.suppress(OSError):  # the day has more
            folder.path(place.base).parent.rmdir()
        total -= size
        removed.append(name)
    return removed
