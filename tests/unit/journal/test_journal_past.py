"""The past of journals: what is read of a segment, what is kept, which names mean what, what is refused."""

from pathlib import Path

import pytest

from depthcast.dbn import forms, make_metadata
from depthcast.dbn.times import parse_ns
from depthcast.errors import AmbiguousInstrumentError, JournalError, UnknownInstrumentError
from depthcast.journal.at import TimeNotKeptError, cut_before, kept, segment_at
from depthcast.journal.past import Past
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.writer import JournalWriter
from tests.support.journals import contents, reader_of, simulated_feed
from tests.support.past import SourceTimes, journal_of_lives
from tests.support.records import add


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return journal_of_lives(tmp_path_factory.mktemp("past"), simulated_feed(3_000), records=600)


def write(folder: Path, dataset: str, shard: str, symbols: dict[str, int], records: list[bytes]) -> None:
    """A journal of one segment."""
    writer = JournalWriter.open(folder, "", dataset, shard, JournalPolicy())
    writer.begin(0, make_metadata(dataset, None, 1, mappings=symbols), b"", b"")
    for record in records:
        writer.append(record, 1)
    writer.close()


def orders(instrument_id: int) -> list[bytes]:
    return [add(each, "B", 10**9, 1, instrument_id=instrument_id, ts_recv=each * 10) for each in range(1, 6)]


def test_a_second_question_reads_nothing(journal: Path) -> None:
    past = Past(str(journal))
    at = SourceTimes(simulated_feed(3_000)).times(9, seed=4)[6]
    first = past.book("11", at)
    misses = past.frames.misses
    assert misses > 0
    assert past.book("11", at).engine is first.engine
    assert past.book("11", at - 1).position <= first.position
    assert past.frames.misses == misses
    past.close()


def test_a_cache_of_no_size_changes_no_answer(journal: Path) -> None:
    small, large = Past(str(journal), cache_bytes=0), Past(str(journal))
    for at in SourceTimes(simulated_feed(3_000)).times(40, seed=5):
        one, other = small.book("12", at), large.book("12", at)
        assert one.position == other.position
        for publisher in other.engine.publishers(12):
            assert one.engine.checksum(12, 0, publisher) == other.engine.checksum(12, 0, publisher)
    assert small.frames.hits == 0
    small.close()
    large.close()


def test_a_place_is_found_by_its_position_too(journal: Path) -> None:
    past, reader = Past(str(journal)), reader_of(journal)
    data = contents(reader)
    for position in (0, 1, 599, 600, 601, 2_999, 3_000):
        cut = past.place(past.readers()[0], position)
        assert cut.position == position
        before = sum(each.records for each in cut.frames) + (forms.count(cut.rest) if cut.rest else 0)
        assert cut.segment.position + before == position
    assert forms.count(data) == 3_000
    with pytest.raises(TimeNotKeptError, match="position 3001"):
        past.place(past.readers()[0], 3_001)
    assert cut_before(past.readers()[0].segments()[0], 10**9).position > 0  # type: ignore[arg-type]
    past.close()


def test_a_missing_segment_is_not_taken_for_the_end(tmp_path: Path) -> None:
    data = simulated_feed(3_000)
    journal = journal_of_lives(tmp_path, data, records=600)
    names = sorted({path.name.partition(".")[0] for path in journal.rglob("*.dbn.zst")})
    for path in journal.rglob(f"{names[2]}.*"):
        path.unlink()
    size = forms.prefix(data, int(names[2].partition("-")[2]) + 50)
    at = forms.last_ts_recv(data[:size])
    past = Past(str(journal))
    with pytest.raises(JournalError, match="are missing"):
        past.book("11", at)
    assert past.book("11", forms.last_ts_recv(data) - 1).engine.books()
    past.close()


def test_names_are_those_of_the_time(tmp_path: Path) -> None:
    write(tmp_path, "ONE.X", "0", {"A": 1, "BOTH": 2, "7": 3}, [*orders(1), *orders(3)])
    write(tmp_path, "TWO.X", "0", {"B": 1, "BOTH": 9}, orders(9))
    past = Past(str(tmp_path))
    assert past.find("A", 20)[0].instrument_id == 1
    assert past.find("7", 20)[0].instrument_id == 3  # a symbol before an id of the same digits
    assert past.find("TWO.X:BOTH", 20)[0].name == "TWO.X:BOTH"
    with pytest.raises(AmbiguousInstrumentError) as several:
        past.find("BOTH", 20)
    assert several.value.choices == ("ONE.X:BOTH", "TWO.X:BOTH")
    with pytest.raises(AmbiguousInstrumentError, match=r"ONE\.X:A, TWO\.X:B"):
        past.find("1", 20)
    with pytest.raises(UnknownInstrumentError):
        past.find("ONE.X:B", 20)
    past.close()


def test_of_two_shards_the_one_with_the_book_answers(tmp_path: Path) -> None:
    symbols = {"A": 1, "B": 2}
    write(tmp_path, "ONE.X", "0", symbols, orders(1))
    write(tmp_path, "ONE.X", "1", symbols, orders(2))
    past = Past(str(tmp_path))
    for name, shard in (("A", "0"), ("B", "1")):
        found = past.book(name, 30)
        assert found.named.reader.journal.shard == shard
        assert found.engine.status(found.named.instrument_id).orders == 3
    past.close()


def test_times_before_everything_will_do_only_where_they_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "ONE.X", "0", {"A": 1}, orders(1))
    reader = Past(str(tmp_path)).readers()[0]
    assert kept(reader) == (10, 49)
    with pytest.raises(TimeNotKeptError, match="before the journal begins"):
        segment_at(reader, 9)
    assert segment_at(reader, 9, from_nothing=True).position == 0
    with pytest.raises(TimeNotKeptError, match="no closed segment"):
        segment_at(reader, 50, from_nothing=True)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("1758742200000000001", 1_758_742_200_000_000_001),
        ("2025-09-24T19:30:00.000000001Z", 1_758_742_200_000_000_001),
        ("2025-09-24 21:30+02:00", 1_758_742_200_000_000_000),
        ("18446744073709551614", 2**64 - 2),
        ("18446744073709551615", None),
        ("-1", None),
        ("1969-12-31", None),
        ("2025-02-30", None),
        ("soon", None),
        ("٣", None),
    ],
)
def test_times_as_people_write_them(text: str, ns: int | None) -> None:
    assert parse_ns(text) == ns
