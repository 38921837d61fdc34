"""What a replica knows of instruments: symbols, definitions, the latest status of each book."""

from struct import Struct
from typing import Final

from depthcast.book.types import BookKey
from depthcast.dbn.layout import DEFINITION, LENGTH_WORD, RType

__all__ = ["Names"]

_RAW_SYMBOL: Final = slice(238, 238 + 71)
_PUBLISHER_ID: Final = 2
_BOOK: Final = Struct("<HI")


class Names:
    """Learnt from symbol mappings and records; kept over sessions.

    Attributes:
        symbols: the symbol of each instrument; the one told last.
        definitions: its latest definition record, 520 bytes.
        ids: the instrument that each symbol stands for now.
        version: grows with every change.
    """

    def __init__(self) -> None:
        self.symbols: dict[int, str] = {}
        self.definitions: dict[int, bytes] = {}
        self.ids: dict[str, int] = {}
        self.version = 0
        self._statuses: dict[BookKey, bytes] = {}

    def map(self, instrument_id: int, symbol: str) -> None:
        """An instrument has this symbol. Its own id in digits is none."""
        if symbol == str(instrument_id) or self.symbols.get(instrument_id) == symbol:
            return
        before = self.symbols.get(instrument_id)
        if before is not None and self.ids.get(before) == instrument_id:
            del self.ids[before]
        self.symbols[instrument_id] = symbol
        self.ids[symbol] = instrument_id
        self.version += 1

    def learn(self, records: bytes) -> list[BookKey]:
        """Take the definitions and status records among these, which have no ts_out; whose statuses came."""
        told: dict[BookKey, None] = {}
        at = 0
        while at < len(records):
            record = records[at : at + records[at] * LENGTH_WORD]
            at += len(record)
            if record[1] == RType.STATUS:
                key = BookKey(*_BOOK.unpack_from(record, _PUBLISHER_ID))
                self._statuses[key] = record
                told[key] = None
            elif record[1] == RType.INSTRUMENT_DEF and len(record) == DEFINITION.itemsize:
                instrument_id = int.from_bytes(record[4:8], "little")
                self.definitions[instrument_id] = record
                self.version += 1
                symbol = record[_RAW_SYMBOL].partition(b"\0")[0].decode(errors="replace")
                if symbol:
                    self.map(instrument_id, symbol)
        return list(told)

    def statuses(self) -> bytes:
        """The latest status record of each instrument at each publisher."""
        return b"".join(self._statuses.values())
