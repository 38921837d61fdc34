"""The past of a journal whose files change while it is asked: merged, gone, not there yet."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from depthcast.errors import JournalError
from depthcast.journal.index import encode
from depthcast.journal.merge import merged_segment
from depthcast.journal.names import INDEX, SEGMENT
from depthcast.journal.objects import FolderObjects, ObjectMissingError
from depthcast.journal.past import Past
from depthcast.journal.search import RecordsMissingError
from depthcast.journal.segments import ClosedSegment
from tests.support.journals import simulated_feed
from tests.support.past import journal_of_lives

ASKERS = 8


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Ten segments or so of one life."""
    return journal_of_lives(tmp_path, simulated_feed(3_000), records=300, lives=1)


def closed(past: Past) -> list[ClosedSegment]:
    return [each for each in past.readers()[0].segments() if isinstance(each, ClosedSegment)]


def merge(journal: Path, parts: Sequence[ClosedSegment]) -> None:
    """Put one segment in the place of some."""
    objects = FolderObjects(journal)
    merged, data = merged_segment(parts, level=1)
    assert objects.put_new(merged.key, data)
    index = encode(merged.index)
    assert objects.put_new(merged.key.removesuffix(SEGMENT) + INDEX, index)
    for part in parts:
        remove(journal, part)


def remove(journal: Path, segment: ClosedSegment) -> dict[Path, bytes]:
    """Take a segment away; its files."""
    files = [journal / (segment.key.removesuffix(SEGMENT) + ending) for ending in (INDEX, SEGMENT)]
    found = {file: file.read_bytes() for file in files}
    for file in files:
        file.unlink()
    return found


def inside(segment: ClosedSegment) -> int:
    """A time in a segment, with records of it before and after."""
    times = segment.index.times
    return (times.min_ts_recv + times.max_ts_recv) // 2


def checksums(past: Past, ts_recv: int) -> list[int]:
    engine = past.book("11", ts_recv).engine
    return [engine.checksum(11, 0, publisher) for publisher in engine.publishers(11)]


def test_parts_that_vanish_one_day_after_the_other_are_not_damage(journal: Path) -> None:
    past, truth = Past(str(journal), cache_bytes=0), Past(str(journal))
    parts = closed(past)
    assert len(parts) >= 8
    expected = [checksums(truth, inside(each)) for each in parts]
    for begin in (0, 2, 4, 6):  # faster than the journal is listed
        merge(journal, parts[begin : begin + 2])
        for number in (begin, begin + 1):
            assert checksums(past, inside(parts[number])) == expected[number]
    past.close()
    truth.close()


def test_who_asks_at_the_same_time_is_answered_of_the_new_listing_too(journal: Path) -> None:
    past, truth = Past(str(journal), cache_bytes=0), Past(str(journal))
    parts = closed(past)
    at = inside(parts[5])
    expected = checksums(truth, at)
    merge(journal, parts[4:7])
    together = Barrier(ASKERS)

    def ask(_: int) -> list[int]:
        together.wait()
        return checksums(past, at)

    with ThreadPoolExecutor(ASKERS) as pool:
        assert list(pool.map(ask, range(ASKERS))) == [expected] * ASKERS
    past.close()
    truth.close()


def test_a_file_that_is_really_gone_is_looked_for_once_in_a_while(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = Past(str(journal), cache_bytes=0)
    parts = closed(past)
    (journal / parts[3].key).unlink()
    reader = past.readers()[0]
    listed: list[str] = []
    forget = reader.forget

    def noted() -> None:
        listed.append("again")
        forget()

    monkeypatch.setattr(reader, "forget", noted)
    for _ in range(5):
        with pytest.raises(ObjectMissingError):
            past.book("11", inside(parts[3]))
    assert len(listed) == 1
    monkeypatch.setattr("depthcast.journal.past.JOURNALS_S", 0.0)
    with pytest.raises(ObjectMissingError):
        past.book("11", inside(parts[3]))
    assert len(listed) == 2
    assert checksums(past, inside(parts[5]))
    past.close()


def test_a_segment_that_comes_after_later_ones_is_missing_until_it_is_there(journal: Path) -> None:
    truth = Past(str(journal))
    parts = closed(truth)
    at = inside(parts[3])
    expected = checksums(truth, at)
    files = remove(journal, parts[3])
    past = Past(str(journal))
    with pytest.raises(RecordsMissingError, match="are missing"):
        past.book("11", at)
    with pytest.raises(JournalError, match=r"records .* are missing"):
        list(past.readers()[0].records(0))
    for file, data in files.items():
        file.write_bytes(data)
    assert checksums(Past(str(journal)), at) == expected
    past.close()
    truth.close()
