"""Finding a segment by the times before it, past damaged ones; what of an error is damage."""

from collections.abc import Callable
from itertools import chain

from depthcast.errors import JournalError
from depthcast.journal.index import Before
from depthcast.journal.objects import ObjectMissingError
from depthcast.journal.segments import ClosedSegment, OpenView

__all__ = ["RecordsMissingError", "is_damage", "last_where"]


class RecordsMissingError(JournalError):
    """Segments are there that follow records which are not: those may come yet, or are lost."""


def last_where(
    count: int, load: Callable[[int], ClosedSegment | OpenView], holds: Callable[[Before], bool]
) -> ClosedSegment | OpenView:
    """The last of some segments before which something holds; the first if it holds before none.

    Args:
        count: how many there are, from 1.
        load: gives one of them by its number.
        holds: whether it does, by the times before a segment. Once it does not, it never does again.

    Raises:
        JournalError: the one that is meant is damaged, or may be among damaged ones.
    """
    low, high = 0, count
    damaged: dict[int, JournalError] = {}
    while high - low > 1:
        middle = (low + high) // 2
        for at in chain(range(middle, low, -1), range(middle + 1, high)):
            try:
                held = holds(load(at).before)
            except JournalError as error:
                if not is_damage(error):
                    raise
                damaged[at] = error
                continue
            low, high = (at, high) if held else (low, at)
            break
        else:
            break
    found = load(low)
    if high - low == 1 or (isinstance(found, ClosedSegment) and not holds(found.index.after)):
        return found
    raise damaged[low + 1]


def is_damage(error: JournalError) -> bool:
    """Whether one file is to blame; else it is gone meanwhile, or a store does not answer."""
    cause = error.__cause__
    return not isinstance(error, ObjectMissingError) and (cause is None or isinstance(cause, OSError))
