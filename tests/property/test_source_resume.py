"""A source resumed anywhere goes on with exactly the records that follow."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthcast.dbn import forms
from depthcast.dbn.layout import MBO, UNDEF_TIMESTAMP, RType
from depthcast.exchange import Exchange
from depthcast.feed.sources.file import FileSource
from depthcast.feed.sources.lap import GAP_NS
from depthcast.feed.sources.sim import SimulatedSource, parse_simulation
from tests.support.dbn_files import compress, head
from tests.support.records import add, cancel, clear, mbo, other, status
from tests.support.sources import split, without_control

times = st.integers(10**9, 10**9 + 10**6) | st.just(UNDEF_TIMESTAMP)
sequences = st.integers(0, 2**32 - 1) | st.integers(0, 100)
flags = st.sampled_from([0x80, 0x80, 0, 0xA8])
orders = st.builds(
    add,
    st.integers(1, 9),
    st.just("B"),
    st.just(100),
    st.just(1),
    flags,
    ts_event=times,
    ts_recv=times,
    sequence=sequences,
    instrument_id=st.integers(7, 9),
    publisher_id=st.integers(1, 2),
)
records = st.one_of(
    orders,
    orders,
    orders,
    st.builds(clear, flags, ts_event=times, ts_recv=times, instrument_id=st.integers(7, 9)),
    st.builds(cancel, st.integers(1, 9), st.just("B"), st.just(100), st.just(1), flags),
    st.builds(mbo, st.sampled_from("TFN"), ts_recv=times, ts_out=st.integers(0, 2**64 - 1)),
    st.builds(status, st.integers(0, 15)),
    st.sampled_from([other(RType.SYSTEM, 80), other(RType.MBP_10, 368), other(0xEE, 1020)]),
)


@dataclass
class Stored:
    """A file to be written: its version, how it is compressed, its records."""

    version: int
    zstd: bool
    records: list[bytes]

    def write(self, path: Path) -> str:
        data = head(self.version) + b"".join(self.records)
        path.write_bytes(compress([data]) if self.zstd else data)
        return str(path)


stored_files = st.lists(
    st.builds(Stored, st.integers(1, 3), st.booleans(), st.lists(records, max_size=40)),
    min_size=1,
    max_size=3,
)


def passes(files: list[Stored], count: int) -> list[bytes]:
    """The records of so many passes, worked out plainly."""
    once = [
        bytes([14]) + record[1:56] if record[1] == RType.MBO else record
        for file in files
        for record in without_control(file.records)
    ]
    orders = [np.frombuffer(record, MBO)[0] for record in once if record[1] == RType.MBO]
    received = [int(order["ts_recv"]) for order in orders if order["ts_recv"] != UNDEF_TIMESTAMP]
    if not orders:
        received = [forms.first_ts_recv(record) for record in once]
    first, last = min(received, default=UNDEF_TIMESTAMP), max(received, default=0)
    delta_ns = max(last - first, 0) + GAP_NS
    delta_sequence = max((int(order["sequence"]) for order in orders), default=0) + 1
    told = list(once)
    for number in range(1, count):
        time = UNDEF_TIMESTAMP if first == UNDEF_TIMESTAMP else first + number * delta_ns
        told += _clears(orders, time, number * delta_sequence)
        told += [forms.shifted(record, number * delta_ns, number * delta_sequence) for record in once]
    return told


def _clears(orders: list[np.void], time: int, sequence: int) -> list[bytes]:
    """An R for each book that does not begin with one, or with a snapshot."""
    seen: set[tuple[int, int]] = set()
    cleared = []
    for order in orders:
        book = int(order["publisher_id"]), int(order["instrument_id"])
        if book not in seen and order["action"] != b"R" and not order["flags"] & 0x20:
            cleared.append(book)
        seen.add(book)
    return [
        clear(
            0x84,
            ts_event=time,
            ts_recv=time,
            sequence=sequence % 2**32,
            publisher_id=publisher,
            instrument_id=instrument,
        )
        for publisher, instrument in sorted(cleared)
    ]


def tell(source: FileSource, state: bytes | None, position: int, until: int) -> bytes:
    """What it tells from a position on, up to another or its end."""
    told = b""
    for chunk in source.chunks(state, position):
        assert chunk.position == position
        assert chunk.count == forms.count(chunk.data)
        position += chunk.count
        told += chunk.data
        if position >= until:
            break
    return told


@given(
    stored_files,
    st.booleans(),
    st.sampled_from([1020, 2048, 1 << 18]),
    st.sampled_from([1, 2000, 1 << 30]),
    st.sampled_from([1020, 4096]),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=3),
)
@settings(max_examples=60)
def test_files_resumed_anywhere_any_number_of_times(
    files: list[Stored],
    loop: bool,
    read_bytes: int,
    mark_every: int,
    chunk_bytes: int,
    stops: list[tuple[float, float]],
) -> None:
    expected = passes(files, 4 if loop else 1)
    if loop and not expected:
        return
    options = {"read_bytes": read_bytes, "mark_every": mark_every, "chunk_bytes": chunk_bytes}
    base = 1_000
    with tempfile.TemporaryDirectory() as folder:
        paths = [file.write(Path(folder) / f"{number}.dbn") for number, file in enumerate(files)]
        state, at = None, 0
        for stop, cut in stops:
            source = FileSource(paths, loop=loop, **options)
            until = at + int(stop * (len(expected) - at))
            told = split(tell(source, state, base + at, base + until))
            assert told[: len(expected) - at] == expected[at : at + len(told)]
            # The state is of a position up to there, and the feed has some records more than it says.
            until = min(until, at + len(told))
            asked = at + int(cut * (until - at))
            state, at = source.state(base + asked), until
        rest = split(tell(FileSource(paths, loop=loop, **options), state, base + at, base + len(expected)))
        assert rest[: len(expected) - at] == expected[at:]


@pytest.mark.parametrize("spec", ["sim://cme?", "sim://nasdaq,top?interleave=3&initial_orders=40&"])
def test_a_simulated_exchange_resumed_anywhere_tells_the_same(spec: str) -> None:
    spec += "seed=11&instruments=2&orders=60&start=2026-01-05T14:30:00"
    params, starts_now = parse_simulation(spec)
    assert not starts_now
    expected = b"".join(Exchange(params).run(records=6_000))
    base, state, at = 77, None, 0
    for stop, back in [(1_500, 0), (1_501, 1), (3_777, 2_000), (5_000, 0)]:
        source = SimulatedSource(spec, chunk_bytes=4096, checkpoint_every=700)
        told = b""
        chunks = source.chunks(state, base + at)
        for chunk in chunks:
            assert chunk.position == base + at + forms.count(told)
            told += chunk.data
            if chunk.position + chunk.count >= base + stop:
                break
        source.close()
        chunks.close()  # type: ignore[attr-defined]
        begin, end = forms.prefix(expected, at), forms.prefix(expected, stop)
        assert told[: end - begin] == expected[begin:end]
        state, at = source.state(base + max(stop - back, at)), stop
