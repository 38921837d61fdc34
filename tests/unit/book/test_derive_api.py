"""The derivers' interface: one schema or several, one engine, errors that lose nothing."""

import pytest

from depthcast.book.derive import SCHEMAS, Deriver, DeriverSet
from depthcast.book.engine import Engine
from depthcast.errors import RecordError
from tests.support.derived import DERIVERS, AnyDeriver, derived, records
from tests.support.records import LAST, add, clear, mbo, other, status, trade

FEED = [
    clear(),
    add(1, "B", 100, 5),
    status(7),
    other(0x17),
    add(2, "A", 101, 2),
    trade("B", 101, 1),
    mbo("N"),
]


def test_one_schema_gives_bytes_as_a_set_gives_them_by_name() -> None:
    everything = derived(DeriverSet(SCHEMAS), b"".join(FEED))
    for name in SCHEMAS:
        deriver = Deriver(name)
        assert deriver.schema.name == name
        assert deriver.apply(b"".join(FEED)) + deriver.advance(10) + deriver.flush() == everything[name], name


def test_a_set_answers_in_the_order_asked_for() -> None:
    assert list(DeriverSet(["trades", "mbp-10", "bbo-1s"]).apply(b"")) == ["trades", "mbp-10", "bbo-1s"]


def test_any_buffer_is_taken() -> None:
    raw = b"".join(FEED)
    expected = Deriver("mbp-1").apply(raw)
    for buffer in (bytearray(raw), memoryview(raw)):
        assert Deriver("mbp-1").apply(buffer) == expected
    with pytest.raises(TypeError):
        Deriver("mbp-1").apply("text")  # type: ignore[arg-type]
    assert Deriver("mbp-1").apply(raw) == expected


def test_the_engine_given_is_the_one_applied_to() -> None:
    engine = Engine()
    deriver = Deriver("mbp-10", engine=engine)
    deriver.apply(b"".join(FEED))
    assert deriver.engine is engine
    alone = Engine()
    alone.apply(b"".join(FEED))
    assert engine.checksum(7) == alone.checksum(7)
    assert engine.counters == alone.counters
    assert engine.status(7) == alone.status(7)


def test_a_deriver_on_an_engine_that_holds_books_takes_them_as_shown() -> None:
    engine = Engine()
    engine.apply(b"".join(FEED))
    deriver = Deriver("mbp-10", engine=engine)
    assert deriver.apply(add(9, "B", 90, 1, 0) + mbo("C", "B", 90, 1, 9)) == b""
    assert len(deriver.apply(add(9, "B", 90, 1))) == 368


def test_other_books_than_those_asked_for_are_applied_all_the_same() -> None:
    deriver = Deriver("mbp-10", instrument_id=8)
    assert deriver.apply(b"".join(FEED)) == b""
    assert deriver.engine.depth(7).bids == [(100, 5, 1)]


@pytest.mark.parametrize("kind", DERIVERS, ids=lambda kind: kind.__name__)
def test_broken_bytes_lose_nothing_of_what_came_before(kind: type[AnyDeriver]) -> None:
    deriver = kind(["mbp-1"])
    good = b"".join(FEED[:2])
    with pytest.raises(RecordError) as caught:
        deriver.apply(good + add(3, "B", 101, 1)[:40])
    assert (caught.value.offset, caught.value.applied) == (len(good), 2)
    assert deriver.flush()["mbp-1"] == kind(["mbp-1"]).apply(good)["mbp-1"]


@pytest.mark.parametrize("schemas", [["mbo"], [], ["mbp-1", "mbp-1"], ["ohlcv-eod"]])
def test_schemas_that_cannot_be_derived_are_refused(schemas: list[str]) -> None:
    with pytest.raises(ValueError, match="schema"):
        DeriverSet(schemas)


@pytest.mark.parametrize("wrong", [(-1, 7), (2**16, 7), (1, 2**32), (1, -7)])
def test_ids_that_no_record_has_are_refused(wrong: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="it is at least 0"):
        Deriver("trades", publisher_id=wrong[0], instrument_id=wrong[1])


def test_memory_is_used_again() -> None:
    deriver = Deriver("mbp-10")
    deriver.apply(clear())
    piece = b"".join(add(i, "B", 1 + i % 5, 1, LAST) for i in range(200))
    empty = b"".join(mbo("C", "B", 1 + i % 5, 1, i, LAST) for i in range(200))
    sizes = {len(deriver.apply(piece + empty)) for _ in range(50)}
    assert sizes == {400 * 368}


def test_what_is_not_wanted_gives_nothing_until_it_is_wanted_again() -> None:
    deriver = DeriverSet(["mbp-10", "trades", "ohlcv-1s"])
    assert deriver.wanted == {"mbp-10", "trades", "ohlcv-1s"}
    deriver.wanted = ["trades"]
    assert deriver.wanted == {"trades"}
    found = deriver.apply(b"".join(FEED))
    assert {name: len(records) for name, records in found.items()} == {
        "mbp-10": 0,
        "trades": 48,
        "ohlcv-1s": 0,
    }
    deriver.wanted = ["mbp-10", "ohlcv-1s"]
    assert len(deriver.apply(add(9, "B", 99, 1))["mbp-10"]) == 368
    assert len(deriver.flush()["ohlcv-1s"]) == 56


def test_an_event_that_was_open_when_a_schema_came_to_be_wanted_shows_all_it_did() -> None:
    deriver = DeriverSet(["mbp-10"])
    deriver.apply(b"".join(FEED))
    deriver.wanted = []
    deriver.apply(add(9, "B", 90, 1) + add(10, "B", 89, 1, flags=0))
    deriver.wanted = ["mbp-10"]
    (one,) = records("mbp-10", deriver.apply(mbo("N"))["mbp-10"])
    assert (one["price"], one["depth"], one["levels"]["bid_px"][:3].tolist()) == (89, 2, [100, 90, 89])
    assert deriver.apply(mbo("N"))["mbp-10"] == b""


def test_only_what_a_set_derives_can_be_wanted() -> None:
    deriver = DeriverSet(["mbp-10", "trades"])
    with pytest.raises(ValueError, match=r"not .*mbp-1"):
        deriver.wanted = ["trades", "mbp-1"]
    assert deriver.wanted == {"mbp-10", "trades"}


def test_what_was_derived_before_broken_bytes_still_comes_when_no_more_is_wanted() -> None:
    deriver = DeriverSet(["mbp-1"])
    with pytest.raises(RecordError):
        deriver.apply(b"".join(FEED[:2]) + b"\0")
    deriver.wanted = []
    assert len(deriver.apply(add(3, "B", 101, 1))["mbp-1"]) == 160
