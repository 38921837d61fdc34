"""What a session is sent of each batch: its forms, built once for all sessions that have the same.

A form is the records of some schemas and instruments, with or without ts_out. A session has one for the
records that the feed carries itself (mbo, status, definition, ...) and one for each derived schema.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.book.derive_schemas import SCHEMAS as DERIVED
from depthcast.dbn import forms
from depthcast.dbn.framing import record_starts
from depthcast.dbn.layout import LENGTH_WORD, RType
from depthcast.live.feed_view import Batch
from depthcast.live.selection import ALL, Selection

__all__ = ["CARRIED", "DERIVED", "Form", "FormTable", "Shape", "select", "stamped"]

CARRIED: Final[dict[str, RType]] = {
    "mbo": RType.MBO,
    "status": RType.STATUS,
    "definition": RType.INSTRUMENT_DEF,
    "statistics": RType.STATISTICS,
    "imbalance": RType.IMBALANCE,
}
"""The schemas whose records the feed carries, by their rtype. All others are derived from mbo."""


class Shape(NamedTuple):
    """What a form holds: of each rtype the records of these instruments; or of one derived schema."""

    derived: str | None
    rtypes: tuple[tuple[RType, Selection], ...]
    """Of a derived schema one entry, whose rtype is not looked at."""
    ts_out: bool

    @classmethod
    def carried(cls, selections: Mapping[str, Selection], ts_out: bool) -> "Shape":
        """Of the records that the feed carries, by schema."""
        rtypes = tuple(sorted((CARRIED[schema], selection) for schema, selection in selections.items()))
        return cls(None, rtypes, ts_out)

    @classmethod
    def of_derived(cls, schema: str, selection: Selection, ts_out: bool) -> "Shape":
        """Of one derived schema."""
        return cls(schema, ((DERIVED[schema].rtype, selection),), ts_out)


class Form:
    """One shape's records of each batch.

    Attributes:
        users: how many sessions have it. With more than one, what is made is kept for the others.
        made: what was made and is kept, by batch index.
    """

    __slots__ = ("_build", "_derived", "_keep", "_now", "_whole", "made", "shape", "users")

    def __init__(
        self,
        shape: Shape,
        now: Callable[[], int],
        keep: Callable[["Form", int, bytes, bytes], None],
    ) -> None:
        self.shape = shape
        self.users = 0
        self.made: dict[int, bytes] = {}
        self._derived = shape.derived
        self._now = now if shape.ts_out else None
        self._keep = keep
        self._build = _builder(shape)
        self._whole = not shape.ts_out and shape.derived is None and (RType.MBO, ALL) in shape.rtypes

    def of(self, batch: Batch) -> bytes:
        """The form of this batch; empty if nothing of it is in the shape."""
        if self._whole and batch.mbo_only:
            return batch.data
        made = self.made.get(batch.index)
        if made is not None:
            return made
        if self._derived is None:
            source = batch.data
        else:
            if batch.derived is None:
                raise AssertionError(f"batch {batch.index} has not been derived yet")
            source = batch.derived.get(self._derived, b"")
        if not source:
            return b""
        made = self._build(source, None if self._now is None else self._now())
        if self.users > 1:
            self._keep(self, batch.index, made, source)
        return made


class FormTable:
    """The forms in use, and what is kept of them.

    Args:
        max_bytes: of kept records; the oldest are let go beyond that.
        now: the time for ts_out, ns since the epoch.
    """

    def __init__(self, max_bytes: int, now: Callable[[], int]) -> None:
        self.held_bytes = 0
        self._max_bytes = max_bytes
        self._now = now
        self._forms: dict[Shape, Form] = {}
        self._kept: deque[tuple[Form, int, int]] = deque()

    def acquire(self, shape: Shape) -> Form:
        """The form of this shape, for one more session. Give it back with `release`."""
        form = self._forms.get(shape)
        if form is None:
            form = self._forms[shape] = Form(shape, self._now, self._keep)
        form.users += 1
        return form

    def release(self, form: Form) -> None:
        """One session less has it."""
        form.users -= 1
        if form.users == 0:
            del self._forms[form.shape]

    def forget(self, tail: int) -> None:
        """Let go what was made of batches before ``tail``: the feed itself has let them go."""
        while self._kept and self._kept[0][1] < tail:
            self._let_go()

    def _keep(self, form: Form, index: int, made: bytes, source: bytes) -> None:
        size = 0 if made is source else len(made)
        form.made[index] = made
        self._kept.append((form, index, size))
        self.held_bytes += size
        while self.held_bytes > self._max_bytes:
            self._let_go()

    def _let_go(self) -> None:
        form, index, size = self._kept.popleft()
        del form.made[index]
        self.held_bytes -= size


def stamped(records: bytes, ts_out: int) -> bytes:
    """These records with ts_out."""
    return forms.form(records, ts_out=ts_out)


Build = Callable[[bytes, int | None], bytes]


def _builder(shape: Shape) -> Build:
    """How to make a shape's form of a buffer of whole records, stamped if a time is given."""
    selections = {selection for _, selection in shape.rtypes}
    mask = forms.rtype_mask(rtype for rtype, _ in shape.rtypes) if shape.derived is None else None
    if len(selections) > 1 or any(selection.inverted and selection.ids for selection in selections):
        return _mixed_builder(shape, mask)
    ids = None if selections == {ALL} else forms.IdSet(next(iter(selections)).ids)

    def build(source: bytes, ts_out: int | None) -> bytes:
        return forms.form(source, instrument_ids=ids, rtypes=mask, ts_out=ts_out)

    return build


def _mixed_builder(shape: Shape, mask: bytes | None) -> Build:
    """For rtypes of different instruments, or all instruments but some: rare, and not in the kernel.

    Where a batch holds nothing but mbo, and some named instruments' is wanted, the kernel can do it.
    """
    wanted = dict(shape.rtypes)
    mbo = wanted.get(RType.MBO)
    simple: Build | None = None
    if mbo is not None and len(wanted) > 1 and not (mbo.inverted and mbo.ids):
        simple = _builder(Shape(None, ((RType.MBO, mbo),), shape.ts_out))
    chosen = [(None if mask is None else rtype, _Chosen(selection)) for rtype, selection in wanted.items()]

    def build(source: bytes, ts_out: int | None) -> bytes:
        if simple is not None and not forms.others(source):
            return simple(source, ts_out)
        records = _picked(source, chosen)
        return records if ts_out is None or not records else stamped(records, ts_out)

    return build


def select(records: bytes, selection: Selection) -> bytes:
    """The records of these instruments, in their order."""
    return _picked(records, [(None, _Chosen(selection))])


class _Chosen:
    """A selection as numpy looks it up."""

    def __init__(self, selection: Selection) -> None:
        self._ids = np.fromiter(selection.ids, dtype=np.uint32, count=len(selection.ids))
        self._inverted = selection.inverted

    def of(self, ids: NDArray[np.uint32]) -> NDArray[np.bool_]:
        return np.isin(ids, self._ids, invert=self._inverted)


def _picked(source: bytes, chosen: Sequence[tuple[RType | None, _Chosen]]) -> bytes:
    """The records that one of these chooses (of its rtype, or of any where it has none), in their order."""
    octets: NDArray[np.uint8] = np.frombuffer(source, dtype=np.uint8)
    starts = record_starts(octets, 0, len(octets))
    rtypes = octets[starts + 1]
    words = np.frombuffer(source, dtype="<u4", count=len(octets) // LENGTH_WORD)
    ids = words[starts // LENGTH_WORD + 1]
    keep = np.zeros(len(starts), dtype=bool)
    for rtype, instruments in chosen:
        wanted = instruments.of(ids)
        keep |= wanted if rtype is None else wanted & (rtypes == rtype)
    if keep.all():
        return source
    sizes = octets[starts].astype(np.intp) * LENGTH_WORD
    kept: NDArray[np.uint8] = octets[np.repeat(keep, sizes)]
    return kept.tobytes()
