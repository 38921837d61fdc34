"""Which records of a journal are wanted: by positions, by times."""

from collections.abc import Iterator
from typing import NamedTuple

import databento_dbn

from depthcast.dbn import forms
from depthcast.errors import JournalError, UsageError
from depthcast.journal.reader import JournalReader
from depthcast.journal.segments import DamagedSegment

__all__ = ["Wanted", "between"]


class Wanted:
    """What was asked for: from one, up to, not including, the other; None for all there is.

    Args:
        from_position, to_position: positions.
        since, until: times (ns); those of the first records with such a ts_recv or a later one count.

    Raises:
        UsageError: there can be no record between them.
    """

    def __init__(
        self, from_position: int | None, to_position: int | None, since: int | None, until: int | None
    ) -> None:
        if from_position is not None and from_position < 0:
            raise UsageError(f"--from-position: expected a position from 0, got {from_position}")
        if to_position is not None and to_position <= (from_position or 0):
            raise UsageError(
                f"--to-position: expected a position after {from_position or 0:,}, got {to_position:,}"
            )
        if since is not None and until is not None and until <= since:
            raise UsageError("--until: expected a time after that of --since")
        self._from_position = from_position
        self._to_position = to_position
        self._since = since
        self._until = until

    def find(self, reader: JournalReader) -> "Found":
        """Where that is in a journal.

        Raises:
            UsageError: the journal has no segments, or ends before.
            JournalError: what is needed of it is damaged.
        """
        segments = reader.survey()
        if not segments:
            raise UsageError("the journal has no segments yet")
        last = segments[-1]
        readable = [each for each in segments if not isinstance(each, DamagedSegment)]
        if isinstance(last, DamagedSegment) and not readable:
            raise JournalError(last.problem, path=last.path)
        begin = segments[0].position
        if self._since is not None:
            begin = _first_position(reader, self._since)
        elif self._from_position is not None:
            begin = self._from_position
            if not isinstance(last, DamagedSegment) and begin >= last.end:
                raise UsageError(f"--from-position {begin:,}: the journal ends at position {last.end:,}")
        end = self._to_position
        if self._until is not None:
            until = _first_position(reader, self._until)
            end = until if end is None else min(until, end)
        return Found(readable[-1].metadata(), begin, end)


class Found(NamedTuple):
    """The metadata for some records, the position of the first, and the one after the last; None: all."""

    metadata: databento_dbn.Metadata
    begin: int
    end: int | None


def between(reader: JournalReader, begin: int, end: int | None) -> Iterator[bytes]:
    """The records between two positions. Segments after them are not looked at."""
    if end is not None and begin >= end:
        return
    for position, data in reader.records(begin):
        if end is not None and position + forms.count(data) >= end:
            yield data[: forms.prefix(data, end - position)]
            return
        yield data


def _first_position(reader: JournalReader, ts_recv: int) -> int:
    """The position of the first record with this ts_recv or a later one; the end if there is none."""
    segment = reader.at(ts_recv - 1) if ts_recv else reader.find(0)
    if segment is None:
        return 0
    end = segment.position
    for position, data in reader.records(segment.position):
        size, records = forms.due_prefix(data, max(ts_recv - 1, 0))
        end = position + records
        if size < len(data):
            break
    return end
