"""Definition records as databento_dbn makes them."""

from typing import Any

import databento_dbn

from depthcast.dbn.layout import UNDEF_TIMESTAMP

# databento_dbn's declarations of its enumerations are not what it takes: leave them unchecked.
dbn: Any = databento_dbn


def definition(
    instrument_id: int,
    raw_symbol: str,
    *,
    asset: str = "CL",
    instrument_class: str = "F",
    expiration: int = UNDEF_TIMESTAMP,
    ts_event: int = 1,
    **fields: Any,
) -> bytes:
    """One definition, 520 bytes."""
    record = dbn.InstrumentDefMsg(
        publisher_id=1,
        instrument_id=instrument_id,
        ts_event=ts_event,
        ts_recv=fields.pop("ts_recv", ts_event),
        min_price_increment=fields.pop("min_price_increment", 10_000_000),
        display_factor=fields.pop("display_factor", 1_000_000_000),
        raw_symbol=raw_symbol,
        asset=asset,
        security_type=fields.pop("security_type", "FUT"),
        instrument_class=dbn.InstrumentClass(instrument_class),
        security_update_action=dbn.SecurityUpdateAction("A"),
        expiration=expiration,
        **fields,
    )
    return bytes(record)[: dbn.InstrumentDefMsg.size_hint]
