"""Depthcast: market-by-order data, rebuilt into exact order books.

::

    engine = depthcast.Engine()
    engine.apply(records)                          # whole DBN records, from any buffer
    engine.depth(instrument_id, levels=10)

    for event in depthcast.replay("ESM4.mbo.dbn.zst"):
        event.engine.bbo(event.key.instrument_id)

Names are loaded when they are first used, so that the command starts quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from depthcast.errors import (
    AmbiguousBookError,
    BookError,
    DBNError,
    DepthcastError,
    RecordError,
    SettingsError,
    UnknownBookError,
    UnknownOrderError,
    UsageError,
)

if TYPE_CHECKING:
    from depthcast.book.engine import Engine
    from depthcast.book.protocol import BookEngine
    from depthcast.book.reference import ReferenceEngine
    from depthcast.book.replay import Event, replay
    from depthcast.book.tables import depth_table, orders_table
    from depthcast.book.types import (
        Bbo,
        BookKey,
        BookStatus,
        Depth,
        Level,
        Order,
        QueuePosition,
    )
    from depthcast.book.views import iso, price_str
    from depthcast.dbn import DBNFile, read_dbn

    __version__: str

__all__ = [
    "AmbiguousBookError",
    "Bbo",
    "BookEngine",
    "BookError",
    "BookKey",
    "BookStatus",
    "DBNError",
    "DBNFile",
    "Depth",
    "DepthcastError",
    "Engine",
    "Event",
    "Level",
    "Order",
    "QueuePosition",
    "RecordError",
    "ReferenceEngine",
    "SettingsError",
    "UnknownBookError",
    "UnknownOrderError",
    "UsageError",
    "__version__",
    "depth_table",
    "iso",
    "orders_table",
    "price_str",
    "read_dbn",
    "replay",
]

_HOMES: Final = {
    "depthcast.book.engine": ("Engine",),
    "depthcast.book.protocol": ("BookEngine",),
    "depthcast.book.reference": ("ReferenceEngine",),
    "depthcast.book.replay": ("Event", "replay"),
    "depthcast.book.tables": ("depth_table", "orders_table"),
    "depthcast.book.types": ("Bbo", "BookKey", "BookStatus", "Depth", "Level", "Order", "QueuePosition"),
    "depthcast.book.views": ("iso", "price_str"),
    "depthcast.dbn": ("DBNFile", "read_dbn"),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # or a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            value: Any = import_module("importlib.metadata").version("depthcast")
        elif name in _HOME_OF:
            value = getattr(import_module(_HOME_OF[name]), name)
        else:
            raise AttributeError(f"module 'depthcast' has no attribute {name!r}")
        globals()[name] = value  # from now on it is found at once
        return value


def __dir__() -> list[str]:
    return __all__
