"""``depthcast journal cat`` and ``at``: records and books out of a journal."""

from pathlib import Path

import pytest

from depthcast.dbn import forms, read_dbn
from tests.support.command import command
from tests.support.journals import (
    DATASET,
    METADATA,
    reader_of,
    simulated_feed,
)


def part(folder: Path, position: int, ending: str) -> Path:
    (path,) = folder.glob(f"journal/*/*/date=*/*-{position:016d}{ending}")
    return path


# -- ls


def remove(folder: Path) -> None:
    part(folder, 2_000, ".dbn.zst").unlink()
    part(folder, 2_000, ".index.json").unlink()


def test_cat_is_the_feed(killed: Path, tmp_path: Path) -> None:
    for name in ("all.dbn", "all.dbn.zst"):
        result = command("journal", "cat", killed, "-o", tmp_path / name)
        assert (result.code, result.err) == (0, "6,000 records from position 0\n")
        written = read_dbn(tmp_path / name)
        assert bytes(written.data) == simulated_feed()
        assert written.metadata.dataset == DATASET


def test_cat_takes_positions(recorded: Path, tmp_path: Path) -> None:
    feed = simulated_feed()
    options = ("--from-position", 1_500, "--to-position", 3_210, "-o", tmp_path / "some.dbn")
    assert command("journal", "cat", recorded, *options).code == 0
    begin, end = forms.prefix(feed, 1_500), forms.prefix(feed, 3_210)
    assert bytes(read_dbn(tmp_path / "some.dbn").data) == feed[begin:end]


def test_cat_takes_times(recorded: Path, tmp_path: Path) -> None:
    feed = simulated_feed()
    since, until = (forms.first_ts_recv(feed[forms.prefix(feed, number) :]) for number in (2_345, 4_567))
    options = ("--since", since, "--until", until, "-o", tmp_path / "some.dbn")
    assert command("journal", "cat", recorded, *options).code == 0
    begin, end = (forms.due_prefix(feed, moment - 1)[0] for moment in (since, until))
    assert 0 < begin < end < len(feed)
    assert bytes(read_dbn(tmp_path / "some.dbn").data) == feed[begin:end]


def test_cat_says_what_cannot_be(recorded: Path, copy: Path) -> None:
    assert command("journal", "cat", recorded, "--since", 5, "--from-position", 5).code == 2
    assert "--since: expected" in command("journal", "cat", recorded, "--since", "noon").err
    remove(copy)
    result = command("journal", "cat", copy, "-o", copy / "out.dbn")
    assert result.code == 3
    assert "records 2,000 to 2,999 are missing" in result.err
    assert not (copy / "out.dbn").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from-position", 10, "--to-position", 5), "expected a position after 10, got 5"),
        (("--from-position", 10, "--to-position", 10), "expected a position after 10, got 10"),
        (("--from-position", 6_000), "the journal ends at position 6,000"),
        (("--from-position", 10**12), "the journal ends at position 6,000"),
        (("--from-position", -1), "expected a position from 0, got -1"),
        (("--to-position", 0), "expected a position after 0, got 0"),
        (("--since", "2025-01-02", "--until", "2025-01-01"), "expected a time after that of --since"),
    ],
)
def test_cat_of_nothing_is_wrong_usage(
    recorded: Path, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    result = command("journal", "cat", recorded, *options, "-o", tmp_path / "out.dbn")
    assert result.code == 2
    assert said in result.err
    assert not (tmp_path / "out.dbn").exists()


def test_cat_writes_dbn_under_no_other_name(recorded: Path, tmp_path: Path) -> None:
    result = command("journal", "cat", recorded, "-o", tmp_path / "x.csv")
    assert result.code == 2
    assert "give a name that ends in .dbn or .dbn.zst" in result.err


# -- at


def test_at_a_time_the_books_are_those_that_the_feed_gives(killed: Path, tmp_path: Path) -> None:
    feed = simulated_feed()
    (tmp_path / "feed.dbn").write_bytes(METADATA.encode() + feed)
    for number in (10, 999, 2_500, 5_500):
        moment = forms.first_ts_recv(feed[forms.prefix(feed, number) :])
        ours = command("journal", "at", killed, moment, "--orders").json
        theirs = command("reconstruct", tmp_path / "feed.dbn", "--at", moment, "--orders").json
        ours, theirs = (document.get("books", [document]) for document in (ours, theirs))
        for part_of_book in ("checksum", "bids", "asks"):
            assert [book[part_of_book] for book in ours] == [book[part_of_book] for book in theirs]


def test_at_draws_and_chooses(recorded: Path) -> None:
    moment = reader_of(recorded).segments()[3].before.latest_ts_recv
    drawn = command("journal", "at", recorded, moment, "--instrument", "11", "--picture", "--depth", 2)
    assert drawn.code == 0
    assert "instrument 11  GLBX.MDP3" in drawn.out
    assert "books as of" in drawn.err
    missing = command("journal", "at", recorded, moment, "--instrument", "999")
    assert missing.code == 2
    assert "no book of 999" in missing.err


def test_at_a_time_before_the_journal(recorded: Path, copy: Path) -> None:
    early = command("journal", "at", recorded, "2001-01-01")
    assert early.code == 0
    assert early.json["books"] == []
    assert "there are no books" in early.err
    part(copy, 0, ".dbn.zst").unlink()
    part(copy, 0, ".index.json").unlink()
    gone = command("journal", "at", copy, "2001-01-01")
    assert gone.code == 2
    assert "no longer has 2001-01-01" in gone.err
