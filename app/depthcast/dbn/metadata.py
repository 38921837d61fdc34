"""The metadata at the head of a DBN stream: making it, and what it says about symbols.

Its bytes are databento-dbn's business.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, cast

import databento_dbn
from databento_dbn.metadata import SymbolMapping

DBN_VERSION: Final = 3
"""The version written, and the newest that is read."""

# databento_dbn declares its enumerations' members as plain numbers and its mappings as writable protocols;
# what it takes are the members themselves and anything with the attributes. Hence the casts here and below.
AS_IS: Final = cast("databento_dbn.VersionUpgradePolicy", databento_dbn.VersionUpgradePolicy.AS_IS)
"""Decode what the bytes say, whatever their version."""

_NS_PER_S: Final = 1_000_000_000


class SymbolInterval(NamedTuple):
    """What a symbol stood for from ``start_date`` up to, not including, ``end_date`` (UTC dates)."""

    start_date: dt.date
    end_date: dt.date
    symbol: str
    """In the file's output symbology: usually the instrument id in decimal digits."""


class _Mapping(NamedTuple):
    raw_symbol: str
    intervals: Sequence[SymbolInterval]


def make_metadata(
    dataset: str,
    schema: str | None,
    start: int,
    *,
    end: int | None = None,
    stype_in: str | None = "raw_symbol",
    stype_out: str = "instrument_id",
    symbols: Sequence[str] | None = None,
    mappings: Mapping[str, int | Sequence[SymbolInterval]] | None = None,
    limit: int | None = None,
    ts_out: bool = False,
) -> databento_dbn.Metadata:
    """Metadata of DBN version 3.

    Args:
        dataset: the dataset's code, at most 15 characters (``"GLBX.MDP3"``).
        schema: ``"mbo"``, ``"mbp-10"``, ...; None for a mixture.
        start, end: ns since the epoch, UTC; ``end`` is exclusive and may be open.
        symbols: the symbols asked for; those of ``mappings`` when not given.
        mappings: for each symbol its instrument id, for all of the file's dates, or the intervals. They are
            written in the order of ``symbols``, the rest sorted after them: equal metadata, equal bytes.
        limit: the greatest number of records asked for.
        ts_out: whether every record is followed by its 8-byte send time.

    Raises:
        ValueError: a schema or symbology that DBN does not have, or a name longer than it holds.
    """
    lasting = {symbol: _intervals(meaning, start, end) for symbol, meaning in (mappings or {}).items()}
    asked_for = list(lasting if symbols is None else symbols)
    try:
        metadata = databento_dbn.Metadata(
            dataset=dataset,
            start=start,
            end=end,
            stype_in=None if stype_in is None else databento_dbn.SType.from_str(stype_in),
            stype_out=databento_dbn.SType.from_str(stype_out),
            schema=None if schema is None else databento_dbn.Schema.from_str(schema),
            symbols=asked_for,
            partial=[],
            not_found=[],
            mappings=[
                cast("SymbolMapping", _Mapping(symbol, lasting[symbol]))
                for symbol in _in_order(lasting, asked_for)
            ],
            limit=limit,
            ts_out=ts_out,
            version=DBN_VERSION,
        )
        metadata.encode()  # only this looks at the lengths of symbols
    except databento_dbn.DBNError as error:
        raise ValueError(f"metadata that DBN cannot hold: {error}") from None
    return metadata


def _in_order(mapped: Iterable[str], symbols: Sequence[str]) -> list[str]:
    """What is mapped, in the order of the symbols asked for; what they do not name comes last, sorted."""
    place = {symbol: n for n, symbol in reversed(list(enumerate(symbols)))}
    return sorted(mapped, key=lambda symbol: (place.get(symbol, len(symbols)), symbol))


def _intervals(
    meaning: int | Sequence[SymbolInterval], start: int, end: int | None
) -> Sequence[SymbolInterval]:
    if not isinstance(meaning, int):
        return meaning
    last = start if end is None else max(start, end - 1)
    return [SymbolInterval(utc_date(start), utc_date(last) + dt.timedelta(days=1), str(meaning))]


def utc_date(timestamp: int) -> dt.date:
    """The UTC date of a timestamp in ns."""
    return dt.datetime.fromtimestamp(timestamp // _NS_PER_S, tz=dt.UTC).date()


def instrument_symbols(metadata: databento_dbn.Metadata, at: int | None = None) -> dict[int, str]:
    """The symbol of each instrument id that the metadata maps.

    Args:
        metadata: a file's metadata.
        at: a time in ns: only the mappings of its UTC date count. Without it, all do, and where an
            instrument id stood for several symbols the one with the latest ``start_date`` wins.

    Where that leaves several (``CL.c.0`` and ``CL.n.0`` are one contract on many days) the first wins, in
    the order of `symbol_mappings`. `symbol_instruments` has them all.

    The symbol is in the file's other symbology: the one asked in (``raw_symbol``, ``continuous``, ...),
    or the one that came out where instrument ids were asked in. Where both are instrument ids there is
    none: empty.
    """
    date = None if at is None else utc_date(at)
    latest: dict[int, tuple[dt.date, str]] = {}
    for instrument_id, symbol, start_date, end_date in _mapped(metadata):
        if date is not None and not start_date <= date < end_date:
            continue
        known = latest.get(instrument_id)
        if known is None or known[0] < start_date:
            latest[instrument_id] = (start_date, symbol)
    return {instrument_id: symbol for instrument_id, (_, symbol) in sorted(latest.items())}


def symbol_instruments(metadata: databento_dbn.Metadata) -> dict[str, set[int]]:
    """The instrument ids of every symbol that the metadata maps, on whatever date.

    An id may have several symbols and a symbol several ids. The symbols are those of `instrument_symbols`.
    """
    found: dict[str, set[int]] = {}
    for instrument_id, symbol, _, _ in _mapped(metadata):
        found.setdefault(symbol, set()).add(instrument_id)
    return found


def symbol_mappings(metadata: databento_dbn.Metadata) -> dict[str, list[SymbolInterval]]:
    """The metadata's mappings in a fixed order: that of its ``symbols``, the rest sorted after them.

    ``metadata.mappings`` has another order in every process.
    """
    mappings = metadata.mappings
    return {
        symbol: [
            SymbolInterval(each["start_date"], each["end_date"], each["symbol"]) for each in mappings[symbol]
        ]
        for symbol in _in_order(mappings, metadata.symbols)
    }


def _mapped(metadata: databento_dbn.Metadata) -> Iterator[tuple[int, str, dt.date, dt.date]]:
    """Every mapping as (instrument_id, symbol, start_date, end_date)."""
    ids_in, ids_out = (str(stype) == "instrument_id" for stype in (metadata.stype_in, metadata.stype_out))
    if ids_in == ids_out:
        return
    for asked, intervals in symbol_mappings(metadata).items():
        for start_date, end_date, given in intervals:
            number, symbol = (asked, given) if ids_in else (given, asked)
            if number.isascii() and number.isdigit() and symbol:
                yield int(number), symbol, start_date, end_date
