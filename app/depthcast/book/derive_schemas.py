"""The schemas that are derived from MBO (docs/decisions/0002-derived-schemas.md): what each is made of."""

from typing import Final, NamedTuple

import numpy as np

from depthcast.dbn import layout
from depthcast.dbn.layout import RType

NS_PER_S: Final = 1_000_000_000


class DerivedSchema(NamedTuple):
    """One derived schema: its name in DBN, and the layout of its records."""

    name: str
    rtype: RType
    dtype: np.dtype[np.void]
    interval_ns: int
    """The length of its intervals; 0 where records are not gathered over intervals."""


SCHEMAS: Final[dict[str, DerivedSchema]] = {
    schema.name: schema
    for schema in (
        DerivedSchema("trades", RType.MBP_0, layout.TRADE, 0),
        DerivedSchema("tbbo", RType.MBP_1, layout.MBP_1, 0),
        DerivedSchema("mbp-1", RType.MBP_1, layout.MBP_1, 0),
        DerivedSchema("mbp-10", RType.MBP_10, layout.MBP_10, 0),
        DerivedSchema("bbo-1s", RType.BBO_1S, layout.BBO, NS_PER_S),
        DerivedSchema("bbo-1m", RType.BBO_1M, layout.BBO, 60 * NS_PER_S),
        DerivedSchema("ohlcv-1s", RType.OHLCV_1S, layout.OHLCV, NS_PER_S),
        DerivedSchema("ohlcv-1m", RType.OHLCV_1M, layout.OHLCV, 60 * NS_PER_S),
        DerivedSchema("ohlcv-1h", RType.OHLCV_1H, layout.OHLCV, 3_600 * NS_PER_S),
        DerivedSchema("ohlcv-1d", RType.OHLCV_1D, layout.OHLCV, 86_400 * NS_PER_S),
    )
}
"""By name. The compiled kernel knows them by their place in this order."""


def derived_schema(name: str) -> DerivedSchema:
    """The derived schema of that name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    try:
        return SCHEMAS[name]
    except KeyError:
        raise ValueError(f"no derived schema {name!r}; there are {', '.join(SCHEMAS)}") from None
