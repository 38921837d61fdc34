"""Forms: the records of some schemas and instruments of a batch, kept for those who want the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.dbn import forms
from depthcast.dbn.layout import RType
from depthcast.live.feed_view import Batch
from depthcast.live.selection import ALL, Selection
from depthcast.live.stream import FormTable, Shape, select
from tests.support.live_client import starts
from tests.support.market import INSTRUMENTS, market, of

DATA = market(120)
TIME_NS = 1_800_000_000_000_000_000
selections = st.builds(Selection, st.frozensets(st.sampled_from(sorted(INSTRUMENTS))), st.booleans())


def batch(index: int = 0, data: bytes = DATA) -> Batch:
    return Batch(index, 0, forms.count(data), data, 0)


def table(max_bytes: int = 1 << 20) -> FormTable:
    return FormTable(max_bytes, lambda: TIME_NS)


@given(
    st.dictionaries(st.sampled_from(["mbo", "status", "definition"]), selections, min_size=1), st.booleans()
)
def test_a_form_has_what_was_asked_for_in_the_order_of_the_feed(
    asked: dict[str, Selection], ts_out: bool
) -> None:
    made = table().acquire(Shape.carried(asked, ts_out)).of(batch())
    rtypes = {"mbo": RType.MBO, "status": RType.STATUS, "definition": RType.INSTRUMENT_DEF}
    wanted = {rtypes[schema]: selection for schema, selection in asked.items()}
    expected = b"".join(
        record
        for record in (DATA[at : at + size] for at, size in starts(DATA))
        if record[1] in wanted and int.from_bytes(record[4:8], "little") in wanted[RType(record[1])]
    )
    assert forms.plain(made, ts_out=ts_out) == expected
    if ts_out and made:
        assert made[made[0] * 4 - 8 : made[0] * 4] == TIME_NS.to_bytes(8, "little")


def test_a_batch_that_is_wanted_whole_is_not_copied() -> None:
    mbo = of(DATA, RType.MBO)
    assert table().acquire(Shape.carried({"mbo": ALL}, ts_out=False)).of(batch(data=mbo)) is mbo


def test_all_but_some_instruments_of_a_replay() -> None:
    mbo = of(DATA, RType.MBO)
    assert select(mbo, Selection(frozenset({101, 103}), inverted=True)) == of(
        mbo, RType.MBO, ids=(102, 104, 105)
    )


def test_what_two_have_is_made_once_and_what_one_has_is_not_kept() -> None:
    forms_in_use = table()
    shape = Shape.carried({"mbo": ALL}, ts_out=True)
    one = forms_in_use.acquire(shape)
    first = one.of(batch())
    assert one.of(batch()) is not first
    assert forms_in_use.held_bytes == 0
    other = forms_in_use.acquire(shape)
    assert other is one
    assert other.of(batch()) is one.of(batch())
    assert forms_in_use.held_bytes == len(first)
    forms_in_use.forget(tail=1)
    assert forms_in_use.held_bytes == 0
    forms_in_use.release(one)
    forms_in_use.release(other)
    assert forms_in_use.acquire(shape) is not one


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    size = len(forms.form(of(DATA, RType.MBO), ts_out=1))
    forms_in_use = table(3 * size)
    shape = Shape.carried({"mbo": ALL}, ts_out=True)
    form, _ = forms_in_use.acquire(shape), forms_in_use.acquire(shape)
    made = [form.of(batch(index)) for index in range(5)]
    assert forms_in_use.held_bytes == 3 * size
    assert form.of(batch(4)) is made[4]
    assert form.of(batch(0)) is not made[0]


def test_a_derived_schema_that_a_batch_does_not_carry_is_empty() -> None:
    form = table().acquire(Shape.of_derived("trades", ALL, ts_out=False))
    carrying = batch()
    carrying.derived = {}
    assert form.of(carrying) == b""
    with pytest.raises(AssertionError, match="not been derived yet"):
        form.of(batch())
