"""Where the parts of a journal are: the same keys in a folder and in an object store.

::

    journal/dataset=D/shard=S/
      date=YYYY-MM-DD/EPOCH-POSITION.dbn.zst      a closed segment
      date=YYYY-MM-DD/EPOCH-POSITION.index.json   its index: the segment counts once this is there
      date=YYYY-MM-DD/EPOCH-POSITION-END.dbn.zst  made of several, it takes the place of all of them
      epochs/EPOCH.json                           a writer's life, taken once
      open/EPOCH-POSITION.open.dbn                the segment being written (in a folder only)
      open/EPOCH-POSITION.open.json               what it begins with
      open/lock                                   held by the living writer

The date is the UTC day on which the segment was begun, by the writer's clock, whatever times its records
have; or the last day that there is, where the clock is behind it. So newer segments never stand under an
older day.
"""

import datetime as dt
import re
from typing import Final, NamedTuple, Self

__all__ = ["Journal", "SegmentName"]

SEGMENT: Final = ".dbn.zst"
INDEX: Final = ".index.json"
OPEN: Final = ".open.dbn"
OPEN_HEADER: Final = ".open.json"
ROOT: Final = "journal/"

_NAME: Final = re.compile(r"(\d{8})-(\d{16})(?:-(\d{16}))?")
_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EPOCH: Final = re.compile(r"(\d{8})\.json")


class SegmentName(NamedTuple):
    """A segment: the writer's epoch, and the position of its first record. Names sort as these do."""

    epoch: int
    position: int

    def __str__(self) -> str:
        return f"{self.epoch:08d}-{self.position:016d}"

    @classmethod
    def parse(cls, key: str, ending: str) -> Self | None:
        """The name in a key or path with this ending; None if it is something else."""
        file = key.rpartition("/")[2]
        match = _NAME.fullmatch(file.removesuffix(ending)) if file.endswith(ending) else None
        return None if match is None else cls(int(match[1]), int(match[2]))

    def merged(self, end: int) -> str:
        """What a segment of this name is called that was made of several, up to this position."""
        return f"{self}-{end:016d}"


class Journal(NamedTuple):
    """A journal's name: a dataset and a shard of its instruments."""

    dataset: str
    shard: str

    def check(self) -> Self:
        """Itself.

        Raises:
            ValueError: a name that cannot stand in a path.
        """
        for what, part in (("dataset", self.dataset), ("shard", self.shard)):
            if not _PART.fullmatch(part):
                raise ValueError(f"{what}: expected letters, digits and . _ -, at most 64, got {part!r}")
        return self

    @property
    def prefix(self) -> str:
        return f"{ROOT}dataset={self.dataset}/shard={self.shard}/"

    @property
    def epochs(self) -> str:
        return f"{self.prefix}epochs/"

    @property
    def open(self) -> str:
        return f"{self.prefix}open/"

    def epoch_key(self, epoch: int) -> str:
        return f"{self.epochs}{epoch:08d}.json"

    def day(self, begun_ns: int) -> str:
        """Where the segments begun on the UTC day of this time are."""
        date = dt.datetime.fromtimestamp(begun_ns // 1_000_000_000, tz=dt.UTC).date()
        return f"{self.prefix}date={date.isoformat()}/"


def merged_end(base: str) -> int | None:
    """The position after the last record, where a key without ending says it: of a merged segment."""
    match = _NAME.fullmatch(base.rpartition("/")[2])
    return None if match is None or match[3] is None else int(match[3])


def day_ns(folder: str) -> int:
    """When the day of such a folder begins; 0 if its name is none."""
    try:
        date = dt.date.fromisoformat(folder.rstrip("/").rpartition("/date=")[2])
    except ValueError:
        return 0
    return (date - dt.date(1970, 1, 1)).days * 86_400_000_000_000


def epoch_of(key: str) -> int | None:
    """The epoch that a key under ``epochs/`` stands for."""
    match = _EPOCH.fullmatch(key.rpartition("/")[2])
    return None if match is None else int(match[1])
