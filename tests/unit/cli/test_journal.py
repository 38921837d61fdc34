"""``depthcast journal``: lists, verifies, takes out records and books."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from depthcast.dbn import forms
from depthcast.journal.index import SegmentIndex, decode, encode
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.writer import JournalWriter
from tests.support.command import command
from tests.support.journals import (
    DATASET,
    METADATA,
    SHARD,
    Recording,
    simulated_feed,
)
from tests.support.records import add

TITLES = ["epoch", "from", "to", "records", "head", "size", "ratio", "ts_recv", "from", "to", "state"]


def part(folder: Path, position: int, ending: str) -> Path:
    (path,) = folder.glob(f"journal/*/*/date=*/*-{position:016d}{ending}")
    return path


# -- ls


def test_ls_shows_every_segment_and_the_sum(recorded: Path) -> None:
    result = command("journal", "ls", recorded)
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "GLBX.MDP3, shard 0"
    assert lines[1].split() == TITLES
    assert [line.split()[:4] for line in lines[2:8]] == [
        ["1", f"{begin:,}", f"{begin + 1_000:,}", "1,000"] for begin in range(0, 6_000, 1_000)
    ]
    assert all(line.endswith("closed") for line in lines[2:8])
    assert lines[8].startswith("6 segments, 6,000 records, ")


def test_ls_as_json_has_the_same(killed: Path) -> None:
    rows = json.loads(command("journal", "ls", killed, "--json").out)
    assert [(row["position"], row["end"], row["state"]) for row in rows] == [
        *((begin, begin + 1_000, "closed") for begin in range(0, 5_000, 1_000)),
        (5_000, 6_000, "open"),
    ]
    whole = forms.span(simulated_feed())
    assert (rows[0]["ts_recv_first"], rows[-1]["ts_recv_last"]) == (
        str(whole.min_ts_recv),
        str(whole.max_ts_recv),
    )


def test_ls_says_what_is_in_the_store(recorded: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(recorded, store)
    part(store, 5_000, ".index.json").unlink()
    rows = json.loads(command("journal", "ls", recorded, "--store", store, "--json").out)
    assert [row["state"] for row in rows] == ["uploaded"] * 5 + ["pending"]


@pytest.mark.parametrize("name", ["ls", "verify", "cat"])
def test_a_place_without_a_journal_is_wrong_usage(name: str, tmp_path: Path) -> None:
    for place, said in ((tmp_path, "there is no journal in"), (tmp_path / "none", "there is no folder")):
        result = command("journal", name, place)
        assert (result.code, result.out) == (2, "")
        assert said in result.err


@pytest.mark.parametrize("name", ["ls", "verify", "cat"])
def test_a_file_is_no_journal_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("?")
    result = command("journal", name, tmp_path / "file")
    assert (result.code, result.out) == (4, "")
    assert result.err.endswith("file: not a directory\n")


def test_a_feed_whose_journal_cannot_be_there_ends_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("?")
    options = ("--listen", "127.0.0.1:0", "--admin", "none", "--journal", tmp_path / "file")
    result = command("feed", "sim://cme", *options)
    assert result.code == 4, result.err
    assert "file: not a directory" in result.err


def test_one_segment_is_said_to_be_one(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.put(simulated_feed())
    recording.writer.close()
    assert command("journal", "verify", tmp_path).out == "1 segment, 6,000 records: all is right\n"
    assert "\n1 segment, 6,000 records, " in command("journal", "ls", tmp_path).out


def test_of_several_journals_one_is_chosen(recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    writer = JournalWriter.open(tmp_path, "", "XNAS.ITCH", "b", JournalPolicy())
    writer.begin(0, METADATA, b"", b"")
    writer.append(add(1, "B", 5, 5), 1)
    writer.close()
    result = command("journal", "ls", tmp_path)
    assert result.code == 2
    assert "--dataset GLBX.MDP3 --shard 0, --dataset XNAS.ITCH --shard b" in result.err
    assert "XNAS.ITCH, shard b" in command("journal", "ls", tmp_path, "--dataset", "XNAS.ITCH").out
    assert command("journal", "ls", tmp_path, "--shard", "c").code == 2


# -- verify


@pytest.mark.parametrize("kind", ["recorded", "killed"])
def test_a_good_journal_verifies(kind: str, request: pytest.FixtureRequest) -> None:
    result = command("journal", "verify", request.getfixturevalue(kind))
    assert (result.code, result.out) == (0, "6 segments, 6,000 records: all is right\n")


def edit(folder: Path, position: int, change: Callable[[SegmentIndex], SegmentIndex]) -> None:
    path = part(folder, position, ".index.json")
    path.write_bytes(encode(change(decode(SegmentIndex, path.read_bytes(), ""))))


def flip(folder: Path) -> None:
    path = part(folder, 2_000, ".dbn.zst")
    data = bytearray(path.read_bytes())
    data[-300] ^= 1
    path.write_bytes(data)


def cut(folder: Path) -> None:
    path = part(folder, 2_000, ".dbn.zst")
    path.write_bytes(path.read_bytes()[:-1])


def remove(folder: Path) -> None:
    part(folder, 2_000, ".dbn.zst").unlink()
    part(folder, 2_000, ".index.json").unlink()


def lose_segment(folder: Path) -> None:
    part(folder, 2_000, ".dbn.zst").unlink()


def other_count(folder: Path) -> None:
    edit(folder, 2_000, lambda index: msgspec.structs.replace(index, records=999))


def other_times(folder: Path) -> None:
    def change(index: SegmentIndex) -> SegmentIndex:
        times = msgspec.structs.replace(index.times, max_ts_recv=index.times.max_ts_recv + 1)
        return msgspec.structs.replace(index, times=times)

    edit(folder, 2_000, change)


def other_hash(folder: Path) -> None:
    edit(folder, 2_000, lambda index: msgspec.structs.replace(index, sha256="0" * 64))


def other_frame(folder: Path) -> None:
    def change(index: SegmentIndex) -> SegmentIndex:
        frame = msgspec.structs.replace(index.frames[0], records=index.frames[0].records - 1)
        return msgspec.structs.replace(index, frames=[frame, *index.frames[1:]])

    edit(folder, 2_000, change)


def other_past(folder: Path) -> None:
    def change(index: SegmentIndex) -> SegmentIndex:
        return msgspec.structs.replace(index, before=msgspec.structs.replace(index.before, latest_ts_recv=1))

    edit(folder, 2_000, change)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip, "SHA-256 is not the one in its index"),
        (cut, "bytes; its index says"),
        (remove, "records 2,000 to 2,999 are missing before it"),
        (lose_segment, "there is no such file"),
        (other_count, "are missing before it"),
        (other_times, "its records are not those that the index counts"),
        (other_hash, "SHA-256 is not the one in its index"),
        (other_frame, "is not what the index says of it"),
        (other_past, "what it says of the times before it is not so"),
    ],
)
def test_damage_is_found_and_named(copy: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(copy)
    result = command("journal", "verify", copy)
    assert result.code == 5
    assert said in result.out
    assert "wrong" in result.out.splitlines()[-1]


def test_a_missing_segment_is_named_once(copy: Path) -> None:
    path = part(copy, 2_000, ".dbn.zst")
    path.unlink()
    lines = command("journal", "verify", copy).out.splitlines()
    assert lines == [f"{path}: there is no such file", "6 segments, 6,000 records: 1 of them wrong"]


def test_a_damaged_frame_is_named_with_its_file_once(copy: Path) -> None:
    flip(copy)
    result = command("journal", "verify", copy)
    assert all(line.count(str(copy)) == 1 for line in result.out.splitlines()[:-1])
    assert any("the frame at byte" in line for line in result.out.splitlines())


def test_an_open_segment_with_broken_metadata_is_found(killed: Path, tmp_path: Path) -> None:
    shutil.copytree(killed, tmp_path / "copy")
    (path,) = tmp_path.glob("copy/journal/*/*/open/*.open.dbn")
    with path.open("r+b") as file:
        file.write(b"X" * 10)
    result = command("journal", "verify", tmp_path / "copy")
    assert result.code == 5
    assert f"{path}: broken metadata" in result.out
    assert result.out.endswith("6 segments, 6,000 records: 1 of them wrong\n")


def test_an_open_segment_without_a_good_header_stops_nothing_else(killed: Path, tmp_path: Path) -> None:
    shutil.copytree(killed, tmp_path / "copy")
    (path,) = tmp_path.glob("copy/journal/*/*/open/*.open.json")
    path.write_bytes(b"")
    result = command("journal", "verify", tmp_path / "copy")
    assert result.code == 5
    assert result.out.startswith(f"{path}: not what a segment's index is")
    assert (
        command("journal", "cat", tmp_path / "copy", "--to-position", 5_000, "-o", tmp_path / "a.dbn").code
        == 0
    )


def empty(path: Path) -> None:
    path.write_bytes(b"")


def edited(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"records"', b'"Records"'))


@pytest.mark.parametrize("damage", [empty, edited])
def test_a_damaged_index_stops_only_what_needs_it(
    copy: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    index = part(copy, 2_000, ".index.json")
    damage(index)
    part(copy, 4_000, ".dbn.zst").unlink()
    verified = command("journal", "verify", copy)
    assert verified.code == 5
    first, second, verdict = verified.out.splitlines()
    assert first.startswith(f"{index}: ")
    assert "000004000.dbn.zst: there is no such file" in second
    assert verdict == "6 segments, 5,000 records: 2 of them wrong"
    listed = command("journal", "ls", copy, "--json")
    assert listed.code == 0
    assert [row["state"] for row in json.loads(listed.out)] == ["closed"] * 2 + ["damaged"] + ["closed"] * 3
    assert str(index) in listed.err
    assert "damaged" in command("journal", "ls", copy).out
    for begin, end in ((0, 2_000), (500, 1_500), (3_000, 4_000)):
        options = ("--from-position", begin, "--to-position", end, "-o", tmp_path / "some.dbn")
        assert command("journal", "cat", copy, *options).code == 0
    whole = command("journal", "cat", copy, "-o", tmp_path / "all.dbn")
    assert whole.code == 3
    assert str(index) in whole.err
    assert not (tmp_path / "all.dbn").exists()


def test_the_books_of_a_time_are_given_unless_its_segment_is_damaged(recorded: Path, tmp_path: Path) -> None:
    feed = simulated_feed()
    moments = [forms.first_ts_recv(feed[forms.prefix(feed, number) :]) for number in range(500, 6_000, 1_000)]
    right = [command("journal", "at", recorded, moment).json["books"] for moment in moments]
    for damaged in ([0], [1], [2], [3], [4], [5], [1, 2], [2, 3, 4], [0, 1]):
        copy = tmp_path / "".join(map(str, damaged))
        shutil.copytree(recorded, copy)
        for number in damaged:
            empty(part(copy, 1_000 * number, ".index.json"))
        for number, moment in enumerate(moments):
            result = command("journal", "at", copy, moment)
            if number in damaged:
                assert (result.code, result.out) == (3, "")
                assert ".index.json: not what a segment's index is" in result.err
            else:
                assert result.json["books"] == right[number]


def test_a_head_with_other_books_is_found(tmp_path: Path) -> None:
    feed = simulated_feed()
    half = forms.prefix(feed, 3_000)
    recording = Recording(tmp_path)
    recording.put(feed[:half])
    wrong = add(77, "B", 5_000_000_000, 1, instrument_id=11, publisher_id=65_001)
    recording.writer.rotate(3_000, METADATA, recording.head + wrong, b"")
    recording.writer.append(feed[half:], 3_000)
    recording.writer.close()
    result = command("journal", "verify", tmp_path)
    assert result.code == 5
    assert (
        "its head has other books than the records before it make: instrument 11 at publisher" in result.out
    )


def test_a_head_without_a_definition_is_found(tmp_path: Path) -> None:
    feed = simulated_feed()
    half = forms.prefix(feed, 3_000)
    recording = Recording(tmp_path)
    recording.put(feed[:half])
    recording.writer.rotate(3_000, METADATA, recording.engine.snapshot(), b"")
    recording.writer.append(feed[half:], 3_000)
    recording.writer.close()
    result = command("journal", "verify", tmp_path)
    assert result.code == 5
    assert "other definitions or statuses" in result.out


def test_a_source_that_begins_anew_in_a_new_life_is_no_violation(tmp_path: Path) -> None:
    for _ in range(2):
        writer = JournalWriter.open(tmp_path, "", DATASET, SHARD)
        writer.begin(writer.position, METADATA, b"", b"")
        writer.append(simulated_feed(), 6_000)
        writer.close()
    assert command("journal", "verify", tmp_path).code == 0


# -- cat
