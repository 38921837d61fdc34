"""What a row of the history has: its fields, their kinds, and the SQL that gives them."""

from enum import Enum, StrEnum
from typing import Final, NamedTuple

__all__ = ["LEVELS", "Field", "Form", "Kind", "fields_of"]

LEVELS: Final = 10
"""Of each side, in a row of depth."""


class Kind(StrEnum):
    """What can be asked for."""

    TRADES = "trades"
    BBO = "bbo"
    DEPTH = "depth"
    OHLCV = "ohlcv"


class Form(Enum):
    """How a value is held in a row, and what it means.

    Prices are integers in 1e-9, `TIME` the 64 bits of a uint64 in ns, `LABEL` a datetime, `ORDER_ID` decimal
    digits; lists are those of a side's levels, best first.
    """

    TIME = "time"
    LABEL = "label"
    PRICE = "price"
    PRICES = "prices"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT32S = "uint32s"
    UINT64 = "uint64"
    INT32 = "int32"
    ORDER_ID = "order_id"
    LETTER = "letter"


class Field(NamedTuple):
    """One field: its name, how it is held, and the SQL expression that gives it."""

    name: str
    form: Form
    sql: str


def _plain(form: Form, *names: str) -> tuple[Field, ...]:
    return tuple(Field(name, form, name) for name in names)


def _prices(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, Form.PRICE, f"{name}_1e9") for name in names)


_TIMES: Final = _plain(Form.TIME, "ts_recv", "ts_event")
_BOOK: Final = (*_plain(Form.UINT32, "instrument_id"), *_plain(Form.UINT16, "publisher_id"))
_TOP: Final = (
    *_prices("bid_px"),
    *_plain(Form.UINT32, "bid_sz", "bid_ct"),
    *_prices("ask_px"),
    *_plain(Form.UINT32, "ask_sz", "ask_ct"),
)
_ORIGIN: Final = (
    *_plain(Form.UINT8, "flags", "depth"),
    *_plain(Form.INT32, "ts_in_delta"),
    *_plain(Form.UINT32, "epoch"),
    *_plain(Form.UINT64, "position"),
    *_plain(Form.UINT16, "ordinal"),
)
_TRADES: Final = (
    *_TIMES,
    *_BOOK,
    *_prices("price"),
    *_plain(Form.UINT32, "size"),
    *_plain(Form.LETTER, "side"),
    Field("order_id", Form.ORDER_ID, "order_id::text"),
    *_plain(Form.UINT32, "sequence"),
    *_ORIGIN,
)
_BBO: Final = (
    *_TIMES,
    *_BOOK,
    *_plain(Form.LETTER, "action", "side"),
    *_prices("price"),
    *_plain(Form.UINT32, "size"),
    *_TOP,
    *_plain(Form.UINT32, "sequence"),
    *_ORIGIN,
)
_LABEL: Final = Field("ts", Form.LABEL, "label")
_BBO_STEPS: Final = (
    _LABEL,
    *_BOOK,
    *_TOP,
    *_plain(Form.UINT32, "sequence"),
    *_plain(Form.UINT8, "flags"),
    *_plain(Form.UINT64, "updates", "position"),
)
_DEPTH: Final = (
    _LABEL,
    *_TIMES,
    *_BOOK,
    Field("bid_px", Form.PRICES, "bid_pxs_1e9"),
    Field("bid_sz", Form.UINT32S, "bid_szs"),
    Field("bid_ct", Form.UINT32S, "bid_cts"),
    Field("ask_px", Form.PRICES, "ask_pxs_1e9"),
    Field("ask_sz", Form.UINT32S, "ask_szs"),
    Field("ask_ct", Form.UINT32S, "ask_cts"),
    *_plain(Form.UINT32, "sequence"),
    *_plain(Form.UINT8, "flags"),
    *_plain(Form.UINT32, "epoch"),
    *_plain(Form.UINT64, "position"),
)
_OHLCV: Final = (
    _LABEL,
    *_BOOK,
    *_prices("open", "high", "low", "close"),
    *_plain(Form.UINT64, "volume", "trades"),
)


def fields_of(kind: Kind, step_ms: int) -> tuple[Field, ...]:
    """The fields of a row; ``step_ms`` is 0 for every single record."""
    if kind is Kind.TRADES:
        return _TRADES
    if kind is Kind.BBO:
        return _BBO_STEPS if step_ms else _BBO
    return _DEPTH if kind is Kind.DEPTH else _OHLCV
