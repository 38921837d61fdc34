"""Chunks cut at event ends, states by position, and the thread that reads ahead."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.dbn import forms
from depthcast.dbn.layout import MBO_SIZE
from depthcast.errors import DBNError, RecordError, SourceError
from depthcast.feed.sources.base import Chunk, Marks, Run, whole_events
from depthcast.feed.sources.prefetch import Prefetch
from depthcast.feed.sources.records import is_mbo_only
from tests.support.records import add, other, status
from tests.support.sources import split

OPEN = add(1, "B", 100, 1, flags=0)
LAST = add(2, "B", 100, 1)
record = st.sampled_from([OPEN, OPEN, LAST, status(7), other(0x13, 520), other(0xEE, 1020)])


def run(records: list[bytes]) -> Run:
    data = b"".join(records)
    return Run(memoryview(data), is_mbo_only(data))


@given(
    st.lists(st.lists(record, max_size=30), max_size=6),
    st.integers(0, 40),
    st.sampled_from([1020, 2048, 65536]),
)
def test_chunks_have_the_records_and_end_with_events(
    buffers: list[list[bytes]], skip: int, size: int
) -> None:
    records = [each for buffer in buffers for each in buffer]
    chunks = list(whole_events(map(run, buffers), 1_000, skip, size))
    assert b"".join(chunk.data for chunk in chunks) == b"".join(records[skip:])
    position = 1_000
    for chunk in chunks:
        assert chunk.position == position
        assert chunk.count == forms.count(chunk.data)
        assert 0 < len(chunk.data) <= size
        position += chunk.count
    ends = [position - 1_000 for position in (chunk.position + chunk.count for chunk in chunks)]
    for chunk, end in zip(chunks[:-1], ends, strict=False):
        cut_inside_event = records[skip + end - 1] == OPEN
        events_in_chunk = forms.event_prefix(chunk.data)
        assert not cut_inside_event or events_in_chunk == 0, "it was cut inside an event without need"


def test_the_records_before_an_error_are_given() -> None:
    def broken() -> Iterator[Run]:
        yield run([LAST, OPEN, OPEN])
        raise RecordError("broken", offset=7, applied=0)

    chunks = whole_events(broken(), 0, 0, 4096)
    assert next(chunks).data == LAST
    assert next(chunks) == Chunk(OPEN + OPEN, 2, 1, mbo_only=True)
    with pytest.raises(RecordError):
        next(chunks)


def test_marks_give_the_newest_state_at_or_before_a_position() -> None:
    marks = Marks()
    for position in range(0, 100, 10):
        marks.add(position, b"%d" % position)
    assert [marks.at(position) for position in (0, 9, 10, 55, 59, 99, 1_000)] == [
        b"0", b"0", b"10", b"50", b"50", b"90", b"90",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="before position 50"):
        marks.at(50)


def test_marks_past_their_limit_are_thinned_out_not_forgotten() -> None:
    marks = Marks(max_bytes=10_000)
    for position in range(1_000):
        marks.add(position, position.to_bytes(100, "big"))
    assert marks.at(0) == bytes(100)
    found = int.from_bytes(marks.at(990), "big")
    assert 800 < found <= 990


async def _drain(prefetch: Prefetch, woken: asyncio.Event, chunks: list[Chunk]) -> None:
    while not prefetch.ended:
        chunk = prefetch.take()
        if chunk is not None:
            chunks.append(chunk)
        elif not prefetch.ended:
            await asyncio.wait_for(woken.wait(), 5)
            woken.clear()


def test_a_thread_reads_ahead_to_its_limit_and_no_further() -> None:
    made = 0

    def produce() -> Iterator[Chunk]:
        nonlocal made
        for number in range(100):
            made += 1
            yield Chunk(LAST * 10, 10, number * 10)

    async def main() -> None:
        woken = asyncio.Event()
        limit = 20 * 10 * MBO_SIZE
        prefetch = Prefetch(produce(), asyncio.get_running_loop(), woken.set, name="test", ahead_bytes=limit)
        await asyncio.sleep(0.1)
        assert 20 <= made <= 22
        chunks: list[Chunk] = []
        await _drain(prefetch, woken, chunks)
        assert [chunk.position for chunk in chunks] == list(range(0, 1_000, 10))
        prefetch.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DBNError("a broken record", path="a.dbn", offset=560), "a.dbn: byte 560: a broken record"),
        (OSError(5, "Input/output error", "a.dbn"), "a.dbn: input/output error"),
        (OSError(5, "Input/output error"), "test: input/output error"),
        (SourceError("gone"), "gone"),
    ],
)
def test_an_error_in_the_thread_comes_after_the_records_before_it(error: Exception, message: str) -> None:
    def produce() -> Iterator[Chunk]:
        yield Chunk(LAST, 1, 0)
        yield Chunk(LAST, 1, 1)
        raise error

    async def main() -> None:
        woken = asyncio.Event()
        prefetch = Prefetch(produce(), asyncio.get_running_loop(), woken.set, name="test")
        chunks: list[Chunk] = []
        with pytest.raises(SourceError) as caught:
            await _drain(prefetch, woken, chunks)
        assert str(caught.value) == message
        assert len(chunks) == 2
        assert prefetch.ended
        assert prefetch.take() is None
        prefetch.close()

    asyncio.run(main())


def test_closed_while_it_is_full_the_thread_ends_and_the_iterator_is_closed() -> None:
    closed = threading.Event()

    def produce() -> Iterator[Chunk]:
        try:
            while True:
                yield Chunk(LAST * 100, 100, 0)
        finally:
            closed.set()

    async def main() -> None:
        prefetch = Prefetch(
            produce(), asyncio.get_running_loop(), lambda: None, name="test", ahead_bytes=10_000
        )
        await asyncio.sleep(0.02)
        begin = time.perf_counter()
        prefetch.close()
        prefetch.close()
        assert time.perf_counter() - begin < 1
        assert closed.is_set()
        assert prefetch.take() is None

    asyncio.run(main())


def test_records_are_split_as_they_are() -> None:
    assert split(OPEN + status(7)) == [OPEN, status(7)]
