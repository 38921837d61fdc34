"""An instrument's definition, as far as a reader of books needs it."""

import numpy as np
from msgspec import Struct

from depthcast.book.views import iso, price_str
from depthcast.dbn.layout import DEFINITION, UNDEF_PRICE, UNDEF_TIMESTAMP

__all__ = ["DefinitionView", "definition_view", "words"]

_EXCHANGE_AND_ASSET = slice(330, 346)


class DefinitionView(Struct, frozen=True):
    """What a definition record says. Prices are decimal strings, times ns since the epoch; None: not set.

    ``tick_size`` is the least price step; ``instrument_class`` and ``match_algorithm`` are the venue's
    letters (docs of the schema: F future, C call, ...; F first in first out, ...).
    """

    raw_symbol: str
    tick_size: str | None
    display_factor: str | None
    currency: str | None
    exchange: str | None
    asset: str | None
    security_type: str | None
    instrument_class: str | None
    match_algorithm: str | None
    contract_size: str | None
    expiration: str | None
    expiration_iso: str | None
    ts_event: str


def definition_view(record: bytes) -> DefinitionView:
    """Of a definition record (520 bytes).

    Raises:
        ValueError: it is shorter.
    """
    fields = np.frombuffer(record, DEFINITION, count=1)[0]
    expiration = int(fields["expiration"])
    dated = expiration not in (0, UNDEF_TIMESTAMP)
    return DefinitionView(
        raw_symbol=_text(fields["raw_symbol"]) or "",
        tick_size=_price(fields["min_price_increment"]),
        display_factor=_price(fields["display_factor"]),
        currency=_text(fields["currency"]),
        exchange=_text(fields["exchange"]),
        asset=_text(fields["asset"]),
        security_type=_text(fields["security_type"]),
        instrument_class=_text(fields["instrument_class"]),
        match_algorithm=_text(fields["match_algorithm"]),
        contract_size=_price(fields["unit_of_measure_qty"]),
        expiration=str(expiration) if dated else None,
        expiration_iso=iso(expiration) if dated else None,
        ts_event=str(int(fields["ts_event"])),
    )


def words(record: bytes) -> str:
    """The exchange and the asset of a definition record, with a blank between them: for a search."""
    return record[_EXCHANGE_AND_ASSET].replace(b"\0", b" ").decode(errors="replace")


def _text(field: bytes) -> str | None:
    return bytes(field).partition(b"\0")[0].decode(errors="replace").strip() or None


def _price(field: int) -> str | None:
    """Zero is no tick and no size: the venue left it out."""
    value = int(field)
    return None if value in (0, UNDEF_PRICE) else price_str(value)
