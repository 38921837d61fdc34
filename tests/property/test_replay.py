"""Replay gives each book's events, whole and in place, whatever lies between their records and the chunks."""

import io
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import depthcast
from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from depthcast.book.types import BookKey
from depthcast.dbn.layout import LENGTH_WORD, MBO, MBO_SIZE, RType
from depthcast.errors import DBNError
from tests.support.dbn_files import head
from tests.support.records import LAST, add, other, status


class Sent(NamedTuple):
    """A record and what a test needs to know of it."""

    data: bytes
    key: BookKey | None = None
    last: bool = False


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    kind = draw(st.sampled_from(["mbo", "mbo", "mbo", "mbo", "status", "other"]))
    if kind == "status":
        return Sent(status(7))
    if kind == "other":
        return Sent(other(RType.INSTRUMENT_DEF, 520))
    key = BookKey(draw(st.sampled_from([1, 2])), draw(st.sampled_from([7, 8, 9])))
    last = draw(st.booleans())
    data = add(
        draw(st.integers(1, 5)),
        draw(st.sampled_from("BA")),
        draw(st.integers(1, 4)),
        1,
        LAST if last else 0,
        ts_event=draw(st.integers(0, 99)),
        ts_recv=draw(st.integers(0, 99)),
        publisher_id=key.publisher_id,
        instrument_id=key.instrument_id,
    )
    if draw(st.booleans()):
        data = bytes([MBO_SIZE // LENGTH_WORD + 2]) + data[1:] + bytes(8)  # with ts_out
    return Sent(data, key, last)


FEED = st.lists(sent(), max_size=60)


def file_of(feed: list[Sent]) -> io.BytesIO:
    return io.BytesIO(head() + b"".join(record.data for record in feed))


class Expected(NamedTuple):
    key: BookKey
    records: bytes
    place: int
    complete: bool


def plain(data: bytes) -> bytes:
    """An MBO record without its ``ts_out``."""
    return bytes([MBO_SIZE // LENGTH_WORD]) + data[1:MBO_SIZE]


def expected_events(feed: list[Sent]) -> list[Expected]:
    """The events, record by record."""
    under_way: dict[BookKey, list[int]] = {}
    events = []
    for index, record in enumerate(feed):
        if record.key is None:
            continue
        under_way.setdefault(record.key, []).append(index)
        if record.last:
            events.append((record.key, under_way.pop(record.key), True))
    rest = sorted(under_way.items(), key=lambda item: item[1][-1])
    events += [(key, places, False) for key, places in rest]
    return [
        Expected(key, b"".join(plain(feed[at].data) for at in places), places[-1], complete)
        for key, places, complete in events
    ]


@given(FEED, st.sampled_from([1020, 1100, 4096]))
def test_events_are_whole_and_in_order(feed: list[Sent], chunk_bytes: int) -> None:
    found = [
        Expected(event.key, event.records.tobytes(), event.index, event.complete)
        for event in depthcast.replay(file_of(feed), chunk_bytes=chunk_bytes)
    ]
    assert found == expected_events(feed)


@given(FEED, st.sampled_from([1020, 4096]))
def test_the_engine_stands_just_after_each_event(feed: list[Sent], chunk_bytes: int) -> None:
    reference = ReferenceEngine()
    applied = 0
    for event in depthcast.replay(file_of(feed), chunk_bytes=chunk_bytes):
        last = event.records[-1]
        assert (event.ts_event, event.ts_recv) == (last["ts_event"], last["ts_recv"])
        until = event.index + 1 if event.complete else len(feed)
        reference.apply(b"".join(record.data for record in feed[applied:until]))
        applied = until
        assert event.engine.counters == reference.counters
        assert event.engine.status(event.key.instrument_id, event.key.publisher_id) == reference.status(
            event.key.instrument_id, event.key.publisher_id
        )
        assert event.engine.snapshot() == reference.snapshot()


def test_an_event_keeps_its_records_when_the_replay_goes_on() -> None:
    feed = [Sent(add(n, "B", 5, 1, ts_event=n), BookKey(1, 7), last=True) for n in range(1, 100)]
    events = list(depthcast.replay(file_of(feed), chunk_bytes=1020))
    assert [int(event.records["order_id"][0]) for event in events] == list(range(1, 100))
    assert all(event.records.dtype == MBO for event in events)


def test_a_given_engine_is_used() -> None:
    engine = Engine()
    (event,) = depthcast.replay(file_of([Sent(add(1, "B", 5, 1))]), engine=engine)
    assert event.engine is engine
    assert engine.bbo(7).bid == (5, 1, 1)


def test_what_follows_the_last_event_is_applied() -> None:
    engine = Engine()
    feed = [Sent(add(1, "B", 5, 1)), Sent(status(8)), Sent(add(2, "A", 6, 1, 0))]
    assert [event.complete for event in depthcast.replay(file_of(feed), engine=engine)] == [True, False]
    assert engine.status(7).phase == "halt"
    assert engine.status(7).in_event


def test_a_broken_file_gives_its_events_and_then_the_error() -> None:
    whole = file_of([Sent(add(1, "B", 5, 1)), Sent(add(2, "B", 5, 1))]).getvalue()
    events = depthcast.replay(io.BytesIO(whole[:-1]))
    assert next(events).index == 0
    with pytest.raises(DBNError, match="cut short"):
        next(events)
