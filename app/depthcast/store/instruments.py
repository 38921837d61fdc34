"""What is known of instruments: by their definitions, or by the metadata's symbols alone."""

from typing import Any, Final, NamedTuple

import databento_dbn
import numpy as np

from depthcast.dbn import forms
from depthcast.dbn.layout import DEFINITION, UNDEF_PRICE, RType

__all__ = ["Instrument", "defined", "merged", "named"]

_TOO_LATE: Final = 2**63
"""ns: what a bigint cannot hold, from the year 2262 on; so is an undefined time."""
_PRICES: Final = ("min_price_increment", "display_factor", "unit_of_measure_qty")
_TEXTS: Final = ("asset", "exchange", "currency", "security_type", "instrument_class")


class Instrument(NamedTuple):
    """One instrument, in the order of the table's columns. The greater one is the newer.

    Times are ns since the epoch and -1 where there is no definition; None where something is not known.
    """

    ts_recv: int
    ts_event: int
    raw_symbol: str
    publisher_id: int | None = None
    asset: str | None = None
    exchange: str | None = None
    currency: str | None = None
    security_type: str | None = None
    instrument_class: str | None = None
    min_price_increment: int | None = None
    display_factor: int | None = None
    unit_of_measure_qty: int | None = None
    expiration: int | None = None


def merged(ours: dict[int, Instrument], theirs: dict[int, Instrument]) -> dict[int, Instrument]:
    """Of each instrument what is newer, whichever is given first."""
    found = dict(ours)
    for each, instrument in theirs.items():
        _keep(found, each, instrument)
    return found


def _keep(found: dict[int, Instrument], each: int, instrument: Instrument) -> None:
    """Put it there, if it is newer than what is."""
    found[each] = max(instrument, found.get(each, instrument), key=_newness)


def named(metadata: databento_dbn.Metadata) -> dict[int, Instrument]:
    """The instruments whose symbols a segment's metadata maps to ids; the greatest symbol of each."""
    found: dict[int, Instrument] = {}
    for symbol, intervals in metadata.mappings.items():
        for interval in intervals:
            to = str(interval["symbol"])
            if to.isdecimal():
                _keep(found, int(to), Instrument(-1, -1, symbol))
    return found


def defined(records: bytes) -> dict[int, Instrument]:
    """The newest of the definitions among some records."""
    others = forms.others(records)
    found: dict[int, Instrument] = {}
    at = 0
    while at < len(others):
        end = at + 4 * others[at]
        if others[at + 1] == RType.INSTRUMENT_DEF and end - at >= DEFINITION.itemsize:
            record = np.frombuffer(others, DEFINITION, 1, at)[0]
            _keep(found, int(record["instrument_id"]), _instrument(record))
        at = end
    return found


def _instrument(record: Any) -> Instrument:
    expiration = int(record["expiration"])
    rest: dict[str, Any] = {name: _text(record[name]) for name in _TEXTS}
    rest |= {name: None if record[name] == UNDEF_PRICE else int(record[name]) for name in _PRICES}
    return Instrument(
        _signed(int(record["ts_recv"])),
        _signed(int(record["ts_event"])),
        _text(record["raw_symbol"]),
        int(record["publisher_id"]),
        expiration=expiration if expiration < _TOO_LATE else None,
        **rest,
    )


def _newness(instrument: Instrument) -> tuple[Any, ...]:
    """Of two of the same time what they say decides, so that the order of arrival does not matter."""
    return instrument[:3] + tuple("" if each is None else str(each) for each in instrument[3:])


def _signed(value: int) -> int:
    """A time as bigint; what does not fit is none."""
    return value if value < _TOO_LATE else -1


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="replace").replace("\0", "")
