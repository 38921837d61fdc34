"""Buffers of records: the ends of the range, large buffers, and what is refused."""

import pickle
import random
import threading

import numpy as np
import pytest

from depthcast.dbn import forms
from depthcast.dbn.forms import IdSet
from depthcast.dbn.layout import MBO, UNDEF_TIMESTAMP, RType
from depthcast.errors import RecordError
from tests.support import forms as reference
from tests.support.records import LAST, add, mbo, other, status

LARGE = 40_000


@pytest.fixture(scope="module")
def uniform() -> bytes:
    """A day's worth of MBO records of 100 instruments: 2 MB, so that the GIL is given away."""
    draw = np.random.default_rng(3)
    records = np.zeros(LARGE, MBO)
    records["length"] = 14
    records["rtype"] = RType.MBO
    records["instrument_id"] = draw.integers(0, 100, LARGE)
    records["ts_event"] = np.arange(LARGE)
    records["ts_recv"] = np.arange(LARGE) + 10
    records["flags"][: LARGE // 2] = LAST
    return records.tobytes()


def test_nothing_in_nothing_out() -> None:
    assert forms.count(b"") == forms.event_prefix(b"") == forms.prefix(b"", 3) == 0
    assert forms.due_prefix(b"", 9) == (0, 0)
    assert forms.first_ts_recv(b"") == forms.last_ts_recv(b"") == UNDEF_TIMESTAMP
    assert forms.span(b"") == (0, UNDEF_TIMESTAMP, 0, UNDEF_TIMESTAMP, 0, 0)
    assert forms.form(b"", ts_out=1) == forms.others(b"") == forms.shifted(b"", 1, 1) == b""


def test_a_large_uniform_buffer(uniform: bytes) -> None:
    records = np.frombuffer(uniform, MBO)
    some = set(range(0, 100, 3))
    assert forms.count(uniform) == LARGE
    assert forms.event_prefix(uniform) == LARGE // 2 * 56
    assert forms.due_prefix(uniform, 1009) == (56_000, 1000)
    assert forms.prefix(uniform, 777) == 777 * 56
    assert forms.last_ts_recv(uniform) == LARGE + 9
    assert forms.span(uniform) == (LARGE, 0, LARGE - 1, 10, LARGE + 9, 0)
    kept = records[np.isin(records["instrument_id"], list(some))]
    assert forms.form(uniform, instrument_ids=IdSet(some)) == kept.tobytes()
    assert forms.since(uniform, 30_000) == uniform[30_000 * 56 :]
    stamped = forms.form(uniform, ts_out=77)
    assert len(stamped) == LARGE * 64
    assert stamped[64 * 5 :][:64] == bytes([16]) + uniform[56 * 5 + 1 :][:55] + (77).to_bytes(8, "little")
    assert forms.plain(stamped, ts_out=True) == uniform


def test_what_is_not_changed_is_not_copied(uniform: bytes) -> None:
    assert forms.form(uniform) is uniform
    assert forms.form(uniform, instrument_ids=IdSet(range(100)), rtypes={RType.MBO}) is uniform
    assert forms.plain(uniform, ts_out=False) is uniform
    assert forms.since(uniform, 0) is uniform
    assert forms.shifted(uniform, 0, 0) is uniform
    statuses = status(7) * 3
    assert forms.others(statuses) is statuses
    assert forms.form(bytearray(statuses)) == statuses


def test_a_broken_record_far_inside_a_uniform_buffer_is_found(uniform: bytes) -> None:
    broken = bytearray(uniform)
    broken[30_001 * 56] = 15
    for function in (forms.count, forms.form, forms.event_prefix, forms.span):
        with pytest.raises(RecordError, match="an MBO record of 60 bytes") as error:
            function(broken)
        assert error.value.offset == 30_001 * 56


def test_what_lies_behind_the_answer_is_not_looked_at() -> None:
    data = mbo("A", ts_recv=1) + mbo("A", ts_recv=2) + mbo("A", ts_recv=9) + b"\0broken"
    assert forms.due_prefix(data, 8) == (112, 2)
    assert forms.prefix(data, 2) == 112
    assert forms.first_ts_recv(data) == 1
    with pytest.raises(RecordError, match="less than a record's header"):
        forms.due_prefix(data, 9)


def test_ts_out_is_not_given_twice_and_not_taken_from_what_has_none() -> None:
    with pytest.raises(RecordError, match="cannot be given ts_out") as error:
        forms.form(status(1) + mbo("A", ts_out=1), ts_out=2)
    assert error.value.offset == 40
    with pytest.raises(RecordError, match="cannot be given ts_out"):
        forms.form(other(0x7F, 1016), ts_out=2)
    assert len(forms.form(other(0x7F, 1012), ts_out=2)) == 1020
    with pytest.raises(RecordError, match="cannot have ts_out"):
        forms.plain(add(1, "B", 1, 1), ts_out=True)
    with pytest.raises(RecordError, match="cannot have ts_out"):
        forms.plain(other(0x7F, 16), ts_out=True)


def test_control_records_are_dropped() -> None:
    control = b"".join(other(rtype, 320) for rtype in (RType.ERROR, RType.SYMBOL_MAPPING, RType.SYSTEM))
    data = add(1, "B", 1, 1) + control + status(7)
    assert forms.plain(data, ts_out=False) == add(1, "B", 1, 1) + status(7)
    assert forms.plain(data, None, ts_out=False) is data
    assert forms.others(data) == control + status(7)


def test_a_mask_is_256_bytes() -> None:
    assert forms.rtype_mask([0, 255])[0] == forms.rtype_mask([0, 255])[255] == 1
    with pytest.raises(ValueError, match="256"):
        forms.rtype_mask([256])
    with pytest.raises(ValueError, match="256 bytes"):
        forms.form(b"", rtypes=b"\1")
    with pytest.raises(OverflowError):
        forms.form(b"", ts_out=2**64)


def test_an_id_set_is_a_set_of_ids() -> None:
    ids = IdSet([7, 2**32 - 1, 0, 7])
    assert len(ids) == 3
    assert list(ids) == [0, 7, 2**32 - 1]
    assert 7 in ids
    assert 8 not in ids
    assert "7" not in ids
    assert ids == IdSet({0, 7, 2**32 - 1})
    assert hash(ids) == hash(IdSet([0, 7, 2**32 - 1]))
    assert ids != IdSet([7])
    assert ids != {0, 7, 2**32 - 1}
    assert repr(ids) == "IdSet([0, 7, 4294967295])"
    assert not IdSet()


@pytest.mark.parametrize("wrong", [-1, 2**32, "7", 7.0, None])
def test_what_is_no_instrument_id_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="instrument_id"):
        IdSet([wrong])  # type: ignore[list-item]


def test_an_id_set_stays_in_its_process() -> None:
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(IdSet([7]))


@pytest.mark.parametrize("kind", ["dense", "strided", "random", "shifted"])
def test_id_sets_of_all_sizes_know_their_ids(kind: str) -> None:
    draw = random.Random(5)
    for size in (0, 1, 2, 15, 16, 17, 300, 5_000):
        ids = {
            "dense": set(range(size)),
            "strided": {i * 65_536 % 2**32 for i in range(size)},
            "random": {draw.getrandbits(32) for _ in range(size)},
            "shifted": {i << 12 for i in range(size)},
        }[kind]
        near = {(i + step) % 2**32 for i in ids for step in (-1, 0, 1)} | set(range(20))
        records = np.zeros(len(near), MBO)
        records["length"], records["rtype"] = 14, RType.MBO
        records["instrument_id"] = sorted(near)
        found = np.frombuffer(forms.form(records.tobytes(), instrument_ids=IdSet(ids)), MBO)
        assert found["instrument_id"].tolist() == sorted(ids)


def test_many_threads_read_one_buffer(uniform: bytes) -> None:
    ids = IdSet(range(50))
    expected = forms.form(uniform, instrument_ids=ids, ts_out=5)
    found: list[bytes] = []

    def read() -> None:
        found.extend(forms.form(uniform, instrument_ids=ids, ts_out=5) for _ in range(5))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 20


def test_a_long_mixture_is_taken_as_the_reference_takes_it() -> None:
    draw = random.Random(9)
    kinds = [status(1), other(RType.INSTRUMENT_DEF, 520), other(RType.MBP_1, 80), other(0x99, 1000)]
    data = b"".join(
        draw.choice(kinds) if draw.random() < 0.1 else mbo("A", instrument_id=draw.randrange(9), flags=0)
        for _ in range(3_000)
    )
    assert len(data) > 65_536
    assert forms.count(data) == 3_000
    assert forms.event_prefix(data) == reference.event_prefix(data)
    assert forms.span(data) == reference.span(data)
    ids = {1, 2, 7}
    expected = reference.form(data, instrument_ids=ids, ts_out=4)
    assert forms.form(data, instrument_ids=IdSet(ids), ts_out=4) == expected
    assert forms.shifted(data, 5, 5) == reference.shifted(data, 5, 5)
