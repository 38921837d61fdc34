"""How a journal is kept: what `JournalWriter` is told once."""

from dataclasses import dataclass

__all__ = ["JournalPolicy"]


@dataclass(frozen=True, slots=True)
class JournalPolicy:
    """When the journal is synced, when a segment is closed, what is kept.

    Attributes:
        sync_s: the longest time that what was written may not be on the disk.
        segment_bytes: a segment is closed after so many bytes of records, or four times its head's if more.
        segment_s: and after this time, while its head is smaller than ``small_head_bytes``.
        small_head_bytes: see ``segment_s``.
        zstd_level: of closed segments.
        retain_bytes: closed segments kept on the disk, at most; those still to be uploaded always stay.
        retain_s: how long they are kept there, at most.
        takeover_s: how long a start waits for a living writer of the same folder to see that it is replaced.
        drain_s: how long a close waits for uploads.
    """

    sync_s: float = 1.0
    segment_bytes: int = 64 << 20
    segment_s: float = 60.0
    small_head_bytes: int = 16 << 20
    zstd_level: int = 3
    retain_bytes: int = 8 << 30
    retain_s: float = 7 * 86_400.0
    takeover_s: float = 30.0
    drain_s: float = 10.0
