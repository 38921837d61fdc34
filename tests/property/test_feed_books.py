"""The book thread: whatever the batches, the questions and what is wanted when, its answers are exact."""

import random
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthcast.book.derive import DeriverSet
from depthcast.book.engine import Engine
from depthcast.dbn import forms
from depthcast.exchange import Exchange, Style
from depthcast.feed.books import Books, BookThread
from depthcast.feed.ring import Ring
from tests.support.recorded_feed import cut
from tests.support.simulated import small_exchange

RECORDS = b"".join(Exchange(small_exchange(Style.CME, seed=5)).run(3_000))
SCHEMAS = ["trades", "tbbo", "mbp-1", "mbp-10", "bbo-1s", "ohlcv-1s"]


class Running:
    """A book thread over a ring with room for everything."""

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self.ring = Ring(1 << 30, position=100)
        self.thread = BookThread(
            self.ring,
            Books(Engine()),
            on_progress=lambda: None,
            on_failure=self.failures.append,
        )
        self.thread.start()

    def append(self, data: bytes) -> None:
        self.ring.append(data, forms.count(data), 0)

    def catch_up(self) -> None:
        deadline = time.monotonic() + 10
        while self.thread.index < self.ring.head and time.monotonic() < deadline:
            time.sleep(0.0005)
        assert self.thread.index == self.ring.head


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.thread.stop()
    assert made.failures == []


@given(seed=st.integers(0, 2**32), size=st.integers(1, 400))
@settings(max_examples=25)
def test_snapshots_and_derived_records_are_exact_at_whatever_index_they_are_given(
    seed: int, size: int
) -> None:
    draw = random.Random(seed)
    running = Running()
    batches = cut(RECORDS, records=size)
    asked = []
    wanted_from: list[tuple[int, frozenset[str]]] = []
    for batch in batches:
        running.append(batch)
        if draw.random() < 0.1:
            asked.append(running.thread.snapshot(None))
        if draw.random() < 0.1:
            asked.append(running.thread.snapshot([11]))
        if draw.random() < 0.1:
            wanted = frozenset(draw.sample(SCHEMAS, draw.randrange(len(SCHEMAS))))
            wanted_from.append((running.thread.want(wanted).result(10), wanted))
    running.catch_up()
    head = running.thread.head(at_least=running.ring.head).result(10)
    running.thread.stop()
    assert running.failures == []

    engine = Engine()
    snapshots: dict[int, list[bytes]] = {}
    every = DeriverSet(SCHEMAS, engine=engine)
    for index, batch in enumerate([*batches, b""]):
        snapshots[index] = [engine.snapshot(), _of(engine, 11)]
        derived = every.apply(batch)
        held = running.ring.get(index)
        if held is None:
            continue
        wanted = next((wanted for begin, wanted in reversed(wanted_from) if begin <= index), frozenset())
        assert held.derived == {schema: derived[schema] for schema in wanted if derived[schema]}
    for answer in asked:
        snapshot = answer.result(0)
        assert snapshot.data in snapshots[snapshot.index]
    assert (head.index, head.position) == (len(batches), 100 + forms.count(RECORDS))
    assert head.records.endswith(engine.snapshot())


def _of(engine: Engine, instrument_id: int) -> bytes:
    return b"".join(
        engine.snapshot(key.instrument_id, key.publisher_id)
        for key in engine.books()
        if key.instrument_id == instrument_id
    )


def test_a_question_waits_for_the_index_it_names(running: Running) -> None:
    batches = cut(RECORDS, records=500)
    answer = running.thread.head(at_least=3)
    for batch in batches[:2]:
        running.append(batch)
    running.catch_up()
    assert not answer.done()
    running.append(batches[2])
    head = answer.result(10)
    assert head.index == 3
    assert head.position == 100 + 1500


def test_a_question_that_fails_fails_its_asker_alone(running: Running) -> None:
    def broken() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError):
        running.thread.ask(broken).result(10)
    running.append(RECORDS)
    running.catch_up()


def test_a_question_to_a_thread_that_has_ended_is_cancelled() -> None:
    running = Running()
    early = running.thread.head(at_least=5)
    running.thread.stop()
    assert early.cancelled()
    assert running.thread.snapshot(None).cancelled()


def test_time_that_passes_closes_intervals(running: Running) -> None:
    running.thread.want(frozenset({"ohlcv-1s"})).result(10)
    running.append(RECORDS)
    later = forms.last_ts_recv(RECORDS) + 3_000_000_000
    running.ring.append(b"", 0, 0, later)
    running.catch_up()
    deriver = DeriverSet(["ohlcv-1s"])
    deriver.apply(RECORDS)
    batch = running.ring.get(1)
    assert batch is not None
    assert batch.derived is not None
    assert batch.derived["ohlcv-1s"] == deriver.advance(later)["ohlcv-1s"] != b""
