"""DBN: record layouts, flags and metadata, reading and writing. Nothing else here knows byte layouts."""

from depthcast.dbn.file import DBNFile, read_dbn
from depthcast.dbn.layout import Flags, RType
from depthcast.dbn.metadata import (
    SymbolInterval,
    instrument_symbols,
    make_metadata,
    symbol_instruments,
    symbol_mappings,
)
from depthcast.dbn.reader import CHUNK_SIZE, DBNReader, open_dbn
from depthcast.dbn.writer import DBNWriter, write_dbn

__all__ = [
    "CHUNK_SIZE",
    "DBNFile",
    "DBNReader",
    "DBNWriter",
    "Flags",
    "RType",
    "SymbolInterval",
    "instrument_symbols",
    "make_metadata",
    "open_dbn",
    "read_dbn",
    "symbol_instruments",
    "symbol_mappings",
    "write_dbn",
]
