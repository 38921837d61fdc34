"""The compiled functions over buffers of records give what plain Python does, record by record."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from depthcast.dbn import forms
from depthcast.dbn.layout import UNDEF_TIMESTAMP, RType
from depthcast.errors import RecordError
from tests.property.strategies import tries
from tests.support import forms as reference
from tests.support.records import LAST, SNAPSHOT, mbo

IDS = [0, 1, 7, 8, 500_000, 2**31, 2**32 - 1]
TIMES = [0, 1, 2, 3, 50, 10**18, 2**63, UNDEF_TIMESTAMP - 1, UNDEF_TIMESTAMP]
KNOWN = [int(rtype) for rtype in RType if rtype != RType.MBO]
CONTROL = {0x15, 0x16, 0x17}


@st.composite
def mbo_records(draw: st.DrawFn) -> list[bytes]:
    """A run of MBO records that differ in what the functions look at."""
    ts_out = draw(st.sampled_from([None, None, None, 5]))
    flags = st.sampled_from([LAST, 0, SNAPSHOT, SNAPSHOT | LAST])
    return [
        mbo(
            draw(st.sampled_from("AATF")),
            flags=draw(flags),
            ts_event=draw(st.sampled_from(TIMES)),
            ts_recv=draw(st.sampled_from(TIMES)),
            sequence=draw(st.sampled_from([0, 5, 2**32 - 1])),
            instrument_id=draw(st.sampled_from(IDS)),
            ts_out=ts_out,
        )
        for _ in range(draw(st.sampled_from([1, 2, 3, 7, 8, 9, 10, 17])))
    ]


@st.composite
def other_records(draw: st.DrawFn) -> list[bytes]:
    """One to three records of any other rtype and length, known or not."""
    rtype = draw(st.sampled_from([*KNOWN, *KNOWN, 0x11, 0x7F, 0xFF]))
    size = 4 * draw(st.sampled_from([4, 6, 8, 10, 11, 12, 13, 14, 20, 22, 44, 80, 92, 130, 253, 254, 255]))
    out = []
    for _ in range(draw(st.integers(1, 3))):
        body = struct.pack("<3Q", *(draw(st.sampled_from(TIMES)) for _ in range(3))) * 43
        head = struct.pack("<BBHI", size // 4, rtype, 1, draw(st.sampled_from(IDS)))
        out.append((head + body)[:size])
    return out


def mixtures() -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.one_of(mbo_records(), mbo_records(), other_records()), max_size=6).map(
        lambda runs: [record for run in runs for record in run]
    )


@tries(80)
@given(records=mixtures(), start=st.sampled_from(TIMES), n=st.integers(0, 40))
def test_what_is_in_a_buffer(records: list[bytes], start: int, n: int) -> None:
    buffer = b"".join(records)
    times = reference.defined([*map(reference.ts_recv, records)])
    assert forms.count(buffer) == len(records)
    assert forms.prefix(buffer, n) == reference.prefix(buffer, n)
    assert forms.event_prefix(buffer) == reference.event_prefix(buffer)
    assert forms.due_prefix(buffer, start) == reference.due_prefix(buffer, start)
    for most in (1, 100, 10_000):
        assert forms.burst_prefix(buffer, n, most) == reference.burst_prefix(buffer, n, most)
    assert forms.span(buffer) == reference.span(buffer)
    assert forms.first_ts_recv(buffer) == (times[0] if times else UNDEF_TIMESTAMP)
    assert forms.last_ts_recv(buffer) == (times[-1] if times else UNDEF_TIMESTAMP)


@tries(70)
@given(
    records=mixtures(),
    ids=st.none() | st.sets(st.sampled_from([*IDS, 9])),
    rtypes=st.none() | st.sets(st.sampled_from([RType.MBO, *KNOWN, 0x7F])),
    ts_out=st.sampled_from([None, 0, UNDEF_TIMESTAMP]),
)
def test_forms(
    records: list[bytes], ids: set[int] | None, rtypes: set[int] | None, ts_out: int | None
) -> None:
    if ts_out is not None:
        records = [record for record in records if reference.can_be_stamped(record)]
    buffer = b"".join(records)
    wanted = None if ids is None else forms.IdSet(ids)
    expected = reference.form(buffer, instrument_ids=ids, rtypes=rtypes, ts_out=ts_out)
    found = forms.form(memoryview(buffer), instrument_ids=wanted, rtypes=rtypes, ts_out=ts_out)
    mask = None if rtypes is None else forms.rtype_mask(rtypes)
    again = forms.form(buffer, instrument_ids=wanted, rtypes=mask, ts_out=ts_out)
    assert found == expected
    assert again == expected
    assert (again is buffer) == (expected == buffer)
    event(f"{'some' if 0 < len(expected) < len(buffer) else 'all or none'} of the records")


@tries(70)
@given(records=mixtures(), ts_out=st.sampled_from([False, True]), drop=st.sampled_from([CONTROL, {0xA0}]))
def test_plain_and_others(records: list[bytes], ts_out: bool, drop: set[int]) -> None:
    if ts_out:
        records = [record for record in records if reference.can_be_stripped(record)]
    buffer = b"".join(records)
    assert forms.plain(buffer, drop, ts_out=ts_out) == reference.plain(buffer, drop, ts_out=ts_out)
    assert forms.others(buffer) == reference.others(buffer)


@tries(70)
@given(records=mixtures(), ts_out=st.booleans(), wanted=st.sampled_from([b"T", b"TF", b"A", b"X", b""]))
def test_actions(records: list[bytes], ts_out: bool, wanted: bytes) -> None:
    if ts_out:
        records = [record for record in records if reference.can_be_stripped(record)]
    buffer = b"".join(records)
    found = forms.actions(buffer, wanted, ts_out=ts_out)
    assert found == reference.actions(buffer, wanted, ts_out=ts_out)


@tries(70)
@given(records=mixtures(), ts_out=st.sampled_from(TIMES))
def test_plain_undoes_a_form_with_ts_out(records: list[bytes], ts_out: int) -> None:
    buffer = b"".join(record for record in records if reference.can_be_stamped(record))
    assert forms.plain(forms.form(buffer, ts_out=ts_out), None, ts_out=True) == buffer


@tries(80)
@given(
    records=mixtures(),
    start=st.sampled_from(TIMES),
    delta_ns=st.sampled_from([0, 1, -1, 86_400 * 10**9, -(2**62)]),
    delta_sequence=st.sampled_from([0, 1, 2**32 - 1, 2**32, -3]),
)
def test_since_and_shifted(records: list[bytes], start: int, delta_ns: int, delta_sequence: int) -> None:
    buffer = b"".join(records)
    for by_ts_recv in (False, True):
        assert forms.since(buffer, start, by_ts_recv=by_ts_recv) == reference.since(
            buffer, start, by_ts_recv=by_ts_recv
        )
    before = bytes(bytearray(buffer))
    assert forms.shifted(buffer, delta_ns, delta_sequence) == reference.shifted(
        buffer, delta_ns, delta_sequence
    )
    assert buffer == before


WHOLE: list[Callable[[bytes], object]] = [
    forms.count,
    forms.event_prefix,
    forms.last_ts_recv,
    forms.span,
    forms.form,
    forms.others,
    lambda data: forms.form(data, ts_out=1, rtypes={0xA1}),
    lambda data: forms.form(data, instrument_ids=forms.IdSet([3])),
    lambda data: forms.plain(data, ts_out=False),
    lambda data: forms.since(data, 0),
    lambda data: forms.shifted(data, 1, 1),
    lambda data: forms.prefix(data, 2**60),
    lambda data: forms.due_prefix(data, UNDEF_TIMESTAMP),
]


@tries(80)
@given(records=mixtures(), at=st.integers(0, 40), byte=st.integers(0, 1), value=st.integers(0, 255))
def test_a_broken_byte_is_found_where_it_is(records: list[bytes], at: int, byte: int, value: int) -> None:
    at %= len(records) + 1
    broken = bytearray(b"".join(records))
    if at < len(records):
        broken[sum(map(len, records[:at])) + byte] = value
    check_framing(bytes(broken))


@tries(50)
@given(records=mixtures(), cut=st.integers(1, 1000))
def test_a_buffer_that_ends_inside_a_record_is_refused(records: list[bytes], cut: int) -> None:
    buffer = b"".join(records)
    check_framing(buffer[: max(0, len(buffer) - cut)])


def check_framing(data: bytes) -> None:
    offset = broken_at(data)
    for function in WHOLE:
        if offset is None:
            function(data)
            continue
        with pytest.raises(RecordError) as found:
            function(data)
        assert found.value.offset == offset


def broken_at(data: bytes) -> int | None:
    try:
        reference.split(data)
    except RecordError as error:
        return error.offset
    return None
