"""DBN files as a source."""

from pathlib import Path

import numpy as np
import pytest

from depthcast.book.engine import Engine
from depthcast.dbn import read_dbn
from depthcast.dbn.layout import MBO, MBO_SIZE, Flags, RType
from depthcast.errors import SourceError, UsageError
from depthcast.feed.sources.base import Chunk
from depthcast.feed.sources.file import FileSource
from depthcast.feed.sources.lap import GAP_NS
from depthcast.feed.sources.open import open_source
from tests.support.dbn_files import compress, head, mixed_records
from tests.support.records import add, cancel, clear, mbo, other, status
from tests.support.sources import split, without_control


def write(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def taken(source: FileSource, records: int) -> list[Chunk]:
    """Chunks with at least so many records."""
    chunks, count = [], 0
    for chunk in source.chunks():
        chunks.append(chunk)
        count += chunk.count
        if count >= records:
            break
    return chunks


def joined(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.data for chunk in chunks)


@pytest.mark.parametrize(
    "name", ["CLX5_mbo.dbn", "esm4-20240508.mbo.dbn.zst", "esm4-20240508.v1.mbo.dbn.zst"]
)
def test_a_real_file_is_told_exactly(data_dir: Path, name: str) -> None:
    source = open_source(str(data_dir / name))
    assert isinstance(source, FileSource)
    assert joined(list(source.chunks())) == bytes(read_dbn(data_dir / name).data)
    assert source.dataset == "GLBX.MDP3"


def test_the_symbols_of_all_files_are_known(data_dir: Path) -> None:
    names = ["CLX5_mbo.dbn", "esm4-20240508.mbo.dbn.zst"]
    source = FileSource([str(data_dir / name) for name in names])
    found = source.symbology.resolve("raw_symbol", ["CLX5", "ESM4"])
    assert sorted(found.ids.values()) == ["CLX5", "ESM4"]
    assert found.unresolved == []


def test_several_files_follow_one_another(tmp_path: Path) -> None:
    records = [add(number, "B", 100, 1) for number in range(30)]
    paths = [
        write(tmp_path, "1.dbn", head() + b"".join(records[:10])),
        write(tmp_path, "2.dbn.zst", compress([head(2) + b"".join(records[10:20])])),
        write(tmp_path, "3.dbn", head(1) + b"".join(records[20:])),
    ]
    chunks = list(FileSource(paths).chunks(None, 500))
    assert joined(chunks) == b"".join(records)
    assert chunks[0].position == 500
    assert chunks[-1].position + chunks[-1].count == 530


def test_control_records_and_send_times_are_left_out(tmp_path: Path) -> None:
    records = [*mixed_records(), other(RType.SYSTEM, 320), other(RType.SYMBOL_MAPPING, 176)]
    source = FileSource([write(tmp_path, "a.dbn", head() + b"".join(records))])
    told = split(joined(list(source.chunks())))
    expected = [
        mbo("T", "B", 64_800_000_000, 1) if len(record) == 64 else record
        for record in without_control(records)
    ]
    assert told == expected


def test_a_file_cut_short_is_told_to_its_last_record(tmp_path: Path) -> None:
    data = head() + add(1, "B", 100, 1) * 5
    source = FileSource([write(tmp_path, "cut.dbn", data[:-10])])
    chunks = source.chunks()
    assert next(chunks).count == 4
    with pytest.raises(Exception, match=rf"cut\.dbn: byte {len(data) - MBO_SIZE}: the file is cut short"):
        next(chunks)


def test_an_error_after_resuming_names_its_place_in_the_file(tmp_path: Path) -> None:
    good = add(1, "B", 100, 1) * 1_000
    path = write(tmp_path, "bad.dbn", head() + good + b"\x01" + bytes(20))
    source = FileSource([path], read_bytes=4096, mark_every=4096, chunk_bytes=4096)
    chunks = source.chunks()
    for chunk in chunks:
        if chunk.position > 600:
            break
    told: list[Chunk] = []
    resumed = FileSource([path], read_bytes=4096).chunks(source.state(600), 600)
    with pytest.raises(Exception, match=rf"bad\.dbn: byte {len(head() + good)}: broken record"):
        told.extend(resumed)
    assert joined(told) == add(1, "B", 100, 1) * 400


def test_a_broken_record_of_an_old_version_comes_after_the_good_ones(tmp_path: Path) -> None:
    data = head(1) + add(1, "B", 100, 1) * 3 + other(RType.INSTRUMENT_DEF, 100) + status(7)
    chunks = FileSource([write(tmp_path, "old.dbn", data)]).chunks()
    assert next(chunks).count == 3
    with pytest.raises(Exception, match=rf"old\.dbn: byte {len(head(1)) + 3 * MBO_SIZE}: "):
        next(chunks)


# -- Again and again


def looped(tmp_path: Path, *records: bytes) -> FileSource:
    return FileSource([write(tmp_path, "loop.dbn", head() + b"".join(records))], loop=True)


def test_each_pass_follows_the_one_before_in_time_and_sequence(tmp_path: Path) -> None:
    records = clear(ts_event=90, ts_recv=100, sequence=5) + b"".join(
        add(number, "B", 100, 1, ts_event=95 + number, ts_recv=100 + 10 * number, sequence=7 + number)
        for number in range(1, 5)
    )
    data = joined(taken(looped(tmp_path, records), 15))
    told = np.frombuffer(data[: 15 * MBO_SIZE], dtype=MBO).reshape(3, 5)
    step_ns = 40 + GAP_NS
    for number in (1, 2):
        assert (told[number]["ts_recv"] == told[0]["ts_recv"] + number * step_ns).all()
        assert (told[number]["ts_event"] == told[0]["ts_event"] + number * step_ns).all()
        assert (told[number]["sequence"] == told[0]["sequence"] + number * 12).all()
        same = [name for name in MBO.names or () if name not in ("ts_recv", "ts_event", "sequence")]
        assert all((told[number][name] == told[0][name]).all() for name in same)


def test_books_that_begin_mid_session_are_cleared_between_passes_and_say_so(tmp_path: Path) -> None:
    mid = add(1, "B", 100, 1, instrument_id=7, ts_recv=50)
    whole = clear(instrument_id=8, ts_recv=60) + add(2, "B", 100, 1, instrument_id=8, ts_recv=70)
    snapshot = add(3, "B", 100, 1, instrument_id=9, flags=int(Flags.SNAPSHOT | Flags.LAST), ts_recv=80)
    source = looped(tmp_path, mid, whole, snapshot)
    data = joined(taken(source, 9))
    told = np.frombuffer(data[: 9 * MBO_SIZE], dtype=MBO)
    assert told["action"].tolist() == [b"A", b"R", b"A", b"A", b"R", b"A", b"R", b"A", b"A"]
    assert told["instrument_id"].tolist() == [7, 8, 8, 9, 7, 7, 8, 8, 9]
    assert told["flags"][4] == Flags.LAST | Flags.MAYBE_BAD_BOOK
    assert told["ts_recv"].tolist() == sorted(told["ts_recv"].tolist())
    engine = Engine()
    engine.apply(data[: 9 * MBO_SIZE])
    assert engine.status(7).orders == 1
    assert not engine.status(7).complete
    assert engine.status(8).complete


def test_a_real_file_in_a_loop_has_the_same_book_after_every_pass(data_dir: Path) -> None:
    path = str(data_dir / "CLX5_mbo.dbn")
    single = Engine()
    single.apply(bytes(read_dbn(path).data))
    (book,) = single.books()
    chunks = taken(FileSource([path], loop=True), 3 * 38_212 + 2)
    data = joined(chunks)[: (3 * 38_212 + 2) * MBO_SIZE]
    engine = Engine()
    engine.apply(data)
    assert engine.checksum(book.instrument_id) == single.checksum(book.instrument_id)


# -- What is refused


def test_what_is_no_source_is_refused_with_a_reason(tmp_path: Path, data_dir: Path) -> None:
    clx5 = str(data_dir / "CLX5_mbo.dbn")
    lobster = str(data_dir / "lobster_aapl10_first999_mbo.dbn")
    missing = str(tmp_path / "none.dbn")
    for specs, error, message in [
        ([missing], SourceError, "none.dbn: no such file or directory"),
        ([write(tmp_path, "empty.dbn", b"")], SourceError, "empty.dbn: byte 0: the file is empty"),
        ([write(tmp_path, "text.dbn", b"hello, world")], SourceError, "text.dbn: byte 0: not DBN"),
        ([str(tmp_path)], SourceError, "a folder"),
        (["/dev/null"], SourceError, "/dev/null: no regular file"),
        ([clx5, lobster], SourceError, "a feed has one dataset"),
        ([clx5, "sim://cme"], UsageError, "one source or several files"),
        (["ftp://host/file"], UsageError, "no such kind of source"),
    ]:
        with pytest.raises(error, match=message.replace("(", r"\(")):
            open_source(specs)
    with pytest.raises(UsageError, match="--loop is for files"):
        open_source("sim://cme", loop=True)


def test_a_file_without_records_ends_and_cannot_be_looped(tmp_path: Path) -> None:
    path = write(tmp_path, "bare.dbn", head())
    assert list(FileSource([path]).chunks()) == []
    with pytest.raises(SourceError, match="no record to be told again"):
        next(FileSource([path], loop=True).chunks())


def test_a_state_of_other_files_is_refused(tmp_path: Path) -> None:
    first = write(tmp_path, "a.dbn", head() + add(1, "B", 100, 1) * 9)
    second = write(tmp_path, "b.dbn", head() + cancel(1, "B", 100, 1) * 9)
    source = FileSource([first])
    list(source.chunks())
    state = source.state(9)
    with pytest.raises(SourceError, match=r"written from a\.dbn .* and this is b\.dbn"):
        FileSource([second]).chunks(state, 9)
    write(tmp_path, "a.dbn", head() + add(1, "B", 100, 1) * 10)
    with pytest.raises(SourceError, match=r"written from a\.dbn of [\d,]+ bytes, and this is a\.dbn"):
        FileSource([first]).chunks(state, 9)
    with pytest.raises(SourceError, match="another kind of source"):
        FileSource([first]).chunks(b"\x93\xa9simulated\x01\x02", 9)


def test_more_files_may_follow_on_resuming(tmp_path: Path) -> None:
    first = write(tmp_path, "a.dbn", head() + add(1, "B", 100, 1) * 9)
    second = write(tmp_path, "b.dbn", head() + add(2, "B", 100, 1) * 4)
    source = FileSource([first])
    list(source.chunks())
    resumed = list(FileSource([first, second]).chunks(source.state(9), 9))
    assert joined(resumed) == add(2, "B", 100, 1) * 4
