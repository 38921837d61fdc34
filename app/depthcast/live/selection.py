"""Sets of instruments: some, or all but some. What subscriptions add up to."""

from collections.abc import Iterable
from typing import Final, NamedTuple

__all__ = ["ALL", "NONE", "Selection", "selection_of"]


class Selection(NamedTuple):
    """The instruments of ``ids``; all others where ``inverted``."""

    ids: frozenset[int]
    inverted: bool = False

    @property
    def empty(self) -> bool:
        """Whether no instrument is in it."""
        return not self.ids and not self.inverted

    def __contains__(self, instrument_id: object) -> bool:
        return (instrument_id in self.ids) is not self.inverted

    def union(self, other: "Selection") -> "Selection":
        """What is in either."""
        if self.inverted and other.inverted:
            return Selection(self.ids & other.ids, inverted=True)
        if self.inverted:
            return Selection(self.ids - other.ids, inverted=True)
        if other.inverted:
            return Selection(other.ids - self.ids, inverted=True)
        return Selection(self.ids | other.ids)

    def complement(self) -> "Selection":
        """What is not in it."""
        return Selection(self.ids, not self.inverted)

    def minus(self, other: "Selection") -> "Selection":
        """What is in this one and not in the other."""
        return self.complement().union(other).complement()

    def overlaps(self, other: "Selection") -> bool:
        """Whether an instrument is in both. There is always one more than any that are named."""
        return not self.complement().union(other.complement()).complement().empty


NONE: Final = Selection(frozenset())
ALL: Final = Selection(frozenset(), inverted=True)


def selection_of(instrument_ids: Iterable[int] | None) -> Selection:
    """These instruments; all where None."""
    return ALL if instrument_ids is None else Selection(frozenset(instrument_ids))
