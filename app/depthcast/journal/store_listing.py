"""What is in a store, asked for no more often than needed: a year has half a million segments."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

from depthcast.journal.listing import Place, closed_segments
from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.objects import Objects

__all__ = ["StoreListing"]

FRESH_S: Final = 10.0
"""An answer is used for so long."""
_NEWEST_DAYS: Final = 2
"""Days that still grow; the listing of an older one is kept."""
_THREADS: Final = 8


class StoreListing:
    """The closed segments of a journal in a store. Any thread.

    Args:
        objects: the store.
        journal: which journal.
    """

    def __init__(self, objects: Objects, journal: Journal) -> None:
        self._objects = objects
        self._journal = journal
        self._lock = Lock()
        self._days: dict[str, dict[SegmentName, Place]] = {}
        self._all: dict[SegmentName, Place] = {}
        self._until = float("-inf")

    def segments(self) -> dict[SegmentName, Place]:
        """All of them, as they were some seconds ago at the earliest. Not to be changed.

        Raises:
            JournalError: the store does not answer.
        """
        with self._lock:
            if time.monotonic() < self._until:
                return self._all
            days = [folder for folder in self._objects.folders(self._journal.prefix) if "/date=" in folder]
            asked = [day for day in days if day not in self._days or day in days[-_NEWEST_DAYS:]]
            with ThreadPoolExecutor(_THREADS) as pool:
                answers = list(pool.map(lambda day: closed_segments(self._objects, day), asked))
            self._days = {**self._days, **dict(zip(asked, answers, strict=True))}
            self._days = {day: self._days[day] for day in days}
            self._all = {name: place for found in self._days.values() for name, place in found.items()}
            self._until = time.monotonic() + FRESH_S
            return self._all

    def forget(self) -> None:
        """Ask for everything anew the next time."""
        with self._lock:
            self._days = {}
            self._until = float("-inf")
