"""Which instruments symbols stand for, from a file's metadata and from definitions.

What is known later in time wins: where a raw symbol stood for several instruments (its contract expired and
a new one took the name) it means the one of the latest date, whatever the order things are learnt in.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn.framing import TS_OUT_SIZE, record_starts
from depthcast.dbn.layout import DEFINITION, LENGTH_WORD, UNDEF_TIMESTAMP, RType
from depthcast.dbn.metadata import symbol_mappings

if TYPE_CHECKING:
    import databento_dbn

__all__ = ["Resolution", "Symbology"]

ALL_SYMBOLS: Final = "ALL_SYMBOLS"
_DEFINITION_WORDS: Final = (
    DEFINITION.itemsize // LENGTH_WORD,
    (DEFINITION.itemsize + TS_OUT_SIZE) // LENGTH_WORD,
)
_NS_PER_DAY: Final = 86_400_000_000_000
_EPOCH: Final = dt.date(1970, 1, 1)

_PARENT_KINDS: Final = {
    b"F": "FUT",
    b"S": "FUT",  # spreads of futures trade under the future's parent
    b"C": "OPT",
    b"P": "OPT",
    b"T": "OPT",
    b"M": "OPT",
    b"X": "SPOT",
    b"Y": "SPOT",
}
"""The suffix of the parent symbol for each class of instrument; others have none."""


class Resolution(NamedTuple):
    """What symbols stand for.

    Attributes:
        ids: the raw symbol of each instrument meant; its id in decimal digits where that is not known.
        asked: for each of them the symbol that was asked for (the first that meant it).
        unresolved: the symbols that stand for nothing known, in the order asked.
        everything: whether all instruments were asked for, also those not known yet.
    """

    ids: Mapping[int, str]
    asked: Mapping[int, str]
    unresolved: list[str]
    everything: bool = False


# How late a mapping is: its time (ns), then the instrument's expiration; last what it maps to, so that one of
# two always wins. Plain tuples, which the garbage collector need not visit.
_Name = tuple[int, int, str]
_Id = tuple[int, int, int]
_UNNAMED: Final = -1
"""The time of a name that is only the instrument's id in digits."""


class Symbology:
    """Symbols to instruments and back. Grows, forgets nothing. One thread at a time.

    Attributes:
        version: grows with everything new that is learnt.
    """

    def __init__(self) -> None:
        self._names: dict[int, _Name] = {}
        self._ids: dict[str, _Id] = {}
        self._parents: dict[str, set[int]] = {}
        self._parent_of: dict[int, str] = {}
        self._others: dict[tuple[str, str], set[int]] = {}
        self._latest = 0
        self._log: list[int] = []
        self._all: tuple[int, dict[int, str]] = (-1, {})

    @classmethod
    def from_metadata(cls, metadata: "databento_dbn.Metadata") -> "Symbology":
        """What a file's metadata maps."""
        made = cls()
        made.learn_metadata(metadata)
        return made

    @classmethod
    def from_mapping(cls, instruments: Mapping[str, int]) -> "Symbology":
        """Of raw symbols and their instrument ids."""
        made = cls()
        for symbol, instrument_id in instruments.items():
            made.add(instrument_id, symbol)
        return made

    @property
    def version(self) -> int:
        return len(self._log)

    def __len__(self) -> int:
        """How many instruments are known."""
        return len(self._names)

    def __contains__(self, instrument_id: object) -> bool:
        return instrument_id in self._names

    def symbol(self, instrument_id: int) -> str | None:
        """The raw symbol of an instrument, None if it is not known."""
        name = self._names.get(instrument_id)
        return None if name is None or name[0] == _UNNAMED else name[2]

    def changes(self, since: int) -> list[int]:
        """The instruments of which something new was learnt since that version, each once, in order."""
        return list(dict.fromkeys(self._log[since:]))

    def add(self, instrument_id: int, symbol: str) -> None:
        """Say that from now on this is the instrument's raw symbol, as an upstream gateway's mapping does."""
        self._latest += 1
        self._name(instrument_id, symbol, self._latest, UNDEF_TIMESTAMP)

    def learn_metadata(self, metadata: "databento_dbn.Metadata") -> None:
        """Learn what a file's metadata maps, in whatever symbology its symbols are."""
        stype_in = "raw_symbol" if metadata.stype_in is None else str(metadata.stype_in)
        stype_out = str(metadata.stype_out)
        if (stype_in == "instrument_id") == (stype_out == "instrument_id"):
            return
        stype = stype_out if stype_in == "instrument_id" else stype_in
        for asked, intervals in symbol_mappings(metadata).items():
            ids: dict[int, int] = {}
            for start, _, given in intervals:
                number, symbol = (asked, given) if stype_in == "instrument_id" else (given, asked)
                if not symbol or not _is_id(number):
                    continue
                time = (start - _EPOCH).days * _NS_PER_DAY
                if stype == "raw_symbol":
                    self._name(int(number), symbol, time, 0)
                else:
                    ids[int(number)] = time
            self._group(stype, asked, ids)

    def learn(self, records: bytes | memoryview) -> None:
        """Learn from the definitions in a buffer of whole records; others are passed over."""
        for row in zip(*_columns(records), strict=True):
            instrument_id, ts_event, expiration, raw_symbol, asset, kind = row
            symbol = raw_symbol.decode(errors="replace")
            time = 0 if ts_event == UNDEF_TIMESTAMP else ts_event
            if symbol:
                self._name(instrument_id, symbol, time, expiration)
            else:
                self._know(instrument_id)
            parent = _parent_symbol(asset, kind)
            if parent is not None and self._names[instrument_id][2] == (symbol or str(instrument_id)):
                self._put_under(parent, instrument_id)

    def resolve(self, stype_in: str, symbols: Sequence[str]) -> Resolution:
        """What ``symbols`` of the symbology ``stype_in`` stand for now.

        ``raw_symbol``, ``instrument_id`` (of instruments known), ``parent`` (``CL.FUT``, ``CL.OPT``,
        ``EUR.SPOT``, by the definitions) and whatever else the metadata maps. ``ALL_SYMBOLS`` alone means
        every instrument; its mappings are shared between calls and must not be changed.
        """
        if len(symbols) == 1 and symbols[0] == ALL_SYMBOLS:
            everything = self._everything()
            return Resolution(everything, everything, [], everything=True)
        ids: dict[int, str] = {}
        asked: dict[int, str] = {}
        unresolved: list[str] = []
        for symbol in symbols:
            found = self._find(stype_in, symbol)
            if not found:
                unresolved.append(symbol)
            for instrument_id in found:
                if instrument_id not in ids:
                    named = symbol if stype_in == "raw_symbol" else self._names[instrument_id][2]
                    ids[instrument_id] = named
                    asked[instrument_id] = symbol
        return Resolution(ids, asked, unresolved)

    def _find(self, stype: str, symbol: str) -> Iterable[int]:
        if stype == "raw_symbol":
            known = self._ids.get(symbol)
            return () if known is None else (known[2],)
        if stype == "instrument_id":
            return (int(symbol),) if _is_id(symbol) and int(symbol) in self._names else ()
        found = self._others.get((stype, symbol), set())
        if stype == "parent":
            found = found | self._parents.get(symbol, set())
        return sorted(found)

    def _everything(self) -> dict[int, str]:
        if self._all[0] != self.version:
            self._all = self.version, {number: self._names[number][2] for number in sorted(self._names)}
        return self._all[1]

    def _name(self, instrument_id: int, symbol: str, time: int, expiration: int) -> None:
        if time > self._latest:
            self._latest = time
        name, known = self._names.get(instrument_id), self._ids.get(symbol)
        later_name, later_id = (time, expiration, symbol), (time, expiration, instrument_id)
        new = False
        if name is None or name < later_name:
            self._names[instrument_id] = later_name
            new = name is None or name[2] != symbol or name[0] == _UNNAMED
        if known is None or known < later_id:
            self._ids[symbol] = later_id
            new = new or known is None or known[2] != instrument_id
        if new:
            self._log.append(instrument_id)

    def _know(self, instrument_id: int) -> None:
        """Count an instrument among the known, though its raw symbol is not."""
        if instrument_id not in self._names:
            self._names[instrument_id] = (_UNNAMED, 0, str(instrument_id))
            self._log.append(instrument_id)

    def _group(self, stype: str, symbol: str, times: Mapping[int, int]) -> None:
        """A symbol that is no raw one: a parent means all its instruments, others the latest."""
        if not times:
            return
        latest = max(times, key=lambda number: (times[number], number))
        ids = set(times) if stype == "parent" else {latest}
        for number in sorted(ids):
            self._know(number)
        known = self._others.get((stype, symbol), set())
        meant = known | ids if stype == "parent" else ids
        if meant != known:
            self._others[stype, symbol] = meant
            self._log.extend(sorted(meant - known))

    def _put_under(self, parent: str, instrument_id: int) -> None:
        before = self._parent_of.get(instrument_id)
        if before == parent:
            return
        if before is not None:
            self._parents[before].discard(instrument_id)
        self._parent_of[instrument_id] = parent
        self._parents.setdefault(parent, set()).add(instrument_id)
        self._log.append(instrument_id)


def _columns(records: bytes | memoryview) -> Iterable[list[int] | list[bytes]]:
    """The definitions' instrument_id, ts_event, expiration, raw_symbol, asset, instrument_class."""
    octets: NDArray[np.uint8] = np.frombuffer(records, dtype=np.uint8)
    starts = record_starts(octets, 0, len(octets))
    is_definition = (octets[starts + 1] == RType.INSTRUMENT_DEF) & np.isin(octets[starts], _DEFINITION_WORDS)
    view = memoryview(records)
    size = DEFINITION.itemsize
    rows = np.frombuffer(b"".join(view[at : at + size] for at in starts[is_definition].tolist()), DEFINITION)
    names = ("instrument_id", "ts_event", "expiration", "raw_symbol", "asset", "instrument_class")
    return (rows[name].tolist() for name in names)


@lru_cache(maxsize=4096)
def _parent_symbol(asset: bytes, kind: bytes) -> str | None:
    if not asset or kind not in _PARENT_KINDS:
        return None
    return f"{asset.decode(errors='replace')}.{_PARENT_KINDS[kind]}"


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32
