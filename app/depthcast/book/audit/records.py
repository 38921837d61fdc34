"""What an audit reads, a file's records in batches, and the notes it takes about them."""

from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.book.audit.report import Example, Moment, RecordExample
from depthcast.book.types import BookKey
from depthcast.book.views import iso, price_str
from depthcast.dbn.columns import split
from depthcast.dbn.layout import LENGTH_WORD, UNDEF_PRICE, UNDEF_TIMESTAMP

EXAMPLES_MAX: Final = 3
"""Examples kept of each thing."""

_INSTRUMENT_ID_WORD: Final = 1
_KEY_SHIFT: Final = 32


class Place(NamedTuple):
    """A record: its position among the file's MBO records, and its ts_recv."""

    position: int
    ts_recv: int


class Batch(NamedTuple):
    """Some records, as bytes and as columns.

    MBO record ``i`` is ``mbo[i]``, and ``data[:ends[i]]`` holds it and all records before it, of any type.
    ``positions`` are the places of the MBO records among all of the file's.
    """

    data: memoryview
    mbo: NDArray[np.void]
    ends: NDArray[np.int64]
    positions: NDArray[np.int64]

    def place(self, index: int) -> Place:
        """Where MBO record ``index`` is."""
        return Place(int(self.positions[index]), int(self.mbo["ts_recv"][index]))


def batches(chunks: Iterable[memoryview], instrument_ids: Collection[int] | None = None) -> Iterator[Batch]:
    """Take chunks of whole records apart, keeping those of some instruments if they are named."""
    seen = 0
    for chunk in chunks:
        parts = split(chunk)
        positions = np.arange(seen, seen + len(parts.mbo), dtype=np.int64)
        seen += len(parts.mbo)
        if instrument_ids is None:
            yield Batch(chunk, parts.mbo, parts.ends[parts.is_mbo], positions)
            continue
        words = np.frombuffer(chunk, dtype="<u4")
        keep = np.isin(words[parts.starts // LENGTH_WORD + _INSTRUMENT_ID_WORD], list(instrument_ids))
        starts, ends = parts.starts[keep], parts.ends[keep]
        kept = b"".join(chunk[at:end] for at, end in zip(starts.tolist(), ends.tolist(), strict=True))
        mine = keep[parts.is_mbo]
        new_ends = np.cumsum(ends - starts)[parts.is_mbo[keep]]
        yield Batch(memoryview(kept), parts.mbo[mine], new_ends, positions[mine])


def book_numbers(mbo: NDArray[np.void]) -> NDArray[np.uint64]:
    """The book of each record as one number; `book_key` reads it."""
    publishers: NDArray[np.uint64] = mbo["publisher_id"].astype(np.uint64)
    numbers: NDArray[np.uint64] = (publishers << np.uint64(_KEY_SHIFT)) | mbo["instrument_id"]
    return numbers


def book_key(number: int) -> BookKey:
    """The book of one of `book_numbers`."""
    return BookKey(number >> _KEY_SHIFT, number & 2**_KEY_SHIFT - 1)


class Tally:
    """How often something was seen, when first and last, and the first few examples."""

    __slots__ = ("_first", "_last", "count", "examples")

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[Example] = []
        self._first: Place | None = None
        self._last: Place | None = None

    @property
    def first(self) -> Moment | None:
        """When it was first seen."""
        return None if self._first is None else moment(*self._first)

    @property
    def last(self) -> Moment | None:
        """When it was last seen."""
        return None if self._last is None else moment(*self._last)

    @property
    def wants_example(self) -> bool:
        """Whether an example would be kept."""
        return len(self.examples) < EXAMPLES_MAX

    def see(self, at: Place, example: Example | None = None) -> None:
        """Note one more; in the order of time."""
        self.count += 1
        self._first = self._first or at
        self._last = at
        if example is not None and self.wants_example:
            self.examples.append(example)

    def see_record(self, batch: Batch, index: int) -> None:
        """Note a record, as an example if one is wanted."""
        at = batch.place(index)
        self.see(at, record_example(batch.mbo, index, at) if self.wants_example else None)


def moment(position: int, ts_recv: int) -> Moment:
    """A record's place and time."""
    return Moment(position, str(ts_recv), iso_or_none(ts_recv))


def iso_or_none(ts: int) -> str | None:
    """A time as ISO 8601, None for the undefined one."""
    return None if ts == UNDEF_TIMESTAMP else iso(ts)


def price_or_none(price: int) -> str | None:
    """A price as a decimal, None for the undefined one."""
    return None if price == UNDEF_PRICE else price_str(price)


def letter(code: bytes) -> str:
    """An action or side byte as text; what is no letter is written as its number."""
    return code.decode() if code.isalpha() else f"0x{code.hex() or '00'}"


def record_example(mbo: NDArray[np.void], index: int, at: Place) -> RecordExample:
    """Record ``index`` of ``mbo`` as an example."""
    record = mbo[index]
    return RecordExample(
        at=moment(*at),
        publisher_id=int(record["publisher_id"]),
        instrument_id=int(record["instrument_id"]),
        ts_event=str(record["ts_event"]),
        sequence=int(record["sequence"]),
        flags=int(record["flags"]),
        action=letter(bytes(record["action"])),
        side=letter(bytes(record["side"])),
        order_id=str(record["order_id"]),
        price=price_or_none(int(record["price"])),
        size=int(record["size"]),
    )
