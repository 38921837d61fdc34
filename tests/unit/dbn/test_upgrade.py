"""Records of older DBN versions as records of version 3."""

from pathlib import Path
from typing import Any

import databento_dbn
import numpy as np
import pytest

from depthcast.dbn import open_dbn
from depthcast.dbn.layout import RType
from depthcast.dbn.upgrade import OLD_SIZES, upgraded
from depthcast.errors import RecordError
from tests.support.forms import split, stamped
from tests.support.records import add, other, status

# databento_dbn's declarations of the older versions' records are not what it takes: leave them unchecked.
dbn: Any = databento_dbn
VERSIONS = {1: dbn.v1, 2: dbn.v2, 3: dbn.v3}
SAMPLES = ["CLX5_mbo.dbn", "esm4-20240508.mbo.dbn.zst", "esm4-20240508.v1.mbo.dbn.zst"]


def statistics(version: int, quantity: int = 12) -> bytes:
    opening = dbn.StatType.OPENING_PRICE
    return bytes(VERSIONS[version].StatMsg(1, 7, 100, 101, 102, 64, quantity, opening, sequence=9))


def mapping() -> bytes:
    return bytes(dbn.v1.SymbolMappingMsg(1, 7, 100, "CL.FUT", "CLX5", 5, 6))


def definition(version: int) -> bytes:
    """CLX5, with zero where nothing is said."""
    record = np.zeros(1, np.dtype(VERSIONS[version].InstrumentDefMsg._dtypes))
    record["length"] = record.itemsize // 4
    for field, value in {
        "rtype": RType.INSTRUMENT_DEF,
        "instrument_id": 7,
        "ts_recv": 50,
        "min_price_increment": 10_000_000,
        "expiration": 99,
        "raw_instrument_id": 432_669,
        "raw_symbol": b"CLX5",
        "asset": b"CL",
        "instrument_class": b"F",
        "strike_price": 5,
    }.items():
        record[field] = value
    return record.tobytes()


def only(records: bytes, rtype: RType) -> Any:
    """The one record of version 3 in bytes."""
    decoder = dbn.DBNDecoder(has_metadata=False, input_version=3)
    decoder.write(records)
    (record,) = decoder.decode()
    assert records[1] == rtype
    assert records[0] * 4 == len(records)
    return record


@pytest.mark.parametrize("version", [1, 2])
def test_statistics(version: int) -> None:
    assert len(statistics(version)) == 64
    assert upgraded(statistics(version), version) == statistics(3)
    assert upgraded(statistics(version, 2**31 - 1), version) == statistics(3, 2**63 - 1)


@pytest.mark.parametrize("version", [1, 2])
def test_a_definition(version: int) -> None:
    assert len(definition(version)) == OLD_SIZES[version][RType.INSTRUMENT_DEF]
    new = upgraded(definition(version), version)
    assert len(new) == len(definition(3)) == 520
    record = only(new, RType.INSTRUMENT_DEF)
    assert (record.raw_symbol, record.asset, record.raw_instrument_id) == ("CLX5", "CL", 432_669)
    assert (record.instrument_id, record.ts_recv, record.min_price_increment) == (7, 50, 10_000_000)
    assert (record.strike_price, record.expiration) == (5, 99)
    assert record.instrument_class == dbn.InstrumentClass.FUTURE


def test_a_symbol_mapping_and_what_a_gateway_says() -> None:
    record = only(upgraded(mapping(), 1), RType.SYMBOL_MAPPING)
    assert (record.stype_in_symbol, record.stype_out_symbol) == ("CL.FUT", "CLX5")
    assert (record.start_ts, record.end_ts) == (5, 6)
    assert only(upgraded(bytes(dbn.v1.SystemMsg(5, "hello")), 1), RType.SYSTEM).msg == "hello"
    assert only(upgraded(bytes(dbn.v1.ErrorMsg(5, "bye")), 1), RType.ERROR).err == "bye"


def test_what_has_not_changed_is_left_alone() -> None:
    unchanged = add(1, "B", 1, 1) + status(7) + other(RType.MBP_1, 80) + other(0x99, 64)
    for version in (1, 2, 3):
        assert upgraded(unchanged, version) is unchanged
    gateways = bytes(dbn.v3.SystemMsg(5, "hello")) + bytes(dbn.v3.ErrorMsg(5, "bye"))
    assert upgraded(gateways, 2) is gateways
    assert upgraded(definition(3), 3) == definition(3)
    assert upgraded(b"", 1) == b""


def test_records_of_all_kinds_keep_their_order() -> None:
    plain = [add(1, "B", 1, 1), status(7), add(2, "A", 2, 1)]
    old = [statistics(1), mapping(), stamped(statistics(1), 77), statistics(1)]
    new = [statistics(3), upgraded(mapping(), 1), stamped(statistics(3), 77), statistics(3)]
    assert upgraded(b"".join(plain + old + plain + old), 1) == b"".join(plain + new + plain + new)
    assert split(upgraded(b"".join(old * 50), 1)) == new * 50
    assert upgraded(b"".join([*old, add(1, "B", 1, 1)]), 1) == b"".join([*new, add(1, "B", 1, 1)])


def test_a_record_of_the_wrong_length_is_refused() -> None:
    for wrong in (statistics(3), definition(2), definition(3), other(RType.SYSTEM, 16)):
        with pytest.raises(RecordError, match=r"in DBN version 1 it has") as error:
            upgraded(status(7) + wrong + mapping(), 1)
        assert error.value.offset == 40
    with pytest.raises(RecordError, match="cut short"):
        upgraded(status(7)[:-1], 1)


def test_there_are_three_versions() -> None:
    for version in (0, 4):
        with pytest.raises(ValueError, match="no DBN version"):
            upgraded(b"", version)


@pytest.mark.parametrize("name", SAMPLES)
def test_real_days_of_older_versions_need_no_change(data_dir: Path, name: str) -> None:
    with open_dbn(data_dir / name) as reader:
        for chunk in reader.chunks():
            data = bytes(chunk)
            assert upgraded(data, 1) is data
            assert upgraded(data, 2) is data
