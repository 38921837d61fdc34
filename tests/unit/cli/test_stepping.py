"""Stops on the way: where the file is cut, after which events, at which points of the time grid.

Each is held to a model that goes record by record.
"""

import struct
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.book.types import BookKey
from depthcast.cli._stepping import Cut, each_event, each_grid_point
from depthcast.dbn.layout import LENGTH_WORD, UNDEF_TIMESTAMP, RType
from depthcast.errors import UsageError
from tests.support.records import LAST, add, other

TIMES = st.one_of(st.integers(0, 40), st.just(UNDEF_TIMESTAMP))


@st.composite
def record(draw: st.DrawFn) -> bytes:
    """An MBO record of one of three books, a Status record, or one without a time; 56 or 64 bytes."""
    kind = draw(st.sampled_from(["mbo", "mbo", "mbo", "status", "ohlcv", "definition"]))
    ts_recv = draw(TIMES)
    if kind == "mbo":
        fields = {
            "publisher_id": draw(st.sampled_from([1, 2])),
            "instrument_id": draw(st.sampled_from([7, 8])),
        }
        ts_out = draw(st.sampled_from([None, 1]))
        flags = draw(st.sampled_from([0, LAST]))
        return add(1, "B", 5, 1, flags, ts_recv=ts_recv, ts_out=ts_out, **fields)  # type: ignore[arg-type]
    if kind == "ohlcv":
        return other(RType.OHLCV_1S, 56)
    rtype, size = (RType.STATUS, 40) if kind == "status" else (RType.INSTRUMENT_DEF, 520)
    return other(rtype, 16) + struct.pack("<Q", ts_recv) + bytes(size - 24)


def fixed(piece: bytes) -> bytes:
    """The record with the length byte that it has."""
    return bytes([len(piece) // LENGTH_WORD]) + piece[1:]


def time_of(piece: bytes) -> int | None:
    """A record's ts_recv, None if it has none."""
    offset = {RType.MBO: 40, RType.STATUS: 16, RType.INSTRUMENT_DEF: 16}.get(RType(piece[1]))
    if offset is None:
        return None
    (value,) = struct.unpack_from("<Q", piece, offset)
    return None if value == UNDEF_TIMESTAMP else value


FEED = st.lists(record().map(fixed), max_size=25)
SPLITS = st.lists(st.integers(1, 6), min_size=1, max_size=8)


def chunked(feed: list[bytes], sizes: list[int]) -> Iterator[memoryview]:
    """The feed in chunks of so many records, by turns."""
    at = turn = 0
    while at < len(feed):
        size = sizes[turn % len(sizes)]
        yield memoryview(b"".join(feed[at : at + size]))
        at += size
        turn += 1


class Applied:
    """An engine's `apply`, as far as these functions see it: it keeps the bytes."""

    def __init__(self) -> None:
        self.data = b""

    def __call__(self, chunk: memoryview) -> int:
        self.data += bytes(chunk)
        return len(chunk)


@given(FEED, SPLITS, st.integers(0, 45))
def test_a_cut_is_before_the_first_later_record(feed: list[bytes], sizes: list[int], at: int) -> None:
    later = [(time_of(piece) or 0) > at for piece in feed]
    stopped: list[bool] = []
    chunks = chunked(feed, sizes)

    def until_stopped() -> Iterator[memoryview]:
        for chunk in chunks:
            yield chunk
            if stopped:
                return

    cut = Cut(until_stopped(), at, lambda: stopped.append(True))
    kept = b"".join(bytes(chunk) for chunk in cut)
    end = later.index(True) if any(later) else len(feed)
    assert kept == b"".join(feed[:end])
    assert cut.made == any(later)


@given(FEED, SPLITS, st.integers(1, 3))
def test_stops_are_just_after_an_events_last_record(feed: list[bytes], sizes: list[int], count: int) -> None:
    expected = []
    seen: Counter[BookKey] = Counter()
    for place, piece in enumerate(feed):
        if piece[1] == RType.MBO and piece[36] & LAST:
            key = BookKey(*struct.unpack_from("<HI", piece, 2))
            seen[key] += 1
            if seen[key] % count == 0 and key.instrument_id == 7:
                expected.append((key, b"".join(feed[: place + 1])))
    applied = Applied()
    ends = each_event(applied, chunked(feed, sizes), count=count, wanted=lambda key: key.instrument_id == 7)
    assert [(key, applied.data) for key in ends] == expected
    assert applied.data == b"".join(feed)


@given(FEED, SPLITS, st.integers(1, 12), st.integers(0, 50))
def test_a_grid_point_is_before_the_first_record_past_it(
    feed: list[bytes], sizes: list[int], interval: int, known_until: int
) -> None:
    times = [time_of(piece) or 0 for piece in feed]
    timed = [time for time in times if time]
    points = []
    if timed:
        first = -(-timed[0] // interval) * interval
        points = list(range(first, max(*timed, known_until, 0) + 1, interval))
    expected = []
    for point in points:
        later = [time > point for time in times]
        expected.append((point, b"".join(feed[: later.index(True) if any(later) else len(feed)])))
    applied = Applied()
    found = each_grid_point(
        applied, chunked(feed, sizes), interval_ns=interval, known_until=lambda: known_until
    )
    assert [(point, applied.data) for point in found] == expected
    assert applied.data == b"".join(feed)


def test_an_absurd_jump_in_time_is_refused() -> None:
    feed = [add(1, "B", 5, 1, ts_recv=1), add(2, "B", 5, 1, ts_recv=1_758_742_200_000_000_000)]
    points = each_grid_point(Applied(), chunked(feed, [9]), interval_ns=1_000_000_000, known_until=lambda: 0)
    with pytest.raises(UsageError, match=r"1,758,742,1\d\d intervals lie between two records"):
        next(points)
