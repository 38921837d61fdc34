"""All instruments of all feeds that this process follows, by symbol and by id."""

import asyncio
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from depthcast.api.definitions import DefinitionView, definition_view, words
from depthcast.book.types import BookKey
from depthcast.errors import AmbiguousInstrumentError, UnknownInstrumentError
from depthcast.live.replica import Replica

__all__ = ["Listing", "Market"]


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument at one feed. ``symbol`` is None where only its id is known."""

    replica: Replica
    instrument_id: int
    symbol: str | None

    @property
    def name(self) -> str:
        """``DATASET:SYMBOL``, which `Market.find` knows; with the id where there is no symbol."""
        return f"{self.replica.dataset}:{self.symbol or self.instrument_id}"

    @property
    def definition(self) -> DefinitionView | None:
        """Its latest definition; None where none came."""
        record = self.replica.definitions.get(self.instrument_id)
        return None if record is None else definition_view(record)

    def publishers(self) -> list[int]:
        """Who has a book of it, in ascending order; empty before its first record."""
        return self.replica.engine.publishers(self.instrument_id)

    def keys(self) -> list[BookKey]:
        """Its books."""
        return [BookKey(publisher_id, self.instrument_id) for publisher_id in self.publishers()]


class Market:
    """The feeds of a process. Several may be shards of one dataset, or of different datasets.

    Args:
        replicas: at least one. Of two of the same instrument the one that has its book is meant.
    """

    def __init__(self, replicas: Sequence[Replica]) -> None:
        if not replicas:
            raise ValueError("a market needs at least one feed")
        self.replicas = tuple(replicas)
        self.datasets = tuple(dict.fromkeys(replica.dataset for replica in replicas))
        self._entries: list[_Entry] = []
        self._entries_as_of: list[tuple[int, int, int]] = []

    @property
    def ready(self) -> bool:
        """Whether every feed has books, of now or stale ones."""
        return all(replica.ready for replica in self.replicas)

    async def run(self) -> None:
        """Follow all feeds until `close`."""
        async with asyncio.TaskGroup() as group:
            for replica in self.replicas:
                group.create_task(replica.run())

    def close(self) -> None:
        """End `run` soon."""
        for replica in self.replicas:
            replica.close()

    # -- by name

    def find(self, text: str) -> Listing:
        """The instrument of this symbol or instrument id; ``DATASET:SYMBOL`` where several feeds have it.

        A symbol made of digits is preferred to an id of the same digits.

        Raises:
            UnknownInstrumentError: there is none.
            AmbiguousInstrumentError: there are several; its ``choices`` name them.
        """
        dataset, name = self._split(text)
        replicas = [each for each in self.replicas if dataset is None or each.dataset == dataset]
        found = _one_a_dataset(_by_symbol(replicas, name) or _by_id(replicas, name))
        if not found:
            where = "no feed has" if dataset is None else f"no feed of {dataset} has"
            raise UnknownInstrumentError(f"{where} an instrument {name!r}: give a symbol or an instrument id")
        if len(found) > 1:
            choices = tuple(listing.name for listing in found)
            raise AmbiguousInstrumentError(
                f"several feeds have an instrument {name!r}: ask for one of {', '.join(choices)}",
                choices=choices,
            )
        return found[0]

    def listings(self) -> list[Listing]:
        """Every instrument known, by dataset and then by symbol; those without one last, by id."""
        return [entry.listing for entry in self._known()]

    def search(self, query: str, limit: int = 50) -> list[Listing]:
        """Instruments whose symbol, id, asset or exchange contains the text, those that begin with it first.

        Case does not matter; an empty text finds all.
        """
        wanted = query.strip().casefold()
        known = self._known()
        ranked = (
            (rank, place) for place, entry in enumerate(known) if (rank := _rank(entry, wanted)) is not None
        )
        return [known[place].listing for _, place in heapq.nsmallest(limit, ranked)]

    def _split(self, text: str) -> tuple[str | None, str]:
        """``DATASET:NAME`` apart; a symbol may have a colon of its own."""
        dataset, colon, name = text.partition(":")
        return (dataset, name) if colon and dataset in self.datasets else (None, text)

    def _known(self) -> "list[_Entry]":
        """Every instrument, in order. Kept until there is another one: of thousands it takes some ms."""
        as_of = [
            (replica.generation, replica.names.version, replica.engine.book_count)
            for replica in self.replicas
        ]
        if as_of != self._entries_as_of:
            self._entries = [_entry(listing) for listing in sorted(self._all(), key=_order)]
            self._entries_as_of = as_of
        return self._entries

    def _all(self) -> Iterator[Listing]:
        seen: set[tuple[str, int]] = set()
        for replica in self.replicas:
            ids = {key.instrument_id for key in replica.engine.books()}
            for instrument_id in ids.union(replica.symbols, replica.definitions):
                if (replica.dataset, instrument_id) not in seen:
                    seen.add((replica.dataset, instrument_id))
                    yield _listing(self._owner(replica, instrument_id), instrument_id)

    def _owner(self, first: Replica, instrument_id: int) -> Replica:
        """Of the dataset's shards the one that has the instrument's book."""
        if len(self.replicas) == len(self.datasets) or first.engine.publishers(instrument_id):
            return first
        shards = (each for each in self.replicas if each.dataset == first.dataset)
        return next((each for each in shards if each.engine.publishers(instrument_id)), first)


def _listing(replica: Replica, instrument_id: int) -> Listing:
    return Listing(replica, instrument_id, replica.symbols.get(instrument_id))


def _by_symbol(replicas: Sequence[Replica], symbol: str) -> list[Listing]:
    return [
        Listing(replica, instrument_id, symbol)
        for replica in replicas
        if (instrument_id := replica.names.ids.get(symbol)) is not None
    ]


def _by_id(replicas: Sequence[Replica], text: str) -> list[Listing]:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return []
    number = int(text)
    return [
        _listing(replica, number)
        for replica in replicas
        if number in replica.symbols or number in replica.definitions or replica.engine.publishers(number)
    ]


def _one_a_dataset(found: list[Listing]) -> list[Listing]:
    """Shards of a dataset know each other's instruments: the one with the book is meant."""
    if len(found) < 2:
        return found
    chosen: dict[str, Listing] = {}
    for listing in found:
        dataset = listing.replica.dataset
        if dataset not in chosen or (listing.publishers() and not chosen[dataset].publishers()):
            chosen[dataset] = listing
    return list(chosen.values())


def _order(listing: Listing) -> tuple[str, bool, str, int]:
    return listing.replica.dataset, listing.symbol is None, listing.symbol or "", listing.instrument_id


class _Entry(NamedTuple):
    """An instrument, and what a search looks at."""

    listing: Listing
    symbol: str
    number: str
    words: str


def _entry(listing: Listing) -> _Entry:
    record = listing.replica.definitions.get(listing.instrument_id)
    found = "" if record is None else words(record).casefold()
    return _Entry(listing, (listing.symbol or "").casefold(), str(listing.instrument_id), found)


def _rank(entry: _Entry, wanted: str) -> int | None:
    """How well an instrument fits, 0 best; None if it does not."""
    _, symbol, number, words = entry
    if wanted in (symbol, number):
        return 0
    if symbol.startswith(wanted) or number.startswith(wanted):
        return 1
    if wanted in symbol or wanted in number:
        return 2
    return 3 if wanted in words else None
