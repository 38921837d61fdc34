"""Making metadata, and the symbols it tells."""

import datetime as dt
from typing import Any

import databento_dbn
import pytest

from depthcast.dbn import (
    SymbolInterval,
    instrument_symbols,
    make_metadata,
    symbol_instruments,
    symbol_mappings,
)
from tests.support.dbn_files import START

DAY_NS = 86_400_000_000_000
FIRST = dt.date(2025, 9, 24)


def day(n: int) -> dt.date:
    return FIRST + dt.timedelta(days=n)


def test_metadata_is_what_was_asked_for() -> None:
    made = make_metadata(
        "GLBX.MDP3", "mbo", START, end=START + 9, mappings={"CLX5": 7, "CLZ5": 8}, limit=5, ts_out=True
    )
    again = databento_dbn.Metadata.decode(made.encode())
    for metadata in (made, again):
        assert metadata.version == 3
        assert (metadata.dataset, str(metadata.schema)) == ("GLBX.MDP3", "mbo")
        assert (str(metadata.stype_in), str(metadata.stype_out)) == ("raw_symbol", "instrument_id")
        assert (metadata.start, metadata.end, metadata.limit, metadata.ts_out) == (START, START + 9, 5, True)
        assert metadata.symbols == ["CLX5", "CLZ5"]
        assert metadata.mappings["CLZ5"] == [{"start_date": day(0), "end_date": day(1), "symbol": "8"}]


def test_a_mixture_with_nothing_known() -> None:
    made = make_metadata("XNAS.ITCH", None, 0, stype_in=None)
    assert made.schema is None
    assert made.stype_in is None
    assert str(made.end) == "None"
    assert (made.symbols, made.mappings, made.ts_out) == ([], {}, False)
    assert len(made.encode()) == 128


def test_an_instrument_lasts_for_all_of_the_files_dates() -> None:
    ends = {START + 1: 1, START + DAY_NS: 2, START + 3 * DAY_NS: 4}
    for end, days in ends.items():
        made = make_metadata("X", "mbo", START, end=end, mappings={"A": 1})
        assert made.mappings["A"][0]["end_date"] == day(days)
    midnight = START // DAY_NS * DAY_NS
    made = make_metadata("X", "mbo", midnight, end=midnight + DAY_NS, mappings={"A": 1})
    assert made.mappings["A"][0]["end_date"] == day(1)  # the end is exclusive


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "level-3"},
        {"stype_in": "telephone"},
        {"stype_out": "telephone"},
        {"dataset": "X" * 17},
        {"symbols": ["X" * 71]},
        {"mappings": {"X" * 71: 7}},
    ],
)
def test_what_dbn_does_not_have(changes: dict[str, Any]) -> None:
    values: dict[str, Any] = {"dataset": "X", "schema": "mbo", "start": 0} | changes
    with pytest.raises(ValueError, match=r"X{17}|telephone|level-3"):
        make_metadata(**values)


def test_symbols_of_instruments() -> None:
    made = make_metadata("GLBX.MDP3", "mbo", START, mappings={"CLX5": 7, "CLZ5": 8})
    assert instrument_symbols(made) == {7: "CLX5", 8: "CLZ5"}


def test_an_instrument_that_had_several_symbols() -> None:
    made = make_metadata(
        "X",
        "mbo",
        START,
        end=START + 4 * DAY_NS,
        mappings={
            "NEW": [SymbolInterval(day(2), day(4), "7")],
            "OLD": [SymbolInterval(day(0), day(2), "7"), SymbolInterval(day(2), day(4), "8")],
        },
    )
    assert instrument_symbols(made) == {7: "NEW", 8: "OLD"}
    assert instrument_symbols(made, at=START + DAY_NS) == {7: "OLD"}
    assert instrument_symbols(made, at=START + 2 * DAY_NS) == {7: "NEW", 8: "OLD"}
    assert instrument_symbols(made, at=START + 4 * DAY_NS) == {}


def test_of_several_symbols_at_once_the_first_asked_for_is_shown_and_all_are_kept() -> None:
    wanted = [f"CL.{rule}.{rank}" for rule in "vnc" for rank in range(4)]
    made = make_metadata(
        "X",
        "mbo",
        START,
        stype_in="continuous",
        symbols=wanted[:8],
        mappings={symbol: int(symbol[-1]) for symbol in reversed(wanted)},
    )
    for metadata in (made, databento_dbn.Metadata.decode(made.encode())):
        assert instrument_symbols(metadata) == {rank: f"CL.v.{rank}" for rank in range(4)}
        assert symbol_instruments(metadata) == {symbol: {int(symbol[-1])} for symbol in wanted}
        assert list(symbol_instruments(metadata)) == wanted, "the symbols asked for, then the rest sorted"
        assert list(symbol_mappings(metadata)) == wanted


def test_a_symbol_keeps_all_the_instruments_it_stood_for_even_where_another_names_them() -> None:
    made = make_metadata(
        "X",
        "mbo",
        START,
        mappings={
            "FRONT": [SymbolInterval(day(0), day(1), "7"), SymbolInterval(day(1), day(2), "8")],
            "NEXT": [SymbolInterval(day(1), day(2), "7")],
        },
    )
    assert instrument_symbols(made) == {7: "NEXT", 8: "FRONT"}
    assert symbol_instruments(made) == {"FRONT": {7, 8}, "NEXT": {7}}


def test_mappings_are_written_in_the_order_of_the_symbols_and_then_sorted() -> None:
    symbols = ["S3", "S1", "S3", "NONE"]
    mappings = {f"S{number}": number for number in range(9)}
    made = [
        make_metadata("X", "mbo", START, symbols=symbols, mappings=dict(order)).encode()
        for order in (mappings.items(), reversed(mappings.items()))
    ]
    assert made[0] == made[1]
    written = made[0][made[0].index(b"NONE") :]
    order = sorted(mappings, key=lambda symbol: written.index(symbol.encode() + b"\0"))
    assert order == ["S3", "S1", "S0", "S2", "S4", "S5", "S6", "S7", "S8"]


def test_a_file_asked_for_by_instrument_id() -> None:
    mappings = {
        "7": [SymbolInterval(day(0), day(1), "CLX5")],
        "ESM4": [SymbolInterval(day(0), day(1), "no id")],
    }
    made = make_metadata(
        "X", "mbo", START, stype_in="instrument_id", stype_out="raw_symbol", mappings=mappings
    )
    assert instrument_symbols(made) == {7: "CLX5"}
    made = make_metadata("X", "mbo", START, stype_in="instrument_id", mappings={"7": 7})
    assert instrument_symbols(made) == {}


def test_a_symbol_that_was_not_resolved() -> None:
    made = make_metadata("X", "mbo", START, mappings={"GONE": [SymbolInterval(day(0), day(1), "")]})
    assert instrument_symbols(made) == {}
