"""Symbol mapping records, many at a time: which symbol each instrument id of a stream stands for."""

from collections.abc import Iterable, Mapping

import numpy as np

from depthcast.dbn.layout import LENGTH_WORD, SYMBOL_MAPPING, UNDEF_TIMESTAMP, RType
from depthcast.live.control import STYPES
from depthcast.live.symbology import Symbology

__all__ = ["MappingDesk", "mapping_records"]

_RAW_SYMBOL = STYPES.index("raw_symbol")
_SYMBOL_BYTES = 70


def mapping_records(
    ids: Mapping[int, str], asked: Mapping[int, str], stype_in: str, *, ts_event: int
) -> bytes:
    """A record for each instrument of ``ids`` (its raw symbol), asked for by the symbol in ``asked``."""
    records = np.zeros(len(ids), SYMBOL_MAPPING)
    records["length"] = SYMBOL_MAPPING.itemsize // LENGTH_WORD
    records["rtype"] = RType.SYMBOL_MAPPING
    records["instrument_id"] = list(ids)
    records["ts_event"] = ts_event
    records["stype_in"] = STYPES.index(stype_in)
    records["stype_in_symbol"] = [_encoded(asked[number]) for number in ids]
    records["stype_out"] = _RAW_SYMBOL
    records["stype_out_symbol"] = [_encoded(symbol) for symbol in ids.values()]
    records["start_ts"] = UNDEF_TIMESTAMP
    records["end_ts"] = UNDEF_TIMESTAMP
    return records.tobytes()


def _encoded(symbol: str) -> bytes:
    return symbol.encode(errors="replace")[:_SYMBOL_BYTES].decode(errors="ignore").encode()


class MappingDesk:
    """The mappings of all instruments, made once for all sessions that ask for everything."""

    def __init__(self, symbology: Symbology) -> None:
        self._symbology = symbology
        self._made: dict[str, tuple[int, bytes]] = {}

    def everything(self, stype_in: str, *, ts_event: int) -> bytes:
        """Of every instrument known now. An instrument that was renamed is in it twice, the new name last."""
        version, records = self._made.get(stype_in, (0, b""))
        if version != self._symbology.version:
            records += self.of(self._symbology.changes(version), stype_in, ts_event=ts_event)
            self._made[stype_in] = self._symbology.version, records
        return records

    def of(self, instrument_ids: Iterable[int], stype_in: str, *, ts_event: int) -> bytes:
        """Of these, as far as they are known."""
        named = ((number, self._symbology.symbol(number)) for number in instrument_ids)
        known = {number: symbol for number, symbol in named if symbol is not None}
        return mapping_records(known, known, stype_in, ts_event=ts_event)
