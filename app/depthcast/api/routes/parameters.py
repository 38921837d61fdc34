"""Parameters that several routes have."""

from typing import Annotated, Final

from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from depthcast.api.bodies import MAX_LEVELS
from depthcast.dbn.layout import PRICE_SCALE

__all__ = ["Depth", "Instrument", "Price", "Publisher", "parse_price"]

DEFAULT_DEPTH: Final = 10

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
Price = Annotated[
    str,
    PathParameter(
        pattern=r"^-?[0-9]{1,10}(\.[0-9]{1,9})?$",
        description="A decimal price.",
        examples=[Example(value="64.79", summary="A price")],
    ),
]
OrderId = Annotated[
    str,
    PathParameter(
        pattern=r"^[0-9]{1,20}$",
        description="The venue's order id.",
        examples=[Example(value="6413064893113", summary="An order id")],
    ),
]


def parse_price(text: str) -> int:
    """A decimal price in 1e-9 units, exactly; perhaps larger than a book's can be."""
    whole, _, fraction = text.lstrip("-").partition(".")
    price = int(whole) * PRICE_SCALE + int(fraction.ljust(9, "0") or "0")
    return -price if text.startswith("-") else price
