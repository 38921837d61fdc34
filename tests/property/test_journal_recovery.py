"""A journal cut at any byte, at any stage of closing, has exactly the whole records before the cut."""

import tempfile
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.dbn import forms
from depthcast.errors import JournalError
from depthcast.journal.index import Before, OpenHeader
from depthcast.journal.names import INDEX, SEGMENT, Journal
from depthcast.journal.open_segment import OpenSegment, header_path, remove_open
from depthcast.journal.seal import seal
from depthcast.journal.writer import JournalWriter
from tests.support.journals import DATASET, METADATA, SHARD, Recording, contents, reader_of, simulated_feed
from tests.support.records import add, other, status

JOURNAL: Final = Journal(DATASET, SHARD)
BEGUN: Final = 1_758_742_200_000_000_000

RECORD: Final = st.one_of(
    st.builds(lambda order, price: add(order, "B", price, 1), st.integers(1, 9), st.integers(1, 50)),
    st.just(status(7)),
    st.integers(4, 130).map(lambda words: other(0x13, 4 * words)),
)
BATCH: Final = st.lists(RECORD, min_size=1, max_size=30).map(b"".join)
SEGMENTS: Final = st.lists(st.lists(BATCH, min_size=1, max_size=5), min_size=1, max_size=4)
STAGES: Final = (
    "being written",
    "being closed",
    "closed, without its index",
    "closed, its index half written",
    "closed, not yet removed",
    "closed, its header not yet removed",
)


@pytest.fixture(scope="module")
def folders() -> Iterator[Path]:
    memory = Path("/dev/shm")  # noqa: S108 - hundreds of journals that sync need no disk
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def write(root: Path, position: int, batches: list[bytes], head: bytes) -> OpenSegment:
    """An open segment with these batches."""
    metadata = METADATA.encode()
    header = OpenHeader(
        created_by="test",
        dataset=DATASET,
        shard=SHARD,
        epoch=1,
        position=position,
        begun_ns=BEGUN,
        metadata_bytes=len(metadata),
        head_bytes=len(head),
        head_records=forms.count(head),
        before=Before(),
        source_state=b"",
    )
    segment = OpenSegment.create(root / JOURNAL.open, header, metadata, head)
    for batch in batches:
        segment.append(batch, forms.count(batch))
    segment.close()
    return segment


def close(root: Path, segment: OpenSegment, stage: str) -> None:
    """Close a segment as far as a writer that is killed at this stage."""
    if stage == "being written":
        return
    day = root / JOURNAL.day(BEGUN)
    index = seal(segment.path, segment.header, root, level=1, closed_ns=BEGUN)
    data, said = day / f"{index.name}{SEGMENT}", day / f"{index.name}{INDEX}"
    match stage:
        case "being closed":
            said.unlink()
            data.rename(day / f".{data.name}.part")
        case "closed, without its index":
            said.unlink()
        case "closed, its index half written":
            (day / f".{said.name}.part").write_bytes(said.read_bytes()[:100])
            said.unlink()
        case "closed, its header not yet removed":
            segment.path.unlink()
        case "all":
            remove_open(segment.path)


@given(segments=SEGMENTS, stage=st.sampled_from(STAGES), cut=st.floats(0, 1), junk=st.binary(max_size=40))
def test_a_cut_at_any_byte_leaves_the_whole_records_before_it(
    folders: Path, segments: list[list[bytes]], stage: str, cut: float, junk: bytes
) -> None:
    with tempfile.TemporaryDirectory(dir=folders) as name:
        root = Path(name)
        heads = [b"", *(status(7) + add(1, "A", 60, number) for number in range(1, len(segments)))]
        batches = [b"".join(each) for each in segments]
        positions = [0, *accumulate(forms.count(each) for each in batches)]
        for number, each in enumerate(segments):
            segment = write(root, positions[number], each, heads[number])
            close(root, segment, "all" if number < len(segments) - 1 else stage)
        kept = b"".join(batches)
        if stage == "being written":
            size = segment.path.stat().st_size
            begin = segment.header.records_offset
            end = round(cut * size)
            data = segment.path.read_bytes()[:end]
            tail = data[begin:]
            whole = tail[: forms_prefix(tail)]
            segment.path.write_bytes(data if junk[:1] > b"\x0f" else data + b"\0" * len(junk))
            kept = b"".join(batches[:-1]) + whole
        else:
            assert header_path(segment.path).exists()
        writer = JournalWriter.open(root, "", DATASET, SHARD)
        assert writer.position == forms.count(kept)
        assert contents(reader_of(root)) == kept
        writer.begin(writer.position, METADATA, b"", b"")
        writer.append(status(8), 1)
        writer.close()
        assert contents(reader_of(root)) == kept + status(8)
        assert not list(root.glob("**/.*"))


def forms_prefix(data: bytes) -> int:
    """Bytes of the whole records at the front, told by their length bytes alone."""
    at = 0
    while at < len(data) and at + 4 * data[at] <= len(data):
        at += 4 * data[at]
    return at


@given(
    sizes=st.lists(st.integers(1, 900), max_size=12),
    rotations=st.sets(st.integers(0, 11)),
    lives=st.sets(st.integers(0, 11)),
    begin=st.integers(0, 6_000),
)
def test_any_rhythm_of_appends_rotations_and_lives_gives_the_feed(
    folders: Path, sizes: list[int], rotations: set[int], lives: set[int], begin: int
) -> None:
    feed = simulated_feed()
    with tempfile.TemporaryDirectory(dir=folders) as name:
        recording = Recording(Path(name))
        at = 0
        for number, size in enumerate(sizes):
            end = at + forms.prefix(memoryview(feed)[at:], size)
            if number in lives:
                recording.writer.abandon()
                recording = Recording(Path(name))
            elif number in rotations:
                recording.rotate()
            if end > at:
                recording.put(feed[at:end])
            at = end
        position = min(begin, recording.writer.position)
        expected = feed[forms.prefix(feed, position) : at]
        assert contents(recording.writer.reader(), position) == expected
        recording.writer.close()
        assert contents(reader_of(Path(name)), position) == expected


@given(
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4),
    ending=st.sampled_from([SEGMENT, INDEX]),
)
def test_wrong_bytes_in_a_closed_segment_are_a_journal_error_or_nothing(
    folders: Path, flips: list[tuple[float, int]], ending: str
) -> None:
    """Whatever a disk makes of a file: the records, or an error of ours that says which file."""
    with tempfile.TemporaryDirectory(dir=folders) as name:
        root = Path(name)
        batch = add(1, "B", 100, 1) * 300
        close(root, write(root, 0, [batch], status(7)), "all")
        (path,) = root.glob(f"**/*{ending}")
        data = bytearray(path.read_bytes())
        for place, change in flips:
            data[int(place * len(data))] ^= change
        path.write_bytes(data)
        error: JournalError | None = None
        found = b""
        try:
            reader = reader_of(root)
            found = contents(reader)
            assert (reader.position_since(5), reader.books_before(5)) == (300, (0, status(7)))
        except JournalError as caught:
            error = caught
        if error is None:
            assert found == batch
        else:
            assert path.parent.name in (error.path or "")
