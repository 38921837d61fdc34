"""Parameters that several routes have."""

import re
from typing import Annotated, Final

from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from depthcast.api.bodies import MAX_LEVELS
from depthcast.api.problems import invalid
from depthcast.dbn.layout import PRICE_SCALE
from depthcast.dbn.times import TIME_PATTERN

__all__ = ["At", "Depth", "Instrument", "Price", "Publisher", "parse_order_id", "parse_price"]

DEFAULT_DEPTH: Final = 10
_PRICE: Final = r"^-?[0-9]{1,10}(\.[0-9]{1,9})?$"
_ORDER_ID: Final = r"^[0-9]{1,20}$"

Instrument = Annotated[
    str,
    PathParameter(
        min_length=1,
        max_length=90,
        description="A symbol, an instrument id, or DATASET:SYMBOL.",
        examples=[Example(value="CLX5", summary="A symbol")],
    ),
]
Publisher = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=65_535,
        description="Whose book is meant, where several publishers have one of the instrument.",
    ),
]
Depth = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=MAX_LEVELS,
        description="Levels of each side; 0 is all of them.",
        schema_extra={"default": DEFAULT_DEPTH},
        examples=[Example(value=10, summary="Ten levels")],
    ),
]
At = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        schema_extra={"pattern": TIME_PATTERN},
        description="The book as it was: before the first record of the journal with a later ts_recv than "
        "this time (ns, or ISO 8601). It needs the scope `replay`.",
        examples=[Example(value="2025-09-24T19:59:59.5Z", summary="A time")],
    ),
]
Price = Annotated[
    str,
    PathParameter(
        pattern=_PRICE,
        description="A decimal price.",
        examples=[Example(value="64.79", summary="A price")],
    ),
]
OrderId = Annotated[
    str,
    PathParameter(
        pattern=_ORDER_ID,
        description="The venue's order id.",
        examples=[Example(value="6413064893113", summary="An order id")],
    ),
]


def parse_price(text: str) -> int:
    """A decimal price in 1e-9 units, exactly; perhaps larger than a book's can be.

    Raises:
        ApiProblem: it is none. (A pattern's ``$`` lets a newline after it pass.)
    """
    _check("price", text, _PRICE)
    whole, _, fraction = text.lstrip("-").partition(".")
    price = int(whole) * PRICE_SCALE + int(fraction.ljust(9, "0") or "0")
    return -price if text.startswith("-") else price


def parse_order_id(text: str) -> int:
    """An order id; perhaps one of more than 64 bits.

    Raises:
        ApiProblem: it is none.
    """
    _check("order_id", text, _ORDER_ID)
    return int(text)


def _check(field: str, text: str, pattern: str) -> None:
    if re.fullmatch(pattern[:-1], text) is None:  # what `$` adds is the newline
        raise invalid(field, f"must match {pattern}", where="path")
