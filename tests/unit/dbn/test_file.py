"""A whole file in memory: arrays of records, counts, objects."""

import io
from pathlib import Path

import databento_dbn
import numpy as np
import pytest

from depthcast.dbn import RType, read_dbn
from depthcast.dbn.layout import MBO, STATUS
from depthcast.errors import DBNError
from tests.support.dbn_files import compress, head, mixed_records
from tests.support.records import add, cancel, mbo, other, status

MIXED = mixed_records()


def file(*records: bytes) -> io.BytesIO:
    return io.BytesIO(head() + b"".join(records))


def test_a_file_of_one_type_is_not_copied() -> None:
    records = [add(n, "B", 100 - n, n) for n in range(1, 20)]
    found = read_dbn(file(*records))
    array = found.records()
    assert array.dtype == MBO
    assert array["order_id"].tolist() == list(range(1, 20))
    assert np.shares_memory(array, np.frombuffer(found.data, dtype=np.uint8))
    assert not array.flags.writeable
    assert (len(found), found.counts, found.skipped) == (19, {0xA0: 19}, {})


def test_records_with_a_send_time() -> None:
    records = [mbo("A", "B", 5, 1, order_id=n, ts_out=2**63 + n) for n in range(5)]
    found = read_dbn(file(*records))
    assert found.records()["order_id"].tolist() == [0, 1, 2, 3, 4]
    assert found.records().tobytes() == b"".join(record[:56] for record in records)


def test_a_mixed_file() -> None:
    found = read_dbn(file(*MIXED))
    orders = [record for record in MIXED if record[1] == RType.MBO]
    assert found.records().tobytes() == b"".join(record[:56] for record in orders)
    assert found.records("status")["action"].tolist() == [7, 8]
    assert found.records("status").dtype == STATUS
    assert len(found.records("trades")) == 0
    assert found.counts == {0x01: 1, 0x12: 2, 0x13: 1, 0x7F: 1, 0xA0: len(orders), 0xEE: 1}
    assert found.skipped == {0x01: 1, 0x12: 2, 0x13: 1, 0x7F: 1, 0xEE: 1}
    assert len(found) == len(MIXED)


def test_an_empty_file() -> None:
    found = read_dbn(file())
    assert (len(found), found.counts, len(found.records()), list(found)) == (0, {}, 0, [])


def test_a_schema_without_a_layout() -> None:
    with pytest.raises(ValueError, match="no record layout for schema 'definition'; there are mbo, trades"):
        read_dbn(file()).records("definition")


def test_a_record_shorter_than_its_layout() -> None:
    found = read_dbn(file(add(1, "B", 1, 1), other(RType.MBP_1, 40)))
    assert len(found.records()) == 1
    with pytest.raises(DBNError, match="rtype 0x01 with 40 bytes; it needs 80") as caught:
        found.records("mbp-1")
    assert caught.value.offset == len(head()) + 56


def test_iterating_gives_databentos_objects() -> None:
    records = [add(1, "B", 64_790_000_000, 5), status(7), cancel(1, "B", 64_790_000_000, 5)]
    found = list(read_dbn(file(*records)))
    assert [type(record) for record in found] == [
        databento_dbn.MBOMsg,
        databento_dbn.StatusMsg,
        databento_dbn.MBOMsg,
    ]
    assert [bytes(record) for record in found] == records
    many = [add(n, "B", n, 1) for n in range(1, 10_000)]
    assert [bytes(record) for record in read_dbn(file(*many))] == many


def test_iterating_over_a_record_databento_does_not_know() -> None:
    with pytest.raises(DBNError, match="databento_dbn cannot decode"):
        list(read_dbn(file(other(0x7F))))


def test_part_of_a_broken_file() -> None:
    good = add(1, "B", 1, 1)
    broken = head() + good * 3 + bytes(56)
    with pytest.raises(DBNError):
        read_dbn(io.BytesIO(broken))
    found = read_dbn(io.BytesIO(broken), partial=True)
    assert len(found) == 3
    assert found.error is not None
    assert found.error.offset == len(broken) - 56
    assert read_dbn(file(good), partial=True).error is None
    packed = compress([head() + good * 3, good * 3])
    assert len(read_dbn(io.BytesIO(packed[:-5]), partial=True)) == 3
    with pytest.raises(DBNError):
        read_dbn(io.BytesIO(b"not DBN"), partial=True)


def test_a_real_file(data_dir: Path) -> None:
    found = read_dbn(data_dir / "CLX5_mbo.dbn")
    theirs = databento_dbn.DBNDecoder()
    theirs.write((data_dir / "CLX5_mbo.dbn").read_bytes())
    records = [record for record in theirs.decode() if isinstance(record, databento_dbn.MBOMsg)]
    array = found.records()
    for name in ("ts_event", "order_id", "price", "size", "flags", "ts_recv", "ts_in_delta", "sequence"):
        assert array[name].tolist() == [int(getattr(record, name)) for record in records]
    for name in ("action", "side"):
        assert array[name].tolist() == [str(getattr(record, name)).encode() for record in records]
    assert found.metadata.symbols == ["CLX5"]
