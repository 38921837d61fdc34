"""What a round of maintenance did, and what it found."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from depthcast.journal.names import Journal, SegmentName

__all__ = ["Alarm", "Finding", "JournalReport", "MaintenanceReport", "Merged"]


class Alarm(Enum):
    """What can be wrong between a journal's segments and the ledger."""

    NOT_COMPACTED = "not compacted"
    """It is closed since long enough, and not all of it is in the ledger."""
    GAP = "gap"
    """Records are missing before it."""
    LOST = "lost"
    """The ledger has records after the newest segment that is there."""
    DIFFERENT = "different"
    """It is another one than the ledger has: its records, bytes or SHA-256."""
    DAMAGED = "damaged"
    """Its index cannot be read, or its file is not there or of another size."""


class Finding(NamedTuple):
    """Something that is wrong with a segment.

    Attributes:
        kind: what.
        name: of the segment.
        problem: in words.
        path: where it is, for people.
    """

    kind: Alarm
    name: SegmentName
    problem: str
    path: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class Merged(NamedTuple):
    """Small segments that became one.

    Attributes:
        key: of the one.
        parts: how many there were.
        records: in all.
        bytes_before, bytes_after: of their files.
    """

    key: str
    parts: int
    records: int
    bytes_before: int
    bytes_after: int


@dataclass(slots=True)
class JournalReport:
    """One journal.

    Attributes:
        journal: which.
        segments: that are in the store and count.
        compacted: of them, those that are in the ledger.
        young: of them, those that are not and need not be yet.
        end: the position after the last record that is there.
        findings: what is wrong.
        merged: the segments that were made of smaller ones.
        removed: small segments that went because a merged one has their records.
        not_merged: why no segments are merged here; empty where they are.
    """

    journal: Journal
    segments: int = 0
    compacted: int = 0
    young: int = 0
    end: int = 0
    findings: list[Finding] = field(default_factory=list)
    merged: list[Merged] = field(default_factory=list)
    removed: int = 0
    not_merged: str = ""


@dataclass(slots=True)
class MaintenanceReport:
    """All of it.

    Attributes:
        busy: another one is at it, so nothing was done.
        partitions_made: ahead of time.
        partitions_dropped: by table, because they are older than what is kept; of TimescaleDB, chunks.
        postponed: tables whose old partitions were in use: they go the next time.
        keys_expired: idempotency keys that went.
        exports_expired: exports that went, with their results.
        journals: what was found in each.
    """

    busy: bool = False
    partitions_made: int = 0
    partitions_dropped: dict[str, int] = field(default_factory=dict)
    postponed: list[str] = field(default_factory=list)
    keys_expired: int = 0
    exports_expired: int = 0
    journals: list[JournalReport] = field(default_factory=list)

    @property
    def alarms(self) -> list[Finding]:
        """All findings: each wants somebody to look."""
        return [finding for journal in self.journals for finding in journal.findings]
