"""What symbols stand for: from metadata, from definitions, from both."""

import datetime as dt
import time
from collections.abc import Sequence

import numpy as np
import pytest

from depthcast.dbn.layout import DEFINITION
from depthcast.dbn.metadata import SymbolInterval, make_metadata
from depthcast.live.symbology import Symbology
from tests.support.definitions import definition
from tests.support.records import add, status

START = 1_758_742_200_000_000_000
DAYS = [dt.date(2025, 9, day) for day in (22, 23, 24, 25)]

DEFINITIONS = [
    definition(10, "CLX5"),
    definition(11, "CLZ5"),
    definition(12, "CLX5-CLZ5", instrument_class="S"),
    definition(20, "LOX5 C6500", instrument_class="C"),
    definition(21, "LOX5 P6500", instrument_class="P"),
    definition(22, "UD:LO: VT 1", instrument_class="T"),
    definition(30, "EUR/USD", asset="EUR", instrument_class="X"),
    definition(40, "AAPL", asset="AAPL", instrument_class="K"),
]


def learnt(records: Sequence[bytes] = DEFINITIONS) -> Symbology:
    symbology = Symbology()
    symbology.learn(b"".join(records))
    return symbology


def intervals(*meanings: tuple[int, int, str]) -> list[SymbolInterval]:
    return [SymbolInterval(DAYS[begin], DAYS[end], symbol) for begin, end, symbol in meanings]


def test_raw_symbols_resolve_both_ways() -> None:
    symbology = Symbology.from_mapping({"CLX5": 10, "CLZ5": 11})
    resolution = symbology.resolve("raw_symbol", ["CLZ5", "NONE", "CLX5", "clx5"])
    assert resolution.ids == {11: "CLZ5", 10: "CLX5"}
    assert resolution.asked == resolution.ids
    assert resolution.unresolved == ["NONE", "clx5"]
    assert not resolution.everything
    assert symbology.symbol(10) == "CLX5"
    assert symbology.symbol(99) is None
    assert 10 in symbology
    assert 99 not in symbology
    assert len(symbology) == 2


def test_instrument_ids_resolve_if_they_are_known() -> None:
    symbology = Symbology.from_mapping({"CLX5": 10})
    resolution = symbology.resolve("instrument_id", ["10", "11", "x", "-1", "٣", str(2**32 + 10), "9" * 5000])
    assert resolution.ids == {10: "CLX5"}
    assert resolution.asked == {10: "10"}
    assert len(resolution.unresolved) == 6


@pytest.mark.parametrize(
    ("parent", "ids"),
    [("CL.FUT", [10, 11, 12]), ("CL.OPT", [20, 21, 22]), ("EUR.SPOT", [30]), ("AAPL.FUT", []), ("CL", [])],
)
def test_a_parent_means_all_of_its_kind_spreads_too(parent: str, ids: list[int]) -> None:
    resolution = learnt().resolve("parent", [parent])
    assert list(resolution.ids) == ids
    assert set(resolution.asked.values()) <= {parent}
    assert resolution.unresolved == ([] if ids else [parent])


def test_parents_are_no_raw_symbols_and_the_other_way_round() -> None:
    assert learnt().resolve("raw_symbol", ["CL.FUT"]).unresolved == ["CL.FUT"]
    assert learnt().resolve("parent", ["CLX5"]).unresolved == ["CLX5"]


def test_an_instrument_meant_twice_counts_for_the_first() -> None:
    symbology = learnt()
    resolution = symbology.resolve("parent", ["CL.FUT", "CL.FUT"])
    assert list(resolution.ids) == [10, 11, 12]
    assert symbology.resolve("instrument_id", ["10", "010"]).asked == {10: "10"}


def test_all_symbols_means_everything_known() -> None:
    symbology = learnt()
    resolution = symbology.resolve("raw_symbol", ["ALL_SYMBOLS"])
    assert resolution.everything
    assert list(resolution.ids) == [10, 11, 12, 20, 21, 22, 30, 40]
    assert resolution.ids[20] == resolution.asked[20] == "LOX5 C6500"
    symbology.add(9, "NEW")
    assert symbology.resolve("parent", ["ALL_SYMBOLS"]).ids[9] == "NEW"
    assert 9 not in resolution.ids


def test_nothing_known_is_no_error() -> None:
    resolution = Symbology().resolve("raw_symbol", ["ALL_SYMBOLS"])
    assert (resolution.ids, resolution.unresolved, resolution.everything) == ({}, [], True)


class TestLearning:
    def test_other_records_are_passed_over(self) -> None:
        mixed = [add(1, "B", 5, 1), *DEFINITIONS[:2], status(7), DEFINITIONS[2]]
        with_ts_out = bytes([DEFINITIONS[3][0] + 2]) + DEFINITIONS[3][1:] + bytes(8)
        old_version = bytes([360 // 4]) + DEFINITIONS[4][1:360]
        symbology = learnt([*mixed, with_ts_out, old_version])
        assert list(symbology.resolve("raw_symbol", ["ALL_SYMBOLS"]).ids) == [10, 11, 12, 20]

    def test_the_version_grows_with_what_is_new_and_says_what(self) -> None:
        symbology = learnt()
        version = symbology.version
        symbology.learn(b"".join(DEFINITIONS))
        symbology.learn(definition(10, "CLX5", ts_event=5))
        assert symbology.version == version
        symbology.learn(definition(13, "CLF6") + definition(14, "CLG6"))
        assert symbology.version > version
        assert symbology.changes(version) == [13, 14]
        assert symbology.changes(symbology.version) == []
        assert symbology.changes(0)[:3] == [10, 11, 12]

    @pytest.mark.parametrize("order", [1, -1])
    def test_a_symbol_taken_over_means_the_latest_whatever_the_order(self, order: int) -> None:
        old, new = definition(10, "CLX5", ts_event=100), definition(99, "CLX5", ts_event=200)
        symbology = learnt([old, new][::order])
        assert symbology.resolve("raw_symbol", ["CLX5"]).ids == {99: "CLX5"}
        assert symbology.symbol(10) == "CLX5"

    @pytest.mark.parametrize("order", [1, -1])
    def test_at_the_same_time_the_one_that_expires_later(self, order: int) -> None:
        records = [definition(99, "CLX5", expiration=100), definition(10, "CLX5", expiration=200)]
        assert list(learnt(records[::order]).resolve("raw_symbol", ["CLX5"]).ids) == [10]

    @pytest.mark.parametrize("order", [1, -1])
    def test_an_id_taken_over_has_the_latest_name_and_parent(self, order: int) -> None:
        old = definition(10, "CLX5", ts_event=100)
        new = definition(10, "ESZ5", asset="ES", ts_event=200)
        symbology = learnt([old, new][::order])
        assert symbology.symbol(10) == "ESZ5"
        assert symbology.resolve("parent", ["ES.FUT", "CL.FUT"]).unresolved == ["CL.FUT"]

    def test_what_an_upstream_gateway_maps_holds_from_then_on(self) -> None:
        symbology = learnt([definition(10, "CLX5", ts_event=START)])
        symbology.add(99, "CLX5")
        assert list(symbology.resolve("raw_symbol", ["CLX5"]).ids) == [99]
        symbology.add(10, "CLX5")
        assert list(symbology.resolve("raw_symbol", ["CLX5"]).ids) == [10]
        symbology.add(10, "CLX6")
        assert symbology.symbol(10) == "CLX6"

    def test_an_instrument_without_a_symbol_goes_by_its_id(self) -> None:
        symbology = learnt([definition(10, "", asset="CL")])
        assert symbology.symbol(10) is None
        assert symbology.resolve("instrument_id", ["10"]).ids == {10: "10"}
        symbology.add(10, "CLX5")
        assert symbology.symbol(10) == "CLX5"
        assert symbology.resolve("raw_symbol", ["10"]).unresolved == ["10"]


class TestMetadata:
    def test_raw_symbols_of_several_dates(self) -> None:
        mapped = {"CLX5": intervals((0, 1, "10"), (1, 3, "99")), "CLZ5": intervals((0, 3, "11"))}
        symbology = Symbology.from_metadata(make_metadata("GLBX.MDP3", "mbo", START, mappings=mapped))
        assert symbology.resolve("raw_symbol", ["CLX5", "CLZ5"]).ids == {99: "CLX5", 11: "CLZ5"}
        assert symbology.symbol(10) == "CLX5"

    def test_ids_asked_raw_symbols_given(self) -> None:
        mapped = {"10": intervals((0, 1, "OLD"), (1, 2, "CLX5"))}
        metadata = make_metadata(
            "GLBX.MDP3", "mbo", START, stype_in="instrument_id", stype_out="raw_symbol", mappings=mapped
        )
        symbology = Symbology.from_metadata(metadata)
        assert symbology.symbol(10) == "CLX5"
        assert symbology.resolve("raw_symbol", ["CLX5"]).ids == {10: "CLX5"}

    def test_a_parent_means_all_its_instruments_a_continuous_symbol_the_latest(self) -> None:
        mapped = intervals((0, 1, "10"), (1, 2, "11"))
        for stype, symbol, ids in (("parent", "CL.FUT", [10, 11]), ("continuous", "CL.c.0", [11])):
            metadata = make_metadata("GLBX.MDP3", "mbo", START, stype_in=stype, mappings={symbol: mapped})
            symbology = Symbology.from_metadata(metadata)
            assert list(symbology.resolve(stype, [symbol]).ids) == ids
            assert symbology.resolve("raw_symbol", [symbol]).unresolved == [symbol]
            assert symbology.resolve(stype, [symbol]).ids[11] == "11"
            symbology.learn(definition(11, "CLZ5"))
            assert symbology.resolve(stype, [symbol]).ids[11] == "CLZ5"

    def test_definitions_add_to_a_parent_that_metadata_maps(self) -> None:
        metadata = make_metadata(
            "GLBX.MDP3", "mbo", START, stype_in="parent", mappings={"CL.FUT": intervals((0, 1, "10"))}
        )
        symbology = Symbology.from_metadata(metadata)
        symbology.learn(definition(12, "CLX5-CLZ5", instrument_class="S"))
        assert list(symbology.resolve("parent", ["CL.FUT"]).ids) == [10, 12]

    def test_several_files_add_up(self) -> None:
        symbology = Symbology()
        for symbol, number in (("CLX5", "10"), ("CLZ5", "11")):
            mapped = {symbol: intervals((0, 1, number))}
            symbology.learn_metadata(make_metadata("GLBX.MDP3", "mbo", START, mappings=mapped))
        assert symbology.resolve("raw_symbol", ["CLX5", "CLZ5"]).unresolved == []

    def test_metadata_that_maps_nothing_teaches_nothing(self) -> None:
        live = make_metadata("GLBX.MDP3", None, START, stype_in=None)
        ids_only = make_metadata("GLBX.MDP3", "mbo", START, stype_in="instrument_id", mappings={"10": 10})
        odd = make_metadata("GLBX.MDP3", "mbo", START, mappings={"CLX5": intervals((0, 1, ""), (1, 2, "x"))})
        for metadata in (live, ids_only, odd):
            assert Symbology.from_metadata(metadata).version == 0

    def test_the_sample_files_symbol(self, data_dir: object) -> None:
        from depthcast.dbn import open_dbn

        with open_dbn(f"{data_dir}/CLX5_mbo.dbn") as reader:
            symbology = Symbology.from_metadata(reader.metadata)
        assert symbology.symbol(432669) == "CLX5"


def test_a_hundred_thousand_instruments_are_learnt_and_resolved_quickly() -> None:
    count = 100_000
    rows = np.zeros(count, DEFINITION)
    rows["length"], rows["rtype"], rows["asset"], rows["instrument_class"] = 130, 0x13, b"CL", b"F"
    rows["instrument_id"] = np.arange(count)
    rows["raw_symbol"] = [f"S{n}".encode() for n in range(count)]
    symbology = Symbology()
    began = time.perf_counter()
    symbology.learn(rows.tobytes())
    assert len(symbology.resolve("parent", ["CL.FUT"]).ids) == count
    for _ in range(100):
        assert len(symbology.resolve("raw_symbol", ["ALL_SYMBOLS"]).ids) == count
        assert len(symbology.resolve("raw_symbol", [f"S{n}" for n in range(500)]).ids) == 500
    assert time.perf_counter() - began < 10  # 0.6 s on one ordinary core
