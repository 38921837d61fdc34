"""Columns of a chunk agree with what databento_dbn says of each record."""

import databento_dbn
import numpy as np
import pytest

from depthcast.dbn.columns import split
from depthcast.dbn.layout import LENGTH_WORD, MBO, UNDEF_TIMESTAMP
from tests.support.dbn_files import mixed_records
from tests.support.records import add, other

AT = 1_758_742_200_000_000_007


def make(cls: type, **fields: object) -> bytes:
    """A record as databento_dbn encodes it."""
    return bytes(cls(publisher_id=1, instrument_id=7, ts_event=1, **fields))


def records_with_ts_recv() -> dict[str, bytes]:
    side, action = databento_dbn.Side.NONE, databento_dbn.Action.TRADE
    trade = {"price": 1, "size": 1, "action": action, "side": side, "depth": 0, "ts_recv": AT}
    bbo = {"price": 1, "size": 1, "side": side, "ts_recv": AT, "flags": 0}
    records = {
        "mbo": make(databento_dbn.MBOMsg, order_id=1, price=1, size=1, action=action, side=side, ts_recv=AT),
        "status": make(databento_dbn.StatusMsg, ts_recv=AT),
        "trades": make(databento_dbn.TradeMsg, **trade),
        "mbp-1": make(databento_dbn.MBP1Msg, **trade),
        "mbp-10": make(databento_dbn.MBP10Msg, **trade),
    }
    for name, rtype in (("bbo-1s", databento_dbn.RType.BBO_1S), ("bbo-1m", databento_dbn.RType.BBO_1M)):
        del bbo["flags"]
        records[name] = make(databento_dbn.BBOMsg, rtype=rtype, **bbo)
        bbo["flags"] = 0
    return records


@pytest.mark.parametrize("name", list(records_with_ts_recv()))
def test_ts_recv_is_where_databento_has_it(name: str) -> None:
    data = records_with_ts_recv()[name]
    columns = split(memoryview(add(1, "B", 5, 1, ts_recv=3) + data))
    assert columns.ts_recv.tolist() == [3, AT]


def test_the_columns_of_a_mixed_chunk() -> None:
    records = mixed_records()
    columns = split(memoryview(b"".join(records)))
    ends = np.cumsum([len(record) for record in records])
    assert columns.ends.tolist() == ends.tolist()
    assert columns.starts.tolist() == [0, *ends.tolist()[:-1]]
    mbo = [record for record in records if record[1] == 0xA0]
    assert columns.is_mbo.tolist() == [record[1] == 0xA0 for record in records]
    assert [bytes(record)[1:] for record in columns.mbo] == [record[1 : MBO.itemsize] for record in mbo]
    assert (columns.mbo["length"] * LENGTH_WORD == MBO.itemsize).all()


def test_a_time_that_is_undefined_or_cut_off_is_none() -> None:
    short = other(0x12, 16)
    columns = split(memoryview(add(1, "B", 5, 1, ts_recv=UNDEF_TIMESTAMP) + short + other(0x20, 56)))
    assert columns.ts_recv.tolist() == [0, 0, 0]
    assert short[0] * LENGTH_WORD == 16


def test_an_empty_chunk_has_empty_columns() -> None:
    columns = split(memoryview(b""))
    assert [len(column) for column in columns] == [0] * 5
    assert columns.mbo.dtype == MBO
